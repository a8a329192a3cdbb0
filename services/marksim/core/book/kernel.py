"""The compiled order book: one pass over a batch of commands, in preallocated arrays (see state.py), without Python.

`reference.py` specifies what every function here does. The kernel stops before a command for which room may run out;
`OrderBook` then makes room and calls again, so nothing is allocated in compiled code. It stands in several files: here the
commands and what may be asked, in entering.py what is refused, in taking.py what an order meets, in queues.py levels and
slots, in names.py and occupancy.py how both are found, in output.py the rows.
"""

from marksim.core.book.compiled import compiled
from marksim.core.book.entering import is_stop, why_not, why_not_amend
from marksim.core.book.heaps import drop_dead, drop_first, push, swept
from marksim.core.book.names import add_name, find_slot, remove_name
from marksim.core.book.occupancy import next_level, previous_level
from marksim.core.book.output import add_depth, add_execution, add_quote, reject, take_off, tell, write_level
from marksim.core.book.queues import claim_slot, join_queue, leave_queue, release_slot, shrink
from marksim.core.book.stops import add_stop, leave_stops, next_triggered, release_stop
from marksim.core.book.taking import first_index, following_index, last_market_index, price_after_slide, take
from marksim.core.book.words import (
    ACCEPTED,
    AMEND,
    AMENDED,
    BUY,
    CANCEL,
    CANCEL_OLDEST,
    CANCEL_REJECTED,
    CANCELLED,
    EXPIRED,
    HAS_EXPIRED,
    INVALID_SIDE,
    LIMIT,
    MASS_CANCEL,
    NEW,
    REQUESTED,
    SELF_TRADE,
    SELL,
    STOP,
    STOP_LIMIT,
    TRIGGERED,
    UNKNOWN_ORDER,
    UNSPECIFIED,
    UNSUPPORTED,
    Bitmap,
    Book,
    Index,
    Names,
    Row,
    Table,
    int64,
)

# Commands.


@compiled
def new_order(book: Book, command: Row) -> None:
    """Check, accept, match, and rest, wait or cancel what is left."""
    state, taker = book.state, book.orders[0]
    price = price_after_slide(book, command.side, command.price_ticks, command.post_only)
    reason = why_not(book, command, price)
    if reason != UNSPECIFIED:
        reject(book, command, reason)
        return
    state.last_order_id += 1
    taker.account = command.account
    taker.serial = command.serial
    taker.order_id = state.last_order_id
    taker.quantity_lots = taker.leaves_lots = command.quantity_lots
    taker.self_trade_group = command.self_trade_group if command.self_trade_group != 0 else command.account
    taker.display_lots, taker.expire_time_ns = command.display_lots, command.expire_time_ns
    taker.stop_price_ticks = command.stop_price_ticks
    taker.side, taker.order_type = command.side, command.order_type
    taker.time_in_force, taker.self_trade_prevention = 0, 0
    tell(book, ACCEPTED, UNSPECIFIED, taker, price, taker.quantity_lots)
    last = last_market_index(book, command.side) if price == 0 else price - state.min_price_ticks
    if is_stop(command):
        taker.level = last
        taker.time_in_force, taker.self_trade_prevention = command.time_in_force, command.self_trade_prevention
        slot = claim_slot(book)
        add_stop(book, slot)
        set_expiry(book, slot)
        return
    if command.post_only == 0:
        life, prevention = command.time_in_force, command.self_trade_prevention
        reason = take(book, taker, last, price, life, prevention, command.min_quantity_lots)
        if taker.leaves_lots == 0:
            return
    if reason != UNSPECIFIED:
        take_off(book, taker, price, taker.leaves_lots, reason)
        return
    taker.level = last
    slot = claim_slot(book)
    join_queue(book, slot)
    set_expiry(book, slot)
    add_depth(book, last, command.side)


@compiled
def set_expiry(book: Book, slot: Index) -> None:
    """Let an order expire, if it does."""
    state, order = book.state, book.orders[slot]
    if order.expire_time_ns != 0:
        state.expiries = push(book.orders, book.expiries, state.expiries, order.expire_time_ns, slot)


@compiled
def price_of(book: Book, order: Row) -> int:
    """The limit price of an order that stays; 0 of a stop that has none."""
    if order.order_type == STOP:
        return 0
    return int64(order.level) + book.state.min_price_ticks


@compiled
def trigger(book: Book, slot: Index) -> None:
    """Let the stop whose turn it is trade, and rest or cancel what is left."""
    order = book.orders[slot]
    release_stop(book, slot)
    price = price_of(book, order)
    tell(book, TRIGGERED, UNSPECIFIED, order, price, order.leaves_lots)
    last = int64(order.level) if price != 0 else last_market_index(book, order.side)
    reason = take(book, order, last, price, order.time_in_force, order.self_trade_prevention, 0)
    if reason != UNSPECIFIED and order.leaves_lots > 0:
        take_off(book, order, price, order.leaves_lots, reason)
    settle(book, slot, last)
    add_quote(book)


@compiled
def settle(book: Book, slot: Index, index: Index) -> None:
    """Let an order that has traded rest at a level, or give its slot back if nothing is left of it."""
    order = book.orders[slot]
    if order.leaves_lots == 0:
        release_slot(book, slot)
        return
    order.order_type, order.time_in_force, order.self_trade_prevention, order.stop_price_ticks = LIMIT, 0, 0, 0
    order.level = index
    join_queue(book, slot)
    add_depth(book, index, int64(order.side))


@compiled
def cancel_order(book: Book, command: Row) -> None:
    """Remove the order that target_serial names, or say that there is none."""
    account, serial = command.account, command.target_serial
    slot = find_slot(book.orders, book.names, account, serial)
    if slot == 0:
        add_execution(book, CANCEL_REJECTED, UNKNOWN_ORDER, account, serial, 0, 0, 0, 0, 0)
        return
    end(book, slot, CANCELLED, REQUESTED)


@compiled
def end(book: Book, slot: Index, kind: int, reason: int) -> None:
    """End an order that rests or waits, and tell of it and its level."""
    order = book.orders[slot]
    index, side, rests = int64(order.level), int64(order.side), not is_stop(order)
    remove(book, slot, kind, reason)
    if rests:
        add_depth(book, index, side)


@compiled
def remove(book: Book, slot: Index, kind: int, reason: int) -> None:
    """End an order that rests or waits; the caller tells of its level."""
    order = book.orders[slot]
    if is_stop(order):
        leave_stops(book, slot)
    else:
        leave_queue(book, slot)
    quantity = order.leaves_lots
    order.leaves_lots = 0
    tell(book, kind, reason, order, price_of(book, order), quantity)
    release_slot(book, slot)


@compiled
def amend_order(book: Book, command: Row) -> None:
    """Change price or quantity of an order: in its place where it only becomes smaller, otherwise it comes anew."""
    state, account, serial = book.state, command.account, command.target_serial
    slot = find_slot(book.orders, book.names, account, serial)
    if slot == 0:
        price, quantity = command.price_ticks, command.quantity_lots
        add_execution(book, CANCEL_REJECTED, UNKNOWN_ORDER, account, serial, 0, 0, price, quantity, 0)
        return
    order = book.orders[slot]
    index, before, old_price = int64(order.level), order.leaves_lots, price_of(book, order)
    price = command.price_ticks if command.price_ticks != 0 else old_price
    quantity = command.quantity_lots if command.quantity_lots != 0 else order.quantity_lots
    slid = price_after_slide(book, order.side, price, command.post_only)
    reason = why_not_amend(book, command, order, price, slid, quantity)
    if reason != UNSPECIFIED:
        tell(book, CANCEL_REJECTED, reason, order, command.price_ticks, command.quantity_lots)
        return
    leaves = before - (order.quantity_lots - quantity)
    if leaves <= 0:
        end(book, slot, CANCELLED, REQUESTED)
        return
    rename(book, slot, command.serial)
    order.quantity_lots = quantity
    if is_stop(order):
        order.leaves_lots = leaves
        order.level = slid - state.min_price_ticks if slid != 0 else order.level
        tell(book, AMENDED, UNSPECIFIED, order, slid, quantity)
        return
    if slid == old_price and leaves <= before:
        shrink(book, book.levels[index], order, leaves)
        tell(book, AMENDED, UNSPECIFIED, order, slid, quantity)
        if leaves != before:
            add_depth(book, index, int64(order.side))
        return
    leave_queue(book, slot)
    order.leaves_lots = leaves
    tell(book, AMENDED, UNSPECIFIED, order, slid, quantity)
    if slid != old_price:
        add_depth(book, index, int64(order.side))
    if take(book, order, slid - state.min_price_ticks, slid, 0, command.self_trade_prevention, 0) == SELF_TRADE:
        take_off(book, order, slid, order.leaves_lots, SELF_TRADE)
    settle(book, slot, slid - state.min_price_ticks)


@compiled
def rename(book: Book, slot: Index, serial: int) -> None:
    """Give an order another name."""
    order = book.orders[slot]
    if order.serial != serial:
        remove_name(book.orders, book.names, slot)
        order.serial = serial
        add_name(book.orders, book.names, slot)


@compiled
def next_expiry(book: Book) -> int:
    """When the next order expires, or 0 where none does."""
    state = book.state
    state.expiries = drop_dead(book.orders, book.expiries, state.expiries)
    return int64(book.expiries[0].key) if state.expiries > 0 else int64(0)


@compiled
def expire_first(book: Book) -> None:
    """End the order that expires first, at its time."""
    state, entry = book.state, book.expiries[0]
    slot, time_ns = int64(entry.slot), entry.key
    state.expiries = drop_first(book.expiries, state.expiries)
    state.time_ns = max(state.time_ns, time_ns)
    end(book, slot, EXPIRED, HAS_EXPIRED)
    add_quote(book)


@compiled
def mass_cancel(book: Book, command: Row) -> None:
    """Cancel all resting orders of the account, of one side if that is named: bids, asks, then stops."""
    state, account = book.state, command.account
    reason = UNKNOWN_ORDER if command.side <= SELL else INVALID_SIDE
    for side in (BUY, SELL):
        if reason == INVALID_SIDE or command.side not in (0, side):
            continue
        index = int64(state.best_bid if side == BUY else state.best_ask)
        while index >= 0:
            following = previous_level(book, index) if side == BUY else next_level(book, index)
            sequence = state.sequence
            slot = int64(book.levels[index].head)
            while slot != 0:
                behind = int64(book.orders[slot].next)
                if book.orders[slot].account == account:
                    remove(book, slot, CANCELLED, REQUESTED)
                slot = behind
            if state.sequence > sequence:
                add_depth(book, index, side)
                reason = UNSPECIFIED
            index = following
    slot = int64(state.first_stop) if reason != INVALID_SIDE else int64(0)
    while slot != 0:
        order = book.orders[slot]
        behind = int64(order.next)
        if order.account == account and command.side in (0, int64(order.side)):
            remove(book, slot, CANCELLED, REQUESTED)
            reason = UNSPECIFIED
        slot = behind
    if reason != UNSPECIFIED:
        add_execution(book, CANCEL_REJECTED, reason, account, command.serial, 0, 0, 0, 0, 0)


@compiled
def has_room(book: Book, command: Row) -> bool:
    """Whether slots and rows suffice for a command whatever it does; if not, state.needed_* says how many rows do."""
    state, orders = book.state, book.orders
    used = state.order_count + state.stop_count
    if used == len(orders) - 1 and used < state.max_orders:
        state.needed_executions = state.needed_depth = 0
        return False
    if command.kind == NEW and not has_entries(book, command):
        return False
    if has_rows(book, 2 * used + 2 * state.refills + 2, used + 1):
        return True
    # The short answer is no; count the orders and levels that this command may really meet.
    prevention, quantity = command.self_trade_prevention, command.quantity_lots
    if command.kind == MASS_CANCEL:
        return has_rows(book, used + 1, state.order_count + 1)
    # Of what orders and amendments alone have: a cancel's quantity may be anything.
    if command.kind in (NEW, AMEND) and (quantity < 0 or quantity > state.max_quantity_lots):
        # It will be refused.
        return has_rows(book, 1, 0)
    if command.kind == NEW:
        market = command.order_type not in (LIMIT, STOP_LIMIT)
        last = last_market_index(book, command.side) if market else command.price_ticks - state.min_price_ticks
        return has_room_to_take(book, command.side, last, quantity, prevention)
    if command.kind == AMEND:
        order = orders[find_slot(orders, book.names, command.account, command.target_serial)]
        # At the price that it has it meets nothing.
        most = max(quantity, order.quantity_lots) if command.price_ticks != 0 else int64(0)
        return has_room_to_take(book, order.side, command.price_ticks - state.min_price_ticks, most, prevention)
    return has_rows(book, 2, 2)


@compiled
def has_entries(book: Book, command: Row) -> bool:
    """Whether a new order finds room in the heaps; if not, state.full_heap says which must grow."""
    state, orders = book.state, book.orders
    if command.expire_time_ns != 0 and state.expiries == len(book.expiries):
        state.expiries = swept(orders, book.expiries, state.expiries)
        if 2 * state.expiries >= len(book.expiries):
            state.full_heap = 1
            return False
    if is_stop(command) and command.side == BUY and state.buy_stops == len(book.buy_stops):
        state.buy_stops = swept(orders, book.buy_stops, state.buy_stops)
        if 2 * state.buy_stops >= len(book.buy_stops):
            state.full_heap = 2
            return False
    if is_stop(command) and command.side != BUY and state.sell_stops == len(book.sell_stops):
        state.sell_stops = swept(orders, book.sell_stops, state.sell_stops)
        if 2 * state.sell_stops >= len(book.sell_stops):
            state.full_heap = 3
            return False
    return True


@compiled
def has_room_to_trigger(book: Book, slot: Index) -> bool:
    """The same for a stop whose turn it is."""
    order = book.orders[slot]
    last = last_market_index(book, order.side) if order.order_type == STOP else int64(order.level)
    return has_room_to_take(book, order.side, last, order.leaves_lots, order.self_trade_prevention)


@compiled
def has_room_to_take(book: Book, side: int, last: Index, remaining: int, prevention: int) -> bool:
    """The same for an order that trades so much down to a level, with a row before and one after."""
    needed_executions, needed_depth = 2, 2
    # Of an order that its sender's own is not to trade with, the taker may have a row beside the maker's.
    rows_a_maker = 2 if prevention != 0 else 1
    index = first_index(book, side == BUY, last)
    while index >= 0 and remaining > 0:
        level = book.levels[index]
        # A refill has a row, and a trade more that it makes possible.
        needed_executions += rows_a_maker * level.order_count + 2 * level.refills
        needed_depth += 1
        if prevention != CANCEL_OLDEST:
            remaining -= level.quantity_lots + level.hidden_lots
        index = following_index(book, side == BUY, index, last)
    return has_rows(book, needed_executions, needed_depth)


@compiled
def has_rows(book: Book, executions: int, depth: int) -> bool:
    """Whether so many more rows fit; if not, state.needed_* says how many are needed in all."""
    state = book.state
    state.needed_executions, state.needed_depth = state.executions + executions, state.depth + depth
    enough: bool = state.needed_executions <= len(book.executions) and state.needed_depth <= len(book.depth)
    return enough


@compiled
def apply_commands(
    counters: Table,
    orders: Table,
    levels: Table,
    bitmap: Bitmap,
    names: Names,
    expiries: Table,
    buy_stops: Table,
    sell_stops: Table,
    commands: Table,
    done: int,
    until_ns: int,
    executions: Table,
    quotes: Table,
    depth: Table,
) -> tuple[int, bool, int, int, int]:
    """Apply commands[done:], and expire what is due by `until_ns`, until room may run out; done=-1 begins new output.

    Returns the number of commands applied so far, whether all is done, and the rows in executions, quotes and depth.
    """
    book = Book(counters[0], orders, levels, bitmap, names, expiries, buy_stops, sell_stops, executions, quotes, depth)
    state = book.state
    if done < 0:
        state.executions = state.quotes = state.depth = done = 0
    while state.quotes < len(quotes):
        slot = next_triggered(book)
        if slot != 0:
            if not has_room_to_trigger(book, slot):
                break
            trigger(book, slot)
            continue
        if 0 < next_expiry(book) <= (commands[done].time_ns if done < len(commands) else until_ns):
            if not has_rows(book, 1, 1):
                break
            expire_first(book)
            continue
        if done == len(commands):
            return done, True, state.executions, state.quotes, state.depth
        command = commands[done]
        if not has_room(book, command):
            break
        state.time_ns = command.time_ns
        if command.kind == NEW:
            new_order(book, command)
        elif command.kind == CANCEL:
            cancel_order(book, command)
        elif command.kind == AMEND:
            amend_order(book, command)
        elif command.kind == MASS_CANCEL:
            mass_cancel(book, command)
        else:
            reject(book, command, UNSUPPORTED)
        add_quote(book)
        done += 1
    return done, False, state.executions, state.quotes, state.depth


# Reading.


@compiled
def write_depth(
    counters: Table,
    orders: Table,
    levels: Table,
    bitmap: Bitmap,
    names: Names,
    expiries: Table,
    buy_stops: Table,
    sell_stops: Table,
    most: int,
    depth: Table,
) -> int:
    """Write the best `most` levels of each side, bids first, best first; returns the number of rows."""
    book = Book(counters[0], orders, levels, bitmap, names, expiries, buy_stops, sell_stops, depth, depth, depth)
    rows = 0
    index = int64(book.state.best_bid)
    while index >= 0 and rows < most:
        write_level(book, rows, index, BUY)
        rows += 1
        index = previous_level(book, index)
    bids = rows
    index = int64(book.state.best_ask)
    while index >= 0 and rows - bids < most:
        write_level(book, rows, index, SELL)
        rows += 1
        index = next_level(book, index)
    return rows


@compiled
def write_resting(
    counters: Table,
    orders: Table,
    levels: Table,
    bitmap: Bitmap,
    names: Names,
    expiries: Table,
    buy_stops: Table,
    sell_stops: Table,
    resting: Table,
) -> None:
    """Write every resting order in priority order, and then the stops that wait, oldest first."""
    book = Book(counters[0], orders, levels, bitmap, names, expiries, buy_stops, sell_stops, resting, resting, resting)
    at = 0
    for side in (BUY, SELL):
        index = int64(book.state.best_bid if side == BUY else book.state.best_ask)
        while index >= 0:
            slot = int64(levels[index].head)
            while slot != 0:
                write_order(book, slot, resting[at])
                at += 1
                slot = int64(orders[slot].next)
            index = previous_level(book, index) if side == BUY else next_level(book, index)
    slot = int64(book.state.first_stop)
    while slot != 0:
        write_order(book, slot, resting[at])
        at += 1
        slot = int64(orders[slot].next)


@compiled
def write_order(book: Book, slot: Index, row: Row) -> None:
    """Write one order."""
    order = book.orders[slot]
    row.account = order.account
    row.serial = order.serial
    row.order_id = order.order_id
    row.price_ticks = price_of(book, order)
    row.quantity_lots = order.quantity_lots
    row.leaves_lots = order.leaves_lots
    row.self_trade_group = order.self_trade_group
    row.display_lots = order.display_lots
    row.hidden_lots = order.hidden_lots
    row.expire_time_ns = order.expire_time_ns
    row.stop_price_ticks = order.stop_price_ticks
    row.side = order.side
    row.order_type = order.order_type
    row.time_in_force = order.time_in_force
    row.self_trade_prevention = order.self_trade_prevention


@compiled
def first_expiry(
    counters: Table,
    orders: Table,
    levels: Table,
    bitmap: Bitmap,
    names: Names,
    expiries: Table,
    buy_stops: Table,
    sell_stops: Table,
    none: Table,
) -> int:
    """When the next order expires, or 0 where none does. `none` is any array."""
    return next_expiry(Book(counters[0], orders, levels, bitmap, names, expiries, buy_stops, sell_stops, none, none, none))
