"""What populations cost: with their book and ticks in compiled code, beside the bare book on the same commands; as they
grow, and as their market ages.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from statistics import median
from typing import Any, Final

import numpy as np

from bench.report import Report
from marksim.core.agents.latency import constant
from marksim.core.agents.spec import PopulationSpec, ValueSpec
from marksim.core.book.book import OrderBook
from marksim.core.feed.ticks import TickBuilder
from marksim.core.populations import POPULATION_TYPES, floor
from marksim.core.populations.crowd import Crowd
from marksim.core.populations.memory import rows
from marksim.core.types import COMMAND, Instrument, Records

S: Final = 1_000_000_000
START_NS: Final = 1_736_121_600 * S
WINDOW_NS: Final = 50_000_000
BTC: Final = Instrument("BTC/USD", "BTC", "USD", Fraction(1), Fraction(1, 100), 100_000, 1, 400_000)
ROWS: Final = 1 << 16
BATCH: Final = 4_096

Flow = tuple[tuple[str, int, dict[str, Any]], ...]
"""Behaviours with their traders and parameters."""

LIQUIDITY: Final[Flow] = (("market_maker", 12, {"interval_s": 0.8}), ("liquidity_provider", 40, {}))
FLOWS: Final[dict[str, Flow]] = {
    "all behaviours": (
        *LIQUIDITY,
        ("noise", 5_000, {"interval_s": 400.0}),
        ("informed", 400, {}),
        ("momentum", 300, {}),
        ("mean_reversion", 200, {}),
        ("hawkes", 2_000, {"interval_s": 4_000.0}),
        ("splitters", 500, {"interval_s": 600.0}),
        ("imbalance", 10, {}),
        ("stop_loss", 500, {}),
    ),
    "noise and makers": (*LIQUIDITY, ("noise", 5_000, {"interval_s": 400.0})),
    "noise and makers, 100 times": (
        ("market_maker", 12, {"interval_s": 0.1}),
        ("liquidity_provider", 40, {}),
        ("noise", 5_000, {"interval_s": 4.0}),
    ),
}
SIZES: Final = (100, 1_000, 10_000, 100_000, 1_000_000)
BASE: Final = 1_000
AGES_S: Final = (60, 3_600, 86_400, 864_000)


@dataclass
class Market:
    """Populations, their book and its ticks."""

    flow: Flow
    keeps: bool = False
    """Whether the commands are kept that arrived at the book."""
    kept: list[Records] = field(default_factory=list)

    def __post_init__(self) -> None:
        account, specs = 1, []
        latency = constant(20_000_000)
        for number, (kind, traders, parameters) in enumerate(self.flow):
            made = POPULATION_TYPES[kind].parameters(**parameters)
            name = f"{kind}{number}"
            specs.append(PopulationSpec(account, name, kind, traders, BTC.symbol, latency, latency, made))
            account += traders
        value = ValueSpec(BTC.symbol)
        self.crowd = Crowd(BTC, specs, value, seed=1, start_ns=START_NS, lookahead_ns=WINDOW_NS)
        self.book, self.ticker = OrderBook(BTC, start_ns=START_NS), TickBuilder(BTC)
        memory = self.crowd.memory
        for name in ("applied", "events", "quotes", "depth", "ticks"):
            memory.grow(name, ROWS)
        self.events = 0
        self.lanes = np.zeros(1, floor.LANE)
        self.counters = np.zeros(1, floor.COUNTERS)
        addresses = (memory.counters, self.book.memory.counters, self.ticker.memory.counters)
        self.lanes[0] = tuple(counters.ctypes.data for counters in addresses)
        self.counters["lanes_address"], self.counters["lanes_length"] = self.lanes.ctypes.data, 1
        self.counters["start_ns"], self.counters["lookahead_ns"] = START_NS, WINDOW_NS

    @property
    def commands(self) -> int:
        """Sent by traders so far, cancels included."""
        return int(self.crowd.memory.arrays["populations"]["serial"].sum())

    def run(self, until_s: float) -> float:
        """Run until then; returns the seconds it took."""
        began = time.perf_counter()
        last = int(until_s * S) // WINDOW_NS - 1
        while (answer := floor.run_windows(self.counters, last)) != floor.DONE:
            if answer == floor.BOOK_ROOM:
                self.book.make_room(int(self.counters["quotes"][0]))
            elif answer == floor.CROWD_ROOM:
                self.crowd.make_room(int(self.book.memory.counters["executions"][0]))
            else:
                self._take()
        self._take()
        return time.perf_counter() - began

    def _take(self) -> None:
        memory = self.crowd.memory
        self.events += int(memory.counters["event_rows"][0])
        if self.keeps:
            self.kept.append(rows(memory, "applied", int(memory.counters["command_rows"][0])).copy())
        for name in ("command", "event", "quote", "depth", "tick"):
            memory.counters[f"{name}_rows"] = 0


def bare(commands: Records, state_hash: str) -> float:
    """Seconds that the book alone takes for the same commands."""
    book = OrderBook(BTC, start_ns=START_NS)
    began = time.perf_counter()
    for at in range(0, len(commands), BATCH):
        book.apply_in_place(commands[at : at + BATCH])
    elapsed = time.perf_counter() - began
    if book.state_hash() != state_hash:
        raise SystemExit("the bare book is not in the state of the market's")
    return elapsed


def populations(report: Report, seconds: float = 7_200.0, rounds: int = 5) -> None:
    """The table over flows; `seconds` are simulated."""
    table: list[list[str | float]] = []
    for name, flow in FLOWS.items():
        until_s = seconds / (100 if name.endswith("100 times") else 1)
        whole, alone = [], []
        kept = Market(flow, keeps=True)
        kept.run(until_s)
        commands = np.concatenate([np.zeros(0, COMMAND), *kept.kept])
        for _ in range(rounds):
            market = Market(flow)
            whole.append(market.run(until_s))
            alone.append(bare(commands, kept.book.state_hash()))
        orders, took = market.crowd.orders_sent, median(whole)
        rates = (orders / took, len(commands) / took, market.events / took, len(commands) / median(alone))
        table.append([name, *rates, took / median(alone)])
    report.heading("Populations with their book and ticks, in process, on one core")
    columns = ["flow", "orders/s", "commands/s", "events/s", "commands/s of the bare book", "times its time"]
    report.table(columns, table)


def noise_of(count: int) -> Flow:
    """The same flow of so many traders: their orders live a second, so that all but few expire before they are replaced."""
    return *LIQUIDITY, ("noise", count, {"interval_s": count / 125.0, "patience_s": 1.0, "market_share": 0.2})


def traders(report: Report, sizes: Sequence[int] = SIZES, seconds: float = 600.0, rounds: int = 5) -> None:
    """The table over numbers of traders."""
    nobody = Market(LIQUIDITY).crowd.memory.nbytes
    markets = {count: Market(noise_of(count)) for count in sizes}
    costs: dict[int, list[float]] = {count: [] for count in sizes}
    for turn in range(rounds + 1):
        # In turns, so that what else the machine does is shared out; the first is not counted.
        for count, market in markets.items():
            before = market.crowd.orders_sent
            took = market.run((turn + 1) * seconds)
            costs[count].append(took / (market.crowd.orders_sent - before) * 1e9)
    held = {count: (market.crowd.memory.nbytes - nobody) / count for count, market in markets.items()}
    figures = {count: (min(costs[count][1:]), held[count]) for count in sizes}
    least = BASE if BASE in figures else sizes[0]
    base = figures[least][0]
    table: list[list[str | float]] = [[f"{count:,}", cost, cost / base, held] for count, (cost, held) in figures.items()]
    report.heading("An order as populations grow, at the same flow (noise traders with 12 makers and 40 providers)")
    report.table(["noise traders", "ns", f"times that of {least:,}", "bytes a trader"], table)


def aging(report: Report, ages_s: Sequence[int] = AGES_S, seconds: float = 1_800.0) -> None:
    """The table over ages of one market."""
    market, base = Market(FLOWS["all behaviours"]), 0.0
    table: list[list[str | float]] = []
    for age_s in ages_s:
        market.run(age_s)
        costs = []
        for part in range(1, 6):
            before = market.commands
            costs.append(market.run(age_s + seconds * part / 5) / max(market.commands - before, 1) * 1e9)
        cost = median(costs)
        base = base or cost
        table.append([f"{age_s:,} s", cost, cost / base, market.book.order_count])
    report.heading("A command as a market ages (all behaviours)")
    report.table(["simulated age", "ns", "times the first", "resting orders"], table)
