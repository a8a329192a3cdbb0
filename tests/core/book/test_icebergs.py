"""Orders that show a part of their size, on both books."""

from collections.abc import Callable
from typing import Any

import pytest

from marksim.core.types import CommandKind, ExecutionKind, Reason, SelfTradePrevention, Side, TimeInForce
from tests.core.book.commands import batch, buy, instrument, market, rows, sell

MakeBook = Callable[..., Any]
EVENT = ("kind", "serial", "quantity_lots", "leaves_lots", "maker_serial", "maker_leaves_lots")
LEVEL = ("side", "price_ticks", "quantity_lots", "order_count")
A, T, C = ExecutionKind.ACCEPTED, ExecutionKind.TRADED, ExecutionKind.CANCELLED
REFILLED, CHANGED = ExecutionKind.REFILLED, ExecutionKind.AMENDED
FOK = int(TimeInForce.FOK)


def test_only_a_part_is_shown(make_book: MakeBook) -> None:
    """Depth and quote have the part, the owner's order has all of it."""
    book = make_book()
    output = book.apply(batch(sell(100, 20, 1, display_lots=6)))
    assert rows(output.executions, "kind", "quantity_lots", "leaves_lots") == [(A, 20, 20)]
    assert rows(book.depth(), *LEVEL) == [(Side.SELL, 100, 6, 1)]
    assert output.quotes["ask_quantity_lots"].tolist() == [6]
    assert book.find(1, 1).leaves_lots == 20


def test_the_next_part_comes_behind_the_others(make_book: MakeBook) -> None:
    """A taker that takes what is shown meets the next order first, and then the part that came after."""
    book = make_book()
    book.apply(batch(sell(100, 20, 1, display_lots=6), sell(100, 5, 2)))
    output = book.apply(batch(buy(100, 13, 3, account=2)))
    assert rows(output.executions, *EVENT) == [
        (A, 3, 13, 13, 0, 0),
        (T, 3, 6, 7, 1, 14),
        (REFILLED, 1, 6, 14, 0, 0),
        (T, 3, 5, 2, 2, 0),
        (T, 3, 2, 0, 1, 12),
    ]
    assert rows(output.depth, *LEVEL) == [(Side.SELL, 100, 4, 1)]


def test_a_taker_goes_through_every_hidden_part(make_book: MakeBook) -> None:
    """The last part is what is left, then the level is empty, and the taker goes on to the next."""
    book = make_book()
    book.apply(batch(sell(100, 14, 1, display_lots=6), sell(101, 4, 2)))
    output = book.apply(batch(buy(101, 16, 3, account=2)))
    assert rows(output.executions, "kind", "quantity_lots")[1:] == [
        *((T, 6), (REFILLED, 6), (T, 6), (REFILLED, 2), (T, 2)),
        (T, 2),
    ]
    assert rows(output.depth, *LEVEL) == [(Side.SELL, 100, 0, 0), (Side.SELL, 101, 2, 1)]
    assert output.executions["time_ns"].tolist() == [0] * 7


def test_a_part_that_was_hit_is_not_filled_up(make_book: MakeBook) -> None:
    """Only a part that is gone is followed by the next; until then the order keeps its place."""
    book = make_book()
    book.apply(batch(sell(100, 20, 1, display_lots=6), sell(100, 5, 2), buy(100, 4, 3, account=2)))
    assert rows(book.depth(), *LEVEL) == [(Side.SELL, 100, 7, 2)]
    output = book.apply(batch(buy(100, 3, 4, account=2)))
    assert rows(output.executions, *EVENT)[1:] == [
        (T, 4, 2, 1, 1, 14),
        (REFILLED, 1, 6, 14, 0, 0),
        (T, 4, 1, 0, 2, 4),
    ]


def test_hidden_quantity_fills_a_fok_order(make_book: MakeBook) -> None:
    """All of an iceberg can trade at once, so all of it counts."""
    book = make_book()
    book.apply(batch(sell(100, 20, 1, display_lots=2)))
    output = book.apply(batch(buy(100, 21, 2, account=2, time_in_force=FOK), buy(100, 20, 3, account=2, time_in_force=FOK)))
    assert output.executions["reason"].max() == Reason.FOK_NOT_FILLED
    assert book.order_count == 0


def test_behind_the_own_order_hidden_parts_do_not_count(make_book: MakeBook) -> None:
    """After the first part the taker would meet its own order, so 6 is all that it can have."""
    book = make_book()
    book.apply(batch(sell(100, 20, 1, account=2, display_lots=6), sell(100, 5, 2)))
    newest = int(SelfTradePrevention.CANCEL_NEWEST)
    output = book.apply(
        batch(
            buy(100, 7, 3, min_quantity_lots=7, self_trade_prevention=newest),
            buy(100, 7, 4, min_quantity_lots=6, self_trade_prevention=newest),
        )
    )
    assert rows(output.executions, "kind", "reason", "serial", "quantity_lots") == [
        (A, 0, 3, 7),
        (C, Reason.MIN_QUANTITY, 3, 7),
        (A, 0, 4, 7),
        (T, 0, 4, 6),
        (REFILLED, 0, 1, 6),
        (C, Reason.SELF_TRADE, 4, 1),
    ]


def test_a_taker_that_rests_shows_its_part_of_what_is_left(make_book: MakeBook) -> None:
    """It takes with all of it, and hides only once it rests; less than the part is shown whole."""
    book = make_book()
    book.apply(batch(buy(100, 7, 1, account=2), sell(100, 20, 2, display_lots=5)))
    assert rows(book.depth(), *LEVEL) == [(Side.SELL, 100, 5, 1)]
    book.apply(batch(buy(99, 17, 3, account=2), sell(99, 20, 4, display_lots=5)))
    assert rows(book.depth(), *LEVEL) == [(Side.SELL, 99, 3, 1), (Side.SELL, 100, 5, 1)]


@pytest.mark.parametrize(("quantity", "shown"), [(15, 6), (7, 6), (6, 6), (4, 4)])
def test_an_amendment_takes_from_what_is_hidden_first(make_book: MakeBook, quantity: int, shown: int) -> None:
    """It keeps its place, and shows less only when nothing is hidden any more."""
    book = make_book()
    book.apply(batch(sell(100, 20, 1, display_lots=6), sell(100, 2, 2)))
    amend = {"kind": CommandKind.AMEND, "account": 1, "serial": 1, "target_serial": 1, "quantity_lots": quantity}
    output = book.apply(batch(amend))
    assert rows(output.executions, "kind", "leaves_lots") == [(CHANGED, quantity)]
    assert rows(book.depth(), *LEVEL) == [(Side.SELL, 100, shown + 2, 2)]
    assert book.resting()["serial"].tolist() == [1, 2]


def test_an_iceberg_that_comes_anew_shows_its_full_part(make_book: MakeBook) -> None:
    """1 of 6 was left to see; at another price it is 6 again."""
    book = make_book()
    book.apply(batch(sell(100, 20, 1, display_lots=6), buy(100, 5, 2, account=2)))
    amend = {"kind": CommandKind.AMEND, "account": 1, "serial": 1, "target_serial": 1, "price_ticks": 101}
    book.apply(batch(amend))
    assert rows(book.depth(), *LEVEL) == [(Side.SELL, 101, 6, 1)]


def test_decrement_takes_from_what_is_hidden_first(make_book: MakeBook) -> None:
    """The part that is shown stays until the rest is gone."""
    book = make_book()
    book.apply(batch(sell(100, 20, 1, display_lots=6)))
    book.apply(batch(buy(100, 12, 2, self_trade_prevention=SelfTradePrevention.DECREMENT)))
    assert rows(book.depth(), *LEVEL) == [(Side.SELL, 100, 6, 1)] and book.find(1, 1).leaves_lots == 8


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (buy(90, 20, 1, display_lots=-1), Reason.INVALID_QUANTITY),
        (buy(90, 20, 1, display_lots=21), Reason.INVALID_QUANTITY),
        (buy(90, 201, 1, display_lots=2), Reason.INVALID_QUANTITY),
        (buy(90, 200, 1, display_lots=2), Reason.UNSPECIFIED),
        (buy(90, 20, 1, display_lots=20), Reason.UNSPECIFIED),
        (buy(90, 20, 1, display_lots=5, time_in_force=FOK), Reason.INVALID_TERMS),
        (buy(90, 20, 1, display_lots=5, time_in_force=TimeInForce.IOC), Reason.INVALID_TERMS),
        (market(Side.BUY, 20, 1, display_lots=5), Reason.INVALID_TERMS),
    ],
    ids=str,
)
def test_what_may_be_displayed(make_book: MakeBook, order: dict[str, int], reason: Reason) -> None:
    """A part of the whole, no less than a hundredth of it, of an order that rests."""
    assert make_book().apply(batch(order)).executions["reason"].tolist() == [reason]


def test_more_than_a_hundred_parts_cannot_be_amended_to(make_book: MakeBook) -> None:
    """The bound holds for what the order would be."""
    book = make_book()
    amend = {"kind": CommandKind.AMEND, "account": 1, "serial": 1, "target_serial": 1, "quantity_lots": 201}
    output = book.apply(batch(buy(90, 100, 1, display_lots=2), amend))
    assert output.executions["reason"].tolist() == [0, Reason.INVALID_QUANTITY]


def test_many_refills_find_room_for_their_rows(make_book: MakeBook) -> None:
    """One order through 300 icebergs of 50 parts each: 30,000 rows and more, none lost."""
    book = make_book(instrument(max_quantity_lots=1 << 40))
    book.apply(batch(*(sell(100 + number % 7, 100, number, display_lots=2) for number in range(300))))
    output = book.apply(batch(market(Side.BUY, 30_000, 1_000, account=2)))
    kinds = output.executions["kind"]
    assert ((kinds == T).sum(), (kinds == REFILLED).sum(), book.order_count) == (15_000, 14_700, 0)


def test_icebergs_of_a_book_are_bounded_together(make_book: MakeBook) -> None:
    """What one sweep could meet stays below a message's size: with 100,000 refills to come the next iceberg is refused."""
    book = make_book(instrument(max_quantity_lots=1 << 40))
    icebergs = [sell(100 + number % 7, 200, number, display_lots=2) for number in range(1_020)]
    reasons = book.apply(batch(*icebergs)).executions["reason"]
    accepted = int((reasons == 0).sum())
    assert 99 * accepted <= 100_000 < 99 * accepted + 200 and set(reasons[accepted:].tolist()) == {Reason.BOOK_FULL}
    # 10 are left of the 100,000.
    last = batch(sell(100, 22, 7_000, display_lots=2), sell(100, 20, 7_001, display_lots=2))
    assert accepted == 1_010 and book.apply(last).executions["reason"].tolist() == [Reason.BOOK_FULL, 0]
    # One that is amended takes the place of what it was: of 99 and of 9 to come.
    same = {"kind": CommandKind.AMEND, "account": 1, "serial": 0, "target_serial": 0, "quantity_lots": 200}
    more = {**same, "serial": 7_001, "target_serial": 7_001, "quantity_lots": 22}
    reasons = book.apply(batch(sell(100, 200, 5_000), same, more)).executions["reason"]
    assert reasons.tolist() == [0, 0, Reason.BOOK_FULL]
    book.apply(batch(market(Side.BUY, 400, 6_000, account=2)))
    assert book.apply(batch(icebergs[-1])).executions["reason"].tolist() == [0]
