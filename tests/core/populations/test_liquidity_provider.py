"""Liquidity providers: no sweep leaves a side empty for long."""

import numpy as np

from marksim.core.types import Side
from tests.core.populations.floors import Apart, Floor, collected, command, crowd_of, orders_of, population, show, shown


def test_sides_are_filled_again_after_a_sweep() -> None:
    """A market order takes all bids; a minute later all providers have one again, below the price."""
    crowd = crowd_of(population("liquidity_provider", 20, interval_s=5.0))
    run = Floor(crowd).run(60)
    before = run.book.depth()
    assert (before["side"] == Side.BUY).any()
    crowd.push(command(60.01, 1, Side.SELL, 1_000_000))
    assert not (run.run(60.05).book.depth()["side"] == Side.BUY).any()
    resting = run.run(120).book.resting()
    for side in (Side.BUY, Side.SELL):
        assert len(np.unique(resting["account"][resting["side"] == side])) == 20


def test_orders_lie_from_near_to_far() -> None:
    """None nearer than the nearest, half within the median of the law, some far out."""
    crowd = crowd_of(population("liquidity_provider", 400, interval_s=10.0, nearest_ticks=10.0, distance_ticks=60.0))
    show(crowd, shown(0, 9_999, 10_001))
    orders = orders_of(collected(crowd, 60), crowd.specs[0])
    away = np.abs(orders["price_ticks"] - 10_000)
    assert away.min() >= 10
    # 60 * (2 ** (1 / 1.5) - 1) is the median of a Pareto law of tail 1.5.
    assert np.median(away) == 10 + np.clip(np.median(away) - 10, 28, 43)
    assert (away > 300).mean() > 0.03


def test_orders_that_the_price_has_left_are_brought_nearer() -> None:
    """Others stay where they are, and keep their place in the queue."""
    crowd = crowd_of(population("liquidity_provider", 20, interval_s=5.0, drift_ticks=400.0))
    show(crowd, shown(0, 9_999, 10_001))
    first = orders_of(collected(crowd, 60), crowd.specs[0])
    show(crowd, shown(60, 10_099, 10_101))
    assert len(orders_of(collected(crowd, 120), crowd.specs[0])) <= len(first) // 8
    show(crowd, shown(120, 14_999, 15_001))
    orders = orders_of(collected(crowd, 200), crowd.specs[0])
    assert len(orders) >= 36
    assert np.median(np.abs(orders["price_ticks"] - 15_000)) < 100


def test_a_lone_provider_keeps_two_orders() -> None:
    """One a side."""
    run = Apart(crowd_of(population("liquidity_provider", 1, interval_s=1.0))).run(20)
    assert sorted(run.book.resting()["side"]) == [Side.BUY, Side.SELL]
