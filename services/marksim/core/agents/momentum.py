"""A momentum trader: follows the difference of a fast and a slow mean of the price, up to a bounded position."""

import math
from dataclasses import dataclass

from marksim.core.agents.bounds import Amount, Count, Positive, Whole
from marksim.core.agents.market import Market
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


async def momentum(market: Market, p: Momentum) -> None:
    """Buy a rise, sell a fall, and give the position back when neither is there."""
    fast = slow = _mid(market)
    last_ns = market.now_ns
    while True:
        await market.sleep(float(market.rng.exponential(p.interval_s)))
        elapsed_s = (market.now_ns - last_ns) / NS_PER_S
        last_ns = market.now_ns
        mid = _mid(market)
        fast += (mid - fast) * (1.0 - math.exp(-elapsed_s / p.fast_s))
        slow += (mid - slow) * (1.0 - math.exp(-elapsed_s / p.slow_s))
        if not is_trading(market):
            continue
        trend, position = fast - slow, market.position_lots
        if trend > p.threshold_ticks and position < p.max_position_lots:
            market.market(Side.BUY, p.size_lots)
        elif trend < -p.threshold_ticks and position > -p.max_position_lots:
            market.market(Side.SELL, p.size_lots)
        elif abs(trend) < 0.3 * p.threshold_ticks and position:
            market.market(Side.SELL if position > 0 else Side.BUY, min(p.size_lots, abs(position)))


def _mid(market: Market) -> float:
    return 0.5 * (market.tick.bid_price_ticks + market.tick.ask_price_ticks)
