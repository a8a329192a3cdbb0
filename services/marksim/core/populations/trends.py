"""Means of the price that a population keeps, each forgetting at a pace of its own: who follows or fades a trend reads
them.
"""

import math

from marksim.core.book.compiled import compiled
from marksim.core.book.words import Row
from marksim.core.populations.words import SECOND, Crowd, Population

HORIZONS = 4
"""Means kept: of `fast_s`, and of it times 4, 16 and 64."""


@compiled
def middle(tick: Row) -> float:
    """Between the best prices."""
    return 0.5 * (tick.bid_price_ticks + tick.ask_price_ticks)


@compiled
def renew(crowd: Crowd, population: Population, now_ns: int, price: float, fast_s: float) -> None:
    """Let the means take in the price that is seen now; memory4 is when they last did, in seconds since the start."""
    now_s = (now_ns - crowd.state.start_ns) / SECOND
    elapsed_s = now_s - population.memory4
    if population.memory5 == 0.0:
        population.memory0 = population.memory1 = population.memory2 = population.memory3 = price
        population.memory5 = 1.0
    population.memory4 = now_s
    population.memory0 += (price - population.memory0) * (1.0 - math.exp(-elapsed_s / fast_s))
    population.memory1 += (price - population.memory1) * (1.0 - math.exp(-elapsed_s / (4.0 * fast_s)))
    population.memory2 += (price - population.memory2) * (1.0 - math.exp(-elapsed_s / (16.0 * fast_s)))
    population.memory3 += (price - population.memory3) * (1.0 - math.exp(-elapsed_s / (64.0 * fast_s)))


@compiled
def trend(population: Population, horizon: int) -> float:
    """How far the mean of one horizon, from 0 to 2, is above the next slower one."""
    if horizon == 0:
        return population.memory0 - population.memory1
    if horizon == 1:
        return population.memory1 - population.memory2
    return population.memory2 - population.memory3


@compiled
def mean(population: Population, horizon: int) -> float:
    """The mean of one horizon, from 0 to 3."""
    if horizon == 0:
        return float(population.memory0)
    if horizon == 1:
        return float(population.memory1)
    return float(population.memory2) if horizon == 2 else float(population.memory3)
