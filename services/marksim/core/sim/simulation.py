"""Book and agents in one process: the same windows as over gRPC, with nothing between them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from marksim.core.agents.spec import Cast
from marksim.core.book.book import OrderBook
from marksim.core.feed.ticks import TickBuilder
from marksim.core.sim.engine import AsyncTimeEngine
from marksim.core.sim.lanes import Lane, Lanes
from marksim.core.types import DEPTH, NS_PER_MINUTE, Instrument, Records


@dataclass(frozen=True, slots=True)
class Piece:
    """What one window, or many that follow each other, did to one symbol, in sequence order. It holds until the next piece.

    A row lies in window `(time_ns - start_ns) // lookahead_ns`.
    """

    symbol: str
    executions: Records
    """dtype EXECUTION"""
    quotes: Records
    """dtype QUOTE"""
    depth: Records
    """dtype DEPTH: changes"""
    ticks: Records
    """dtype TICK"""
    commands: Records
    """dtype COMMAND: what was applied, in that order"""
    snapshots: Records
    """dtype DEPTH: all levels after the first window of each simulated minute, `time_ns` its end: one ns past its last."""


_ROWS: Final = {"executions": "events", "quotes": "quotes", "depth": "depth", "ticks": "ticks", "commands": "applied"}
"""Fields of a piece, and what a lane calls them."""


class Simulation:
    """Runs a scenario's cast against its books. Populations and books run on their own in compiled code; Python is there
    for the windows in which an agent wakes, and for the rows.
    """

    def __init__(
        self,
        instruments: Sequence[Instrument],
        cast: Cast,
        *,
        seed: int,
        start_ns: int,
        lookahead_ns: int,
    ) -> None:
        # Books first: where one is refused, no agent's coroutine has been made.
        self.books = {instrument.symbol: OrderBook(instrument, start_ns=start_ns) for instrument in instruments}
        self.engine = AsyncTimeEngine(instruments, cast, seed=seed, start_ns=start_ns, lookahead_ns=lookahead_ns)
        self.ticks = {symbol: TickBuilder(book.instrument, book.session_state) for symbol, book in self.books.items()}
        self._lanes = {
            symbol: Lane(self.engine.crowd(symbol), book, self.ticks[symbol]) for symbol, book in self.books.items()
        }
        self._floor = Lanes(self._lanes, start_ns, lookahead_ns)
        self._snapshots: dict[str, list[Records]] = {symbol: [] for symbol in self.books}
        self._next_snapshot = 0

    @property
    def window(self) -> int:
        """The last one done."""
        return self._floor.window - 1

    @property
    def now_ns(self) -> int:
        """End of the last window done."""
        return self._end_ns(self.window)

    def run(self, until_ns: int) -> Iterator[Piece]:
        """Run every window that ends by `until_ns`; yield what they did to each symbol. Calling again goes on."""
        engine, floor = self.engine, self._floor
        last = (until_ns - engine.start_ns) // engine.lookahead_ns - 1
        while (window := floor.window) <= last:
            wakes_in = self._wakes_in()
            if wakes_in <= window:
                engine.wake(window)
                wakes_in = self._wakes_in()
            engine.watch()
            until = min(last, wakes_in - 1, max(window, self._next_snapshot))
            while (full := floor.run(until)) is not None:
                # What is injected meanwhile happens after the window that is under way, and is looked at before the next.
                until = floor.window
                engine.skip_to(until + 1)
                yield self._piece(full)
            done = floor.window - 1
            engine.learn(done)
            if self._next_snapshot <= done:
                self._take_snapshots(done)
        for lane in self._lanes.values():
            if lane.has_rows or self._snapshots[lane.symbol]:
                yield self._piece(lane)

    def _wakes_in(self) -> int:
        """The window in which the next agent wakes; one that never comes where none does."""
        wake_ns = self.engine.next_wake_ns
        return 1 << 62 if wake_ns is None else (wake_ns - self.engine.start_ns) // self.engine.lookahead_ns

    def _take_snapshots(self, window: int) -> None:
        """Note the levels after the first window of a minute."""
        while self._next_snapshot <= window:
            end_ns = self._end_ns(self._next_snapshot)
            for symbol, book in self.books.items():
                levels = book.depth()
                levels["time_ns"] = end_ns
                levels["sequence"] = book.sequence
                self._snapshots[symbol].append(levels)
            begin_ns = end_ns - self.engine.lookahead_ns
            next_minute_ns = (begin_ns // NS_PER_MINUTE + 1) * NS_PER_MINUTE
            self._next_snapshot = -((self.engine.start_ns - next_minute_ns) // self.engine.lookahead_ns)

    def _piece(self, lane: Lane) -> Piece:
        """What a lane has written, which is let go when the next piece is asked for."""
        snapshots, self._snapshots[lane.symbol] = self._snapshots[lane.symbol], []
        rows = {name: lane.rows(of) for name, of in _ROWS.items()}
        levels: Records = np.concatenate(snapshots) if snapshots else np.zeros(0, DEPTH)
        lane.forget()
        return Piece(lane.symbol, **rows, snapshots=levels)

    def _end_ns(self, window: int) -> int:
        return self.engine.start_ns + (window + 1) * self.engine.lookahead_ns
