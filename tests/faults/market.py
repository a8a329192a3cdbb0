"""A whole market under a test's hands: it is killed in parts, comes back or is brought back, and is asked how it is.

`SupervisedMarket` is `python -m marksim.main`, which starts again what is killed. `SeparateMarket` is the same services,
each started here, so that each may have flags and an environment of its own (faults, a proxy before it), or be there twice.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import grpc
import grpc.aio
import psutil

from marksim.core.feed.tape import run_hash
from marksim.runtime.channel import open_channel
from marksim.v1 import engine_pb2, engine_pb2_grpc, orderbook_pb2_grpc, telemetry_pb2, telemetry_pb2_grpc
from marksim.v1 import orderbook_pb2 as pb
from tests.e2e.market import SERVICES, START_S, free_block

KILLED: Final = ("orderbook", "engine", "archiver", "edge")
QUICK: Final = {
    "MARKSIM_ARCHIVER__ROTATE_S": "2",
    "MARKSIM_ORDERBOOK__SNAPSHOT_WINDOWS": "1000",
    "MARKSIM_ENGINE__SNAPSHOT_WINDOWS": "700",
}
"""What takes a minute by default takes seconds, so that there is something to cut off."""
READY_S: Final = 120.0
"""So long a killed service, and the market with it, may take until all goes on."""
POLL_S: Final = 0.02
LOG_TAIL: Final = 40
RUNNING: Final = (engine_pb2.CLOCK_STATE_RUNNING, engine_pb2.CLOCK_STATE_PAUSED)

_DIRECT: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class MarketFailed(Exception):
    """The market did not do what it must; the message has the ends of its logs."""


@dataclass(frozen=True)
class Standing:
    """Where a market is."""

    run: str
    term: int
    windows: int
    state: str
    tape_hash: str
    last_window: int
    first_window: int
    durability: str

    @staticmethod
    def hash_of(run: pb.GetRunResponse) -> str:
        """The run's tape hash as a book with all its symbols says it; empty before the first run."""
        return run_hash({tape.symbol: tape.hash for tape in run.tapes}) if run.tapes else ""


class Market:
    """What both kinds have. `directory` keeps data and logs, over restarts of the whole, too."""

    def __init__(self, directory: Path, environment: Mapping[str, str] | None = None) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.data_dir = directory / "data"
        self.environment = {**os.environ, **QUICK, **(environment or {})}
        base = free_block(len(SERVICES) + 6)
        self.grpc_ports = {name: base + number for number, name in enumerate(SERVICES)}
        self.port = base + len(SERVICES)
        self.memory_http_port = self.port + 1
        self.http_port_base = self.port + 2
        self.killed: set[str] = set()
        self.stood_at = 0.0
        """Monotonic time at which the last `all_running` first saw a process of each service."""

    @property
    def url(self) -> str:
        """Of the WebSocket feed."""
        return f"ws://localhost:{self.port}"

    @property
    def book_address(self) -> str:
        return f"localhost:{self.grpc_ports['orderbook']}"

    @property
    def journals(self) -> list[Path]:
        """Directories of the shards' journals."""
        return sorted((self.data_dir / "journal").glob("shard-*"))

    @property
    def archive(self) -> Path:
        return self.data_dir / "archive"

    def start(self) -> None:
        """Start it, or start it again after `end`: with the same directory it is to go on."""
        raise NotImplementedError

    def pid_of(self, service: str) -> int | None:
        """Process id of a service, None while it does not run."""
        raise NotImplementedError

    def check_alive(self) -> None:
        """Raise MarketFailed where the market cannot come back by itself."""
        raise NotImplementedError

    def end(self) -> int:
        """End it in order; returns the exit code, 0 where all went well."""
        raise NotImplementedError

    def log_of(self, service: str) -> Path:
        return self.log_dir / f"{service}.log"

    @property
    def log_dir(self) -> Path:
        """Not beneath the data: faults of the disk are for that."""
        return self.directory / "logs"

    def pids_of(self, services: Sequence[str]) -> dict[str, int]:
        """Process ids of services. Raises MarketFailed where one does not run."""
        pids: dict[str, int] = {}
        for service in services:
            pid = self.pid_of(service)
            if pid is None:
                raise MarketFailed(f"{service} does not run, so it cannot be killed\n{self.logs()}")
            pids[service] = pid
        return pids

    def kill(self, *services: str) -> dict[str, int]:
        """kill -9 of one service or of several at once; their pids. Raises MarketFailed where one does not run."""
        return self.kill_at_once(self.pids_of(services))

    def kill_at_once(self, pids: dict[str, int]) -> dict[str, int]:
        """The same of processes that were looked for before, which takes longer than what is to be hit."""
        for service, pid in pids.items():
            os.kill(pid, signal.SIGKILL)
            self.killed.add(service)
        return pids

    def logs(self) -> str:
        """The ends of all logs."""
        parts = []
        for path in sorted([*self.directory.glob("*.txt"), *self.log_dir.glob("*.log")]):
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            parts += [f"--- {path.name}", *lines[-LOG_TAIL:]]
        return "\n".join(parts)

    async def engine(self, method: str, request: Any, timeout_s: float = 20.0) -> engine_pb2.EngineStatus:
        """Call EngineService and get the status of the answer."""
        async with open_channel(f"localhost:{self.grpc_ports['engine']}") as channel:
            stub = engine_pb2_grpc.EngineServiceStub(channel)
            answer = await getattr(stub, method)(request, timeout=timeout_s, wait_for_ready=True)
        status: engine_pb2.EngineStatus = answer.status
        return status

    async def status(self) -> engine_pb2.EngineStatus:
        """What the engine says of its clock."""
        return await self.engine("GetStatus", engine_pb2.GetStatusRequest())

    async def get_run(self) -> pb.GetRunResponse:
        """What the order book says of its run."""
        async with open_channel(self.book_address) as channel:
            stub: Any = orderbook_pb2_grpc.OrderBookServiceStub(channel)
            answer: pb.GetRunResponse = await stub.GetRun(pb.GetRunRequest(), timeout=20, wait_for_ready=True)
        return answer

    async def get_run_if_ready(self) -> pb.GetRunResponse | None:
        """The same; None while the book does not answer, or has no run."""
        with contextlib.suppress(grpc.aio.AioRpcError):
            async with open_channel(self.book_address) as channel:
                stub: Any = orderbook_pb2_grpc.OrderBookServiceStub(channel)
                answer: pb.GetRunResponse = await stub.GetRun(pb.GetRunRequest(), timeout=5)
                return answer if answer.run else None
        return None

    async def is_archived(self) -> bool:
        """Whether the archiver reads from the book right now."""
        async with open_channel(self.book_address) as channel:
            stub: Any = orderbook_pb2_grpc.OrderBookServiceStub(channel)
            listed = await stub.ListReaders(pb.ListReadersRequest(), timeout=20, wait_for_ready=True)
        return any(reader.reader == "archiver" and reader.connected for reader in listed.readers)

    async def over_bounds(self) -> list[str]:
        """Places of services that hold more than they say they may, a sentence each; of the services that answer."""
        over = []
        for service in KILLED:
            try:
                async with open_channel(f"localhost:{self.grpc_ports[service]}") as channel:
                    stub: Any = telemetry_pb2_grpc.TelemetryServiceStub(channel)
                    memory = await stub.GetMemory(telemetry_pb2.GetMemoryRequest(), timeout=5)
            except grpc.aio.AioRpcError:
                continue
            for store in memory.stores:
                for used, most in ((store.used, store.capacity), (store.used_bytes, store.capacity_bytes)):
                    if used > most > 0:
                        over.append(f"{service}: {store.name} holds {used}, and may hold {most}")
        return over

    async def standing(self) -> Standing:
        """Run, term, windows and tape hash, of engine and book."""
        status, run = await self.status(), await self.get_run()
        return Standing(
            run=run.run,
            term=run.term,
            windows=status.windows,
            state=engine_pb2.ClockState.Name(status.state).removeprefix("CLOCK_STATE_"),
            tape_hash=Standing.hash_of(run),
            last_window=run.last_window if run.HasField("last_window") else -1,
            first_window=run.first_window if run.HasField("first_window") else -1,
            durability=run.durability,
        )

    async def all_running(self, within_s: float = READY_S, than: Mapping[str, int] | None = None) -> engine_pb2.EngineStatus:
        """Wait until each service runs as a process that is not the one in `than`, is ready, and windows go on.

        Returns the status. Raises MarketFailed with the logs where that takes too long.
        """
        deadline, windows, standing, missing = time.monotonic() + within_s, -1, False, ""
        while time.monotonic() < deadline:
            self.check_alive()
            if not standing and (standing := self._all_stand(than or {})):
                self.stood_at = time.monotonic()
            if not standing:
                missing = "a process of each service"
            elif unready := await self.unready():
                missing = f"readiness of {', '.join(f'{service} ({why})' for service, why in unready.items())}"
            else:
                missing = "windows that go on"
                with contextlib.suppress(grpc.aio.AioRpcError):
                    status = await self.engine("GetStatus", engine_pb2.GetStatusRequest(), timeout_s=2.0)
                    is_running = status.state == engine_pb2.CLOCK_STATE_RUNNING
                    if is_running and -1 < windows < status.windows:
                        return status
                    windows = status.windows if is_running else -1
            await asyncio.sleep(POLL_S)
        raise MarketFailed(f"after {within_s:g} s the market still lacks {missing}\n{self.logs()}")

    def _all_stand(self, than: Mapping[str, int]) -> bool:
        pids = {service: self.pid_of(service) for service in KILLED}
        return all(pid is not None and pid != than.get(service) for service, pid in pids.items())

    async def unready(self) -> dict[str, str]:
        """Services whose /readyz does not say yes, and what it says."""
        ports = self._http_ports
        asked = [asyncio.to_thread(_refusal, f"http://localhost:{port}/readyz") for port in ports.values()]
        answers = zip(ports, await asyncio.gather(*asked), strict=True)
        return {service: refusal for service, refusal in answers if refusal}

    @property
    def _http_ports(self) -> dict[str, int]:
        # As marksim.supervisor.settings.HTTP_CHILDREN has them.
        return {name: self.http_port_base + number for number, name in enumerate(KILLED)}

    async def pause(self) -> engine_pb2.EngineStatus:
        """Stop the clock after the window that it is in."""
        return await self.engine("Pause", engine_pb2.PauseRequest())

    async def resume(self) -> engine_pb2.EngineStatus:
        return await self.engine("Resume", engine_pb2.ResumeRequest())

    async def set_speed(self, factor: float) -> engine_pb2.EngineStatus:
        return await self.engine("SetSpeed", engine_pb2.SetSpeedRequest(speed=engine_pb2.Speed(factor=factor)))


def _refusal(url: str) -> str:
    """Why the page does not say yes; empty where it does."""
    try:
        with _DIRECT.open(url, timeout=2.0):
            return ""
    except (OSError, urllib.error.URLError) as error:
        return str(error)


class SupervisedMarket(Market):
    """`python -m marksim.main` with ports and a directory of its own."""

    def __init__(
        self,
        directory: Path,
        scenario: str = "default",
        seed: int = 7,
        flags: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(directory, environment)
        self._flags = [scenario, f"--seed={seed}", f"--data-dir={self.data_dir}", f"--log-dir={self.log_dir}", *flags]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        flags = [
            f"--port={self.port}",
            f"--memory-http-port={self.memory_http_port}",
            f"--http-port-base={self.http_port_base}",
        ]
        flags += [f"--{name}-port={port}" for name, port in self.grpc_ports.items()]
        with (self.directory / "output.txt").open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "marksim.main", *self._flags, *flags],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self.environment,
            )

    def pid_of(self, service: str) -> int | None:
        if self.process is None:
            return None
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(self.process.pid).children():
                with contextlib.suppress(psutil.Error):
                    if f"marksim.{service}" in child.cmdline() and child.status() != psutil.STATUS_ZOMBIE:
                        return child.pid
        return None

    def check_alive(self) -> None:
        code = self.process.poll() if self.process else None
        if self.process is None or code is not None:
            raise MarketFailed(f"main has ended with {code}\n{self.logs()}")

    def end(self) -> int:
        assert self.process is not None, "it was started"
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return -signal.SIGKILL


class SeparateMarket(Market):
    """Each service started by `start_one`, with flags and environment of its own; what ends stays away until then."""

    def __init__(self, directory: Path, scenario: str = "default", seed: int = 7) -> None:
        super().__init__(directory)
        self._scenario, self._seed = scenario, seed
        self.seen_book = dict.fromkeys(("engine", "edge", "archiver"), self.book_address)
        """Where each looks for the order book when it is started: at its own address, or at that of a proxy."""
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def arguments(self, service: str) -> list[str]:
        """Flags of one service. Journal and state are where main has them."""
        book = ["--orderbook", self.seen_book.get(service, "")]
        scenario = ["--scenario", self._scenario]
        own = {
            "orderbook": [*scenario, "--journal", str(self.data_dir / "journal")],
            "engine": [*book, *scenario, "--seed", str(self._seed), "--state", str(self.data_dir / "engine")],
            "edge": [*book, "--port", str(self.port)],
            "archiver": [*book, "--dir", str(self.archive)],
        }
        ports = ["--grpc-port", str(self.grpc_ports[service]), "--http-port", str(self._http_ports[service])]
        return [*ports, "--log-format", "json", *own[service]]

    def start_one(
        self, service: str, *, name: str = "", flags: Sequence[str] = (), environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start one; under another `name` a second of its kind, whose flags must give it other ports."""
        name = name or service
        path = self.log_of(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as output:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", f"marksim.{service}", *self.arguments(service), *flags],
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**self.environment, **(environment or {})},
            )
        return self.processes[name]

    def start(self) -> None:
        for service in KILLED:
            self.start_one(service)

    def pid_of(self, service: str) -> int | None:
        process = self.processes.get(service)
        return process.pid if process is not None and process.poll() is None else None

    def check_alive(self) -> None:
        for name, process in self.processes.items():
            if process.poll() is not None and name not in self.killed:
                raise MarketFailed(f"{name} has ended with {process.poll()}\n{self.logs()}")

    def kill_at_once(self, pids: dict[str, int]) -> dict[str, int]:
        for service in super().kill_at_once(pids):
            self.processes[service].wait()
        return pids

    def end(self) -> int:
        """What reads ends before what it reads from."""
        codes = []
        for name in sorted(self.processes, key=_end_rank):
            process = self.processes[name]
            if process.poll() is None:
                process.terminate()
            try:
                codes.append(process.wait(timeout=20))
            except subprocess.TimeoutExpired:
                process.kill()
                codes.append(process.wait())
        return max(codes, key=abs, default=0)


def _end_rank(name: str) -> int:
    """A second of a kind ends first: what stands before it is the order of the others."""
    order = ("edge", "engine", "archiver", "orderbook")
    return order.index(name) if name in order else -1


MarketT = TypeVar("MarketT", bound=Market)


@asynccontextmanager
async def running(market: MarketT) -> AsyncIterator[MarketT]:
    """Start it, wait until it runs, and end it with the block whatever happens there."""
    market.start()
    try:
        await market.all_running(START_S)
        yield market
    finally:
        await asyncio.to_thread(market.end)
