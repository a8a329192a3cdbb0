"""The compiled order book: one pass over a batch of commands, in preallocated arrays (see state.py), without Python.

`reference.py` specifies what every function here does. The kernel stops before a command for which room may run out;
`OrderBook` then makes room and calls again, so nothing is allocated in compiled code. It stands in several files: here the
commands, in entering.py what is refused, in taking.py what an order meets, in sessions.py and auction.py how trading stops
and begins, in stops.py and heaps.py what waits for a price or a time, in queues.py levels and slots, in names.py and
occupancy.py how both are found, in output.py the rows, in room.py how much of them there must be, in prefetch.py what is
fetched ahead, in handle.py how all of them get at the arrays, and in reading.py what may be asked.
"""

from marksim.core.book.compiled import compiled, compiled_apart, kernel
from marksim.core.book.entering import is_stop, why_not, why_not_amend
from marksim.core.book.handle import as_book
from marksim.core.book.heaps import drop_dead, drop_first, push
from marksim.core.book.names import add_name, find_slot, hash_of, remove_name
from marksim.core.book.occupancy import next_level
from marksim.core.book.output import add_depth, add_execution, reject, take_off, tell
from marksim.core.book.prefetch import LARGE, look_ahead
from marksim.core.book.queues import (
    claim_slot,
    give_back,
    give_terms,
    group_of,
    join_queue,
    leave_queue,
    own_index,
    price_at,
    release_slot,
    shrink,
)
from marksim.core.book.room import has_room, has_room_to_change, has_room_to_trigger, has_rows
from marksim.core.book.sessions import change_by_itself, conclude, halt, next_change, renew_edges, set_session
from marksim.core.book.stops import add_stop, leave_stops, next_triggered, release_stop
from marksim.core.book.taking import last_index_of, price_after_slide, take
from marksim.core.book.words import (
    ACCEPTED,
    AMEND,
    AMENDED,
    AT_THE_OPEN,
    BUY,
    CANCEL,
    CANCEL_REJECTED,
    CANCELLED,
    CONTINUOUS,
    EXPIRED,
    HAS_EXPIRED,
    HAS_NO_OWNER,
    INVALID_SIDE,
    LIMIT,
    MASS_CANCEL,
    NEVER,
    NEW,
    NO_LEVEL,
    NONE,
    OWNER_GONE,
    REQUESTED,
    SELL,
    SET_SESSION,
    STOP,
    TRIGGERED,
    UNKNOWN_ORDER,
    UNSPECIFIED,
    UNSUPPORTED,
    Book,
    Index,
    Row,
    Table,
    int64,
)

# Commands.


@compiled
def new_order(book: Book, command: Row) -> None:
    """Check, accept, match, and rest, wait or cancel what is left."""
    state, side = book.state, int64(command.side)
    price = price_after_slide(book, side, command.price_ticks, command.post_only)
    hashed = hash_of(command.account, command.serial)
    reason = why_not(book, command, price, hashed)
    if reason != UNSPECIFIED:
        reject(book, command, reason)
        return
    slot = claim_slot(book)
    order = book.orders[slot]
    state.last_order_id += 1
    order.account = command.account
    order.serial = command.serial
    order.order_id = state.last_order_id
    order.quantity_lots = order.leaves_lots = command.quantity_lots
    order.side, order.order_type, order.time_in_force, order.self_trade_prevention = side, LIMIT, 0, 0
    order.hashed = hashed
    tell(book, ACCEPTED, UNSPECIFIED, order, price, command.quantity_lots)
    if is_stop(command):
        order.level = own_index(book, side, price) if price != 0 else 0
        order.order_type = command.order_type
        order.time_in_force, order.self_trade_prevention = command.time_in_force, command.self_trade_prevention
        stay(book, slot, command)
        add_stop(book, slot)
        return
    if command.post_only == 0 and state.session == CONTINUOUS:
        group = int64(command.self_trade_group if command.self_trade_group != 0 else command.account)
        life, prevention = int64(command.time_in_force), int64(command.self_trade_prevention)
        last = last_index_of(book, side, price)
        reason = take(book, slot, group, last, price, life, prevention, command.min_quantity_lots)
        if reason != UNSPECIFIED and order.leaves_lots > 0:
            take_off(book, order, price, int64(order.leaves_lots), reason)
    if order.leaves_lots == 0:
        give_back(book, slot)
        return
    if command.time_in_force == AT_THE_OPEN:
        order.order_type, order.time_in_force = command.order_type, AT_THE_OPEN
    # Only one at the open has no price: it stands at the end of all prices.
    order.level = own_index(book, side, price if price != 0 else worst_limit_of(book, side))
    stay(book, slot, command)
    join_queue(book, slot)
    add_depth(book, int64(order.level))


@compiled
def worst_limit_of(book: Book, side: int) -> int:
    """The price that no order of that side may pass."""
    return int64(book.state.max_price_ticks if side == BUY else book.state.min_price_ticks)


@compiled
def stay(book: Book, slot: Index, command: Row) -> None:
    """Give a new order its name and terms, and let it expire, if it does."""
    state, expire_ns = book.state, int64(command.expire_time_ns)
    add_name(book.orders, book.names, slot)
    give_terms(book, slot, command.self_trade_group, command.display_lots, expire_ns, command.stop_price_ticks)
    if expire_ns != 0:
        state.expiries = push(book.orders, book.expiries, state.expiries, expire_ns, slot)


@compiled
def price_of(book: Book, order: Row) -> int:
    """The limit price of an order that stays; 0 of a stop that has none."""
    return int64(0) if order.order_type == STOP else price_at(book, int64(order.level))


@compiled_apart
def trigger(book: Book, slot: Index) -> None:
    """Let the stop whose turn it is trade, and rest or cancel what is left."""
    order = book.orders[slot]
    release_stop(book, slot)
    price, life, prevention = price_of(book, order), int64(order.time_in_force), int64(order.self_trade_prevention)
    tell(book, TRIGGERED, UNSPECIFIED, order, price, order.leaves_lots)
    come_anew(book, slot, price, life, prevention)
    if book.state.halting != 0:
        halt(book)
    conclude(book)


@compiled
def come_anew(book: Book, slot: Index, price: int, life: int, prevention: int) -> None:
    """Let an order that has its name and terms trade, and rest or cancel what is left."""
    order = book.orders[slot]
    last = last_index_of(book, int64(order.side), price)
    reason = take(book, slot, group_of(book, order), last, price, life, prevention, 0)
    if reason != UNSPECIFIED and order.leaves_lots > 0:
        take_off(book, order, price, int64(order.leaves_lots), reason)
    if order.leaves_lots == 0:
        release_slot(book, slot)
        return
    if is_stop(order):
        order.order_type, order.time_in_force, order.self_trade_prevention = LIMIT, 0, 0
        book.terms[order.terms].stop_price_ticks = 0
    order.level = own_index(book, int64(order.side), price)
    join_queue(book, slot)
    add_depth(book, int64(order.level))


@compiled
def cancel_order(book: Book, command: Row) -> None:
    """Remove the order that target_serial names, or say that there is none."""
    account, serial = command.account, command.target_serial
    slot = find_slot(book, account, serial)
    if slot == 0:
        add_execution(book, CANCEL_REJECTED, UNKNOWN_ORDER, account, serial, NONE, NONE, NONE, NONE, NONE)
        return
    end(book, slot, CANCELLED, REQUESTED)


@compiled
def end(book: Book, slot: Index, kind: int, reason: int) -> None:
    """End an order that rests or waits, and tell of it and its level."""
    order = book.orders[slot]
    index, rests = int64(order.level), not is_stop(order)
    remove(book, slot, kind, reason)
    if rests:
        add_depth(book, index)


@compiled
def remove(book: Book, slot: Index, kind: int, reason: int) -> None:
    """End an order that rests or waits; the caller tells of its level."""
    order = book.orders[slot]
    if is_stop(order):
        leave_stops(book, slot)
    else:
        leave_queue(book, slot)
    quantity = int64(order.leaves_lots)
    order.leaves_lots = 0
    tell(book, kind, reason, order, price_of(book, order), quantity)
    release_slot(book, slot)


@compiled_apart
def amend_order(book: Book, command: Row) -> None:
    """Change price or quantity of an order: in its place where it only becomes smaller, otherwise it comes anew."""
    state, account, serial = book.state, command.account, command.target_serial
    slot = find_slot(book, account, serial)
    if slot == 0:
        price, quantity = command.price_ticks, command.quantity_lots
        add_execution(book, CANCEL_REJECTED, UNKNOWN_ORDER, account, serial, NONE, NONE, price, quantity, NONE)
        return
    order = book.orders[slot]
    index, before, old_price = int64(order.level), int64(order.leaves_lots), price_of(book, order)
    price = int64(command.price_ticks if command.price_ticks != 0 else old_price)
    quantity = int64(command.quantity_lots if command.quantity_lots != 0 else order.quantity_lots)
    slid = price_after_slide(book, int64(order.side), price, command.post_only)
    reason = why_not_amend(book, command, order, price, slid, quantity)
    if reason != UNSPECIFIED:
        tell(book, CANCEL_REJECTED, reason, order, command.price_ticks, command.quantity_lots)
        return
    leaves = before - (order.quantity_lots - quantity)
    if leaves <= 0:
        end(book, slot, CANCELLED, REQUESTED)
        return
    rename(book, slot, command.serial)
    order.quantity_lots = quantity
    if is_stop(order):
        order.leaves_lots = leaves
        order.level = own_index(book, int64(order.side), slid) if slid != 0 else index
        tell(book, AMENDED, UNSPECIFIED, order, slid, quantity)
        return
    if slid == old_price and leaves <= before:
        shrink(book, book.levels[index], order, leaves)
        tell(book, AMENDED, UNSPECIFIED, order, slid, quantity)
        if leaves != before:
            add_depth(book, index)
        return
    leave_queue(book, slot)
    order.leaves_lots = leaves
    tell(book, AMENDED, UNSPECIFIED, order, slid, quantity)
    if slid != old_price:
        add_depth(book, index)
    if state.session == CONTINUOUS:
        come_anew(book, slot, slid, NONE, int64(command.self_trade_prevention))
        return
    order.level = own_index(book, int64(order.side), slid)
    join_queue(book, slot)
    add_depth(book, int64(order.level))


@compiled
def rename(book: Book, slot: Index, serial: int) -> None:
    """Give an order another name."""
    order = book.orders[slot]
    if order.serial != serial:
        remove_name(book, slot)
        order.serial, order.hashed = serial, hash_of(order.account, serial)
        add_name(book.orders, book.names, slot)


@compiled
def next_expiry(book: Book) -> int:
    """When the next order expires, or 0 where none does."""
    state = book.state
    state.expiries = drop_dead(book.orders, book.expiries, state.expiries)
    return int64(book.expiries[0].key) if state.expiries > 0 else int64(0)


@compiled_apart
def expire_first(book: Book) -> None:
    """End the order that expires first, at its time."""
    state, entry = book.state, book.expiries[0]
    slot, time_ns = int64(entry.slot), entry.key
    state.expiries = drop_first(book.expiries, state.expiries)
    state.time_ns = max(state.time_ns, time_ns)
    end(book, slot, EXPIRED, HAS_EXPIRED)
    conclude(book)


@compiled_apart
def mass_cancel(book: Book, command: Row) -> None:
    """Cancel all resting orders of the account, of one side if that is named: bids, asks, then stops."""
    state, account = book.state, command.account
    why = HAS_NO_OWNER if command.kind == OWNER_GONE else REQUESTED
    reason = UNKNOWN_ORDER if command.side <= SELL else INVALID_SIDE
    for side in (BUY, SELL):
        if reason == INVALID_SIDE or command.side not in (0, side):
            continue
        index = int64(state.best_bid if side == BUY else state.best_ask)
        while index != NO_LEVEL:
            following, sequence = next_level(book, index), int64(state.sequence)
            slot = int64(book.levels[index].head)
            while slot != 0:
                behind = int64(book.orders[slot].next)
                if book.orders[slot].account == account:
                    remove(book, slot, CANCELLED, why)
                slot = behind
            if state.sequence > sequence:
                add_depth(book, index)
                reason = UNSPECIFIED
            index = following
    slot = int64(state.first_stop) if reason != INVALID_SIDE else int64(0)
    while slot != 0:
        order = book.orders[slot]
        behind = int64(order.next)
        if order.account == account and command.side in (0, int64(order.side)):
            remove(book, slot, CANCELLED, why)
            reason = UNSPECIFIED
        slot = behind
    if reason != UNSPECIFIED:
        add_execution(book, CANCEL_REJECTED, reason, account, command.serial, NONE, NONE, NONE, NONE, NONE)


@compiled
def apply_command(book: Book, command: Row) -> None:
    """Do what a command says, and what follows from it."""
    state = book.state
    state.time_ns = command.time_ns
    if command.kind == NEW:
        new_order(book, command)
    elif command.kind == CANCEL:
        cancel_order(book, command)
    elif command.kind == AMEND:
        amend_order(book, command)
    elif command.kind == MASS_CANCEL or command.kind == OWNER_GONE:
        mass_cancel(book, command)
    elif command.kind == SET_SESSION:
        set_session(book, command)
    else:
        reject(book, command, UNSUPPORTED)
    if state.halting != 0:
        halt(book)
    conclude(book)


@kernel
def apply_commands(counters: Table, commands: Table, done: int, until_ns: int) -> tuple[int, bool, int, int, int]:
    """Apply commands[done:], and let happen what is due by `until_ns`, until room may run out; done=-1 begins new output.

    Returns the number of commands applied so far, whether all is done, and the rows in executions, quotes and depth.
    """
    return apply_rows(as_book(counters), commands, done, until_ns)


@compiled_apart
def apply_rows(book: Book, commands: Table, done: int, until_ns: int) -> tuple[int, bool, int, int, int]:
    """What `apply_commands` does, for compiled code that has the book's handle."""
    state = book.state
    if done < 0:
        state.executions = state.quotes = state.depth = done = 0
        renew_edges(book)
    while state.quotes < len(book.quotes) and not lacks_schedule(book):
        slot = next_triggered(book)
        if slot != 0:
            if not has_room_to_trigger(book, slot):
                break
            trigger(book, slot)
            continue
        if some_time_matters(book):
            due_ns = commands[done].time_ns if done < len(commands) else until_ns
            expiry_ns, change_ns = next_expiry(book), next_change(book)
            if 0 < expiry_ns <= due_ns and (change_ns == 0 or expiry_ns <= change_ns):
                if not has_rows(book, 1, 1):
                    break
                expire_first(book)
                continue
            if 0 < change_ns <= due_ns:
                if not has_room_to_change(book):
                    break
                change_by_itself(book)
                continue
        if done == len(commands):
            return done, True, state.executions, state.quotes, state.depth
        if len(book.orders) > LARGE:
            look_ahead(book, commands, done)
        if not has_room(book, commands[done]):
            break
        apply_command(book, commands[done])
        done += 1
    return done, False, state.executions, state.quotes, state.depth


@compiled
def lacks_schedule(book: Book) -> bool:
    """Whether the caller is to find the next change by the instrument's own times."""
    return bool(book.state.scheduled_ns != 0 and book.state.scheduled_state == 0)


@compiled
def some_time_matters(book: Book) -> bool:
    """Whether anything happens by itself."""
    state = book.state
    return bool(state.expiries != 0 or state.session_end_ns != 0 or state.scheduled_ns != 0)


@compiled
def book_due(book: Book) -> int:
    """When something next happens in a book by itself; NEVER where nothing does."""
    state, due_ns = book.state, NEVER
    if state.session_end_ns != 0:
        due_ns = min(due_ns, int64(state.session_end_ns))
    if state.scheduled_ns != 0:
        due_ns = min(due_ns, int64(state.scheduled_ns))
    if state.expiries != 0:
        expiry_ns = next_expiry(book)
        if expiry_ns != 0:
            due_ns = min(due_ns, expiry_ns)
    return due_ns
