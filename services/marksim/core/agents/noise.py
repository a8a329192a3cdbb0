"""A noise trader: buys and sells for reasons of its own, mostly by resting orders, and forgets old ones.

Who trades on noise as if it were information: F. Black, "Noise", 1986. Limit prices lie a power law away from the best
opposite price (J.-P. Bouchaud, M. Mezard, M. Potters, "Statistical properties of stock order books: empirical results and
models", 2002), sizes follow one as well (P. Gopikrishnan et al., "Statistical properties of share volume traded in
financial markets", 2000). `max_open` is how many resting orders it keeps; the oldest goes first.
"""

from collections import deque
from dataclasses import dataclass
from typing import Any

from marksim.core.agents.bounds import Amount, Positive, Share, Whole
from marksim.core.agents.draws import pareto
from marksim.core.agents.market import Market
from marksim.core.agents.paced import Paced
from marksim.core.agents.pricing import lots_within, price_within
from marksim.core.agents.session import is_trading, takes_orders
from marksim.core.agents.views import Order
from marksim.core.types import Side


@dataclass(frozen=True)
class Noise:
    """Parameters of `noise`. Prices in ticks, sizes in lots, times in simulated seconds."""

    interval_s: Positive = 0.8
    market_share: Share = 0.12
    """Share of its orders that are market orders."""
    size_lots: Amount = 60.0
    size_tail: Positive = 2.2
    """Exponent of the Pareto law of sizes; real ones are about 1.4 to 2.4."""
    nearest_ticks: Whole = 3
    distance_ticks: Amount = 2.0
    distance_tail: Positive = 1.1
    """Limit prices lie `nearest_ticks` and `distance_ticks` times a Pareto variate away from the best opposite price."""
    max_open: Whole = 40


class NoiseAgent(Paced):
    """One order after each exponential pause; the oldest resting one goes when there are too many."""

    def __init__(self, market: Market, p: Noise) -> None:
        super().__init__(market)
        self.p = p
        self.instrument = market.instrument()
        self.resting: deque[Order] = deque()

    def pause_s(self) -> float:
        return self.p.interval_s * self.rng.standard_exponential()

    def act(self) -> None:
        market, p, rng, instrument = self.market, self.p, self.rng, self.instrument
        tick = market.tick()
        trading = is_trading(tick)
        if not trading:
            # What was refused lies behind older ones that rest, and must not push them out.
            self.resting = deque(order for order in self.resting if not order.closed)
            if not takes_orders(tick):
                return
        side = Side.BUY if rng.random() < 0.5 else Side.SELL
        size = lots_within(instrument, 1 + int(p.size_lots * pareto(rng, p.size_tail, 50.0)))
        if rng.random() < p.market_share:
            if trading:
                market.market(side, size)
            return
        distance = p.nearest_ticks + int(p.distance_ticks * pareto(rng, p.distance_tail, 2_000.0))
        price = tick.ask_price_ticks - distance if side is Side.BUY else tick.bid_price_ticks + distance
        resting = self.resting
        resting.append(market.limit(side, price_within(instrument, price), size))
        while resting and (resting[0].closed or len(resting) > p.max_open):
            oldest = resting.popleft()
            if not oldest.closed:
                market.cancel(oldest)

    def state(self) -> dict[str, Any]:
        return {**super().state(), "resting": list(self.resting)}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self.resting = deque(state["resting"])
