"""An order book and an engine as services, over gRPC, to record a session and to play it again."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio

from marksim.core.feed.tape import run_hash
from marksim.engine.service import EngineService
from marksim.engine.settings import EngineSettings
from marksim.orderbook.service import OrderBookService
from marksim.orderbook.settings import OrderBookSettings
from marksim.runtime.errors import ErrorInterceptor
from marksim.runtime.serve import Lifecycle
from marksim.v1 import engine_pb2, orderbook_pb2_grpc
from marksim.v1 import orderbook_pb2 as pb

WAIT_S = 60.0


@dataclass
class World:
    """Both services, and a client of the book."""

    book: OrderBookService
    engine: EngineService
    stub: Any
    address: str

    async def status(self) -> engine_pb2.EngineStatus:
        """What the engine says."""
        return (await self.engine.GetStatus(engine_pb2.GetStatusRequest(), None)).status

    async def until(self, holds: Callable[[engine_pb2.EngineStatus], bool]) -> engine_pb2.EngineStatus:
        """The first status of which that holds."""
        async with asyncio.timeout(WAIT_S):
            while not holds(status := await self.status()):
                await asyncio.sleep(0.005)
        return status

    async def over(self) -> engine_pb2.EngineStatus:
        """The status once nothing more comes."""
        ends = (engine_pb2.CLOCK_STATE_FINISHED, engine_pb2.CLOCK_STATE_FAILED)
        return await self.until(lambda status: status.state in ends)

    async def paused_after(self, windows: int) -> engine_pb2.EngineStatus:
        """The status once the clock stands after so many windows."""
        return await self.until(lambda status: status.state == engine_pb2.CLOCK_STATE_PAUSED and status.windows == windows)

    async def queued(self, count: int) -> None:
        """Wait until so many outside commands wait for a window."""
        async with asyncio.timeout(WAIT_S):
            while self.book.sequencer.outside.queued != count:
                await asyncio.sleep(0.001)

    async def tape_hash(self) -> str:
        """Of the whole tape, asked of the book."""
        run = await self.stub.GetRun(pb.GetRunRequest())
        return run_hash({tape.symbol: tape.hash for tape in run.tapes})

    async def read(self, last: int, **request: Any) -> list[pb.Frame]:
        """All frames from the beginning up to that window, as a lossless reader gets them."""
        call = self.stub.StreamTicks(pb.StreamTicksRequest(**{"after_window": -1, **request}))
        frames: list[pb.Frame] = []
        async with asyncio.timeout(WAIT_S):
            async for message in call:
                assert not message.HasField("gap"), message.gap
                frames += message.frames
                if message.HasField("last_window") and message.last_window >= last:
                    break
        call.cancel()
        return frames


@asynccontextmanager
async def engine_of(address: str, settings: dict[str, Any], *, paused: bool = False) -> AsyncIterator[EngineService]:
    """An engine service for that book."""
    lifecycle = Lifecycle(service="engine", grace_s=5.0)
    service = EngineService(EngineSettings(orderbook=[address], **settings))
    service.clock.paused = paused
    running = asyncio.create_task(service.run(lifecycle))
    try:
        yield service
    finally:
        lifecycle.draining.set()
        await asyncio.wait_for(running, 20)


@asynccontextmanager
async def world(book: dict[str, Any], engine: dict[str, Any], *, paused: bool = False) -> AsyncIterator[World]:
    """Services with these settings; `paused` before the first window. They end in order with the block."""
    lifecycle = Lifecycle(service="orderbook", grace_s=5.0)
    service = OrderBookService(OrderBookSettings(ring_mib=64, **book))
    server = grpc.aio.server(interceptors=[ErrorInterceptor()])
    service.register(server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    running = asyncio.create_task(service.run(lifecycle))
    try:
        async with (
            grpc.aio.insecure_channel(address) as channel,
            engine_of(address, engine, paused=paused) as driving,
        ):
            yield World(service, driving, orderbook_pb2_grpc.OrderBookServiceStub(channel), address)
    finally:
        lifecycle.draining.set()
        await asyncio.wait_for(running, 20)
        await server.stop(None)


@asynccontextmanager
async def played(
    path: Path, begin: str = "", *, speed: str = "max", until: str = "", paused: bool = False
) -> AsyncIterator[World]:
    """A recorded session, played again."""
    book = {"replay": path, "replay_from": begin}
    async with world(book, {"replay": path, "speed": speed, "until": until}, paused=paused) as one:
        yield one
