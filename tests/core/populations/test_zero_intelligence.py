"""Zero-intelligence traders: constant rates, uniform distances, one size."""

import numpy as np

from marksim.core.types import CommandKind, OrderType, Side
from tests.core.populations.floors import START, S, collected, crowd_of, is_near, orders_of, population, show, shown


def test_shares_of_market_orders_cancellations_and_limit_orders() -> None:
    """Of the actions, which come at the population's rate."""
    crowd = crowd_of(population("zero_intelligence", 200, interval_s=100.0, market_share=0.15, cancel_share=0.35))
    actions = 2.0 * 1_500
    orders = orders_of(collected(crowd, 1_500), crowd.specs[0])
    market = int((orders["order_type"] == OrderType.MARKET).sum())
    assert abs(market - 0.15 * actions) < 5 * (0.15 * actions) ** 0.5
    assert abs(len(orders) - 0.65 * actions) < 5 * (0.65 * actions) ** 0.5
    assert (orders["quantity_lots"] == 50).all()


def test_cancellations_take_what_rests() -> None:
    """Nobody cancels what is not there, and each order is cancelled once at most."""
    crowd = crowd_of(population("zero_intelligence", 5, interval_s=5.0))
    commands = collected(crowd, 500)
    cancels, orders = commands[commands["kind"] == CommandKind.CANCEL], orders_of(commands, crowd.specs[0])
    assert len(cancels) > 50
    assert len(np.unique(cancels["target_serial"])) == len(cancels)
    limits = orders["serial"][orders["order_type"] == OrderType.LIMIT]
    assert np.isin(cancels["target_serial"], limits).all()
    only = crowd_of(population("zero_intelligence", 5, interval_s=5.0, market_share=0.0, cancel_share=1.0))
    assert len(collected(only, 500)) == 0


def test_distances_are_uniform() -> None:
    """From 1 to the range, from the opposite best price."""
    crowd = crowd_of(population("zero_intelligence", 200, interval_s=100.0, range_ticks=60))
    show(crowd, shown(0, 9_990, 10_010))
    orders = orders_of(collected(crowd, 2_000), crowd.specs[0])
    orders = orders[(orders["order_type"] == OrderType.LIMIT) & (orders["time_ns"] > START + S)]
    buys = orders["side"] == Side.BUY
    away = np.where(buys, 10_010 - orders["price_ticks"], orders["price_ticks"] - 9_990)
    assert (away.min(), away.max()) == (1, 60)
    for low in range(1, 61, 10):
        assert is_near(int(((away >= low) & (away < low + 10)).sum()), len(away), 1 / 6)
    assert is_near(int(buys.sum()), len(away), 0.5)
