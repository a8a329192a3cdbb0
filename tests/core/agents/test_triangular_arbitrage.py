"""Arbitrage around three symbols."""

import pytest

from marksim.core.agents.triangular_arbitrage import TriangularArbitrage, TriangularArbitrageAgent
from marksim.core.types import ExecutionKind, Side
from tests.core.agents.companions import laddered, moved
from tests.core.agents.played import ETH, ETH_BTC, Player, play
from tests.core.sim.worlds import BTC


@pytest.mark.parametrize("eth_mid", [50_100, 49_900])
def test_the_round_trip_closes_a_triangles_gap(eth_mid: int) -> None:
    """ETH is two thousandths off what the other two say; afterwards less than its least gain is left, and it is flat."""
    players = [
        Player("eth", laddered(mid=eth_mid, lots=100, levels=200), symbols=("ETH/USD",)),
        Player("cross", laddered(mid=5_000, lots=100_000), symbols=("ETH/BTC",)),
        Player("btc", laddered(mid=100_000, lots=100_000), symbols=("BTC/USD",)),
        Player("arb", TriangularArbitrageAgent, TriangularArbitrage(least_gain_ppm=100.0)),
    ]
    played = play(players, 400, instruments=[BTC, ETH, ETH_BTC])
    direct, over, back = (played.ticks(symbol)[-1] for symbol in ("ETH/USD", "ETH/BTC", "BTC/USD"))
    in_z = float(ETH_BTC.tick_size * BTC.tick_size / ETH.tick_size)
    dear = direct.bid_price_ticks / (over.ask_price_ticks * back.ask_price_ticks * in_z) - 1
    cheap = over.bid_price_ticks * back.bid_price_ticks * in_z / direct.ask_price_ticks - 1
    assert -1e-3 < max(dear, cheap) <= 100e-6
    assert max(eth_mid - direct.bid_price_ticks, direct.ask_price_ticks - eth_mid) > 50
    assert played.position("arb", "ETH/USD") == -played.position("arb", "ETH/BTC")


def test_what_a_round_trip_leaves_over_is_traded_away() -> None:
    """The third leg misses again and again: still no ETH is left, and no more BTC than a lot."""
    flicker = [(0.05 + 0.1 * step, 100_000 + 40 * (step % 2)) for step in range(900)]
    players = [
        Player("eth", laddered(mid=50_100, lots=100, levels=200), symbols=("ETH/USD",)),
        Player("cross", laddered(mid=5_000, lots=100_000), symbols=("ETH/BTC",)),
        Player("btc", moved(flicker), symbols=("BTC/USD",)),
        Player("arb", TriangularArbitrageAgent, TriangularArbitrage()),
    ]
    played = play(players, 120, instruments=[BTC, ETH, ETH_BTC])
    assert len(played.of("arb", ExecutionKind.CANCELLED, "BTC/USD"))
    over = played.position("arb", "ETH/BTC")
    assert played.position("arb", "ETH/USD") == -over < 0
    rows = played.of("arb", ExecutionKind.TRADED, "ETH/BTC")
    spent = sum(int(row["price_ticks"]) * int(row["quantity_lots"]) * (1 if row["side"] == Side.BUY else -1) for row in rows)
    left = played.position("arb", "BTC/USD") * BTC.lot_size - spent * ETH_BTC.tick_size * ETH_BTC.lot_size
    assert abs(left) <= BTC.lot_size
