"""Rows of what happened: executions, levels, quotes."""

from marksim.core.book.compiled import compiled
from marksim.core.book.queues import price_at
from marksim.core.book.words import BUY, CANCELLED, CONTINUOUS, NO_LEVEL, NONE, REJECTED, SELL, Book, Index, Row, int64


@compiled
def add_execution(
    book: Book,
    kind: int,
    reason: int,
    account: int,
    serial: int,
    order_id: int,
    side: int,
    price: int,
    quantity: int,
    leaves: int,
) -> Row:
    """Write the next execution and return its row; the maker's columns are 0."""
    state = book.state
    state.sequence += 1
    row = book.executions[state.executions]
    state.executions += 1
    row.sequence = state.sequence
    row.time_ns = state.time_ns
    row.account = account
    row.serial = serial
    row.order_id = order_id
    row.price_ticks = price
    row.quantity_lots = quantity
    row.leaves_lots = leaves
    row.maker_account = 0
    row.maker_serial = 0
    row.maker_order_id = 0
    row.maker_leaves_lots = 0
    row.kind = kind
    row.reason = reason
    row.side = side
    row.session_state = 0
    return row


@compiled
def tell(book: Book, kind: int, reason: int, order: Row, price: int, quantity: int) -> Row:
    """The next execution, of an order as it is now."""
    return add_execution(
        book,
        kind,
        reason,
        order.account,
        order.serial,
        order.order_id,
        int64(order.side),
        price,
        quantity,
        order.leaves_lots,
    )


@compiled
def reject(book: Book, command: Row, reason: int) -> None:
    """Say why a command has no effect."""
    side = int64(command.side) if command.side in (BUY, SELL) else NONE
    price, quantity = command.price_ticks, command.quantity_lots
    add_execution(book, REJECTED, reason, command.account, command.serial, NONE, side, price, quantity, NONE)


@compiled
def take_off(book: Book, order: Row, price: int, quantity: int, reason: int) -> None:
    """Take so much off what an order has left, and say so; of its level the caller does."""
    order.leaves_lots -= quantity
    tell(book, CANCELLED, reason, order, price, quantity)


@compiled
def write_level(book: Book, row: Row, index: Index) -> None:
    """Write the present state of a level into a row of depth."""
    level = book.levels[index]
    row.sequence = book.state.sequence
    row.time_ns = book.state.time_ns
    row.price_ticks = price_at(book, index)
    row.quantity_lots = level.quantity_lots
    row.order_count = level.order_count
    row.side = BUY if index < book.state.span else SELL


@compiled
def add_depth(book: Book, index: Index) -> None:
    """Write the next row of depth: a level that changed."""
    write_level(book, book.depth[book.state.depth], index)
    book.state.depth += 1


@compiled
def add_quote(book: Book) -> None:
    """Write a quote if best price or size differ from the last one.

    A side that is empty, and both outside continuous trading, keep their last quoted price, with size 0.
    """
    state, levels = book.state, book.levels
    bid_price, bid_quantity = int64(state.bid_price_ticks), int64(0)
    ask_price, ask_quantity = int64(state.ask_price_ticks), int64(0)
    if state.session == CONTINUOUS:
        if state.best_bid != NO_LEVEL:
            bid_price, bid_quantity = price_at(book, int64(state.best_bid)), int64(levels[state.best_bid].quantity_lots)
        if state.best_ask != NO_LEVEL:
            ask_price, ask_quantity = price_at(book, int64(state.best_ask)), int64(levels[state.best_ask].quantity_lots)
    if (
        bid_price == state.bid_price_ticks
        and bid_quantity == state.bid_quantity_lots
        and ask_price == state.ask_price_ticks
        and ask_quantity == state.ask_quantity_lots
    ):
        return
    state.bid_price_ticks, state.bid_quantity_lots = bid_price, bid_quantity
    state.ask_price_ticks, state.ask_quantity_lots = ask_price, ask_quantity
    row = book.quotes[state.quotes]
    state.quotes += 1
    row.sequence = state.sequence
    row.time_ns = state.time_ns
    row.bid_price_ticks, row.bid_quantity_lots = bid_price, bid_quantity
    row.ask_price_ticks, row.ask_quantity_lots = ask_price, ask_quantity
