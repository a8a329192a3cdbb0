"""The whale's three schedules."""

from dataclasses import replace

import numpy as np
import pytest

from marksim.core.agents import Market
from marksim.core.agents.noise import Noise, NoiseAgent
from marksim.core.agents.whale import Whale, WhaleAgent
from marksim.core.types import NS_PER_S, ExecutionKind, Side
from tests.core.agents.companions import DEEP, Step, laddered, loaded, moved, staged
from tests.core.agents.played import Played, Player, play

ONCE = Whale(first_pause_s=2.0, pause_s=1e6)


def test_twap_is_the_parent_in_equal_children_even_in_time() -> None:
    """All on one side, of one size, adding up to the parent; each quarter of the time has its quarter of the children."""
    parameters = replace(ONCE, parent_lots=4_000, children=200, child_interval_s=1.0)
    played = play([Player("stage", moved([(0.05, 100_000)])), Player("whale", WhaleAgent, parameters)], 400)
    children = played.of("whale", ExecutionKind.ACCEPTED)
    assert children["quantity_lots"].tolist() == [20] * 200
    assert len(set(children["side"].tolist())) == 1
    times = children["time_ns"] - children["time_ns"][0]
    assert 170 * NS_PER_S < times[-1] < 230 * NS_PER_S
    quarters, _ = np.histogram(times, bins=4)
    assert all(abs(count - 50) <= 5 for count in quarters), quarters


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_pov_keeps_its_share_of_the_volume(share: float) -> None:
    """Over an hour of others' trades at a changing pace, its part of all that traded is what was asked for."""

    async def others(market: Market) -> None:
        for minute in range(60):
            for _ in range(10 + 40 * (minute % 3)):
                side = Side.BUY if market.rng.random() < 0.5 else Side.SELL
                market.market(side, 1 + int(50 * market.rng.random()))
                await market.sleep(60.0 / (10 + 40 * (minute % 3)))

    parameters = replace(ONCE, parent_lots=1_000_000, children=1_000, schedule="pov", participation=share)
    players = [Player("stage", moved([(0.05, 100_000)])), Player("others", others), Player("whale", WhaleAgent, parameters)]
    played = play(players, 3_600)
    rows = played.executions()
    traded = rows[rows["kind"] == ExecutionKind.TRADED]
    own = int(traded["quantity_lots"][traded["account"] == 3].sum())
    assert own / int(traded["quantity_lots"].sum()) == pytest.approx(share, rel=0.02)


def test_pov_ends_with_its_parent() -> None:
    """It trades what it was to trade, to the lot, and no more."""
    parameters = replace(ONCE, parent_lots=777, children=10, schedule="pov", participation=0.3)
    players = [
        Player("ladder", laddered(lots=100_000)),
        Player("noise", NoiseAgent, Noise(interval_s=0.2, market_share=0.9)),
        Player("whale", WhaleAgent, parameters),
    ]
    assert abs(play(players, 600).position("whale")) == 777


def test_an_iceberg_shows_only_its_display() -> None:
    """Far more than that trades at its price, but the book never shows more of it."""
    parameters = replace(ONCE, parent_lots=5_000, children=1_000, schedule="iceberg", display_lots=200)

    async def both(market: Market) -> None:
        await market.sleep(5)
        for _ in range(60):
            market.limit(Side.SELL, 99_990, 70, immediate=True)
            market.limit(Side.BUY, 100_010, 70, immediate=True)
            await market.sleep(1)

    # The stage has 10 lots at each best price, so that all beyond them is the iceberg's.
    players = [
        Player("stage", staged((0.05, 99_990, 10, 100_010, 10))),
        Player("whale", WhaleAgent, parameters),
        Player("both", both),
    ]
    played = play(players, 90)
    assert abs(played.position("whale")) > 3_000
    sizes = {size for tick in played.ticks() for size in (tick.bid_quantity_lots, tick.ask_quantity_lots)}
    assert 200 < max(sizes) <= 210
    assert len(played.of("whale", ExecutionKind.ACCEPTED)) == 1


def test_an_iceberg_moves_after_the_best_price() -> None:
    """The market runs away from it; it cancels, and rests again at the new best price."""
    parameters = replace(ONCE, parent_lots=5_000, children=1_000, schedule="iceberg", chase_ticks=3)

    def rested(*steps: Step) -> Played:
        return play([Player("stage", staged(*steps)), Player("whale", WhaleAgent, parameters)], 60)

    begin = (0.0, 99_990, DEEP, 100_010, DEEP)
    away = 20 if rested(begin).sides("whale") == [Side.BUY] else -20
    moved_on = rested(begin, (30, 99_990 + away, DEEP, 100_010 + away, DEEP))
    first = 99_990 if away > 0 else 100_010
    assert moved_on.of("whale", ExecutionKind.ACCEPTED)["price_ticks"].tolist() == [first, first + away]
    assert len(moved_on.of("whale", ExecutionKind.CANCELLED)) == 1


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_with_too_large_a_position_it_goes_back(side: Side) -> None:
    """It has bought or sold more than it may hold before it begins: all its parents go the other way until it holds less."""
    parameters = Whale(
        first_pause_s=1.0, pause_s=1.0, parent_lots=500, children=5, child_interval_s=0.1, max_position_lots=1_000
    )
    begun = loaded(WhaleAgent, 5_000 if side is Side.BUY else -5_000)
    played = play([Player("stage", moved([(0.05, 100_000)])), Player("whale", begun, parameters)], 60)
    sides = played.sides("whale")
    assert sides[0] is side
    assert sides[1:41] == [side.opposite] * 40


def test_an_iceberg_shows_at_least_what_the_book_asks_for() -> None:
    """A display of a lot is too little for 5,000: it shows a hundredth, and is not refused."""
    parameters = replace(ONCE, parent_lots=5_000, schedule="iceberg", display_lots=1)
    played = play([Player("stage", staged((0.0, 99_990, 10, 100_010, 10))), Player("whale", WhaleAgent, parameters)], 10)
    assert len(played.of("whale", ExecutionKind.ACCEPTED)) == 1
    assert max(played.depth["BTC/USD"]["quantity_lots"]) == 60
