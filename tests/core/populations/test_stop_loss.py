"""A crowd with stops: a fall sets them off, and goes deeper."""

from typing import Any

import numpy as np

from marksim.core.types import CommandKind, ExecutionKind, OrderType, Records, Side
from tests.core.populations.floors import Floor, command, crowd_of, population

STOPS: dict[str, Any] = {"distance_ticks": 40, "size_lots": 50}


def ladder() -> list[Records]:
    """100 lots at each of 2,000 prices below, and many to be bought above."""
    bids = [command(0, 1 + number, Side.BUY, 100, 9_999 - number) for number in range(2_000)]
    return [*bids, command(0, 3_000, Side.SELL, 1_000_000, 10_001)]


def fall_of(interval_s: float) -> tuple[int, Floor]:
    """The lowest price after somebody sold 3,000 lots, which take 30 levels."""
    crowd = crowd_of(population("stop_loss", 100, interval_s=interval_s, **STOPS))
    crowd.push(np.concatenate(ladder()))
    run = Floor(crowd).run(60)
    crowd.push(command(60.01, 4_000, Side.SELL, 3_000))
    run.run(65)
    events = run.tape("events")
    return int(events["price_ticks"][events["kind"] == ExecutionKind.TRADED].min()), run


def test_stops_deepen_a_fall() -> None:
    """By more than half again of what the same order does without them."""
    alone, _ = fall_of(1e9)
    deep, run = fall_of(5.0)
    assert alone == 9_970
    assert deep < 9_955
    events = run.tape("events")
    assert (events["kind"] == ExecutionKind.TRIGGERED).sum() > 10


def test_each_buys_protects_its_position_and_comes_back() -> None:
    """Stops stand below the price at round numbers, one a trader, over all that it holds; one that went off is flat."""
    _, run = fall_of(5.0)
    crowd, events = run.crowd, run.tape("events")
    stops = run.book.resting()
    stops = stops[stops["order_type"] == OrderType.STOP]
    assert len(stops) > 20
    assert (stops["stop_price_ticks"] % 10 == 0).all()
    assert len(np.unique(stops["account"])) == len(stops)
    held = crowd.positions()["position_lots"][stops["account"] - crowd.specs[0].account]
    assert (held == 50).all()
    assert (stops["leaves_lots"] == 50).all()
    sold = events[events["kind"] == ExecutionKind.TRIGGERED]["account"]
    bought_back = events[
        (events["kind"] == ExecutionKind.ACCEPTED) & (events["time_ns"] > events["time_ns"].max() - 3 * 10**9)
    ]
    assert np.isin(bought_back["account"], sold).any()


def test_a_stop_never_lies_outside_the_prices() -> None:
    """One that would lie below the lowest price lies there."""
    crowd = crowd_of(population("stop_loss", 20, interval_s=2.0, distance_ticks=1_000_000, size_lots=5))
    crowd.push(np.concatenate(ladder()[-3:]))
    run = Floor(crowd).run(20)
    stops = run.book.resting()
    stops = stops[stops["order_type"] == OrderType.STOP]
    assert len(stops) > 5
    assert (stops["stop_price_ticks"] == 1).mean() > 0.9
    kinds = run.tape("events")["kind"]
    assert not (kinds == ExecutionKind.REJECTED).any()
    assert not (kinds == CommandKind.UNSPECIFIED).any()
