"""Commands on their way to the book: a pool of them, and a heap by (arrival, account, serial), the order of merging."""

from marksim.core.book.compiled import compiled
from marksim.core.book.words import CANCEL, NEW, NONE, Index, Row, Table, int64
from marksim.core.populations.dice import drawn
from marksim.core.populations.words import BUY, GTC, GTD, IOC, LIMIT, MARKET, STOP, Crowd, Population, Trader

# The pool and its heap.


@compiled
def comes_before(key: Row, time_ns: int, account: int, serial: int) -> bool:
    """Whether the entry belongs above one of these numbers."""
    if key.time_ns != time_ns:
        return bool(key.time_ns < time_ns)
    if key.account != account:
        return bool(key.account < account)
    return bool(key.serial < serial)


@compiled
def put_key(heap: Table, index: Index, time_ns: int, account: int, serial: int, slot: Index) -> None:
    """Write an entry."""
    key = heap[index]
    key.time_ns, key.account, key.serial, key.slot = time_ns, account, serial, slot


@compiled
def move_key(heap: Table, to: Index, of: Index) -> None:
    """Copy an entry."""
    key = heap[of]
    put_key(heap, to, key.time_ns, key.account, key.serial, key.slot)


@compiled
def push(crowd: Crowd, time_ns: int, account: int, serial: int, slot: Index) -> None:
    """Add an entry; there must be room."""
    heap, state = crowd.heap, crowd.state
    at = int64(state.pending)
    state.pending += 1
    while at > 0:
        parent = (at - 1) >> 1
        if comes_before(heap[parent], time_ns, account, serial):
            break
        move_key(heap, at, parent)
        at = parent
    put_key(heap, at, time_ns, account, serial, slot)


@compiled
def pop(crowd: Crowd) -> Index:
    """Take the first entry away; returns its slot."""
    heap, state = crowd.heap, crowd.state
    slot = int64(heap[0].slot)
    state.pending -= 1
    count = int64(state.pending)
    last = heap[count]
    time_ns, account, serial, moved = int64(last.time_ns), int64(last.account), int64(last.serial), int64(last.slot)
    at = int64(0)
    while True:
        child = 2 * at + 1
        if child >= count:
            break
        if child + 1 < count:
            right = heap[child + 1]
            if comes_before(right, heap[child].time_ns, heap[child].account, heap[child].serial):
                child += 1
        if not comes_before(heap[child], time_ns, account, serial):
            break
        move_key(heap, at, child)
        at = child
    if count > 0:
        put_key(heap, at, time_ns, account, serial, moved)
    return slot


@compiled
def claim_sent(crowd: Crowd) -> Index:
    """A free slot of the pool; there must be room."""
    state = crowd.state
    slot = int64(state.free_sent)
    if slot != 0:
        state.free_sent = crowd.links[slot]
        return slot
    state.used_sent += 1
    return int64(state.used_sent - 1)


@compiled
def has_room_to_send(crowd: Crowd, commands: int) -> bool:
    """Whether so many more commands may be sent."""
    state = crowd.state
    # Slots are at least as many as entries that wait, so that one question is enough; the free list is not counted.
    return bool(state.used_sent + commands <= len(crowd.sent) and state.pending + commands <= len(crowd.heap))


@compiled
def give_sent(crowd: Crowd, slot: Index) -> None:
    """Put a slot back."""
    crowd.links[slot] = crowd.state.free_sent
    crowd.state.free_sent = slot


# What traders send.


@compiled
def latency_of(crowd: Crowd, population: Population, serial: int) -> int:
    """How long the command of that serial takes."""
    first, count = int64(population.first_order_quantile), int64(population.order_quantiles)
    return drawn(crowd.quantiles, first, count, population.key, serial)


@compiled
def letter(crowd: Crowd, population: Population, trader: Trader, arrival_ns: int, kind: int) -> Row:
    """A fresh command of a trader, on its way; what it says is for the caller to write."""
    slot = claim_sent(crowd)
    command = crowd.sent[slot]
    account = population.account + (trader - population.first_trader)
    command.time_ns, command.account, command.serial, command.kind = arrival_ns, account, population.serial, kind
    command.price_ticks = command.stop_price_ticks = command.quantity_lots = command.display_lots = 0
    command.min_quantity_lots = command.expire_time_ns = command.target_serial = command.self_trade_group = 0
    command.side = command.order_type = command.time_in_force = command.post_only = 0
    command.self_trade_prevention = command.session_state = 0
    push(crowd, arrival_ns, account, int64(population.serial), slot)
    return command


@compiled
def send_order(
    crowd: Crowd, population: Population, trader: Trader, now_ns: int, side: int, order_type: int, price: int, lots: int
) -> Row:
    """Send a new order, GTC or, without a price to rest at, IOC; returns the command, for further terms."""
    population.serial += 1
    population.orders_sent += 1
    crowd.state.orders_sent += 1
    arrival_ns = now_ns + latency_of(crowd, population, int64(population.serial))
    command = letter(crowd, population, trader, arrival_ns, NEW)
    command.side, command.order_type, command.price_ticks = side, order_type, price
    command.time_in_force = IOC if order_type == MARKET else GTC
    command.quantity_lots = min(max(lots, int64(crowd.state.min_quantity_lots)), int64(crowd.state.max_quantity_lots))
    return command


@compiled
def take_market(crowd: Crowd, population: Population, trader: Trader, now_ns: int, side: int, lots: int) -> None:
    """Send a market order."""
    send_order(crowd, population, trader, now_ns, side, MARKET, NONE, lots)


@compiled
def take_up_to(crowd: Crowd, population: Population, trader: Trader, now_ns: int, side: int, price: int, lots: int) -> None:
    """Send an order that takes what is there up to a price, and does not rest."""
    command = send_order(crowd, population, trader, now_ns, side, LIMIT, within(crowd, price), lots)
    command.time_in_force = IOC


@compiled
def await_answer(crowd: Crowd, population: Population, trader: Trader, side: int) -> None:
    """Let the order just sent, which does not rest, be that of the side until it is known what became of it."""
    remember(crowd, trader, side, int64(population.serial), int64(crowd.state.min_price_ticks), int64(1))


@compiled
def within(crowd: Crowd, price: int) -> int:
    """The nearest price that the instrument has."""
    return min(max(price, int64(crowd.state.min_price_ticks)), int64(crowd.state.max_price_ticks))


@compiled
def cancel(crowd: Crowd, population: Population, trader: Trader, now_ns: int, side: int) -> None:
    """Cancel what rests on a side of a trader, if anything does. It never overtakes the order."""
    row = crowd.traders[trader]
    target = int64(row.bid_serial if side == BUY else row.ask_serial)
    if target == 0:
        return
    population.serial += 1
    serial = int64(population.serial)
    latency_ns = max(latency_of(crowd, population, serial), latency_of(crowd, population, target))
    command = letter(crowd, population, trader, now_ns + latency_ns, CANCEL)
    command.target_serial = target
    if side == BUY:
        row.bid_serial = row.bid_lots = row.bid_level = 0
    else:
        row.ask_serial = row.ask_lots = row.ask_level = 0


@compiled
def rest(
    crowd: Crowd, population: Population, trader: Trader, now_ns: int, side: int, price: int, lots: int, patience_ns: int
) -> None:
    """Send a limit order in the place of the one that rests on that side; with patience it expires."""
    cancel(crowd, population, trader, now_ns, side)
    price = within(crowd, price)
    command = send_order(crowd, population, trader, now_ns, side, LIMIT, price, lots)
    if patience_ns > 0:
        command.time_in_force, command.expire_time_ns = GTD, command.time_ns + patience_ns
    remember(crowd, trader, side, int64(population.serial), price, int64(command.quantity_lots))


@compiled
def protect(crowd: Crowd, population: Population, trader: Trader, now_ns: int, side: int, stop: int, lots: int) -> None:
    """Send a stop order in the place of what waits on that side."""
    cancel(crowd, population, trader, now_ns, side)
    stop = within(crowd, stop)
    command = send_order(crowd, population, trader, now_ns, side, STOP, NONE, lots)
    command.stop_price_ticks = stop
    remember(crowd, trader, side, int64(population.serial), stop, int64(command.quantity_lots))


@compiled
def remember(crowd: Crowd, trader: Trader, side: int, serial: int, price: int, lots: int) -> None:
    """Let that be the order of a trader's side."""
    row = crowd.traders[trader]
    level = price - crowd.state.min_price_ticks
    if side == BUY:
        row.bid_serial, row.bid_level, row.bid_lots = serial, level, lots
    else:
        row.ask_serial, row.ask_level, row.ask_lots = serial, level, lots
