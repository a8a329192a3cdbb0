"""The plain book judges the compiled one: seeded streams of commands must give equal rows and equal hashes."""

from typing import Any

import numpy as np
import pytest

from marksim.core.book.book import EARLIEST_NS, OrderBook
from marksim.core.book.checks import violations
from marksim.core.book.compiled import INTERPRETED
from marksim.core.book.reference import ReferenceBook
from marksim.core.types import Records
from tests.core.book.commands import instrument, same
from tests.core.book.ledger import Ledger
from tests.core.book.streams import MIXES, Mix, stream, traded_in

COUNT = 1_000 if INTERPRETED else 20_000


def assert_equal_books(commands: Records, batches: Any, mix: Mix, context: str) -> None:
    """Apply the same batches to both books and compare after each."""
    traded = traded_in(mix)
    plain, fast = ReferenceBook(traded, mix.max_orders), OrderBook(traded, mix.max_orders)
    ledger = Ledger(plain.session_state)
    at = 0
    while at < len(commands):
        size = int(next(batches))
        part = commands[at : at + size]
        where = f"{context}, rows {at}..{at + size}"
        # The window ends a while after its last command.
        end_ns = int(part["time_ns"].max()) + 1_500_000 if mix.has_times and not mix.invalid and at % 3 else EARLIEST_NS
        expected, output = plain.apply(part, end_ns), fast.apply(part, end_ns)
        assert same(expected, output), where
        ledger.add(output)
        assert plain.next_due_ns == fast.next_due_ns, where
        assert plain.session == fast.session, where
        assert plain.state_hash() == fast.state_hash(), where
        at += size
    assert violations(fast) == [], context
    assert ledger.check(fast) == [], context
    assert np.array_equal(plain.depth(), fast.depth()), context
    assert np.array_equal(plain.by_order(5, 3), fast.by_order(5, 3)), context
    for account in range(-1, 4):
        assert plain.open_orders(account) == fast.open_orders(account), context


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("mix", MIXES, ids=str)
def test_random_streams_give_equal_rows_and_hashes(mix: str, seed: int) -> None:
    """Whatever the traffic and wherever the batches end; the failing mix, seed and rows are in the message."""
    rng = np.random.default_rng(seed)
    deep = MIXES[mix].max_orders == 1 << 20
    sizes = iter(lambda: int(rng.choice([1, 7, 150, 3_000], p=[0.0, 0.1, 0.4, 0.5])), None)
    commands = stream(rng, MIXES[mix], COUNT // 4 if deep else COUNT)
    assert_equal_books(commands, sizes, MIXES[mix], f"mix {mix}, seed {seed}")


@pytest.mark.parametrize("mix", ["narrow", "full", "invalid", "far levels", "auctions", "bands that halt"])
def test_invariants_hold_after_every_small_batch(mix: str) -> None:
    """Never crossed while trading, quantities conserved, queues in order, bitmap equal to levels, free list whole."""
    rng = np.random.default_rng(7)
    chosen = MIXES[mix]
    book = OrderBook(instrument(max_price_ticks=chosen.max_price), chosen.max_orders)
    for number in range(40):
        book.apply(stream(rng, chosen, int(rng.integers(1, 30))))
        assert violations(book) == [], f"mix {mix}, batch {number}"


def test_batch_boundaries_change_nothing() -> None:
    """The same commands one by one and all at once give the same rows and state."""
    commands = stream(np.random.default_rng(3), MIXES["sweeps"], 1_500)
    whole, single = OrderBook(instrument()), OrderBook(instrument())
    together = whole.apply(commands)
    parts = [single.apply(commands[row : row + 1]) for row in range(len(commands))]
    for name in ("executions", "quotes", "depth"):
        assert np.array_equal(getattr(together, name), np.concatenate([getattr(part, name) for part in parts]))
    assert whole.state_hash() == single.state_hash()
