"""Takers that excite each other: market orders come in bursts, as a Hawkes process, and sides persist.

A self-exciting process with two exponential kernels (Hawkes, 1971; fitted to order flow by Bacry, Mastromatteo and Muzy,
"Hawkes processes in finance", 2015). Each order raises the rate for a while; `branching` is the mean number of orders
that one brings about. It is drawn by thinning (Ogata, 1981). That signs persist is order splitting (Lillo, Mike and
Farmer, 2005), here as a chance to repeat the last side.
"""

import math
from dataclasses import dataclass

from marksim.core.agents.bounds import Amount, Positive, Share
from marksim.core.book.compiled import compiled, compiled_apart
from marksim.core.book.words import Row, int64
from marksim.core.populations.dice import exponential, pareto, uniform
from marksim.core.populations.learning import seen
from marksim.core.populations.sending import take_market
from marksim.core.populations.words import BUY, CONTINUOUS, FAR_NS, NEVER, SECOND, SELL, Crowd, Population, Trader


@dataclass(frozen=True)
class Hawkes:
    """Parameters of `hawkes`. Sizes in lots, times in simulated seconds."""

    interval_s: Positive = 1_000.0
    """Mean time between two orders of one trader that nothing excited."""
    branching: Share = 0.6
    """Kept below 0.95, beyond which bursts hardly end."""
    fast_s: Positive = 0.5
    slow_s: Positive = 30.0
    repeat: Share = 0.7
    """Chance that an order has the side of the one before."""
    size_lots: Amount = 20.0
    size_tail: Positive = 2.0


@compiled
def next_arrival(population: Population, now_ns: int, mean_ns: float, p: Row) -> int:
    """When the next order comes; memory0 and memory1 are the excited rates per second, memory2 when they were true."""
    now_s = 0.0
    base = SECOND / mean_ns
    fast, slow = population.memory0, population.memory1
    while True:
        highest = base + fast + slow
        wait_s = exponential(population) / highest
        now_s += wait_s
        fast *= math.exp(-wait_s / p[2])
        slow *= math.exp(-wait_s / p[3])
        if uniform(population) * highest <= base + fast + slow:
            break
    branching = min(p[1], 0.95)
    population.memory0 = fast + 0.5 * branching / p[2]
    population.memory1 = slow + 0.5 * branching / p[3]
    return min(now_ns + int64(min(now_s * SECOND, FAR_NS)) + 1, NEVER)


@compiled_apart
def act(crowd: Crowd, population: Population, trader: Trader, now_ns: int, p: Row) -> None:
    """One market order; memory3 is the last side."""
    repeats, chance = uniform(population) < p[4], uniform(population)
    lots = 1 + int64(p[5] * min(100.0, pareto(population, p[6])))
    if not repeats or population.memory3 == 0.0:
        population.memory3 = 1.0 if chance < 0.5 else 2.0
    if seen(crowd, population, now_ns).session_state == CONTINUOUS:
        take_market(crowd, population, trader, now_ns, BUY if population.memory3 == 1.0 else SELL, lots)
