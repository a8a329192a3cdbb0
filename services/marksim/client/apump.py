"""Streams of the async client: a task for each order book reads ahead into one bounded queue; bounds as in pump.py."""

import asyncio
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import grpc
import grpc.aio

from marksim.client.cursors import Cursor, Place
from marksim.client.errors import MarketError, ended, market_error, passes
from marksim.client.pump import AHEAD, FIRST_DELAY_S, LONGEST_DELAY_S, STALL_S

EventT = TypeVar("EventT")
Learn = Callable[[], Awaitable[None]]


async def pump(
    stub: Any,
    cursor: Cursor[EventT],
    learn: Learn,
    away_s: float,
    put: Callable[[tuple[EventT | None, Place]], Awaitable[object]],
) -> None:
    """Read one stream, and open it again after a break, where its cursor stands.

    `learn` asks the order book anew what it trades, before each try. Raises what ends the stream for good: a refusal, or the
    last error after `away_s` without a word.
    """
    delay_s, alive = FIRST_DELAY_S, time.monotonic()
    while True:
        error: Exception
        try:
            await learn()
            async for item in _events(stub, cursor):
                await put(item)
                alive, delay_s = time.monotonic(), FIRST_DELAY_S
            error = ended()
        except grpc.RpcError as raised:
            error = market_error(raised)
        except MarketError as raised:
            error = raised
        if not passes(error) or time.monotonic() - alive > away_s:
            raise error
        await asyncio.sleep(delay_s)
        delay_s = min(2 * delay_s, LONGEST_DELAY_S)


async def _events(stub: Any, cursor: Cursor[EventT]) -> AsyncIterator[tuple[EventT | None, Place]]:
    call = getattr(stub, cursor.method)(cursor.request())
    try:
        while True:
            try:
                async with asyncio.timeout(STALL_S):
                    response = await call.read()
            except TimeoutError:
                return
            if response is grpc.aio.EOF:
                return
            for item in cursor.take(response):
                yield item
    finally:
        call.cancel()


class AsyncStream(Generic[EventT]):
    """Events in the order in which each order book tells them. Iterate it; close it, or leave its block, when done."""

    def __init__(self, ahead: "asyncio.Queue[Any] | None" = None) -> None:
        self._queue: asyncio.Queue[tuple[int, EventT | None, Place] | Exception | None] = (
            asyncio.Queue(AHEAD) if ahead is None else ahead
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = False
        self.position: dict[int, Place] = {}
        """By shard, what has been told so far: `executions(after=position)` goes on there, in another process too."""

    def add(
        self, stub: Any, cursor: Cursor[EventT], learn: Learn, away_s: float, shard: int, place: Place | None
    ) -> "asyncio.Task[None]":
        """Let this one be read, too, from that place on."""
        waiting = self._queue

        async def read() -> None:
            try:
                await pump(stub, cursor, learn, away_s, lambda item: waiting.put((shard, *item)))
            except Exception as error:  # noqa: BLE001  # whoever iterates gets it
                await waiting.put(error)

        if place is not None:
            self.position[shard] = place
        task = asyncio.get_running_loop().create_task(read(), name="marksim-stream")

        def wake(_task: "asyncio.Task[None]") -> None:
            # Who waits for an event is to see that no more will come.
            if not waiting.full():
                waiting.put_nowait(None)

        task.add_done_callback(wake)
        self._tasks.append(task)
        weakref.finalize(self, end, task).atexit = False
        return task

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> EventT:
        while not self._closed and not (self._queue.empty() and all(task.done() for task in self._tasks)):
            item = await self._queue.get()
            if isinstance(item, Exception):
                await self.aclose()
                raise item
            if item is None:
                continue
            shard, event, self.position[shard] = item
            if event is not None:
                return event
        raise StopAsyncIteration

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End it: iterating ends, too."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        while not self._queue.empty():
            self._queue.get_nowait()
        # For whoever waits in another task.
        self._queue.put_nowait(None)


def end(task: "asyncio.Task[None]") -> None:
    """Cancel it, unless its loop is gone and so is it."""
    if not task.get_loop().is_closed():
        with suppress(RuntimeError):
            task.cancel()
