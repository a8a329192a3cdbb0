"""A mean-reversion trader: sells what has risen far above its recent mean, buys what has fallen far below it.

Prices that overshoot come back in part (J. Poterba and L. Summers, "Mean reversion in stock prices", 1988). Mean and
variance of the mid are exponential ones over `memory_s`; the score is the distance from that mean in standard deviations,
the rule of Bollinger's bands. It trades against scores beyond `entry_score` and goes back toward flat within `exit_score`,
which should be smaller.
"""

import math
from dataclasses import dataclass

from marksim.core.agents.bounds import Amount, Count, Positive, Whole
from marksim.core.agents.market import Market
from marksim.core.agents.pricing import lots_within, mid_ticks
from marksim.core.agents.session import is_trading
from marksim.core.types import NS_PER_S, Side


@dataclass(frozen=True)
class MeanReversion:
    """Parameters of `mean_reversion`. Prices in ticks, sizes in lots, times in simulated seconds."""

    interval_s: Positive = 5.0
    memory_s: Positive = 300.0
    entry_score: Positive = 2.0
    exit_score: Amount = 0.5
    least_sd_ticks: Positive = 8.0
    """It takes the price to vary by no less: below that there is nothing to earn."""
    size_lots: Count = 120
    max_position_lots: Whole = 2_000


@dataclass(slots=True)
class _State:
    mean: float
    variance: float
    at_ns: int


async def mean_reversion(market: Market, p: MeanReversion) -> None:
    """Sell a rise, buy a fall, and give the position back when the price is where it was."""
    state = _State(mid_ticks(market.tick()), p.least_sd_ticks * p.least_sd_ticks, market.now_ns)
    size = lots_within(market.instrument(), p.size_lots)
    while True:
        await market.sleep(p.interval_s * market.rng.standard_exponential())
        tick = market.tick()
        score, position = _score(state, p, mid_ticks(tick), market.now_ns), market.position_lots()
        if not is_trading(tick):
            continue
        if score < -p.entry_score and position < p.max_position_lots:
            market.market(Side.BUY, size)
        elif score > p.entry_score and position > -p.max_position_lots:
            market.market(Side.SELL, size)
        elif abs(score) < p.exit_score and position:
            market.market(Side.SELL if position > 0 else Side.BUY, min(size, abs(position)))


def _score(state: _State, p: MeanReversion, mid: float, now_ns: int) -> float:
    """How far this price lies from the mean of those before it, in their standard deviations; it then counts itself."""
    off = mid - state.mean
    score = off / max(p.least_sd_ticks, math.sqrt(state.variance))
    weight = 1.0 - math.exp(-(now_ns - state.at_ns) / NS_PER_S / p.memory_s)
    state.mean += weight * off
    state.variance = (1.0 - weight) * (state.variance + weight * off * off)
    state.at_ns = now_ns
    return score
