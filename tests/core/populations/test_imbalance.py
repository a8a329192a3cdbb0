"""Traders of imbalance: they take the side that is about to go."""

import numpy as np
import pytest

from marksim.core.types import Side, TimeInForce
from tests.core.populations.floors import Apart, collected, command, crowd_of, orders_of, population, show, shown


@pytest.mark.parametrize(("bid", "ask", "side", "price"), [(900, 100, Side.BUY, 10_002), (100, 900, Side.SELL, 9_998)])
def test_they_take_the_side_with_less(bid: int, ask: int, side: Side, price: int) -> None:
    """Buy at the ask where bids outweigh, sell at the bid where asks do, half of the shorter queue at most."""
    crowd = crowd_of(population("imbalance", 10, interval_s=5.0, size_lots=80))
    show(crowd, shown(0, 9_998, 10_002, bid, ask))
    orders = orders_of(collected(crowd, 60), crowd.specs[0])
    # Of this market they never learn an answer, so that each has sent one order only.
    assert 5 <= len(orders) <= 10
    assert (orders["side"] == side).all()
    assert (orders["price_ticks"] == price).all()
    assert (orders["quantity_lots"] == 51).all()
    assert (orders["time_in_force"] == TimeInForce.IOC).all()


@pytest.mark.parametrize(("bid", "ask"), [(550, 450), (500, 500), (0, 500), (500, 0)])
def test_nothing_is_done_between(bid: int, ask: int) -> None:
    """Where queues are alike, or one side is empty."""
    crowd = crowd_of(population("imbalance", 10, interval_s=5.0))
    show(crowd, shown(0, 9_998, 10_002, bid, ask))
    assert len(orders_of(collected(crowd, 60), crowd.specs[0])) == 0


def test_positions_keep_to_their_limit_and_are_given_back() -> None:
    """Once the queues are alike again."""
    crowd = crowd_of(population("imbalance", 5, interval_s=2.0, max_position_lots=60))
    bids = command(0, 1, Side.BUY, 50_000, 9_998)
    asks = command(0, 2, Side.SELL, 2_000, 10_002)
    later = command(40, 40, Side.SELL, 50_000, 10_002)
    crowd.push(np.concatenate([bids, asks, later]))
    run = Apart(crowd)
    most = 0
    for second in range(1, 40):
        most = max(most, int(run.run(second).crowd.positions()["position_lots"].max()))
    assert most == 60
    assert (run.run(100).crowd.positions()["position_lots"] == 0).all()
