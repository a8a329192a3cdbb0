"""A reader's next piece of the journal: its frames, up to a bound, and what is no longer there."""

import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final

from marksim.core.errors import Damaged, NotFound
from marksim.orderbook.frames import kept_frames
from marksim.orderbook.recorded import FIRST_WINDOW, TRIMMED, Recorded
from marksim.orderbook.ring import Segment
from marksim.orderbook.tape import RunFacts
from marksim.store.windows import RecordedWindow

CHUNK_WINDOWS: Final = 1_024
"""A piece is closed after so many recorded windows, a row of empty ones counted as one: nobody's turn is long."""
WORK_S: Final = 0.0005
REST_S: Final = 0.0001
"""A thread that reads rests so long after so much work. Otherwise it gives up the interpreter only when it is told to, 5 ms
after the event loop first wanted it, and again each time: with the market's windows waiting. It costs no rate that shows.
"""
OUT_OF_DATE: Final = "older than what the journal keeps"


@dataclass(frozen=True, slots=True)
class Hole:
    """Windows of a run that the journal no longer has."""

    first: int
    last: int
    reason: str


@dataclass(slots=True)
class Chunk:
    """What a reader gets next of a run, up to and with window `last`; those of `lost`, if any, come first: they are gone."""

    run: RunFacts
    last: int
    lost: Hole | None = None
    frames: list[bytes] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a reader asked for: symbols, each with its number, and parts of their frames."""

    numbers: Mapping[str, int]
    segments: Sequence[Segment]
    chunk_bytes: int
    """A piece is closed at the end of the window in which its frames reach this size."""


def read_chunk(recorded: Recorded, wanted: Wanted, run: RunFacts, after: int) -> Chunk:
    """The next piece behind window `after`, of no more than what is on the tape. For a thread; raises Damaged."""
    chunk = Chunk(run, after)
    size = 0
    with closing(unbroken(recorded, after + 1, run.last_window)) as windows:
        for count, window in enumerate(windows, start=1):
            if isinstance(window, Hole):
                if chunk.last != after:
                    # It opens the next piece: readers are told of it before the frames that follow.
                    break
                chunk.lost, chunk.last = window, window.last
                continue
            for frame in kept_frames(window, wanted.numbers):
                data = b"".join(frame.segments[segment] for segment in (Segment.HEAD, *wanted.segments))
                chunk.frames.append(data)
                size += len(data)
            chunk.last = window.last
            if size >= wanted.chunk_bytes or count >= CHUNK_WINDOWS:
                break
    return chunk


def unbroken(recorded: Recorded, first: int, last: int) -> Generator[RecordedWindow | Hole, None, None]:
    """All windows from `first` to `last`, or in their place what became of them. For a thread.

    Raises Damaged, but only at the very first one: what is before it is given, and no more than that in one go.
    """
    due = first
    while due <= last:
        try:
            with closing(recorded.windows(due, last)) as windows:
                for window in resting(windows):
                    yield window
                    due = window.last + 1
            if due <= last:
                raise Damaged(f"the journal ends before window {due}, which it had: stop the book and run marksim verify")
        except NotFound as error:
            if error.reason != TRIMMED:
                raise
            hole = _hole(recorded, due, min(int(error.metadata[FIRST_WINDOW]) - 1, last))
            assert hole.last >= due, "what is kept cannot be trimmed"
            yield hole
            due = hole.last + 1
        except Damaged:
            if due == first:
                raise
            return


def resting(windows: Iterable[RecordedWindow]) -> Iterator[RecordedWindow]:
    """The same, at a pace that leaves the interpreter to others."""
    begun = time.monotonic()
    for window in windows:
        yield window
        if time.monotonic() - begun >= WORK_S:
            time.sleep(REST_S)
            begun = time.monotonic()


def _hole(recorded: Recorded, first: int, last: int) -> Hole:
    """With the reasons for which any of it was dropped although it was wanted."""
    reasons = {gap.reason: None for gap in recorded.gaps() if gap.first <= last and gap.last >= first}
    return Hole(first, last, "; ".join(reasons) or OUT_OF_DATE)
