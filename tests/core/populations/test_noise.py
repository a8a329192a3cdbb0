"""Noise traders: both sides, power laws, one order a side."""

import numpy as np
import pytest

from marksim.core.types import CommandKind, OrderType, SessionState, Side, TimeInForce
from tests.core.populations.floors import (
    Apart,
    S,
    collected,
    command,
    crowd_of,
    is_near,
    orders_of,
    population,
    session,
    show,
    shown,
    two_sides,
)


def test_they_buy_as_often_as_they_sell_and_take_by_their_share() -> None:
    """Half of the orders are bids, an eighth are market orders, and all come at the population's rate."""
    crowd = crowd_of(population("noise", 100, interval_s=50.0, market_share=0.125))
    orders = orders_of(collected(crowd, 1_000), crowd.specs[0])
    assert is_near(len(orders), 4_000, 0.5)  # 2,000 on average; the bound of a coin is near that of a Poisson count
    assert is_near(int((orders["side"] == Side.BUY).sum()), len(orders), 0.5)
    assert is_near(int((orders["order_type"] == OrderType.MARKET).sum()), len(orders), 0.125)


def test_distances_and_sizes_follow_power_laws() -> None:
    """Behind the best price by 1 + x ticks, P(x >= a) = (1 + a / 2)^-1.1, and sizes alike."""
    crowd = crowd_of(population("noise", 100, interval_s=50.0, market_share=0.0, size_lots=60.0, size_tail=2.2))
    show(crowd, shown(0, 9_990, 10_010))
    orders = orders_of(collected(crowd, 1_500), crowd.specs[0])
    orders = orders[orders["time_ns"] > orders["time_ns"].min() + S]
    buys = orders["side"] == Side.BUY
    away = np.where(buys, 10_010 - orders["price_ticks"], orders["price_ticks"] - 9_990)
    assert away.min() == 1
    for least in (2, 10, 50, 200):
        assert is_near(int((away - 1 >= least).sum()), len(orders), (1 + least / 2) ** -1.1)
    for least in (20, 60, 300):
        assert is_near(int((orders["quantity_lots"] - 1 >= least).sum()), len(orders), (1 + least / 60) ** -2.2)


@pytest.mark.parametrize("patience_s", [0.0, 3.0])
def test_a_trader_has_at_most_one_order_a_side(patience_s: float) -> None:
    """A new one takes the place of the old; with patience they expire."""
    crowd = crowd_of(population("noise", 10, interval_s=2.0, patience_s=patience_s))
    run = Apart(crowd)
    crowd.push(two_sides())
    counts = []
    for _ in range(10):
        resting = run.run(run.window * 0.05 + 5).book.resting()
        resting = resting[resting["account"] > 1]
        _, each = np.unique(resting[["account", "side"]], return_counts=True)
        assert each.max() == 1
        counts.append(len(each))
    orders = orders_of(run.tape("applied"), crowd.specs[0])
    limits = orders[orders["order_type"] == OrderType.LIMIT]
    assert ((limits["time_in_force"] == TimeInForce.GTD) == (patience_s > 0)).all()
    assert (run.tape("applied")["kind"] == CommandKind.CANCEL).any()
    assert np.mean(counts) > 10 if patience_s == 0 else np.mean(counts) < 18


@pytest.mark.parametrize(
    ("state", "rests", "takes"),
    [
        (SessionState.PRE_OPEN, True, False),
        (SessionState.OPENING_AUCTION, True, False),
        (SessionState.HALTED, False, False),
        (SessionState.CLOSED, False, False),
    ],
)
def test_they_do_what_the_session_takes(state: SessionState, rests: bool, takes: bool) -> None:
    """Orders rest for an auction; nobody sends a market order into one, or anything into a halt."""
    crowd = crowd_of(population("noise", 50, interval_s=10.0, market_share=0.5))
    show(crowd, shown(0, 10_000, 10_000, 0, 0, session_state=state))
    orders = orders_of(collected(crowd, 20), crowd.specs[0])
    orders = orders[orders["time_ns"] > crowd.memory.counters["start_ns"][0] + S]
    assert (orders["order_type"] == OrderType.LIMIT).any() == rests
    assert (orders["order_type"] == OrderType.MARKET).any() == takes


def test_script_is_heard() -> None:
    """What the tests of this folder send arrives: a change of the session, and an order after it that is refused."""
    run = Apart(crowd_of())
    run.crowd.push(session(1, 1, SessionState.HALTED))
    run.crowd.push(command(2, 2, Side.BUY, 5, 10_000))
    assert run.run(3).book.session_state == SessionState.HALTED
    assert run.book.order_count == 0
