"""What an order book answers, on both books."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from marksim.core.errors import InvalidInput
from marksim.core.types import BandAction, ExecutionKind, PostOnly, Reason, SessionState, Side, TimeInForce
from tests.core.book.commands import batch, buy, cancel, instrument, limit, market, rows, sell

MakeBook = Callable[..., Any]
EVENT = ("kind", "reason", "serial", "price_ticks", "quantity_lots", "leaves_lots")
A, T, C = ExecutionKind.ACCEPTED, ExecutionKind.TRADED, ExecutionKind.CANCELLED
IOC = int(TimeInForce.IOC)
TOO_LITTLE = int(Reason.BELOW_MIN_NOTIONAL)


def test_best_price_trades_first_then_the_older_order_at_the_makers_price(make_book: MakeBook) -> None:
    """A sweep takes the best level, then in each level the order that came first, and the rest of it rests."""
    book = make_book()
    book.apply(batch(sell(101, 5, 1), sell(100, 4, 2), sell(101, 6, 3)))
    output = book.apply(batch(buy(101, 17, 4, account=9)))
    assert rows(output.executions, *EVENT) == [
        (A, 0, 4, 101, 17, 17),
        (T, 0, 4, 100, 4, 13),
        (T, 0, 4, 101, 5, 8),
        (T, 0, 4, 101, 6, 2),
    ]
    assert rows(output.executions, "maker_serial", "maker_order_id", "maker_account") == [
        (0, 0, 0),
        (2, 2, 1),
        (1, 1, 1),
        (3, 3, 1),
    ]
    assert rows(book.depth(), "side", "price_ticks", "quantity_lots", "order_count") == [(Side.BUY, 101, 2, 1)]


def test_a_partly_filled_maker_keeps_its_place(make_book: MakeBook) -> None:
    """The oldest order of a level stays first until nothing of it is left."""
    book = make_book()
    book.apply(batch(buy(100, 10, 1), buy(100, 10, 2), sell(100, 4, 3)))
    output = book.apply(batch(sell(100, 8, 4)))
    assert rows(output.executions, "maker_serial", "maker_leaves_lots")[1:] == [(1, 0), (2, 8)]


def test_sequence_and_order_ids_are_dense(make_book: MakeBook) -> None:
    """Every execution has the next sequence; only accepted orders use up an order id."""
    book = make_book()
    first = book.apply(batch(buy(100, 5, 1), buy(0, 5, 2), cancel(77)))
    second = book.apply(batch(sell(100, 5, 3)))
    assert [*first.executions["sequence"], *second.executions["sequence"]] == [1, 2, 3, 4, 5]
    assert [*first.executions["order_id"], *second.executions["order_id"]] == [1, 0, 0, 2, 2]
    assert book.sequence == 5


def test_the_rest_of_an_ioc_order_is_cancelled(make_book: MakeBook) -> None:
    """IOC trades what crosses and says what it could not have."""
    book = make_book()
    output = book.apply(batch(sell(100, 5, 1), buy(100, 7, 2, time_in_force=IOC)))
    assert rows(output.executions, *EVENT)[1:] == [
        (A, 0, 2, 100, 7, 7),
        (T, 0, 2, 100, 5, 2),
        (C, Reason.IOC_REMAINDER, 2, 100, 2, 0),
    ]
    assert book.order_count == 0


def test_a_market_order_takes_any_price_and_never_rests(make_book: MakeBook) -> None:
    """It sweeps to the end of the band; what is left is cancelled for want of liquidity."""
    book = make_book()
    output = book.apply(batch(buy(10, 5, 1), buy(5_000, 5, 2), market(Side.SELL, 12, 3)))
    assert rows(output.executions, *EVENT)[2:] == [
        (A, 0, 3, 0, 12, 12),
        (T, 0, 3, 5_000, 5, 7),
        (T, 0, 3, 10, 5, 2),
        (C, Reason.NO_LIQUIDITY, 3, 0, 2, 0),
    ]


def test_cancel_takes_what_is_left_of_the_order_it_names(make_book: MakeBook) -> None:
    """The row carries the order's own columns, the quantity taken away, and leaves 0."""
    book = make_book()
    book.apply(batch(buy(100, 9, 1), sell(100, 4, 2)))
    output = book.apply(batch(cancel(1, serial=55, time_ns=8)))
    assert rows(output.executions, *EVENT, "order_id", "side") == [(C, Reason.REQUESTED, 1, 100, 5, 0, 1, Side.BUY)]
    assert rows(output.depth, "price_ticks", "quantity_lots", "order_count", "time_ns") == [(100, 0, 0, 8)]
    assert book.find(1, 1) is None


@pytest.mark.parametrize("command", [cancel(2), cancel(1, account=2), cancel(0), cancel(-(1 << 63), account=-1)])
def test_cancel_of_an_unknown_order_says_so(make_book: MakeBook, command: dict[str, int]) -> None:
    """Another account's order, or none: CANCEL_REJECTED with the serial that was asked for."""
    book = make_book()
    book.apply(batch(buy(100, 5, 1)))
    output = book.apply(batch(command))
    assert rows(output.executions, *EVENT) == [
        (ExecutionKind.CANCEL_REJECTED, Reason.UNKNOWN_ORDER, command["target_serial"], 0, 0, 0)
    ]
    assert book.order_count == 1


REJECTIONS: list[tuple[dict[str, int], Reason]] = [
    (buy(100, 5, 2, side=0), Reason.INVALID_SIDE),
    (buy(100, 5, 2, side=3), Reason.INVALID_SIDE),
    (buy(100, 1, 2), Reason.INVALID_QUANTITY),
    (buy(100, 0, 2), Reason.INVALID_QUANTITY),
    (buy(100, -5, 2), Reason.INVALID_QUANTITY),
    (buy(100, 1_001, 2), Reason.INVALID_QUANTITY),
    (buy(0, 5, 2), Reason.INVALID_PRICE),
    (buy(-1, 5, 2), Reason.INVALID_PRICE),
    (market(Side.BUY, 5, 2, price_ticks=1), Reason.INVALID_PRICE),
    (buy(9, 5, 2), Reason.PRICE_BAND),
    (buy(5_001, 5, 2), Reason.PRICE_BAND),
    (buy(100, 5, 1), Reason.DUPLICATE_ORDER_ID),
    (market(Side.BUY, 5, 1), Reason.DUPLICATE_ORDER_ID),
    (buy(100, 5, 2, order_type=0), Reason.UNSUPPORTED),
    (buy(100, 5, 2, order_type=5), Reason.UNSUPPORTED),
    (buy(100, 5, 2, time_in_force=TimeInForce.AT_THE_OPEN), Reason.MARKET_CLOSED),
    (market(Side.BUY, 5, 2, time_in_force=TimeInForce.GTC), Reason.INVALID_TERMS),
    (market(Side.BUY, 5, 2, post_only=PostOnly.REJECT), Reason.INVALID_TERMS),
    (buy(100, 5, 2, time_in_force=6), Reason.INVALID_TERMS),
    (buy(100, 5, 2, post_only=3), Reason.INVALID_TERMS),
    (buy(100, 5, 2, self_trade_prevention=5), Reason.INVALID_TERMS),
    (buy(100, 5, 2, post_only=PostOnly.SLIDE, time_in_force=TimeInForce.FOK), Reason.INVALID_TERMS),
    (buy(100, 5, 2, post_only=PostOnly.SLIDE, time_in_force=TimeInForce.IOC), Reason.INVALID_TERMS),
    (buy(100, 5, 2, post_only=PostOnly.REJECT, min_quantity_lots=2), Reason.INVALID_TERMS),
    (buy(100, 5, 2, stop_price_ticks=1), Reason.INVALID_TERMS),
    (buy(100, 5, 2, min_quantity_lots=-1), Reason.INVALID_QUANTITY),
    (buy(100, 5, 2, min_quantity_lots=6), Reason.INVALID_QUANTITY),
    (buy(100, 5, 2, kind=0), Reason.UNSUPPORTED),
    (buy(100, 5, 2, kind=255), Reason.UNSUPPORTED),
    # Of several faults the first in the stated order is named.
    (buy(-1, -1, 1, side=0, post_only=7, order_type=0), Reason.UNSUPPORTED),
    (buy(-1, -1, 1, side=0, post_only=7, time_in_force=TimeInForce.AT_THE_OPEN), Reason.INVALID_TERMS),
    (buy(-1, -1, 1, side=0, time_in_force=TimeInForce.AT_THE_OPEN), Reason.MARKET_CLOSED),
    (buy(-1, -1, 1, side=0), Reason.INVALID_SIDE),
    (buy(-1, -1, 1), Reason.INVALID_QUANTITY),
    (buy(-1, 5, 1), Reason.INVALID_PRICE),
    (buy(9, 5, 1), Reason.PRICE_BAND),
]


@pytest.mark.parametrize(("command", "reason"), REJECTIONS, ids=str)
def test_what_cannot_be_done_is_rejected_with_its_reason(
    make_book: MakeBook, command: dict[str, int], reason: Reason
) -> None:
    """One REJECTED row that repeats price and quantity; the book stays as it was."""
    book = make_book()
    book.apply(batch(buy(100, 5, 1)))
    output = book.apply(batch(command))
    expected = (ExecutionKind.REJECTED, reason, command["serial"], command["price_ticks"], command["quantity_lots"], 0)
    assert rows(output.executions, *EVENT) == [expected]
    assert output.executions["side"][0] in (Side.UNSPECIFIED, Side.BUY)
    assert (len(output.quotes), len(output.depth), book.order_count) == (0, 0, 1)


def test_an_order_below_the_smallest_notional_is_rejected(make_book: MakeBook) -> None:
    """Price times quantity is compared exactly, in tick-lots rounded up: 10 USD are 20,000 tick-lots of 0.0005."""
    book = make_book(instrument(min_notional=Fraction(10)))
    output = book.apply(batch(buy(199, 100, 1), buy(200, 100, 2), market(Side.SELL, 2, 3)))
    assert output.executions["reason"].tolist() == [Reason.BELOW_MIN_NOTIONAL, 0, 0, 0]


def test_a_full_book_rejects_what_may_rest_and_nothing_else(make_book: MakeBook) -> None:
    """At max_orders a GTC order is rejected, an IOC order trades, and then there is room again."""
    book = make_book(max_orders=2)
    output = book.apply(
        batch(buy(100, 5, 1), buy(100, 5, 2), sell(100, 5, 3), sell(100, 5, 4, time_in_force=IOC), buy(90, 5, 5))
    )
    assert rows(output.executions, "serial", "kind", "reason") == [
        (1, A, 0),
        (2, A, 0),
        (3, ExecutionKind.REJECTED, Reason.BOOK_FULL),
        (4, A, 0),
        (4, T, 0),
        (5, A, 0),
    ]


def test_every_name_is_found_in_a_full_book(make_book: MakeBook) -> None:
    """Whichever names come together: none is taken for free, and each order can be cancelled, in any sequence."""
    book = make_book(max_orders=30)
    for first in range(0, 600, 30):
        names = list(range(first, first + 30))
        book.apply(batch(*(buy(100, 2, serial) for serial in names)))
        again = book.apply(batch(*(buy(100, 2, serial) for serial in names)))
        assert set(again.executions["reason"].tolist()) == {Reason.DUPLICATE_ORDER_ID}
        ended = book.apply(batch(*(cancel(serial) for serial in names[::2] + names[1::2])))
        assert set(ended.executions["kind"].tolist()) == {C} and book.order_count == 0


def test_a_serial_may_come_again_once_its_order_is_gone(make_book: MakeBook) -> None:
    """Only a resting order makes a duplicate; another account's serials are its own."""
    book = make_book()
    output = book.apply(batch(buy(100, 5, 1), cancel(1), buy(100, 5, 1), buy(100, 5, 1, account=2)))
    assert output.executions["kind"].tolist() == [A, C, A, A]


def test_a_quote_comes_only_with_a_change_of_best_price_or_size(make_book: MakeBook) -> None:
    """At most one a command, after it; an empty side shows size 0 and its last price, at first the reference."""
    book = make_book()
    output = book.apply(
        batch(buy(100, 5, 1), buy(99, 5, 2), buy(100, 3, 3), sell(100, 9, 4), buy(98, 5, 5), cancel(2), cancel(5))
    )
    assert rows(output.quotes, *(output.quotes.dtype.names or ())[2:]) == [
        (100, 5, 1_000, 0),
        (100, 8, 1_000, 0),
        (99, 5, 100, 1),
        (98, 5, 100, 1),
        (98, 0, 100, 1),
    ]
    assert output.quotes["sequence"].tolist() == [1, 3, 6, 8, 9]


def test_depth_has_each_level_that_a_command_changed_as_it_is_afterwards(make_book: MakeBook) -> None:
    """Two swept levels and the new level of the rest; a level touched by several fills has one row."""
    book = make_book()
    book.apply(batch(sell(100, 2, 1), sell(100, 3, 2), sell(101, 4, 3)))
    output = book.apply(batch(buy(101, 12, 4)))
    assert rows(output.depth, "side", "price_ticks", "quantity_lots", "order_count", "sequence") == [
        (Side.SELL, 100, 0, 0, 6),
        (Side.SELL, 101, 0, 0, 7),
        (Side.BUY, 101, 3, 1, 7),
    ]


def test_depth_snapshot_lists_best_levels_first(make_book: MakeBook) -> None:
    """Bids from the highest, asks from the lowest, as many of each side as asked."""
    book = make_book()
    book.apply(batch(*(buy(price, 5, price) for price in (90, 95, 85)), *(sell(p, 5, p) for p in (110, 105, 4_999))))
    assert book.depth()["price_ticks"].tolist() == [95, 90, 85, 105, 110, 4_999]
    assert book.depth(1)["price_ticks"].tolist() == [95, 105]
    assert len(book.depth(0)) == 0


# Of the first words, and of different words of each tier of a bitmap of a million levels.
FAR = (10, 11, 73, 74, 5_000, 300_000, 600_000, 600_001, 999_999)


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_the_next_level_is_found_however_far_it_lies(make_book: MakeBook, side: Side) -> None:
    """Levels that are hundreds of thousands of ticks apart are listed, and trade, best first."""
    book = make_book(instrument(max_price_ticks=1_000_000))
    book.apply(batch(*(limit(side, price, 2, price) for price in FAR)))
    best_first = sorted(FAR, reverse=side == Side.BUY)
    assert book.depth()["price_ticks"].tolist() == best_first
    other = Side.SELL if side == Side.BUY else Side.BUY
    output = book.apply(batch(*(market(other, 2, serial, account=2) for serial in range(len(FAR)))))
    assert output.executions["price_ticks"][1::2].tolist() == best_first
    assert output.depth["price_ticks"].tolist() == best_first


def test_open_orders_are_found_by_name_and_by_account(make_book: MakeBook) -> None:
    """find and open_orders show what was accepted and what is left, oldest first."""
    book = make_book()
    book.apply(batch(sell(105, 5, 7), buy(100, 9, 8), buy(101, 4, 9, account=2), sell(100, 6, 1, account=3)))
    found = book.find(1, 8)
    assert (found.price_ticks, found.quantity_lots, found.leaves_lots, found.side) == (100, 9, 7, Side.BUY)
    assert [order.serial for order in book.open_orders(1)] == [7, 8]
    assert book.open_orders(2) == [] and book.find(2, 9) is None


def test_no_commands_give_no_rows(make_book: MakeBook) -> None:
    """An empty batch changes nothing and its output has the right dtypes."""
    book = make_book()
    before = book.state_hash()
    output = book.apply(batch())
    assert (len(output.executions), len(output.quotes), len(output.depth)) == (0, 0, 0)
    assert output.executions.dtype.names is not None and book.state_hash() == before


def test_output_belongs_to_the_caller(make_book: MakeBook) -> None:
    """A later batch does not write into an earlier one's rows, and the caller may."""
    book = make_book()
    output = book.apply(batch(buy(100, 5, 1)))
    book.apply(batch(sell(200, 5, 2)))
    assert output.executions["serial"].tolist() == [1]
    output.executions["serial"] = 3


def test_read_only_and_strided_commands_are_taken(make_book: MakeBook) -> None:
    """Decoded messages are read-only, and a slice may skip rows."""
    book = make_book()
    commands = batch(buy(100, 5, 1), buy(100, 5, 2), buy(100, 5, 3))
    commands.flags.writeable = False
    assert book.apply(commands[::2]).executions["serial"].tolist() == [1, 3]


def test_a_wrong_dtype_is_refused(make_book: MakeBook) -> None:
    """Other records than COMMAND are an error of the caller, said in a sentence."""
    with pytest.raises(InvalidInput, match="COMMAND"):
        make_book().apply(np.zeros(1, np.int64))


@pytest.mark.parametrize(
    "changes",
    [
        {"min_price_ticks": 0},
        {"max_price_ticks": 5},
        {"max_price_ticks": 1 << 41},
        {"reference_price_ticks": 9},
        {"min_quantity_lots": 0},
        {"max_quantity_lots": 1 << 41},
        {"min_notional": Fraction(-1)},
        {"market_protection_ticks": -1},
        {"market_protection_ticks": 1 << 41},
        {"static_band_ppm": -1},
        {"dynamic_band_ppm": 1_000_001},
        {"band_action": 3},
        {"halt_ns": -1},
        {"auction_ns": (1 << 62) + 1},
        {"sessions": ((-1, SessionState.CLOSED),)},
        {"sessions": ((86_400_000_000_000, SessionState.CLOSED),)},
        {"sessions": ((5, SessionState.CLOSED), (5, SessionState.CONTINUOUS))},
        {"sessions": ((5, SessionState.UNSPECIFIED),)},
        {"sessions": ((5, 7),)},
    ],
    ids=str,
)
def test_impossible_limits_are_refused(make_book: MakeBook, changes: dict[str, Any]) -> None:
    """Bounds under which sums could overflow, or nothing could trade, never become a book."""
    with pytest.raises(InvalidInput, match="BTC/USD"):
        make_book(instrument(**changes))


@pytest.mark.parametrize(
    ("price", "quantity", "reason"), [(3, 3, Reason.BELOW_MIN_NOTIONAL), (4, 3, 0), (5, 2, 0), (2, 5, 0)]
)
def test_the_smallest_notional_is_not_rounded(make_book: MakeBook, price: int, quantity: int, reason: int) -> None:
    """Of 10 tick-lots: three times three is too little, whatever ten thirds are rounded to."""
    book = make_book(instrument(min_notional=Fraction(10, 2_000), min_price_ticks=1))
    assert book.apply(batch(buy(price, quantity, 1))).executions["reason"].tolist() == [reason]


@pytest.mark.parametrize("life", [IOC, int(TimeInForce.FOK)], ids=["ioc", "fok"])
def test_an_order_that_never_rests_needs_no_place(make_book: MakeBook, life: int) -> None:
    """Where the bound is reached it trades, filled or not."""
    book = make_book(max_orders=1)
    book.apply(batch(sell(100, 5, 1)))
    output = book.apply(batch(buy(100, 2, 2, account=2, time_in_force=life), buy(99, 2, 3, account=2, time_in_force=life)))
    assert output.executions["kind"].tolist() == [A, T, A, C]


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL], ids=lambda side: side.name)
def test_a_level_that_is_gone_is_passed_over(make_book: MakeBook, side: Side) -> None:
    """Whichever one it was."""
    for gone in FAR:
        book = make_book(instrument(max_price_ticks=1_000_000))
        book.apply(batch(*(limit(side, price, 5, price) for price in FAR), cancel(gone)))
        left = [price for price in FAR if price != gone]
        assert book.depth()["price_ticks"].tolist() == (left[::-1] if side == Side.BUY else left)


def test_protection_may_be_wider_than_all_prices(make_book: MakeBook) -> None:
    """Then a market order trades with all there is, and finds no more: nothing that a band could keep it from."""
    book = make_book(instrument(market_protection_ticks=1 << 40, band_action=BandAction.HALT))
    book.apply(batch(sell(100, 5, 1), sell(5_000, 5, 2)))
    output = book.apply(batch(market(Side.BUY, 15, 3, account=2)))
    assert rows(output.executions, "kind", "reason", "leaves_lots")[1:] == [
        (T, 0, 10),
        (T, 0, 5),
        (C, Reason.NO_LIQUIDITY, 0),
    ]
