"""Orders that wait for a price: a list of them by age, and a heap for each side, the first to be triggered on top."""

from marksim.core.book.compiled import compiled
from marksim.core.book.heaps import drop_dead, drop_first, push
from marksim.core.book.queues import price_at
from marksim.core.book.words import BUY, CONTINUOUS, NO_LEVEL, QUOTE, Book, Index, int64


@compiled
def add_stop(book: Book, slot: Index) -> None:
    """Let the order in a slot wait for its stop price."""
    state, orders = book.state, book.orders
    order, price = orders[slot], int64(book.terms[orders[slot].terms].stop_price_ticks)
    order.previous, order.next = state.last_stop, 0
    if state.last_stop == 0:
        state.first_stop = slot
    else:
        orders[state.last_stop].next = slot
    state.last_stop = slot
    state.stop_count += 1
    if order.side == BUY:
        state.buy_stops = push(orders, book.buy_stops, state.buy_stops, price, slot)
    else:
        state.sell_stops = push(orders, book.sell_stops, state.sell_stops, -price, slot)


@compiled
def leave_stops(book: Book, slot: Index) -> None:
    """Take an order off the list of those that wait; its entry in the heap goes when it comes up."""
    state, orders = book.state, book.orders
    order = orders[slot]
    if order.previous == 0:
        state.first_stop = order.next
    else:
        orders[order.previous].next = order.next
    if order.next == 0:
        state.last_stop = order.previous
    else:
        orders[order.next].previous = order.previous
    state.stop_count -= 1


@compiled
def next_triggered(book: Book) -> Index:
    """The slot of the stop whose turn it is, or 0: buy orders first, the nearest stop price first, then the oldest."""
    state = book.state
    if state.stop_count == 0 or state.session != CONTINUOUS:
        return int64(0)
    state.buy_stops = drop_dead(book.orders, book.buy_stops, state.buy_stops)
    if state.buy_stops > 0:
        price = int64(state.last_price_ticks)
        if state.stop_trigger == QUOTE:
            price = price_at(book, int64(state.best_ask)) if state.best_ask != NO_LEVEL else int64(0)
        if price > 0 and book.buy_stops[0].key <= price:
            return int64(book.buy_stops[0].slot)
    state.sell_stops = drop_dead(book.orders, book.sell_stops, state.sell_stops)
    if state.sell_stops > 0:
        price = int64(state.last_price_ticks)
        if state.stop_trigger == QUOTE:
            price = price_at(book, int64(state.best_bid)) if state.best_bid != NO_LEVEL else int64(0)
        if price > 0 and -book.sell_stops[0].key >= price:
            return int64(book.sell_stops[0].slot)
    return int64(0)


@compiled
def release_stop(book: Book, slot: Index) -> None:
    """The stop whose turn it is waits no more."""
    state = book.state
    leave_stops(book, slot)
    if book.orders[slot].side == BUY:
        state.buy_stops = drop_first(book.buy_stops, state.buy_stops)
    else:
        state.sell_stops = drop_first(book.sell_stops, state.sell_stops)
