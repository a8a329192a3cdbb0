"""Orders into their level's queue and out of it, and slots out of the pool and back."""

from marksim.core.book.compiled import compiled
from marksim.core.book.names import add_name, remove_name
from marksim.core.book.occupancy import clear_bit, next_level, previous_level, set_bit
from marksim.core.book.words import BUY, Book, Index, Row, int64


@compiled
def claim_slot(book: Book) -> Index:
    """A free slot with what stands in slot 0, under its name there; the caller has seen that one is free."""
    orders, state = book.orders, book.state
    slot = state.free_slot
    order, taker = orders[slot], orders[0]
    state.free_slot = int64(order.next)
    order.account = taker.account
    order.serial = taker.serial
    order.order_id = taker.order_id
    order.quantity_lots = taker.quantity_lots
    order.leaves_lots = taker.leaves_lots
    order.self_trade_group = taker.self_trade_group
    order.display_lots = taker.display_lots
    order.expire_time_ns = taker.expire_time_ns
    order.stop_price_ticks = taker.stop_price_ticks
    order.level = taker.level
    order.side = taker.side
    order.order_type = taker.order_type
    order.time_in_force = taker.time_in_force
    order.self_trade_prevention = taker.self_trade_prevention
    add_name(orders, book.names, slot)
    return slot


@compiled
def release_slot(book: Book, slot: Index) -> None:
    """Give back the slot of an order that is in no queue any more, and forget its name."""
    order = book.orders[slot]
    remove_name(book.orders, book.names, slot)
    order.leaves_lots = order.hidden_lots = 0
    order.next = book.state.free_slot
    book.state.free_slot = slot


@compiled
def join_queue(book: Book, slot: Index) -> None:
    """Put an order at the end of its level's queue, an iceberg with as much shown as it displays."""
    state, order = book.state, book.orders[slot]
    level = book.levels[order.level]
    order.hidden_lots = 0
    if order.display_lots != 0 and order.leaves_lots > order.display_lots:
        order.hidden_lots = order.leaves_lots - order.display_lots
        level.hidden_lots += order.hidden_lots
        count_refills(book, level, refills_of(order))
    if level.tail == 0:
        set_bit(book, order.level)
        if order.side == BUY:
            state.best_bid = max(state.best_bid, int64(order.level))
        elif state.best_ask < 0 or order.level < state.best_ask:
            state.best_ask = order.level
    append(book, level, slot)
    level.quantity_lots += order.leaves_lots - order.hidden_lots
    level.order_count += 1
    state.order_count += 1


@compiled
def append(book: Book, level: Row, slot: Index) -> None:
    """Link a slot behind the last one of a queue."""
    order = book.orders[slot]
    order.previous = level.tail
    order.next = 0
    if level.tail == 0:
        level.head = slot
    else:
        book.orders[level.tail].next = slot
    level.tail = slot


@compiled
def unlink(book: Book, level: Row, slot: Index) -> None:
    """Take a slot out of the links of a queue."""
    orders = book.orders
    order = orders[slot]
    if order.previous == 0:
        level.head = order.next
    else:
        orders[order.previous].next = order.next
    if order.next == 0:
        level.tail = order.previous
    else:
        orders[order.next].previous = order.previous


@compiled
def refills_of(order: Row) -> int:
    """How often what an iceberg hides is shown in turn."""
    if order.hidden_lots == 0:
        return 0
    return (order.hidden_lots + order.display_lots - 1) // order.display_lots


@compiled
def count_refills(book: Book, level: Row, more: int) -> None:
    """Add to the refills that are yet to come."""
    level.refills += more
    book.state.refills += more


@compiled
def shrink(book: Book, level: Row, order: Row, leaves: int) -> None:
    """Make a resting order smaller in its place; what is hidden goes first."""
    shown = order.leaves_lots - order.hidden_lots
    hidden = max(int64(0), leaves - shown)
    level.quantity_lots += leaves - hidden - shown
    if hidden != order.hidden_lots:
        before = refills_of(order)
        level.hidden_lots += hidden - order.hidden_lots
        order.hidden_lots = hidden
        count_refills(book, level, refills_of(order) - before)
    order.leaves_lots = leaves


@compiled
def refill(book: Book, level: Row, slot: Index) -> int:
    """Show the next part of an iceberg that has nothing shown, at the end of its queue; how much that is."""
    order = book.orders[slot]
    shown: int = min(order.display_lots, order.hidden_lots)
    order.hidden_lots -= shown
    level.hidden_lots -= shown
    level.quantity_lots += shown
    count_refills(book, level, -1)
    if level.tail != slot:
        unlink(book, level, slot)
        append(book, level, slot)
    return shown


@compiled
def leave_queue(book: Book, slot: Index) -> None:
    """Take an order out of its queue; what it has left leaves its level."""
    state, order = book.state, book.orders[slot]
    level = book.levels[order.level]
    unlink(book, level, slot)
    level.quantity_lots -= order.leaves_lots - order.hidden_lots
    if order.hidden_lots != 0:
        level.hidden_lots -= order.hidden_lots
        count_refills(book, level, -refills_of(order))
    level.order_count -= 1
    state.order_count -= 1
    if level.head == 0:
        clear_bit(book, order.level)
        if order.level == state.best_bid:
            state.best_bid = previous_level(book, order.level)
        elif order.level == state.best_ask:
            state.best_ask = next_level(book, order.level)
