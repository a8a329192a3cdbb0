"""Rows of what happened: executions, levels, quotes."""

from marksim.core.book.compiled import compiled
from marksim.core.book.words import BUY, CANCELLED, REJECTED, SELL, Index, Row, Table


@compiled
def add_execution(
    book: Row,
    executions: Table,
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
    book.sequence += 1
    row = executions[book.executions]
    book.executions += 1
    row.sequence = book.sequence
    row.time_ns = book.time_ns
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
def add_depth(book: Row, levels: Table, depth: Table, at: int, index: Index, side: int) -> None:
    """Write the present state of a level into row `at`."""
    row = depth[at]
    row.sequence = book.sequence
    row.time_ns = book.time_ns
    row.price_ticks = index + book.min_price_ticks
    row.quantity_lots = levels[index].quantity_lots
    row.order_count = levels[index].order_count
    row.side = side


@compiled
def add_quote(book: Row, levels: Table, quotes: Table) -> None:
    """Write a quote if best price or size differ from the last one; an empty side keeps its last quoted price."""
    bid_price, bid_quantity = book.bid_price_ticks, 0
    if book.best_bid >= 0:
        bid_price, bid_quantity = book.best_bid + book.min_price_ticks, levels[book.best_bid].quantity_lots
    ask_price, ask_quantity = book.ask_price_ticks, 0
    if book.best_ask >= 0:
        ask_price, ask_quantity = book.best_ask + book.min_price_ticks, levels[book.best_ask].quantity_lots
    if (
        bid_price == book.bid_price_ticks
        and bid_quantity == book.bid_quantity_lots
        and ask_price == book.ask_price_ticks
        and ask_quantity == book.ask_quantity_lots
    ):
        return
    book.bid_price_ticks, book.bid_quantity_lots = bid_price, bid_quantity
    book.ask_price_ticks, book.ask_quantity_lots = ask_price, ask_quantity
    row = quotes[book.quotes]
    book.quotes += 1
    row.sequence = book.sequence
    row.time_ns = book.time_ns
    row.bid_price_ticks, row.bid_quantity_lots = bid_price, bid_quantity
    row.ask_price_ticks, row.ask_quantity_lots = ask_price, ask_quantity


@compiled
def reject(book: Row, command: Row, reason: int, executions: Table) -> None:
    """Say why a command has no effect."""
    side = command.side if command.side in (BUY, SELL) else 0
    price, quantity = command.price_ticks, command.quantity_lots
    add_execution(book, executions, REJECTED, reason, command.account, command.serial, 0, side, price, quantity, 0)


@compiled
def take_off(book: Row, executions: Table, maker: Row, price: int, quantity: int, reason: int) -> None:
    """Say that so much of a resting order is cancelled; the caller has taken it off."""
    add_execution(
        book,
        executions,
        CANCELLED,
        reason,
        maker.account,
        maker.serial,
        maker.order_id,
        maker.side,
        price,
        quantity,
        maker.leaves_lots,
    )
