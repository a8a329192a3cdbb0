"""The compiled order book: one pass over a batch of commands, in preallocated arrays (see state.py), without Python.

`reference.py` specifies what every function here does. The kernel stops before a command for which room may run out;
`OrderBook` then makes room and calls again, so nothing is allocated in here. All compiled code of the book is in this one
file because Numba's cache on disk notices only changes of the file that a function stands in.
"""

from typing import Any

import numpy as np
from numba.cpython.unsafe import numbers
from numpy.typing import NDArray

from marksim.core.book.compiled import compiled
from marksim.core.types import CommandKind, ExecutionKind, OrderType, Reason, Side, TimeInForce

Row = Any
"""One record of an array, by reference."""

Index = Any
"""A level, slot or probe: int in Python, int64 in compiled code."""

Table = Any
"""An array of records; in compiled code their fields are attributes, which NumPy's own type does not know."""

Bitmap = NDArray[np.uint64]
Names = NDArray[np.int32]

BUY, SELL = int(Side.BUY), int(Side.SELL)
NEW, CANCEL = int(CommandKind.NEW), int(CommandKind.CANCEL)
LIMIT, MARKET = int(OrderType.LIMIT), int(OrderType.MARKET)
GTC, IOC = int(TimeInForce.GTC), int(TimeInForce.IOC)
ACCEPTED, REJECTED = int(ExecutionKind.ACCEPTED), int(ExecutionKind.REJECTED)
TRADED, CANCELLED = int(ExecutionKind.TRADED), int(ExecutionKind.CANCELLED)
CANCEL_REJECTED = int(ExecutionKind.CANCEL_REJECTED)
UNSPECIFIED, REQUESTED, UNKNOWN_ORDER = int(Reason.UNSPECIFIED), int(Reason.REQUESTED), int(Reason.UNKNOWN_ORDER)
IOC_REMAINDER, NO_LIQUIDITY = int(Reason.IOC_REMAINDER), int(Reason.NO_LIQUIDITY)
UNSUPPORTED, INVALID_SIDE = int(Reason.UNSUPPORTED), int(Reason.INVALID_SIDE)
INVALID_QUANTITY, INVALID_PRICE = int(Reason.INVALID_QUANTITY), int(Reason.INVALID_PRICE)
PRICE_BAND, BELOW_MIN_NOTIONAL = int(Reason.PRICE_BAND), int(Reason.BELOW_MIN_NOTIONAL)
DUPLICATE_ORDER_ID, BOOK_FULL = int(Reason.DUPLICATE_ORDER_ID), int(Reason.BOOK_FULL)

# To mypy these have types that only compiled code could meet.
int64: Any = np.int64
leading_zeros: Any = numbers.leading_zeros
trailing_zeros: Any = numbers.trailing_zeros

WORD = np.uint64(63)
ONE = np.uint64(1)
ZERO = np.uint64(0)


# Occupancy: bit i of tier 0 says that level i has orders; bit i of tier n+1 says that word i of tier n is not zero.


@compiled
def set_bit(book: Row, bitmap: Bitmap, index: Index) -> None:
    """Mark a level as occupied."""
    bitmap[index >> 6] |= ONE << (np.uint64(index) & WORD)
    word = index >> 6
    bitmap[book.tier1 + (word >> 6)] |= ONE << (np.uint64(word) & WORD)
    word >>= 6
    bitmap[book.tier2 + (word >> 6)] |= ONE << (np.uint64(word) & WORD)


@compiled
def clear_bit(book: Row, bitmap: Bitmap, index: Index) -> None:
    """Mark a level as empty, and upward while words become zero."""
    word = index >> 6
    bitmap[word] &= ~(ONE << (np.uint64(index) & WORD))
    if bitmap[word] != ZERO:
        return
    upper = book.tier1 + (word >> 6)
    bitmap[upper] &= ~(ONE << (np.uint64(word) & WORD))
    if bitmap[upper] != ZERO:
        return
    word >>= 6
    bitmap[book.tier2 + (word >> 6)] &= ~(ONE << (np.uint64(word) & WORD))


@compiled
def next_level(book: Row, bitmap: Bitmap, index: Index) -> Index:
    """The lowest occupied level above `index`, or -1."""
    index += 1
    bits = bitmap[index >> 6] >> (np.uint64(index) & WORD)
    if bits != ZERO:
        return index + int64(trailing_zeros(bits))
    index = (index >> 6) + 1
    bits = bitmap[book.tier1 + (index >> 6)] >> (np.uint64(index) & WORD)
    if bits == ZERO:
        index = (index >> 6) + 1
        word = book.tier2 + (index >> 6)
        if word >= book.tier_end:
            return -1
        bits = bitmap[word] >> (np.uint64(index) & WORD)
        while bits == ZERO:
            word += 1
            if word == book.tier_end:
                return -1
            index = (word - book.tier2) << 6
            bits = bitmap[word]
        index = (index + int64(trailing_zeros(bits))) << 6
        bits = bitmap[book.tier1 + (index >> 6)]
    index = (index + int64(trailing_zeros(bits))) << 6
    return index + int64(trailing_zeros(bitmap[index >> 6]))


@compiled
def previous_level(book: Row, bitmap: Bitmap, index: Index) -> Index:
    """The highest occupied level below `index`, or -1."""
    index -= 1
    if index < 0:
        return -1
    bits = bitmap[index >> 6] << (WORD - (np.uint64(index) & WORD))
    if bits != ZERO:
        return index - int64(leading_zeros(bits))
    index = (index >> 6) - 1
    if index < 0:
        return -1
    bits = bitmap[book.tier1 + (index >> 6)] << (WORD - (np.uint64(index) & WORD))
    if bits == ZERO:
        index = (index >> 6) - 1
        if index < 0:
            return -1
        word = book.tier2 + (index >> 6)
        bits = bitmap[word] << (WORD - (np.uint64(index) & WORD))
        while bits == ZERO:
            word -= 1
            if word < book.tier2:
                return -1
            index = ((word - book.tier2) << 6) + 63
            bits = bitmap[word]
        index = ((index - int64(leading_zeros(bits))) << 6) + 63
        bits = bitmap[book.tier1 + (index >> 6)]
    index = ((index - int64(leading_zeros(bits))) << 6) + 63
    return index - int64(leading_zeros(bitmap[index >> 6]))


# Names: open addressing from (account, serial) to a slot; linear probing, and deletion that leaves no marks.


@compiled
def first_probe(account: int, serial: int, mask: int) -> Index:
    """Where to look first: both ids mixed by the finalizer of SplitMix64 (Steele, Lea, Flood 2014)."""
    mixed = np.uint64(account) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(serial)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return int64((mixed ^ (mixed >> np.uint64(31))) & np.uint64(mask))


@compiled
def find_slot(orders: Table, names: Names, account: int, serial: int) -> Index:
    """Slot of the resting order of that name, or 0."""
    mask = len(names) - 1
    probe = first_probe(account, serial, mask)
    while names[probe] != 0:
        order = orders[names[probe]]
        if order.account == account and order.serial == serial:
            return int64(names[probe])
        probe = (probe + 1) & mask
    return 0


@compiled
def add_name(orders: Table, names: Names, slot: Index) -> None:
    """Remember a slot under its order's name."""
    mask = len(names) - 1
    probe = first_probe(orders[slot].account, orders[slot].serial, mask)
    while names[probe] != 0:
        probe = (probe + 1) & mask
    names[probe] = slot


@compiled
def remove_name(orders: Table, names: Names, slot: Index) -> None:
    """Forget a slot, and move later entries of the chain back so that no probe meets a hole before its entry."""
    mask = len(names) - 1
    hole = first_probe(orders[slot].account, orders[slot].serial, mask)
    while names[hole] != slot:
        hole = (hole + 1) & mask
    probe = (hole + 1) & mask
    while names[probe] != 0:
        order = orders[names[probe]]
        home = first_probe(order.account, order.serial, mask)
        if ((probe - home) & mask) >= ((probe - hole) & mask):
            names[hole] = names[probe]
            hole = probe
        probe = (probe + 1) & mask
    names[hole] = 0


@compiled
def rebuild_names(orders: Table, names: Names) -> None:
    """Fill a zeroed map with every used slot (those with something left)."""
    for slot in range(1, len(orders)):
        if orders[slot].leaves_lots > 0:
            add_name(orders, names, slot)


# Levels and slots.


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


# Output rows.


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


# Commands.


@compiled
def why_not(book: Row, orders: Table, names: Names, command: Row) -> int:
    """The first check of a NEW that fails, or UNSPECIFIED."""
    limit = command.order_type == LIMIT
    life = command.time_in_force
    if not (limit or command.order_type == MARKET) or not (life in (0, IOC) or (limit and life == GTC)):
        return UNSUPPORTED
    if command.post_only != 0 or command.self_trade_prevention != 0 or command.stop_price_ticks != 0:
        return UNSUPPORTED
    if command.display_lots != 0 or command.min_quantity_lots != 0 or command.expire_time_ns != 0:
        return UNSUPPORTED
    if command.side not in (BUY, SELL):
        return INVALID_SIDE
    price, quantity = command.price_ticks, command.quantity_lots
    if quantity < book.min_quantity_lots or quantity > book.max_quantity_lots:
        return INVALID_QUANTITY
    if limit:
        if price <= 0:
            return INVALID_PRICE
        if price < book.min_price_ticks or price > book.max_price_ticks:
            return PRICE_BAND
        # price * quantity could overflow; the quotient, rounded up, cannot.
        if book.min_notional > 0 and price <= (book.min_notional - 1) // quantity:
            return BELOW_MIN_NOTIONAL
    elif price != 0:
        return INVALID_PRICE
    if find_slot(orders, names, command.account, command.serial) != 0:
        return DUPLICATE_ORDER_ID
    if limit and life != IOC and book.order_count >= book.max_orders:
        return BOOK_FULL
    return UNSPECIFIED


@compiled
def reject(book: Row, command: Row, reason: int, executions: Table) -> None:
    """Say why a command has no effect."""
    side = command.side if command.side in (BUY, SELL) else 0
    price, quantity = command.price_ticks, command.quantity_lots
    add_execution(book, executions, REJECTED, reason, command.account, command.serial, 0, side, price, quantity, 0)


@compiled
def match(
    book: Row, orders: Table, levels: Table, bitmap: Bitmap, names: Names, command: Row, executions: Table, depth: Table
) -> int:
    """Trade against the other side, best price first, oldest first; returns what is left."""
    buy = command.side == BUY
    last = book.max_price_ticks if buy else book.min_price_ticks
    if command.order_type == LIMIT:
        last = command.price_ticks
    last -= book.min_price_ticks
    remaining: int = command.quantity_lots
    while remaining > 0:
        index = book.best_ask if buy else book.best_bid
        if index < 0 or (buy and index > last) or (not buy and index < last):
            break
        level = levels[index]
        while remaining > 0 and level.head != 0:
            slot = int64(level.head)
            maker = orders[slot]
            traded = min(remaining, maker.leaves_lots)
            remaining -= traded
            maker.leaves_lots -= traded
            level.quantity_lots -= traded
            price = index + book.min_price_ticks
            row = add_execution(
                book,
                executions,
                TRADED,
                UNSPECIFIED,
                command.account,
                command.serial,
                book.last_order_id,
                command.side,
                price,
                traded,
                remaining,
            )
            row.maker_account = maker.account
            row.maker_serial = maker.serial
            row.maker_order_id = maker.order_id
            row.maker_leaves_lots = maker.leaves_lots
            if maker.leaves_lots == 0:
                remove_order(book, orders, levels, bitmap, names, slot)
        add_depth(book, levels, depth, book.depth, index, SELL if buy else BUY)
        book.depth += 1
    return remaining


@compiled
def new_order(
    book: Row, orders: Table, levels: Table, bitmap: Bitmap, names: Names, command: Row, executions: Table, depth: Table
) -> None:
    """Check, accept, match, and rest or cancel what is left."""
    reason = why_not(book, orders, names, command)
    if reason != UNSPECIFIED:
        reject(book, command, reason, executions)
        return
    book.last_order_id += 1
    account, serial, side, price = command.account, command.serial, command.side, command.price_ticks
    quantity, order_id = command.quantity_lots, book.last_order_id
    add_execution(book, executions, ACCEPTED, UNSPECIFIED, account, serial, order_id, side, price, quantity, quantity)
    remaining = match(book, orders, levels, bitmap, names, command, executions, depth)
    if remaining == 0:
        return
    if command.order_type == MARKET or command.time_in_force == IOC:
        reason = NO_LIQUIDITY if command.order_type == MARKET else IOC_REMAINDER
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
    if free_executions >= book.order_count + 2 and free_depth >= book.order_count + 1:
        return True
    # The short answer is no; count the orders and levels that this command may really meet.
    needed_executions, needed_depth = 2, 1
    if command.kind == NEW:
        buy = command.side == BUY
        index = book.best_ask if buy else book.best_bid
        remaining = command.quantity_lots
        while index >= 0 and remaining > 0:
            price = index + book.min_price_ticks
            if command.order_type == LIMIT and (
                (buy and price > command.price_ticks) or (not buy and price < command.price_ticks)
            ):
                break
            needed_executions += levels[index].order_count
            needed_depth += 1
            remaining -= levels[index].quantity_lots
            index = next_level(book, bitmap, index) if buy else previous_level(book, bitmap, index)
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


# Reading.


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
                row.side = side
                at += 1
                slot = int64(order.next)
            index = previous_level(book, bitmap, index) if side == BUY else next_level(book, bitmap, index)
