"""An engine service over a fake order book, with no gRPC in front of the engine."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio

from marksim.engine.service import EngineService
from marksim.engine.settings import EngineSettings
from marksim.runtime.serve import Lifecycle
from marksim.scenario import load_scenario
from marksim.v1 import engine_pb2 as pb
from tests.engine.fake_book import FakeBook, serve


class World:
    """A fake book and an engine service that drives it."""

    def __init__(self, book: FakeBook, server: grpc.aio.Server, port: int, engine: EngineService) -> None:
        self.book = book
        self.server = server
        self.port = port
        self.engine = engine

    async def state(self, state: "pb.ClockState") -> None:
        """Wait until the status says so."""
        async with asyncio.timeout(10):
            while (await self.status()).state != state:
                await asyncio.sleep(0.005)

    async def status(self) -> pb.EngineStatus:
        return (await self.engine.GetStatus(pb.GetStatusRequest(), None)).status

    async def until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def world_of(speed: str = "max", **settings: Any) -> AsyncIterator[World]:
    """The default market, or that of a scenario; it ends with the block."""
    book = FakeBook(load_scenario(settings.get("scenario", "default")))  # the rest answers UNIMPLEMENTED
    server, port = await serve(book)
    engine = EngineService(EngineSettings(state=None, orderbook=[f"127.0.0.1:{port}"], speed=speed, **settings))
    lifecycle = Lifecycle(service="engine", grace_s=4.0)
    running = asyncio.create_task(engine.run(lifecycle))
    try:
        yield (world := World(book, server, port, engine))
    finally:
        lifecycle.draining.set()
        await asyncio.wait_for(running, 5)
        await world.server.stop(None)
