"""Hawkes takers: as many as they should be, in bursts, with sides that repeat."""

from functools import lru_cache

import numpy as np
import pytest

from marksim.core.types import OrderType, Records
from tests.core.populations.floors import START, S, collected, crowd_of, population

LONG_S = 8_000


@lru_cache
def arrivals(branching: float, repeat: float = 0.7) -> Records:
    """One order a second that nothing excited, and what they excite."""
    spec = population("hawkes", 100, interval_s=100.0, branching=branching, fast_s=0.5, slow_s=4.0, repeat=repeat)
    return collected(crowd_of(spec), LONG_S)


@pytest.mark.parametrize("branching", [0.0, 0.6])
def test_rate_and_dispersion_are_those_of_the_branching(branching: float) -> None:
    """The mean rate is 1 / (1 - n) of the base, variance over mean of long counts near 1 / (1 - n)^2."""
    orders = arrivals(branching)
    assert (orders["order_type"] == OrderType.MARKET).all()
    dispersion = 1.0 / (1.0 - branching) ** 2
    mean = LONG_S / (1.0 - branching)
    assert abs(len(orders) - mean) < 4 * (mean * dispersion) ** 0.5
    counts = np.bincount((orders["time_ns"] - START) // (80 * S), minlength=100)[:100]
    assert counts.var() / counts.mean() == pytest.approx(dispersion, rel=0.45)


def test_orders_come_in_bursts() -> None:
    """Right after an order another is likelier than at any time, by its excitement."""
    gaps = np.diff(arrivals(0.6)["time_ns"]) / S
    poisson = 1.0 - np.exp(-0.1 / gaps.mean())
    assert (gaps < 0.1).mean() > 1.2 * poisson


@pytest.mark.parametrize("repeat", [0.0, 0.7])
def test_sides_repeat_by_their_chance(repeat: float) -> None:
    """That, and half of the rest."""
    sides = arrivals(0.6, repeat)["side"]
    again = (sides[1:] == sides[:-1]).mean()
    assert again == pytest.approx(repeat + (1 - repeat) / 2, abs=0.02)


def test_the_longest_wait_is_a_time() -> None:
    """The rarest orders lie further off than 64 bits of ns reach; none of them comes at once instead."""
    for seed in range(4_000):
        due_ns = crowd_of(population("hawkes", interval_s=1e9, branching=0.0), seed=seed).next_due_ns
        assert due_ns is None or due_ns > START, f"seed {seed}"
