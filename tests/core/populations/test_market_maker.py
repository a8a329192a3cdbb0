"""Market makers: two sides, around the inventory, in layers."""

from itertools import pairwise

import numpy as np
import pytest

from marksim.core.populations.crowd import Crowd
from marksim.core.types import CommandKind, Records, SessionState, Side
from tests.core.populations.floors import Floor, collected, crowd_of, orders_of, population, show, shown


def quotes_of(crowd: Crowd, until_s: float = 20.0) -> tuple[Records, Records]:
    """Bids and asks that are sent before a market that stands."""
    show(crowd, shown(0, 9_990, 10_010))
    orders = orders_of(collected(crowd, until_s), crowd.specs[0])
    return orders[orders["side"] == Side.BUY], orders[orders["side"] == Side.SELL]


def test_both_sides_are_quoted_around_the_middle() -> None:
    """By the half spread and a quarter of it."""
    bids, asks = quotes_of(crowd_of(population("market_maker", 1, interval_s=1.0, levels=1, half_spread_ticks=4.0)))
    assert len(bids) >= 1
    assert len(asks) >= 1
    assert bids["price_ticks"].max() < 10_000 < asks["price_ticks"].min()
    assert (10_000 - bids["price_ticks"]).max() <= 6
    assert (asks["price_ticks"] - 10_000).max() <= 6


@pytest.mark.parametrize("sizes", [-20, 20])
def test_quotes_lean_against_the_inventory(sizes: int) -> None:
    """Long makers quote lower, short ones higher, by 0.3 ticks a size."""
    prices = []
    for inventory in (0, 200 * sizes):
        crowd = crowd_of(population("market_maker", 1, levels=1, size_lots=200, skew_ticks_per_size=0.3))
        crowd.positions()["position_lots"] = inventory
        bids, asks = quotes_of(crowd)
        prices.append((bids["price_ticks"].mean() + asks["price_ticks"].mean()) / 2)
    assert prices[1] - prices[0] == pytest.approx(-0.3 * sizes, abs=1.5)


def test_full_inventory_quotes_one_side_and_takes_the_other_away() -> None:
    """What would add to it goes."""
    crowd = crowd_of(population("market_maker", 1, interval_s=0.5, size_lots=200, max_position_sizes=10.0))
    bids, _ = quotes_of(crowd, 5)
    crowd.positions()["position_lots"] = 10 * 200
    commands = collected(crowd, 15)
    cancels = commands[commands["kind"] == CommandKind.CANCEL]
    assert bids["serial"][-1] in cancels["target_serial"]
    assert (orders_of(commands, crowd.specs[0])["side"] == Side.SELL).all()
    assert crowd.positions()["bid_serial"][0] == 0
    assert crowd.positions()["ask_serial"][0] != 0


def test_layers_stand_in_order() -> None:
    """The n-th of the levels further out than the one before it, on both sides, and larger."""
    crowd = crowd_of(population("market_maker", 4, interval_s=0.5, levels=4, level_step_ticks=4.0))
    bids, asks = quotes_of(crowd)
    first = crowd.specs[0].account
    levels = [(bids[bids["account"] == first + n], asks[asks["account"] == first + n]) for n in range(4)]
    for (near_bids, near_asks), (far_bids, far_asks) in pairwise(levels):
        assert near_bids["price_ticks"].min() > far_bids["price_ticks"].max()
        assert near_asks["price_ticks"].max() < far_asks["price_ticks"].min()


def test_a_restless_price_widens_the_spread() -> None:
    """By the weight of its recent changes."""
    spreads = []
    for swing in (0, 30):
        crowd = crowd_of(population("market_maker", 1, interval_s=0.2, levels=1))
        parts = []
        for second in range(20):
            middle = 10_000 + (swing if second % 2 else 0)
            show(crowd, shown(second, middle - 5, middle + 5))
            parts.append(orders_of(collected(crowd, second + 1), crowd.specs[0]))
        orders = np.concatenate(parts)
        buys = orders["side"] == Side.BUY
        spreads.append(orders["price_ticks"][~buys].mean() - orders["price_ticks"][buys].mean())
    assert spreads[1] > spreads[0] + 2


@pytest.mark.parametrize("state", [SessionState.PRE_OPEN, SessionState.OPENING_AUCTION])
def test_makers_quote_for_an_auction(state: SessionState) -> None:
    """Around the last price, as nothing better is known."""
    crowd = crowd_of(population("market_maker", 2))
    show(crowd, shown(0, 9_000, 9_001, 0, 0, session_state=state, last_price_ticks=10_000))
    orders = orders_of(collected(crowd, 10), crowd.specs[0])
    assert (orders["side"] == Side.BUY).any()
    assert (np.abs(orders["price_ticks"] - 10_000) < 20).all()


def test_makers_alone_keep_a_narrow_market() -> None:
    """Where noise trades, their spread is a few ticks and their inventories within their limits."""
    makers = population("market_maker", 8, interval_s=0.5, max_position_sizes=20.0)
    run = Floor(crowd_of(makers, population("noise", 100, interval_s=20.0))).run(120)
    ticks = run.tape("ticks")[40:]
    both = (ticks["bid_quantity_lots"] > 0) & (ticks["ask_quantity_lots"] > 0)
    assert both.mean() > 0.99
    assert np.median(ticks["ask_price_ticks"] - ticks["bid_price_ticks"]) <= 6
    assert np.abs(run.crowd.positions()["position_lots"][:8]).max() <= 200 * 25
