"""Whether memory suffices for what comes next, whatever that does.

Where it may not, the state says what is to grow, the kernel stops, and `OrderBook` makes room.
"""

from marksim.core.book.auction import is_crossed
from marksim.core.book.compiled import compiled, compiled_apart
from marksim.core.book.entering import is_stop
from marksim.core.book.heaps import swept
from marksim.core.book.names import find_slot
from marksim.core.book.occupancy import next_level
from marksim.core.book.queues import group_of, own_index, price_at
from marksim.core.book.taking import first_index, following_index, last_index_of, others_lots
from marksim.core.book.words import (
    AMEND,
    BUY,
    CANCEL,
    CANCEL_OLDEST,
    LIMIT,
    MASS_CANCEL,
    NEW,
    OWNER_GONE,
    SELL,
    SET_SESSION,
    STOP,
    STOP_LIMIT,
    Book,
    Index,
    Row,
    int64,
)


@compiled
def has_room(book: Book, command: Row) -> bool:
    """Whether there is room for a command; if not, the state says what is to grow."""
    if command.kind == CANCEL:
        return has_rows(book, 1, 1)
    if command.kind == NEW:
        return has_slots(book, command) and has_room_for_new(book, command)
    return has_room_for_other(book, command)


@compiled
def has_slots(book: Book, command: Row) -> bool:
    """Whether a new order could stay."""
    state = book.state
    is_full = state.free_slot == 0 and state.fresh_slot == len(book.orders)
    if is_full and state.order_count + state.stop_count < state.max_orders:
        state.needed_executions = state.needed_depth = 0
        return False
    if command.expire_time_ns != 0 or command.stop_price_ticks != 0:
        if not has_entries(book, command):
            return False
    elif command.self_trade_group == 0 and command.display_lots == 0:
        return True
    if state.free_terms == 0:
        state.full_terms = 1
        return False
    return True


@compiled_apart
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
def has_room_for_new(book: Book, command: Row) -> bool:
    """Whether the rows of a new order fit."""
    side, quantity = int64(command.side), int64(command.quantity_lots)
    price = int64(command.price_ticks if command.order_type in (LIMIT, STOP_LIMIT) else 0)
    if will_be_refused(book, price, quantity):
        return has_rows(book, 1, 0)
    last = last_index_of(book, side, price)
    if first_index(book, side, last) < 0:
        return has_rows(book, 3, 1)
    group = int64(command.self_trade_group if command.self_trade_group != 0 else command.account)
    return has_room_to_take(book, side, last, quantity, group, int64(command.self_trade_prevention))


@compiled
def will_be_refused(book: Book, price: int, quantity: int) -> bool:
    """Whether a price or quantity is out of what may be; of one that is not, no level has the index. 0 is no price."""
    state = book.state
    if quantity < 0 or quantity > state.max_quantity_lots:
        return True
    return bool(price != 0 and (price < state.min_price_ticks or price > state.max_price_ticks))


@compiled_apart
def has_room_for_other(book: Book, command: Row) -> bool:
    """The same of a command that is neither a new order nor a cancel."""
    state = book.state
    if command.kind == SET_SESSION:
        return has_room_to_change(book)
    if command.kind in (MASS_CANCEL, OWNER_GONE):
        if has_rows(book, state.order_count + state.stop_count + 1, state.order_count + 1):
            return True
        own = orders_of(book, command.account) + 1
        return has_rows(book, own, own)
    price, quantity = int64(command.price_ticks), int64(command.quantity_lots)
    if command.kind != AMEND or will_be_refused(book, price, quantity):
        return has_rows(book, 1, 0)
    if price == 0:
        # At the price that it has it meets nothing.
        return has_rows(book, 3, 2)
    order = book.orders[find_slot(book, command.account, command.target_serial)]
    side, most = int64(order.side), max(quantity, int64(order.quantity_lots))
    prevention = int64(command.self_trade_prevention)
    return has_room_to_take(book, side, last_index_of(book, side, price), most, group_of(book, order), prevention)


@compiled
def orders_of(book: Book, account: int) -> int:
    """How many orders of an account rest or wait."""
    found = int64(0)
    for slot in range(1, book.state.fresh_slot):
        order = book.orders[slot]
        if order.account == account and order.leaves_lots > 0:
            found += 1
    return found


@compiled_apart
def has_room_to_trigger(book: Book, slot: Index) -> bool:
    """The same of a stop whose turn it is."""
    order = book.orders[slot]
    side = int64(order.side)
    price = int64(0) if order.order_type == STOP else price_at(book, int64(order.level))
    last = last_index_of(book, side, price)
    prevention = int64(order.self_trade_prevention)
    return has_room_to_take(book, side, last, int64(order.leaves_lots), group_of(book, order), prevention)


@compiled_apart
def has_room_to_take(book: Book, side: int, last: Index, remaining: int, group: int, prevention: int) -> bool:
    """The same of an order that trades so much down to a level, with two rows before and two after."""
    state = book.state
    used = state.order_count + state.stop_count
    if has_rows(book, 2 * used + 2 * state.refills + 4, used + 2):
        return True
    # The short answer is no; count the orders and levels that it may really meet.
    needed_executions, needed_depth = int64(4), int64(2)
    # Of an order that its sender's own is not to trade with, the taker may have a row beside the maker's.
    rows_a_maker = 2 if prevention != 0 else 1
    index = first_index(book, side, last)
    while index >= 0 and remaining > 0:
        level = book.levels[index]
        state.levels_touched += 1
        # A refill has a row, and a trade more that it makes possible.
        needed_executions += rows_a_maker * level.order_count + 2 * level.refills
        needed_depth += 1
        if prevention != CANCEL_OLDEST:
            remaining -= level.quantity_lots + level.hidden_lots
        else:
            # Its own do not fill it.
            remaining -= others_lots(book, index, group, prevention)[0]
        index = following_index(book, index, last)
    return has_rows(book, needed_executions, needed_depth)


@compiled_apart
def has_room_to_change(book: Book) -> bool:
    """The same of a session change, with all that may trade in it."""
    state = book.state
    needed_executions, needed_depth = 2 + int64(state.at_the_open_count), 1 + int64(state.at_the_open_count)
    if is_crossed(book):
        bid, ask = int64(state.best_bid), int64(state.best_ask)
        for side, best, other in ((BUY, bid, ask), (SELL, ask, bid)):
            index, last = best, own_index(book, side, price_at(book, other))
            while index <= last:
                level = book.levels[index]
                needed_executions += level.order_count + 2 * level.refills
                needed_depth += 1
                index = next_level(book, index)
    return has_rows(book, needed_executions, needed_depth)


@compiled
def has_rows(book: Book, executions: int, depth: int) -> bool:
    """Whether so many more rows fit; if not, state.needed_* says how many are needed in all."""
    state = book.state
    needed_executions, needed_depth = state.executions + executions, state.depth + depth
    if needed_executions <= len(book.executions) and needed_depth <= len(book.depth):
        return True
    state.needed_executions, state.needed_depth = needed_executions, needed_depth
    return False
