"""Traders who split large orders: each parent is traded child by child, so that the signs of orders have a long memory.

Lengths of parents follow a power law, from which the memory of signs comes with exponent tail - 1 (Lillo, Mike and
Farmer, "Theory for long memory in supply and demand", 2005; confirmed trader by trader by Sato and Kanazawa, 2023). It is
the whale's schedule (TWAP with random gaps), for many.
"""

from dataclasses import dataclass

from marksim.core.agents.bounds import Count, Positive
from marksim.core.book.compiled import compiled_apart
from marksim.core.book.words import Row, int64
from marksim.core.populations.dice import pareto, uniform
from marksim.core.populations.learning import is_waiting, seen
from marksim.core.populations.sending import await_answer, take_market
from marksim.core.populations.words import BUY, CONTINUOUS, SELL, Crowd, Population, Trader


@dataclass(frozen=True)
class Splitters:
    """Parameters of `splitters`. Sizes in lots, times in simulated seconds."""

    interval_s: Positive = 60.0
    """Mean time between two children of one trader who has a parent, and between two thoughts of having one."""
    start_chance: Positive = 0.02
    """Chance of a new parent at such a thought."""
    length_tail: Positive = 1.5
    longest: Count = 2_000
    child_lots: Count = 20


@compiled_apart
def act(crowd: Crowd, population: Population, trader: Trader, now_ns: int, p: Row) -> None:
    """Begin a parent now and then; trade the next child of one that is under way. `plan_lots` is what is left of it."""
    row = crowd.traders[trader]
    if row.plan_lots == 0:
        chance, length = uniform(population), 1 + int64(min(float(p[3]), pareto(population, p[2])))
        if chance < p[1]:
            row.plan_lots = int64(p[4]) * length * (1 if uniform(population) < 0.5 else -1)
    if row.plan_lots == 0 or is_waiting(crowd, trader):
        return
    if seen(crowd, population, now_ns).session_state == CONTINUOUS:
        side = BUY if row.plan_lots > 0 else SELL
        take_market(crowd, population, trader, now_ns, side, min(int64(p[4]), abs(int64(row.plan_lots))))
        await_answer(crowd, population, trader, side)
