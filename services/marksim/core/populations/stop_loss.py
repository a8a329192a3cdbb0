"""A crowd with stop-loss orders: each buys, protects its position by a stop below, and comes back long after it was
stopped.

Stops stand in clusters and set each other off: the price cascades of Osler ("Stop-loss orders and price cascades in
currency markets", 2005).
"""

from dataclasses import dataclass

from marksim.core.agents.bounds import Count, Positive
from marksim.core.book.compiled import compiled_apart
from marksim.core.book.words import Row, int64
from marksim.core.populations.dice import exponential
from marksim.core.populations.learning import rests, seen
from marksim.core.populations.sending import await_answer, protect, take_market
from marksim.core.populations.words import BUY, CONTINUOUS, SELL, Crowd, Population, Trader


@dataclass(frozen=True)
class StopLoss:
    """Parameters of `stop_loss`. Prices in ticks, sizes in lots, times in simulated seconds."""

    interval_s: Positive = 600.0
    """Mean time between two looks of one trader."""
    distance_ticks: Count = 60
    """Mean distance of the stop below the price."""
    round_ticks: Count = 10
    """Stops stand at multiples of this, as people place them."""
    size_lots: Count = 20


@compiled_apart
def act(crowd: Crowd, population: Population, trader: Trader, now_ns: int, p: Row) -> None:
    """Buy when flat; put a stop below a position that has none."""
    tick = seen(crowd, population, now_ns)
    distance = 1 + int64(p[1] * (0.3 + 0.7 * exponential(population)))
    if tick.session_state != CONTINUOUS:
        return
    position = int64(crowd.traders[trader].position_lots)
    if position <= 0:
        if not rests(crowd, trader, BUY):
            take_market(crowd, population, trader, now_ns, BUY, int64(p[3]) - position)
            await_answer(crowd, population, trader, BUY)
    elif not rests(crowd, trader, SELL) and tick.bid_quantity_lots > 0:
        step = int64(p[2])
        stop = (tick.bid_price_ticks - distance) // step * step
        protect(crowd, population, trader, now_ns, SELL, stop, position)
