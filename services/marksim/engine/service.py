"""The engine service: EngineService over gRPC, and the driver behind it."""

import asyncio
import math
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Any, NoReturn

import grpc.aio
from prometheus_client import REGISTRY

from marksim.core.errors import InvalidInput, MarksimError, Unsupported
from marksim.engine.clock import Clock
from marksim.engine.metrics import WINDOW, EngineMetrics
from marksim.engine.run import Driver
from marksim.engine.settings import EngineSettings, parse_speed
from marksim.engine.shard import Shard
from marksim.runtime.identity import Action, authorize, current_principal
from marksim.runtime.metrics import Store, StoreKind
from marksim.runtime.serve import Lifecycle
from marksim.runtime.settings import EXIT_USAGE
from marksim.scenario import load_scenario
from marksim.scenario.group import group_of
from marksim.v1 import engine_pb2 as pb
from marksim.v1 import engine_pb2_grpc

MAX_STEP_WINDOWS = 1_728_000
"""A simulated day of default windows."""
MIN_WATCH_MS, DEFAULT_WATCH_MS = 100, 1_000


class EngineService(engine_pb2_grpc.EngineServiceServicer):
    """Steers the clock; what it steers is in `run.py` and `clock.py`."""

    def __init__(self, settings: EngineSettings) -> None:
        try:
            self.scenario = load_scenario(settings.scenario, settings.set, settings.seed)
        except MarksimError as error:
            _refuse("--scenario, --set or --seed", error)
        try:
            self.group = group_of(self.scenario, settings.symbols)
        except MarksimError as error:
            _refuse("--symbols", error)
        self.clock = Clock(parse_speed(settings.speed or self.scenario.speed))
        self.addresses = settings.orderbook
        self.driver: Driver | None = None
        self._shares = (0.0, 0.0, 0.0)
        self._ending = asyncio.Event()

    def register(self, server: grpc.aio.Server) -> Sequence[str]:
        engine_pb2_grpc.add_EngineServiceServicer_to_server(self, server)
        return (pb.DESCRIPTOR.services_by_name["EngineService"].full_name,)

    async def run(self, lifecycle: Lifecycle) -> None:
        shards = [Shard(address) for address in self.addresses]
        self.driver = Driver(self.scenario, self.group, self.clock, shards, WINDOW.observe)
        metrics = EngineMetrics(self.driver, self.clock, self._state)
        REGISTRY.register(metrics)
        driving = asyncio.create_task(self.driver.drive())
        measuring = asyncio.create_task(self._measure(self.driver))
        draining = asyncio.create_task(lifecycle.draining.wait())
        try:
            await asyncio.wait({driving, draining}, return_when=asyncio.FIRST_COMPLETED)
            if driving.done() and self.driver.state != pb.CLOCK_STATE_FAILED:
                driving.result()
            await draining
            self._ending.set()
            await self.clock.stop()
            # A driver that waits for an absent book does not look at the clock; it has nothing to lose.
            await asyncio.wait({driving}, timeout=1.0)
        finally:
            for task in (driving, measuring, draining):
                task.cancel()
            await asyncio.gather(driving, measuring, draining, return_exceptions=True)
            REGISTRY.unregister(metrics)
            await self.driver.close()

    def ready(self) -> bool:
        """True while the clock runs or is paused on purpose, and every order book is there."""
        return self._state() in (pb.CLOCK_STATE_RUNNING, pb.CLOCK_STATE_PAUSED)

    def stores(self) -> Sequence[Store]:
        queued = self.driver.engine.queued if self.driver else 0
        return (Store("events", StoreKind.QUEUE, used=queued),)

    async def GetStatus(self, request: pb.GetStatusRequest, context: Any) -> pb.GetStatusResponse:
        return pb.GetStatusResponse(status=self._status())

    async def Pause(self, request: pb.PauseRequest, context: Any) -> pb.PauseResponse:
        authorize(current_principal(), "", Action.STEER)
        await self.clock.pause()
        await self._tell_books()
        return pb.PauseResponse(status=self._status())

    async def Resume(self, request: pb.ResumeRequest, context: Any) -> pb.ResumeResponse:
        authorize(current_principal(), "", Action.STEER)
        await self.clock.resume()
        await self._tell_books()
        return pb.ResumeResponse(status=self._status())

    async def Step(self, request: pb.StepRequest, context: Any) -> pb.StepResponse:
        authorize(current_principal(), "", Action.STEER)
        if request.windows > MAX_STEP_WINDOWS:
            raise _invalid("windows", f"is {request.windows}: step at most {MAX_STEP_WINDOWS} at once")
        await self.clock.step(request.windows or 1)
        return pb.StepResponse(status=self._status())

    async def SetSpeed(self, request: pb.SetSpeedRequest, context: Any) -> pb.SetSpeedResponse:
        authorize(current_principal(), "", Action.STEER)
        await self.clock.set_factor(_factor(request.speed), self._simulated_time_ns())
        return pb.SetSpeedResponse(status=self._status())

    async def RunUntil(self, request: pb.RunUntilRequest, context: Any) -> pb.RunUntilResponse:
        authorize(current_principal(), "", Action.STEER)
        await self.clock.run_until(request.simulated_time_ns, self._simulated_time_ns())
        await self._tell_books()
        return pb.RunUntilResponse(status=self._status())

    async def InjectEvent(self, request: pb.InjectEventRequest, context: Any) -> pb.InjectEventResponse:
        authorize(current_principal(), "", Action.STEER)
        raise Unsupported("InjectEvent is part of the contract, but this engine does not inject events yet")

    async def WatchStatus(self, request: pb.WatchStatusRequest, context: Any) -> AsyncIterator[pb.WatchStatusResponse]:
        if request.interval_ms and request.interval_ms < MIN_WATCH_MS:
            raise _invalid("interval_ms", f"is {request.interval_ms}: must be 0 or at least {MIN_WATCH_MS}")
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

    async def _tell_books(self) -> None:
        if self.driver is not None and self.driver.state in (
            pb.CLOCK_STATE_RUNNING,
            pb.CLOCK_STATE_PAUSED,
        ):
            await self.driver.set_paused(self.clock.paused)

    def _status(self) -> pb.EngineStatus:
        pacer, driver = self.clock.pacer, self.driver
        smallest_ns = min(
            (spec.order_latency_ns + spec.feed_latency_ns for spec in self.group.agents),
            default=math.inf,
        )
        agents_share, book_share, idle_share = self._shares
        status = pb.EngineStatus(
            scenario=self.scenario.name,
            scenario_hash=self.scenario.hash,
            seed=self.scenario.seed,
            state=self._state(),
            simulated_time_ns=self._simulated_time_ns(),
            start_time_ns=self.scenario.start_ns,
            lookahead_ns=self.scenario.lookahead_ns,
            speed=pb.Speed(max=True) if pacer.factor is None else pb.Speed(factor=pacer.factor),
            measured_speed=self.clock.measured_speed,
            lag_seconds=pacer.lag_s,
            slips=pacer.slips,
            slipped_seconds=pacer.slipped_s,
            agents_share=agents_share,
            book_share=book_share,
            idle_share=idle_share,
            quantised=smallest_ns < self.scenario.lookahead_ns,
        )
        if driver is not None:
            _describe_run(status, driver)
        return status

    async def _measure(self, driver: Driver) -> None:
        """Once a wall second: where that second went."""
        spent = (0.0, 0.0, 0.0)
        while True:
            now = (driver.agents_s, driver.book_s, self.clock.idle_s)
            self._shares = (now[0] - spent[0], now[1] - spent[1], now[2] - spent[2])
            spent = now
            await asyncio.sleep(1.0)


def _refuse(flag: str, error: MarksimError) -> NoReturn:
    """As of any other wrong setting: one line for people, whatever the log's format."""
    sys.stderr.write(f"marksim engine: {flag} is wrong: {error.message}\n")
    raise SystemExit(EXIT_USAGE) from None


def _invalid(field: str, problem: str) -> InvalidInput:
    return InvalidInput(f"{field} {problem}", metadata={"field": field})


def _factor(speed: pb.Speed) -> float | None:
    which = speed.WhichOneof("speed")
    if which is None or (which == "max" and not speed.max):
        raise _invalid("speed", "is empty: set factor, or max to true")
    if which == "max":
        return None
    try:
        return parse_speed(speed.factor)
    except ValueError as error:
        raise _invalid("speed.factor", f"{speed.factor}: {error}") from None


def _describe_run(status: pb.EngineStatus, driver: Driver) -> None:
    status.run = driver.run
    status.term = driver.term
    status.runs = driver.runs
    status.message = driver.message
    status.windows = driver.windows
    status.agents = driver.engine.agents
    status.failed_agents = len(driver.engine.failures)
    status.orders_total = driver.engine.orders_sent
    status.trades_total = driver.trades_total
    for shard in driver.shards:
        status.shards.append(
            pb.ShardStatus(
                address=shard.address,
                connected=shard.connected,
                symbols=shard.symbols,
                last_window=shard.last_window,
            )
        )
