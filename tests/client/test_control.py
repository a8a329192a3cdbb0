"""Either client steers the clock where it has the engine's address."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest

from marksim.client import NotNow
from marksim.core.errors import NotNow as Forbidden
from marksim.runtime.errors import ErrorInterceptor
from marksim.v1 import engine_pb2 as pb
from marksim.v1 import engine_pb2_grpc
from tests.client.live import Connect, Live


class Engine(engine_pb2_grpc.EngineServiceServicer):
    """Notes what it is asked, and answers with a status."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def _status(self, request: Any) -> pb.EngineStatus:
        self.asked.append(request)
        speed = pb.Speed(max=True) if isinstance(request, pb.SetSpeedRequest) and request.speed.max else pb.Speed(factor=10)
        return pb.EngineStatus(run="run", state=pb.CLOCK_STATE_PAUSED, speed=speed, windows=7, simulated_time_ns=9)

    async def GetStatus(self, request: pb.GetStatusRequest, context: Any) -> pb.GetStatusResponse:
        return pb.GetStatusResponse(status=self._status(request))

    async def Pause(self, request: pb.PauseRequest, context: Any) -> pb.PauseResponse:
        return pb.PauseResponse(status=self._status(request))

    async def Resume(self, request: pb.ResumeRequest, context: Any) -> pb.ResumeResponse:
        return pb.ResumeResponse(status=self._status(request))

    async def Step(self, request: pb.StepRequest, context: Any) -> pb.StepResponse:
        if request.windows > 99:
            raise Forbidden("a pause ended it", reason="STEP_INTERRUPTED", metadata={"windows_done": "3"})
        return pb.StepResponse(status=self._status(request))

    async def SetSpeed(self, request: pb.SetSpeedRequest, context: Any) -> pb.SetSpeedResponse:
        return pb.SetSpeedResponse(status=self._status(request))


@asynccontextmanager
async def engine() -> AsyncIterator[tuple[Engine, str]]:
    server, one = grpc.aio.server(interceptors=[ErrorInterceptor()]), Engine()
    engine_pb2_grpc.add_EngineServiceServicer_to_server(one, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield one, f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


async def test_the_clock_does_as_it_is_told(market: Live, connect: Connect) -> None:
    """Each call returns where it stands then."""
    async with engine() as (one, address), connect(market.market.address, account="me", control=address) as client:
        status = await client.control.pause()
        assert (status.state, status.windows, status.time_ns, status.speed) == ("PAUSED", 7, 9, 10)
        await client.control.step(20)
        assert (await client.control.speed(None)).speed == float("inf")
        await client.control.speed(2.5)
        await client.control.resume()
        await client.control.status()
    assert one.asked == [
        pb.PauseRequest(),
        pb.StepRequest(windows=20),
        pb.SetSpeedRequest(speed=pb.Speed(max=True)),
        pb.SetSpeedRequest(speed=pb.Speed(factor=2.5)),
        pb.ResumeRequest(),
        pb.GetStatusRequest(),
    ]


async def test_what_the_clock_refuses_is_an_error_with_its_facts(market: Live, connect: Connect) -> None:
    """As of any call; a speed that is none is refused before it is sent."""
    async with engine() as (_, address), connect(market.market.address, account="me", control=address) as client:
        with pytest.raises(NotNow) as interrupted:
            await client.control.step(100)
        assert (interrupted.value.reason, interrupted.value.metadata) == ("STEP_INTERRUPTED", {"windows_done": "3"})
        with pytest.raises(ValueError, match="factor is -1"):
            await client.control.speed(-1)
