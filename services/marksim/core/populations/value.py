"""The fundamental value of a symbol: an Ornstein-Uhlenbeck path with jumps, on a grid of one simulated second.

Nothing in the book reads it; prices move only by the orders of those who do. It is stepped along its own grid from its
own generator, so that who asks and when does not matter; some seconds back can still be asked for.
"""

import math
from typing import Any

from marksim.core.book.compiled import compiled, kernel
from marksim.core.book.words import Table, int64
from marksim.core.populations.dice import normal, trait
from marksim.core.populations.memory import as_crowd
from marksim.core.populations.words import Crowd
from marksim.core.types import NS_PER_S

_SECOND = int64(NS_PER_S)


@compiled
def value_at(crowd: Crowd, time_ns: int) -> float:
    """In ticks, at the last grid point up to a time; times before the start, or before what is kept, are the first kept."""
    state, values = crowd.state, crowd.values
    second = max((time_ns - state.start_ns) // _SECOND, int64(0))
    while state.second < second:
        state.second += 1
        state.value_deviation = state.value_deviation * state.value_keep + state.value_sd * normal(state)
        if state.value_jumps > 0.0 and trait(state.dice_key, int64(state.second), 0) < state.value_jumps:
            state.value_deviation += state.value_jump_ticks * student(crowd, int64(state.second))
        values[state.second % len(values)] = state.value_deviation
    second = max(second, state.second - len(values) + 1)
    value = state.value_reference + values[second % len(values)]
    for index in range(int64(state.shock_count) - 1, -1, -1):
        if crowd.shocks[index].time_ns <= time_ns:
            return value * crowd.shocks[index].factor
    return value


@compiled
def student(crowd: Crowd, second: int) -> float:
    """A Student t variate of 3 degrees of freedom that belongs to a second: jumps draw nothing from the path's generator."""
    key, square = crowd.state.dice_key, 0.0
    for number in (1, 3, 5):
        square += standard(key, second, number) ** 2
    return standard(key, second, 7) / math.sqrt(square / 3.0)


@compiled
def standard(key: Any, second: int, number: int) -> float:
    """A normal variate that belongs to a second (Box and Muller, 1958)."""
    radius = math.sqrt(-2.0 * math.log(1.0 - trait(key, second, number)))
    return radius * math.cos(2.0 * math.pi * trait(key, second, number + 1))


@kernel
def value_of(counters: Table, time_ns: int) -> float:
    """The same for Python."""
    return value_at(as_crowd(counters), time_ns)
