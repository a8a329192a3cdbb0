"""Changing resting orders and cancelling all of an account's, on both books."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from marksim.core.types import ExecutionKind, PostOnly, Reason, SelfTradePrevention, Side, TimeInForce
from tests.core.book.commands import amend, batch, buy, cancel, cancel_all, instrument, owner_gone, rows, sell, stop

MakeBook = Callable[..., Any]
EVENT = ("kind", "reason", "serial", "price_ticks", "quantity_lots", "leaves_lots")
LEVEL = ("side", "price_ticks", "quantity_lots", "order_count")
A, T, C = ExecutionKind.ACCEPTED, ExecutionKind.TRADED, ExecutionKind.CANCELLED
CHANGED, REFUSED = ExecutionKind.AMENDED, ExecutionKind.CANCEL_REJECTED


def served(book: Any) -> list[int]:
    """Serials of account 1's bids in the order in which a seller would meet them."""
    resting = book.resting()
    return [row["serial"] for row in resting if row["side"] == Side.BUY]


@pytest.mark.parametrize(
    ("change", "order"),
    [
        ({"quantity": 4}, [1, 2, 3]),
        ({"quantity": 5}, [1, 2, 3]),
        ({"price": 100}, [1, 2, 3]),
        ({"price": 100, "quantity": 4}, [1, 2, 3]),
        ({}, [1, 2, 3]),
        ({"quantity": 6}, [2, 3, 1]),
        ({"price": 100, "quantity": 6}, [2, 3, 1]),
        ({"price": 99}, [2, 3, 1]),
        ({"price": 101}, [1, 2, 3]),
    ],
    ids=str,
)
def test_only_a_smaller_order_keeps_its_place(make_book: MakeBook, change: dict[str, int], order: list[int]) -> None:
    """Less or the same size at the same price keeps the place in the queue; more size or another price loses it."""
    book = make_book()
    book.apply(batch(buy(100, 5, 1), buy(100, 5, 2), buy(100, 5, 3)))
    output = book.apply(batch(amend(1, **change)))
    assert rows(output.executions, "kind", "order_id") == [(CHANGED, 1)]
    assert served(book) == order


def test_an_amended_row_shows_the_order_as_it_is_now(make_book: MakeBook) -> None:
    """New price, new total quantity, what is left of it, and the side of the order."""
    book = make_book()
    book.apply(batch(buy(100, 10, 1), sell(100, 4, 2, account=2)))
    output = book.apply(batch(amend(1, price=98, quantity=12)))
    assert rows(output.executions, *EVENT, "side") == [(CHANGED, 0, 1, 98, 12, 8, Side.BUY)]
    assert rows(output.depth, *LEVEL) == [(Side.BUY, 100, 0, 0), (Side.BUY, 98, 8, 1)]
    found = book.find(1, 1)
    assert (found.price_ticks, found.quantity_lots, found.leaves_lots, found.order_id) == (98, 12, 8, 1)


def test_what_has_traded_counts_towards_the_new_quantity(make_book: MakeBook) -> None:
    """4 of 10 have traded: a total of 6 leaves 2, a total of 4 leaves nothing, and the order is cancelled."""
    book = make_book()
    book.apply(batch(buy(100, 10, 1), sell(100, 4, 2, account=2)))
    assert rows(book.apply(batch(amend(1, quantity=6))).executions, *EVENT) == [(CHANGED, 0, 1, 100, 6, 2)]
    output = book.apply(batch(amend(1, quantity=4)))
    assert rows(output.executions, *EVENT) == [(C, Reason.REQUESTED, 1, 100, 2, 0)]
    assert rows(output.depth, *LEVEL) == [(Side.BUY, 100, 0, 0)] and book.order_count == 0


def test_an_amendment_that_changes_nothing_publishes_nothing(make_book: MakeBook) -> None:
    """The owner hears AMENDED; level and quote stay, so there is no row of either."""
    book = make_book()
    book.apply(batch(buy(100, 5, 1)))
    output = book.apply(batch(amend(1, price=100, quantity=5)))
    assert output.executions["kind"].tolist() == [CHANGED] and len(output.depth) == len(output.quotes) == 0


def test_more_size_has_one_depth_row(make_book: MakeBook) -> None:
    """The level is told as it is after the command, not as it was in between."""
    book = make_book()
    book.apply(batch(buy(100, 5, 1), buy(100, 5, 2)))
    output = book.apply(batch(amend(1, quantity=9)))
    assert rows(output.depth, *LEVEL) == [(Side.BUY, 100, 14, 2)]


def test_an_amendment_that_crosses_trades(make_book: MakeBook) -> None:
    """It trades as a new order of what is left would, at the makers' prices, and the rest stands at the new price."""
    book = make_book()
    book.apply(batch(sell(101, 3, 2, account=2), sell(102, 3, 3, account=2), buy(100, 10, 1)))
    output = book.apply(batch(amend(1, price=102)))
    assert rows(output.executions, *EVENT) == [
        (CHANGED, 0, 1, 102, 10, 10),
        (T, 0, 1, 101, 3, 7),
        (T, 0, 1, 102, 3, 4),
    ]
    assert rows(output.executions, "order_id")[1:] == [(3,), (3,)]
    assert rows(book.depth(), *LEVEL) == [(Side.BUY, 102, 4, 1)]


def test_an_amended_order_may_fill_whole(make_book: MakeBook) -> None:
    """Then it is gone, and its name is free."""
    book = make_book()
    book.apply(batch(sell(101, 10, 2, account=2), buy(100, 10, 1)))
    output = book.apply(batch(amend(1, price=101), buy(90, 5, 1)))
    assert output.executions["kind"].tolist() == [CHANGED, T, A] and book.order_count == 1


def test_an_amendment_may_give_a_new_name(make_book: MakeBook) -> None:
    """From then on the order answers to it alone, in its place or not; the old name is free."""
    book = make_book()
    book.apply(batch(buy(100, 5, 1), buy(100, 5, 2)))
    output = book.apply(batch(amend(1, serial=7, quantity=4), amend(2, serial=8, price=99), cancel(1), buy(100, 3, 2)))
    assert rows(output.executions, "kind", "serial", "order_id") == [
        (CHANGED, 7, 1),
        (CHANGED, 8, 2),
        (REFUSED, 1, 0),
        (A, 2, 3),
    ]
    assert book.find(1, 7).leaves_lots == 4 and book.find(1, 8).price_ticks == 99


REFUSALS = [
    (amend(9, 98, 4), Reason.UNKNOWN_ORDER),
    (amend(1, 98, 4, account=2), Reason.UNKNOWN_ORDER),
    (amend(1, 98, display_lots=1), Reason.INVALID_TERMS),
    (amend(1, 98, expire_time_ns=1), Reason.INVALID_TERMS),
    (amend(1, 98, stop_price_ticks=1), Reason.INVALID_TERMS),
    (amend(1, 98, time_in_force=TimeInForce.IOC), Reason.INVALID_TERMS),
    (amend(1, 98, min_quantity_lots=1), Reason.INVALID_TERMS),
    (amend(1, 98, post_only=3), Reason.INVALID_TERMS),
    (amend(1, 98, self_trade_prevention=5), Reason.INVALID_TERMS),
    (amend(1, quantity=-1), Reason.INVALID_QUANTITY),
    (amend(1, quantity=1), Reason.INVALID_QUANTITY),
    (amend(1, quantity=1_001), Reason.INVALID_QUANTITY),
    (amend(1, price=-1), Reason.INVALID_PRICE),
    (amend(1, price=9), Reason.PRICE_BAND),
    (amend(1, price=5_001), Reason.PRICE_BAND),
    (amend(1, price=110, post_only=PostOnly.REJECT), Reason.WOULD_TAKE),
    (amend(1, quantity=2), Reason.BELOW_MIN_NOTIONAL),
    (amend(1, price=50), Reason.BELOW_MIN_NOTIONAL),
    (amend(1, 98, serial=2), Reason.DUPLICATE_ORDER_ID),
]


@pytest.mark.parametrize(("command", "reason"), REFUSALS, ids=str)
def test_what_cannot_be_amended_stays_as_it_is(make_book: MakeBook, command: dict[str, int], reason: Reason) -> None:
    """One CANCEL_REJECTED row with what was asked for; the order and its place stay."""
    book = make_book(instrument(min_notional=Fraction(500, 2_000)))
    book.apply(batch(buy(100, 6, 1), buy(100, 6, 2), sell(110, 10, 3, account=2)))
    resting = book.resting()
    output = book.apply(batch(command))
    leaves = 0 if reason == Reason.UNKNOWN_ORDER else 6
    asked = (command["target_serial"], command["price_ticks"], command["quantity_lots"], leaves)
    assert rows(output.executions, *EVENT) == [(REFUSED, reason, *asked)]
    assert len(output.depth) == len(output.quotes) == 0 and (book.resting() == resting).all()


def test_an_amendment_slides(make_book: MakeBook) -> None:
    """A post-only amendment that would take goes to one tick away; at the price where it stands it keeps its place."""
    book = make_book()
    book.apply(batch(buy(100, 5, 1), buy(100, 5, 2), sell(110, 5, 3, account=2)))
    output = book.apply(batch(amend(2, price=4_000, post_only=PostOnly.SLIDE)))
    assert rows(output.executions, "kind", "price_ticks") == [(CHANGED, 109)]
    output = book.apply(batch(amend(2, price=4_000, quantity=4, post_only=PostOnly.SLIDE)))
    assert rows(output.executions, "kind", "price_ticks", "leaves_lots") == [(CHANGED, 109, 4)]


@pytest.mark.parametrize(
    ("prevention", "kinds", "left"),
    [
        (SelfTradePrevention.CANCEL_NEWEST, [CHANGED, C], [3]),
        (SelfTradePrevention.CANCEL_OLDEST, [CHANGED, C], [10]),
        (SelfTradePrevention.CANCEL_BOTH, [CHANGED, C, C], []),
        (SelfTradePrevention.DECREMENT, [CHANGED, C, C], [7]),
    ],
)
def test_an_amended_order_meets_its_own(
    make_book: MakeBook, prevention: SelfTradePrevention, kinds: list[int], left: list[int]
) -> None:
    """It is the newer of the two, and the command says what is to happen."""
    book = make_book()
    book.apply(batch(buy(100, 10, 1), sell(105, 3, 2)))
    output = book.apply(batch(amend(1, price=105, self_trade_prevention=prevention)))
    assert output.executions["kind"].tolist() == kinds
    assert [order.leaves_lots for order in book.open_orders(1)] == left


def test_an_order_of_a_full_book_may_be_amended(make_book: MakeBook) -> None:
    """It has its slot already, also while it trades."""
    book = make_book(max_orders=2)
    book.apply(batch(buy(100, 5, 1), sell(110, 3, 2, account=2)))
    output = book.apply(batch(amend(1, price=110), sell(120, 5, 3, account=2), amend(1, price=115, quantity=9)))
    assert output.executions["kind"].tolist() == [CHANGED, T, A, CHANGED] and book.order_count == 2


def test_all_orders_of_an_account_are_cancelled(make_book: MakeBook) -> None:
    """Bids best first, then asks, oldest first in a level; others stay; one depth row a level."""
    book = make_book()
    orders = [buy(99, 5, 1), buy(100, 5, 2), buy(100, 5, 3, account=2), sell(110, 5, 4), buy(100, 5, 5), sell(109, 5, 6)]
    book.apply(batch(*orders))
    output = book.apply(batch(cancel_all()))
    assert rows(output.executions, "kind", "reason", "serial") == [(C, Reason.REQUESTED, n) for n in (2, 5, 1, 6, 4)]
    assert rows(output.depth, *LEVEL) == [
        (Side.BUY, 100, 5, 1),
        (Side.BUY, 99, 0, 0),
        (Side.SELL, 109, 0, 0),
        (Side.SELL, 110, 0, 0),
    ]
    assert len(output.quotes) == 1 and [order.serial for order in book.open_orders(2)] == [3]


@pytest.mark.parametrize(("side", "left"), [(Side.BUY, [2]), (Side.SELL, [1])])
def test_one_side_may_be_cancelled(make_book: MakeBook, side: Side, left: list[int]) -> None:
    """The other side of the account stays."""
    book = make_book()
    book.apply(batch(buy(99, 5, 1), sell(110, 5, 2), cancel_all(side=side)))
    assert [order.serial for order in book.open_orders(1)] == left


def test_orders_of_an_owner_that_is_gone_are_cancelled_for_that(make_book: MakeBook) -> None:
    """As a mass cancel does it, with stops, but the reason is not that anybody asked."""
    book = make_book()
    orders = [buy(99, 5, 1), buy(100, 5, 2), buy(100, 5, 3, account=2), sell(110, 5, 4), stop(Side.SELL, 90, 5, 5)]
    book.apply(batch(*orders))
    output = book.apply(batch(owner_gone(), owner_gone(serial=100)))
    assert rows(output.executions, "kind", "reason", "serial") == [
        *((C, Reason.OWNER_GONE, serial) for serial in (2, 1, 4, 5)),
        (REFUSED, Reason.UNKNOWN_ORDER, 100),
    ]
    assert [order.serial for order in book.open_orders(2)] == [3]


@pytest.mark.parametrize(
    ("side", "reason"), [(0, Reason.UNKNOWN_ORDER), (3, Reason.INVALID_SIDE), (255, Reason.INVALID_SIDE)]
)
def test_a_mass_cancel_that_does_nothing_says_so(make_book: MakeBook, side: int, reason: Reason) -> None:
    """Nothing of that account rests, or the side is none."""
    book = make_book()
    output = book.apply(batch(buy(99, 5, 1), cancel_all(account=2 if side == 0 else 1, side=side, serial=7)))
    assert rows(output.executions, *EVENT)[1:] == [(REFUSED, reason, 7, 0, 0, 0)] and book.order_count == 1


def test_what_self_trade_prevention_took_off_counts_for_neither(make_book: MakeBook) -> None:
    """4 of 10 were taken off and none traded: a total of 4 leaves 4."""
    book = make_book()
    book.apply(batch(sell(100, 10, 1), buy(100, 4, 2, self_trade_prevention=SelfTradePrevention.DECREMENT)))
    assert (book.find(1, 1).quantity_lots, book.find(1, 1).leaves_lots) == (6, 6)
    output = book.apply(batch(amend(1, quantity=4)))
    assert rows(output.executions, *EVENT) == [(CHANGED, 0, 1, 100, 4, 4)]
    book.apply(batch(buy(100, 10, 3, self_trade_prevention=SelfTradePrevention.DECREMENT)))
    assert (book.find(1, 3).quantity_lots, book.find(1, 3).leaves_lots) == (6, 6)
