"""A trend follower: holds a position in proportion to the past return, measured against the noise of such a return.

T. Moskowitz, Y. Ooi and L. Pedersen, "Time series momentum", 2012: long after a rise, short after a fall, scaled by
volatility. The score is the change of the mid over the last `lookback_samples` looks divided by its standard deviation, had
the looks' changes been independent: sd of one change (an exponential mean of squares) times the root of their number. The
position wanted is `max_position_lots` times score / `full_score`, between minus and plus the whole. Looks are `interval_s`
apart, so the lookback is interval_s * lookback_samples seconds. Unlike `momentum`, it gives no position back in a quiet
market before the past return itself has faded.
"""

import math
from collections import deque
from dataclasses import dataclass, field

from marksim.core.agents.bounds import Count, FewTimes, Positive, Whole
from marksim.core.agents.market import Market
from marksim.core.agents.pricing import lots_within, mid_ticks
from marksim.core.agents.session import is_trading
from marksim.core.types import Side


@dataclass(frozen=True)
class Trend:
    """Parameters of `trend`. Prices in ticks, sizes in lots, times in simulated seconds."""

    interval_s: Positive = 10.0
    lookback_samples: FewTimes = 60
    full_score: Positive = 2.0
    """So many standard deviations of past return make it hold the most."""
    least_change_ticks: Positive = 1.0
    """It takes one look's change to have no smaller standard deviation, so that a still market is no trend."""
    size_lots: Count = 200
    """The most that it trades at a time; it moves only where it lacks a fifth of it."""
    max_position_lots: Whole = 2_000


@dataclass(slots=True)
class _State:
    mids: deque[float] = field(default_factory=deque)
    variance: float = 0.0


async def trend(market: Market, p: Trend) -> None:
    """At each look, go toward the position that the past return wants."""
    state = _State()
    await market.sleep(p.interval_s * market.rng.random())  # so that not all look at once
    while True:
        await market.sleep(p.interval_s)
        tick = market.tick()
        if not is_trading(tick):
            continue
        wanted = p.max_position_lots * max(-1.0, min(1.0, _score(state, p, mid_ticks(tick)) / p.full_score))
        lacking = int(wanted) - market.position_lots()
        if abs(lacking) * 5 > p.size_lots:
            size = lots_within(market.instrument(), min(p.size_lots, abs(lacking)))
            market.market(Side.BUY if lacking > 0 else Side.SELL, size)


def _score(state: _State, p: Trend, mid: float) -> float:
    """The return over the lookback, in its standard deviations, after this price; 0 until the lookback is full."""
    mids = state.mids
    if mids:
        change = mid - mids[-1]
        state.variance += (change * change - state.variance) / p.lookback_samples
    mids.append(mid)
    if len(mids) <= p.lookback_samples:
        return 0.0
    sd = math.sqrt(max(state.variance, p.least_change_ticks * p.least_change_ticks) * p.lookback_samples)
    return (mid - mids.popleft()) / sd
