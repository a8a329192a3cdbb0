"""A market maker: quotes a few levels on both sides of what it believes fair, and leans against its inventory."""

import math
from dataclasses import dataclass

from marksim.core.agents.bounds import Amount, Count, FewTimes, Positive
from marksim.core.agents.market import Market, Order
from marksim.core.agents.session import takes_orders
from marksim.core.types import Side


@dataclass(frozen=True)
class MarketMaker:
    """Parameters of `market_maker`. Prices in ticks, sizes in lots, times in simulated seconds."""

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


async def market_maker(market: Market, p: MarketMaker) -> None:
    """Every `requote_s` on average, replace those quotes that are no longer where they should be.

    Where no orders are taken it keeps its quotes: a cancelled one could not be replaced.
    """
    quotes: dict[tuple[Side, int], Order] = {}
    previous_mid = _microprice(market)
    unrest = 0.0
    while True:
        await market.sleep(float(market.rng.exponential(p.requote_s)) + 0.02)
        if not takes_orders(market):
            continue
        mid = _microprice(market)
        unrest = 0.8 * unrest + 0.2 * abs(mid - previous_mid)
        previous_mid = mid
        inventory = market.position_lots / p.size_lots
        fair = mid - p.skew_ticks_per_size * inventory
        half = p.half_spread_ticks * (0.75 + 0.5 * market.rng.random()) + p.volatility_weight * unrest
        for side in (Side.BUY, Side.SELL):
            _quote_side(market, p, quotes, side, fair, half, inventory)


def _quote_side(
    market: Market,
    p: MarketMaker,
    quotes: dict[tuple[Side, int], Order],
    side: Side,
    fair: float,
    half: float,
    inventory: float,
) -> None:
    sign = 1 if side is Side.BUY else -1
    full = sign * inventory >= p.max_position_sizes
    for level in range(p.levels):
        distance = half + level * p.level_step_ticks * (1.0 + 0.5 * level)
        price = math.floor(fair - distance) if side is Side.BUY else math.ceil(fair + distance)
        price = max(
            market.instrument.min_price_ticks,
            min(market.instrument.max_price_ticks, price),
        )
        present = quotes.get((side, level))
        resting = present is not None and not present.closed
        tolerance = level  # outer levels may lie a little off: fewer messages, the same book
        if resting and present is not None:
            well_placed = abs(present.price_ticks - price) <= tolerance and present.leaves_lots * 3 >= p.size_lots
            if well_placed and not full:
                continue
            market.cancel(present)
            del quotes[side, level]
        if not full:
            size = 1 + int(p.size_lots * (0.5 + market.rng.random()) * (1.0 + 0.5 * level))
            quotes[side, level] = market.limit(side, price, size)


def _microprice(market: Market) -> float:
    """Mid, leaning to the side with less behind it."""
    tick = market.tick
    bid, ask = tick.bid_price_ticks, tick.ask_price_ticks
    if tick.bid_quantity_lots == 0 or tick.ask_quantity_lots == 0:
        return float(tick.last_price_ticks)  # a lone side says nothing of value: following it would run away
    share = tick.bid_quantity_lots / (tick.bid_quantity_lots + tick.ask_quantity_lots)
    return bid + (ask - bid) * (0.25 + 0.5 * share)
