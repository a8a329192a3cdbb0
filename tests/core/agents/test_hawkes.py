"""The self-exciting taker."""

import itertools

import numpy as np
import pytest

from marksim.core.agents.hawkes import Excitement, Hawkes, HawkesAgent, next_order
from marksim.core.types import ExecutionKind, Side
from tests.core.agents.companions import moved
from tests.core.agents.played import Player, play


def _process(p: Hawkes, seconds: float, seed: int = 7) -> tuple[np.ndarray, list[Side]]:
    """Times and sides of its orders."""
    state, rng = Excitement(), np.random.default_rng(seed)
    times, sides = [], []
    while state.at_s < seconds:
        sides.append(next_order(state, p, rng))
        times.append(state.at_s)
    return np.array(times[:-1]), sides[:-1]


def _dispersion(times: np.ndarray, span: float) -> float:
    """Variance of the counts in spans of time over their mean; 1 of a Poisson process."""
    counts = np.bincount((times / span).astype(np.int64))[:-1]
    return float(counts.var() / counts.mean())


@pytest.mark.parametrize("branching", [0.0, 0.5, 0.8])
def test_its_rate_and_its_clusters_are_as_the_parameters_say(branching: float) -> None:
    """Rate base / (1 - n); counts over long spans have variance 1 / (1 - n)^2 times their mean."""
    p = Hawkes(base_rate=1.0, branching=branching, slow_s=5.0)
    times, _ = _process(p, 200_000)
    assert len(times) / 200_000 == pytest.approx(1.0 / (1.0 - branching), rel=0.05)
    assert _dispersion(times, 400.0) == pytest.approx(1.0 / (1.0 - branching) ** 2, rel=0.2)


def test_bursts_keep_to_a_side() -> None:
    """Neighbours are on one side far more often than not where `same_side` is high, and half the time where it is even."""
    alike = {}
    for same_side in (0.9, 0.5):
        _, sides = _process(Hawkes(same_side=same_side), 50_000)
        alike[same_side] = float(np.mean([before is after for before, after in itertools.pairwise(sides)]))
    assert alike[0.9] > 0.6
    assert abs(alike[0.5] - 0.5) < 0.03


def test_its_market_orders_come_in_clusters() -> None:
    """In the market: counts in 60 s vary many times more than a Poisson process's, and both sides come."""
    p = Hawkes(base_rate=0.3, branching=0.8)
    played = play([Player("stage", moved([(0.05, 100_000)])), Player("taker", HawkesAgent, p)], 3_600)
    rows = played.of("taker", ExecutionKind.ACCEPTED)
    assert _dispersion(rows["time_ns"] / 1e9, 60.0) > 4.0
    assert set(played.sides("taker")) == {Side.BUY, Side.SELL}
    assert not len(played.of("taker", ExecutionKind.REJECTED))
