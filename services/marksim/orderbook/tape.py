"""What has happened, as far back as memory goes: runs, their last windows, and the frames in the ring."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

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

    def begin_run(self, started: pb.RunStarted) -> RunFacts:
        """All windows from now on belong to this run."""
        number = self.current.number + 1 if self.current else 1
        self.current = self.runs[number] = RunFacts(number, started)
        if len(self.runs) > KNOWN_RUNS:
            oldest, second, *_ = self.runs
            del self.runs[oldest]
            # A frame in the ring belongs to a run that can be named.
            self.ring.forget(second)
        self._wake()
        return self.current

    def publish(self, window: int, frames: Sequence[SymbolFrame]) -> None:
        """A window of the current run is done."""
        run = self.current
        assert run is not None, "a window belongs to a run"
        wall_ms = time.monotonic_ns() // 1_000_000
        for frame in frames:
            self.ring.append(run.number, window, frame.symbol, frame.segments, wall_ms)
            if frame.segments[Segment.TICK]:
                run.last_ticks[frame.symbol] = frame.segments[Segment.HEAD] + frame.segments[Segment.TICK]
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
