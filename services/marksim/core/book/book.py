"""The order book of one symbol."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from marksim.core.book import kernel, reading
from marksim.core.book.names import rebuild_names
from marksim.core.book.resting import DEFAULT_MAX_ORDERS, RESTING, OpenOrder, hash_state, open_orders
from marksim.core.book.rules import check_start, rules_of
from marksim.core.book.saved import Arrays, fill, state_of
from marksim.core.book.schedule import change_after, state_at
from marksim.core.book.state import FIRST_ROWS, HEAPS, Memory, allocate, grow_heap, grow_orders, grow_terms, grown
from marksim.core.errors import InvalidInput
from marksim.core.types import (
    COMMAND,
    DEPTH,
    EXECUTION,
    BookOutput,
    Instrument,
    Records,
    Session,
    SessionState,
)

KEPT_ROWS: Final = 1 << 16
"""Rows of executions for which there is room at all times, once they were needed."""
ALL_LEVELS: Final = 1 << 62
EARLIEST_NS: Final = -(1 << 63) + 1


class OrderBook:
    """A price-time priority book in compiled code; `reference.py` specifies its answers.

    One caller at a time, readers included: no locks inside. Pools and buffers begin small and double when needed, up to
    `max_orders` resting orders; then one that may rest is rejected (BOOK_FULL). Raises InvalidInput for impossible limits.
    """

    def __init__(self, instrument: Instrument, max_orders: int = DEFAULT_MAX_ORDERS, start_ns: int = 0) -> None:
        self.instrument = instrument
        self._rules = rules_of(instrument, max_orders)
        check_start(start_ns)
        self._memory: Memory = allocate(self._rules)
        self._memory.counters["session"] = state_at(self._rules.sessions, start_ns)
        self._schedule_after(start_ns)

    @classmethod
    def restored(cls, instrument: Instrument, max_orders: int, arrays: Arrays) -> "OrderBook":
        """The book of which those are the `state`: it answers all that comes as that one would.

        Raises InvalidInput for a state of another instrument or version, or one that does not fit together.
        """
        book = cls(instrument, max_orders)
        fill(book.memory, rules_of(instrument, max_orders), arrays, f"state of the book {instrument.symbol}")
        return book

    def state(self) -> dict[str, NDArray[Any]]:
        """All that the book holds between two batches, as arrays of its own (saved.py); a few ms for 100,000 orders."""
        return state_of(self._memory)

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
        """Size of all arrays but the ladder, of which the system holds only pages that were touched."""
        return self._memory.nbytes - self._memory.ladder_bytes

    @property
    def memory(self) -> Memory:
        """The arrays themselves, for checks."""
        return self._memory

    @property
    def touched(self) -> tuple[int, int]:
        """How many orders and levels commands have looked at so far, each look counted."""
        counters = self._memory.counters
        return int(counters["slots_touched"][0]), int(counters["levels_touched"][0])

    @property
    def session_state(self) -> SessionState:
        return SessionState(int(self._memory.counters["session"][0]))

    @property
    def session(self) -> Session:
        """Where the book stands in its day, with what an auction would do now if one is on."""
        state, volume = self.session_state, int(self._memory.counters["session_volume_lots"][0])
        if state not in (SessionState.OPENING_AUCTION, SessionState.CLOSING_AUCTION):
            return Session(state, volume)
        return Session(state, volume, *reading.indicative(self._memory.counters))

    @property
    def next_due_ns(self) -> int | None:
        """When something next happens by itself, an expiry or a session change; None where nothing does."""
        counters = self._memory.counters
        due = [int(counters["session_end_ns"][0]), int(counters["scheduled_ns"][0])]
        if counters["expiries"][0]:
            # Asked before every window, and seldom so: a call of the kernel takes ten times as long as this.
            due.append(reading.first_expiry(self._memory.counters))
        return min((time_ns for time_ns in due if time_ns), default=None)

    def due_before(self, time_ns: int) -> bool:
        """Whether anything happens by itself before that time."""
        due_ns = self.next_due_ns
        return due_ns is not None and due_ns < time_ns

    def apply(self, commands: Records, end_ns: int = EARLIEST_NS) -> BookOutput:
        """Apply COMMAND rows in order, and let happen what is due before them, or before `end_ns`."""
        output = self.apply_in_place(commands, end_ns)
        return BookOutput(_copy_of(output.executions), _copy_of(output.quotes), _copy_of(output.depth))

    def apply_in_place(self, commands: Records, end_ns: int = EARLIEST_NS) -> BookOutput:
        """The same without a copy: what it gives holds until the next call."""
        if commands.dtype != COMMAND:
            raise InvalidInput("commands: expected records of dtype COMMAND")
        flags = commands.flags
        if not (flags.c_contiguous and flags.writeable):
            # One compiled version is enough: decoded messages are read-only, slices may be strided.
            commands = commands.copy()
        memory = self._memory
        done, until_ns = -1, max(end_ns, EARLIEST_NS) - 1
        while True:
            done, finished, executions, quotes, depth = kernel.apply_commands(memory.counters, commands, done, until_ns)
            if finished:
                break
            self.make_room(quotes)
        output = BookOutput(memory.executions[:executions], memory.quotes[:quotes], memory.depth[:depth])
        if len(memory.executions) > KEPT_ROWS >= executions:
            # A sweep of long ago needs its memory no more; what is given out stays with whoever has it.
            memory.put("executions", np.zeros(FIRST_ROWS, EXECUTION))
            memory.put("depth", np.zeros(FIRST_ROWS, DEPTH))
        return output

    def depth(self, levels: int | None = None) -> Records:
        """DEPTH rows of the best `levels` (None: all) of each side, bids best first, then asks best first."""
        memory = self._memory
        most = ALL_LEVELS if levels is None else max(levels, 0)
        rows = np.zeros(min(2 * most, self.order_count), DEPTH)
        count = reading.write_depth(memory.counters, rows, most)
        return rows[:count]

    def find(self, account: int, serial: int) -> OpenOrder | None:
        """The order of that name that rests or waits, if there is one."""
        row = np.zeros(1, RESTING)
        return open_orders(row)[0] if reading.find_order(self._memory.counters, account, serial, row) else None

    def open_orders(self, account: int) -> list[OpenOrder]:
        """All orders of an account that rest or wait, oldest first."""
        resting = self.resting()
        return open_orders(resting[resting["account"] == account])

    def resting(self) -> Records:
        """RESTING rows in priority order, stops included."""
        memory = self._memory
        rows = np.zeros(self.order_count + self.stop_count, RESTING)
        reading.write_resting(memory.counters, rows, ALL_LEVELS, ALL_LEVELS, True)
        return rows

    def by_order(self, levels: int, most: int) -> Records:
        """RESTING rows of the first `most` orders of the best `levels` of each side, in priority order."""
        levels, most = max(levels, 0), max(most, 0)
        rows = np.zeros(min(2 * levels * most, self.order_count), RESTING)
        count = reading.write_resting(self._memory.counters, rows, levels, most, False)
        return rows[:count]

    def state_hash(self) -> str:
        """Hex; equal in two books of one instrument and size exactly when they will answer alike for ever."""
        counters = self._memory.counters[0]
        names = (
            *("sequence", "last_order_id", "time_ns", "bid_price_ticks", "ask_price_ticks", "last_price_ticks", "session"),
            *("session_end_ns", "session_volume_lots", "reference_price_ticks", "scheduled_ns"),
        )
        return hash_state(self.resting(), (int(counters[name]) for name in names))

    def make_room(self, quotes: int) -> None:
        """Double what the command before which the kernel stopped lacks."""
        memory = self._memory
        if quotes == len(memory.quotes):
            memory.put("quotes", grown(memory.quotes, quotes + 1))
            return
        counters = memory.counters[0]
        if counters["scheduled_ns"] and not counters["scheduled_state"]:
            self._schedule_after(int(counters["scheduled_ns"]))
            return
        if counters["full_terms"]:
            grow_terms(memory)
            counters["full_terms"] = 0
            return
        if counters["full_heap"]:
            grow_heap(memory, HEAPS[counters["full_heap"] - 1])
            counters["full_heap"] = 0
            return
        if not counters["needed_executions"]:
            grow_orders(memory, min(2 * self.capacity, self._rules.max_orders))
            rebuild_names(memory.counters)
            return
        if counters["needed_executions"] > len(memory.executions):
            memory.put("executions", grown(memory.executions, int(counters["needed_executions"])))
        if counters["needed_depth"] > len(memory.depth):
            memory.put("depth", grown(memory.depth, int(counters["needed_depth"])))

    def _schedule_after(self, time_ns: int) -> None:
        """Tell the kernel of the next session change by the instrument's own times."""
        at_ns, state = change_after(self._rules.sessions, time_ns)
        self._memory.counters["scheduled_ns"], self._memory.counters["scheduled_state"] = at_ns, state


def _copy_of(rows: Records) -> Records:
    """The rows as an array of their own; through bytes, as NumPy copies records field by field, ten times slower."""
    return np.ndarray((len(rows),), rows.dtype, bytearray(rows.tobytes()))
