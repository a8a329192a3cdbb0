"""Memory of the compiled book: one record of counters and arrays of orders, terms, levels, occupancy bits and names.

Slot 0 of `orders` is in no queue, and slot 0 of `terms` is all zeros: so 0 means "none" in every link, and a fresh zeroed
array is an empty book. Each side has a ladder of its own, as in an auction both stand at the same prices: index 0 is the
highest bid there can be, index `span` the lowest ask, and a better price has a lower index on either.
"""

import mmap
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from marksim.core.book.rules import Rules
from marksim.core.book.words import CONTINUOUS, NO_LEVEL
from marksim.core.errors import InvalidInput
from marksim.core.types import DEPTH, EXECUTION, QUOTE, Records

MAX_LEVELS: Final = 1 << 29
"""Widest range of prices that the ladders are made for: 64 bytes a price, of which the system holds touched pages only."""

FIRST_ORDERS: Final = 1024
FIRST_ROWS: Final = 256
FIRST_ENTRIES: Final = 64
CACHE_LINE: Final = 64
MAP_NORESERVE: Final = 0x4000
"""Of Linux; Python's mmap has the name from 3.13 on."""
HEAPS: Final = ("expiries", "buy_stops", "sell_stops")

LIMITS: Final = (
    "min_price_ticks",
    "max_price_ticks",
    "min_quantity_lots",
    "max_quantity_lots",
    "min_notional",
    "market_protection_ticks",
    "stop_trigger",
    "max_orders",
    "static_band_ppm",
    "dynamic_band_ppm",
    "band_action",
    "halt_ns",
    "auction_ns",
)
"""Counters that are constant: the fields of Rules of the same names."""

SMALL: Final = (
    *("free_slot", "fresh_slot", "free_terms", "first_stop", "last_stop", "best_bid", "best_ask"),
    *("executions", "quotes", "depth"),
)
"""Counters that are indices: of a number without a sign compiled code does not ask whether it counts from the end."""

ORDER: Final = np.dtype(
    [
        ("account", "<i8"),
        ("serial", "<i8"),
        ("order_id", "<i8"),
        ("quantity_lots", "<i8"),
        ("leaves_lots", "<i8"),
        ("level", "<u4"),
        ("previous", "<u4"),
        ("next", "<u4"),
        ("terms", "<u4"),
        ("side", "<u1"),
        ("order_type", "<u1"),
        ("time_in_force", "<u1"),
        ("self_trade_prevention", "<u1"),
        ("hashed", "<u4"),
    ],
    align=True,
)
"""A slot of the pool: one line of cache. `next` links the queue of a level, the stops that wait, and the free list.

`level` is an index of its own side's ladder; `hashed` is the name's hash (names.py). order_type is LIMIT of all that rest,
but for a MARKET order AT_THE_OPEN; self_trade_prevention, and time_in_force other than AT_THE_OPEN, are of stops alone.
"""

TERMS: Final = np.dtype(
    [
        ("self_trade_group", "<i8"),
        ("display_lots", "<i8"),
        ("hidden_lots", "<i8"),
        ("expire_time_ns", "<i8"),
        ("stop_price_ticks", "<i8"),
        ("next", "<i8"),
    ],
    align=True,
)
"""What few orders have: those that do name a slot here. hidden_lots is the part of leaves that is not shown.

A self_trade_group of 0 is the account; `next` links the free list.
"""

LEVEL: Final = np.dtype(
    [
        ("quantity_lots", "<i8"),
        ("hidden_lots", "<i8"),
        ("head", "<u4"),
        ("tail", "<u4"),
        ("order_count", "<u4"),
        ("refills", "<u4"),
    ],
    align=True,
)
"""A queue. quantity_lots is what is shown; refills is how often its icebergs may yet be refilled."""

ENTRY: Final = np.dtype([("key", "<i8"), ("order_id", "<i8"), ("slot", "<u4")], align=True)
"""An order in a heap, by when it expires or what triggers it. One whose slot has another order by now means nothing."""


ARRAYS: Final = {
    "orders": ORDER,
    "terms": TERMS,
    "levels": LEVEL,
    "bitmap": np.dtype(np.uint64),
    "names": np.dtype(np.int64),
    "expiries": ENTRY,
    "buy_stops": ENTRY,
    "sell_stops": ENTRY,
    "executions": EXECUTION,
    "quotes": QUOTE,
    "depth": DEPTH,
}
"""The arrays of a book. `<name>_address` and `<name>_length` of its counters say where they are."""

COUNTERS: Final = np.dtype(
    [
        (name, "<u4" if name in SMALL else "<i8")
        for name in (
            *LIMITS,
            # Levels of one side; where the second and third tier of the bitmap begin, and where the third ends; constant.
            "span",
            "tier1",
            "tier2",
            "tier_end",
            # State.
            "sequence",
            "last_order_id",
            "time_ns",
            "order_count",
            # The first slot of the free list, the first that no order ever had, and the same of terms.
            "free_slot",
            "fresh_slot",
            "free_terms",
            "refills",
            # Stops that wait, oldest first.
            "stop_count",
            "first_stop",
            "last_stop",
            # 0 before the first trade.
            "last_price_ticks",
            # The session, when it ends (0: when told), what has traded in it, and the price of the last auction.
            "session",
            "session_end_ns",
            "session_volume_lots",
            "reference_price_ticks",
            "at_the_open_count",
            # The next change by the instrument's own times, 0 for none. With a time and no state the caller is to find it.
            "scheduled_ns",
            "scheduled_state",
            # The edges of the price bands for the next order, and whether the running one has met one that halts.
            "lower_edge_ticks",
            "upper_edge_ticks",
            "halting",
            # Entries of the heaps.
            "expiries",
            "buy_stops",
            "sell_stops",
            # Level indices, NO_LEVEL for an empty side.
            "best_bid",
            "best_ask",
            # Last quote.
            "bid_price_ticks",
            "bid_quantity_lots",
            "ask_price_ticks",
            "ask_quantity_lots",
            # Rows written by the running batch.
            "executions",
            "quotes",
            "depth",
            # Rows that the command needs before which the kernel stopped; 0 if it needs a slot instead.
            "needed_executions",
            "needed_depth",
            # The heap, from 1 on, that is full, and whether the terms are; 0 if not.
            "full_heap",
            "full_terms",
            # Where the other arrays are, and their lengths.
            *(f"{name}_{what}" for name in ARRAYS for what in ("address", "length")),
            # Orders and levels that commands have looked at.
            "slots_touched",
            "levels_touched",
        )
    ],
    align=True,
)


@dataclass(slots=True)
class Memory:
    """Everything the kernel reads and writes. Another array takes the place of one by `put` alone.

    It may be copied and pickled: the copy says where its own arrays are.
    """

    counters: Records
    orders: Records
    terms: Records
    levels: Records
    bitmap: NDArray[np.uint64]
    names: NDArray[np.int64]
    expiries: Records
    buy_stops: Records
    sell_stops: Records
    """Binary heaps of ENTRY, the first to expire or to be triggered at the top."""
    executions: Records
    quotes: Records
    depth: Records

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self.counters, {name: getattr(self, name) for name in ARRAYS})

    def put(self, name: str, array: Records | NDArray[np.uint64] | NDArray[np.int64]) -> None:
        """Let that be the array of the name, and say in the counters where it is."""
        setattr(self, name, array)
        self.counters[f"{name}_address"], self.counters[f"{name}_length"] = array.ctypes.data, len(array)

    @property
    def nbytes(self) -> int:
        return sum(getattr(self, name).nbytes for name in self.__slots__)

    @property
    def ladder_bytes(self) -> int:
        """Of those, what depends on the range of prices; the system holds only pages that were touched."""
        return self.levels.nbytes + self.bitmap.nbytes


def allocate(rules: Rules) -> Memory:
    """An empty book in continuous trading; raises InvalidInput when the price band is wider than MAX_LEVELS."""
    span = rules.max_price_ticks - rules.min_price_ticks + 1
    if span > MAX_LEVELS:
        raise InvalidInput(f"a range of {span} prices is wider than {MAX_LEVELS}; use a larger tick_size")
    tier1 = 2 * span // 64 + 1
    tier2 = tier1 + tier1 // 64 + 1
    tier_end = tier2 + (tier2 - tier1) // 64 + 1
    counters = np.zeros(1, COUNTERS)
    for name in LIMITS:
        counters[name] = getattr(rules, name)
    for name, value in (("span", span), ("tier1", tier1), ("tier2", tier2), ("tier_end", tier_end)):
        counters[name] = value
    for name in ("bid_price_ticks", "ask_price_ticks", "reference_price_ticks"):
        counters[name] = rules.reference_price_ticks
    counters["best_bid"] = counters["best_ask"] = NO_LEVEL
    counters["session"], counters["fresh_slot"] = CONTINUOUS, 1
    memory = Memory(
        counters=counters,
        orders=_aligned(1),
        terms=np.zeros(1, TERMS),
        levels=_sparse(2 * span, LEVEL),
        bitmap=_sparse(tier_end, ARRAYS["bitmap"]),
        names=np.zeros(0, np.int64),
        expiries=np.zeros(0, ENTRY),
        buy_stops=np.zeros(0, ENTRY),
        sell_stops=np.zeros(0, ENTRY),
        executions=np.zeros(FIRST_ROWS, EXECUTION),
        quotes=np.zeros(FIRST_ROWS, QUOTE),
        depth=np.zeros(FIRST_ROWS, DEPTH),
    )
    for name in ARRAYS:
        memory.put(name, getattr(memory, name))
    grow_orders(memory, min(FIRST_ORDERS, rules.max_orders))
    return memory


def grow_orders(memory: Memory, slots: int) -> None:
    """Make room for `slots` resting orders. `names` must be rebuilt."""
    orders = _aligned(slots + 1)
    orders[: len(memory.orders)] = memory.orders
    # A power of two at least twice the slots keeps probe sequences short.
    names = np.zeros(1 << (2 * slots - 1).bit_length(), np.int64)
    memory.put("orders", orders)
    memory.put("names", names)


def grow_terms(memory: Memory) -> None:
    """Double the terms; the new ones go to the front of their free list."""
    old, terms = len(memory.terms), grown(memory.terms, FIRST_ENTRIES)
    terms["next"][old:-1] = np.arange(old + 1, len(terms))
    terms["next"][-1] = memory.counters["free_terms"][0]
    memory.counters["free_terms"] = old
    memory.put("terms", terms)


def grow_heap(memory: Memory, name: str) -> None:
    """Double one of the heaps."""
    memory.put(name, grown(getattr(memory, name), FIRST_ENTRIES))


def grown(rows: Records, needed: int) -> Records:
    """A longer array, at least doubled, that begins with the same rows."""
    longer = np.zeros(max(2 * len(rows), needed), rows.dtype)
    longer[: len(rows)] = rows
    return longer


def _restored(counters: Records, arrays: dict[str, Any]) -> Memory:
    """The copy of a book."""
    memory = Memory(counters, **arrays)
    for name, array in arrays.items():
        memory.put(name, array)
    return memory


def _sparse(length: int, dtype: np.dtype[Any]) -> Any:
    """A zeroed array, of which the system holds the small pages that were touched: far prices cost nothing.

    NumPy asks for huge pages, of which each touch would take one as a whole, and the system promises memory for all of it.
    """
    if not hasattr(mmap, "MADV_NOHUGEPAGE"):
        return np.zeros(length, dtype)
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE
    memory = mmap.mmap(-1, length * dtype.itemsize, flags=flags)
    with suppress(OSError):
        # A kernel without huge pages does not know the word.
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(memory, dtype)


def _aligned(slots: int) -> Records:
    """Zeroed orders, each within one line of cache."""
    raw = np.zeros(slots * ORDER.itemsize + CACHE_LINE, np.uint8)
    begin = -raw.ctypes.data % CACHE_LINE
    return raw[begin : begin + slots * ORDER.itemsize].view(ORDER)
