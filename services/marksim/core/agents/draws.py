"""Random variates that agents share, from their own generator, by operations that give the same on every machine.

`rng.standard_exponential()` times a mean is `rng.exponential(mean)`, draw for draw, at half its cost; it is written out
where an agent waits.
"""

import math

import numpy as np


def pareto(rng: np.random.Generator, tail: float, most: float) -> float:
    """A Pareto variate (from 0 on: chance of more than x is (1 + x)^-tail), cut at `most`."""
    return min(most, math.expm1(min(700.0, rng.standard_exponential() / tail)))
