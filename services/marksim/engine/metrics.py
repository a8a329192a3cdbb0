"""What the engine tells Prometheus."""

import math
from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client import Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from marksim.core.feed.tape import hash_number
from marksim.engine.clock import Clock
from marksim.engine.load import Bottleneck, Load
from marksim.engine.run import Driver
from marksim.v1 import engine_pb2 as pb

WINDOW: Final = Histogram(
    "marksim_engine_window_duration_seconds",
    "Wall time from the begin of a window to the delivery of what it did: agents, and the order books' answer.",
    buckets=(0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5),
)
STATES: Final = {
    pb.ClockState.Name(number).removeprefix("CLOCK_STATE_").lower(): number for number in pb.ClockState.values() if number
}


class EngineMetrics(Collector):
    """Read when Prometheus asks, in the thread of the scrape: plain numbers only, nothing is counted for it ahead."""

    def __init__(self, driver: Driver, clock: Clock, load: Load, state: Callable[[], pb.ClockState]) -> None:
        self._driver = driver
        self._clock = clock
        self._load = load
        self._state = state

    def describe(self) -> Iterable[Metric]:
        """Names are not checked ahead."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Everything but the histogram of windows."""
        for name, text, total in self._counters():
            yield CounterMetricFamily(f"marksim_engine_{name}", text, total)
        for name, text, value in self._gauges():
            yield GaugeMetricFamily(f"marksim_engine_{name}", text, float(value))
        if self._driver.tape_hash:
            text = "First 48 bits, which are the first 12 hexadecimal digits, of the hash of the whole tape, as a number."
            yield GaugeMetricFamily("marksim_engine_tape_hash", text, float(hash_number(self._driver.tape_hash)))
        yield self._spent()
        yield self._states()
        yield self._bottlenecks()
        yield self._run_info()
        yield self._orderbooks()

    def _counters(self) -> Iterable[tuple[str, str, float]]:
        driver, pacer = self._driver, self._clock.pacer
        yield "windows", "Windows done in the present run.", driver.windows
        yield "orders", "Orders that agents and populations sent in the present run.", driver.engine.orders_sent
        yield "population_orders", "Those of them that populations sent.", driver.engine.crowd_orders
        yield "trades", "Trades in the agents' symbols in the present run.", driver.trades_total
        yield "runs", "Runs begun since the process started.", driver.runs
        yield "snapshot_failures", "Snapshots that could not be written.", driver.snapshot_failures
        yield "slips", "Times that the clock was over one wall second late and gave that time up.", pacer.slips
        yield "slipped_seconds", "Wall time that was given up for being late.", pacer.slipped_s

    def _gauges(self) -> Iterable[tuple[str, str, float]]:
        driver, pacer = self._driver, self._clock.pacer
        yield "simulated_time_seconds", "Simulated time, since the Unix epoch.", driver.simulated_time_ns / 1e9
        yield (
            "speed_ratio",
            "Simulated seconds a wall second over the last ten wall seconds; 0 while paused.",
            self._clock.measured_speed,
        )
        yield (
            "target_speed_ratio",
            "Simulated seconds a wall second that were asked for; infinite for as fast as possible.",
            math.inf if pacer.factor is None else pacer.factor,
        )
        yield "lag_seconds", "How far the clock is behind where its speed would have it.", self._clock.lag_s
        yield "lookahead_seconds", "Simulated length of a window.", driver.scenario.lookahead_ns / 1e9
        yield "agents", "Agents of the run, those that failed included.", driver.engine.agents
        yield "traders", "Traders of all populations of the run.", driver.engine.traders
        saved = driver.saved_window
        age = driver.windows - 1 - (-1 if saved is None else saved) if driver.keeps else 0
        yield "snapshot_age_windows", "Windows after the newest snapshot: a start would go through them again.", age
        yield "snapshot_stop_seconds", "How long the market stood still for the last snapshot.", driver.snapshot_stop_s
        yield "failed_agents", "Agents that raised an error and were taken out.", len(driver.engine.failures)

    def _spent(self) -> Metric:
        spent = CounterMetricFamily(
            "marksim_engine_spent_seconds", "Wall time since the start by what it went to.", labels=["part"]
        )
        populations_s = self._driver.populations_s
        parts = {"agents": self._driver.agents_s - populations_s, "populations": populations_s}
        parts |= {"book": self._driver.book_s, "idle": self._clock.idle_s}
        for part, seconds in parts.items():
            spent.add_metric([part], seconds)
        return spent

    def _states(self) -> Metric:
        present = self._state()
        states = GaugeMetricFamily(
            "marksim_engine_state", "1 for the state that the clock is in, 0 for the others.", labels=["state"]
        )
        for name, number in STATES.items():
            states.add_metric([name], float(number == present))
        return states

    def _bottlenecks(self) -> Metric:
        slow, _ = self._load.bottleneck()
        text = "1 for what keeps the clock from its speed, 0 for the others."
        parts = GaugeMetricFamily("marksim_engine_bottleneck", text, labels=["part"])
        for part in Bottleneck:
            if part is not Bottleneck.UNSPECIFIED:
                parts.add_metric([part.name.lower()], float(part is slow))
        return parts

    def _run_info(self) -> Metric:
        scenario = self._driver.scenario
        info = GaugeMetricFamily(
            "marksim_engine_run_info",
            "Always 1; the labels name the present run (its epoch) and what it runs.",
            labels=["run", "scenario", "scenario_hash", "seed"],
        )
        info.add_metric([self._driver.run, scenario.name, scenario.hash, str(scenario.seed)], 1)
        return info

    def _orderbooks(self) -> Metric:
        connected = GaugeMetricFamily(
            "marksim_engine_orderbook_connected", "1 while the stream to an order book is open.", labels=["orderbook"]
        )
        for shard in self._driver.shards:
            connected.add_metric([shard.address], float(shard.connected))
        return connected
