"""What Prometheus sees of the engine."""

import math

from prometheus_client import REGISTRY, CollectorRegistry

from marksim.engine.clock import Clock
from marksim.engine.load import Load
from marksim.engine.metrics import STATES, EngineMetrics
from marksim.engine.run import Driver
from marksim.engine.shard import Shard
from marksim.scenario import load_scenario
from marksim.scenario.group import group_of
from marksim.v1 import engine_pb2 as pb
from tests.engine.fake_book import FakeBook, serve


def registry(driver: Driver, clock: Clock, state: pb.ClockState) -> CollectorRegistry:
    """The engine's metrics alone."""
    alone = CollectorRegistry()
    alone.register(EngineMetrics(driver, clock, Load(), lambda: state))
    return alone


async def test_one_state_at_a_time() -> None:
    """The state that the clock is in shows 1, every other one 0, by the names of the contract."""
    clock = Clock(10.0)
    scenario = load_scenario("default")
    driver = Driver(scenario, group_of(scenario, ()), clock, [], lambda _: None)
    shown = registry(driver, clock, pb.CLOCK_STATE_PAUSED)
    states = {name: shown.get_sample_value("marksim_engine_state", {"state": name}) for name in STATES}
    assert states == dict.fromkeys(("starting", "running", "waiting", "finished", "failed"), 0.0) | {"paused": 1.0}
    await driver.close()


async def test_as_fast_as_possible_is_an_infinite_speed() -> None:
    """Asked and reached speed are two metrics, so that a slow market shows."""
    clock = Clock(10.0)
    scenario = load_scenario("default")
    driver = Driver(scenario, group_of(scenario, ()), clock, [], lambda _: None)
    shown = registry(driver, clock, pb.CLOCK_STATE_RUNNING)
    assert shown.get_sample_value("marksim_engine_target_speed_ratio") == 10.0
    clock.pacer.factor = None
    assert shown.get_sample_value("marksim_engine_target_speed_ratio") == math.inf
    assert shown.get_sample_value("marksim_engine_speed_ratio") == 0.0
    await driver.close()


async def test_the_tape_hash_is_a_number() -> None:
    """Its first twelve digits, as a double holds them; none before it is known."""
    clock, scenario = Clock(10.0), load_scenario("default")
    driver = Driver(scenario, group_of(scenario, ()), clock, [], lambda _: None)
    shown = registry(driver, clock, pb.CLOCK_STATE_RUNNING)
    assert (driver.tape_hash, driver.tape_window) == ("", -1)
    assert shown.get_sample_value("marksim_engine_tape_hash") is None
    driver.tape_hash = "ffffffffffff" + "0" * 52
    assert shown.get_sample_value("marksim_engine_tape_hash") == 0xFFFFFFFFFFFF
    await driver.close()


async def test_windows_are_counted_and_timed() -> None:
    """After some windows their number, the run and the wall time they took are there."""
    scenario, clock = load_scenario("default"), Clock(None)
    book = FakeBook(scenario)
    server, port = await serve(book)
    took: list[float] = []
    shards = [Shard(f"127.0.0.1:{port}")]
    driver = Driver(scenario, group_of(scenario, ()), clock, shards, lambda seconds: _note(took, seconds, clock))
    await driver.drive()
    shown = registry(driver, clock, pb.CLOCK_STATE_RUNNING)
    assert shown.get_sample_value("marksim_engine_windows_total") == len(took) == 20
    assert shown.get_sample_value("marksim_engine_runs_total") == 1
    assert shown.get_sample_value("marksim_engine_orderbook_connected", {"orderbook": f"127.0.0.1:{port}"}) == 1
    spent = [
        shown.get_sample_value("marksim_engine_spent_seconds_total", {"part": part})
        for part in ("agents", "populations", "book")
    ]
    assert math.isclose(sum(filter(None, spent)), sum(took), rel_tol=1e-6)
    labels = {"run": driver.run, "scenario": scenario.name, "scenario_hash": scenario.hash, "seed": str(scenario.seed)}
    assert shown.get_sample_value("marksim_engine_run_info", labels) == 1
    await driver.close()
    await server.stop(None)


def _note(took: list[float], seconds: float, clock: Clock) -> None:
    took.append(seconds)
    clock.stopping = len(took) == 20


def test_the_histogram_of_windows_is_there_from_the_start() -> None:
    """A dashboard that is opened before the first window finds it empty, not absent."""
    assert REGISTRY.get_sample_value("marksim_engine_window_duration_seconds_count") is not None
