"""Noise traders: they buy and sell for reasons of their own, mostly by resting orders, and replace old ones.

Those of Black ("Noise", 1986): most of the flow and none of the information. Distances from the best price and sizes
follow power laws, as measured by Bouchaud, Mezard and Potters ("Statistical properties of stock order books", 2002).
"""

from dataclasses import dataclass

from marksim.core.agents.bounds import Amount, Positive, Share, Whole
from marksim.core.book.compiled import compiled_apart
from marksim.core.book.words import Row, int64
from marksim.core.populations.dice import exponential, pareto, uniform
from marksim.core.populations.learning import seen
from marksim.core.populations.sending import rest, take_market
from marksim.core.populations.words import BUY, CLOSED, CONTINUOUS, HALTED, SECOND, SELL, Crowd, Population, Trader


@dataclass(frozen=True)
class Noise:
    """Parameters of `noise`. Prices in ticks, sizes in lots, times in simulated seconds; a trader has one order a side."""

    interval_s: Positive = 1_000.0
    """Mean time between two orders of one trader."""
    market_share: Share = 0.12
    size_lots: Amount = 60.0
    size_tail: Positive = 2.2
    nearest_ticks: Whole = 1
    distance_ticks: Amount = 2.0
    distance_tail: Positive = 1.1
    patience_s: Amount = 0.0
    """Mean life of a resting order; 0: until the trader replaces it."""


@compiled_apart
def act(crowd: Crowd, population: Population, trader: Trader, now_ns: int, p: Row) -> None:
    """One order, at a distance from the best opposite price, or at the market, which in an auction is that far beyond."""
    tick = seen(crowd, population, now_ns)
    if tick.session_state in (HALTED, CLOSED):
        return
    side = BUY if uniform(population) < 0.5 else SELL
    lots = 1 + int64(p[2] * min(50.0, pareto(population, p[3])))
    takes = uniform(population) < p[1]
    if takes and tick.session_state == CONTINUOUS:
        take_market(crowd, population, trader, now_ns, side, lots)
        return
    distance = int64(p[4]) + int64(p[5] * min(2_000.0, pareto(population, p[6])))
    distance = -distance if takes else distance
    price = tick.ask_price_ticks - distance if side == BUY else tick.bid_price_ticks + distance
    patience_ns = int64(p[7] * exponential(population) * SECOND) + 1 if p[7] > 0.0 else int64(0)
    rest(crowd, population, trader, now_ns, side, price, lots, patience_ns)
