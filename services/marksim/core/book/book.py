"""The order book of one symbol."""

from typing import Final

import numpy as np

from marksim.core.book import kernel
from marksim.core.book.names import find_slot, rebuild_names
from marksim.core.book.resting import DEFAULT_MAX_ORDERS, RESTING, OpenOrder, hash_state, open_orders
from marksim.core.book.rules import rules_of
from marksim.core.book.state import FIRST_ROWS, HEAPS, Memory, allocate, grow_heap, grow_orders, grown
from marksim.core.errors import InvalidInput
from marksim.core.types import COMMAND, DEPTH, EXECUTION, BookOutput, Instrument, OrderType, Records, Side

KEPT_ROWS: Final = 1 << 16
"""Rows of executions for which there is room at all times, once they were needed."""
ALL_LEVELS: Final = 1 << 62
EARLIEST_NS: Final = -(1 << 63) + 1


class OrderBook:
    """A price-time priority book in compiled code; `reference.py` specifies its answers.

    One writer at a time: no locks inside. Pools and buffers begin small and double when needed, up to `max_orders` resting
    orders; then a limit order that may rest is rejected (BOOK_FULL). Raises InvalidInput for impossible limits.
    """

    def __init__(self, instrument: Instrument, max_orders: int = DEFAULT_MAX_ORDERS) -> None:
        self.instrument = instrument
        self._max_orders = max_orders
        self._memory: Memory = allocate(rules_of(instrument, max_orders))

    @property
    def sequence(self) -> int:
        """Of the last execution; 0 before the first."""
        return int(self._memory.counters["sequence"][0])

    @property
    def order_count(self) -> int:
        """Resting orders, without the stops that wait."""
        return int(self._memory.counters["order_count"][0])

    @property
    def stop_count(self) -> int:
        """Stops that wait to be triggered."""
        return int(self._memory.counters["stop_count"][0])

    @property
    def capacity(self) -> int:
        """Resting orders for which there is memory now."""
        return len(self._memory.orders) - 1

    @property
    def memory_bytes(self) -> int:
        """Size of all arrays; of the ladder, the system holds only pages that were touched."""
        return self._memory.nbytes

    @property
    def memory(self) -> Memory:
        """The arrays themselves, for checks."""
        return self._memory

    @property
    def next_expiry_ns(self) -> int | None:
        """When the next resting order expires; None where none does."""
        if not self._memory.counters["expiries"][0]:
            # Asked before every window, and nearly always so: ten times as fast as a call of the kernel.
            return None
        expiry = kernel.first_expiry(*self._memory.book, self._memory.depth)
        return int(expiry) or None

    def expires_before(self, time_ns: int) -> bool:
        """Whether an order is due to expire before that time."""
        expiry_ns = self.next_expiry_ns
        return expiry_ns is not None and expiry_ns < time_ns

    def apply(self, commands: Records, end_ns: int = EARLIEST_NS) -> BookOutput:
        """Apply COMMAND rows in order, and let expire what is due before them, or before `end_ns`."""
        if commands.dtype != COMMAND:
            raise InvalidInput("commands: expected records of dtype COMMAND")
        flags = commands.flags
        if not (flags.c_contiguous and flags.writeable):
            # One compiled version is enough: decoded messages are read-only, slices may be strided.
            commands = commands.copy()
        memory = self._memory
        done = -1
        while True:
            done, finished, executions, quotes, depth = kernel.apply_commands(
                *memory.book,
                commands,
                done,
                end_ns - 1,
                memory.executions,
                memory.quotes,
                memory.depth,
            )
            if finished:
                break
            self._make_room(quotes)
        output = BookOutput(
            _copy_of(memory.executions, executions), _copy_of(memory.quotes, quotes), _copy_of(memory.depth, depth)
        )
        if len(memory.executions) > KEPT_ROWS >= executions:
            # A sweep of long ago needs its memory no more.
            memory.executions, memory.depth = np.zeros(FIRST_ROWS, EXECUTION), np.zeros(FIRST_ROWS, DEPTH)
        return output

    def depth(self, levels: int | None = None) -> Records:
        """DEPTH rows of the best `levels` (None: all) of each side, bids best first, then asks best first."""
        memory = self._memory
        most = ALL_LEVELS if levels is None else levels
        rows = np.zeros(min(2 * max(most, 0), self.order_count), DEPTH)
        count = kernel.write_depth(*memory.book, most, rows)
        return rows[:count]

    def find(self, account: int, serial: int) -> OpenOrder | None:
        """The order of that name that rests or waits, if there is one."""
        memory = self._memory
        slot = find_slot(memory.orders, memory.names, account, serial)
        if slot == 0:
            return None
        order = memory.orders[slot]
        has_price = order["order_type"] != OrderType.STOP
        return OpenOrder(
            account=account,
            serial=serial,
            order_id=int(order["order_id"]),
            side=Side(int(order["side"])),
            price_ticks=int(order["level"]) + self.instrument.min_price_ticks if has_price else 0,
            quantity_lots=int(order["quantity_lots"]),
            leaves_lots=int(order["leaves_lots"]),
        )

    def open_orders(self, account: int) -> list[OpenOrder]:
        """All orders of an account that rest or wait, oldest first."""
        resting = self.resting()
        return open_orders(resting[resting["account"] == account])

    def resting(self) -> Records:
        """RESTING rows in priority order, stops included."""
        memory = self._memory
        rows = np.zeros(self.order_count + self.stop_count, RESTING)
        kernel.write_resting(*memory.book, rows)
        return rows

    def state_hash(self) -> str:
        """Hex; equal in two books exactly when they will answer alike for ever."""
        counters = self._memory.counters[0]
        names = ("sequence", "last_order_id", "time_ns", "bid_price_ticks", "ask_price_ticks", "last_price_ticks")
        return hash_state(self.resting(), (int(counters[name]) for name in names))

    def _make_room(self, quotes: int) -> None:
        """Double what the command before which the kernel stopped lacks."""
        memory = self._memory
        if quotes == len(memory.quotes):
            memory.quotes = grown(memory.quotes, quotes + 1)
            return
        counters = memory.counters[0]
        if counters["full_heap"]:
            grow_heap(memory, HEAPS[counters["full_heap"] - 1])
            counters["full_heap"] = 0
            return
        if not counters["needed_executions"]:
            grow_orders(memory, min(2 * self.capacity, self._max_orders))
            rebuild_names(memory.orders, memory.names)
            return
        if counters["needed_executions"] > len(memory.executions):
            memory.executions = grown(memory.executions, int(counters["needed_executions"]))
        if counters["needed_depth"] > len(memory.depth):
            memory.depth = grown(memory.depth, int(counters["needed_depth"]))


def _copy_of(rows: Records, count: int) -> Records:
    """The first rows as an array of their own; through bytes, as NumPy copies records field by field, ten times slower."""
    return np.ndarray((count,), rows.dtype, bytearray(rows[:count].tobytes()))
