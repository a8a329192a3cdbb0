"""One reader's way along the tape: which frames are due, which are lost, and when to say that nothing happened."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from functools import partial
from typing import Final, Protocol, TypeVar

import numpy as np

from marksim.codec import enum_number
from marksim.core.errors import InvalidInput, MarksimError
from marksim.orderbook.history import Chunk, Wanted, read_chunk
from marksim.orderbook.recorded import Recorded
from marksim.orderbook.ring import Entry, Segment
from marksim.orderbook.tape import RunFacts, Tape
from marksim.runtime.logs import get_logger
from marksim.v1 import orderbook_pb2 as pb

HEARTBEAT_S: Final = 1.0
MAX_BATCH_MS: Final = 1_000
MESSAGE_BYTES: Final = 1 << 17
"""A message is closed at the end of the window in which it reaches this size."""
MESSAGE_FRAMES: Final = 128
"""And at the end of the window in which it has so many frames: small ones take the event loop a third of a ms."""
LOOKED_AT: Final = 4_096
"""And at the end of the window in which so many frames were looked at, for the reader or not."""

PARTS: Final[dict[int, tuple[Segment, ...]]] = {
    pb.FRAME_PART_TICKS: (Segment.TICK,),
    pb.FRAME_PART_TRADES: (Segment.TRADES,),
    pb.FRAME_PART_QUOTES: (Segment.QUOTES,),
    pb.FRAME_PART_DEPTH: (Segment.DEPTH, Segment.SNAPSHOT),
    pb.FRAME_PART_EXECUTIONS: (Segment.EXECUTIONS,),
}

log = get_logger(__name__)

MessageT = TypeVar("MessageT")
_MessageT_co = TypeVar("_MessageT_co", covariant=True)


class Reader(Protocol[_MessageT_co]):
    """A way along the tape, which gives messages."""

    @property
    def batch_s(self) -> float:
        """How long messages may be held back to be sent together, wall seconds."""

    @property
    def backlogged(self) -> bool:
        """Whether there is more to come at once, which is not held back."""

    @property
    def catches_up(self) -> bool:
        """Whether there is more to come at once, in memory: others are to have their turn before."""

    def take(self) -> _MessageT_co | None:
        """The next message that cannot wait for the heartbeat; None when the reader has all that is in memory for it,
        or has come a piece further with nothing for it.
        """

    @property
    def behind(self) -> bool:
        """Whether what comes next is no longer in memory, and is to be fetched."""

    async def fetch(self, patience_s: float) -> None:
        """Wait for what comes next, at most so long: it may be called again. Raises Damaged."""

    def heartbeat(self) -> _MessageT_co:
        """A message that says how far the market is, or a reader that is behind; only after `take` had none."""

    def close(self) -> None:
        """Wait for nothing more."""


class TickReader:
    """Where a reader is on the tape, and its next message. A slow reader is only a position: it holds no frames, or one
    message of them.

    What is no longer in the ring comes from what is recorded of the current run, if anything is; what is not there either is
    told as a gap. A LATEST reader wants neither.
    """

    def __init__(self, tape: Tape, request: pb.StreamTicksRequest) -> None:
        self._tape = tape
        self._segments = _segments(request.parts)
        self._symbols = _symbol_numbers(tape, request.symbols)
        self._asked = np.isin(np.arange(len(tape.symbols)), list(self._symbols))
        numbers = {symbol: number for number, symbol in enumerate(tape.symbols) if number in self._symbols}
        self._wanted = Wanted(numbers, self._segments, MESSAGE_BYTES)
        self._fetching: asyncio.Task[Chunk | None] | None = None
        self._fetched: Chunk | None = None
        """What comes next, where it was no longer in the ring."""
        enum_number(request.delivery, dict(pb.Delivery.items()), "delivery")
        self._latest = request.delivery == pb.DELIVERY_LATEST
        if request.batch_interval_ms > MAX_BATCH_MS:
            problem = f"batch_interval_ms is {request.batch_interval_ms}: give at most {MAX_BATCH_MS}"
            raise InvalidInput(problem, metadata={"field": "batch_interval_ms"})
        self.batch_s = request.batch_interval_ms / 1_000
        self._dropped = 0
        self._announced = 0
        self._gaps: list[pb.Gap] = []
        self._first: list[bytes] = []
        self.backlogged = False
        """Whether the last piece was closed because of its size, or its run, with more to come at once."""
        self._cursor = tape.ring.tail
        """Of a reader that is not behind."""
        self._position = (0, -1)
        self._had: RunFacts | None = None
        """The run of that position: the tape may forget it before this reader has all of it."""
        self._start(request)

    @property
    def position(self) -> tuple[int, int]:
        """(number of the run, window) up to which everything was taken."""
        return self._position

    @property
    def behind(self) -> bool:
        """Whether what comes next is no longer in the ring, and is recorded."""
        return self._fetched is None and self._lost_to_memory() and self._recorded() is not None

    @property
    def catches_up(self) -> bool:
        """Whether there is more to come at once, in memory."""
        return self.backlogged and not self.behind

    def take(self) -> pb.StreamTicksResponse | None:
        """The next message that cannot wait for the heartbeat; None when the reader has all there is, is behind, or has come
        a piece further with nothing for it.
        """
        ring = self._tape.ring
        ring.expire(time.monotonic_ns() // 1_000_000)
        behind = False
        if self._fetched is None and self._lost_to_memory():
            self._fall_behind()
            behind = self.behind
        run = self._next_run(behind)
        if run is None or (behind and not self._gaps):
            return None
        idle = self._fetched is None and run.number == self._announced and self._cursor == ring.head
        if idle and not self._gaps:
            self.backlogged = False
            return None
        message = self._message(run)
        if self._gaps:
            message.gap.CopyFrom(self._gaps.pop(0))
            if self._gaps or behind:
                # The frames come with the last of them, or once they are fetched.
                return message
        for frame in self._first:
            message.frames.add().MergeFromString(frame)
        self._first = []
        if self._fetched is not None:
            last, more = self._deliver(message, self._fetched), True
        else:
            last = self._conflate(message, run) if self._latest else self._gather(message, run)
            more = self._cursor < ring.head
        self._arrive(message, run, last)
        if message.frames or message.HasField("gap") or message.HasField("run_started"):
            return message
        # Nothing of this was for the reader's symbols; what follows may be.
        return self.take() if more and not self.backlogged else None

    def heartbeat(self) -> pb.StreamTicksResponse:
        """A message that says how far the market is, or this reader if it is behind; only after `take` had none."""
        # One that catches up may be in an earlier run.
        run = self._had if self.catches_up else self._tape.current
        if run is None:
            return pb.StreamTicksResponse(sent_time_us=time.time_ns() // 1_000)
        message = self._message(run)
        if self.behind or self.catches_up:
            _say_window(message, run, self._position[1])
        else:
            self._arrive(message, run, run.last_window)
        return message

    async def fetch(self, patience_s: float) -> None:
        """Read on in what is recorded, in a thread; raises Damaged. If it takes longer than that, the next call goes on."""
        if self._fetching is None:
            run, recorded = self._tape.current, self._recorded()
            assert run is not None, "only a reader of a run is behind"
            assert recorded is not None, "only what is recorded is fetched"
            self._fetching = asyncio.create_task(self._fetch(run, recorded, self._position[1]))
        await asyncio.wait({self._fetching}, timeout=patience_s)
        if self._fetching.done():
            fetching, self._fetching = self._fetching, None
            if (chunk := fetching.result()) is not None:
                self._accept(chunk)

    def close(self) -> None:
        """Wait for nothing more; a thread that still reads ends after its piece."""
        if self._fetching is not None:
            # What went wrong in it is in the log.
            self._fetching.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._fetching.cancel()
        self._fetching = None

    async def _fetch(self, run: RunFacts, recorded: Recorded, after: int) -> Chunk | None:
        try:
            return await self._tape.turns.run(partial(read_chunk, recorded, self._wanted, run, after))
        except MarksimError as error:
            if run.recorded is not recorded:
                # It was set aside meanwhile, which is no fault of it.
                return None
            log.error("a reader cannot be served from the journal", run=run.run, after_window=after, reason=error.message)
            raise

    def _accept(self, chunk: Chunk) -> None:
        """It comes next; what is lost before it is told first."""
        self._fetched = chunk
        if chunk.lost is None:
            return
        first, last, evicted = chunk.lost.first, chunk.lost.last, self._tape.ring.evicted
        if evicted is not None and evicted < (chunk.run.number, last):
            # Memory has what the journal has dropped already.
            last = evicted[1]
            self._fetched = Chunk(chunk.run, last)
        name = self._had.run if self._had is not None else ""
        self._gaps.append(pb.Gap(run=name, first_window=first, last_window=last, reason=chunk.lost.reason))

    def _deliver(self, message: pb.StreamTicksResponse, chunk: Chunk) -> int:
        """Add what was fetched; returns its last window. From there on the ring has the rest, or the next piece is due."""
        self._fetched = None
        for frame in chunk.frames:
            message.frames.add().MergeFromString(frame)
        self._position = (chunk.run.number, chunk.last)
        self._cursor = self._tape.ring.after(*self._position)
        self.backlogged = self._lost_to_memory() or self._cursor < self._tape.ring.head
        return chunk.last

    def _lost_to_memory(self) -> bool:
        evicted = self._tape.ring.evicted
        return evicted is not None and evicted > self._position

    def _recorded(self) -> Recorded | None:
        """From which a reader goes on that is behind the ring: only the current run is kept."""
        run, evicted = self._tape.current, self._tape.ring.evicted
        if self._latest or run is None or evicted is None or evicted[0] != run.number:
            return None
        return run.recorded

    def _start(self, request: pb.StreamTicksRequest) -> None:
        tape, ring = self._tape, self._tape.ring
        after = request.after_window if request.HasField("after_window") else -1
        if after < -1:
            raise _after_window(after, "give a window, or -1 for none")
        if request.after_run:
            run = tape.known(request.after_run)
            if run is None:
                reason = "the book does not know that run any more; it began a new one"
                self._gaps.append(pb.Gap(run=request.after_run, first_window=after + 1, reason=reason))
                self._begin_at_oldest(tell=False)
                return
            if after > run.last_window:
                raise _after_window(after, f"the last window of run {run.run} is {run.last_window}")
            self._position, self._had = (run.number, after), run
            self._cursor = ring.after(run.number, after)
        elif request.HasField("after_window"):
            self._begin_at_oldest(tell=True)
        else:
            self._cursor = ring.head
            if tape.current is not None:
                self._position, self._had = (tape.current.number, tape.current.last_window), tape.current
                ticks = tape.current.last_ticks.items()
                self._first = [frame for number, frame in ticks if number in self._symbols]

    def _begin_at_oldest(self, tell: bool) -> None:
        ring = self._tape.ring
        self._cursor = ring.tail
        if ring.evicted is None:
            return
        number, window = self._position = ring.evicted
        run = self._had = self._tape.runs.get(number)
        if window >= 0 and self._recorded() is not None:
            # What is recorded begins earlier, and says itself what it lacks.
            self._position, self._had = (number, -1), None if tell else run
            return
        reason = "older than what the book keeps in memory"
        if run is not None and (tell or (run is self._tape.current and window >= 0)):
            name = "" if tell else run.run
            last = window if window >= 0 else None
            self._gaps.append(pb.Gap(run=name, first_window=0, last_window=last, reason=reason))

    def _fall_behind(self) -> None:
        """What was dropped from the ring before this reader took it is lost to it, unless it is recorded."""
        ring = self._tape.ring
        evicted = ring.evicted
        assert evicted is not None, "only what was evicted is behind"
        if self._recorded() is not None:
            if self._position[0] == evicted[0]:
                return
            # Of the current run everything is recorded, of those before it nothing is.
            evicted = (evicted[0], -1)
        self.close()
        if self._latest:
            self._dropped += max(ring.tail - self._cursor, 0)
            self._cursor = max(self._cursor, ring.tail)
        else:
            self._tell_lost(evicted)
            self._cursor = ring.after(*evicted)
        self._position, self._had = evicted, self._tape.runs.get(evicted[0])

    def _tell_lost(self, evicted: tuple[int, int]) -> None:
        """A gap for each run that lost windows; one more, without an end, for all whose names nobody has kept."""
        number, window = self._position
        name, end = (self._had.run, self._had.last_window) if self._had is not None else ("", -1)
        reason = "the reader fell behind what the book keeps in memory"
        oldest_known = next(iter(self._tape.runs))
        if number < oldest_known and end > window:
            self._gaps.append(pb.Gap(run=name, first_window=window + 1, last_window=end, reason=reason))
        first_unknown = max(number + 1, 1)
        if first_unknown < oldest_known:
            unknown = f"{reason}, with {oldest_known - first_unknown} runs that the book does not know any more"
            self._gaps.append(pb.Gap(run=name, first_window=max(window, end) + 1, reason=unknown))
        for lost in range(max(number, oldest_known), evicted[0] + 1):
            run = self._tape.runs[lost]
            first = window + 1 if lost == number else 0
            last = evicted[1] if lost == evicted[0] else run.last_window
            if last >= first:
                self._gaps.append(pb.Gap(run=run.run, first_window=first, last_window=last, reason=reason))

    def _next_run(self, behind: bool) -> RunFacts | None:
        """The run of the next message: that of what was fetched or of the next frame, or the current one."""
        if self._fetched is not None:
            return self._fetched.run
        if not behind and self._cursor < self._tape.ring.head:
            return self._tape.runs[self._tape.ring.entry(self._cursor).run]
        return self._tape.current

    def _message(self, run: RunFacts) -> pb.StreamTicksResponse:
        message = pb.StreamTicksResponse(run=run.run, dropped_frames=self._dropped, sent_time_us=time.time_ns() // 1_000)
        if run.number != self._announced:
            message.run_started.CopyFrom(run.started)
            self._announced = run.number
        return message

    def _gather(self, message: pb.StreamTicksResponse, run: RunFacts) -> int:
        """Add all frames of the run that fit, whole windows only; returns the last window that is complete with them."""
        ring, end = self._tape.ring, self._tape.ring.end_of(run.number)
        stop = ring.whole(self._cursor, min(self._cursor + LOOKED_AT, end))
        size, window = 0, -1
        for count, number in enumerate(ring.of_symbols(self._cursor, stop, self._asked)):
            entry = ring.entry(number)
            if entry.window != window and (size >= MESSAGE_BYTES or count >= MESSAGE_FRAMES):
                self._cursor, self.backlogged = number, True
                return entry.window - 1
            window = entry.window
            size += self._add(message, entry)
        last = run.last_window if stop == end else ring.entry(stop - 1).window
        self._cursor, self.backlogged = stop, stop < ring.head
        return last

    def _conflate(self, message: pb.StreamTicksResponse, run: RunFacts) -> int:
        """Add each symbol's newest frame that has an asked part; all before it are dropped and counted."""
        ring = self._tape.ring
        first, self._cursor = self._cursor, ring.end_of(run.number)
        newest, dropped = ring.newest(first, self._cursor, self._asked, self._segments)
        for entry in newest:
            self._add(message, entry)
        self._dropped += dropped
        message.dropped_frames = self._dropped
        return run.last_window

    def _add(self, message: pb.StreamTicksResponse, entry: Entry) -> int:
        frame = self._tape.ring.read(entry, self._segments)
        message.frames.add().MergeFromString(frame)
        return len(frame)

    def _arrive(self, message: pb.StreamTicksResponse, run: RunFacts, last: int) -> None:
        """With that message, the reader has everything up to that window."""
        self._position, self._had = (run.number, last), run
        _say_window(message, run, last)


async def stream(tape: Tape, reader: Reader[MessageT]) -> AsyncGenerator[MessageT, None]:
    """The reader's messages until the tape ends. Waiting for a slow reader happens at `yield` and holds up nobody else.

    Raises Damaged where what a reader needs cannot be read.
    """
    begun, sent_at = time.monotonic(), 0.0
    try:
        while True:
            changed = tape.changed
            began = time.monotonic()
            message = reader.take()
            worked_s = time.monotonic() - began
            # One that is not up to date says so only if there is nothing better to say within a heartbeat.
            is_late = reader.behind or reader.catches_up
            idle_s = time.monotonic() - (max(sent_at, begun) if is_late else sent_at)
            if message is None and (is_late or not tape.ended.is_set()) and idle_s >= HEARTBEAT_S:
                message = reader.heartbeat()
            if message is not None:
                yield message
                sent_at = time.monotonic()
                if reader.batch_s and not reader.backlogged:
                    await _wait(tape.ended, reader.batch_s)
            elif reader.behind:
                await reader.fetch(max(HEARTBEAT_S - idle_s, 0.001))
            elif reader.catches_up:
                pass
            elif tape.ended.is_set():
                return
            else:
                await _wait(changed, max(HEARTBEAT_S - idle_s, 0.001))
            if reader.catches_up:
                # What is left at the end is told with no market to wait for.
                await (asyncio.sleep(0) if tape.ended.is_set() else tape.pace.turn(worked_s))
    finally:
        reader.close()


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        pass


def _say_window(message: pb.StreamTicksResponse, run: RunFacts, last: int) -> None:
    if last >= 0:
        message.last_window = last
        message.simulated_time_ns = run.end_ns(last)


def _after_window(after: int, problem: str) -> InvalidInput:
    return InvalidInput(f"after_window is {after}: {problem}", metadata={"field": "after_window"})


def _segments(parts: Sequence[int]) -> tuple[Segment, ...]:
    if not parts:
        return PARTS[pb.FRAME_PART_TICKS]
    names = {name: number for name, number in pb.FramePart.items() if number}
    asked = {enum_number(part, names, "parts") for part in parts}
    return tuple(sorted(segment for part in asked for segment in PARTS[part]))


def _symbol_numbers(tape: Tape, symbols: Sequence[str]) -> frozenset[int]:
    for symbol in symbols:
        if symbol not in tape.symbols:
            problem = f"symbol {symbol[:40]!r} is not traded here: give one of {', '.join(tape.symbols)}"
            raise InvalidInput(problem, metadata={"field": "symbols"})
    return frozenset(number for number, symbol in enumerate(tape.symbols) if not symbols or symbol in symbols)
