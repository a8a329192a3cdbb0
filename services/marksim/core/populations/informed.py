"""Informed traders: each sees the fundamental value through noise of its own, and takes up to it where that pays.

As the informed of Glosten and Milgrom ("Bid, ask and transaction prices in a specialist market", 1985) and the value
agents of ABIDES (Byrd, Hybinette and Balch, 2020), with a mean-reverting value.
"""

from dataclasses import dataclass

from marksim.core.agents.bounds import Amount, Positive, Whole
from marksim.core.book.compiled import compiled_apart
from marksim.core.book.words import Row, int64
from marksim.core.populations.dice import exponential, normal
from marksim.core.populations.learning import is_waiting, seen
from marksim.core.populations.sending import await_answer, take_up_to
from marksim.core.populations.value import value_at
from marksim.core.populations.words import BUY, CONTINUOUS, SELL, Crowd, Population, Trader


@dataclass(frozen=True)
class Informed:
    """Parameters of `informed`. Prices in ticks, sizes in lots, times in simulated seconds."""

    interval_s: Positive = 200.0
    noise_ticks: Amount = 8.0
    """Standard deviation of what a trader is mistaken by at each look."""
    threshold_ticks: Amount = 3.0
    size_lots: Amount = 40.0
    conviction_ticks: Positive = 12.0
    """A price that is so much further off doubles the size."""
    most_conviction: Amount = 3.5
    max_position_lots: Whole = 20_000


@compiled_apart
def act(crowd: Crowd, population: Population, trader: Trader, now_ns: int, p: Row) -> None:
    """Compare the value with the best prices, and take what is cheap or dear."""
    value = value_at(crowd, now_ns) + p[1] * normal(population)
    size = p[3] * exponential(population)
    tick = seen(crowd, population, now_ns)
    if tick.session_state != CONTINUOUS or is_waiting(crowd, trader):
        return
    position, most = int64(crowd.traders[trader].position_lots), int64(p[6])
    cheap, dear = value - tick.ask_price_ticks, tick.bid_price_ticks - value
    lots = 1 + int64(size * min(p[5], 1.0 + max(0.0, cheap, dear) / p[4]))
    if tick.ask_quantity_lots > 0 and cheap > p[2] and position < most:
        take_up_to(crowd, population, trader, now_ns, BUY, int64(value - p[2]), min(lots, most - position))
        await_answer(crowd, population, trader, BUY)
    elif tick.bid_quantity_lots > 0 and dear > p[2] and position > -most:
        take_up_to(crowd, population, trader, now_ns, SELL, int64(value + p[2]) + 1, min(lots, most + position))
        await_answer(crowd, population, trader, SELL)
