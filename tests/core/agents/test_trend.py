"""The trend follower goes with a move, by how unusual it is."""

import pytest

from marksim.core.agents.trend import Trend, TrendAgent
from marksim.core.types import Side
from tests.core.agents.companions import a_long_move, a_move, moved
from tests.core.agents.played import Played, Player, play

TRADER = Trend(interval_s=2.0, lookback_samples=30)


def _play(sign: int, seconds: float) -> Played:
    return play([Player("stage", a_move(sign)), Player("trader", TrendAgent, TRADER)], seconds)


@pytest.mark.parametrize("sign", [1, -1])
def test_it_goes_with_a_move(sign: int) -> None:
    """A rise makes it buy and nothing else, a fall sell."""
    played = _play(sign, 365)
    assert set(played.sides("trader")) == {Side.BUY if sign > 0 else Side.SELL}
    assert sign * played.position("trader") > 200


def test_a_still_price_is_nothing_to_trade_on() -> None:
    """In the quiet before the move it sends no order."""
    assert not _play(1, 299).sides("trader")


def test_once_the_move_is_old_the_position_goes_back() -> None:
    """Within half an hour it is flat, or nearly."""
    peak, later = (abs(_play(1, seconds).position("trader")) for seconds in (400, 1_800))
    assert peak > 200
    assert later < 0.1 * peak


def test_its_position_is_bounded() -> None:
    """A long move leaves it at the most, give or take the order that reached it."""
    position = abs(play([Player("stage", a_long_move()), Player("trader", TrendAgent, TRADER)], 1_800).position("trader"))
    assert TRADER.max_position_lots * 0.9 <= position <= TRADER.max_position_lots + TRADER.size_lots


def test_it_measures_a_move_by_what_is_usual() -> None:
    """The same rise makes it hold far less where the price has jumped to and fro all the time."""
    held = []
    for jump in (0, 15):
        path = [(0.1 + second, 100_000 + max(0, second - 300) // 3 + jump * (second % 4 // 2)) for second in range(360)]
        parameters = Trend(interval_s=2.0, lookback_samples=30)
        held.append(play([Player("stage", moved(path)), Player("trader", TrendAgent, parameters)], 360).position("trader"))
    assert 0 <= held[1] < 0.5 * held[0]
