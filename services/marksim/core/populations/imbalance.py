"""Fast traders of order-book imbalance: where one best queue is much the longer, they take the other side before it goes.

The imbalance of the best queues predicts the next move of the price (Gould and Bonart, "Queue imbalance as a
one-tick-ahead price predictor in a limit order book", 2016).
"""

from dataclasses import dataclass

from marksim.core.agents.bounds import Count, Positive, Share, Whole
from marksim.core.book.compiled import compiled_apart
from marksim.core.book.words import Row, int64
from marksim.core.populations.dice import uniform
from marksim.core.populations.learning import is_waiting, seen
from marksim.core.populations.sending import await_answer, take_up_to
from marksim.core.populations.words import BUY, CONTINUOUS, SELL, Crowd, Population, Trader


@dataclass(frozen=True)
class Imbalance:
    """Parameters of `imbalance`. Sizes in lots, times in simulated seconds."""

    interval_s: Positive = 20.0
    threshold: Share = 0.6
    """Least share of imbalance, (bid - ask) / (bid + ask) of the best queues, that is acted on."""
    size_lots: Count = 20
    max_position_lots: Whole = 200
    most_of_queue: Share = 0.5
    """Takes at most this part of the queue it meets."""


@compiled_apart
def act(crowd: Crowd, population: Population, trader: Trader, now_ns: int, p: Row) -> None:
    """Buy where bids outweigh asks, sell where asks outweigh bids; in between give back what is held."""
    tick = seen(crowd, population, now_ns)
    chance = uniform(population)
    bid, ask = int64(tick.bid_quantity_lots), int64(tick.ask_quantity_lots)
    if tick.session_state != CONTINUOUS or bid == 0 or ask == 0 or is_waiting(crowd, trader):
        return
    imbalance, position, most = (bid - ask) / (bid + ask), int64(crowd.traders[trader].position_lots), int64(p[3])
    wanted = int64(0)
    if imbalance > p[1]:
        wanted = min(max(most - position, int64(0)), 1 + int64(p[4] * ask))
    elif imbalance < -p[1]:
        wanted = max(min(-most - position, int64(0)), -1 - int64(p[4] * bid))
    elif chance < 0.5:
        wanted = -position
    if wanted != 0:
        side, best = (BUY, int64(tick.ask_price_ticks)) if wanted > 0 else (SELL, int64(tick.bid_price_ticks))
        take_up_to(crowd, population, trader, now_ns, side, best, min(int64(p[2]), abs(wanted)))
        await_answer(crowd, population, trader, side)
