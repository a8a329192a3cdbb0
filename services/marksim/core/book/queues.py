"""Orders into their level's queue and out of it, and slots out of the pools and back."""

from marksim.core.book.compiled import compiled
from marksim.core.book.names import remove_name
from marksim.core.book.occupancy import clear_bit, next_level, set_bit
from marksim.core.book.words import AT_THE_OPEN, BUY, Book, Index, Row, int64

# Levels.


@compiled
def own_index(book: Book, side: int, price: int) -> Index:
    """Where an order of that side and price rests."""
    state = book.state
    return int64(state.max_price_ticks - price if side == BUY else state.span + price - state.min_price_ticks)


@compiled
def other_index(book: Book, side: int, price: int) -> Index:
    """The last level of the other side that an order of that side and price may meet."""
    state = book.state
    return int64(state.span + price - state.min_price_ticks if side == BUY else state.max_price_ticks - price)


@compiled
def price_at(book: Book, index: Index) -> int:
    """The price of a level."""
    state = book.state
    return int64(state.max_price_ticks - index if index < state.span else state.min_price_ticks + index - state.span)


@compiled
def best_of_other(book: Book, side: int) -> Index:
    """The best level that an order of that side meets, NO_LEVEL where there is none."""
    return int64(book.state.best_ask if side == BUY else book.state.best_bid)


# Slots.


@compiled
def claim_slot(book: Book) -> Index:
    """A slot that is free, with no terms; slot 0 where there is none, in which an order can trade but not stay.

    What an order has left is preferred, as it is near; memory that none had is not touched before it is needed.
    """
    state = book.state
    slot = int64(state.free_slot)
    if slot != 0:
        state.free_slot = int64(book.orders[slot].next)
    elif state.fresh_slot < len(book.orders):
        slot = int64(state.fresh_slot)
        state.fresh_slot += 1
    book.orders[slot].terms = 0
    return slot


@compiled
def give_back(book: Book, slot: Index) -> None:
    """Give back the slot of an order that has no name and nothing left."""
    if slot != 0:
        order = book.orders[slot]
        if order.terms != 0:
            release_terms(book, order)
        order.next = book.state.free_slot
        book.state.free_slot = slot


@compiled
def release_slot(book: Book, slot: Index) -> None:
    """Give back the slot of an order that is in no queue any more, and forget its name."""
    book.orders[slot].leaves_lots = 0
    remove_name(book, slot)
    give_back(book, slot)


@compiled
def give_terms(book: Book, slot: Index, group: int, display: int, expire_ns: int, stop_price: int) -> None:
    """Terms for an order that has any; the caller has seen that some are free."""
    if group == 0 and display == 0 and expire_ns == 0 and stop_price == 0:
        return
    state = book.state
    book.orders[slot].terms = state.free_terms
    terms = book.terms[state.free_terms]
    state.free_terms = int64(terms.next)
    terms.self_trade_group, terms.display_lots, terms.hidden_lots = group, display, 0
    terms.expire_time_ns, terms.stop_price_ticks = expire_ns, stop_price


@compiled
def release_terms(book: Book, order: Row) -> None:
    """Give back the terms of an order."""
    state = book.state
    book.terms[order.terms].next = state.free_terms
    state.free_terms = int64(order.terms)
    order.terms = 0


@compiled
def shown_lots(book: Book, order: Row) -> int:
    """What is shown of an order."""
    return int64(order.leaves_lots - book.terms[order.terms].hidden_lots)


@compiled
def group_of(book: Book, order: Row) -> int:
    """Whose other orders an order is not to trade with."""
    group = int64(book.terms[order.terms].self_trade_group)
    return group if group != 0 else int64(order.account)


# Queues.


@compiled
def join_queue(book: Book, slot: Index) -> None:
    """Put an order at the end of its level's queue, an iceberg with as much shown as it displays."""
    state, order = book.state, book.orders[slot]
    level = book.levels[order.level]
    state.levels_touched += 1
    shown = int64(order.leaves_lots)
    if order.terms != 0:
        terms = book.terms[order.terms]
        terms.hidden_lots = 0
        if terms.display_lots != 0 and shown > terms.display_lots:
            terms.hidden_lots = shown - terms.display_lots
            shown = int64(terms.display_lots)
            level.hidden_lots += terms.hidden_lots
            count_refills(book, level, refills_of(terms))
    if level.tail == 0:
        set_bit(book, int64(order.level))
        if order.side == BUY:
            state.best_bid = min(state.best_bid, int64(order.level))
        else:
            state.best_ask = min(state.best_ask, int64(order.level))
    append(book, level, slot)
    level.quantity_lots += shown
    level.order_count += 1
    state.order_count += 1
    if order.time_in_force == AT_THE_OPEN:
        state.at_the_open_count += 1


@compiled
def append(book: Book, level: Row, slot: Index) -> None:
    """Link a slot behind the last one of a queue."""
    order = book.orders[slot]
    order.previous = level.tail
    order.next = 0
    if level.tail == 0:
        level.head = slot
    else:
        book.state.slots_touched += 1
        book.orders[level.tail].next = slot
    level.tail = slot


@compiled
def unlink(book: Book, level: Row, slot: Index) -> None:
    """Take a slot out of the links of a queue."""
    orders = book.orders
    order = orders[slot]
    if order.previous == 0:
        level.head = order.next
    else:
        book.state.slots_touched += 1
        orders[order.previous].next = order.next
    if order.next == 0:
        level.tail = order.previous
    else:
        book.state.slots_touched += 1
        orders[order.next].previous = order.previous


@compiled
def refills_of(terms: Row) -> int:
    """How often what an iceberg hides is shown in turn."""
    if terms.hidden_lots == 0:
        return int64(0)
    return int64((terms.hidden_lots + terms.display_lots - 1) // terms.display_lots)


@compiled
def count_refills(book: Book, level: Row, more: int) -> None:
    """Add to the refills that are yet to come."""
    level.refills += more
    book.state.refills += more


@compiled
def shrink(book: Book, level: Row, order: Row, leaves: int) -> None:
    """Make a resting order smaller in its place; what is hidden goes first."""
    terms = book.terms[order.terms]
    shown = order.leaves_lots - terms.hidden_lots
    hidden = max(int64(0), leaves - shown)
    level.quantity_lots += leaves - hidden - shown
    if hidden != terms.hidden_lots:
        before = refills_of(terms)
        level.hidden_lots += hidden - terms.hidden_lots
        terms.hidden_lots = hidden
        count_refills(book, level, refills_of(terms) - before)
    order.leaves_lots = leaves


@compiled
def refill(book: Book, level: Row, slot: Index) -> int:
    """Show the next part of an iceberg that has nothing shown, at the end of its queue; how much that is."""
    terms = book.terms[book.orders[slot].terms]
    shown = int64(min(terms.display_lots, terms.hidden_lots))
    terms.hidden_lots -= shown
    level.hidden_lots -= shown
    level.quantity_lots += shown
    count_refills(book, level, int64(-1))
    if level.tail != slot:
        unlink(book, level, slot)
        append(book, level, slot)
    return shown


@compiled
def leave_queue(book: Book, slot: Index) -> None:
    """Take an order out of its queue; what it has left leaves its level."""
    state, order = book.state, book.orders[slot]
    level, terms = book.levels[order.level], book.terms[order.terms]
    state.levels_touched += 1
    unlink(book, level, slot)
    level.quantity_lots -= order.leaves_lots - terms.hidden_lots
    if terms.hidden_lots != 0:
        level.hidden_lots -= terms.hidden_lots
        count_refills(book, level, -refills_of(terms))
        terms.hidden_lots = 0
    level.order_count -= 1
    state.order_count -= 1
    if order.time_in_force == AT_THE_OPEN:
        state.at_the_open_count -= 1
    if level.head == 0:
        clear_bit(book, int64(order.level))
        if order.level == state.best_bid:
            state.best_bid = next_level(book, int64(order.level))
        elif order.level == state.best_ask:
            state.best_ask = next_level(book, int64(order.level))
