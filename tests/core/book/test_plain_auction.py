"""The price of an auction as the specification finds it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from marksim.core.book.plain_auction import uncrossing, uncrossing_at

LEVELS = st.dictionaries(st.integers(1, 12), st.integers(1, 6), max_size=5)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(LEVELS, LEVELS, st.integers(1, 12))
def test_no_tick_is_better_than_the_one_that_is_taken(bids: dict[int, int], asks: dict[int, int], reference: int) -> None:
    """The specification tries the ticks beside orders only; of all ticks none has more volume, less surplus, is nearer."""
    taken = uncrossing(bids, asks, reference)
    ticks = range(min(asks), max(bids) + 1) if bids and asks else ()
    ranks = {
        (at.price, at.volume, at.surplus): (-at.volume, abs(at.surplus), abs(price - reference))
        for price in ticks
        for at in [uncrossing_at(price, bids, asks)]
    }
    best = [at for at, rank in ranks.items() if rank == min(ranks.values())]
    assert best == [tuple(taken)] if ranks else taken.volume == 0
