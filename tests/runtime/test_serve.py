"""What every service gives to callers, and how it ends."""

import asyncio
import socket
import time
from typing import Any

import grpc.aio
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from prometheus_client.parser import text_string_to_metric_families

from marksim.runtime.channel import open_channel
from marksim.runtime.metrics import Store, StoreKind
from marksim.runtime.ports import CannotListen
from marksim.runtime.serve import Lifecycle
from marksim.runtime.service import INSTANCE
from marksim.runtime.settings import ServiceSettings
from marksim.v1 import telemetry_pb2, telemetry_pb2_grpc
from tests.runtime.served import Plain, served, until

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def test_get_memory_tells_the_process_and_its_stores() -> None:
    """Every service answers GetMemory without doing anything for it."""
    ring = Store("frames", StoreKind.RING, used=1, capacity=2, used_bytes=3, capacity_bytes=4, dropped=5)
    async with served(Plain([ring])) as running, open_channel(running.address) as channel:
        memory = await telemetry_pb2_grpc.TelemetryServiceStub(channel).GetMemory(telemetry_pb2.GetMemoryRequest())
    assert (memory.service, memory.instance) == ("edge", INSTANCE)
    assert memory.resident_bytes > 1 << 20
    assert memory.threads >= 1
    assert [(s.name, s.kind, s.used, s.dropped) for s in memory.stores] == [("frames", telemetry_pb2.STORE_KIND_RING, 1, 5)]


async def test_health_and_readyz_follow_the_service() -> None:
    """Readiness is what `ready` says; liveness does not care."""
    service = Plain(ready=False)
    async with served(service) as running, open_channel(running.address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service="marksim.v1.TelemetryService")
        await until(lambda: running.get("/healthz"))
        assert await running.get("/healthz") == (200, "alive\n")
        assert await running.get("/readyz") == (503, "not ready\n")
        assert (await stub.Check(request)).status == NOT_SERVING
        service.is_ready = True

        async def serving() -> bool:
            return bool((await stub.Check(request)).status == SERVING)

        await until(serving)
        assert await running.get("/readyz") == (200, "ready\n")


async def test_reflection_describes_the_services() -> None:
    """grpcurl works with no files."""

    def names(address: str) -> tuple[list[str], list[str]]:
        with grpc.insecure_channel(address) as channel:
            database = ProtoReflectionDescriptorDatabase(channel)
            telemetry = DescriptorPool(database).FindServiceByName("marksim.v1.TelemetryService")
            return list(database.get_services()), [method.name for method in telemetry.methods]

    async with served(Plain()) as running:
        services, methods = await asyncio.to_thread(names, running.address)
    assert set(services) >= {"marksim.v1.TelemetryService", "grpc.health.v1.Health"}
    assert methods == ["GetMemory"]


async def test_metrics_have_the_stores_under_the_name_of_the_service() -> None:
    """A scrape parses as Prometheus text."""
    async with served(Plain([Store("clients", StoreKind.POOL, used=3)]), "edge") as running:

        async def shown() -> bool:
            return "clients" in (await running.get("/metrics"))[1]

        await until(shown)
        _, text = await running.get("/metrics")
    samples = {s.name: s for family in text_string_to_metric_families(text) for s in family.samples}
    assert samples["marksim_edge_store_used_entries"].labels == {"store": "clients", "kind": "pool"}
    assert samples["marksim_edge_store_used_entries"].value == 3


async def test_an_endless_stream_does_not_hold_up_the_end() -> None:
    """A watched health stream is cut off and the exit code is 0, well within 5 seconds."""
    async with served(Plain()) as running, open_channel(running.address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest())
        assert await watch.read() is not grpc.aio.EOF
        begun = time.monotonic()
        running.lifecycle.draining.set()
        assert await running.ended == 0
        assert time.monotonic() - begun < 3


async def test_draining_is_not_ready_and_gives_the_work_its_grace() -> None:
    """NOT_SERVING is told while the work still finishes."""

    class Finishing(Plain):
        seen: str = ""

        async def run(self, lifecycle: Lifecycle) -> None:
            await lifecycle.draining.wait()
            await until(self.says_not_ready)
            assert not lifecycle.ended.is_set()

        async def says_not_ready(self) -> bool:
            self.seen = (await served_at.get("/readyz"))[1]
            return self.seen == "not ready\n"

    service = Finishing()
    async with served(service) as served_at:
        pass
    assert service.seen == "not ready\n"
    assert await served_at.ended == 0


async def test_work_beyond_the_grace_is_cancelled() -> None:
    """The end comes in time even where the work does not listen."""

    class Deaf(Plain):
        cancelled = False

        async def run(self, lifecycle: Lifecycle) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                self.cancelled = True

    service = Deaf()
    async with served(service, settings=ServiceSettings(grpc_port=0, http_port=0, grace_s=0.1)) as running:
        pass
    assert await running.ended == 0
    assert service.cancelled


async def test_failing_work_is_exit_code_1() -> None:
    """An exception out of `run` ends the service."""

    class Broken(Plain):
        async def run(self, lifecycle: Lifecycle) -> None:
            raise ValueError("broken")

    async with served(Broken()) as running:
        assert await running.ended == 1


@pytest.mark.parametrize(("field", "flag"), [("grpc_port", "--grpc-port"), ("http_port", "--http-port")])
async def test_a_port_in_use_is_told_with_its_flag(field: str, flag: str) -> None:
    """The sentence names the port and the flag that chooses another."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = ServiceSettings(**{"grpc_port": 0, "http_port": 0, field: port})
        with pytest.raises(CannotListen, match=f"port {port} is in use.*{flag}"):
            async with served(Plain(), settings=settings):
                pass


@pytest.mark.parametrize(("host", "reached"), [("0.0.0.0", ["127.0.0.1"]), ("::", ["127.0.0.1", "::1"])])
async def test_a_pod_serves_on_all_addresses(host: str, reached: list[str]) -> None:
    """gRPC and HTTP alike; `::` means IPv4 as well."""
    settings = ServiceSettings(host=host, grpc_port=0, http_port=0, grace_s=1.0)
    async with served(Plain(), settings=settings) as running:
        for address in reached:
            for port in (running.lifecycle.grpc_port, running.lifecycle.http_port):
                _, writer = await asyncio.open_connection(address, port)
                writer.close()
