"""One reader's way along the tape: which frames are due, which are lost, and when to say that nothing happened."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Final, Protocol, TypeVar

from marksim.codec import enum_number
from marksim.core.errors import InvalidInput
from marksim.orderbook.ring import Entry, Segment
from marksim.orderbook.tape import RunFacts, Tape
from marksim.v1 import orderbook_pb2 as pb

HEARTBEAT_S: Final = 1.0
MAX_BATCH_MS: Final = 1_000
MESSAGE_BYTES: Final = 1 << 19
"""A message is closed at the end of the window in which it reaches this size."""

PARTS: Final[dict[int, tuple[Segment, ...]]] = {
    pb.FRAME_PART_TICKS: (Segment.TICK,),
    pb.FRAME_PART_TRADES: (Segment.TRADES,),
    pb.FRAME_PART_QUOTES: (Segment.QUOTES,),
    pb.FRAME_PART_DEPTH: (Segment.DEPTH, Segment.SNAPSHOT),
    pb.FRAME_PART_EXECUTIONS: (Segment.EXECUTIONS,),
}

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

    def take(self) -> _MessageT_co | None:
        """The next message that cannot wait for the heartbeat; None when the reader has all there is."""

    def heartbeat(self) -> _MessageT_co:
        """A message that says how far the market is; only for a reader that has all there is."""


class TickReader:
    """Where a reader is on the tape, and its next message. A slow reader is only a position: it holds no frames."""

    def __init__(self, tape: Tape, request: pb.StreamTicksRequest) -> None:
        self._tape = tape
        self._segments = _segments(request.parts)
        self._symbols = _symbol_numbers(tape, request.symbols)
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
        """Whether the last message was closed because of its size, with more to come at once."""
        self._cursor = tape.ring.tail
        self._position = (0, -1)
        self._had: RunFacts | None = None
        """The run of that position: the tape may forget it before this reader has all of it."""
        self._start(request)

    @property
    def position(self) -> tuple[int, int]:
        """(number of the run, window) up to which everything was taken."""
        return self._position

    def take(self) -> pb.StreamTicksResponse | None:
        """The next message that cannot wait for the heartbeat; None when the reader has all there is."""
        ring = self._tape.ring
        ring.expire(time.monotonic_ns() // 1_000_000)
        if self._cursor < ring.tail:
            self._fall_behind()
        run = self._next_run()
        if run is None or (run.number == self._announced and self._cursor == ring.head and not self._gaps):
            return None
        message = self._message(run)
        if self._gaps:
            message.gap.CopyFrom(self._gaps.pop(0))
            if self._gaps:
                # The frames come with the last of them.
                return message
        for frame in self._first:
            message.frames.add().MergeFromString(frame)
        self._first = []
        last = self._conflate(message, run) if self._latest else self._gather(message, run)
        self._say_window(message, run, last)
        if message.frames or message.HasField("gap") or message.HasField("run_started"):
            return message
        # Nothing of this was for the reader's symbols; what follows may be.
        return self.take() if self._cursor < ring.head else None

    def heartbeat(self) -> pb.StreamTicksResponse:
        """A message that says how far the market is; only for a reader that has all there is."""
        run = self._tape.current
        if run is None:
            return pb.StreamTicksResponse(sent_time_us=time.time_ns() // 1_000)
        message = self._message(run)
        self._say_window(message, run, run.last_window)
        return message

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
            if ring.evicted is not None and ring.evicted > self._position:
                self._fall_behind()
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
        reason = "older than what the book keeps in memory"
        if run is not None and (tell or (run is self._tape.current and window >= 0)):
            name = "" if tell else run.run
            last = window if window >= 0 else None
            self._gaps.append(pb.Gap(run=name, first_window=0, last_window=last, reason=reason))

    def _fall_behind(self) -> None:
        """What was dropped from the ring before this reader took it is lost to it."""
        ring = self._tape.ring
        evicted = ring.evicted
        assert evicted is not None, "the tail moves by eviction only"
        if self._latest:
            self._dropped += ring.tail - self._cursor
        else:
            self._tell_lost(evicted)
        self._cursor = max(self._cursor, ring.tail)
        if evicted > self._position:
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

    def _next_run(self) -> RunFacts | None:
        """The run of the next message: that of the next frame, or the current one."""
        if self._cursor < self._tape.ring.head:
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
        ring = self._tape.ring
        size, window = 0, self._position[1]
        self.backlogged = False
        while self._cursor < ring.head:
            entry = ring.entry(self._cursor)
            if entry.run != run.number:
                return run.last_window
            if size >= MESSAGE_BYTES and entry.window != window:
                self.backlogged = True
                return window
            window = entry.window
            if entry.symbol in self._symbols:
                size += self._add(message, entry)
            self._cursor += 1
        return run.last_window

    def _conflate(self, message: pb.StreamTicksResponse, run: RunFacts) -> int:
        """Add each symbol's newest frame that has an asked part; all before it are dropped and counted."""
        ring = self._tape.ring
        newest: dict[int, Entry] = {}
        while self._cursor < ring.head:
            entry = ring.entry(self._cursor)
            if entry.run != run.number:
                break
            self._cursor += 1
            if entry.symbol in self._symbols and entry.holds(self._segments):
                self._dropped += entry.symbol in newest
                newest[entry.symbol] = entry
        for entry in newest.values():
            self._add(message, entry)
        message.dropped_frames = self._dropped
        return run.last_window

    def _add(self, message: pb.StreamTicksResponse, entry: Entry) -> int:
        frame = self._tape.ring.read(entry, self._segments)
        message.frames.add().MergeFromString(frame)
        return len(frame)

    def _say_window(self, message: pb.StreamTicksResponse, run: RunFacts, last: int) -> None:
        self._position, self._had = (run.number, last), run
        if last >= 0:
            message.last_window = last
            message.simulated_time_ns = run.end_ns(last)


async def stream(tape: Tape, reader: Reader[MessageT]) -> AsyncIterator[MessageT]:
    """The reader's messages until the tape ends. Waiting for a slow reader happens at `yield` and holds up nobody else."""
    sent_at = 0.0
    while True:
        changed = tape.changed
        message = reader.take()
        if message is None and not tape.ended.is_set() and time.monotonic() - sent_at >= HEARTBEAT_S:
            message = reader.heartbeat()
        if message is not None:
            yield message
            sent_at = time.monotonic()
            if reader.batch_s and not reader.backlogged:
                await _wait(tape.ended, reader.batch_s)
        elif tape.ended.is_set():
            return
        else:
            await _wait(changed, max(HEARTBEAT_S - (time.monotonic() - sent_at), 0.001))


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        pass


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
