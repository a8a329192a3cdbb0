"""What a servicer method raises reaches the caller as a status."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
import grpc.aio
import pytest

from marksim.core import errors
from marksim.runtime.channel import error_info, open_channel, peer_error
from marksim.runtime.errors import CODES, code_of
from marksim.v1 import engine_pb2, engine_pb2_grpc
from tests.runtime.served import Plain, served


class Failing(Plain, engine_pb2_grpc.EngineServiceServicer):
    """Raises what it was given from a unary and from a streaming method."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def register(self, server: grpc.aio.Server) -> Sequence[str]:
        engine_pb2_grpc.add_EngineServiceServicer_to_server(self, server)
        return ("marksim.v1.EngineService",)

    async def GetStatus(self, request: Any, context: Any) -> engine_pb2.GetStatusResponse:
        raise self.error

    async def WatchStatus(self, request: Any, context: Any) -> AsyncIterator[engine_pb2.WatchStatusResponse]:
        yield engine_pb2.WatchStatusResponse()
        raise self.error


async def failure(error: Exception) -> tuple[grpc.aio.AioRpcError, grpc.aio.AioRpcError]:
    """What the caller sees of the unary and of the streaming method."""
    # The stubs call a servicer abstract that leaves methods out; gRPC itself does not mind.
    service = Failing(error)
    async with served(service, "engine") as running, open_channel(running.address) as channel:
        stub = engine_pb2_grpc.EngineServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as unary:
            await stub.GetStatus(engine_pb2.GetStatusRequest())
        with pytest.raises(grpc.aio.AioRpcError) as stream:
            async for _ in stub.WatchStatus(engine_pb2.WatchStatusRequest()):
                pass
        return unary.value, stream.value


async def test_a_domain_error_carries_its_reason_and_facts() -> None:
    """Code from the table, message for people, ErrorInfo for programs."""
    for seen in await failure(errors.NotNow("the market is paused", reason="MARKET_PAUSED", metadata={"window": "7"})):
        info = error_info(seen)
        assert info is not None
        assert (seen.code(), seen.details()) == (grpc.StatusCode.FAILED_PRECONDITION, "the market is paused")
        assert (info.reason, info.domain, dict(info.metadata)) == ("MARKET_PAUSED", "marksim", {"window": "7"})
        assert peer_error(seen) == "MARKET_PAUSED: the market is paused"


async def test_an_unexpected_error_leaks_no_detail(capfd: pytest.CaptureFixture[str]) -> None:
    """The caller reads INTERNAL and nothing of the cause; the log has it."""
    for seen in await failure(ValueError("secret")):
        assert seen.code() is grpc.StatusCode.INTERNAL
        assert "secret" not in (seen.details() or "") + repr(seen.trailing_metadata())
    captured = capfd.readouterr()
    assert "secret" in captured.out + captured.err


def test_every_domain_error_has_a_code_of_its_own() -> None:
    """A new class of errors must be entered in the table, unless it refines one that is there."""
    classes = {cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, errors.MarksimError)}
    refined = {cls for cls in classes if cls is not errors.MarksimError and errors.MarksimError not in cls.__bases__}
    assert classes - refined == set(CODES)
    assert len(set(CODES.values())) == len(CODES)


def test_a_subclass_has_the_code_of_its_nearest_base() -> None:
    """Services may refine a class without touching the table."""

    class Paused(errors.NotNow):
        pass

    assert code_of(Paused("paused")) is grpc.StatusCode.FAILED_PRECONDITION
