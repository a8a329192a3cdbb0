"""The compiled part of a book's saved state: its levels are written out and put back, and what was put back is looked at.

A book that does not hold what it says would go on wrongly, or read what is not there. So before one is used again, each
order, queue, list and heap is looked at once, and nothing is followed before it is known to lead to a place that there is.
"""

from typing import Any, Final

from marksim.core.book.compiled import compiled, compiled_apart, kernel
from marksim.core.book.entering import is_stop
from marksim.core.book.handle import as_book
from marksim.core.book.heaps import comes_before, is_alive
from marksim.core.book.names import add_name, find_hashed, hash_of
from marksim.core.book.occupancy import next_level, set_bit
from marksim.core.book.queues import refills_of
from marksim.core.book.words import (
    AT_THE_OPEN,
    BUY,
    LIMIT,
    MARKET,
    NO_LEVEL,
    SELL,
    STOP,
    Book,
    Index,
    Row,
    Table,
    int64,
)

DAMAGE: Final = (
    "nothing is wrong with it ({})",
    "the queue of level {} does not hold what the level says",
    "the list of stops is broken at slot {}",
    "the list of free slots is broken at slot {}",
    "the list of free terms is broken behind row {}",
    "slot {} is in no queue and in no list",
    "the order in slot {} has another name than it says, or that of another order",
    "the terms in row {} belong to no order, or to several",
    "expiries: entry {} is out of order, or not what its order says",
    "buy_stops: entry {} is out of order, or not what its order says",
    "sell_stops: entry {} is out of order, or not what its order says",
    "the order in slot {} expires or waits for a price, and has no entry",
    "the counts of orders, stops, refills or orders for the opening are not those of its {} orders",
)
"""What `find_damage` has found, by its number, with the place."""

_QUEUE, _STOPS, _FREE, _FREE_ROWS = int64(1), int64(2), int64(3), int64(4)
_LOST, _NAME, _TERMS = int64(5), int64(6), int64(7)
_EXPIRIES, _BUY_STOPS, _SELL_STOPS = int64(8), int64(9), int64(10)
_NO_ENTRY, _COUNTS = int64(11), int64(12)

_SEEN, _WILL_EXPIRE, _WILL_TRIGGER = int64(1), int64(2), int64(4)
"""Marks of a slot: it is in a queue or list, and has an entry in a heap."""

Marks = Any
"""One byte for each slot, or for each row of terms."""


@kernel
def write_levels(counters: Table, places: Marks, levels: Table) -> int:
    """Write the occupied levels and where they are, bids best first, then asks best first; returns how many there are."""
    book = as_book(counters)
    count = int64(0)
    for first in (int64(book.state.best_bid), int64(book.state.best_ask)):
        index = first
        while index != NO_LEVEL:
            places[count] = index
            levels[count] = book.levels[index]
            count += 1
            index = next_level(book, index)
    return count


@kernel
def put_levels(counters: Table, places: Marks, levels: Table) -> None:
    """Put levels to their places in an empty book. The caller has seen that there are such places."""
    book = as_book(counters)
    for row in range(len(places)):
        book.levels[places[row]] = levels[row]
        set_bit(book, int64(places[row]))


@kernel
def find_damage(counters: Table, places: Marks, slots: Marks, rows: Marks) -> tuple[int, int]:
    """What does not fit together in a book of which the map of names is empty yet: the number in DAMAGE and the place.

    `places` has the occupied levels; `slots` and `rows` are zeros, one for each slot up to fresh_slot and row of terms. The
    map is filled on the way.
    """
    book = as_book(counters)
    for number in range(len(places)):
        if not is_queue_sound(book, int64(places[number]), slots):
            return _QUEUE, int64(places[number])
    slot = broken_stop(book, slots)
    if slot >= 0:
        return _STOPS, slot
    slot = broken_free_slot(book, slots)
    if slot >= 0:
        return _FREE, slot
    row = broken_free_row(book, rows)
    if row >= 0:
        return _FREE_ROWS, row
    damage, place = broken_order(book, slots, rows)
    if damage != 0:
        return damage, place
    damage, place = broken_entry(book, slots)
    if damage != 0:
        return damage, place
    return missing_entry(book, slots, rows)


@compiled_apart
def is_queue_sound(book: Book, index: Index, slots: Marks) -> bool:
    """Whether the orders of a level are linked both ways, are of its side, and add up to what it says."""
    level, side = book.levels[index], BUY if index < book.state.span else SELL
    count = shown = hidden = refills = before = int64(0)
    slot = int64(level.head)
    while slot != 0:
        if not is_new(book, slots, slot):
            return False
        order = book.orders[slot]
        if order.side != side or order.level != index or order.previous != before or not has_sound_lots(book, order):
            return False
        if order.order_type != LIMIT and (order.order_type != MARKET or order.time_in_force != AT_THE_OPEN):
            return False
        terms = book.terms[order.terms]
        count += 1
        hidden += terms.hidden_lots
        shown += order.leaves_lots - terms.hidden_lots
        refills += refills_of(terms)
        before, slot = slot, int64(order.next)
    if count == 0 or level.tail != before or level.order_count != count or level.refills != refills:
        return False
    return bool(level.quantity_lots == shown and level.hidden_lots == hidden)


@compiled
def is_new(book: Book, slots: Marks, slot: Index) -> bool:
    """Whether an order could be there, and nothing has led to it before; it is marked."""
    if slot >= book.state.fresh_slot or slots[slot] != 0:
        return False
    slots[slot] = _SEEN
    return True


@compiled
def has_sound_lots(book: Book, order: Row) -> bool:
    """Whether something is left of an order, not all of it hidden, and its terms are in a row that there is."""
    if order.terms >= len(book.terms) or not 0 < order.leaves_lots <= order.quantity_lots:
        return False
    terms = book.terms[order.terms]
    if terms.hidden_lots != 0 and terms.display_lots <= 0:
        return False
    return bool(0 <= terms.hidden_lots < order.leaves_lots)


@compiled_apart
def broken_stop(book: Book, slots: Marks) -> Index:
    """Where the list of stops is not as it must be, or -1."""
    slot, before = int64(book.state.first_stop), int64(0)
    while slot != 0:
        if not is_new(book, slots, slot):
            return slot
        order = book.orders[slot]
        if order.previous != before or not is_stop(order) or not has_sound_lots(book, order) or order.terms == 0:
            return slot
        if order.side != BUY and order.side != SELL:  # noqa: PLR1714  as in is_stop
            return slot
        is_bid = order.level < book.state.span
        if order.level >= len(book.levels) or (order.order_type != STOP and is_bid != (order.side == BUY)):
            return slot
        before, slot = slot, int64(order.next)
    return int64(-1) if book.state.last_stop == before else int64(book.state.last_stop)


@compiled_apart
def broken_free_slot(book: Book, slots: Marks) -> Index:
    """Where the free list is not as it must be, or -1."""
    slot = int64(book.state.free_slot)
    while slot != 0:
        if not is_new(book, slots, slot) or book.orders[slot].leaves_lots != 0:
            return slot
        slot = int64(book.orders[slot].next)
    return int64(-1)


@compiled_apart
def broken_free_row(book: Book, rows: Marks) -> Index:
    """The free row of terms, 0 for none, behind which the list of them is not as it must be, or -1; they are marked."""
    row, before = int64(book.state.free_terms), int64(0)
    while row != 0:
        if not 0 < row < len(book.terms) or rows[row] != 0:
            return before
        rows[row] = _SEEN
        before, row = row, int64(book.terms[row].next)
    return int64(-1)


@compiled_apart
def broken_order(book: Book, slots: Marks, rows: Marks) -> tuple[int, int]:
    """The first order that nothing leads to, or whose name or terms are not its own; all are put into the map of names."""
    state, orders = book.state, book.orders
    touched = int64(state.slots_touched)
    for slot in range(1, state.fresh_slot):
        if slots[slot] == 0:
            return _LOST, int64(slot)
        order = orders[slot]
        if order.leaves_lots == 0:
            continue
        if order.hashed != hash_of(order.account, order.serial):
            return _NAME, int64(slot)
        if find_hashed(book, order.account, order.serial, int64(order.hashed)) != 0:
            return _NAME, int64(slot)
        add_name(orders, book.names, int64(slot))
        if order.terms != 0:
            if rows[order.terms] != 0:
                return _TERMS, int64(order.terms)
            rows[order.terms] = _SEEN
    # It was not a command that looked at them.
    state.slots_touched = touched
    return int64(0), int64(0)


@compiled_apart
def broken_entry(book: Book, slots: Marks) -> tuple[int, int]:
    """The first entry of a heap that is not as it must be."""
    at = broken_in(book, book.expiries, int64(book.state.expiries), _EXPIRIES, slots)
    if at >= 0:
        return _EXPIRIES, at
    at = broken_in(book, book.buy_stops, int64(book.state.buy_stops), _BUY_STOPS, slots)
    if at >= 0:
        return _BUY_STOPS, at
    at = broken_in(book, book.sell_stops, int64(book.state.sell_stops), _SELL_STOPS, slots)
    return (_SELL_STOPS, at) if at >= 0 else (int64(0), int64(0))


@compiled_apart
def broken_in(book: Book, heap: Table, count: int, which: int, slots: Marks) -> Index:
    """The first entry of one heap that stands below one that it belongs above, or that its order knows nothing of, or -1."""
    for at in range(count):
        entry = heap[at]
        if entry.slot >= book.state.fresh_slot or (at > 0 and comes_before(heap, at, (at - 1) >> 1)):
            return int64(at)
        if not is_alive(book.orders, entry):
            continue
        order = book.orders[entry.slot]
        terms = book.terms[order.terms]
        if which == _EXPIRIES:
            mark, key = _WILL_EXPIRE, int64(terms.expire_time_ns)
        else:
            mark = _WILL_TRIGGER
            key = int64(terms.stop_price_ticks if which == _BUY_STOPS else -terms.stop_price_ticks)
            if not is_stop(order) or (order.side == BUY) != (which == _BUY_STOPS):
                return int64(at)
        if entry.key != key or slots[entry.slot] & mark:
            return int64(at)
        slots[entry.slot] |= mark
    return int64(-1)


@compiled_apart
def missing_entry(book: Book, slots: Marks, rows: Marks) -> tuple[int, int]:
    """What is not there that must be: an entry of an order, an owner of terms, or so many orders as are counted."""
    state = book.state
    resting = waiting = refills = at_the_open = int64(0)
    for slot in range(1, state.fresh_slot):
        order = book.orders[slot]
        if order.leaves_lots == 0:
            continue
        terms, stops = book.terms[order.terms], is_stop(order)
        if (terms.expire_time_ns != 0) != ((slots[slot] & _WILL_EXPIRE) != 0) or stops != (
            (slots[slot] & _WILL_TRIGGER) != 0
        ):
            return _NO_ENTRY, int64(slot)
        if stops:
            waiting += 1
            continue
        resting += 1
        refills += refills_of(terms)
        at_the_open += 1 if order.time_in_force == AT_THE_OPEN else 0
    for row in range(1, len(book.terms)):
        if rows[row] == 0:
            return _TERMS, int64(row)
    if state.order_count != resting or state.stop_count != waiting:
        return _COUNTS, resting + waiting
    if state.refills != refills or state.at_the_open_count != at_the_open:
        return _COUNTS, resting + waiting
    return int64(0), int64(0)
