"""Zero intelligence: the whole flow of a market in which nobody thinks, as one agent.

The model of E. Smith, J. D. Farmer, L. Gillemot and S. Krishnamurthy, "Statistical theory of the continuous double auction",
2003. Orders have one size. Limit orders arrive on each side at `limit_rate` a tick and second, evenly over the
`window_ticks` below the best ask (buys) or above the best bid (sells); market orders at `market_rate` a second, either side
alike; each resting order is cancelled at `cancel_rate` a second. All are Poisson processes, so the next event comes after
an exponential time of the summed rates, and is each kind with its share of them.

With alpha, mu and delta these three rates, the mean spread is about mu / alpha * (0.28 + 1.86 (delta / mu)^(3/4)) ticks (J.
Farmer, P. Patelli and I. Zovko, "The predictive power of zero intelligence in financial markets", 2005). The window must be
many times that; where few orders trade, about alpha * window_ticks / delta of them rest on each side.
"""

from dataclasses import dataclass
from typing import Any

from marksim.core.agents.bounds import Count, FewTimes, Rate
from marksim.core.agents.market import Market
from marksim.core.agents.paced import Paced
from marksim.core.agents.pricing import lots_within, price_within
from marksim.core.agents.session import is_trading, takes_orders
from marksim.core.agents.views import Order
from marksim.core.types import Side, Tick


@dataclass(frozen=True)
class ZeroIntelligence:
    """Parameters of `zero_intelligence`. Prices in ticks, sizes in lots, times in simulated seconds."""

    limit_rate: Rate = 0.05
    """alpha: limit orders a tick and second, on each side."""
    market_rate: Rate = 1.0
    """mu: market orders a second, of both sides together."""
    cancel_rate: Rate = 0.02
    """delta: of each resting order, a second."""
    window_ticks: FewTimes = 50
    size_lots: Count = 100
    max_open: FewTimes = 5_000
    """More than so many resting orders it does not keep: one of them goes for each that comes."""


class ZeroIntelligenceAgent(Paced):
    """One event of the model after each exponential pause. Where no orders are taken nothing happens."""

    def __init__(self, market: Market, p: ZeroIntelligence) -> None:
        super().__init__(market)
        self.p = p
        self.limits = 2.0 * p.limit_rate * p.window_ticks
        self.resting: list[Order] = []

    def _rate(self) -> float:
        """Of all events. Orders that ended count until they are drawn, and are then no event: the others' rate stays what
        it should be.
        """
        return self.limits + self.p.market_rate + self.p.cancel_rate * len(self.resting)

    def pause_s(self) -> float:
        return self.rng.standard_exponential() / self._rate()

    def act(self) -> None:
        market, p, rng = self.market, self.p, self.rng
        tick = market.tick()
        if not takes_orders(tick):
            return
        drawn = rng.random() * self._rate()
        if drawn < self.limits:
            self._place(tick)
        elif drawn >= self.limits + p.market_rate:
            self._forget_one()
        elif is_trading(tick):
            side = Side.BUY if rng.random() < 0.5 else Side.SELL
            market.market(side, lots_within(market.instrument(), p.size_lots))

    def _place(self, tick: Tick) -> None:
        market, p, rng = self.market, self.p, self.rng
        side = Side.BUY if rng.random() < 0.5 else Side.SELL
        distance = 1 + int(rng.random() * p.window_ticks)
        price = tick.ask_price_ticks - distance if side is Side.BUY else tick.bid_price_ticks + distance
        instrument = market.instrument()
        self.resting.append(market.limit(side, price_within(instrument, price), lots_within(instrument, p.size_lots)))
        if len(self.resting) > p.max_open:
            self._forget_one()

    def _forget_one(self) -> None:
        resting = self.resting
        place = int(self.rng.random() * len(resting))
        order, resting[place] = resting[place], resting[-1]
        resting.pop()
        if not order.closed:
            self.market.cancel(order)

    def state(self) -> dict[str, Any]:
        return {**super().state(), "resting": list(self.resting)}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self.resting = list(state["resting"])
