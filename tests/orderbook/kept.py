"""A journal in memory: it keeps what is published, drops and damages what a test says, and counts who reads."""

import bisect
import threading
from collections.abc import Generator, Sequence
from typing import NamedTuple

import numpy as np

from marksim.codec import decode_columns, tick_from_proto
from marksim.core.errors import Damaged, NotFound
from marksim.core.feed.ticks import NO_TICKS, tick_row
from marksim.core.types import COMMAND, DEPTH, EXECUTION, QUOTE
from marksim.orderbook.tape import SymbolFrame, Tape
from marksim.store.windows import RecordedWindow, SymbolWindow
from marksim.v1 import orderbook_pb2 as pb
from tests.orderbook.market import WAIT_S


class Gone(NamedTuple):
    """Windows that were dropped at the cap."""

    first: int
    last: int
    reason: str


class Kept:
    """A `Recorded`. Rows of empty windows are kept as one."""

    def __init__(self) -> None:
        self.first_window = self.last_window = -1
        self.reads = 0
        """That were begun."""
        self.open = 0
        """That have not ended."""
        self.most_open = 0
        self.damaged: set[int] = set()
        self.go = threading.Event()
        """Nobody reads while it is clear."""
        self.go.set()
        self._rows: list[RecordedWindow] = []
        self._gaps: list[Gone] = []
        self._lock = threading.Lock()

    def append(self, row: RecordedWindow) -> None:
        """Keep the next window."""
        assert row.window == self.last_window + 1, "none is left out"
        with self._lock:
            before = self._rows[-1] if self._rows else None
            if before is not None and not (before.parts or row.parts or before.control or row.control):
                self._rows[-1] = RecordedWindow(before.window, row.last, b"", b"", {})
            else:
                self._rows.append(row)
            self.last_window = row.last
            self.first_window = max(self.first_window, 0)

    def drop(self, through: int, reason: str = "") -> None:
        """Drop all up to that window: as out of date, or at the cap for this reason."""
        with self._lock:
            kept = [row for row in self._rows if row.last > through]
            if kept and kept[0].window <= through:
                kept[0] = RecordedWindow(through + 1, kept[0].last, b"", b"", {})
            if reason and through >= self.first_window:
                self._gaps.append(Gone(self.first_window, through, reason))
            self._rows, self.first_window = kept, max(self.first_window, through + 1)

    def lose(self, window: int) -> None:
        """Be without a window and not know it."""
        self._rows = [row for row in self._rows if row.window != window]

    def gaps(self) -> Sequence[Gone]:
        return list(self._gaps)

    def _next(self, due: int) -> RecordedWindow | None:
        """The row that has this window, or the one behind it."""
        with self._lock:
            if due < self.first_window:
                facts = {"first_window": str(self.first_window)}
                raise NotFound(f"window {due} is no longer here", reason="TRIMMED", metadata=facts)
            place = bisect.bisect_left(self._rows, due, key=lambda row: row.last)
            return self._rows[place] if place < len(self._rows) else None

    def windows(self, first: int, last: int) -> Generator[RecordedWindow, None, None]:
        with self._lock:
            self.reads += 1
            self.open += 1
            self.most_open = max(self.most_open, self.open)
        due = first
        try:
            assert self.go.wait(WAIT_S), "the test lets it go on"
            while due <= last and (row := self._next(due)) is not None:
                if row.window > due:
                    raise Damaged(f"journal.sqlite: window {due} is missing; window {row.window} is there")
                if row.window in self.damaged:
                    raise Damaged(f"window {row.window} in journal.sqlite is damaged")
                end = min(row.last, last)
                yield row if (row.window, row.last) == (due, end) else RecordedWindow(due, end, b"", b"", {})
                due = end + 1
        finally:
            with self._lock:
                self.open -= 1


def keep(tape: Tape, kept: Kept | None = None) -> Kept:
    """Have all that is published from now on kept first. Only for one run, from its first window on, or all that follow."""
    kept, publish = kept or Kept(), tape.publish

    def keeping(window: int, frames: Sequence[SymbolFrame]) -> None:
        assert tape.current is not None
        tape.current.recorded = kept
        kept.append(recorded(tape.symbols, window, frames))
        publish(window, frames)

    tape.publish = keeping  # type: ignore[method-assign]  # as the sequencer does before it publishes
    return kept


def recorded(symbols: Sequence[str], window: int, frames: Sequence[SymbolFrame]) -> RecordedWindow:
    """The window that has these frames, as a journal gives it back."""
    return RecordedWindow(window, window, b"", b"", {symbols[frame.symbol]: part_of(frame) for frame in frames})


def part_of(frame: SymbolFrame) -> SymbolWindow:
    """One symbol's part of it, without what went in."""
    shown = pb.Frame.FromString(b"".join(frame.segments))
    executions = decode_columns(shown.executions, EXECUTION)
    tick = NO_TICKS
    if shown.HasField("tick"):
        tick = tick_row(tick_from_proto(shown.tick), executions["sequence"].item(-1))
    return SymbolWindow(
        outside=np.zeros(0, COMMAND),
        commands=np.zeros(0, COMMAND),
        executions=executions,
        quotes=decode_columns(shown.quotes, QUOTE),
        depth=decode_columns(shown.depth, DEPTH),
        tick=tick,
        levels=decode_columns(shown.depth_snapshot, DEPTH) if shown.HasField("depth_snapshot") else None,
        previous_window=shown.previous_window if shown.HasField("previous_window") else -1,
        digest=0,
    )
