"""Zero intelligence follows the laws of its model."""

import numpy as np

from marksim.core.agents.zero_intelligence import ZeroIntelligence, ZeroIntelligenceAgent
from marksim.core.types import NS_PER_S, ExecutionKind, Side
from tests.core.agents.companions import DEEP, staged
from tests.core.agents.played import Player, play

FLOW = ZeroIntelligence()


def test_limit_prices_are_even_over_the_window() -> None:
    """With the best prices held still each distance from 1 to the window is as likely, on both sides (chi-square, 1 %)."""
    stage = staged((0.05, 100_000, DEEP, 100_001, DEEP))  # a tick apart: nothing can come between
    parameters = ZeroIntelligence(window_ticks=20, limit_rate=0.25, size_lots=1)
    played = play([Player("stage", stage), Player("flow", ZeroIntelligenceAgent, parameters)], 1_000)
    rows = played.of("flow", ExecutionKind.ACCEPTED)
    for side, best, sign in ((Side.BUY, 100_001, -1), (Side.SELL, 100_000, 1)):
        limits = rows[(rows["side"] == side) & (rows["price_ticks"] > 0) & (rows["time_ns"] > NS_PER_S)]
        counts = np.bincount(sign * (limits["price_ticks"] - best), minlength=21)[1:]
        assert len(counts) == 20
        assert counts.sum() > 4_000
        expected = counts.sum() / 20
        assert float(((counts - expected) ** 2 / expected).sum()) < 36.2  # chi-square of 19 degrees, 99 %


def test_rates_are_those_of_its_parameters() -> None:
    """Limit and market orders come at their rates; resting orders go at theirs: births and deaths balance."""
    seconds = 2_000
    played = play([Player("flow", ZeroIntelligenceAgent, FLOW)], seconds)
    rows = played.of("flow", ExecutionKind.ACCEPTED)
    limits, markets = rows[rows["price_ticks"] > 0], rows[rows["price_ticks"] == 0]
    assert abs(len(limits) / seconds / (2 * FLOW.limit_rate * FLOW.window_ticks) - 1) < 0.05
    assert abs(len(markets) / seconds / FLOW.market_rate - 1) < 0.1
    taken = len(played.of("flow", ExecutionKind.TRADED))
    resting = int(played.depth["BTC/USD"]["order_count"].sum())
    expected = (2 * FLOW.limit_rate * FLOW.window_ticks - taken / seconds) / FLOW.cancel_rate
    assert abs(resting / expected - 1) < 0.25


def test_the_spread_follows_the_law_of_the_model() -> None:
    """About mu/alpha (0.28 + 1.86 (delta/mu)^(3/4)): four times the market orders make it some 2.6 times wider."""
    means = []
    for market_rate in (1.0, 4.0):
        parameters = ZeroIntelligence(market_rate=market_rate, limit_rate=0.2, cancel_rate=0.1, window_ticks=100)
        ticks = play([Player("flow", ZeroIntelligenceAgent, parameters)], 1_000).ticks(from_s=100)
        lasts = np.diff([tick.time_ns for tick in ticks])
        spreads = [tick.ask_price_ticks - tick.bid_price_ticks for tick in ticks[:-1]]
        means.append(float(np.average(spreads, weights=lasts)))
        mu, alpha, delta = market_rate, 0.2, 0.1
        law = mu / alpha * (0.28 + 1.86 * (delta / mu) ** 0.75)
        assert 0.65 < means[-1] / law < 1.35, (means, law)
    assert 2.0 < means[1] / means[0] < 3.3
