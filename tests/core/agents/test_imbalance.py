"""The fast trader on the order-book imbalance."""

import itertools

import pytest

from marksim.core.agents.imbalance import Imbalance, ImbalanceAgent
from marksim.core.types import NS_PER_S, ExecutionKind, Side
from tests.core.agents.companions import Step, staged
from tests.core.agents.played import Player, play


def _sides(*steps: Step, seconds: float = 5.0) -> list[Side]:
    played = play([Player("stage", staged(*steps)), Player("fast", ImbalanceAgent, Imbalance())], seconds)
    return played.sides("fast")


@pytest.mark.parametrize(("bid_lots", "ask_lots", "side"), [(9_000, 1_000, Side.BUY), (1_000, 9_000, Side.SELL)])
def test_it_goes_with_the_heavier_side(bid_lots: int, ask_lots: int, side: Side) -> None:
    """Nine tenths of the best sizes on one side: it trades that way, and only that way."""
    assert set(_sides((1.0, 99_999, bid_lots, 100_001, ask_lots))) == {side}


def test_it_leaves_an_even_book_alone() -> None:
    """Three fifths on one side are inside its threshold."""
    assert not _sides((1.0, 99_999, 6_000, 100_001, 4_000))


def test_it_is_fast() -> None:
    """Its order reaches the book in the second window after the imbalance was there: feed and order latency, no pause."""
    stage = staged((1.0, 99_999, 5_000, 100_001, 5_000), (2.0, 99_999, 9_000, 100_001, 1_000))
    played = play([Player("stage", stage), Player("fast", ImbalanceAgent, Imbalance())], 5)
    first = int(played.of("fast", ExecutionKind.ACCEPTED)["time_ns"][0])
    assert 2.0e9 < first < 2.1e9


def test_its_position_is_bounded_and_goes_back_in_time() -> None:
    """It stops at the most while the book leans, and is flat a while after the book is even again."""
    leaning: list[Step] = [(1.0 + 0.1 * step, 99_999, 9_000 + step % 2, 100_001, 1_000) for step in range(100)]
    even: list[Step] = [(12.0 + step, 99_999, 5_000 + step % 2, 100_001, 5_000) for step in range(60)]
    parameters = Imbalance(hold_s=5.0)
    peak = play([Player("stage", staged(*leaning)), Player("fast", ImbalanceAgent, parameters)], 11.5)
    assert parameters.max_position_lots <= peak.position("fast") <= parameters.max_position_lots + parameters.size_lots
    later = play([Player("stage", staged(*leaning, *even)), Player("fast", ImbalanceAgent, parameters)], 72)
    assert later.position("fast") == 0


def test_it_has_one_order_on_its_way_at_a_time() -> None:
    """Far from the market it sees many ticks before it learns what its order did; its position keeps to the bound."""
    leaning: list[Step] = [(1.0 + 0.05 * step, 99_999, 9_000 + step % 2, 100_001, 1_000) for step in range(300)]
    played = play([Player("stage", staged(*leaning)), Player("far", ImbalanceAgent, Imbalance())], 16, latency_ms=300)
    bound = Imbalance().max_position_lots + Imbalance().size_lots
    assert 0 < played.position("far") <= bound
    times = played.of("far", ExecutionKind.ACCEPTED)["time_ns"].tolist()
    assert min(after - before for before, after in itertools.pairwise(times)) >= 0.6 * NS_PER_S
