"""The life of a service process: settings, servers, signals, draining, exit code.

if __name__ == "__main__":
    run_service("edge", EdgeSettings, EdgeService)
"""

import asyncio
import contextlib
import sys
from collections.abc import Callable, Sequence
from typing import Final, NoReturn

import grpc.aio
import uvloop
from google.protobuf.internal import api_implementation
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import REGISTRY, disable_created_metrics
from prometheus_client.registry import Collector

from marksim.runtime.errors import ErrorInterceptor
from marksim.runtime.http import HttpServer
from marksim.runtime.logs import configure_logs, get_logger
from marksim.runtime.metrics import StoreCollector
from marksim.runtime.ports import CannotListen, addresses, authority, bindable, port_in_use
from marksim.runtime.process import ProcessCollector
from marksim.runtime.pulse import Pulse
from marksim.runtime.service import HasPages, Lifecycle, Service
from marksim.runtime.settings import EXIT_USAGE, ServiceSettings, SettingsT, load_settings
from marksim.runtime.signals import StopSignals, leave
from marksim.runtime.telemetry import Telemetry
from marksim.v1 import telemetry_pb2_grpc

__all__ = ["Lifecycle", "Service", "run_service", "serve"]

TELEMETRY_NAME: Final = "marksim.v1.TelemetryService"
STREAMS_END_S: Final = 0.3
"""What endless streams and calls in work are given after the service's own work has ended."""

MAX_REQUEST_BYTES: Final = 64 * 1024 * 1024
SERVER_OPTIONS: Final = [
    ("grpc.max_receive_message_length", MAX_REQUEST_BYTES),
    # Clients ping every 30 s; gRPC's default would answer that with GOAWAY "too many pings".
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    # A peer that vanished without a word (a cable, a frozen machine) is found so within 20 s, and its streams end.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # Without it a ping is waited for a minute, whatever the line above says.
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    # Two servers on one port would share its calls at random; a port in use must be an error.
    ("grpc.so_reuseport", 0),
]

log = get_logger(__name__)


def run_service(name: str, settings_class: type[SettingsT], factory: Callable[[SettingsT], Service]) -> NoReturn:
    """Run the service until SIGTERM, SIGINT or the end of its work, and exit.

    Exit codes: 0 after an orderly end, 1 when the service failed, 2 when the way of starting is at fault.
    """
    signals = StopSignals()
    signals.install()
    assert api_implementation.Type() == "upb", "protobuf must run on upb: the pure Python one is some 20 times slower"
    settings = load_settings(settings_class, name)
    configure_logs(name, settings.log_level, settings.log_format)

    def started(lifecycle: Lifecycle) -> None:
        loop = asyncio.get_running_loop()

        def drain() -> None:
            # The signal may come while the loop closes by itself.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(lifecycle.draining.set)

        signals.arm(drain, settings.grace_s + 3 * STREAMS_END_S)

    try:
        code = uvloop.run(serve(name, settings, factory, started))
    except CannotListen as error:
        sys.stderr.write(f"marksim {name}: {error}\n")
        code = EXIT_USAGE
    leave(code)


async def serve(
    name: str,
    settings: SettingsT,
    factory: Callable[[SettingsT], Service],
    started: Callable[[Lifecycle], None] = lambda _: None,
) -> int:
    """Serve until `lifecycle.draining` is set or the work ends; returns the exit code. `started` hears of the bound ports.

    Raises CannotListen.
    """
    lifecycle = Lifecycle(service=name, grace_s=settings.grace_s)
    async with contextlib.AsyncExitStack() as stack:
        server = grpc.aio.server(interceptors=[ErrorInterceptor()], options=SERVER_OPTIONS)
        stack.push_async_callback(server.stop, STREAMS_END_S)
        lifecycle.grpc_port = _bind(server, settings)
        service = factory(settings)
        pages = service.pages() if isinstance(service, HasPages) else {}
        pulse = Pulse()
        http = HttpServer(settings.host, settings.http_port, pulse, pages)
        stack.push_async_callback(asyncio.to_thread, http.stop)
        lifecycle.http_port = http.port
        names = [*service.register(server), TELEMETRY_NAME]
        vitals = _add_common_services(server, name, service, names)
        for collector in _add_metrics(name, pulse):
            stack.callback(REGISTRY.unregister, collector)
        started(lifecycle)
        http.start()
        await server.start()
        ports = {"grpc_port": lifecycle.grpc_port, "http_port": lifecycle.http_port}
        log.info("serving", host=settings.host or "loopback", **ports)

        async def tell_health(ready: bool) -> None:
            status = health_pb2.HealthCheckResponse.SERVING if ready else health_pb2.HealthCheckResponse.NOT_SERVING
            for service_name in ("", *names):
                await vitals.set(service_name, status)

        beat = asyncio.create_task(pulse.beat(service, tell_health))
        stack.callback(beat.cancel)
        stack.callback(lifecycle.ended.set)
        return await _until_end(lifecycle, asyncio.create_task(service.run(lifecycle)), vitals, pulse)


async def _until_end(lifecycle: Lifecycle, work: asyncio.Task[None], vitals: health.aio.HealthServicer, pulse: Pulse) -> int:
    """Wait for the end of the work, by itself or by draining within the grace; the exit code."""
    draining = asyncio.create_task(lifecycle.draining.wait())
    try:
        await asyncio.wait({work, draining}, return_when=asyncio.FIRST_COMPLETED)
        pulse.drain()
        await vitals.enter_graceful_shutdown()
        if not work.done():
            log.info("draining", grace_s=lifecycle.grace_s)
            await asyncio.wait({work}, timeout=lifecycle.grace_s)
        # What ends by itself and by a signal look alike from here on.
        lifecycle.draining.set()
        if not work.done():
            log.warning("the grace is over and the work is not; it is cancelled")
            work.cancel()
            await asyncio.wait({work}, timeout=STREAMS_END_S)
            return 0
    finally:
        draining.cancel()
        work.cancel()
    if error := None if work.cancelled() else work.exception():
        if isinstance(error, CannotListen):
            raise error
        log.error("the service failed", exc_info=error)
        return 1
    log.info("ended")
    return 0


def _bind(server: grpc.aio.Server, settings: ServiceSettings) -> int:
    port = settings.grpc_port
    for address in addresses(settings.host):
        if not bindable(address, port, "--grpc-port"):
            log.info("no such address on this machine", address=authority(address, port))
            continue
        try:
            port = server.add_insecure_port(authority(address, port))
        except RuntimeError:
            raise port_in_use(port, "--grpc-port") from None
    return port


def _add_common_services(
    server: grpc.aio.Server, name: str, service: Service, names: Sequence[str]
) -> health.aio.HealthServicer:
    vitals = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(vitals, server)
    telemetry_pb2_grpc.add_TelemetryServiceServicer_to_server(Telemetry(name, service.stores), server)
    reflection.enable_server_reflection([*names, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
    return vitals


def _add_metrics(name: str, pulse: Pulse) -> tuple[Collector, ...]:
    # Prometheus has no use for the time at which a counter was made, and it is a series more for each.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    collectors = (StoreCollector(name, lambda: pulse.stores), ProcessCollector(name, pulse))
    for collector in collectors:
        REGISTRY.register(collector)
    return collectors
