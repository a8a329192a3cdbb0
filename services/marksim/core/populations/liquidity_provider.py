"""Liquidity providers: patient orders on both sides, in layers from near to far, so that no sweep empties a side.

The mean shape of real books, humped and with a power-law tail of distances (Bouchaud, Mezard and Potters, 2002); latent
liquidity that grows away from the price makes impact concave (Toth and others, "Anomalous price impact", 2011).
"""

from dataclasses import dataclass

from marksim.core.agents.bounds import Amount, Count, Positive
from marksim.core.book.compiled import compiled_apart
from marksim.core.book.words import Row, int64
from marksim.core.populations.dice import pareto, uniform
from marksim.core.populations.learning import price_of_rest, rests, seen
from marksim.core.populations.market_maker import fair_price
from marksim.core.populations.sending import rest
from marksim.core.populations.words import BUY, CLOSED, HALTED, SELL, Crowd, Population, Trader


@dataclass(frozen=True)
class LiquidityProvider:
    """Parameters of `liquidity_provider`. Prices in ticks, sizes in lots, times in simulated seconds."""

    interval_s: Positive = 60.0
    nearest_ticks: Amount = 10.0
    distance_ticks: Amount = 60.0
    distance_tail: Positive = 1.5
    size_lots: Count = 400
    drift_ticks: Amount = 400.0
    """An order that the price has left so far behind is brought nearer; others stay."""


@compiled_apart
def act(crowd: Crowd, population: Population, trader: Trader, now_ns: int, p: Row) -> None:
    """See that something rests on each side."""
    tick = seen(crowd, population, now_ns)
    distance = p[1] + p[2] * min(100.0, pareto(population, p[3]))
    lots = 1 + int64(p[4] * (0.5 + uniform(population)))
    if tick.session_state in (HALTED, CLOSED):
        return
    fair = fair_price(tick)
    for side in (BUY, SELL):
        if rests(crowd, trader, side) and abs(price_of_rest(crowd, trader, side) - fair) <= p[5] + distance:
            continue
        price = int64(fair - distance) if side == BUY else int64(fair + distance) + 1
        rest(crowd, population, trader, now_ns, side, price, lots, 0)
