"""Orders into their level's queue and out of it, and slots out of the pool and back."""

from marksim.core.book.compiled import compiled
from marksim.core.book.names import add_name, remove_name
from marksim.core.book.occupancy import clear_bit, next_level, previous_level, set_bit
from marksim.core.book.words import BUY, Book, Index, int64


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
    order.level = taker.level
    order.side = taker.side
    add_name(orders, book.names, slot)
    return slot


@compiled
def release_slot(book: Book, slot: Index) -> None:
    """Give back the slot of an order that is in no queue any more, and forget its name."""
    order = book.orders[slot]
    remove_name(book.orders, book.names, slot)
    order.leaves_lots = 0
    order.next = book.state.free_slot
    book.state.free_slot = slot


@compiled
def join_queue(book: Book, slot: Index) -> None:
    """Put an order at the end of its level's queue."""
    orders, state = book.orders, book.state
    order = orders[slot]
    level = book.levels[order.level]
    order.previous = level.tail
    order.next = 0
    if level.tail == 0:
        level.head = slot
        set_bit(book, order.level)
        if order.side == BUY:
            state.best_bid = max(state.best_bid, int64(order.level))
        elif state.best_ask < 0 or order.level < state.best_ask:
            state.best_ask = order.level
    else:
        orders[level.tail].next = slot
    level.tail = slot
    level.quantity_lots += order.leaves_lots
    level.order_count += 1
    state.order_count += 1


@compiled
def leave_queue(book: Book, slot: Index) -> None:
    """Take an order out of its queue; what it has left leaves its level."""
    orders, state = book.orders, book.state
    order = orders[slot]
    level = book.levels[order.level]
    if order.previous == 0:
        level.head = order.next
    else:
        orders[order.previous].next = order.next
    if order.next == 0:
        level.tail = order.previous
    else:
        orders[order.next].previous = order.previous
    level.quantity_lots -= order.leaves_lots
    level.order_count -= 1
    state.order_count -= 1
    if level.head == 0:
        clear_bit(book, order.level)
        if order.level == state.best_bid:
            state.best_bid = previous_level(book, order.level)
        elif order.level == state.best_ask:
            state.best_ask = next_level(book, order.level)
