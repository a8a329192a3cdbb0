"""Arbitrage between two symbols."""

import pytest

from marksim.core.agents.arbitrage import Arbitrage, ArbitrageAgent
from marksim.core.types import NS_PER_S, ExecutionKind, Side
from tests.core.agents.companions import laddered, moved
from tests.core.agents.played import ETH, XBT, Played, Player, play
from tests.core.sim.worlds import BTC


def _pair(gap: int, parameters: Arbitrage, seconds: float = 120) -> Played:
    """Two books of 200 lots a tick whose mids lie `gap` ticks apart."""
    players = [
        Player("ladder", laddered(mid=100_000 + gap, lots=200), symbols=("BTC/USD",)),
        Player("other", laddered(mid=100_000, lots=200), symbols=("XBT/USD",)),
        Player("arb", ArbitrageAgent, parameters),
    ]
    return play(players, seconds, instruments=[BTC, XBT])


def _left(played: Played) -> int:
    """How far the first symbol's bid is above the other's ask at the end, and the other way round: the larger."""
    a, b = played.ticks("BTC/USD")[-1], played.ticks("XBT/USD")[-1]
    return max(a.bid_price_ticks - b.ask_price_ticks, b.bid_price_ticks - a.ask_price_ticks)


@pytest.mark.parametrize("gap", [40, -40])
def test_it_closes_an_artificial_gap(gap: int) -> None:
    """It sells the dear symbol and buys the cheap one until no more than its threshold is left, and is hedged to the lot."""
    parameters = Arbitrage(max_position_lots=100_000)
    played = _pair(gap, parameters)
    assert 0 < _left(played) <= parameters.entry_ticks
    dear, cheap = ("BTC/USD", "XBT/USD") if gap > 0 else ("XBT/USD", "BTC/USD")
    assert set(played.sides("arb", dear)) == {Side.SELL}
    assert set(played.sides("arb", cheap)) == {Side.BUY}
    assert played.position("arb", dear) == -played.position("arb", cheap) < 0


def test_it_leaves_a_gap_alone_that_costs_more_than_it_brings() -> None:
    """Mids 6 ticks apart are 4 between the prices that it would get."""
    assert not _pair(6, Arbitrage()).sides("arb", "BTC/USD")


def test_it_holds_no_more_than_its_bound() -> None:
    """A gap that it cannot close alone makes it hold the most and no more, give or take one trade."""
    parameters = Arbitrage(max_position_lots=500)
    played = _pair(40, parameters)
    assert 500 <= -played.position("arb", "BTC/USD") < 500 + parameters.size_lots
    assert _left(played) > 20


def test_it_undoes_both_legs_when_the_prices_have_met() -> None:
    """A gap opens and closes again: it is flat in both symbols at the end, and has earned."""
    players = [
        Player("stage", moved([(0.05, 100_000), (10, 100_030), (60, 100_000)]), symbols=("BTC/USD",)),
        Player("other", moved([(0.05, 100_000)]), symbols=("XBT/USD",)),
        Player("arb", ArbitrageAgent, Arbitrage()),
    ]
    peak, end = (play(players, seconds, instruments=[BTC, XBT]) for seconds in (50, 240))
    assert peak.position("arb", "BTC/USD") <= -2_000
    assert (end.position("arb", "BTC/USD"), end.position("arb", "XBT/USD")) == (0, 0)


@pytest.mark.parametrize("gap", [40, -40])
def test_the_mean_of_the_spread_is_that_of_the_reference_prices(gap: int) -> None:
    """With half a unit as the hedge the spread is 50,000 ticks when nothing is amiss, and 40 off it is a gap to close."""
    parameters = Arbitrage(hedge_ratio=0.5, max_position_lots=100_000)
    played = _pair(gap, parameters)
    position = played.position("arb", "BTC/USD")
    assert position * gap < 0
    assert played.position("arb", "XBT/USD") == round(-0.5 * position)


def test_it_learns_a_spread_that_stays() -> None:
    """With a memory of a minute it gives a lasting gap up: what it traded at first it undoes, and then rests."""
    players = [
        Player("stage", moved([(0.05, 100_030)]), symbols=("BTC/USD",)),
        Player("other", moved([(0.05, 100_000)]), symbols=("XBT/USD",)),
        Player("arb", ArbitrageAgent, Arbitrage(mean_memory_s=60.0)),
    ]
    begun, later = (play(players, seconds, instruments=[BTC, XBT]) for seconds in (30, 900))
    assert begun.position("arb", "BTC/USD") < 0
    assert later.position("arb", "BTC/USD") == later.position("arb", "XBT/USD") == 0
    assert later.of("arb", ExecutionKind.ACCEPTED)["time_ns"].max() < 600 * NS_PER_S


def test_its_hedge_follows_lots_ticks_and_prices() -> None:
    """A unit of BTC is hedged by twenty of ETH, whatever their lots: 1,000 lots by 2,000."""
    players = [
        Player("btc", laddered(mid=100_060, lots=100), symbols=("BTC/USD",)),
        Player("eth", laddered(mid=50_000, lots=100_000), symbols=("ETH/USD",)),
        Player("arb", ArbitrageAgent, Arbitrage(entry_ticks=8.0, max_position_lots=1_000)),
    ]
    played = play(players, 120, instruments=[BTC, ETH])
    first, second = played.position("arb", "BTC/USD"), played.position("arb", "ETH/USD")
    assert first <= -1_000
    assert second == -2 * first
    legs = (played.of("arb", ExecutionKind.ACCEPTED, symbol)["quantity_lots"].tolist() for symbol in ("BTC/USD", "ETH/USD"))
    assert [2 * lots for lots in next(legs)] == next(legs)  # at once, and nothing had to be evened out


def test_a_leg_that_missed_is_traded_at_the_market() -> None:
    """The other symbol's quotes are pulled as it comes: it still ends hedged."""
    flicker = [(0.05 + 0.02 * step, 100_000 + 30 * (step % 2)) for step in range(2_000)]
    players = [
        Player("ladder", laddered(mid=100_050, lots=200), symbols=("BTC/USD",)),
        Player("other", moved(flicker), symbols=("XBT/USD",)),
        Player("arb", ArbitrageAgent, Arbitrage()),
    ]
    played = play(players, 60, instruments=[BTC, XBT])
    missed = played.of("arb", ExecutionKind.CANCELLED, "XBT/USD")
    assert len(missed)
    assert played.position("arb", "BTC/USD") == -played.position("arb", "XBT/USD") != 0
