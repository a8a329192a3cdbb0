"""A momentum trader: follows the difference of a fast and a slow mean of the price, up to a bounded position.

The moving-average rule with a band of W. Brock, J. Lakonishok and B. LeBaron, "Simple technical trading rules and the
stochastic properties of stock returns", 1992, with exponential means: buy while fast - slow exceeds `threshold_ticks`, sell
while it is below minus that, and go back toward flat within three tenths of it. `fast_s` should be below `slow_s`; in a
steady trend of v ticks a second the difference is v * (slow_s - fast_s).
"""

import math
from dataclasses import dataclass

from marksim.core.agents.bounds import Amount, Count, Positive, Whole
from marksim.core.agents.market import Market
from marksim.core.agents.pricing import lots_within, mid_ticks
from marksim.core.agents.session import is_trading
from marksim.core.types import NS_PER_S, Side


@dataclass(frozen=True)
class Momentum:
    """Parameters of `momentum`. Prices in ticks, sizes in lots, times in simulated seconds."""

    interval_s: Positive = 5.0
    fast_s: Positive = 30.0
    slow_s: Positive = 180.0
    threshold_ticks: Amount = 12.0
    size_lots: Count = 120
    max_position_lots: Whole = 2_000


@dataclass(slots=True)
class _State:
    fast: float
    slow: float
    at_ns: int


async def momentum(market: Market, p: Momentum) -> None:
    """Buy a rise, sell a fall, and give the position back when neither is there."""
    mid = mid_ticks(market.tick())
    state = _State(mid, mid, market.now_ns)
    size = lots_within(market.instrument(), p.size_lots)
    while True:
        await market.sleep(p.interval_s * market.rng.standard_exponential())
        tick = market.tick()
        trend, position = _trend(state, p, mid_ticks(tick), market.now_ns), market.position_lots()
        if not is_trading(tick):
            continue
        if trend > p.threshold_ticks and position < p.max_position_lots:
            market.market(Side.BUY, size)
        elif trend < -p.threshold_ticks and position > -p.max_position_lots:
            market.market(Side.SELL, size)
        elif abs(trend) < 0.3 * p.threshold_ticks and position:
            market.market(Side.SELL if position > 0 else Side.BUY, min(size, abs(position)))


def _trend(state: _State, p: Momentum, mid: float, now_ns: int) -> float:
    """Fast mean less slow mean, after this price."""
    elapsed_s = (now_ns - state.at_ns) / NS_PER_S
    state.at_ns = now_ns
    state.fast += (mid - state.fast) * (1.0 - math.exp(-elapsed_s / p.fast_s))
    state.slow += (mid - state.slow) * (1.0 - math.exp(-elapsed_s / p.slow_s))
    return state.fast - state.slow
