"""Binary heaps of orders: by when they expire, or by the price that triggers them, and then by age.

Entries of orders that are gone stay until they come up, or until the heap is full. One that is more than half full of others
then is doubled, so that sweeping costs each order little.
"""

from marksim.core.book.compiled import compiled
from marksim.core.book.words import Index, Row, Table


@compiled
def is_alive(orders: Table, entry: Row) -> bool:
    """Whether the order of an entry is still there."""
    order = orders[entry.slot]
    return bool(order.order_id == entry.order_id and order.leaves_lots > 0)


@compiled
def comes_before(heap: Table, first: Index, second: Index) -> bool:
    """Whether the one entry belongs above the other."""
    left, right = heap[first], heap[second]
    if left.key != right.key:
        return bool(left.key < right.key)
    return bool(left.order_id < right.order_id)


@compiled
def swap(heap: Table, first: Index, second: Index) -> None:
    """Exchange two entries."""
    left, right = heap[first], heap[second]
    key, order_id, slot = left.key, left.order_id, left.slot
    left.key, left.order_id, left.slot = right.key, right.order_id, right.slot
    right.key, right.order_id, right.slot = key, order_id, slot


@compiled
def sift_up(heap: Table, index: Index) -> None:
    """Move an entry towards the top until it is in order."""
    while index > 0:
        parent = (index - 1) >> 1
        if not comes_before(heap, index, parent):
            return
        swap(heap, index, parent)
        index = parent


@compiled
def sift_down(heap: Table, count: int, index: Index) -> None:
    """Move an entry away from the top until it is in order."""
    while True:
        first = index
        for child in (2 * index + 1, 2 * index + 2):
            if child < count and comes_before(heap, child, first):
                first = child
        if first == index:
            return
        swap(heap, index, first)
        index = first


@compiled
def push(orders: Table, heap: Table, count: int, key: int, slot: Index) -> int:
    """Add an order; returns the number of entries. The caller has seen that there is room."""
    entry = heap[count]
    entry.key, entry.order_id, entry.slot = key, orders[slot].order_id, slot
    sift_up(heap, count)
    return count + 1


@compiled
def drop_first(heap: Table, count: int) -> int:
    """Take the top entry away; returns the number of entries."""
    swap(heap, 0, count - 1)
    sift_down(heap, count - 1, 0)
    return count - 1


@compiled
def drop_dead(orders: Table, heap: Table, count: int) -> int:
    """Take entries of orders that are gone off the top; returns the number of entries."""
    while count > 0 and not is_alive(orders, heap[0]):
        count = drop_first(heap, count)
    return count


@compiled
def swept(orders: Table, heap: Table, count: int) -> int:
    """The number of entries, of a full heap without those of orders that are gone."""
    if count < len(heap):
        return count
    kept = 0
    for index in range(count):
        if is_alive(orders, heap[index]):
            swap(heap, kept, index)
            kept += 1
    for index in range(kept // 2 - 1, -1, -1):
        sift_down(heap, kept, index)
    return kept
