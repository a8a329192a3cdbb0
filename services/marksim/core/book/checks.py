"""What must hold in the compiled book's arrays after every batch. Slow and plain, for tests."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from marksim.core.book.book import OrderBook
from marksim.core.book.state import LEVEL, Memory
from marksim.core.types import OrderType, Side


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
        *_of_heaps(memory),
    ]


def _of_levels(memory: Memory) -> Iterator[str]:
    """Quantity and count of a level are those of its orders."""
    for index in _occupied(memory):
        level = memory.levels[index]
        queue = memory.orders[_queue(memory, index)]
        hidden = int(queue["hidden_lots"].sum())
        refills = sum(map(_refills, queue))
        shown = int(queue["leaves_lots"].sum()) - hidden
        if level.tolist() != (shown, hidden, level["head"], level["tail"], len(queue), refills):
            yield f"level {index}: {level} but its orders have {queue}"
        if np.any(queue["hidden_lots"] < 0) or np.any(queue["leaves_lots"] <= queue["hidden_lots"]):
            yield f"level {index}: an order shows nothing: {queue}"
    empty = memory.levels[memory.levels["head"] == 0]
    if any(np.any(empty[name]) for name in LEVEL.names or ()):
        yield "an empty level has a tail, a quantity or a count"
    refills = sum(map(_refills, memory.orders[1:]))
    if memory.counters["refills"][0] != refills:
        yield f"refills is {memory.counters['refills'][0]} but the orders have {refills}"


def _refills(order: np.void) -> int:
    return -(-int(order["hidden_lots"]) // int(order["display_lots"])) if order["hidden_lots"] else 0


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
    used = _used(memory)
    if sorted(seen + used) != list(range(1, len(memory.orders))):
        yield "free list and queues do not have each slot once"
    counters = memory.counters[0]
    if len(used) != counters["order_count"] + counters["stop_count"]:
        told = f"order_count is {counters['order_count']}, stop_count {counters['stop_count']}"
        yield f"{told}, but {len(used)} rest or wait"
    if np.any(memory.orders["leaves_lots"][seen]):
        yield "a free slot has something left"


def _of_names(memory: Memory) -> Iterator[str]:
    """The map has each used slot once, and no two have the same name."""
    used = sorted(_used(memory))
    if sorted(memory.names[memory.names != 0].tolist()) != used:
        yield "the map of names does not have each resting order once"
    if len({(int(memory.orders["account"][slot]), int(memory.orders["serial"][slot])) for slot in used}) != len(used):
        yield "two resting orders have the same name"


def _of_heaps(memory: Memory) -> Iterator[str]:
    """Each order that expires or waits is in its heap once, and no entry below one that it belongs above."""
    here = memory.orders[1:][memory.orders["leaves_lots"][1:] > 0]
    stops = here[here["order_type"] != OrderType.LIMIT]
    buys, sells = stops[stops["side"] == Side.BUY], stops[stops["side"] == Side.SELL]
    for name, orders, keys in (
        ("expiries", here[here["expire_time_ns"] != 0], here["expire_time_ns"][here["expire_time_ns"] != 0]),
        ("buy_stops", buys, buys["stop_price_ticks"]),
        ("sell_stops", sells, -sells["stop_price_ticks"]),
    ):
        heap = getattr(memory, name)[: int(memory.counters[name][0])]
        entries = list(zip(heap["key"].tolist(), heap["order_id"].tolist(), strict=True))
        if any(entries[index] < entries[(index - 1) // 2] for index in range(1, len(entries))):
            yield f"{name}: an entry stands below one that it belongs above"
        named = memory.orders[heap["slot"]]
        alive = (named["order_id"] == heap["order_id"]) & (named["leaves_lots"] > 0)
        kept = [entry for entry, is_alive in zip(entries, alive, strict=True) if is_alive]
        if sorted(kept) != sorted(zip(keys.tolist(), orders["order_id"].tolist(), strict=True)):
            yield f"{name} does not have each order once"


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
