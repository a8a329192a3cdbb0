"""The plain book judges the compiled one in small worlds: batches of any commands, shrunk to the shortest that differs."""

from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marksim.core.book.book import OrderBook
from marksim.core.book.checks import violations
from marksim.core.book.reference import ReferenceBook
from marksim.core.types import BandAction, SessionState
from tests.core.book.commands import batch, instrument, same

FIELDS = st.fixed_dictionaries(
    {"kind": st.sampled_from([1, 1, 1, 1, 1, 2, 3, 3, 3, 4, 5, 0]), "side": st.sampled_from([1, 2, 1, 2, 0])},
    optional={
        "order_type": st.sampled_from([1, 1, 2, 3, 4, 5]),
        "stop_price_ticks": st.integers(9, 14) | st.just(0),
        "time_in_force": st.sampled_from([0, 1, 2, 3, 3, 4, 4, 5, 6]),
        "session_state": st.sampled_from([0, 1, 2, 3, 3, 3, 4, 5, 6, 7]),
        "post_only": st.sampled_from([0, 1, 2, 3]),
        "self_trade_prevention": st.sampled_from([0, 1, 2, 3, 4, 5]),
        "self_trade_group": st.sampled_from([0, 1]),
        "min_quantity_lots": st.sampled_from([0, 0, 1, 4, 10, -1]),
        "display_lots": st.sampled_from([0, 0, 1, 2, 5, -1]),
        "time_ns": st.integers(0, 9),
        "expire_time_ns": st.sampled_from([0, 0, 3, 5, 8, -1]),
        "account": st.integers(0, 1),
        "serial": st.integers(0, 4),
        "target_serial": st.integers(0, 4),
        "price_ticks": st.integers(9, 14) | st.just(0) | st.integers(-(1 << 63), (1 << 63) - 1),
        "quantity_lots": st.integers(0, 9) | st.integers(-(1 << 63), (1 << 63) - 1),
    },
)


SMALL: Final = instrument(min_price_ticks=10, max_price_ticks=14, reference_price_ticks=12, market_protection_ticks=1)
WORLDS: Final = {
    "plain": SMALL,
    "bands that reject": replace(SMALL, dynamic_band_ppm=100_000),
    "bands that halt": replace(SMALL, static_band_ppm=100_000, band_action=BandAction.HALT, halt_ns=2, auction_ns=1),
    "halts of no time": replace(SMALL, dynamic_band_ppm=100_000, band_action=BandAction.HALT),
    "a day": replace(SMALL, sessions=((2, SessionState.OPENING_AUCTION), (5, SessionState.CONTINUOUS))),
}


@pytest.mark.parametrize("world", WORLDS)
@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.lists(FIELDS, max_size=12), max_size=8), st.integers(1, 6))
def test_any_batches_give_equal_books(world: str, batches: list[list[dict[str, int]]], max_orders: int) -> None:
    """Small worlds with many collisions, shrunk to the shortest that differs."""
    traded = WORLDS[world]
    plain, fast = ReferenceBook(traded, max_orders), OrderBook(traded, max_orders)
    for rows in batches:
        commands = batch(*({"order_type": 1, "price_ticks": 12, "quantity_lots": 5, **row} for row in rows))
        assert same(plain.apply(commands), fast.apply(commands))
        assert plain.state_hash() == fast.state_hash() and plain.session == fast.session
        assert violations(fast) == []
