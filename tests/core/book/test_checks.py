"""The checks see damage: a sound book has no violations, a book hurt in one place has one that says where."""

from collections.abc import Callable

import pytest

from marksim.core.book.book import OrderBook
from marksim.core.book.checks import violations
from marksim.core.book.state import Memory
from tests.core.book.commands import batch, buy, instrument, sell


def _level(memory: Memory) -> None:
    memory.levels["quantity_lots"][memory.orders["level"][1]] += 1


def _queue(memory: Memory) -> None:
    memory.orders["previous"][2] = 0


def _best(memory: Memory) -> None:
    memory.counters["best_bid"] = 3


def _bitmap(memory: Memory) -> None:
    memory.bitmap[0] = 1


def _free(memory: Memory) -> None:
    memory.counters["free_slot"] = 2


def _names(memory: Memory) -> None:
    memory.names[:] = 0


def _terms(memory: Memory) -> None:
    memory.terms["self_trade_group"][0] = 1


@pytest.mark.parametrize(
    ("hurt", "said"),
    [
        (_level, "but its orders have"),
        (_queue, "wrong side, level or link back"),
        (_best, "best is"),
        (_bitmap, "bitmap"),
        (_free, "free list"),
        (_names, "map of names"),
        (_terms, "terms of orders that have none"),
    ],
)
def test_damage_is_seen(hurt: Callable[[Memory], None], said: str) -> None:
    """Each invariant has its own sentence."""
    book = OrderBook(instrument())
    book.apply(batch(buy(100, 5, 1), buy(100, 5, 2), sell(200, 5, 3)))
    assert violations(book) == []
    hurt(book.memory)
    assert any(said in sentence for sentence in violations(book))
