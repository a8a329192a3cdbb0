"""The scenarios that come with the package: each is sound, stays a market, and is what it is named for."""

import numpy as np
import pytest
from numpy.typing import NDArray

from marksim.core.agents import AGENT_TYPES
from marksim.core.types import NS_PER_S, SessionState, Side
from marksim.offline import simulate
from marksim.scenario import load_scenario
from marksim.scenario.checks import warnings_of
from marksim.scenario.loading import ready_scenarios
from tests.scenario.playing import Played, play, simulation_of

SECONDS = {
    "arbitrage": 900,
    "coroutines": 300,
    "default": 900,
    "equity-day": 24_600,
    "flash-crash": 2_700,
    "million": 90,
    "quiet": 21_600,
    "stress": 180,
    "two-symbols": 300,
}
"""How long each is played. Simulated: the longest are those that cost least."""
SHORT = {"equity-day": "11m", "quiet": "30m", "million": "20s"}
"""For how long the tape of one is hashed where a minute has little in it, or too much."""
NAMES = ready_scenarios()


def first(name: str) -> Played:
    """What happened to the first symbol of a ready scenario."""
    return next(iter(play(name, SECONDS[name]).played.values()))


def per_second(name: str) -> float:
    """Orders of all symbols."""
    run = play(name, SECONDS[name])
    return sum(one.orders / one.seconds for one in run.played.values())


def test_all_that_are_asked_for_are_there() -> None:
    """By these names."""
    assert sorted(NAMES) == sorted(SECONDS)


@pytest.mark.parametrize("name", NAMES)
def test_a_ready_scenario_is_sound(name: str) -> None:
    """It is found under its own name, says what it is for, and a check finds no fault."""
    scenario = load_scenario(name)
    assert scenario.name == name
    assert len(scenario.description) > 20
    assert warnings_of(scenario, scenario.cast()) == []


@pytest.mark.parametrize("name", NAMES)
def test_nobody_fails_and_nothing_is_gained_or_lost(name: str) -> None:
    """Positions and cash of all accounts of a symbol add up to nothing, and each symbol has traded."""
    run = play(name, SECONDS[name])
    assert set(run.unaccounted.values()) == {(0, 0)}
    assert all(len(one.trades) for one in run.played.values())


@pytest.mark.parametrize("name", NAMES)
def test_no_side_is_ever_empty_while_it_trades(name: str) -> None:
    """From a minute after the opening on."""
    for one in play(name, SECONDS[name]).played.values():
        assert len(one.ticks) > 100
        assert one.one_sided().tolist() == []


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_tape_and_another_seed_another(name: str) -> None:
    """By the hash over all symbols."""
    hashes = [simulate(name, seed=seed, until=SHORT.get(name, "60s"), tables=()).tape_hash for seed in (3, 3, 4)]
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.parametrize(("name", "low", "high"), [("default", 20, 40), ("stress", 200, 400), ("million", 1_000, 3_000)])
def test_orders_come_as_fast_as_said(name: str, low: float, high: float) -> None:
    """In a simulated second."""
    assert low < per_second(name) < high


def test_stress_is_ten_times_the_default_market() -> None:
    """In orders, give or take a fifth."""
    assert 8 < per_second("stress") / per_second("default") < 12


def test_quiet_is_quiet() -> None:
    """An order in eight seconds on average, and pauses of a minute without any event and of minutes without a trade."""
    assert per_second("quiet") < 0.01 * per_second("default")
    quiet = first("quiet")
    assert np.diff(quiet.seconds_of(quiet.ticks)).max() > 30
    assert np.diff(quiet.seconds_of(quiet.trades)).max() > 120


def test_the_default_market_wakes_its_coroutines_two_to_five_times_a_second() -> None:
    """Most of them to send an order; all together make four million book events a day."""
    run, one = play("default", SECONDS["default"]), first("default")
    assert 2 < run.wakeups / one.seconds < 5
    assert run.agents_orders > run.wakeups
    assert one.events / one.seconds * 86_400 > 4_000_000


def test_the_default_market_is_tight() -> None:
    """The mean spread over time is a few ticks."""
    ticks = first("default").ticks[500:]
    spreads, held_ns = ticks["ask_price_ticks"] - ticks["bid_price_ticks"], np.diff(ticks["time_ns"])
    assert 1 < np.average(spreads[:-1], weights=held_ns) < 6


def test_a_million_has_a_million_traders() -> None:
    """Each with an account of its own."""
    assert sum(one.traders for one in load_scenario("million").cast().populations) == 1_000_000


def test_the_coroutines_are_the_zoo() -> None:
    """Every type that trades one symbol, no population, and each kind of schedule that a whale has."""
    cast = load_scenario("coroutines").cast()
    assert {one.type for one in cast.agents} == set(AGENT_TYPES) - {"arbitrage", "triangular_arbitrage"}
    assert cast.populations == ()
    assert {one.parameters.schedule for one in cast.agents if one.type == "whale"} == {"twap", "pov", "iceberg"}
    assert 20 < per_second("coroutines") < 60


def test_two_symbols_trade_side_by_side() -> None:
    """BTC/USD as in `default`, to the byte, whoever trades ETH/USD beside it; and that trades too."""
    both, alone = play("two-symbols", 300).played, play("default", 300).played["BTC/USD"]
    for field in ("trades", "quotes", "ticks"):
        assert getattr(both["BTC/USD"], field).tobytes() == getattr(alone, field).tobytes()
    assert len(both["ETH/USD"].trades) > 500


def triangle_gaps(overrides: tuple[str, ...]) -> NDArray[np.float64]:
    """How far ETH/BTC x BTC/USD is from ETH/USD, second by second, as a part of the price."""
    run = play("arbitrage", SECONDS["arbitrage"], overrides=overrides)
    seconds = np.arange(120, SECONDS["arbitrage"], dtype=np.int64)
    btc, eth, cross = (run.played[symbol].mids_at(seconds) for symbol in ("BTC/USD", "ETH/USD", "ETH/BTC"))
    gaps: NDArray[np.float64] = np.abs(cross * 1e-6 * btc * 0.5 / (eth * 0.05) - 1)
    return gaps


def test_arbitrage_keeps_the_triangle_together() -> None:
    """Within a few basis points; without those who trade it the third price goes its own way."""
    held, free = triangle_gaps(()), triangle_gaps(("agents.triangle.count=0",))
    assert np.quantile(held, 0.99) < 10e-4
    assert np.median(free) > 3 * np.median(held)


def test_an_equity_day_opens_and_closes_with_an_auction() -> None:
    """Sessions come in their order and at their times; both auctions trade."""
    day = first("equity-day")
    states = day.ticks["session_state"]
    order = [SessionState(state).name for state in states[np.append(True, np.diff(states.astype(int)) != 0)].tolist()]
    assert order == ["OPENING_AUCTION", "CONTINUOUS", "CLOSING_AUCTION", "CLOSED"]
    seconds, prices = day.seconds_of(day.trades), day.trades["price_ticks"]
    for uncrossed_s in (600, 24_300):
        auction = prices[seconds == uncrossed_s]
        assert len(auction) > 5
        assert len(set(auction.tolist())) == 1
    assert np.count_nonzero((seconds > 600) & (seconds < 24_000)) > 100_000
    assert seconds.min() == 600


def crash(seed: int) -> Played:
    """The first crash and the half hour after it."""
    return play("flash-crash", SECONDS["flash-crash"], seed).played["BTC/USD"]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_flash_crash_falls_halts_and_comes_back(seed: int) -> None:
    """By one percent at least within a minute; trading halts, and most of the fall is gone in half an hour."""
    one = crash(seed)
    before, seconds = one.last_at(600), one.seconds_of(one.ticks)
    low = int(one.ticks["last_price_ticks"][(seconds > 600) & (seconds < 780)].min())
    assert low < 0.99 * before
    assert (one.ticks["session_state"][(seconds > 600) & (seconds < 780)] == SessionState.HALTED).any()
    # 0.2 % of it is news, and was to stay.
    assert one.last_at(2_400) > before - 0.5 * (before - low)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_stops_sell_in_a_flash_crash(seed: int) -> None:
    """In its first minute many more of them sell than in the minutes before."""
    stops = next(one for one in load_scenario("flash-crash").cast().populations if one.name == "stops")
    trades, seconds = crash(seed).trades, crash(seed).seconds_of(crash(seed).trades)
    accounts = trades["account"]
    sold = (accounts >= stops.account) & (accounts < stops.account + stops.traders) & (trades["side"] == Side.SELL)
    lots = [int(trades["quantity_lots"][sold & (seconds >= at) & (seconds < at + 60)].sum()) for at in (480, 540, 600)]
    assert lots[2] > 4 * max(lots[:2])
    assert lots[2] > 10_000


def test_a_ready_scenario_can_go_on() -> None:
    """A run in two parts is the same as in one: nothing hangs on where it was looked at."""
    whole, parts = simulation_of("default", 2), simulation_of("default", 2)
    until_ns = whole.engine.start_ns + 20 * NS_PER_S
    tape = b"".join(piece.executions.tobytes() for piece in whole.run(until_ns))
    first_half = b"".join(piece.executions.tobytes() for piece in parts.run(until_ns - 10 * NS_PER_S))
    assert tape == first_half + b"".join(piece.executions.tobytes() for piece in parts.run(until_ns))
