"""A momentum trader: follows the difference of a fast and a slow mean of the price, up to a bounded position.

The moving-average rule with a band of W. Brock, J. Lakonishok and B. LeBaron, "Simple technical trading rules and the
stochastic properties of stock returns", 1992, with exponential means: buy while fast - slow exceeds `threshold_ticks`, sell
while it is below minus that, and go back toward flat within three tenths of it. `fast_s` should be below `slow_s`; in a
steady trend of v ticks a second the difference is v * (slow_s - fast_s).
"""

import math
from dataclasses import dataclass
from typing import Any

from marksim.core.agents.bounds import Amount, Count, Positive, Whole
from marksim.core.agents.market import Market
from marksim.core.agents.paced import Paced
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


class MomentumAgent(Paced):
    """Buys a rise, sells a fall, and gives the position back when neither is there."""

    def __init__(self, market: Market, p: Momentum) -> None:
        super().__init__(market)
        self.p = p
        self.size = lots_within(market.instrument(), p.size_lots)
        self.fast = 0.0
        self.slow = 0.0
        self.at_ns = 0

    def begin(self) -> None:
        self.fast = self.slow = mid_ticks(self.market.tick())
        self.at_ns = self.market.now_ns

    def pause_s(self) -> float:
        return self.p.interval_s * self.rng.standard_exponential()

    def act(self) -> None:
        market, p = self.market, self.p
        tick = market.tick()
        trend, position = self._trend(mid_ticks(tick), market.now_ns), market.position_lots()
        if not is_trading(tick):
            return
        if trend > p.threshold_ticks and position < p.max_position_lots:
            market.market(Side.BUY, self.size)
        elif trend < -p.threshold_ticks and position > -p.max_position_lots:
            market.market(Side.SELL, self.size)
        elif abs(trend) < 0.3 * p.threshold_ticks and position:
            market.market(Side.SELL if position > 0 else Side.BUY, min(self.size, abs(position)))

    def _trend(self, mid: float, now_ns: int) -> float:
        """Fast mean less slow mean, after this price."""
        elapsed_s = (now_ns - self.at_ns) / NS_PER_S
        self.at_ns = now_ns
        self.fast += (mid - self.fast) * (1.0 - math.exp(-elapsed_s / self.p.fast_s))
        self.slow += (mid - self.slow) * (1.0 - math.exp(-elapsed_s / self.p.slow_s))
        return self.fast - self.slow

    def state(self) -> dict[str, Any]:
        return {**super().state(), "fast": self.fast, "slow": self.slow, "at_ns": self.at_ns}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self.fast, self.slow, self.at_ns = state["fast"], state["slow"], state["at_ns"]
