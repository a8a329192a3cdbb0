"""Orders that end at a time, on both books."""

from collections.abc import Callable
from typing import Any

import pytest

from marksim.core.types import CommandKind, ExecutionKind, Reason, Side, TimeInForce
from tests.core.book.commands import batch, buy, cancel, market, rows, sell

MakeBook = Callable[..., Any]
EVENT = ("kind", "reason", "serial", "time_ns", "quantity_lots", "leaves_lots")
A, EXPIRED = ExecutionKind.ACCEPTED, ExecutionKind.EXPIRED
GTD = int(TimeInForce.GTD)


def until(expire_ns: int, order: dict[str, int]) -> dict[str, int]:
    return {**order, "time_in_force": GTD, "expire_time_ns": expire_ns}


def test_an_order_expires_before_the_first_command_of_its_time(make_book: MakeBook) -> None:
    """At its time and not at the command's; a command of a nanosecond earlier still trades with it."""
    book = make_book()
    book.apply(batch(until(1_000, buy(100, 5, 1)), until(2_000, buy(100, 5, 2))))
    output = book.apply(batch(sell(100, 2, 3, account=2, time_ns=999), sell(100, 2, 4, account=2, time_ns=1_500)))
    assert rows(output.executions, *EVENT)[2:4] == [
        (EXPIRED, Reason.EXPIRED, 1, 1_000, 3, 0),
        (A, 0, 4, 1_500, 2, 2),
    ]
    assert output.executions["maker_serial"].tolist() == [0, 1, 0, 0, 2]


def test_the_end_of_a_window_expires_what_is_due_in_it(make_book: MakeBook) -> None:
    """With no command at all; the window's end itself belongs to the next one."""
    book = make_book()
    book.apply(batch(until(1_000, buy(100, 5, 1)), until(1_001, buy(100, 5, 2))))
    assert book.next_due_ns == 1_000
    output = book.apply(batch(), 1_001)
    assert rows(output.executions, "kind", "serial", "time_ns") == [(EXPIRED, 1, 1_000)]
    assert book.next_due_ns == 1_001
    assert book.apply(batch(), 1_002).executions["serial"].tolist() == [2]
    assert book.next_due_ns is None


def test_several_expire_by_time_and_then_by_age(make_book: MakeBook) -> None:
    """Each with its own row, level and quote."""
    book = make_book()
    orders = [
        until(500, buy(100, 5, 1)),
        until(300, buy(101, 5, 2)),
        until(500, sell(110, 5, 3)),
        until(300, buy(101, 5, 4)),
    ]
    book.apply(batch(*orders))
    output = book.apply(batch(), 1_000)
    assert rows(output.executions, "serial", "time_ns") == [(2, 300), (4, 300), (1, 500), (3, 500)]
    assert rows(output.depth, "price_ticks", "quantity_lots", "time_ns") == [
        (101, 5, 300),
        (101, 0, 300),
        (100, 0, 500),
        (110, 0, 500),
    ]
    assert output.quotes["time_ns"].tolist() == [300, 300, 500, 500]


def test_what_is_gone_does_not_expire(make_book: MakeBook) -> None:
    """Cancelled or filled before; its slot may have another order by then."""
    book = make_book()
    book.apply(batch(until(1_000, buy(100, 5, 1)), until(1_000, buy(99, 5, 2)), market(Side.SELL, 5, 3, account=2)))
    book.apply(batch(cancel(2), buy(98, 5, 4), buy(97, 5, 5)))
    assert book.next_due_ns is None
    assert len(book.apply(batch(), 2_000).executions) == 0 and book.order_count == 2


def test_an_amended_order_expires_all_the_same(make_book: MakeBook) -> None:
    """In its place or at another one, under its new name."""
    book = make_book()
    amend = {"kind": CommandKind.AMEND, "account": 1, "serial": 7, "target_serial": 1, "price_ticks": 99}
    output = book.apply(batch(until(1_000, buy(100, 5, 1)), amend), 1_001)
    assert rows(output.executions, "kind", "serial", "price_ticks")[-1] == (EXPIRED, 7, 99)


def test_time_does_not_go_back(make_book: MakeBook) -> None:
    """An order whose end lies before a command that was already applied expires at that command's time."""
    book = make_book()
    output = book.apply(batch(until(1_000, buy(100, 5, 1)), buy(90, 5, 2, time_ns=900)), 1_001)
    assert output.executions["time_ns"].tolist() == [0, 900, 1_000]


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (buy(100, 5, 1, time_in_force=GTD), Reason.INVALID_TERMS),
        (buy(100, 5, 1, time_in_force=GTD, expire_time_ns=-1), Reason.INVALID_TERMS),
        (buy(100, 5, 1, expire_time_ns=10), Reason.INVALID_TERMS),
        (buy(100, 5, 1, expire_time_ns=-10), Reason.INVALID_TERMS),
        (until(10, market(Side.BUY, 5, 1)), Reason.INVALID_TERMS),
        (until(10, buy(100, 5, 1, time_ns=10)), Reason.EXPIRED),
        (until(11, buy(100, 5, 1, time_ns=10)), Reason.UNSPECIFIED),
    ],
    ids=str,
)
def test_when_an_order_may_expire(make_book: MakeBook, order: dict[str, int], reason: Reason) -> None:
    """Only a GTD order, which must say when, and that must be to come."""
    assert make_book().apply(batch(order)).executions["reason"].tolist() == [reason]


def test_expiries_of_many_orders_that_are_gone_are_swept_out(make_book: MakeBook) -> None:
    """Ten times as many as there is room for come and go; the few that stay expire in order."""
    book = make_book(max_orders=8)
    for serial in range(0, 400, 2):
        book.apply(batch(until(10_000 - serial, buy(100, 5, serial)), until(10_001, buy(99, 5, serial + 1))))
        book.apply(batch(cancel(serial), cancel(serial + 1)))
    book.apply(batch(*(until(5_000 - serial, buy(100, 5, serial)) for serial in range(1_000, 1_008))))
    expired = book.apply(batch(), 20_000).executions
    assert expired["serial"].tolist() == list(range(1_007, 999, -1))


def test_orders_expire_in_order_though_most_that_came_with_them_have_gone(make_book: MakeBook) -> None:
    """Whatever has been done to forget the others."""
    ends = [1_000 + 37 * at % 64 for at in range(64)]
    orders = [buy(90, 5, at, time_in_force=GTD, expire_time_ns=end) for at, end in enumerate(ends)]
    gone = [cancel(at) for at in range(64) if at % 3]
    book = make_book()
    book.apply(batch(*orders, *gone, buy(90, 5, 99, time_in_force=GTD, expire_time_ns=2_000)))
    output = book.apply(batch(), 3_000)
    assert output.executions["time_ns"].tolist() == [*sorted(ends[::3]), 2_000]
