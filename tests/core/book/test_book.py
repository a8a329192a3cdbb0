"""What only the compiled book has: pools that grow, bounds, extreme values, compilation that says what it does."""

import numpy as np
import pytest

from marksim.core.book.book import OrderBook
from marksim.core.book.checks import violations
from marksim.core.book.reference import ReferenceBook
from marksim.core.book.state import FIRST_ORDERS
from marksim.core.errors import InvalidInput
from marksim.core.types import COMMAND, CommandKind, ExecutionKind, Reason, Records, SelfTradePrevention, Side
from marksim.core.warm import BOOK, compile_kernels
from tests.core.book.commands import batch, buy, cancel, instrument, market, same, sell


def ladder(count: int) -> Records:
    """`count` buy orders over many levels."""
    commands = np.repeat(batch(buy(10, 2, 0)), count)
    commands["serial"] = np.arange(count)
    commands["price_ticks"] = 10 + np.arange(count) % 900
    return commands


def test_pools_double_inside_a_batch_and_lose_nothing() -> None:
    """Ten times the first capacity in one call: every order rests, and every array is sound."""
    book = OrderBook(instrument())
    output = book.apply(ladder(10 * FIRST_ORDERS))
    assert len(output.executions) == book.order_count == 10 * FIRST_ORDERS
    assert book.capacity == 16 * FIRST_ORDERS
    assert violations(book) == []


def test_one_order_may_sweep_the_whole_book() -> None:
    """Output rows grow to what a single command needs, and the twin agrees."""
    traded = instrument(max_quantity_lots=1 << 40)
    commands = np.concatenate([ladder(3_000), batch(market(Side.SELL, 1 << 40, -1))])
    fast, plain = OrderBook(traded), ReferenceBook(traded)
    output = fast.apply(commands)
    assert (output.executions["kind"] == ExecutionKind.TRADED).sum() == 3_000
    assert fast.order_count == 0 and violations(fast) == []
    assert same(output, plain.apply(commands))


def test_capacity_stops_at_max_orders() -> None:
    """The pool never holds more than the bound; beyond it orders are rejected and said to be."""
    book = OrderBook(instrument(), max_orders=FIRST_ORDERS + 100)
    output = book.apply(ladder(FIRST_ORDERS + 150))
    assert book.capacity == book.order_count == FIRST_ORDERS + 100
    assert output.executions["reason"][-50:].tolist() == [Reason.BOOK_FULL] * 50


def test_memory_is_counted_and_grows_with_the_pool() -> None:
    """memory_bytes is the sum of all arrays."""
    book = OrderBook(instrument())
    before = book.memory_bytes
    book.apply(ladder(5_000))
    assert before < book.memory_bytes < before + 10_000_000


def test_a_band_too_wide_for_a_ladder_is_refused() -> None:
    """2^40 ticks would be terabytes; the message says what to do."""
    with pytest.raises(InvalidInput, match="tick_size"):
        OrderBook(instrument(max_price_ticks=1 << 40))


def extremes() -> Records:
    """A sound order, and each field at each of its limits in both sides of it."""
    sound = (buy(1_000, 5, 1), sell(1_001, 5, 2), market(Side.BUY, 5, 3), {**buy(1_000, 5, 4), "kind": 2})
    rows = []
    for row in sound:
        for name in COMMAND.names or ():
            limits = np.iinfo(COMMAND[name])
            rows += [{**row, name: int(value)} for value in (limits.min, limits.min + 1, limits.max - 1, limits.max)]
        rows.append(row)
    return batch(*rows)


def test_extreme_values_in_every_field_give_the_answers_of_the_twin() -> None:
    """No overflow and no crash: int64's ends in every column, also with the widest limits a book may have."""
    for traded in (instrument(), instrument(max_quantity_lots=1 << 40, min_notional=instrument().tick_size * (1 << 50))):
        plain, fast = ReferenceBook(traded), OrderBook(traded)
        assert same(plain.apply(extremes()), fast.apply(extremes()))
        assert plain.state_hash() == fast.state_hash()
        assert violations(fast) == []


def test_compilation_names_each_kernel() -> None:
    """What a cold start shows while it waits."""
    names: list[str] = []
    compile_kernels(BOOK, names.append)
    assert names[0] == "book.apply_commands" and len(set(names)) == len(names)


def test_what_will_be_refused_needs_no_room() -> None:
    """A size beyond all limits is not taken for a sweep of the whole book."""
    book = OrderBook(instrument())
    book.apply(ladder(5_000))
    before = book.memory_bytes
    output = book.apply(batch(market(Side.SELL, 1 << 62, -1)))
    assert output.executions["reason"].tolist() == [Reason.INVALID_QUANTITY] and book.memory_bytes == before


def test_memory_for_the_rows_of_a_great_sweep_is_given_back() -> None:
    """After the next batch of usual size."""
    book = OrderBook(instrument(max_quantity_lots=1 << 40))
    before = book.memory_bytes
    book.apply(ladder(100_000))
    rows = book.memory.executions.nbytes
    book.apply(batch(buy(100, 5, -1)))
    assert book.memory.executions.nbytes < rows / 100 and book.memory_bytes > before


ROW = {"kind": CommandKind.AMEND, "account": 7, "serial": -1, "target_serial": -1}


@pytest.mark.parametrize(
    "last",
    [
        {**ROW, "price_ticks": 10, "quantity_lots": 1 << 20},
        {**ROW, "price_ticks": 10, "self_trade_prevention": SelfTradePrevention.DECREMENT, "quantity_lots": 1 << 20},
        sell(10, 1 << 20, -2, self_trade_prevention=SelfTradePrevention.DECREMENT),
        sell(10, 1 << 20, -2, self_trade_prevention=SelfTradePrevention.CANCEL_OLDEST),
        {"kind": CommandKind.MASS_CANCEL, "account": 1},
        {"kind": CommandKind.MASS_CANCEL, "account": 1, "quantity_lots": 1 << 62},
        {"kind": CommandKind.MASS_CANCEL, "account": 1, "quantity_lots": -1},
    ],
    ids=["amend", "amend with prevention", "decrement", "cancel oldest", "mass cancel", "of any size", "of less than none"],
)
def test_one_command_finds_room_for_all_its_rows(last: dict[str, int]) -> None:
    """3,000 orders came a few at a time, so there is room for few rows, and then one command meets them all."""
    traded = instrument(max_quantity_lots=1 << 40)
    commands = np.concatenate([ladder(3_000), batch(sell(4_000, 10, -1, account=7)), batch(last)])
    fast, plain = OrderBook(traded), ReferenceBook(traded)
    for at in range(0, len(commands), 50):
        part = commands[at : at + 50]
        assert same(fast.apply(part), plain.apply(part))
    assert fast.state_hash() == plain.state_hash() and violations(fast) == []


def test_cancels_of_any_quantity_find_room_for_their_rows() -> None:
    """A cancel's quantity means nothing, so it may not be taken for one that will be refused."""
    fast, plain = OrderBook(instrument()), ReferenceBook(instrument())
    orders, cancels = ladder(2_000), batch(*({**cancel(serial), "quantity_lots": -1} for serial in range(2_000)))
    for at in range(0, len(orders), 50):
        assert same(fast.apply(orders[at : at + 50]), plain.apply(orders[at : at + 50]))
    assert same(fast.apply(cancels), plain.apply(cancels))
    assert fast.order_count == 0 and violations(fast) == []
