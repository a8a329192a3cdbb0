"""Books and crowds that run windows together in compiled code, and the rows that they write."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from marksim.core.book.book import OrderBook
from marksim.core.feed.ticks import TickBuilder
from marksim.core.populations import floor
from marksim.core.populations.crowd import Crowd
from marksim.core.types import Records

ROWS: Final = {"applied": "command", "events": "event", "quotes": "quote", "depth": "depth", "ticks": "tick"}
"""Arrays of a crowd in which windows are written down, and the names of their counts."""
FIRST_ROWS: Final = 1 << 15


class Lane:
    """One symbol: who trades, the book, and what makes its ticks."""

    def __init__(self, crowd: Crowd, book: OrderBook, ticks: TickBuilder) -> None:
        self.symbol = book.instrument.symbol
        self.crowd = crowd
        self.book = book
        self.ticks = ticks
        for name in ROWS:
            crowd.memory.grow(name, FIRST_ROWS)

    @property
    def has_rows(self) -> bool:
        """Whether anything was written since `forget`."""
        return bool(self.crowd.memory.counters["event_rows"][0])

    def rows(self, name: str) -> Records:
        """What was written into one of the arrays since `forget`; the array itself."""
        found: Records = self.crowd.memory.arrays[name][: int(self.crowd.memory.counters[f"{ROWS[name]}_rows"][0])]
        return found

    def forget(self) -> None:
        """Let what was written be overwritten, and see that the window that is under way has room."""
        memory, book = self.crowd.memory, self.book.memory.counters[0]
        for count in ROWS.values():
            memory.counters[f"{count}_rows"] = 0
        collected = int(memory.counters["collected"][0])
        for name, needed in (("applied", collected), *((name, int(book[of])) for name, of in _OF_BOOK)):
            if needed > len(memory.arrays[name]):
                memory.grow(name, needed)


_OF_BOOK: Final = (("events", "executions"), ("quotes", "quotes"), ("depth", "depth"))


_PAUSED: Final = (floor.DONE, floor.WOKEN)


class Lanes:
    """All symbols of a market, window by window together."""

    def __init__(self, lanes: Mapping[str, Lane], start_ns: int, lookahead_ns: int) -> None:
        self._lanes = tuple(lanes.values())
        self._counters = np.zeros(1, floor.COUNTERS)
        self._addresses = np.zeros(len(lanes), floor.LANE)
        self._counters["start_ns"], self._counters["lookahead_ns"] = start_ns, lookahead_ns
        self._attach()

    def _attach(self) -> None:
        """Say in the counters where the memory is."""
        for row, lane in zip(self._addresses, self._lanes, strict=True):
            memories = (lane.crowd.memory.counters, lane.book.memory.counters, lane.ticks.memory.counters)
            row["crowd"], row["book"], row["ticker"] = (counters.ctypes.data for counters in memories)
        self._counters["lanes_address"], self._counters["lanes_length"] = self._addresses.ctypes.data, len(self._lanes)
        self._window = self._counters["window"]

    def __setstate__(self, state: dict[str, Any]) -> None:
        # A copy has memory of its own: at the old addresses is that of another market, or nothing.
        self.__dict__.update(state)
        self._attach()

    @property
    def window(self) -> int:
        """The one that comes next, or is under way."""
        window: int = self._window.item()
        return window

    def run(self, last: int) -> Lane | None:
        """Run windows up to `last`, or up to one at which an agent is to look (`Crowd.watch`).

        A lane that is returned has no room for its rows: take them, `forget`, and call again.
        """
        while True:
            answer = floor.run_windows(self._counters, last)
            if answer in _PAUSED:
                return None
            lane = self._lanes[int(self._counters["symbol"][0])]
            if answer == floor.ROWS_FULL:
                return lane
            if answer == floor.BOOK_ROOM:
                lane.book.make_room(int(self._counters["quotes"][0]))
            else:
                lane.crowd.make_room(int(lane.book.memory.counters["executions"][0]))
