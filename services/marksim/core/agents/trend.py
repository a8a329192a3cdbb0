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
from dataclasses import dataclass
from typing import Any

from marksim.core.agents.bounds import Count, FewTimes, Positive, Whole
from marksim.core.agents.market import Market
from marksim.core.agents.paced import Paced
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


class TrendAgent(Paced):
    """At each look, goes toward the position that the past return wants."""

    def __init__(self, market: Market, p: Trend) -> None:
        super().__init__(market)
        self.p = p
        self.looking = False
        """False in the first pause, which is random so that not all look at once."""
        self.mids: deque[float] = deque()
        self.variance = 0.0

    def pause_s(self) -> float:
        return self.p.interval_s if self.looking else self.p.interval_s * self.rng.random()

    def act(self) -> None:
        market, p = self.market, self.p
        if not self.looking:
            self.looking = True
            return
        tick = market.tick()
        if not is_trading(tick):
            return
        wanted = p.max_position_lots * max(-1.0, min(1.0, self._score(mid_ticks(tick)) / p.full_score))
        lacking = int(wanted) - market.position_lots()
        if abs(lacking) * 5 > p.size_lots:
            size = lots_within(market.instrument(), min(p.size_lots, abs(lacking)))
            market.market(Side.BUY if lacking > 0 else Side.SELL, size)

    def _score(self, mid: float) -> float:
        """The return over the lookback, in its standard deviations, after this price; 0 until the lookback is full."""
        mids, p = self.mids, self.p
        if mids:
            change = mid - mids[-1]
            self.variance += (change * change - self.variance) / p.lookback_samples
        mids.append(mid)
        if len(mids) <= p.lookback_samples:
            return 0.0
        sd = math.sqrt(max(self.variance, p.least_change_ticks * p.least_change_ticks) * p.lookback_samples)
        return (mid - mids.popleft()) / sd

    def state(self) -> dict[str, Any]:
        return {**super().state(), "looking": self.looking, "mids": list(self.mids), "variance": self.variance}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self.looking, self.mids, self.variance = state["looking"], deque(state["mids"]), state["variance"]
