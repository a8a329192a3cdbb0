"""A ready scenario in process, and what its tests look at."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from marksim.core.sim.commands import command, joined
from marksim.core.sim.engine import EVENTS_ACCOUNT
from marksim.core.sim.simulation import Simulation
from marksim.core.types import NS_PER_S, CommandKind, ExecutionKind, Records, SessionState, Side
from marksim.scenario import load_scenario

WARM_UP_S = 60
"""Until then a book may still be filling."""


Seconds = NDArray[np.float64]


@dataclass(frozen=True)
class Played:
    """What happened to one symbol of a run."""

    seconds: float
    start_ns: int
    orders: int
    events: int
    trades: Records
    """dtype EXECUTION"""
    quotes: Records
    ticks: Records

    def seconds_of(self, rows: Records) -> Seconds:
        """Since the start."""
        since: Seconds = (rows["time_ns"] - self.start_ns) / NS_PER_S
        return since

    def one_sided(self) -> Records:
        """Ticks of continuous trading after the warm-up that lack a side."""
        ticks = self.ticks
        lacking = (ticks["bid_quantity_lots"] == 0) | (ticks["ask_quantity_lots"] == 0)
        trading = ticks["session_state"] == SessionState.CONTINUOUS
        late = self.seconds_of(ticks) >= self.opened_s() + WARM_UP_S
        return np.asarray(ticks[lacking & trading & late])

    def opened_s(self) -> float:
        """When continuous trading began."""
        trading = self.ticks["session_state"] == SessionState.CONTINUOUS
        return float(self.seconds_of(self.ticks[trading][:1])[0])

    def last_at(self, second: float) -> int:
        """The last price then, in ticks of price."""
        place = int(np.searchsorted(self.seconds_of(self.ticks), second, side="right")) - 1
        return int(self.ticks["last_price_ticks"][place])

    def mids_at(self, seconds: NDArray[np.int64]) -> Seconds:
        """The mid at these times, in ticks of price."""
        rows = self.ticks[np.searchsorted(self.seconds_of(self.ticks), seconds, side="right") - 1]
        mids: Seconds = 0.5 * (rows["bid_price_ticks"] + rows["ask_price_ticks"])
        return mids


@dataclass(frozen=True)
class Run:
    """A run that is over: nobody has failed."""

    played: dict[str, Played]
    wakeups: int
    agents_orders: int
    unaccounted: dict[str, tuple[int, int]]
    """Of each symbol, the sums of all positions and of all cash once everybody knows of all its trades."""


def simulation_of(name: str, seed: int, overrides: tuple[str, ...] = ()) -> Simulation:
    """A run that begins."""
    scenario = load_scenario(name, overrides, seed)
    window = {"start_ns": scenario.start_ns, "lookahead_ns": scenario.lookahead_ns}
    return Simulation(scenario.instruments(), scenario.cast(), seed=seed, **window)


@cache
def play(name: str, seconds: int, seed: int = 1, overrides: tuple[str, ...] = ()) -> Run:
    """Run a ready scenario for so many simulated seconds."""
    simulation = simulation_of(name, seed, overrides)
    engine = simulation.engine
    kept: dict[str, list[tuple[Records, Records, Records]]] = {symbol: [] for symbol in simulation.books}
    counts = {symbol: [0, 0] for symbol in simulation.books}
    for piece in simulation.run(engine.start_ns + seconds * NS_PER_S):
        trades = piece.executions[piece.executions["kind"] == ExecutionKind.TRADED]
        kept[piece.symbol].append((trades, piece.quotes.copy(), piece.ticks.copy()))
        counts[piece.symbol][0] += int(np.count_nonzero(piece.executions["kind"] == ExecutionKind.ACCEPTED))
        counts[piece.symbol][1] += len(piece.executions)
    rows = {symbol: [np.concatenate(part) for part in zip(*parts, strict=True)] for symbol, parts in kept.items()}
    wakeups, agents_orders = engine.wakeups, engine.agents_orders
    unaccounted = settle(simulation, {symbol: trades for symbol, (trades, *_) in rows.items()})
    assert [(failure.name, failure.error) for failure in engine.failures] == []
    engine.close()
    played = {one: Played(seconds, engine.start_ns, counts[one][0], counts[one][1], *found) for one, found in rows.items()}
    return Run(played, wakeups, agents_orders, unaccounted)


def settle(simulation: Simulation, trades: dict[str, Records]) -> dict[str, tuple[int, int]]:
    """Close the market and let all learn what they have traded. The sums of what they and the market's own account hold."""
    engine, now_ns = simulation.engine, simulation.now_ns
    for symbol in simulation.books:
        crowd = engine.crowd(symbol)
        closing = command(now_ns, EVENTS_ACCOUNT, 1 << 40, CommandKind.SET_SESSION, session=SessionState.CLOSED)
        crowd.push(joined([closing]))
        # One more moment each, after the last notice has come.
        crowd.memory.arrays["populations"]["next_ns"] = now_ns + 60 * NS_PER_S
    late = [(piece.symbol, piece.executions.copy()) for piece in simulation.run(now_ns + 62 * NS_PER_S)]
    sums = {}
    for symbol in simulation.books:
        traders = engine.crowd(symbol).positions()
        lots, cash = int(traders["position_lots"].sum()), int(traders["cash_ticks"].sum())
        assert len(traders) == 0 or traders["position_lots"].any()
        for holding in engine.holdings(symbol):
            holding.learn(1 << 62)
            lots, cash = lots + holding.position_lots, cash + holding.cash_ticks
        for rows in (trades[symbol], *(rows for one, rows in late if one == symbol)):
            own = rows[(rows["kind"] == ExecutionKind.TRADED) & (rows["account"] == EVENTS_ACCOUNT)]
            signed = np.where(own["side"] == Side.BUY, own["quantity_lots"], -own["quantity_lots"])
            lots, cash = lots + int(signed.sum()), cash - int((signed * own["price_ticks"]).sum())
        sums[symbol] = (lots, cash)
    return sums
