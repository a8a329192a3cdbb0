"""A market whose windows come by themselves, and both clients under one set of names."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from marksim.client import AsyncClient, Client
from marksim.core.types import Side
from tests.orderbook.market import WAIT_S, Engine, Market, limit, served

ASK, BID = 100_010, 99_990
"""Where a maker of the scenario's stands, in ticks: 50,005.00 and 49,995.00."""


@dataclass
class Live:
    """A served book and an engine that goes on while it may."""

    market: Market
    engine: Engine
    window: int = 0
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)
    steps: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Windows are in lock step."""

    async def run(self) -> None:
        """Windows without end, each as soon as the one before is done."""
        while True:
            await self.goes_on.wait()
            await self.step()
            await asyncio.sleep(0.005)

    async def step(self, *rows: dict[str, int]) -> None:
        """One window."""
        async with self.steps:
            number, self.window = self.window, self.window + 1
            await self.engine.window(number, *rows)

    async def pause(self, paused: bool = True) -> None:
        """As EngineService.Pause does, which is not here."""
        if paused:
            self.goes_on.clear()
        await self.engine.pause(paused)
        await self.market.settled(paused=paused)
        if not paused:
            self.goes_on.set()

    async def make_market(self, lots: int = 1_000, serial: int = 1) -> None:
        """A maker on both sides."""
        await self.step(limit(serial, Side.SELL, ASK, lots), limit(serial + 1, Side.BUY, BID, lots))


@asynccontextmanager
async def live(at_once: bool = True, **settings: Any) -> AsyncIterator[Live]:
    """A book with a maker; with `at_once` its windows come by themselves."""
    async with served(**settings) as market, going(market, at_once) as one:
        yield one


@asynccontextmanager
async def going(market: Market, at_once: bool = True, **opened: Any) -> AsyncIterator[Live]:
    """An engine for a served book."""
    one = Live(market, await market.engine(**opened))
    if market.service.sequencer.instruments.get("BTC/USD"):
        await one.make_market()
    if at_once:
        one.goes_on.set()
    task = asyncio.create_task(one.run())
    try:
        yield one
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        one.engine.call.cancel()


class Threaded:
    """The waiting client, each call in a thread of its own, so that the test's loop can serve it."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        if name in ("instruments", "ticks", "feed"):
            return method
        if name == "control":
            return Threaded(method)

        async def call(*args: Any, **named: Any) -> Any:
            return await asyncio.to_thread(method, *args, **named)

        return (lambda *args, **named: Events(method(*args, **named))) if name == "executions" else call


class Events:
    """A stream of the waiting client as an async iterator."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    @property
    def position(self) -> Any:
        return self._stream.position

    def __aiter__(self) -> "Events":
        return self

    async def __anext__(self) -> Any:
        event = await asyncio.to_thread(next, self._stream, None)
        if event is None:
            raise StopAsyncIteration
        return event

    async def aclose(self) -> None:
        await asyncio.to_thread(self._stream.close)


@asynccontextmanager
async def threaded(*addresses: str, **settings: Any) -> AsyncIterator[Any]:
    client = Client(*addresses, **settings)
    await asyncio.to_thread(client.__enter__)
    try:
        yield Threaded(client)
    finally:
        await asyncio.to_thread(client.close)


@asynccontextmanager
async def awaited(*addresses: str, **settings: Any) -> AsyncIterator[Any]:
    async with AsyncClient(*addresses, **settings) as client:
        yield client


Connect = Callable[..., contextlib.AbstractAsyncContextManager[Any]]


async def some(stream: Any, count: int, within_s: float = WAIT_S) -> list[Any]:
    """The next events of a stream of either client."""
    source = stream if hasattr(stream, "__anext__") else Events(stream)
    async with asyncio.timeout(within_s):
        return [await anext(source) for _ in range(count)]
