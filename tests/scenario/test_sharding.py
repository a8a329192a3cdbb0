"""Which shard trades which symbol."""

import pytest

from marksim.core.errors import InvalidInput
from marksim.scenario.sharding import assign_shards, rendezvous_shard

SYMBOLS = ("BTC/USD", "ETH/USD", "SOL/USD", "XRP/EUR", "ADA/USD", "EUR/USD")


@pytest.mark.parametrize(
    ("shards", "golden"),
    [(1, (0, 0, 0, 0, 0, 0)), (2, (0, 1, 0, 1, 0, 1)), (3, (0, 1, 2, 1, 2, 1)), (8, (0, 7, 2, 6, 4, 1))],
)
def test_a_symbols_shard_never_changes(shards: int, golden: tuple[int, ...]) -> None:
    """The same in every process and version: books, engines and charts compute it apart from each other."""
    assert tuple(rendezvous_shard(symbol, shards) for symbol in SYMBOLS) == golden


def test_one_shard_more_moves_only_what_it_takes() -> None:
    """A symbol stays where it is, or goes to the new shard."""
    names = [f"S{number}/USD" for number in range(200)]
    moved = [name for name in names if rendezvous_shard(name, 5) != rendezvous_shard(name, 4)]
    assert {rendezvous_shard(name, 5) for name in moved} == {4}
    assert 20 <= len(moved) <= 60


def test_an_assignment_goes_before_the_hash() -> None:
    """Symbols that are not assigned go where the hash says."""
    assert assign_shards(SYMBOLS[:3], 2, {"BTC/USD": 1}) == {"BTC/USD": 1, "ETH/USD": 1, "SOL/USD": 0}


@pytest.mark.parametrize(
    ("assigned", "said"),
    [
        ({"DOGE/USD": 0}, "does not trade 'DOGE/USD' but BTC/USD"),
        ({"BTC/USD": 2}, "there is no shard 2, with 2 they are 0 to 1"),
    ],
)
def test_an_impossible_assignment_is_refused(assigned: dict[str, int], said: str) -> None:
    """An unknown symbol or shard, with a sentence that names it."""
    with pytest.raises(InvalidInput, match=said):
        assign_shards(SYMBOLS, 2, assigned)
