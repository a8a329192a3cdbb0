"""A noise trader: buys and sells for reasons of its own, mostly by resting orders, and forgets old ones."""

from collections import deque
from dataclasses import dataclass

from marksim.core.agents.bounds import Amount, Positive, Share, Whole
from marksim.core.agents.market import Market, Order
from marksim.core.agents.session import is_trading, takes_orders
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


async def noise(market: Market, p: Noise) -> None:
    """One order after each exponential pause; the oldest resting one goes when there are too many."""
    rng = market.rng
    resting: deque[Order] = deque()
    while True:
        await market.sleep(float(rng.exponential(p.interval_s)))
        trading = is_trading(market)
        if not trading:
            # What was refused lies behind older ones that rest, and must not push them out.
            resting = deque(order for order in resting if not order.closed)
            if not takes_orders(market):
                continue
        side = Side.BUY if rng.random() < 0.5 else Side.SELL
        size = 1 + int(p.size_lots * min(50.0, float(rng.pareto(p.size_tail))))
        if rng.random() < p.market_share:
            if trading:
                market.market(side, size)
            continue
        distance = p.nearest_ticks + int(p.distance_ticks * min(2_000.0, float(rng.pareto(p.distance_tail))))
        tick = market.tick
        price = tick.ask_price_ticks - distance if side is Side.BUY else tick.bid_price_ticks + distance
        price = max(
            market.instrument.min_price_ticks,
            min(market.instrument.max_price_ticks, price),
        )
        resting.append(market.limit(side, price, size))
        while resting and (resting[0].closed or len(resting) > p.max_open):
            oldest = resting.popleft()
            if not oldest.closed:
                market.cancel(oldest)
