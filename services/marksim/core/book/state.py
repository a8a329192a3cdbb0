"""Memory of the compiled book: one record of counters and arrays of orders, levels, occupancy bits and names.

Slot 0 of `orders` is in no queue: a new order stands there while it trades. So 0 means "none" in every link, and a fresh
zeroed array is an empty book. Levels are indexed by price_ticks - min_price_ticks; as a book is never crossed, one ladder
and one bitmap serve both sides.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from marksim.core.book.rules import Rules
from marksim.core.errors import InvalidInput
from marksim.core.types import DEPTH, EXECUTION, QUOTE, Records

MAX_LEVELS: Final = 1 << 26
"""Widest price band the ladder is made for (32 bytes a level, touched pages only)."""

FIRST_ORDERS: Final = 1024
FIRST_ROWS: Final = 256
FIRST_ENTRIES: Final = 64
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
)
"""Counters that are constant: the fields of Rules of the same names."""

COUNTERS: Final = np.dtype(
    [
        (name, "<i8")
        for name in (
            *LIMITS,
            # Bitmap: where the second and third tier begin, and where the third ends; constant.
            "tier1",
            "tier2",
            "tier_end",
            # State.
            "sequence",
            "last_order_id",
            "time_ns",
            "order_count",
            "free_slot",
            "refills",
            # Stops that wait, oldest first.
            "stop_count",
            "first_stop",
            "last_stop",
            # 0 before the first trade.
            "last_price_ticks",
            # Entries of the heaps.
            "expiries",
            "buy_stops",
            "sell_stops",
            # Level indices, -1 for an empty side.
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
            # The heap, from 1 on, that is full; 0 if none is.
            "full_heap",
        )
    ],
    align=True,
)

ORDER: Final = np.dtype(
    [
        ("account", "<i8"),
        ("serial", "<i8"),
        ("order_id", "<i8"),
        ("quantity_lots", "<i8"),
        ("leaves_lots", "<i8"),
        ("self_trade_group", "<i8"),
        ("display_lots", "<i8"),
        ("hidden_lots", "<i8"),
        ("expire_time_ns", "<i8"),
        ("stop_price_ticks", "<i8"),
        ("level", "<i4"),
        ("previous", "<i4"),
        ("next", "<i4"),
        ("side", "<u1"),
        ("order_type", "<u1"),
        ("time_in_force", "<u1"),
        ("self_trade_prevention", "<u1"),
    ],
    align=True,
)
"""A slot of the pool. `next` links the queue of a level, the stops that wait, and the free list.

hidden_lots is the part of leaves that is not shown. order_type is LIMIT of all that rest; the last two are of stops alone.
"""

LEVEL: Final = np.dtype(
    [
        ("quantity_lots", "<i8"),
        ("hidden_lots", "<i8"),
        ("head", "<i4"),
        ("tail", "<i4"),
        ("order_count", "<i4"),
        ("refills", "<i4"),
    ],
    align=True,
)
"""A queue. quantity_lots is what is shown; refills is how often its icebergs may yet be refilled."""

ENTRY: Final = np.dtype([("key", "<i8"), ("order_id", "<i8"), ("slot", "<i4")], align=True)
"""An order in a heap, by when it expires or what triggers it. One whose slot has another order by now means nothing."""


@dataclass(slots=True)
class Memory:
    """Everything the kernel reads and writes."""

    counters: Records
    orders: Records
    levels: Records
    bitmap: NDArray[np.uint64]
    names: NDArray[np.int32]
    expiries: Records
    buy_stops: Records
    sell_stops: Records
    """Binary heaps of ENTRY, the first to expire or to be triggered at the top."""
    executions: Records
    quotes: Records
    depth: Records

    @property
    def book(self) -> tuple[Records, Records, Records, NDArray[np.uint64], NDArray[np.int32], Records, Records, Records]:
        """What the book is, without the rows that it gives."""
        heaps = (self.expiries, self.buy_stops, self.sell_stops)
        return self.counters, self.orders, self.levels, self.bitmap, self.names, *heaps

    @property
    def nbytes(self) -> int:
        return sum(getattr(self, name).nbytes for name in self.__slots__)


def allocate(rules: Rules) -> Memory:
    """An empty book; raises InvalidInput when the price band is wider than MAX_LEVELS."""
    level_count = rules.max_price_ticks - rules.min_price_ticks + 1
    if level_count > MAX_LEVELS:
        raise InvalidInput(f"price band of {level_count} ticks is wider than {MAX_LEVELS}; use a larger tick_size")
    tier1 = level_count // 64 + 1
    tier2 = tier1 + tier1 // 64 + 1
    tier_end = tier2 + (tier2 - tier1) // 64 + 1
    slots = min(FIRST_ORDERS, rules.max_orders)
    counters = np.zeros(1, COUNTERS)
    for name in LIMITS:
        counters[name] = getattr(rules, name)
    for name, value in (("tier1", tier1), ("tier2", tier2), ("tier_end", tier_end), ("best_bid", -1), ("best_ask", -1)):
        counters[name] = value
    counters["bid_price_ticks"] = counters["ask_price_ticks"] = rules.reference_price_ticks
    orders = np.zeros(1, ORDER)
    memory = Memory(
        counters=counters,
        orders=orders,
        levels=np.zeros(level_count, LEVEL),
        bitmap=np.zeros(tier_end, np.uint64),
        names=np.zeros(0, np.int32),
        expiries=np.zeros(0, ENTRY),
        buy_stops=np.zeros(0, ENTRY),
        sell_stops=np.zeros(0, ENTRY),
        executions=np.zeros(FIRST_ROWS, EXECUTION),
        quotes=np.zeros(FIRST_ROWS, QUOTE),
        depth=np.zeros(FIRST_ROWS, DEPTH),
    )
    grow_orders(memory, slots)
    return memory


def grow_orders(memory: Memory, slots: int) -> None:
    """Make room for `slots` resting orders; the new slots go to the front of the free list. `names` must be rebuilt."""
    old = len(memory.orders) - 1
    orders = np.zeros(slots + 1, ORDER)
    orders[: old + 1] = memory.orders
    orders["next"][old + 1 : slots] = np.arange(old + 2, slots + 1)
    orders["next"][slots] = memory.counters["free_slot"][0]
    memory.counters["free_slot"] = old + 1
    memory.orders = orders
    # A power of two at least twice the slots keeps probe sequences short.
    memory.names = np.zeros(1 << (2 * slots).bit_length(), np.int32)


def grow_heap(memory: Memory, name: str) -> None:
    """Double one of the heaps."""
    heap = getattr(memory, name)
    setattr(memory, name, grown(heap, FIRST_ENTRIES))


def grown(rows: Records, needed: int) -> Records:
    """A longer array, at least doubled, that begins with the same rows."""
    return _resized(rows, max(2 * len(rows), needed))


def _resized(rows: Records, length: int) -> Records:
    longer = np.zeros(length, rows.dtype)
    longer[: len(rows)] = rows
    return longer
