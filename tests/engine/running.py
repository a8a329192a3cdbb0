"""An engine service over a real order book, which a test may leave without a word and start again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from marksim.engine.service import EngineService
from marksim.engine.settings import EngineSettings
from marksim.runtime.service import Lifecycle
from marksim.v1 import engine_pb2 as pb
from marksim.v1 import orderbook_pb2
from tests.orderbook.market import Market

UNTIL = "12s"


class Running:
    """An engine service in this process."""

    def __init__(self, engine: EngineService, task: "asyncio.Task[None]", lifecycle: Lifecycle) -> None:
        self.engine = engine
        self._task = task
        self._lifecycle = lifecycle

    async def status(self) -> pb.EngineStatus:
        return (await self.engine.GetStatus(pb.GetStatusRequest(), None)).status

    async def state(self, *states: "pb.ClockState") -> pb.EngineStatus:
        """Wait until it is in one of these."""
        async with asyncio.timeout(30):
            while (status := await self.status()).state not in states:
                assert not self._task.done() and status.state != pb.CLOCK_STATE_FAILED, status.message
                await asyncio.sleep(0.005)
        return status

    async def windows(self, count: int) -> pb.EngineStatus:
        """Wait until it has done so many."""
        async with asyncio.timeout(30):
            while (status := await self.status()).windows < count:
                assert status.state != pb.CLOCK_STATE_FAILED, status.message
                await asyncio.sleep(0.002)
        return status

    async def kill(self) -> None:
        """End it without a word: no snapshot is written, and nothing is told to the book."""
        driver = self.engine.driver
        assert driver is not None
        driver._kept = False
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def end(self) -> None:
        self._lifecycle.draining.set()
        await asyncio.wait_for(self._task, 10)


@asynccontextmanager
async def running(market: Market, state: Path, **settings: Any) -> AsyncIterator[Running]:
    """An engine over that book; it ends in order with the block unless it was killed before."""
    settings = {"orderbook": [market.address], "speed": "max", "snapshot_windows": 37, "until": UNTIL, **settings}
    engine = EngineService(EngineSettings(state=state, **settings))
    lifecycle = Lifecycle(service="engine", grace_s=4.0)
    task = asyncio.create_task(engine.run(lifecycle))
    one = Running(engine, task, lifecycle)
    try:
        yield one
    finally:
        if not task.done():
            await one.end()


async def tape_of(market: Market) -> list[tuple[str, str]]:
    run = await market.stub.GetRun(orderbook_pb2.GetRunRequest())
    return [(tape.symbol, tape.hash) for tape in run.tapes]
