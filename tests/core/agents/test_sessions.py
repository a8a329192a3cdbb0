"""What the default population does while nothing trades: it waits, keeps the book, and goes on when trading does."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from marksim.core.agents import Market
from marksim.core.agents.noise import Noise, NoiseAgent
from marksim.core.agents.whale import Whale, WhaleAgent
from marksim.core.sim.simulation import Simulation
from marksim.core.types import ExecutionKind, Instrument, Reason, SessionState, Side
from marksim.scenario import load_scenario
from tests.core.sim.windows import SymbolWindow, one_by_one
from tests.core.sim.worlds import BTC, MS, S, run, world

HALT = (
    '[{at: "00:00", state: continuous}, {at: "00:02", state: halted}, {at: "00:07", state: opening_auction}, '
    '{at: "00:08", state: continuous}]'
)
CLOSED_HOUR = (
    '[{at: "00:00", state: continuous}, {at: "00:02", state: closing_auction}, {at: "00:03", state: closed}, '
    '{at: "01:03", state: pre_open}, {at: "01:04", state: opening_auction}, {at: "01:05", state: continuous}]'
)


def _simulate(sessions: str, seconds: int) -> Iterator[tuple[SessionState, SymbolWindow, dict[Side, int]]]:
    """Each window of the default scenario with these sessions: the state and the lots on each side after it."""
    scenario = load_scenario("default", [f"instruments.BTC/USD.sessions={sessions}"], 1)
    simulation = Simulation(
        scenario.instruments(),
        scenario.cast(),
        seed=1,
        start_ns=scenario.start_ns,
        lookahead_ns=scenario.lookahead_ns,
    )
    book = simulation.books["BTC/USD"]
    for outcome in one_by_one(simulation, scenario.start_ns + seconds * S):
        depth = book.depth()
        yield book.session.state, outcome, {side: int(depth["quantity_lots"][depth["side"] == side].sum()) for side in Side}
    assert not simulation.engine.failures


@pytest.mark.parametrize(("sessions", "seconds"), [(HALT, 600), (CLOSED_HOUR, 4_020)])
def test_the_default_population_outlasts_a_time_without_trading(sessions: str, seconds: int) -> None:
    """Few orders are refused, both sides stay deep throughout, and trading goes on as before once the auction is over."""
    refused, elsewhere = 0, set[int]()
    trades: Counter[tuple[int, SessionState]] = Counter()
    opening = 60 * S + load_scenario("default").start_ns
    for state, outcome, lots in _simulate(sessions, seconds):
        rows = outcome.output.executions
        reasons = rows["reason"][rows["kind"] == ExecutionKind.REJECTED]
        refused += int((reasons == Reason.MARKET_CLOSED).sum())
        traded = rows["time_ns"][rows["kind"] == ExecutionKind.TRADED].tolist()
        elsewhere.update(traded if state != SessionState.CONTINUOUS else ())
        trades.update((int(time_ns - opening) // (60 * S), state) for time_ns in traded)
        if len(rows) and int(rows["time_ns"][-1]) > opening:
            assert min(lots[Side.BUY], lots[Side.SELL]) > 10_000, (state, lots)
    assert refused < 30
    last_minute = seconds // 60 - 2
    assert trades[last_minute, SessionState.CONTINUOUS] > 0.5 * trades[0, SessionState.CONTINUOUS] > 100
    # Beside continuous trading there is the uncrossing of the closing auction alone, after three minutes.
    assert elsewhere <= {opening + 120 * S}


def test_nothing_that_must_trade_at_once_is_sent_into_an_auction() -> None:
    """While orders are collected makers and noise place limit orders, and nobody's order is refused for its terms."""
    sessions = '[{at: "00:00", state: pre_open}, {at: "00:01", state: opening_auction}, {at: "00:05", state: continuous}]'
    kinds: Counter[int] = Counter()
    for _, outcome, _ in _simulate(sessions, 180):
        kinds.update(outcome.output.executions["kind"].tolist())
    assert kinds[ExecutionKind.ACCEPTED] > 1_000
    assert not kinds[ExecutionKind.REJECTED]


def test_noise_forgets_refused_orders_before_old_ones() -> None:
    """What a halt refused takes no room from what rests: as many new orders come before the first old one is cancelled."""

    async def noisy(market: Market, _: object) -> None:
        await NoiseAgent(market, Noise(interval_s=0.05, max_open=40, market_share=0.0)).run()

    halted = ((0, SessionState.PRE_OPEN), (30 * S, SessionState.HALTED), (60 * S, SessionState.PRE_OPEN))
    with world([("noise", noisy)], instrument=_with_sessions(*halted), order_ms=400) as simulation:
        before, after = ([row for one in run(simulation, end) for row in one.output.executions] for end in (59, 70))
    assert sum(int(row["reason"] == Reason.MARKET_CLOSED) for row in before) >= 5
    assert [row["kind"] for row in after[1:6]] == [ExecutionKind.ACCEPTED] * 5


def test_a_whales_children_wait_for_trading() -> None:
    """All of them come after the halt, as many as without it, even with no pause between them."""

    async def liquidity(market: Market, _: object) -> None:
        market.limit(Side.BUY, 99_000, 10_000)
        market.limit(Side.SELL, 101_000, 10_000)
        await market.sleep(3_600)

    async def large(market: Market, _: object) -> None:
        parameters = Whale(first_pause_s=0.1, pause_s=1e6, parent_lots=300, children=30, child_interval_s=0.0)
        await WhaleAgent(market, parameters).run()

    closed = ((0, SessionState.PRE_OPEN), (30 * S, SessionState.CONTINUOUS))
    agents = [("liquidity", liquidity), ("whale", large)]
    with world(agents, instrument=_with_sessions(*closed)) as simulation:
        rows = [row for one in run(simulation, 60) for row in one.output.executions if row["account"] == 2]
    accepted = [int(row["time_ns"]) for row in rows if row["kind"] == ExecutionKind.ACCEPTED]
    assert len(accepted) == 30
    assert min(accepted) >= 30 * S + 50 * MS
    assert not [row for row in rows if row["kind"] == ExecutionKind.REJECTED]


def _with_sessions(*sessions: tuple[int, SessionState]) -> Instrument:
    return replace(BTC, sessions=sessions)
