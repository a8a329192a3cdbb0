"""The mean-reversion trader goes against a move, by how unusual it is."""

import pytest

from marksim.core.agents.mean_reversion import MeanReversion, MeanReversionAgent
from marksim.core.types import NS_PER_S, ExecutionKind, Side
from tests.core.agents.companions import a_long_move, a_move, moved
from tests.core.agents.played import Played, Player, play

TRADER = MeanReversion(interval_s=2.0)


def _play(sign: int, seconds: float) -> Played:
    return play([Player("stage", a_move(sign)), Player("trader", MeanReversionAgent, TRADER)], seconds)


@pytest.mark.parametrize("sign", [1, -1])
def test_it_goes_against_a_move(sign: int) -> None:
    """A rise makes it sell and nothing else, a fall buy."""
    played = _play(sign, 365)
    assert set(played.sides("trader")) == {Side.BUY if sign < 0 else Side.SELL}
    assert sign * played.position("trader") < -200


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
    position = abs(
        play([Player("stage", a_long_move()), Player("trader", MeanReversionAgent, TRADER)], 1_800).position("trader")
    )
    assert TRADER.max_position_lots * 0.9 <= position <= TRADER.max_position_lots + TRADER.size_lots


def test_it_measures_a_move_by_what_is_usual() -> None:
    """Where the price jumps to and fro by 20 ticks all the time, it learns that this is nothing to bet against."""
    path = [(0.1 + second, 100_000 + 20 * (-1) ** second) for second in range(1_200)]
    played = play([Player("stage", moved(path)), Player("trader", MeanReversionAgent, MeanReversion())], 1_200)
    times = played.of("trader", ExecutionKind.ACCEPTED)["time_ns"]
    entries = times[times < 300 * NS_PER_S]
    assert len(entries)
    assert not len(times[times > 600 * NS_PER_S])
