"""The compiled order book: one pass over a batch of commands, in preallocated arrays (see state.py), without Python.

`reference.py` specifies what every function here does. The kernel stops before a command for which room may run out;
`OrderBook` then makes room and calls again, so nothing is allocated in compiled code. It stands in several files: here the
commands and what may be asked, in taking.py what an order meets, in queues.py levels and slots, in names.py and occupancy.py
how both are found, in output.py the rows.
"""

from marksim.core.book.compiled import compiled
from marksim.core.book.names import add_name, find_slot
from marksim.core.book.occupancy import next_level, previous_level
from marksim.core.book.output import add_depth, add_execution, add_quote, reject
from marksim.core.book.queues import remove_order, rest_order
from marksim.core.book.taking import first_index, following_index, last_index, match, price_after_slide, why_not, why_nothing
from marksim.core.book.words import (
    ACCEPTED,
    BUY,
    CANCEL,
    CANCEL_OLDEST,
    CANCEL_REJECTED,
    CANCELLED,
    IOC,
    IOC_REMAINDER,
    MARKET,
    NEW,
    NO_LIQUIDITY,
    PRICE_BAND,
    REQUESTED,
    SELF_TRADE,
    SELL,
    UNKNOWN_ORDER,
    UNSPECIFIED,
    UNSUPPORTED,
    Bitmap,
    Names,
    Row,
    Table,
    int64,
)


@compiled
def new_order(
    book: Row, orders: Table, levels: Table, bitmap: Bitmap, names: Names, command: Row, executions: Table, depth: Table
) -> None:
    """Check, accept, match, and rest or cancel what is left."""
    price = price_after_slide(book, command)
    reason = why_not(book, orders, names, command, price)
    if reason != UNSPECIFIED:
        reject(book, command, reason, executions)
        return
    book.last_order_id += 1
    account, serial, side = command.account, command.serial, command.side
    quantity, order_id = command.quantity_lots, book.last_order_id
    group = command.self_trade_group if command.self_trade_group != 0 else account
    add_execution(book, executions, ACCEPTED, UNSPECIFIED, account, serial, order_id, side, price, quantity, quantity)
    remaining = int64(quantity)
    last = last_index(book, command)
    if command.post_only == 0:
        reason = why_nothing(book, orders, levels, bitmap, command, group, last)
        if reason == UNSPECIFIED:
            remaining, stopped = match(book, orders, levels, bitmap, names, command, group, last, executions, depth)
            if stopped:
                reason = SELF_TRADE
            if remaining == 0:
                return
    if reason == UNSPECIFIED and command.order_type == MARKET:
        reason = NO_LIQUIDITY if (book.best_ask if side == BUY else book.best_bid) < 0 else PRICE_BAND
    elif reason == UNSPECIFIED and command.time_in_force == IOC:
        reason = IOC_REMAINDER
    if reason != UNSPECIFIED:
        add_execution(book, executions, CANCELLED, reason, account, serial, order_id, side, price, remaining, 0)
        return
    slot = book.free_slot
    order = orders[slot]
    book.free_slot = int64(order.next)
    order.account = account
    order.serial = serial
    order.order_id = order_id
    order.quantity_lots = quantity
    order.leaves_lots = remaining
    order.self_trade_group = group
    order.level = price - book.min_price_ticks
    order.side = side
    add_name(orders, names, slot)
    rest_order(book, orders, levels, bitmap, slot)
    add_depth(book, levels, depth, book.depth, int64(order.level), side)
    book.depth += 1


@compiled
def cancel_order(
    book: Row, orders: Table, levels: Table, bitmap: Bitmap, names: Names, command: Row, executions: Table, depth: Table
) -> None:
    """Remove the order that target_serial names, or say that there is none."""
    account, serial = command.account, command.target_serial
    slot = find_slot(orders, names, account, serial)
    if slot == 0:
        add_execution(book, executions, CANCEL_REJECTED, UNKNOWN_ORDER, account, serial, 0, 0, 0, 0, 0)
        return
    order = orders[slot]
    index, side, cancelled = int64(order.level), int64(order.side), order.leaves_lots
    remove_order(book, orders, levels, bitmap, names, slot)
    price = index + book.min_price_ticks
    add_execution(book, executions, CANCELLED, REQUESTED, account, serial, order.order_id, side, price, cancelled, 0)
    add_depth(book, levels, depth, book.depth, index, side)
    book.depth += 1


@compiled
def has_room(book: Row, orders: Table, levels: Table, bitmap: Bitmap, command: Row, executions: Table, depth: Table) -> bool:
    """Whether slots and rows suffice for a command whatever it does; if not, book.needed_* says how many rows do."""
    if book.order_count == len(orders) - 1 and book.order_count < book.max_orders:
        book.needed_executions = book.needed_depth = 0
        return False
    free_executions = len(executions) - book.executions
    free_depth = len(depth) - book.depth
    # Of an order that its sender's own is not to trade with, the taker may have a row beside the maker's.
    rows_a_maker = 2 if command.self_trade_prevention != 0 else 1
    if free_executions >= rows_a_maker * book.order_count + 2 and free_depth >= book.order_count + 1:
        return True
    # The short answer is no; count the orders and levels that this command may really meet.
    needed_executions, needed_depth = 2, 1
    if command.kind == NEW:
        buy, last = command.side == BUY, last_index(book, command)
        index = first_index(book, buy, last)
        remaining = command.quantity_lots
        while index >= 0 and remaining > 0:
            needed_executions += rows_a_maker * levels[index].order_count
            needed_depth += 1
            if command.self_trade_prevention != CANCEL_OLDEST:
                remaining -= levels[index].quantity_lots
            index = following_index(book, bitmap, buy, index, last)
    book.needed_executions = book.executions + needed_executions
    book.needed_depth = book.depth + needed_depth
    enough: bool = needed_executions <= free_executions and needed_depth <= free_depth
    return enough


@compiled
def apply_commands(
    counters: Table,
    orders: Table,
    levels: Table,
    bitmap: Bitmap,
    names: Names,
    commands: Table,
    first: int,
    executions: Table,
    quotes: Table,
    depth: Table,
) -> tuple[int, int, int, int]:
    """Apply commands[first:] until room may run out; first=0 begins new output.

    Returns the number of commands applied so far and of rows in executions, quotes and depth.
    """
    book = counters[0]
    if first == 0:
        book.executions = book.quotes = book.depth = 0
    done = first
    while done < len(commands):
        command = commands[done]
        if book.quotes == len(quotes) or not has_room(book, orders, levels, bitmap, command, executions, depth):
            break
        book.time_ns = command.time_ns
        if command.kind == NEW:
            new_order(book, orders, levels, bitmap, names, command, executions, depth)
        elif command.kind == CANCEL:
            cancel_order(book, orders, levels, bitmap, names, command, executions, depth)
        else:
            reject(book, command, UNSUPPORTED, executions)
        add_quote(book, levels, quotes)
        done += 1
    return done, book.executions, book.quotes, book.depth


@compiled
def write_depth(counters: Table, levels: Table, bitmap: Bitmap, most: int, depth: Table) -> int:
    """Write the best `most` levels of each side, bids first, best first; returns the number of rows."""
    book = counters[0]
    rows = 0
    index = book.best_bid
    while index >= 0 and rows < most:
        add_depth(book, levels, depth, rows, index, BUY)
        rows += 1
        index = previous_level(book, bitmap, index)
    bids = rows
    index = book.best_ask
    while index >= 0 and rows - bids < most:
        add_depth(book, levels, depth, rows, index, SELL)
        rows += 1
        index = next_level(book, bitmap, index)
    return rows


@compiled
def write_resting(counters: Table, orders: Table, levels: Table, bitmap: Bitmap, resting: Table) -> None:
    """Write every resting order in priority order."""
    book = counters[0]
    at = 0
    for side in (BUY, SELL):
        index = book.best_bid if side == BUY else book.best_ask
        while index >= 0:
            slot = int64(levels[index].head)
            while slot != 0:
                order, row = orders[slot], resting[at]
                row.account = order.account
                row.serial = order.serial
                row.order_id = order.order_id
                row.price_ticks = index + book.min_price_ticks
                row.quantity_lots = order.quantity_lots
                row.leaves_lots = order.leaves_lots
                row.self_trade_group = order.self_trade_group
                row.side = side
                at += 1
                slot = int64(order.next)
            index = previous_level(book, bitmap, index) if side == BUY else next_level(book, bitmap, index)
