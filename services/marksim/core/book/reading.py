"""What may be asked of the compiled book."""

from marksim.core.book.auction import find_price
from marksim.core.book.compiled import compiled, kernel
from marksim.core.book.handle import as_book
from marksim.core.book.kernel import next_expiry, price_of
from marksim.core.book.names import find_slot
from marksim.core.book.occupancy import next_level
from marksim.core.book.output import write_level
from marksim.core.book.words import NO_LEVEL, Book, Index, Row, Table, int64


@kernel
def write_depth(counters: Table, depth: Table, most: int) -> int:
    """Write the best `most` levels of each side, bids first, best first; returns the number of rows."""
    book = as_book(counters)
    rows = int64(0)
    for first in (int64(book.state.best_bid), int64(book.state.best_ask)):
        index, last = first, rows + most
        while index != NO_LEVEL and rows < last:
            write_level(book, depth[rows], index)
            rows += 1
            index = next_level(book, index)
    return rows


@kernel
def write_resting(counters: Table, resting: Table, most_levels: int, most_orders: int, with_stops: bool) -> int:
    """Write the first `most_orders` of the best `most_levels` of each side in priority order; returns the number of rows.

    The stops that wait follow, if asked for, oldest first. It ends where the rows do.
    """
    book = as_book(counters)
    at = int64(0)
    for first in (int64(book.state.best_bid), int64(book.state.best_ask)):
        index, left = first, most_levels
        while index != NO_LEVEL and left > 0:
            at = write_queue(book, int64(book.levels[index].head), most_orders, resting, at)
            index = next_level(book, index)
            left -= 1
    return write_queue(book, int64(book.state.first_stop), most_orders, resting, at) if with_stops else at


@compiled
def write_queue(book: Book, slot: Index, most: int, resting: Table, at: int) -> int:
    """Write the first orders of a list, as many as fit; returns the number of rows there are then."""
    last = at + min(most, len(resting) - at)
    while slot != 0 and at < last:
        write_order(book, slot, resting[at])
        at += 1
        slot = int64(book.orders[slot].next)
    return at


@compiled
def write_order(book: Book, slot: Index, row: Row) -> None:
    """Write one order."""
    order = book.orders[slot]
    terms = book.terms[order.terms]
    row.account = order.account
    row.serial = order.serial
    row.order_id = order.order_id
    row.price_ticks = price_of(book, order)
    row.quantity_lots = order.quantity_lots
    row.leaves_lots = order.leaves_lots
    row.self_trade_group = terms.self_trade_group if terms.self_trade_group != 0 else order.account
    row.display_lots = terms.display_lots
    row.hidden_lots = terms.hidden_lots
    row.expire_time_ns = terms.expire_time_ns
    row.stop_price_ticks = terms.stop_price_ticks
    row.side = order.side
    row.order_type = order.order_type
    row.time_in_force = order.time_in_force
    row.self_trade_prevention = order.self_trade_prevention


@kernel
def find_order(counters: Table, account: int, serial: int, resting: Table) -> bool:
    """Write the order of that name into the first row; whether there is one."""
    book = as_book(counters)
    slot = find_slot(book, account, serial)
    if slot != 0:
        write_order(book, slot, resting[0])
    return bool(slot != 0)


@kernel
def first_expiry(counters: Table) -> int:
    """When the next order expires, or 0 where none does."""
    return next_expiry(as_book(counters))


@kernel
def indicative(counters: Table) -> tuple[int, int, int]:
    """Price, volume and surplus at which the book would uncross now."""
    return find_price(as_book(counters))
