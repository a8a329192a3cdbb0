"""How the market does, in one line: asked of the children over gRPC and from the edge's metrics."""

import asyncio
import http.client
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import grpc.aio
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from marksim.core.feed.tape import NUMBER_DIGITS, run_hash
from marksim.runtime.channel import open_channel
from marksim.v1 import engine_pb2, engine_pb2_grpc, orderbook_pb2, orderbook_pb2_grpc, telemetry_pb2, telemetry_pb2_grpc

_TIMEOUT_S = 1.0
_COMPILE_S = 40
_SHOWN_LAG_S = 0.1
_HASH_TIMEOUT_S = 10.0
CLIENTS_METRIC = "marksim_edge_clients"
TICKS_METRIC = "marksim_edge_ticks_total"
SESSION_METRIC = "marksim_orderbook_session_state"


# A proxy of the environment is for the outside world; the edge is on this machine.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Reading:
    """One look at the market; None is what nobody answered."""

    engine: engine_pb2.EngineStatus | None
    clients: float | None
    ticks_per_s: float | None
    memory_bytes: Mapping[str, int]
    sessions: Mapping[str, str] = field(default_factory=dict)
    """By symbol, where it is not in continuous trading."""

    @property
    def started(self) -> bool:
        """True once the clock has left its starting state and the edge answers."""
        starting = (engine_pb2.CLOCK_STATE_UNSPECIFIED, engine_pb2.CLOCK_STATE_STARTING)
        return self.engine is not None and self.engine.state not in starting and self.clients is not None

    @property
    def over(self) -> bool:
        """True where a run that was to end has ended, at its time or because it failed."""
        if self.engine is None or not self.engine.end_time_ns:
            return False
        return self.engine.state in (engine_pb2.CLOCK_STATE_FINISHED, engine_pb2.CLOCK_STATE_FAILED)

    @property
    def run(self) -> str:
        """UUID of the run; empty where there is none or nobody answers."""
        return self.engine.run if self.engine is not None else ""


class Watcher:
    """Asks the children. Close it when done."""

    def __init__(self, addresses: Mapping[str, str], edge_page: str, book_page: str) -> None:
        """`addresses` are those of the children's gRPC, the pages those of edge's and book's metrics; all `host:port`."""
        self._channels = {name: open_channel(address) for name, address in addresses.items()}
        self._edge_url, self._book_url = f"http://{edge_page}/metrics", f"http://{book_page}/metrics"
        self._ticks: tuple[float, float] | None = None

    async def read(self) -> Reading:
        """Look once; what does not answer within a second is left out."""
        engine, edge, book, memory = await asyncio.gather(
            self._engine(),
            asyncio.to_thread(_samples, self._edge_url),
            asyncio.to_thread(_samples, self._book_url),
            self._memory(),
        )
        metrics: dict[str, float] = {}
        for sample in edge:
            metrics[sample.name] = metrics.get(sample.name, 0.0) + sample.value
        ticks_per_s = None
        if TICKS_METRIC in metrics:
            now, ticks = time.monotonic(), metrics[TICKS_METRIC]
            if self._ticks and now > self._ticks[0] and ticks >= self._ticks[1]:
                ticks_per_s = (ticks - self._ticks[1]) / (now - self._ticks[0])
            self._ticks = (now, ticks)
        return Reading(engine, metrics.get(CLIENTS_METRIC), ticks_per_s, memory, _sessions(book))

    async def tape_hash(self, run: str) -> str:
        """Hash of that run's tape, asked of the order book; empty where it is in another run, as one that was lost since is.

        Raises AioRpcError where it does not answer.
        """
        stub = orderbook_pb2_grpc.OrderBookServiceStub(self._channels["orderbook"])
        present = await stub.GetRun(orderbook_pb2.GetRunRequest(), timeout=_HASH_TIMEOUT_S)
        return run_hash({tape.symbol: tape.hash for tape in present.tapes}) if present.run == run else ""

    async def close(self) -> None:
        """Close the channels."""
        await asyncio.gather(*(channel.close() for channel in self._channels.values()))

    async def _engine(self) -> engine_pb2.EngineStatus | None:
        stub = engine_pb2_grpc.EngineServiceStub(self._channels["engine"])
        try:
            return (await stub.GetStatus(engine_pb2.GetStatusRequest(), timeout=_TIMEOUT_S)).status
        except grpc.aio.AioRpcError:
            return None

    async def _memory(self) -> dict[str, int]:
        async def one(channel: grpc.aio.Channel) -> int:
            stub = telemetry_pb2_grpc.TelemetryServiceStub(channel)
            try:
                return (await stub.GetMemory(telemetry_pb2.GetMemoryRequest(), timeout=_TIMEOUT_S)).resident_bytes
            except grpc.aio.AioRpcError:
                return 0

        sizes = await asyncio.gather(*(one(channel) for channel in self._channels.values()))
        return dict(zip(self._channels, sizes, strict=True))


def _samples(url: str) -> list[Sample]:
    """What stands on a page of metrics; nothing where nobody answers."""
    try:
        with _DIRECT.open(url, timeout=_TIMEOUT_S) as answer:
            page = answer.read().decode()
        return [sample for family in text_string_to_metric_families(page) for sample in family.samples]
    except (OSError, http.client.HTTPException, ValueError):
        # Also of one that ends in the middle of its answer.
        return []


def _sessions(samples: Sequence[Sample]) -> dict[str, str]:
    present = [sample.labels for sample in samples if sample.name == SESSION_METRIC and sample.value]
    return {labels["symbol"]: labels["state"].upper() for labels in present if labels["state"] != "continuous"}


def starting_line(waited_s: float, doing: str) -> str:
    """What is being done comes before what explains it: a narrow terminal cuts off the end."""
    return f"Starting, {waited_s:.0f} s: {doing}; the first start compiles the kernels, about {_COMPILE_S} s"


def status_line(reading: Reading) -> str:
    """Simulated time, speed, tape hash, sessions other than continuous trading, ticks a second, clients and memory."""
    engine = reading.engine
    if engine is None:
        clock = "engine away"
    else:
        moment = datetime.fromtimestamp(engine.simulated_time_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S")
        state = engine_pb2.ClockState.Name(engine.state).removeprefix("CLOCK_STATE_").lower()
        clock = f"run {engine.run[:8]}  {moment} UTC  {engine.measured_speed:,.1f}x"
        if engine.state != engine_pb2.CLOCK_STATE_RUNNING:
            clock += f"  {state}" + (f": {engine.message}" if engine.message else "")
        elif engine.lag_seconds >= _SHOWN_LAG_S:
            clock += f"  {engine.lag_seconds:.1f} s late"
        if engine.running_until:
            clock += f"  until {engine.running_until}"
        if engine.tape_hash:
            clock += f"  tape {engine.tape_hash[:NUMBER_DIGITS]}"
        if engine.bottleneck_message:
            clock += f"  slow: {engine.bottleneck_message}"
    ticks = "-" if reading.ticks_per_s is None else f"{reading.ticks_per_s:,.0f}"
    clients = "-" if reading.clients is None else f"{reading.clients:,.0f}"
    memory = sum(reading.memory_bytes.values()) / 1e6
    away = [name for name, size in reading.memory_bytes.items() if not size]
    gone = f"  no answer: {', '.join(away)}" if away else ""
    sessions = "".join(f"  {symbol} {state}" for symbol, state in reading.sessions.items())
    return f"{clock}{sessions}  {ticks} ticks/s  {clients} clients  {memory:,.0f} MB{gone}"
