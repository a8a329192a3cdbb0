"""The layered liquidity provider."""

import numpy as np
import pytest

from marksim.core.agents.liquidity_provider import LiquidityProvider, LiquidityProviderAgent
from marksim.core.types import ExecutionKind, Side
from tests.core.agents.companions import loaded, moved, taking
from tests.core.agents.played import Played, Player, play

PROVIDER = LiquidityProvider(levels=5)


def _resting(played: Played, side: Side) -> int:
    """How many price levels of a side the book holds at the end."""
    depth = played.depth["BTC/USD"]
    return int(np.count_nonzero(depth["side"] == side))


def test_it_keeps_its_levels_on_both_sides() -> None:
    """Alone in the market: as many prices a side as it has levels, and it never trades with itself."""
    played = play([Player("provider", LiquidityProviderAgent, PROVIDER)], 30)
    assert (_resting(played, Side.BUY), _resting(played, Side.SELL)) == (5, 5)
    assert not len(played.of("provider", ExecutionKind.TRADED))


def test_it_fills_up_what_was_taken() -> None:
    """Its bids are swept again and again; seconds later all levels rest there once more."""
    seller = Player("seller", taking(Side.SELL, 2_000, [10, 15, 20]))
    played = play([Player("provider", LiquidityProviderAgent, PROVIDER), seller], 30)
    assert played.position("provider") > 2_000
    assert (_resting(played, Side.BUY), _resting(played, Side.SELL)) == (5, 5)


def test_outer_levels_hold_more_than_the_best() -> None:
    """The mean size of the outermost quote it sent is well above that of the innermost."""
    rows = play([Player("provider", LiquidityProviderAgent, PROVIDER)], 600).of("provider", ExecutionKind.ACCEPTED)
    bids = rows[rows["side"] == Side.BUY]
    away = 100_000 - bids["price_ticks"]
    inner, outer = bids["quantity_lots"][away < np.quantile(away, 0.3)], bids["quantity_lots"][away > np.quantile(away, 0.7)]
    assert outer.mean() > 1.3 * inner.mean()


@pytest.mark.parametrize("sizes", [20, -20])
def test_it_leans_against_its_inventory(sizes: int) -> None:
    """Its quotes lie around a price that is lower by `skew_ticks_per_size` for each size it holds."""
    parameters = LiquidityProvider(levels=1, half_spread_ticks=20.0, skew_ticks_per_size=0.5)
    provider = Player("provider", loaded(LiquidityProviderAgent, sizes * parameters.size_lots), parameters)
    played = play([Player("stage", moved([(0.1, 100_000)])), provider], 30)
    last = {int(row["side"]): int(row["price_ticks"]) for row in played.of("provider", ExecutionKind.ACCEPTED)}
    # Each quote's half spread is drawn anew, a quarter more or less.
    assert abs((last[Side.BUY] + last[Side.SELL]) / 2 - (100_000 - 0.5 * sizes)) < 6
    assert len(played.of("provider", ExecutionKind.TRADED)) == 1
