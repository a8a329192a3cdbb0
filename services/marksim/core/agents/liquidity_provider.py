"""A layered liquidity provider: keeps several levels on both sides of what it believes fair, and leans against inventory.

Fair value is the microprice, moved against the inventory in proportion to it, as a dealer's optimal prices are: T. Ho and
H. Stoll, "Optimal dealer pricing under transactions and return uncertainty", 1981. Half spread widens with the mid's recent
unrest. Level k lies `half_spread_ticks + k * level_step_ticks * (1 + k/2)` away and is larger by half a size each: the book
grows away from the price, as the measured mean book does (J.-P. Bouchaud, M. Mezard, M. Potters, "Statistical properties of
stock order books: empirical results and models", 2002). It has `levels` orders a side; `max_position_sizes` ends one side.
"""

import math
from dataclasses import dataclass
from typing import Any

from marksim.core.agents.bounds import Amount, Count, FewTimes, Positive
from marksim.core.agents.market import Market
from marksim.core.agents.paced import Paced
from marksim.core.agents.pricing import lots_within, microprice_ticks, price_within
from marksim.core.agents.session import takes_orders
from marksim.core.agents.views import Order
from marksim.core.types import Side


@dataclass(frozen=True)
class LiquidityProvider:
    """Parameters of `liquidity_provider`. Prices in ticks, sizes in lots, times in simulated seconds."""

    requote_s: Positive = 0.5
    half_spread_ticks: Amount = 2.0
    levels: FewTimes = 3
    level_step_ticks: Amount = 2.0
    size_lots: Count = 300
    skew_ticks_per_size: Amount = 0.3
    """How far fair value leans against each `size_lots` of inventory."""
    max_position_sizes: Amount = 80.0
    volatility_weight: Amount = 0.35
    """How much of the mid's recent absolute change widens the half spread."""


class LiquidityProviderAgent(Paced):
    """Every `requote_s` on average, replaces those quotes that are no longer where they should be.

    Where no orders are taken it keeps its quotes: a cancelled one could not be replaced.
    """

    def __init__(self, market: Market, p: LiquidityProvider) -> None:
        super().__init__(market)
        self.p = p
        self.previous_mid = 0.0
        self.unrest = 0.0
        self.quotes: dict[tuple[Side, int], Order] = {}
        """By side and level."""

    def begin(self) -> None:
        self.previous_mid = microprice_ticks(self.market.tick())

    def pause_s(self) -> float:
        return self.p.requote_s * self.rng.standard_exponential() + 0.02

    def act(self) -> None:
        market, p = self.market, self.p
        tick = market.tick()
        if not takes_orders(tick):
            return
        mid = microprice_ticks(tick)
        self.unrest = 0.8 * self.unrest + 0.2 * abs(mid - self.previous_mid)
        self.previous_mid = mid
        inventory = market.position_lots() / p.size_lots
        fair = mid - p.skew_ticks_per_size * inventory
        half = p.half_spread_ticks * (0.75 + 0.5 * self.rng.random()) + p.volatility_weight * self.unrest
        for side in (Side.BUY, Side.SELL):
            self._quote_side(side, fair, half, inventory)

    def _quote_side(self, side: Side, fair: float, half: float, inventory: float) -> None:
        market, p, quotes = self.market, self.p, self.quotes
        sign = 1 if side is Side.BUY else -1
        full = sign * inventory >= p.max_position_sizes
        instrument = market.instrument()
        for level in range(p.levels):
            distance = half + level * p.level_step_ticks * (1.0 + 0.5 * level)
            price = math.floor(fair - distance) if side is Side.BUY else math.ceil(fair + distance)
            price = price_within(instrument, price)
            present = quotes.get((side, level))
            tolerance = level  # outer levels may lie a little off: fewer messages, the same book
            if present is not None and not present.closed:
                well_placed = abs(present.price_ticks - price) <= tolerance and present.leaves_lots * 3 >= p.size_lots
                if well_placed and not full:
                    continue
                market.cancel(present)
                del quotes[side, level]
            if not full:
                size = 1 + int(p.size_lots * (0.5 + self.rng.random()) * (1.0 + 0.5 * level))
                quotes[side, level] = market.limit(side, price, lots_within(instrument, size))

    def state(self) -> dict[str, Any]:
        quotes = [[int(side), level, order] for (side, level), order in self.quotes.items()]
        return {**super().state(), "previous_mid": self.previous_mid, "unrest": self.unrest, "quotes": quotes}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self.previous_mid, self.unrest = state["previous_mid"], state["unrest"]
        self.quotes = {(Side(side), level): order for side, level, order in state["quotes"]}
