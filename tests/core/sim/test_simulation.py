"""The agents of the package in process: the same tape for the same seed, and agents that do what they are named for."""

import copy
import hashlib
import pickle
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from marksim.core.agents.spec import Cast, FatFinger
from marksim.core.feed.tape import TapeHash
from marksim.core.sim import lanes
from marksim.core.sim.simulation import Simulation
from marksim.core.types import ExecutionKind, SessionState, TimeInForce
from marksim.scenario import load_scenario
from tests.core.book.commands import BTC, batch, buy
from tests.core.sim.windows import windows


def _simulate(overrides: list[str], seed: int) -> tuple[Simulation, int]:
    scenario = load_scenario("coroutines", overrides, seed)
    simulation = Simulation(
        scenario.instruments(),
        scenario.cast(),
        seed=scenario.seed,
        start_ns=scenario.start_ns,
        lookahead_ns=scenario.lookahead_ns,
    )
    return simulation, scenario.start_ns


def _tape(seed: int, seconds: int) -> str:
    simulation, start_ns = _simulate([], seed)
    digest = hashlib.sha256()
    for outcome in windows(simulation, start_ns + seconds * 10**9):
        digest.update(outcome.output.executions.tobytes())
        digest.update(repr(outcome.tick).encode())
    return digest.hexdigest()


def _spreads(overrides: list[str], seed: int, seconds: int) -> list[int]:
    simulation, start_ns = _simulate(overrides, seed)
    ticks = [outcome.tick for outcome in windows(simulation, start_ns + seconds * 10**9)]
    settled = [tick for tick in ticks if tick is not None and tick.time_ns > start_ns + 60 * 10**9]
    return [t.ask_price_ticks - t.bid_price_ticks for t in settled if t.bid_quantity_lots and t.ask_quantity_lots]


def _mids(overrides: list[str], seed: int, seconds: int) -> list[float]:
    """The mid, in ticks, once a simulated second."""
    simulation, start_ns = _simulate(overrides, seed)
    mids: list[float] = []
    mid = 100_000.0
    for outcome in windows(simulation, start_ns + seconds * 10**9):
        if outcome.tick is None:
            continue
        while start_ns + len(mids) * 10**9 <= outcome.tick.time_ns:
            mids.append(mid)
        mid = (outcome.tick.bid_price_ticks + outcome.tick.ask_price_ticks) / 2
    return mids


def test_the_same_seed_gives_the_same_tape_and_another_seed_another() -> None:
    """Events and ticks of a simulated minute, byte for byte."""
    assert _tape(3, 60) == _tape(3, 60)
    assert _tape(3, 60) != _tape(4, 60)


def test_without_the_makers_the_spread_widens() -> None:
    """The mean spread of ten minutes grows by two fifths at least when nobody makes the market."""
    for seed in (1, 2):
        with_makers = _spreads([], seed, 600)
        without = _spreads(["agents.maker.count=0", "agents.stoikov.count=0"], seed, 600)
        assert sum(without) / len(without) > 1.4 * sum(with_makers) / len(with_makers), f"seed {seed}"


def test_a_whale_of_ten_times_the_size_moves_the_price() -> None:
    """Against the same two minutes without any whale, the usual one hardly shows and the large one does."""
    usual_sum = large_sum = 0.0
    for seed in (1, 2, 3):
        without = _mids(["agents.whale.count=0"], seed, 150)
        for lots in (12_000, 120_000):
            whale = f"agents.whale.params={{first_pause_s: 1, pause_s: 100000, parent_lots: {lots}}}"
            moves = [here - there for here, there in zip(_mids([whale], seed, 150), without, strict=False)]
            moved = abs(sum(moves) / len(moves))
            usual_sum += moved if lots == 12_000 else 0
            large_sum += moved if lots == 120_000 else 0
    assert large_sum > 3 * usual_sum, f"{usual_sum / 3} and {large_sum / 3} ticks"
    assert large_sum / 3 > 20


def test_nobody_gains_what_nobody_lost() -> None:
    """Positions and cash of all agents add up to zero at every moment when all events are learnt."""
    simulation, start_ns = _simulate([], 5)
    for _ in windows(simulation, start_ns + 120 * 10**9):
        pass
    holdings = list(simulation.engine.holdings("BTC/USD"))
    for holding in holdings:
        holding.learn(1 << 62)
    assert sum(holding.position_lots for holding in holdings) == 0
    assert sum(holding.cash_ticks for holding in holdings) == 0
    assert any(holding.position_lots for holding in holdings)


def test_an_order_expires_where_no_agent_is_awake() -> None:
    """Windows in which nothing is due are skipped, but not the one that an order's end lies in."""
    simulation = Simulation([BTC], Cast(), seed=1, start_ns=0, lookahead_ns=50)
    expires = {"time_in_force": TimeInForce.GTD, "expire_time_ns": 1_234}
    simulation.books[BTC.symbol].apply(batch(buy(100, 5, 1, **expires)))
    (window,) = windows(simulation, 100_000)
    assert (window.window, window.output.executions["kind"].tolist()) == (24, [ExecutionKind.EXPIRED])
    assert window.output.executions["time_ns"].tolist() == [1_234]


SESSIONS = (
    "instruments.BTC/USD.sessions=[{at: '00:00', state: pre_open}, {at: '00:00:20', state: opening_auction},"
    " {at: '00:00:30', state: continuous}, {at: '00:01:30', state: closing_auction}, {at: '00:01:40', state: closed}]"
)


def test_agents_live_through_a_trading_day() -> None:
    """They are not told what they may send when, and are refused at times; nothing breaks, and the sums stay right.

    Before the first auction there is nothing that a tick could show.
    """
    simulation, start_ns = _simulate([SESSIONS], 5)
    ticks = [outcome.tick for outcome in windows(simulation, start_ns + 120 * 10**9)]
    states = [tick.session_state.name for tick in ticks if tick is not None]
    assert list(dict.fromkeys(states)) == ["OPENING_AUCTION", "CONTINUOUS", "CLOSING_AUCTION", "CLOSED"]
    auctions = [tick for tick in ticks if tick is not None and tick.session_state == SessionState.OPENING_AUCTION]
    assert auctions and not any(tick.bid_quantity_lots or tick.ask_quantity_lots for tick in auctions)
    assert simulation.engine.failures == []
    holdings = list(simulation.engine.holdings("BTC/USD"))
    for holding in holdings:
        holding.learn(1 << 62)
    assert sum(holding.position_lots for holding in holdings) == 0 == sum(holding.cash_ticks for holding in holdings)
    assert any(holding.position_lots for holding in holdings)


def test_a_session_changes_where_no_agent_is_awake() -> None:
    """Each change is a window of its own, at its time, day after day."""
    hour_ns = 3_600 * 10**9
    traded = replace(BTC, sessions=((8 * hour_ns, SessionState.CONTINUOUS), (17 * hour_ns, SessionState.CLOSED)))
    simulation = Simulation([traded], Cast(), seed=1, start_ns=12 * hour_ns, lookahead_ns=50_000_000)
    changes = list(windows(simulation, 48 * hour_ns))
    states = [window.output.executions["session_state"].tolist() for window in changes]
    assert states == [[SessionState.CLOSED], [SessionState.CONTINUOUS], [SessionState.CLOSED]]
    assert [window.tick.time_ns // hour_ns for window in changes if window.tick] == [17, 32, 41]


def test_pieces_hold_all_rows_in_order() -> None:
    """However many windows a piece has: together they are what the run did window by window, to the byte."""
    joined: dict[str, list[bytes]] = {}
    names = ("executions", "quotes", "depth", "ticks", "commands", "snapshots")
    for step_s in (1, 62):
        simulation, start_ns = _simulate([], 6)
        pieces = (piece for end in range(step_s, 63, step_s) for piece in simulation.run(start_ns + end * 10**9))
        rows = [tuple(getattr(piece, name).tobytes() for name in names) for piece in pieces]
        assert simulation.now_ns == start_ns + 62 * 10**9
        for name, parts in zip(names, zip(*rows, strict=True), strict=True):
            joined.setdefault(name, []).append(b"".join(parts))
    for name, (small, large) in joined.items():
        assert small == large and small, name


def test_the_levels_are_shown_after_the_first_window_of_each_minute() -> None:
    """Also of a minute in which nothing happens; before the first order there is none to show."""
    simulation = Simulation([BTC], Cast(), seed=1, start_ns=10 * 10**9, lookahead_ns=7 * 10**9)
    assert [len(piece.snapshots) for piece in simulation.run(17 * 10**9)] == [0]
    simulation.books[BTC.symbol].apply(batch(buy(100, 5, 1), buy(99, 7, 2)))
    shown = np.concatenate([piece.snapshots for piece in simulation.run(200 * 10**9)])
    assert shown[["time_ns", "price_ticks", "quantity_lots"]].tolist() == [
        (end_s * 10**9, ticks, lots) for end_s in (73, 129, 192) for ticks, lots in ((100, 5), (99, 7))
    ]


def _populations(seed: int) -> Simulation:
    scenario = load_scenario("default", ["agents=[]"], seed)
    return Simulation(
        scenario.instruments(), scenario.cast(), seed=seed, start_ns=scenario.start_ns, lookahead_ns=scenario.lookahead_ns
    )


def _hash(simulation: Simulation, seconds: int) -> str:
    """Of what a simulation does until then."""
    tape = TapeHash()
    for piece in simulation.run(simulation.engine.start_ns + seconds * 10**9):
        tape.update(piece.executions, piece.ticks)
    return tape.hexdigest()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda simulation: pickle.loads(pickle.dumps(simulation))])
def test_a_copy_of_a_market_without_coroutines_goes_on_by_itself(copied: Callable[[Simulation], Simulation]) -> None:
    """It has memory of its own: both do what the market would have done alone."""
    whole = _populations(1)
    _hash(whole, 5)
    alone = _hash(whole, 10)
    original = _populations(1)
    _hash(original, 5)
    other = copied(original)
    assert _hash(other, 10) == alone
    assert _hash(original, 10) == alone


def test_an_event_injected_between_two_pieces_happens_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the window that `inject` names, which lies ahead; time does not go back for it."""
    monkeypatch.setattr(lanes, "FIRST_ROWS", 1_024)
    simulation = _populations(1)
    engine, named, happened, times = simulation.engine, 0, list[int](), list[int]()
    for number, piece in enumerate(simulation.run(engine.start_ns + 120 * 10**9)):
        if number == 3:
            named = engine.inject(FatFinger("BTC/USD", True, 500))
        times += piece.executions["time_ns"].tolist()
        happened += piece.executions["time_ns"][piece.executions["account"] == 0].tolist()
    assert happened and set(happened) == {engine.start_ns + named * engine.lookahead_ns}
    assert times == sorted(times)
