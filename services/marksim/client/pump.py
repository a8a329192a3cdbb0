"""Streams of the client that waits: a thread for each order book reads ahead into one bounded queue.

Policy of the bound: a full queue holds up its reader, and so the market's stream; the market keeps a slow reader's place and
nothing else, and says what it had to forget meanwhile.
"""

import queue
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

import grpc

from marksim.client.cursors import Cursor, Place
from marksim.client.errors import ended, market_error, passes

AHEAD: Final = 1_024
"""Most events that are read ahead."""
STALL_S: Final = 15.0
"""A stream says something every second; one that is silent for so long is opened again."""
FIRST_DELAY_S: Final = 0.1
LONGEST_DELAY_S: Final = 2.0
POLL_S: Final = 0.2

EventT = TypeVar("EventT")


class _Stopped(Exception):
    """There is nobody to give an event to."""


class Pump(Generic[EventT]):
    """Reads one stream in a thread, and opens it again after a break, where its cursor stands.

    `learn` asks the order book anew what it trades, before each try. The stream is given up after `away_s` without a word.
    """

    def __init__(self, stub: Any, cursor: Cursor[EventT], learn: Callable[[], None], away_s: float) -> None:
        self._stub = stub
        self._cursor = cursor
        self._learn = learn
        self._away_s = away_s
        self.stopped = threading.Event()
        """Set once nobody listens any more."""
        self._call: Any = None
        self._reading_since = float("inf")
        self._thread: threading.Thread | None = None

    def start(self, put: Callable[[tuple[EventT | None, Place]], object], fail: Callable[[Exception], object]) -> None:
        """Give `put` each event, and `fail` what ends the stream for good; both are called in the thread."""
        self._thread = threading.Thread(target=self._run, args=(put, fail), name="marksim-stream", daemon=True)
        self._thread.start()

    def is_alive(self) -> bool:
        """Whether it reads, or will."""
        return self._thread is None or self._thread.is_alive()

    def stop(self) -> None:
        """End the stream."""
        self.stopped.set()
        self._cancel()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(LONGEST_DELAY_S)

    def check(self) -> None:
        """End a try whose order book has been silent for too long."""
        if time.monotonic() - self._reading_since > STALL_S:
            self._cancel()

    def _cancel(self) -> None:
        if (call := self._call) is not None:
            call.cancel()

    def _run(self, put: Callable[[tuple[EventT | None, Place]], object], fail: Callable[[Exception], object]) -> None:
        delay_s = FIRST_DELAY_S
        alive = time.monotonic()
        while not self.stopped.is_set():
            error: Exception
            try:
                for item in self._events():
                    put(item)
                    alive, delay_s = time.monotonic(), FIRST_DELAY_S
                error = ended()
            except _Stopped:
                return
            except grpc.RpcError as raised:
                error = market_error(raised)
            except Exception as raised:  # noqa: BLE001  # whoever iterates gets it
                error = raised
            if self.stopped.is_set():
                return
            if not passes(error) or time.monotonic() - alive > self._away_s:
                fail(error)
                return
            self.stopped.wait(delay_s)
            delay_s = min(2 * delay_s, LONGEST_DELAY_S)

    def _events(self) -> Iterator[tuple[EventT | None, Place]]:
        self._learn()
        self._call = call = getattr(self._stub, self._cursor.method)(self._cursor.request())
        if self.stopped.is_set():
            call.cancel()
        try:
            self._reading_since = time.monotonic()
            for response in call:
                self._reading_since = float("inf")
                yield from self._cursor.take(response)
                self._reading_since = time.monotonic()
        finally:
            self._reading_since = float("inf")
            call.cancel()


class Stream(Generic[EventT]):
    """Events in the order in which each order book tells them. Iterate it; close it, or leave its block, when done."""

    def __init__(self, ahead: "queue.Queue[Any] | None" = None) -> None:
        self._queue: queue.Queue[tuple[int, EventT | None, Place] | Exception] = (
            queue.Queue(AHEAD) if ahead is None else ahead
        )
        self._pumps: list[Pump[EventT]] = []
        self.position: dict[int, Place] = {}
        """By shard, what has been told so far: `executions(after=position)` goes on there, in another process too."""

    def add(self, pump: Pump[EventT], shard: int, place: Place | None = None) -> None:
        """Let this one read, too, from that place on."""
        waiting, stopped = self._queue, pump.stopped

        def put(item: tuple[int, EventT | None, Place] | Exception) -> None:
            while not stopped.is_set():
                try:
                    return waiting.put(item, timeout=POLL_S)
                except queue.Full:
                    continue
            raise _Stopped

        if place is not None:
            self.position[shard] = place
        self._pumps.append(pump)
        weakref.finalize(self, pump.stop)
        pump.start(lambda item: put((shard, *item)), put)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> EventT:
        while self._pumps:
            try:
                item = self._queue.get(timeout=POLL_S)
            except queue.Empty:
                self._look_after()
                continue
            if isinstance(item, Exception):
                self.close()
                raise item
            shard, event, self.position[shard] = item
            if event is not None:
                return event
        raise StopIteration

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End it: iterating ends, too."""
        pumps, self._pumps = self._pumps, []
        for pump in pumps:
            pump.stop()

    def _look_after(self) -> None:
        for pump in self._pumps:
            pump.check()
        if not any(pump.is_alive() for pump in self._pumps) and self._queue.empty():
            self._pumps = []
