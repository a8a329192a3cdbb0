"""Rows of what happened: executions, levels, quotes."""

from marksim.core.book.compiled import compiled
from marksim.core.book.words import BUY, CANCELLED, REJECTED, SELL, Book, Index, Row


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
    return row


@compiled
def tell(book: Book, kind: int, reason: int, order: Row, price: int, quantity: int) -> Row:
    """The next execution, of an order as it is now."""
    return add_execution(
        book, kind, reason, order.account, order.serial, order.order_id, order.side, price, quantity, order.leaves_lots
    )


@compiled
def reject(book: Book, command: Row, reason: int) -> None:
    """Say why a command has no effect."""
    side = command.side if command.side in (BUY, SELL) else 0
    price, quantity = command.price_ticks, command.quantity_lots
    add_execution(book, REJECTED, reason, command.account, command.serial, 0, side, price, quantity, 0)


@compiled
def take_off(book: Book, order: Row, price: int, quantity: int, reason: int) -> None:
    """Take so much off what an order has left, and say so; of its level the caller does."""
    order.leaves_lots -= quantity
    tell(book, CANCELLED, reason, order, price, quantity)


@compiled
def write_level(book: Book, at: int, index: Index, side: int) -> None:
    """Write the present state of a level into row `at`."""
    row = book.depth[at]
    row.sequence = book.state.sequence
    row.time_ns = book.state.time_ns
    row.price_ticks = index + book.state.min_price_ticks
    row.quantity_lots = book.levels[index].quantity_lots
    row.order_count = book.levels[index].order_count
    row.side = side


@compiled
def add_depth(book: Book, index: Index, side: int) -> None:
    """Write the next row of depth: a level that changed."""
    write_level(book, book.state.depth, index, side)
    book.state.depth += 1


@compiled
def add_quote(book: Book) -> None:
    """Write a quote if best price or size differ from the last one; an empty side keeps its last quoted price."""
    state, levels = book.state, book.levels
    bid_price, bid_quantity = state.bid_price_ticks, 0
    if state.best_bid >= 0:
        bid_price, bid_quantity = state.best_bid + state.min_price_ticks, levels[state.best_bid].quantity_lots
    ask_price, ask_quantity = state.ask_price_ticks, 0
    if state.best_ask >= 0:
        ask_price, ask_quantity = state.best_ask + state.min_price_ticks, levels[state.best_ask].quantity_lots
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
