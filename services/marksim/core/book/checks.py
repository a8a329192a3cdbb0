"""What must hold in the compiled book's arrays after every batch. Slow and plain, for tests."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from marksim.core.book.book import OrderBook
from marksim.core.book.names import SLOT
from marksim.core.book.state import ARRAYS, LEVEL, Memory
from marksim.core.book.words import NO_LEVEL
from marksim.core.types import OrderType, SessionState, Side, TimeInForce


def violations(book: OrderBook) -> list[str]:
    """A sentence for each broken invariant; empty for a sound book."""
    memory = book.memory
    return [
        *_of_levels(memory),
        *_of_queues(memory),
        *_of_best(memory),
        *_of_bitmap(memory),
        *_of_free_list(memory),
        *_of_terms(memory),
        *_of_names(memory),
        *_of_heaps(memory),
        *_of_addresses(memory),
    ]


def _of_levels(memory: Memory) -> Iterator[str]:
    """Quantity and count of a level are those of its orders."""
    for index in _occupied(memory):
        level = memory.levels[index]
        queue = memory.orders[_queue(memory, index)]
        terms = memory.terms[queue["terms"]]
        hidden = int(terms["hidden_lots"].sum())
        refills = sum(map(_refills, terms))
        shown = int(queue["leaves_lots"].sum()) - hidden
        if level.tolist() != (shown, hidden, level["head"], level["tail"], len(queue), refills):
            yield f"level {index}: {level} but its orders have {queue}"
        if np.any(terms["hidden_lots"] < 0) or np.any(queue["leaves_lots"] <= terms["hidden_lots"]):
            yield f"level {index}: an order shows nothing: {queue}"
    empty = memory.levels[memory.levels["head"] == 0]
    if any(np.any(empty[name]) for name in LEVEL.names or ()):
        yield "an empty level has a tail, a quantity or a count"
    refills = sum(map(_refills, memory.terms[memory.orders["terms"][memory.orders["leaves_lots"] > 0]]))
    if memory.counters["refills"][0] != refills:
        yield f"refills is {memory.counters['refills'][0]} but the orders have {refills}"


def _refills(terms: np.void) -> int:
    return -(-int(terms["hidden_lots"]) // int(terms["display_lots"])) if terms["hidden_lots"] else 0


def _of_queues(memory: Memory) -> Iterator[str]:
    """Orders of a level are of its side, open, and linked both ways."""
    for index in _occupied(memory):
        before, side = 0, _side(memory, index)
        for slot in _queue(memory, index):
            order = memory.orders[slot]
            if order["side"] != side or order["level"] != index or order["previous"] != before:
                yield f"slot {slot}: wrong side, level or link back: {order}"
            if not 0 < order["leaves_lots"] <= order["quantity_lots"]:
                yield f"slot {slot}: leaves are not within 1 and the accepted quantity: {order}"
            before = slot
        if memory.levels["tail"][index] != before:
            yield f"level {index}: tail is not the last order"
    resting = [slot for index in _occupied(memory) for slot in _queue(memory, index)]
    at_the_open = int(np.count_nonzero(memory.orders["time_in_force"][resting] == TimeInForce.AT_THE_OPEN))
    if memory.counters["at_the_open_count"][0] != at_the_open:
        yield f"at_the_open_count is {memory.counters['at_the_open_count'][0]}, but {at_the_open} are"


def _of_best(memory: Memory) -> Iterator[str]:
    """Best bid and ask are the first of their sides, and in continuous trading the book is not crossed."""
    counters, span = memory.counters[0], int(memory.counters["span"][0])
    occupied = _occupied(memory)
    bid = min((index for index in occupied if index < span), default=NO_LEVEL)
    ask = min((index for index in occupied if index >= span), default=NO_LEVEL)
    if (counters["best_bid"], counters["best_ask"]) != (bid, ask):
        yield f"best is {counters['best_bid']}/{counters['best_ask']} but the levels say {bid}/{ask}"
    # Of a bid and an ask at one price the indices, from the middle of the two ladders, add up to the span less one.
    if counters["session"] == SessionState.CONTINUOUS and NO_LEVEL not in (bid, ask) and bid + ask - span < span:
        yield f"crossed: levels {bid}, {ask}"


def _of_bitmap(memory: Memory) -> Iterator[str]:
    """A bit is set exactly where a level, or the word below, is occupied."""
    counters = memory.counters[0]
    edges = [0, int(counters["tier1"]), int(counters["tier2"]), int(counters["tier_end"])]
    below = memory.levels["head"] != 0
    for tier, (start, end) in enumerate(pairwise(edges)):
        words = memory.bitmap[start:end]
        bits = np.unpackbits(words.view(np.uint8), bitorder="little").astype(bool)
        if not np.array_equal(bits[: len(below)], below) or np.any(bits[len(below) :]):
            yield f"bitmap: tier {tier} does not match what is below it"
        below = words != 0


def _of_free_list(memory: Memory) -> Iterator[str]:
    """Every slot is either in a queue or in the free list, once."""
    seen: list[int] = []
    slot = int(memory.counters["free_slot"][0])
    while slot and len(seen) < len(memory.orders):
        seen.append(slot)
        slot = int(memory.orders["next"][slot])
    used, fresh = _used(memory), int(memory.counters["fresh_slot"][0])
    if sorted(seen + used) != list(range(1, fresh)):
        yield "free list and queues do not have each slot once"
    if memory.orders[fresh:].tobytes().strip(b"\0"):
        yield "a slot that no order ever had is not empty"
    counters = memory.counters[0]
    if len(used) != counters["order_count"] + counters["stop_count"]:
        told = f"order_count is {counters['order_count']}, stop_count {counters['stop_count']}"
        yield f"{told}, but {len(used)} rest or wait"
    if np.any(memory.orders["leaves_lots"][seen]):
        yield "a free slot has something left"


def _of_terms(memory: Memory) -> Iterator[str]:
    """Every row but the first belongs to one order or to the free list, and that one is zeros."""
    seen: list[int] = []
    row = int(memory.counters["free_terms"][0])
    while row and len(seen) < len(memory.terms):
        seen.append(row)
        row = int(memory.terms["next"][row])
    named = memory.orders["terms"][_used(memory)]
    if sorted(seen + named[named != 0].tolist()) != list(range(1, len(memory.terms))):
        yield "free list and orders do not have each row of terms once"
    if any(memory.terms[0]):
        yield f"the terms of orders that have none are {memory.terms[0]}"


def _of_names(memory: Memory) -> Iterator[str]:
    """The map has each used slot once, and no two have the same name."""
    used = sorted(_used(memory))
    if sorted((memory.names[memory.names != 0] & SLOT).tolist()) != used:
        yield "the map of names does not have each resting order once"
    if len({(int(memory.orders["account"][slot]), int(memory.orders["serial"][slot])) for slot in used}) != len(used):
        yield "two resting orders have the same name"


def _of_heaps(memory: Memory) -> Iterator[str]:
    """Each order that expires or waits is in its heap once, and no entry below one that it belongs above."""
    here = memory.orders[1:][memory.orders["leaves_lots"][1:] > 0]
    terms = memory.terms[here["terms"]]
    waits = (here["order_type"] == OrderType.STOP) | (here["order_type"] == OrderType.STOP_LIMIT)
    is_buy, expires = here["side"] == Side.BUY, terms["expire_time_ns"] != 0
    for name, chosen, keys in (
        ("expiries", expires, terms["expire_time_ns"]),
        ("buy_stops", waits & is_buy, terms["stop_price_ticks"]),
        ("sell_stops", waits & ~is_buy, -terms["stop_price_ticks"]),
    ):
        heap = getattr(memory, name)[: int(memory.counters[name][0])]
        entries = list(zip(heap["key"].tolist(), heap["order_id"].tolist(), strict=True))
        if any(entries[index] < entries[(index - 1) // 2] for index in range(1, len(entries))):
            yield f"{name}: an entry stands below one that it belongs above"
        named = memory.orders[heap["slot"]]
        alive = (named["order_id"] == heap["order_id"]) & (named["leaves_lots"] > 0)
        kept = [entry for entry, is_alive in zip(entries, alive, strict=True) if is_alive]
        if sorted(kept) != sorted(zip(keys[chosen].tolist(), here["order_id"][chosen].tolist(), strict=True)):
            yield f"{name} does not have each order once"


def _of_addresses(memory: Memory) -> Iterator[str]:
    """The counters say where each array is."""
    for name in ARRAYS:
        array, counters = getattr(memory, name), memory.counters[0]
        if (counters[f"{name}_address"], counters[f"{name}_length"]) != (array.ctypes.data, len(array)):
            yield f"{name} is not where the counters say"


def _used(memory: Memory) -> list[int]:
    """Slots of orders that rest, and of those that wait in their list."""
    waiting: list[int] = []
    slot = int(memory.counters["first_stop"][0])
    while slot and len(waiting) < len(memory.orders):
        waiting.append(slot)
        slot = int(memory.orders["next"][slot])
    return [slot for index in _occupied(memory) for slot in _queue(memory, index)] + waiting


def _occupied(memory: Memory) -> list[int]:
    return [int(index) for index in np.flatnonzero(memory.levels["head"])]


def _queue(memory: Memory, index: int) -> list[int]:
    """Slots of a level from head on; stops after as many as there are slots, so that a ring cannot hang it."""
    slots: list[int] = []
    slot = int(memory.levels["head"][index])
    while slot and len(slots) < len(memory.orders):
        slots.append(slot)
        slot = int(memory.orders["next"][slot])
    return slots


def _side(memory: Memory, index: int) -> Side:
    return Side.BUY if index < memory.counters["span"][0] else Side.SELL
