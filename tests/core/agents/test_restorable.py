"""Every type of agent survives a crash: restored from its state at a window's end, it goes on as if nothing had been."""

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from marksim.core.agents import AGENT_TYPES, AgentSpec, Cast
from marksim.core.agents.arbitrage import Arbitrage
from marksim.core.agents.hawkes import Hawkes
from marksim.core.agents.imbalance import Imbalance
from marksim.core.agents.informed import Informed, InformedAgent
from marksim.core.agents.latency import constant
from marksim.core.agents.liquidity_provider import LiquidityProvider, LiquidityProviderAgent
from marksim.core.agents.market_maker import MarketMaker
from marksim.core.agents.mean_reversion import MeanReversion
from marksim.core.agents.momentum import Momentum
from marksim.core.agents.noise import Noise, NoiseAgent
from marksim.core.agents.restorable import METHODS, is_restorable
from marksim.core.agents.spec import AgentFunction, RestorableAgent, ValueSpec
from marksim.core.agents.stop_loss import StopLoss
from marksim.core.agents.trend import Trend
from marksim.core.agents.triangular_arbitrage import TriangularArbitrage
from marksim.core.agents.whale import Whale
from marksim.core.agents.zero_intelligence import ZeroIntelligence
from marksim.core.book.book import OrderBook
from marksim.core.feed.ticks import TickBuilder
from marksim.core.sim.engine import AsyncTimeEngine, SymbolOutcome
from marksim.core.sim.simulation import Simulation
from marksim.core.sim.state import EngineState
from marksim.core.types import COMMAND, NS_PER_S, Instrument, SessionState
from marksim.scenario.code import import_function, read_code
from tests.core.agents.played import ETH, ETH_BTC
from tests.core.agents.restoring import Watched
from tests.core.sim.worlds import BTC, MS

SECONDS = 240
SESSIONS = (
    (0, SessionState.CONTINUOUS),
    (80 * NS_PER_S, SessionState.HALTED),
    (110 * NS_PER_S, SessionState.OPENING_AUCTION),
    (130 * NS_PER_S, SessionState.CONTINUOUS),
    (200 * NS_PER_S, SessionState.CLOSED),
    (215 * NS_PER_S, SessionState.PRE_OPEN),
    (225 * NS_PER_S, SessionState.CONTINUOUS),
)
TRADED = [replace(instrument, sessions=SESSIONS) for instrument in (BTC, ETH, ETH_BTC)]
WHALE = Whale(first_pause_s=1.0, pause_s=3.0, parent_lots=400, children=8, child_interval_s=0.4)
OTHERS: dict[str, tuple[Any, ...]] = {
    "market_maker": (MarketMaker(max_position_sizes=0.1, requote_s=0.2),),
    "liquidity_provider": (LiquidityProvider(levels=1), LiquidityProvider(levels=6, max_position_sizes=0.5, requote_s=0.2)),
    "noise": (Noise(interval_s=0.2, market_share=0.0, max_open=3), Noise(interval_s=0.5, market_share=1.0)),
    "zero_intelligence": (ZeroIntelligence(max_open=4, cancel_rate=0.5), ZeroIntelligence(window_ticks=5, market_rate=5.0)),
    "informed": (Informed(interval_s=0.3, threshold_ticks=0.0, max_position_lots=500),),
    "momentum": (Momentum(interval_s=0.5, fast_s=1.0, slow_s=5.0, threshold_ticks=0.5),),
    "trend": (Trend(interval_s=0.5, lookback_samples=4, full_score=0.5),),
    "mean_reversion": (MeanReversion(interval_s=0.5, memory_s=5.0, entry_score=0.2, least_sd_ticks=0.5),),
    "imbalance": (Imbalance(threshold=0.05, hold_s=1.0, max_position_lots=100), Imbalance(threshold=0.9, hold_s=0.5)),
    "whale": (
        WHALE,
        replace(WHALE, child_interval_s=0.0, max_position_lots=10),
        replace(WHALE, schedule="pov", participation=0.6),
        replace(WHALE, schedule="pov", participation=0.05, child_interval_s=0.0),
        replace(WHALE, schedule="iceberg", display_lots=20, chase_ticks=0),
        replace(WHALE, schedule="iceberg", child_interval_s=0.0, children=1),
        replace(WHALE, schedule="iceberg", display_lots=1, children=1_000),
        # Its time is up during the halt.
        replace(WHALE, schedule="iceberg", parent_lots=100_000, children=45, child_interval_s=2.0, chase_ticks=1_000),
    ),
    "arbitrage": (Arbitrage(mean_memory_s=20.0, entry_ticks=1.0), Arbitrage(hedge_ratio=0.5, entry_ticks=2.0)),
    "triangular_arbitrage": (TriangularArbitrage(least_gain_ppm=1.0, interval_s=0.2),),
    "hawkes": (Hawkes(base_rate=3.0, branching=0.9), Hawkes(base_rate=20.0, branching=0.0)),
    "stop_loss": (
        StopLoss(interval_s=0.2, hold_s=5.0, nearest_ticks=1, distance_ticks=3.0, traders=15),
        StopLoss(interval_s=0.3, long_share=0.0, round_ticks=10, hold_s=20.0),
    ),
}
"""Parameters that reach what the usual ones do not within minutes."""
NOTHING = np.zeros(0, COMMAND)
CASES = [(kind, None) for kind in AGENT_TYPES] + [(kind, one) for kind, more in OTHERS.items() for one in more]
WAITS = {
    "twap": {("Sleep", "_parent"), ("Sleep", "_twap"), ("NextTick", "_twap")},
    "pov": {("Sleep", "_parent"), ("Sleep", "_share"), ("NextTick", "_share"), ("Closed", "_traded")},
    "iceberg": {("Sleep", "_parent"), ("Sleep", "_watch"), ("NextTick", "_rest"), ("NextTick", "_take_back"),
                ("Answered", "_take_back")},
}  # fmt: skip
"""All that a whale may be caught at."""


def _specs(traded: Sequence[str], watched: AgentFunction, company: bool) -> Iterator[AgentSpec]:
    """The watched one, and in each symbol providers, noise and who knows a value."""
    # Orders take long, so that agents look again while one is on its way.
    order, feed = constant(130 * MS), constant(10 * MS)
    players: list[tuple[AgentFunction, Any, tuple[str, ...]]] = [(watched, None, tuple(traded))]
    for symbol in traded if company else ():
        players += [
            (LiquidityProviderAgent, LiquidityProvider(requote_s=5.0), (symbol,)),
            (NoiseAgent, Noise(interval_s=0.2, market_share=0.5), (symbol,)),
            (InformedAgent, Informed(interval_s=5.0), (symbol,)),
        ]
    for account, (run, parameters, symbols) in enumerate(players, start=1):
        yield AgentSpec(account, f"agent {account}", "", symbols, order, feed, parameters, run)


def _followed(kind: str, parameters: Any, *, company: bool = True, seconds: int = SECONDS) -> Watched:
    """An agent of that type that has played, with twins of it; the first difference of one is raised."""
    agent = AGENT_TYPES[kind]
    return _played(agent.run, parameters or agent.parameters(), TRADED[: agent.symbols], company, seconds)


def _played(
    agent: RestorableAgent, parameters: Any, instruments: Sequence[Instrument], company: bool, seconds: int
) -> Watched:
    watched = Watched(agent, parameters)
    values = tuple(ValueSpec(one.symbol, sd_ticks=6e-5 * one.reference_price_ticks) for one in instruments)
    traded = [one.symbol for one in instruments]
    cast = Cast(tuple(_specs(traded, watched.run, company)), values=values)
    simulation = Simulation(instruments, cast, seed=3, start_ns=0, lookahead_ns=50 * MS)
    with closing(simulation.engine), closing(watched):
        for window in range(seconds * NS_PER_S // (50 * MS)):
            for _ in simulation.run((window + 1) * 50 * MS):
                pass
            for failure in simulation.engine.failures:
                raise failure.error
            watched.at_window_end()
    return watched


@pytest.mark.parametrize("kind", AGENT_TYPES)
def test_every_type_is_a_class_with_a_state(kind: str) -> None:
    """So that whoever adds a type gives it one."""
    agent = AGENT_TYPES[kind].run
    assert is_restorable(agent)
    assert all(callable(getattr(agent, name)) for name in METHODS)


@pytest.mark.parametrize(("kind", "parameters"), CASES, ids=lambda value: str(value) if isinstance(value, str) else "")
def test_restored_at_any_window_end_it_goes_on_the_same(kind: str, parameters: Any) -> None:
    """Its state is plain data; a twin first awaits what was pending, and from then on sends, draws and awaits the same: in
    trading, halts and auctions."""
    watched = _followed(kind, parameters)
    assert watched.steps > 10
    assert watched.twins_made > 5


@pytest.mark.parametrize("kind", AGENT_TYPES)
def test_the_same_holds_alone_in_an_empty_book(kind: str) -> None:
    """Where most have nothing to trade with."""
    assert _followed(kind, None, company=False, seconds=60).twins_made


@pytest.mark.parametrize("schedule", WAITS)
def test_a_whale_was_restored_at_each_of_its_waits(schedule: str) -> None:
    """Inside a parent order, while a child is on its way, and while a cancel waits for its answer."""
    caught = set[tuple[str, str]]()
    for parameters in OTHERS["whale"]:
        if parameters.schedule == schedule:
            caught |= _followed("whale", parameters).pending
    assert caught == WAITS[schedule]


def _everyone() -> Cast:
    """All types with all these parameters in one market, in the symbols that they need."""
    order, feed = constant(130 * MS), constant(10 * MS)
    cases = [(kind, one or AGENT_TYPES[kind].parameters()) for kind, one in CASES]
    agents = (
        AgentSpec(
            account=account,
            name=f"{kind} {account}",
            type=kind,
            symbols=tuple(one.symbol for one in TRADED[: AGENT_TYPES[kind].symbols]),
            order_latency=order,
            feed_latency=feed,
            parameters=parameters,
            run=AGENT_TYPES[kind].run,
        )
        for account, (kind, parameters) in enumerate(cases, start=1)
    )
    return Cast(tuple(agents), values=tuple(ValueSpec(one.symbol, sd_ticks=6.0) for one in TRADED))


def _sent(killed_after: Collection[int], windows: int) -> list[dict[str, bytes]]:
    """What everyone sends in each window, in an engine that is killed after some of them and goes on from its state."""
    clock: Any = {"seed": 5, "start_ns": 0, "lookahead_ns": 50 * MS}
    books = {one.symbol: OrderBook(one) for one in TRADED}
    ticks = {symbol: TickBuilder(book.instrument, book.session_state) for symbol, book in books.items()}
    engine = AsyncTimeEngine(TRADED, _everyone(), **clock)
    sent = []
    for window in range(windows):
        commands = engine.collect(window)
        sent.append({symbol: rows.tobytes() for symbol, rows in commands.items()})
        outcomes = {}
        for symbol, book in books.items():
            output = book.apply(commands.get(symbol, NOTHING), (window + 1) * 50 * MS - 1)
            if len(output.executions):
                outcomes[symbol] = SymbolOutcome(output.executions, ticks[symbol].update(output, book.session))
        engine.deliver(window, outcomes)
        assert not engine.failures
        if window in killed_after:
            state = engine.state()
            engine.close()
            state = EngineState(json.loads(json.dumps(state.document)), state.arrays)
            engine = AsyncTimeEngine(TRADED, _everyone(), **clock, state=state)
    engine.close()
    return sent


def test_an_engine_that_is_killed_again_and_again_sends_what_it_would_have_sent() -> None:
    """To the byte and window by window, with all types in one market, through a halt, auctions and a closed session."""
    windows = SECONDS * NS_PER_S // (50 * MS)
    undisturbed = _sent((), windows)
    killed = _sent(range(7, windows, 53), windows)
    differing = [window for window in range(windows) if killed[window] != undisturbed[window]]
    assert differing[:1] == []
    assert sum(len(rows) for window in undisturbed for rows in window.values()) > 5_000 * COMMAND.itemsize


def test_the_class_of_the_documentation_survives(tmp_path: Path) -> None:
    """It is an agent as it stands there, and keeps to what is said of it."""
    page = (Path(__file__).resolve().parents[3] / "docs" / "agents.md").read_text(encoding="utf-8")
    section = page.split("\n## Agents that survive a crash\n")[1].split("\n## ")[0]
    path = tmp_path / "patient.py"
    path.write_text(section.split("```python\n")[1].split("```")[0], encoding="utf-8")
    found = import_function(read_code(f"{path}:Patient"))
    assert is_restorable(found.run)
    assert found.parameters is not None
    watched = _played(found.run, found.parameters(pause_s=0.5), TRADED[:1], True, SECONDS)
    assert watched.steps > 300
    assert watched.twins_made > 10
