"""How one service calls another."""

import importlib
from pathlib import Path

import grpc.aio
import pytest

from marksim.runtime.channel import CHANNEL_OPTIONS, IDEMPOTENT, open_channel, peer_error
from marksim.runtime.serve import SERVER_OPTIONS
from marksim.v1 import engine_pb2, orderbook_pb2, telemetry_pb2, telemetry_pb2_grpc


def test_only_unary_methods_of_the_contract_are_tried_again() -> None:
    """A misspelt name in the service config would silently do nothing."""
    files = (engine_pb2.DESCRIPTOR, orderbook_pb2.DESCRIPTOR)
    services = {service.full_name: service for file in files for service in file.services_by_name.values()}
    for name, methods in IDEMPOTENT.items():
        for method in methods:
            described = services[name].methods_by_name[method]
            assert not described.client_streaming
            assert not described.server_streaming


def test_every_option_is_one_that_grpc_knows() -> None:
    """gRPC ignores what it does not know, so the names are looked up in its library."""
    module = importlib.import_module("grpc._cython.cygrpc")
    library = Path(str(module.__file__)).read_bytes()
    for name, _ in [*CHANNEL_OPTIONS, *SERVER_OPTIONS]:
        assert name.encode() in library, name


async def test_a_peer_that_is_away_is_told_in_one_line() -> None:
    """The text names the state and fits a log line."""
    async with open_channel("127.0.0.1:1") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as away:
            await telemetry_pb2_grpc.TelemetryServiceStub(channel).GetMemory(telemetry_pb2.GetMemoryRequest(), timeout=5)
    text = peer_error(away.value)
    assert text.startswith("UNAVAILABLE: ")
    assert len(text) <= 200
    assert "\n" not in text
