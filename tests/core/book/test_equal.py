"""The plain book judges the compiled one: seeded streams of commands must give equal rows and equal hashes."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marksim.core.book.book import EARLIEST_NS, OrderBook
from marksim.core.book.checks import violations
from marksim.core.book.compiled import INTERPRETED
from marksim.core.book.reference import ReferenceBook
from marksim.core.types import Records
from tests.core.book.commands import batch, instrument, same
from tests.core.book.ledger import Ledger
from tests.core.book.streams import MIXES, Mix, stream, traded_in

COUNT = 1_000 if INTERPRETED else 20_000


def assert_equal_books(commands: Records, batches: Any, mix: Mix, context: str) -> None:
    """Apply the same batches to both books and compare after each."""
    traded = traded_in(mix)
    plain, fast = ReferenceBook(traded, mix.max_orders), OrderBook(traded, mix.max_orders)
    ledger = Ledger()
    at = 0
    while at < len(commands):
        size = int(next(batches))
        part = commands[at : at + size]
        where = f"{context}, rows {at}..{at + size}"
        # The window ends a while after its last command.
        end_ns = int(part["time_ns"].max()) + 1_500_000 if mix.expiring and not mix.invalid and at % 3 else EARLIEST_NS
        expected, output = plain.apply(part, end_ns), fast.apply(part, end_ns)
        assert same(expected, output), where
        ledger.add(output)
        assert plain.next_expiry_ns == fast.next_expiry_ns, where
        assert plain.state_hash() == fast.state_hash(), where
        at += size
    assert violations(fast) == [], context
    assert ledger.check(fast) == [], context
    assert np.array_equal(plain.depth(), fast.depth()), context
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


@pytest.mark.parametrize("mix", ["narrow", "full", "invalid", "far levels"])
def test_invariants_hold_after_every_small_batch(mix: str) -> None:
    """Never crossed, quantities conserved, queues in order, bitmap equal to levels, free list whole."""
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


FIELDS = st.fixed_dictionaries(
    {"kind": st.sampled_from([1, 1, 1, 1, 1, 2, 3, 3, 3, 4, 0]), "side": st.sampled_from([1, 2, 1, 2, 0])},
    optional={
        "order_type": st.sampled_from([1, 1, 2, 3, 4, 5]),
        "stop_price_ticks": st.integers(9, 14) | st.just(0),
        "time_in_force": st.sampled_from([0, 1, 2, 3, 3, 4, 4, 6]),
        "post_only": st.sampled_from([0, 1, 2, 3]),
        "self_trade_prevention": st.sampled_from([0, 1, 2, 3, 4, 5]),
        "self_trade_group": st.sampled_from([0, 1]),
        "min_quantity_lots": st.sampled_from([0, 0, 1, 4, 10, -1]),
        "display_lots": st.sampled_from([0, 0, 1, 2, 5, -1]),
        "time_ns": st.integers(0, 9),
        "expire_time_ns": st.sampled_from([0, 0, 3, 5, 8, -1]),
        "account": st.integers(0, 1),
        "serial": st.integers(0, 4),
        "target_serial": st.integers(0, 4),
        "price_ticks": st.integers(9, 14) | st.just(0) | st.integers(-(1 << 63), (1 << 63) - 1),
        "quantity_lots": st.integers(0, 9) | st.integers(-(1 << 63), (1 << 63) - 1),
    },
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.lists(FIELDS, max_size=12), max_size=8), st.integers(1, 6))
def test_any_batches_give_equal_books(batches: list[list[dict[str, int]]], max_orders: int) -> None:
    """Small worlds with many collisions, shrunk to the shortest that differs."""
    traded = instrument(min_price_ticks=10, max_price_ticks=14, reference_price_ticks=12, market_protection_ticks=1)
    plain, fast = ReferenceBook(traded, max_orders), OrderBook(traded, max_orders)
    for rows in batches:
        commands = batch(*({"order_type": 1, "price_ticks": 12, "quantity_lots": 5, **row} for row in rows))
        assert same(plain.apply(commands), fast.apply(commands))
        assert plain.state_hash() == fast.state_hash()
        assert violations(fast) == []
