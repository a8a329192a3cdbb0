"""What has happened, as far back as memory goes: runs, their last windows, and the frames in the ring."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from marksim.orderbook.pace import Pace
from marksim.orderbook.recorded import Recorded, Turns
from marksim.orderbook.ring import FrameRing, Segment
from marksim.v1 import orderbook_pb2 as pb

KNOWN_RUNS: Final = 16


@dataclass(slots=True)
class RunFacts:
    """One run as readers see it. `number` counts the runs of this process from 1."""

    number: int
    started: pb.RunStarted
    last_window: int = -1
    last_ticks: dict[int, bytes] = field(default_factory=dict)
    """By symbol, the head and tick of the newest frame that had one."""
    recorded: Recorded | None = None
    """What is kept of it beyond memory; None where nothing is, or no longer."""

    @property
    def run(self) -> str:
        return self.started.run

    def end_ns(self, window: int) -> int:
        """Simulated time at which a window ends; 0 before the first."""
        return self.started.start_time_ns + (window + 1) * self.started.lookahead_ns if window >= 0 else 0


@dataclass(slots=True)
class SymbolFrame:
    """One symbol's encoded frame of a window, one piece per Segment; an absent part is empty."""

    symbol: int
    segments: list[bytes]


class Tape:
    """Frames in, readers woken. `symbols` are known by their place in the shard's list."""

    def __init__(self, ring: FrameRing, symbols: Sequence[str]) -> None:
        self.ring = ring
        self.symbols = tuple(symbols)
        self.runs: dict[int, RunFacts] = {}
        """The last few, and all to which a frame in the ring belongs."""
        self.current: RunFacts | None = None
        self.changed = asyncio.Event()
        """Set once something has happened since it was read; then another takes its place."""
        self.ended = asyncio.Event()
        """Set when streams shall end after what they still have to deliver."""
        self.turns = Turns()
        """Of those who read what is recorded."""
        self.pace = Pace()
        """Of those who catch up with what is in memory."""

    def begin_run(self, started: pb.RunStarted, recorded: Recorded | None = None, last_window: int = -1) -> RunFacts:
        """All windows from now on belong to this run, and are in `recorded` before they are published, if it is given.

        They come after `last_window`: nobody is shown a window before that, or told that it is missing.
        """
        number = self.current.number + 1 if self.current else 1
        if self.current is not None:
            # A journal has one run.
            self.current.recorded = None
        self.current = self.runs[number] = RunFacts(number, started, last_window, recorded=recorded)
        if len(self.runs) > KNOWN_RUNS:
            oldest, second, *_ = self.runs
            del self.runs[oldest]
            # A frame in the ring belongs to a run that can be named.
            self.ring.forget(second)
        self._wake()
        return self.current

    def resume_run(
        self, started: pb.RunStarted, last_window: int, last_ticks: Mapping[int, bytes], recorded: Recorded
    ) -> RunFacts:
        """A run goes on that an earlier process had; all its windows so far are in `recorded`, and none is in memory.

        `last_ticks` as in RunFacts: `newest_ticks` makes them.
        """
        assert self.current is None, "a run that goes on is the first one of a process"
        self.current = self.runs[1] = RunFacts(1, started, last_window, dict(last_ticks), recorded)
        if last_window >= 0:
            self.ring.evicted = (1, last_window)
        self._wake()
        return self.current

    def publish(self, window: int, frames: Sequence[SymbolFrame]) -> None:
        """A window of the current run is done."""
        run = self.current
        assert run is not None, "a window belongs to a run"
        wall_ms = time.monotonic_ns() // 1_000_000
        for frame in frames:
            self.ring.append(run.number, window, frame.symbol, frame.segments, wall_ms)
        newest_ticks(run.last_ticks, frames)
        run.last_window = window
        self._wake()

    def end(self) -> None:
        """Let every stream deliver what is left and end."""
        self.ended.set()
        self._wake()

    def known(self, run: str) -> RunFacts | None:
        """The run of that name, if it is one of the last few."""
        return next((facts for facts in self.runs.values() if facts.run == run), None)

    def _wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


def newest_ticks(ticks: dict[int, bytes], frames: Iterable[SymbolFrame]) -> None:
    """Bring `RunFacts.last_ticks` up to these frames, oldest first."""
    for frame in frames:
        if frame.segments[Segment.TICK]:
            ticks[frame.symbol] = frame.segments[Segment.HEAD] + frame.segments[Segment.TICK]
