"""Zero-intelligence traders: orders without any view of value, at constant rates.

The model of Daniels, Farmer, Gillemot, Iori and Smith ("Quantitative model of price diffusion and market friction based
on trading as a mechanistic random process", 2003): limit orders fall uniformly on the prices within a range of the
opposite best price, market orders and cancellations come at rates of their own, all of one size.
"""

from dataclasses import dataclass

from marksim.core.agents.bounds import Count, Positive, Share
from marksim.core.book.compiled import compiled_apart
from marksim.core.book.words import Row, int64
from marksim.core.populations.dice import below, uniform
from marksim.core.populations.learning import seen
from marksim.core.populations.sending import cancel, rest, take_market
from marksim.core.populations.words import BUY, CLOSED, CONTINUOUS, HALTED, SELL, Crowd, Population, Trader


@dataclass(frozen=True)
class ZeroIntelligence:
    """Parameters of `zero_intelligence`: of a trader's actions, the shares that are market orders and cancellations."""

    interval_s: Positive = 100.0
    market_share: Share = 0.15
    cancel_share: Share = 0.35
    range_ticks: Count = 60
    size_lots: Count = 50


@compiled_apart
def act(crowd: Crowd, population: Population, trader: Trader, now_ns: int, p: Row) -> None:
    """A market order, a cancellation or a limit order, on a side drawn at random."""
    tick = seen(crowd, population, now_ns)
    side, chance = BUY if uniform(population) < 0.5 else SELL, uniform(population)
    distance = 1 + below(population, int64(p[3]))
    if tick.session_state in (HALTED, CLOSED):
        return
    if chance < p[1]:
        if tick.session_state == CONTINUOUS:
            take_market(crowd, population, trader, now_ns, side, int64(p[4]))
    elif chance < p[1] + p[2]:
        cancel(crowd, population, trader, now_ns, side)
    else:
        price = tick.ask_price_ticks - distance if side == BUY else tick.bid_price_ticks + distance
        rest(crowd, population, trader, now_ns, side, price, int64(p[4]), 0)
