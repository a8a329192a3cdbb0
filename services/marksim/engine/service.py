"""The engine service: EngineService over gRPC, and the driver behind it."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import grpc.aio
from prometheus_client import REGISTRY

from marksim.codec_events import market_event_from_proto
from marksim.core.errors import Exhausted, MarksimError, NotNow
from marksim.core.warm import ENGINE
from marksim.engine.clock import Clock
from marksim.engine.keeping import Keeping
from marksim.engine.load import Load
from marksim.engine.metrics import WINDOW, EngineMetrics
from marksim.engine.replaying import ReplayDriver
from marksim.engine.requests import factor_of, invalid, until_of
from marksim.engine.run import Driver
from marksim.engine.settings import EngineSettings, parse_speed
from marksim.engine.shard import Shard
from marksim.engine.status import spent_by, status_of
from marksim.journal.replaying import Replay, open_replay
from marksim.runtime.durations import parse_until_ns
from marksim.runtime.identity import Action, authorize, current_principal
from marksim.runtime.logs import get_logger
from marksim.runtime.metrics import Store, StoreKind
from marksim.runtime.serve import Lifecycle
from marksim.runtime.settings import EXIT_USAGE
from marksim.runtime.warming import compile_aloud, prepared
from marksim.scenario import load_scenario
from marksim.scenario.group import group_of
from marksim.v1 import engine_pb2 as pb
from marksim.v1 import engine_pb2_grpc

MAX_STEP_WINDOWS = 1_728_000
"""A simulated day of default windows."""
MAX_QUEUED = 1_000_000
"""Events and commands that may wait; at the bound a further event is refused. A flash crash is 100,000 at most."""
MIN_WATCH_MS, DEFAULT_WATCH_MS = 100, 1_000

log = get_logger(__name__)


class EngineService(engine_pb2_grpc.EngineServiceServicer):
    """Steers the clock; what it steers is in `run.py` and `clock.py`."""

    def __init__(self, settings: EngineSettings) -> None:
        self.replay = _replay_of(settings.replay)
        try:
            if self.replay is not None:
                self.scenario = self.replay.scenario
            else:
                self.scenario = load_scenario(settings.scenario, settings.set, settings.seed)
            self.scenario.cast()  # imports a user's agents: what is wrong with them is no fault of --symbols
        except MarksimError as error:
            _refuse("--scenario, --set or --seed", error)
        try:
            self.group = group_of(self.scenario, settings.symbols)
        except MarksimError as error:
            _refuse("--symbols", error)
        try:
            self.end_ns = parse_until_ns(settings.until, self.scenario.start_ns) if settings.until else self.scenario.end_ns
        except MarksimError as error:
            _refuse("--until", error)
        if self.replay is not None:
            self.end_ns = min(self.end_ns or self.replay.end_ns, self.replay.end_ns)
        self.clock = Clock(parse_speed(settings.speed or self.scenario.speed))
        self.agent_limit_s = settings.agent_limit_s
        self.instruments = {instrument.symbol: instrument for instrument in self.group.instruments}
        self.addresses = settings.orderbook
        self.log_bytes = settings.agent_log_mib << 20
        try:
            # There is nothing to keep of a session that is recorded already.
            self.keeping = Keeping(settings.state if self.replay is None else None, settings.snapshot_windows)
        except (MarksimError, OSError) as error:
            _refuse("--state", error)
        self.driver: Driver | None = None
        self.load = Load()
        self._ending = asyncio.Event()

    def register(self, server: grpc.aio.Server) -> Sequence[str]:
        engine_pb2_grpc.add_EngineServiceServicer_to_server(self, server)
        return (pb.DESCRIPTOR.services_by_name["EngineService"].full_name,)

    async def run(self, lifecycle: Lifecycle) -> None:
        if not await prepared(lambda: compile_aloud(ENGINE, self._preparing), lifecycle.draining):
            self._ending.set()
            return
        self.clock.message = ""
        shards = [Shard(address) for address in self.addresses]
        driver = self.driver = self._make_driver(shards)
        metrics = EngineMetrics(driver, self.clock, self.load, self._state)
        REGISTRY.register(metrics)
        driving = asyncio.create_task(driver.drive())
        measuring = asyncio.create_task(self._measure(driver))
        draining = asyncio.create_task(lifecycle.draining.wait())
        try:
            await asyncio.wait({driving, draining}, return_when=asyncio.FIRST_COMPLETED)
            if driving.done() and driver.state != pb.CLOCK_STATE_FAILED:
                driving.result()
            await draining
            self._ending.set()
            self.clock.ended_in_order = True
            await self.clock.stop()
            # A driver that waits for an absent book does not look at the clock; it has nothing to lose.
            await asyncio.wait({driving}, timeout=1.0)
        finally:
            for task in (driving, measuring, draining):
                task.cancel()
            await asyncio.gather(driving, measuring, draining, return_exceptions=True)
            REGISTRY.unregister(metrics)
            await driver.close()

    def _make_driver(self, shards: list[Shard]) -> Driver:
        if self.replay is not None:
            return ReplayDriver(self.replay, self.group, self.clock, shards, WINDOW.observe, self.end_ns)
        ends = (self.end_ns, self.agent_limit_s)
        return Driver(self.scenario, self.group, self.clock, shards, WINDOW.observe, *ends, self.keeping, self.log_bytes)

    def _preparing(self, kernel: str) -> None:
        self.clock.message = f"preparing kernels: {kernel}"

    def ready(self) -> bool:
        """True while the clock runs, is paused on purpose or at the run's end, and every order book is there."""
        return self._state() in (pb.CLOCK_STATE_RUNNING, pb.CLOCK_STATE_PAUSED, pb.CLOCK_STATE_FINISHED)

    def stores(self) -> Sequence[Store]:
        queued = self.driver.engine.queued if self.driver else 0
        return (Store("events", StoreKind.QUEUE, used=queued),)

    async def GetStatus(self, request: pb.GetStatusRequest, context: Any) -> pb.GetStatusResponse:
        return pb.GetStatusResponse(status=self._status())

    async def Pause(self, request: pb.PauseRequest, context: Any) -> pb.PauseResponse:
        authorize(current_principal(), "", Action.STEER)
        await self.clock.pause()
        await self._tell_books()
        await self._remember()
        return pb.PauseResponse(status=self._status())

    async def Resume(self, request: pb.ResumeRequest, context: Any) -> pb.ResumeResponse:
        authorize(current_principal(), "", Action.STEER)
        self._may_go_on()
        await self.clock.resume()
        await self._tell_books()
        await self._remember()
        return pb.ResumeResponse(status=self._status())

    async def Step(self, request: pb.StepRequest, context: Any) -> pb.StepResponse:
        authorize(current_principal(), "", Action.STEER)
        if request.windows > MAX_STEP_WINDOWS:
            raise invalid("windows", f"is {request.windows}: step at most {MAX_STEP_WINDOWS} at once")
        self._may_go_on()
        await self.clock.step(request.windows or 1)
        return pb.StepResponse(status=self._status())

    async def SetSpeed(self, request: pb.SetSpeedRequest, context: Any) -> pb.SetSpeedResponse:
        authorize(current_principal(), "", Action.STEER)
        await self.clock.set_factor(factor_of(request.speed), self._simulated_time_ns())
        await self._remember()
        return pb.SetSpeedResponse(status=self._status())

    async def RunUntil(self, request: pb.RunUntilRequest, context: Any) -> pb.RunUntilResponse:
        authorize(current_principal(), "", Action.STEER)
        present_ns = self._simulated_time_ns()
        until = until_of(request, present_ns, self.scenario.lookahead_ns, self.instruments)
        # Else the present would be another time than the run's, and what happened long ago would be taken for awaited.
        self._going_on()
        self._may_go_on()
        if isinstance(until, int):
            await self.clock.run_until(until, present_ns)
        else:
            await self.clock.run_until_event(until)
        await self._tell_books()
        await self._remember()
        return pb.RunUntilResponse(status=self._status())

    async def InjectEvent(self, request: pb.InjectEventRequest, context: Any) -> pb.InjectEventResponse:
        authorize(current_principal(), "", Action.STEER)
        event = market_event_from_proto(request, self.instruments)
        self._may_go_on()
        # Else it would happen in a window that is recorded without it.
        driver = self._going_on()
        if driver.engine.queued >= MAX_QUEUED:
            raise Exhausted(f"{MAX_QUEUED} events and commands wait: let the market run first", reason="QUEUE_FULL")
        window = await driver.inject(event)
        log.info("event injected", symbol=event.symbol, kind=type(event).__name__, window=window, run=driver.run)
        return pb.InjectEventResponse(window=window)

    async def WatchStatus(self, request: pb.WatchStatusRequest, context: Any) -> AsyncIterator[pb.WatchStatusResponse]:
        if request.interval_ms and request.interval_ms < MIN_WATCH_MS:
            raise invalid("interval_ms", f"is {request.interval_ms}: must be 0 or at least {MIN_WATCH_MS}")
        interval_s = (request.interval_ms or DEFAULT_WATCH_MS) / 1_000
        while not self._ending.is_set():
            status = self._status()
            yield pb.WatchStatusResponse(status=status)
            waited = 0.0
            while waited < interval_s and not self._ending.is_set() and self._state() == status.state:
                await asyncio.sleep(min(0.1, interval_s - waited))
                waited += 0.1

    def _simulated_time_ns(self) -> int:
        return self.driver.simulated_time_ns if self.driver else self.scenario.start_ns

    def _state(self) -> pb.ClockState:
        if self.driver is None:
            return pb.CLOCK_STATE_STARTING
        running = self.driver.state in (pb.CLOCK_STATE_RUNNING, pb.CLOCK_STATE_PAUSED)
        if running and not all(shard.connected for shard in self.driver.shards):
            return pb.CLOCK_STATE_WAITING
        if running:
            return pb.CLOCK_STATE_PAUSED if self.clock.paused else pb.CLOCK_STATE_RUNNING
        return self.driver.state

    async def _remember(self) -> None:
        if self.driver is not None:
            await self.driver.remember()

    async def _tell_books(self) -> None:
        if self.driver is not None and self.driver.state in (
            pb.CLOCK_STATE_RUNNING,
            pb.CLOCK_STATE_PAUSED,
        ):
            await self.driver.set_paused(self.clock.paused)

    def _status(self) -> pb.EngineStatus:
        return status_of(self.scenario, self.group, self.clock, self.driver, self.load, self._state(), self.end_ns)

    def _going_on(self) -> Driver:
        """What drives the run. Raises NotNow while there is none, or nobody can say yet how far it is."""
        if self.driver is None or not self.driver.run:
            raise NotNow("no run has begun yet: try again when the market runs", reason="NOT_STARTED")
        if self.driver.state == pb.CLOCK_STATE_STARTING:
            raise NotNow("the run does not go on yet: try again when the market runs", reason="NOT_STARTED")
        return self.driver

    def _may_go_on(self) -> None:
        """Raises NotNow where no command can move the market any more."""
        if self._state() == pb.CLOCK_STATE_FINISHED:
            raise NotNow("the run is over: start the market again for another", reason="RUN_OVER")
        if self._state() == pb.CLOCK_STATE_FAILED:
            stopped = self.driver.message if self.driver else ""
            raise NotNow(f"the market has stopped: {stopped}", reason="MARKET_FAILED")

    async def _measure(self, driver: Driver) -> None:
        """Once a wall second: where that second went."""
        while True:
            self.load.take(spent_by(driver, self.clock), paced=self._is_paced())
            await asyncio.sleep(1.0)

    def _is_paced(self) -> bool:
        return self._state() == pb.CLOCK_STATE_RUNNING and self.clock.pacer.factor is not None


def _replay_of(path: Path | None) -> Replay | None:
    try:
        return open_replay(path) if path is not None else None
    except (MarksimError, OSError) as error:
        _refuse("--replay", error)


def _refuse(flag: str, error: Exception) -> NoReturn:
    """As of any other wrong setting: one line for people, whatever the log's format."""
    sys.stderr.write(f"marksim engine: {flag} is wrong: {error}\n")
    raise SystemExit(EXIT_USAGE) from None
