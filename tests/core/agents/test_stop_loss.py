"""The crowd behind stop orders."""

import numpy as np

from marksim.core.agents.stop_loss import StopLoss, StopLossAgent
from marksim.core.types import ExecutionKind, Side
from tests.core.agents.companions import DEEP, laddered, moved, staged, taking
from tests.core.agents.played import Played, Player, play

CROWD = StopLoss(interval_s=0.5, long_share=1.0, hold_s=1e6, nearest_ticks=5, distance_ticks=20.0, size_lots=100)


def _fall(with_crowd: bool) -> Played:
    """The crowd has two minutes to enter; then somebody sells 15,000 lots into 100 a tick."""
    players = [
        Player("ladder", laddered(levels=900, lots=100)),
        Player("seller", taking(Side.SELL, 500, [120.0 + second for second in range(30)])),
        # It sells to the crowd what the crowd wants, so that its entering moves nothing.
        Player("host", staged((0.05, 99_999, 1, 100_001, DEEP), (119, 99_998, 1, 100_900, 1))),
    ]
    if with_crowd:
        players.append(Player("crowd", StopLossAgent, CROWD))
    return play(players, 180)


def test_a_fall_is_deeper_where_a_crowd_protects_itself() -> None:
    """The same sales bring the bid down much further: stops trigger, and their sales trigger the next ones."""
    with_them, without = _fall(with_crowd=True), _fall(with_crowd=False)
    depths = [100_000 - min(tick.bid_price_ticks for tick in played.ticks()) for played in (with_them, without)]
    triggered = with_them.of("crowd", ExecutionKind.TRIGGERED)
    assert len(triggered) > 0.8 * CROWD.traders
    assert depths[0] > 1.25 * depths[1], depths


def test_it_holds_what_its_stops_protect() -> None:
    """In a still market it is as long as its traders are many, with one stop below the price for each."""
    played = play([Player("stage", moved([(0.05, 100_000)])), Player("crowd", StopLossAgent, CROWD)], 240)
    assert played.position("crowd") == CROWD.traders * CROWD.size_lots
    rows = played.of("crowd", ExecutionKind.ACCEPTED)
    assert np.count_nonzero(rows["side"] == Side.SELL) == CROWD.traders
    assert not len(played.of("crowd", ExecutionKind.TRIGGERED))


def test_they_leave_by_themselves_and_enter_anew() -> None:
    """With a short patience it turns over: it takes stops back, sells, and never holds more than its traders may."""
    impatient = StopLoss(interval_s=0.5, long_share=1.0, hold_s=60.0)
    played = play([Player("stage", moved([(0.05, 100_000)])), Player("crowd", StopLossAgent, impatient)], 600)
    assert len(played.of("crowd", ExecutionKind.CANCELLED)) > 100
    assert not len(played.of("crowd", ExecutionKind.TRIGGERED))
    assert 0 < played.position("crowd") <= impatient.traders * impatient.size_lots


def test_shorts_are_bought_back_in_a_rise() -> None:
    """Those who are short have their stops above the price."""
    shorts = StopLoss(interval_s=0.5, long_share=0.0, hold_s=1e6, nearest_ticks=5, distance_ticks=10.0)
    path = [(0.05, 100_000), *((120.0 + step, 100_000 + 5 * step) for step in range(40))]
    pulse = Player("pulse", taking(Side.BUY, 1, [120.5 + second for second in range(40)]))
    played = play([Player("stage", moved(path)), Player("crowd", StopLossAgent, shorts), pulse], 165)
    assert len(played.of("crowd", ExecutionKind.TRIGGERED)) > 0.5 * shorts.traders
