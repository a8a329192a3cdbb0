"""What traders have seen and learned, and when."""

from dataclasses import replace

import numpy as np
import pytest

from marksim.core.agents.latency import constant, lognormal
from marksim.core.errors import InvalidInput
from marksim.core.types import ExecutionKind, OrderType, Side
from tests.core.populations.floors import (
    BTC,
    MS,
    START,
    Floor,
    S,
    collected,
    command,
    crowd_of,
    orders_of,
    population,
    show,
    shown,
    two_sides,
)


@pytest.mark.parametrize("latency_ms", [0, 10, 240, 30_000])
def test_nobody_sees_a_tick_before_it_arrives(latency_ms: int) -> None:
    """The price of an order is that of the newest tick that is older than the latency, also one of half a minute."""
    feed = constant(latency_ms * MS)
    spec = population("noise", 50, interval_s=0.5, market_share=0.0, distance_ticks=0.0, order=constant(0), feed=feed)
    crowd = crowd_of(spec)
    parts = []
    for number in range(700):
        # Tick and end of window are one, and each tick has a price of its own.
        show(crowd, shown(0.05 * number, 10_000 + number, 10_001 + number))
        parts.append(orders_of(collected(crowd, 0.05 * (number + 1)), crowd.specs[0]))
    orders = np.concatenate(parts)
    prices = np.where(orders["side"] == Side.BUY, orders["price_ticks"], orders["price_ticks"] - 1)
    newest = (orders["time_ns"] - START - latency_ms * MS) // (50 * MS)
    known = newest >= 0
    assert known.sum() > (2_500 if latency_ms < 1_000 else 200)
    assert (prices == 10_000 + newest)[known].all()


def test_with_latencies_that_vary_each_look_has_its_own() -> None:
    """Between the newest tick and one as old as the longest latency."""
    feed = lognormal(100 * MS, 1.0)
    spec = population("noise", 50, interval_s=0.5, market_share=0.0, distance_ticks=0.0, order=constant(0), feed=feed)
    crowd = crowd_of(spec)
    parts = []
    for number in range(400):
        show(crowd, shown(0.05 * number, 10_000 + number, 10_001 + number))
        parts.append(orders_of(collected(crowd, 0.05 * (number + 1)), crowd.specs[0]))
    orders = np.concatenate(parts[100:])
    prices = np.where(orders["side"] == Side.BUY, orders["price_ticks"], orders["price_ticks"] - 1)
    ages = (orders["time_ns"] - START) / MS - 50 * (prices - 10_000)
    assert (ages >= 0).all()
    assert np.median(ages) == pytest.approx(125, abs=15)
    assert ages.max() > 400


def test_a_fill_is_learned_after_the_feed_latency_and_the_window() -> None:
    """Not before; then position, cash and what is left of the order are right."""
    crowd = crowd_of(population("market_maker", 1, interval_s=0.02, levels=1, size_lots=100, feed=constant(300 * MS)))
    run = Floor(crowd).run(2)
    bid = run.book.resting()[0]
    assert bid["side"] == Side.BUY
    crowd.push(command(2.01, 1, Side.SELL, 30))
    before = run.run(2.3).crowd.positions()[0].copy()
    assert before["position_lots"] == 0
    after = run.run(2.6).crowd.positions()[0]
    assert after["position_lots"] == 30
    assert after["cash_ticks"] == -30 * bid["price_ticks"]


def test_what_does_not_rest_is_forgotten() -> None:
    """Of an order that found nobody, was refused, or traded in part, the trader knows it has ended."""
    crowd = crowd_of(population("informed", 5, interval_s=1.0, noise_ticks=0.0, size_lots=10_000.0))
    run = Floor(crowd)
    crowd.push(two_sides(lots=10, half_spread=20, at_s=0.0))
    crowd.shock(START + 1 * S, 100_000)
    events = run.run(20).tape("events")
    ended = events["kind"] == ExecutionKind.CANCELLED
    assert ended.any()
    traders = crowd.positions()
    assert traders["position_lots"].sum() == 10
    assert (traders["bid_serial"] == 0).all()
    assert (traders["ask_serial"] == 0).all()


def test_sizes_keep_to_the_instrument() -> None:
    """Where its least is larger than what a trader wants, an order has the least; an impossible one is refused at once."""
    coarse = replace(BTC, min_quantity_lots=70)
    crowd = crowd_of(population("zero_intelligence", 5, interval_s=1.0, size_lots=50), instrument=coarse)
    run = Floor(crowd, instrument=coarse).run(10)
    assert not (run.tape("events")["kind"] == ExecutionKind.REJECTED).any()
    resting = run.book.resting()
    assert (resting["quantity_lots"][resting["order_type"] == OrderType.LIMIT] == 70).all()
    with pytest.raises(InvalidInput, match="min_quantity_lots"):
        crowd_of(instrument=replace(BTC, min_quantity_lots=1 << 33, max_quantity_lots=1 << 34))
