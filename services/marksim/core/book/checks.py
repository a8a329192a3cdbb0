"""What must hold in the compiled book's arrays after every batch. Slow and plain, for tests."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from marksim.core.book.book import OrderBook
from marksim.core.book.state import Memory
from marksim.core.types import Side


def violations(book: OrderBook) -> list[str]:
    """A sentence for each broken invariant; empty for a sound book."""
    memory = book.memory
    return [
        *_of_levels(memory),
        *_of_queues(memory),
        *_of_best(memory),
        *_of_bitmap(memory),
        *_of_free_list(memory),
        *_of_names(memory),
    ]


def _of_levels(memory: Memory) -> Iterator[str]:
    """Quantity and count of a level are those of its orders."""
    for index in _occupied(memory):
        level = memory.levels[index]
        leaves = [int(memory.orders[slot]["leaves_lots"]) for slot in _queue(memory, index)]
        if level["quantity_lots"] != sum(leaves) or level["order_count"] != len(leaves):
            yield f"level {index}: {level} but its orders have {leaves}"
    empty = memory.levels[memory.levels["head"] == 0]
    if np.any(empty["tail"]) or np.any(empty["quantity_lots"]) or np.any(empty["order_count"]):
        yield "an empty level has a tail, a quantity or a count"


def _of_queues(memory: Memory) -> Iterator[str]:
    """Orders of a level are of one side, open, and linked both ways."""
    for index in _occupied(memory):
        before, sides = 0, set()
        for slot in _queue(memory, index):
            order = memory.orders[slot]
            sides.add(int(order["side"]))
            if order["level"] != index or order["previous"] != before:
                yield f"slot {slot}: wrong level or link back: {order}"
            if not 0 < order["leaves_lots"] <= order["quantity_lots"]:
                yield f"slot {slot}: leaves are not within 1 and the accepted quantity: {order}"
            before = slot
        if memory.levels["tail"][index] != before or len(sides) != 1:
            yield f"level {index}: tail is not the last order, or both sides are in it"


def _of_best(memory: Memory) -> Iterator[str]:
    """Best bid and ask are the ends of their sides, and the book is not crossed."""
    by_side: dict[int, list[int]] = {Side.BUY: [], Side.SELL: []}
    for index in _occupied(memory):
        by_side[int(memory.orders["side"][memory.levels["head"][index]])].append(index)
    bid, ask = max(by_side[Side.BUY], default=-1), min(by_side[Side.SELL], default=-1)
    counters = memory.counters[0]
    if (counters["best_bid"], counters["best_ask"]) != (bid, ask):
        yield f"best is {counters['best_bid']}/{counters['best_ask']} but the levels say {bid}/{ask}"
    if bid >= 0 and 0 <= ask <= bid:
        yield f"crossed: bid {bid}, ask {ask}"


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
    used = [slot for index in _occupied(memory) for slot in _queue(memory, index)]
    if sorted(seen + used) != list(range(1, len(memory.orders))):
        yield "free list and queues do not have each slot once"
    if len(used) != memory.counters["order_count"][0]:
        yield f"order_count is {memory.counters['order_count'][0]} but {len(used)} rest"
    if np.any(memory.orders["leaves_lots"][seen]):
        yield "a free slot has something left"


def _of_names(memory: Memory) -> Iterator[str]:
    """The map has each used slot once, and no two have the same name."""
    used = sorted(slot for index in _occupied(memory) for slot in _queue(memory, index))
    if sorted(memory.names[memory.names != 0].tolist()) != used:
        yield "the map of names does not have each resting order once"
    if len({(int(memory.orders["account"][slot]), int(memory.orders["serial"][slot])) for slot in used}) != len(used):
        yield "two resting orders have the same name"


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
