"""A book's state as plain arrays, and a book's memory from them: for snapshots, and for going on elsewhere.

The arrays have no addresses, no padding and no map of names; of the ladder they have only levels with orders, and of the
pools what orders have used. What is read back is looked at as a whole (saving.py): arrays of another layout, of another
instrument, or that do not fit together are refused, and never played.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from marksim.core.book.rules import LAST_NS, Rules
from marksim.core.book.saving import DAMAGE, find_damage, put_levels, write_levels
from marksim.core.book.schedule import change_after
from marksim.core.book.state import FIRST_ENTRIES, HEAPS, LEVEL, LIMITS, ORDER, TERMS, Memory, grow_orders
from marksim.core.book.words import CONTINUOUS, NO_LEVEL
from marksim.core.errors import InvalidInput
from marksim.core.types import SessionState

Arrays = Mapping[str, NDArray[Any]]

KEPT: Final = (
    *("sequence", "last_order_id", "time_ns", "order_count", "free_slot", "fresh_slot", "free_terms", "refills"),
    *("stop_count", "first_stop", "last_stop", "last_price_ticks"),
    *("session", "session_end_ns", "session_volume_lots", "reference_price_ticks", "at_the_open_count"),
    *("scheduled_ns", "scheduled_state"),
    *("bid_price_ticks", "bid_quantity_lots", "ask_price_ticks", "ask_quantity_lots"),
    *("slots_touched", "levels_touched"),
)
"""Counters that are state. The others are of the instrument, of where arrays are, or of the batch that runs."""

KEPT_COUNTERS: Final = np.dtype([(name, "<i8") for name in (*LIMITS, *KEPT)])
KEPT_ENTRY: Final = np.dtype([("key", "<i8"), ("order_id", "<i8"), ("slot", "<u4")])
LAYOUT: Final[dict[str, np.dtype[Any]]] = {
    "counters": KEPT_COUNTERS,
    "orders": ORDER,
    "terms": TERMS,
    "places": np.dtype("<i8"),
    "levels": LEVEL,
    **dict.fromkeys(HEAPS, KEPT_ENTRY),
}
"""Names and dtypes of a state: `counters` is one row, `orders` and `terms` are the pools up to where they are used, `places`
says where `levels` are, and the rest are the heaps."""


def check_layout(arrays: Arrays, layout: Mapping[str, np.dtype[Any]], what: str) -> None:
    """Raise InvalidInput unless these are one-dimensional arrays of these names and dtypes."""
    if arrays.keys() != layout.keys():
        raise InvalidInput(f"{what}: it has {sorted(arrays)}, not {sorted(layout)}; it was saved by another version")
    for name, dtype in layout.items():
        array = arrays[name]
        if array.dtype != dtype or array.ndim != 1:
            raise InvalidInput(f"{what}: {name} has the layout of another version, {array.dtype}")


def plain_copy(rows: Any) -> Any:
    """A copy of rows, moved as bytes: field by field it takes ten times as long."""
    return np.ndarray(rows.shape, rows.dtype, bytearray(rows.tobytes()))


def state_of(memory: Memory) -> dict[str, NDArray[Any]]:
    """All that a book between two batches holds, as copies."""
    counters = np.zeros(1, KEPT_COUNTERS)
    for name in KEPT_COUNTERS.names or ():
        counters[name] = memory.counters[name]
    resting = int(memory.counters["order_count"][0])
    places, levels = np.zeros(resting, np.int64), np.zeros(resting, LEVEL)
    count = write_levels(memory.counters, places, levels)
    heaps = {}
    for name in HEAPS:
        entries = getattr(memory, name)[: int(memory.counters[name][0])]
        heaps[name] = np.zeros(len(entries), KEPT_ENTRY)
        for field in KEPT_ENTRY.names or ():
            heaps[name][field] = entries[field]
    return {
        "counters": counters,
        "orders": plain_copy(memory.orders[: int(memory.counters["fresh_slot"][0])]),
        "terms": plain_copy(memory.terms),
        "places": places[:count].copy(),
        "levels": plain_copy(levels[:count]),
        **heaps,
    }


def fill(memory: Memory, rules: Rules, arrays: Arrays, what: str) -> None:
    """Give the memory of a new book what `state_of` has read; raises InvalidInput, which begins with `what`, if it cannot.

    A memory that was refused may be half filled, and is of no use.
    """
    check_layout(arrays, LAYOUT, what)
    _check_counters(arrays, rules, what)
    counters = memory.counters
    for name in KEPT:
        counters[name] = arrays["counters"][name]
    slots = len(memory.orders) - 1
    while slots < len(arrays["orders"]) - 1:
        slots = min(2 * slots, rules.max_orders)
    grow_orders(memory, slots)
    memory.orders.view(np.uint8)[: arrays["orders"].nbytes] = plain_copy(arrays["orders"]).view(np.uint8)
    memory.put("terms", plain_copy(arrays["terms"]))
    for name in HEAPS:
        _fill_heap(memory, name, arrays[name])
    _fill_levels(memory, plain_copy(arrays["places"]), plain_copy(arrays["levels"]), what)


def _check_counters(arrays: Arrays, rules: Rules, what: str) -> None:
    """That they are of this instrument, are in their ranges, and say how long the pools are."""
    if len(arrays["counters"]) != 1:
        raise InvalidInput(f"{what}: counters has {len(arrays['counters'])} rows, not one")
    values = {name: int(arrays["counters"][name][0]) for name in KEPT_COUNTERS.names or ()}
    for name in LIMITS:
        if values[name] != getattr(rules, name):
            raise InvalidInput(
                f"{what}: it was saved with {name} {values[name]}, and the instrument has {getattr(rules, name)}"
            )
    slots = len(arrays["orders"])
    if not 1 <= slots <= rules.max_orders + 1:
        raise InvalidInput(f"{what}: orders has {slots} slots, more than max_orders {rules.max_orders} needs, or none")
    if not len(arrays["terms"]) or any(arrays["terms"][0]):
        raise InvalidInput(f"{what}: the first row of terms is not that of orders that have none")
    prices = (rules.min_price_ticks, rules.max_price_ticks)
    ranges = {
        "fresh_slot": (slots, slots),
        "free_terms": (0, len(arrays["terms"]) - 1),
        **dict.fromkeys(("free_slot", "first_stop", "last_stop"), (0, slots - 1)),
        "session": (min(set(SessionState) - {SessionState.UNSPECIFIED}), max(SessionState)),
        "last_price_ticks": (0, rules.max_price_ticks),
        **dict.fromkeys(("bid_price_ticks", "ask_price_ticks", "reference_price_ticks"), prices),
    }
    signed = {"time_ns"}
    for name in KEPT:
        low, high = ranges.get(name, (0, LAST_NS))
        if name not in signed and not low <= values[name] <= high:
            raise InvalidInput(f"{what}: {name} is {values[name]}, which is not within {low}..{high}")
    scheduled = values["scheduled_ns"], values["scheduled_state"]
    if scheduled != change_after(rules.sessions, scheduled[0] - 1 if scheduled[0] else LAST_NS):
        raise InvalidInput(f"{what}: its next change of the session, {scheduled}, is none of the instrument's sessions")


def _fill_heap(memory: Memory, name: str, entries: NDArray[Any]) -> None:
    """Give a heap its entries, and the room that it had when the last of them came."""
    room = 0 if not len(entries) else FIRST_ENTRIES
    while room < len(entries):
        room *= 2
    heap = np.zeros(room, getattr(memory, name).dtype)
    for field in KEPT_ENTRY.names or ():
        heap[field][: len(entries)] = entries[field]
    memory.put(name, heap)
    memory.counters[name] = len(entries)


def _fill_levels(memory: Memory, places: NDArray[Any], levels: NDArray[Any], what: str) -> None:
    """Put the levels to their places, and see that all of it fits together."""
    counters, span = memory.counters, int(memory.counters["span"][0])
    if len(places) != len(levels):
        raise InvalidInput(f"{what}: {len(levels)} levels have {len(places)} places")
    if len(places) and (places[0] < 0 or places[-1] >= 2 * span or np.any(places[1:] <= places[:-1])):
        raise InvalidInput(f"{what}: the places of its levels are not in order, or beyond its prices")
    put_levels(counters, places, levels)
    bids = int(np.searchsorted(places, span))
    bid = int(places[0]) if bids else int(NO_LEVEL)
    ask = int(places[bids]) if bids < len(places) else int(NO_LEVEL)
    counters["best_bid"], counters["best_ask"] = bid, ask
    fresh = int(counters["fresh_slot"][0])
    slots, rows = np.zeros(fresh, np.uint8), np.zeros(len(memory.terms), np.uint8)
    damage, place = find_damage(counters, places, slots, rows)
    if damage:
        raise InvalidInput(f"{what}: {DAMAGE[damage].format(place)}")
    # Of a bid and an ask at one price the places add up to twice the span less one.
    if counters["session"][0] == CONTINUOUS and int(NO_LEVEL) not in (bid, ask) and bid + ask < 2 * span:
        raise InvalidInput(f"{what}: its best bid is not below its best ask")
