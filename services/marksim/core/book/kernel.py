"""The compiled order book: one pass over a batch of commands, in preallocated arrays (see state.py), without Python.

`reference.py` specifies what every function here does. The kernel stops before a command for which room may run out;
`OrderBook` then makes room and calls again, so nothing is allocated in compiled code. It stands in several files: here the
commands and what may be asked, in entering.py what is refused, in taking.py what an order meets, in queues.py levels and
slots, in names.py and occupancy.py how both are found, in output.py the rows.
"""

from marksim.core.book.compiled import compiled
from marksim.core.book.entering import why_not, why_not_amend
from marksim.core.book.expiries import add_expiry, drop_first, next_expiry
from marksim.core.book.names import add_name, find_slot, remove_name
from marksim.core.book.occupancy import next_level, previous_level
from marksim.core.book.output import add_depth, add_execution, add_quote, reject, take_off, tell, write_level
from marksim.core.book.queues import claim_slot, join_queue, leave_queue, release_slot, shrink
from marksim.core.book.taking import (
    first_index,
    following_index,
    last_market_index,
    match,
    price_after_slide,
    why_nothing,
)
from marksim.core.book.words import (
    ACCEPTED,
    AMEND,
    AMENDED,
    BUY,
    CANCEL,
    CANCEL_OLDEST,
    CANCEL_REJECTED,
    EXPIRED,
    HAS_EXPIRED,
    INVALID_SIDE,
    IOC,
    IOC_REMAINDER,
    LIMIT,
    MARKET,
    MASS_CANCEL,
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
    Book,
    Index,
    Names,
    Row,
    Table,
    int64,
)

# Commands.


@compiled
def new_order(book: Book, command: Row) -> None:
    """Check, accept, match, and rest or cancel what is left."""
    state, taker = book.state, book.orders[0]
    price = price_after_slide(book, command.side, command.price_ticks, command.post_only)
    reason = why_not(book, command, price)
    if reason != UNSPECIFIED:
        reject(book, command, reason)
        return
    state.last_order_id += 1
    taker.account = command.account
    taker.serial = command.serial
    taker.order_id = state.last_order_id
    taker.quantity_lots = taker.leaves_lots = command.quantity_lots
    taker.self_trade_group = command.self_trade_group if command.self_trade_group != 0 else command.account
    taker.display_lots, taker.expire_time_ns = command.display_lots, command.expire_time_ns
    taker.side = command.side
    tell(book, ACCEPTED, UNSPECIFIED, taker, price, taker.quantity_lots)
    market = command.order_type == MARKET
    last = last_market_index(book, command.side) if market else price - state.min_price_ticks
    if command.post_only == 0:
        reason = why_nothing(book, command, taker.self_trade_group, last)
        if reason == UNSPECIFIED and match(book, taker, last, price, command.self_trade_prevention):
            reason = SELF_TRADE
        if taker.leaves_lots == 0:
            return
    if reason == UNSPECIFIED and market:
        reason = NO_LIQUIDITY if (state.best_ask if command.side == BUY else state.best_bid) < 0 else PRICE_BAND
    elif reason == UNSPECIFIED and command.time_in_force == IOC:
        reason = IOC_REMAINDER
    if reason != UNSPECIFIED:
        take_off(book, taker, price, taker.leaves_lots, reason)
        return
    taker.level = last
    slot = claim_slot(book)
    join_queue(book, slot)
    if command.expire_time_ns != 0:
        add_expiry(book, slot)
    add_depth(book, last, command.side)


@compiled
def cancel_order(book: Book, command: Row) -> None:
    """Remove the order that target_serial names, or say that there is none."""
    account, serial = command.account, command.target_serial
    slot = find_slot(book.orders, book.names, account, serial)
    if slot == 0:
        add_execution(book, CANCEL_REJECTED, UNKNOWN_ORDER, account, serial, 0, 0, 0, 0, 0)
        return
    order = book.orders[slot]
    remove(book, slot)
    add_depth(book, int64(order.level), int64(order.side))


@compiled
def remove(book: Book, slot: Index) -> None:
    """Cancel a resting order because its owner asked; the caller tells of the level."""
    order = book.orders[slot]
    leave_queue(book, slot)
    take_off(book, order, order.level + book.state.min_price_ticks, order.leaves_lots, REQUESTED)
    release_slot(book, slot)


@compiled
def amend_order(book: Book, command: Row) -> None:
    """Change price or quantity of a resting order: in its place where it only becomes smaller, otherwise it comes anew."""
    state, account, serial = book.state, command.account, command.target_serial
    slot = find_slot(book.orders, book.names, account, serial)
    if slot == 0:
        price, quantity = command.price_ticks, command.quantity_lots
        add_execution(book, CANCEL_REJECTED, UNKNOWN_ORDER, account, serial, 0, 0, price, quantity, 0)
        return
    order = book.orders[slot]
    index, before = int64(order.level), order.leaves_lots
    old_price = index + state.min_price_ticks
    price = command.price_ticks if command.price_ticks != 0 else old_price
    quantity = command.quantity_lots if command.quantity_lots != 0 else order.quantity_lots
    slid = price_after_slide(book, order.side, price, command.post_only)
    reason = why_not_amend(book, command, order, price, slid, quantity)
    if reason != UNSPECIFIED:
        tell(book, CANCEL_REJECTED, reason, order, command.price_ticks, command.quantity_lots)
        return
    leaves = before - (order.quantity_lots - quantity)
    if leaves <= 0:
        remove(book, slot)
        add_depth(book, index, int64(order.side))
        return
    if command.serial != serial:
        remove_name(book.orders, book.names, slot)
        order.serial = command.serial
        add_name(book.orders, book.names, slot)
    order.quantity_lots = quantity
    if slid == old_price and leaves <= before:
        shrink(book, book.levels[index], order, leaves)
        tell(book, AMENDED, UNSPECIFIED, order, slid, quantity)
        if leaves != before:
            add_depth(book, index, int64(order.side))
        return
    leave_queue(book, slot)
    order.leaves_lots = leaves
    tell(book, AMENDED, UNSPECIFIED, order, slid, quantity)
    if slid != old_price:
        add_depth(book, index, int64(order.side))
    come_again(book, slot, slid, command.self_trade_prevention)


@compiled
def come_again(book: Book, slot: Index, price: int, prevention: int) -> None:
    """Let an order that has left its queue trade and rest at a price."""
    order, last = book.orders[slot], price - book.state.min_price_ticks
    if match(book, order, last, price, prevention):
        take_off(book, order, price, order.leaves_lots, SELF_TRADE)
    if order.leaves_lots == 0:
        release_slot(book, slot)
        return
    order.level = last
    join_queue(book, slot)
    add_depth(book, last, int64(order.side))


@compiled
def expire_first(book: Book) -> None:
    """End the order that expires first, at its time."""
    state, entry = book.state, book.expiries[0]
    slot, time_ns = int64(entry.slot), entry.time_ns
    order = book.orders[slot]
    drop_first(book)
    state.time_ns = max(state.time_ns, time_ns)
    quantity = order.leaves_lots
    leave_queue(book, slot)
    order.leaves_lots = 0
    tell(book, EXPIRED, HAS_EXPIRED, order, order.level + state.min_price_ticks, quantity)
    release_slot(book, slot)
    add_depth(book, int64(order.level), int64(order.side))
    add_quote(book)


@compiled
def mass_cancel(book: Book, command: Row) -> None:
    """Cancel all resting orders of the account, of one side if that is named: bids best first, then asks."""
    state, account = book.state, command.account
    reason = UNKNOWN_ORDER if command.side <= SELL else INVALID_SIDE
    for side in (BUY, SELL):
        if reason == INVALID_SIDE or command.side not in (0, side):
            continue
        index = int64(state.best_bid if side == BUY else state.best_ask)
        while index >= 0:
            following = previous_level(book, index) if side == BUY else next_level(book, index)
            sequence = state.sequence
            slot = int64(book.levels[index].head)
            while slot != 0:
                behind = int64(book.orders[slot].next)
                if book.orders[slot].account == account:
                    remove(book, slot)
                slot = behind
            if state.sequence > sequence:
                add_depth(book, index, side)
                reason = UNSPECIFIED
            index = following
    if reason != UNSPECIFIED:
        add_execution(book, CANCEL_REJECTED, reason, account, command.serial, 0, 0, 0, 0, 0)


@compiled
def has_room(book: Book, command: Row) -> bool:
    """Whether slots and rows suffice for a command whatever it does; if not, state.needed_* says how many rows do."""
    state = book.state
    if state.order_count == len(book.orders) - 1 and state.order_count < state.max_orders:
        state.needed_executions = state.needed_depth = 0
        return False
    free_executions = len(book.executions) - state.executions
    free_depth = len(book.depth) - state.depth
    # Of an order that its sender's own is not to trade with, the taker may have a row beside the maker's.
    rows_a_maker = 2 if command.self_trade_prevention != 0 else 1
    # A refill has a row, and a trade more that it makes possible.
    if free_executions >= rows_a_maker * state.order_count + 2 * state.refills + 2 and free_depth >= state.order_count + 1:
        return True
    # The short answer is no; count the orders and levels that this command may really meet.
    needed_executions, needed_depth = 2, 2
    if command.kind == MASS_CANCEL:
        needed_executions += state.order_count
        needed_depth += state.order_count
    elif command.kind in (NEW, AMEND):
        side, remaining = int64(command.side), command.quantity_lots
        if command.kind == AMEND:
            order = book.orders[find_slot(book.orders, book.names, command.account, command.target_serial)]
            side, remaining = int64(order.side), max(remaining, order.quantity_lots)
        last = command.price_ticks - state.min_price_ticks
        if command.kind == NEW and command.order_type != LIMIT:
            last = last_market_index(book, side)
        elif command.kind == AMEND and command.price_ticks == 0:
            remaining = int64(0)
        index = first_index(book, side == BUY, last)
        while index >= 0 and remaining > 0:
            level = book.levels[index]
            needed_executions += rows_a_maker * level.order_count + 2 * level.refills
            needed_depth += 1
            if command.self_trade_prevention != CANCEL_OLDEST:
                remaining -= level.quantity_lots + level.hidden_lots
            index = following_index(book, side == BUY, index, last)
    state.needed_executions = state.executions + needed_executions
    state.needed_depth = state.depth + needed_depth
    enough: bool = needed_executions <= free_executions and needed_depth <= free_depth
    return enough


@compiled
def apply_commands(
    counters: Table,
    orders: Table,
    levels: Table,
    bitmap: Bitmap,
    names: Names,
    expiries: Table,
    commands: Table,
    done: int,
    until_ns: int,
    executions: Table,
    quotes: Table,
    depth: Table,
) -> tuple[int, bool, int, int, int]:
    """Apply commands[done:], and expire what is due by `until_ns`, until room may run out; done=-1 begins new output.

    Returns the number of commands applied so far, whether all is done, and the rows in executions, quotes and depth.
    """
    book = Book(counters[0], orders, levels, bitmap, names, expiries, executions, quotes, depth)
    state = book.state
    if done < 0:
        state.executions = state.quotes = state.depth = done = 0
    while True:
        time_ns = commands[done].time_ns if done < len(commands) else until_ns
        while 0 < next_expiry(book) <= time_ns and has_row(book):
            expire_first(book)
        if not has_row(book):
            break
        if done == len(commands):
            return done, True, state.executions, state.quotes, state.depth
        command = commands[done]
        if not has_room(book, command):
            break
        state.time_ns = command.time_ns
        if command.kind == NEW:
            new_order(book, command)
        elif command.kind == CANCEL:
            cancel_order(book, command)
        elif command.kind == AMEND:
            amend_order(book, command)
        elif command.kind == MASS_CANCEL:
            mass_cancel(book, command)
        else:
            reject(book, command, UNSUPPORTED)
        add_quote(book)
        done += 1
    return done, False, state.executions, state.quotes, state.depth


@compiled
def has_row(book: Book) -> bool:
    """Whether there is one more row of each kind, which is what an expiry needs; if not, state.needed_* say so."""
    state = book.state
    state.needed_executions, state.needed_depth = state.executions + 1, state.depth + 1
    if state.executions == len(book.executions) or state.depth == len(book.depth):
        return False
    return bool(state.quotes < len(book.quotes))


# Reading.


@compiled
def write_depth(
    counters: Table, orders: Table, levels: Table, bitmap: Bitmap, names: Names, expiries: Table, most: int, depth: Table
) -> int:
    """Write the best `most` levels of each side, bids first, best first; returns the number of rows."""
    book = Book(counters[0], orders, levels, bitmap, names, expiries, depth, depth, depth)
    rows = 0
    index = int64(book.state.best_bid)
    while index >= 0 and rows < most:
        write_level(book, rows, index, BUY)
        rows += 1
        index = previous_level(book, index)
    bids = rows
    index = int64(book.state.best_ask)
    while index >= 0 and rows - bids < most:
        write_level(book, rows, index, SELL)
        rows += 1
        index = next_level(book, index)
    return rows


@compiled
def write_resting(
    counters: Table, orders: Table, levels: Table, bitmap: Bitmap, names: Names, expiries: Table, resting: Table
) -> None:
    """Write every resting order in priority order."""
    book = Book(counters[0], orders, levels, bitmap, names, expiries, resting, resting, resting)
    at = 0
    for side in (BUY, SELL):
        index = int64(book.state.best_bid if side == BUY else book.state.best_ask)
        while index >= 0:
            slot = int64(levels[index].head)
            while slot != 0:
                order, row = orders[slot], resting[at]
                row.account = order.account
                row.serial = order.serial
                row.order_id = order.order_id
                row.price_ticks = index + book.state.min_price_ticks
                row.quantity_lots = order.quantity_lots
                row.leaves_lots = order.leaves_lots
                row.self_trade_group = order.self_trade_group
                row.display_lots = order.display_lots
                row.hidden_lots = order.hidden_lots
                row.expire_time_ns = order.expire_time_ns
                row.side = side
                at += 1
                slot = int64(order.next)
            index = previous_level(book, index) if side == BUY else next_level(book, index)


@compiled
def first_expiry(
    counters: Table, orders: Table, levels: Table, bitmap: Bitmap, names: Names, expiries: Table, none: Table
) -> int:
    """When the next order expires, or 0 where none does. `none` is any array."""
    return next_expiry(Book(counters[0], orders, levels, bitmap, names, expiries, none, none, none))
