"""A mean-reversion trader: sells what has risen far above its recent mean, buys what has fallen far below it.

Prices that overshoot come back in part (J. Poterba and L. Summers, "Mean reversion in stock prices", 1988). Mean and
variance of the mid are exponential ones over `memory_s`; the score is the distance from that mean in standard deviations,
the rule of Bollinger's bands. It trades against scores beyond `entry_score` and goes back toward flat within `exit_score`,
which should be smaller.
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


class MeanReversionAgent(Paced):
    """Sells a rise, buys a fall, and gives the position back when the price is where it was."""

    def __init__(self, market: Market, p: MeanReversion) -> None:
        super().__init__(market)
        self.p = p
        self.size = lots_within(market.instrument(), p.size_lots)
        self.mean = 0.0
        self.variance = p.least_sd_ticks * p.least_sd_ticks
        self.at_ns = 0

    def begin(self) -> None:
        self.mean, self.at_ns = mid_ticks(self.market.tick()), self.market.now_ns

    def pause_s(self) -> float:
        return self.p.interval_s * self.rng.standard_exponential()

    def act(self) -> None:
        market, p = self.market, self.p
        tick = market.tick()
        score, position = self._score(mid_ticks(tick), market.now_ns), market.position_lots()
        if not is_trading(tick):
            return
        if score < -p.entry_score and position < p.max_position_lots:
            market.market(Side.BUY, self.size)
        elif score > p.entry_score and position > -p.max_position_lots:
            market.market(Side.SELL, self.size)
        elif abs(score) < p.exit_score and position:
            market.market(Side.SELL if position > 0 else Side.BUY, min(self.size, abs(position)))

    def _score(self, mid: float, now_ns: int) -> float:
        """How far this price lies from the mean of those before it, in their standard deviations; it then counts itself."""
        off = mid - self.mean
        score = off / max(self.p.least_sd_ticks, math.sqrt(self.variance))
        weight = 1.0 - math.exp(-(now_ns - self.at_ns) / NS_PER_S / self.p.memory_s)
        self.mean += weight * off
        self.variance = (1.0 - weight) * (self.variance + weight * off * off)
        self.at_ns = now_ns
        return score

    def state(self) -> dict[str, Any]:
        return {**super().state(), "mean": self.mean, "variance": self.variance, "at_ns": self.at_ns}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self.mean, self.variance, self.at_ns = state["mean"], state["variance"], state["at_ns"]
