"""When orders expire: a binary heap by time and order id.

Entries of orders that are gone stay until they come up, or until the heap is full.
"""

from marksim.core.book.compiled import compiled
from marksim.core.book.words import Book, Index, Row


@compiled
def is_alive(book: Book, entry: Row) -> bool:
    """Whether the order of an entry is still there."""
    order = book.orders[entry.slot]
    return bool(order.order_id == entry.order_id and order.leaves_lots > 0)


@compiled
def comes_before(book: Book, first: Index, second: Index) -> bool:
    """Whether the one entry expires before the other."""
    left, right = book.expiries[first], book.expiries[second]
    if left.time_ns != right.time_ns:
        return bool(left.time_ns < right.time_ns)
    return bool(left.order_id < right.order_id)


@compiled
def swap(book: Book, first: Index, second: Index) -> None:
    """Exchange two entries."""
    left, right = book.expiries[first], book.expiries[second]
    time_ns, order_id, slot = left.time_ns, left.order_id, left.slot
    left.time_ns, left.order_id, left.slot = right.time_ns, right.order_id, right.slot
    right.time_ns, right.order_id, right.slot = time_ns, order_id, slot


@compiled
def sift_up(book: Book, index: Index) -> None:
    """Move an entry towards the top until it is in order."""
    while index > 0:
        parent = (index - 1) >> 1
        if not comes_before(book, index, parent):
            return
        swap(book, index, parent)
        index = parent


@compiled
def sift_down(book: Book, index: Index) -> None:
    """Move an entry away from the top until it is in order."""
    count = book.state.expiries
    while True:
        first = index
        for child in (2 * index + 1, 2 * index + 2):
            if child < count and comes_before(book, child, first):
                first = child
        if first == index:
            return
        swap(book, index, first)
        index = first


@compiled
def add_expiry(book: Book, slot: Index) -> None:
    """Let the order in a slot expire at its time."""
    state, order = book.state, book.orders[slot]
    if state.expiries == len(book.expiries):
        sweep_out(book)
    entry = book.expiries[state.expiries]
    entry.time_ns, entry.order_id, entry.slot = order.expire_time_ns, order.order_id, slot
    state.expiries += 1
    sift_up(book, state.expiries - 1)


@compiled
def drop_first(book: Book) -> None:
    """Take the top entry away."""
    state = book.state
    state.expiries -= 1
    swap(book, 0, state.expiries)
    sift_down(book, 0)


@compiled
def sweep_out(book: Book) -> None:
    """Keep the entries of orders that are still there; of twice as many entries as slots at least half go."""
    state = book.state
    kept = 0
    for index in range(state.expiries):
        if is_alive(book, book.expiries[index]):
            swap(book, kept, index)
            kept += 1
    state.expiries = kept
    for index in range(kept // 2 - 1, -1, -1):
        sift_down(book, index)


@compiled
def next_expiry(book: Book) -> int:
    """When the next order expires, or 0 where none does; entries of orders that are gone are dropped on the way."""
    while book.state.expiries > 0:
        if is_alive(book, book.expiries[0]):
            time_ns: int = book.expiries[0].time_ns
            return time_ns
        drop_first(book)
    return 0
