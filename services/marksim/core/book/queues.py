"""Orders into their level's queue and out of it, and slots out of the pool and back."""

from marksim.core.book.compiled import compiled
from marksim.core.book.names import remove_name
from marksim.core.book.occupancy import clear_bit, next_level, previous_level, set_bit
from marksim.core.book.words import BUY, Bitmap, Index, Names, Row, Table, int64


@compiled
def rest_order(book: Row, orders: Table, levels: Table, bitmap: Bitmap, slot: Index) -> None:
    """Put a filled-in slot at the end of its level's queue."""
    order = orders[slot]
    level = levels[order.level]
    order.previous = level.tail
    order.next = 0
    if level.tail == 0:
        level.head = slot
        set_bit(book, bitmap, order.level)
        if order.side == BUY:
            book.best_bid = max(book.best_bid, int64(order.level))
        elif book.best_ask < 0 or order.level < book.best_ask:
            book.best_ask = order.level
    else:
        orders[level.tail].next = slot
    level.tail = slot
    level.quantity_lots += order.leaves_lots
    level.order_count += 1
    book.order_count += 1


@compiled
def remove_order(book: Row, orders: Table, levels: Table, bitmap: Bitmap, names: Names, slot: Index) -> None:
    """Take a slot out of its queue and give it back; what it had left leaves its level."""
    order = orders[slot]
    level = levels[order.level]
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
    if level.head == 0:
        clear_bit(book, bitmap, order.level)
        if order.level == book.best_bid:
            book.best_bid = previous_level(book, bitmap, order.level)
        elif order.level == book.best_ask:
            book.best_ask = next_level(book, bitmap, order.level)
    remove_name(orders, names, slot)
    order.leaves_lots = 0
    order.next = book.free_slot
    book.free_slot = slot
    book.order_count -= 1
