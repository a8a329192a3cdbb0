"""Orders that wait for a price, on both books."""

from collections.abc import Callable
from typing import Any

import pytest

from marksim.core.types import (
    CommandKind,
    ExecutionKind,
    OrderType,
    PostOnly,
    Reason,
    SelfTradePrevention,
    Side,
    StopTrigger,
    TimeInForce,
)
from tests.core.book.commands import batch, buy, cancel, instrument, market, rows, sell, stop, traded_at

MakeBook = Callable[..., Any]
EVENT = ("kind", "serial", "price_ticks", "quantity_lots", "leaves_lots")
A, T, C, TRIGGERED = ExecutionKind.ACCEPTED, ExecutionKind.TRADED, ExecutionKind.CANCELLED, ExecutionKind.TRIGGERED
FOK, IOC, GTD = int(TimeInForce.FOK), int(TimeInForce.IOC), int(TimeInForce.GTD)


def kinds(output: Any) -> list[tuple[int, ...]]:
    return rows(output.executions, "kind", "serial")


def test_a_stop_waits_out_of_sight(make_book: MakeBook) -> None:
    """It is accepted, and shows in neither depth nor quote; its owner finds it."""
    book = make_book()
    output = book.apply(batch(stop(Side.BUY, 105, 5, 1), stop(Side.SELL, 95, 5, 2, price_ticks=94)))
    assert rows(output.executions, *EVENT) == [(A, 1, 0, 5, 5), (A, 2, 94, 5, 5)]
    assert len(output.depth) == len(output.quotes) == book.order_count == 0 and book.stop_count == 2
    assert [book.find(1, serial).price_ticks for serial in (1, 2)] == [0, 94]
    assert [order.serial for order in book.open_orders(1)] == [1, 2]


@pytest.mark.parametrize("price", [105, 106])
def test_a_buy_stop_becomes_a_market_order_at_its_price_or_above(make_book: MakeBook, price: int) -> None:
    """It trades with what is there, and what is left is cancelled."""
    book = make_book()
    book.apply(batch(stop(Side.BUY, 105, 5, 1), sell(110, 3, 2, account=2)))
    assert TRIGGERED not in book.apply(batch(*traded_at(104, 10))).executions["kind"]
    output = book.apply(batch(*traded_at(price, 20)))
    assert rows(output.executions, *EVENT)[3:] == [
        (TRIGGERED, 1, 0, 5, 5),
        (T, 1, 110, 3, 2),
        (C, 1, 0, 2, 0),
    ]
    assert output.executions["reason"][-1] == Reason.NO_LIQUIDITY and book.stop_count == 0


@pytest.mark.parametrize("price", [95, 94])
def test_a_sell_stop_limit_rests_at_its_limit(make_book: MakeBook, price: int) -> None:
    """Triggered at its stop price or below, it is a limit order that came then, under its own order id."""
    book = make_book()
    book.apply(batch(stop(Side.SELL, 95, 5, 1, price_ticks=97)))
    output = book.apply(batch(*traded_at(96, 10), *traded_at(price, 20)))
    assert rows(output.executions, *EVENT)[-1] == (TRIGGERED, 1, 97, 5, 5)
    assert rows(output.depth, "side", "price_ticks", "quantity_lots")[-1] == (Side.SELL, 97, 5)
    assert (book.order_count, book.stop_count, book.find(1, 1).order_id) == (1, 0, 1)


def test_nothing_is_triggered_before_the_first_trade(make_book: MakeBook) -> None:
    """Quotes and the reference price are no trades."""
    book = make_book()
    output = book.apply(batch(stop(Side.BUY, 105, 5, 1), stop(Side.SELL, 4_000, 5, 2), sell(110, 5, 3, account=2)))
    assert TRIGGERED not in output.executions["kind"]


def test_a_stop_whose_price_is_reached_already_is_triggered_at_once(make_book: MakeBook) -> None:
    """After its own ACCEPTED row."""
    book = make_book()
    book.apply(batch(*traded_at(105, 10), sell(110, 5, 2, account=2)))
    assert kinds(book.apply(batch(stop(Side.BUY, 105, 5, 1)))) == [(A, 1), (TRIGGERED, 1), (T, 1)]


def test_the_order_of_triggering(make_book: MakeBook) -> None:
    """Buy orders first, the price that is reached first, then the oldest; then sell orders in the same way."""
    book = make_book()
    orders = [
        stop(Side.SELL, 106, 1 + 1, 1, price_ticks=200),
        stop(Side.SELL, 107, 2, 2, price_ticks=200),
        stop(Side.BUY, 104, 2, 3, price_ticks=50),
        stop(Side.BUY, 103, 2, 4, price_ticks=50),
        stop(Side.BUY, 104, 2, 5, price_ticks=50),
        stop(Side.SELL, 107, 2, 6, price_ticks=200),
        stop(Side.BUY, 106, 2, 7, price_ticks=50),
    ]
    output = book.apply(batch(*orders, *traded_at(105, 10)))
    fired = [serial for kind, serial in kinds(output) if kind == TRIGGERED]
    assert fired == [4, 3, 5, 2, 6, 1] and book.stop_count == 1


def test_a_stop_may_trigger_a_stop(make_book: MakeBook) -> None:
    """Each trade of a triggered order counts for the next; every one of a long cascade has its turn within one command."""
    book = make_book(instrument(max_price_ticks=5_000))
    levels = range(100, 1_100)
    book.apply(batch(*(sell(price, 2, price, account=2) for price in levels)))
    book.apply(batch(*(stop(Side.BUY, price, 2, price, account=3) for price in reversed(levels[:-1]))))
    output = book.apply(batch(market(Side.BUY, 2, 1)))
    fired = [serial for kind, serial in kinds(output) if kind == TRIGGERED]
    assert fired == list(levels[:-1])
    assert (book.order_count, book.stop_count) == (0, 0)
    assert len(output.quotes) == 1_000


def test_sell_stops_fall_through_the_book(make_book: MakeBook) -> None:
    """A flash crash in small: each stop takes the next bid and reaches the next stop."""
    book = make_book()
    book.apply(batch(*(buy(price, 2, price, account=2) for price in (100, 99, 98))))
    book.apply(batch(stop(Side.SELL, 99, 2, 2), stop(Side.SELL, 100, 2, 1)))
    output = book.apply(batch(sell(100, 2, 50, account=4)))
    assert rows(output.executions, "kind", "serial", "price_ticks")[2:] == [
        (TRIGGERED, 1, 0),
        (T, 1, 99),
        (TRIGGERED, 2, 0),
        (T, 2, 98),
    ]


@pytest.mark.parametrize(("side", "make"), [(Side.BUY, sell), (Side.SELL, buy)])
def test_stops_may_look_at_quotes(make_book: MakeBook, side: Side, make: Callable[..., dict[str, int]]) -> None:
    """A buy order looks at the best ask, a sell order at the best bid; trades mean nothing, nor does an empty side."""
    book = make_book(instrument(stop_trigger=StopTrigger.QUOTE))
    away = 1 if side == Side.BUY else -1
    output = book.apply(
        batch(stop(side, 100 + 5 * away, 2, 1), *traded_at(100 + 9 * away, 10)[::away], make(100 + 4 * away, 2, 2, 2))
    )
    assert (TRIGGERED, 1) not in kinds(output)[-1:]
    book = make_book(instrument(stop_trigger=StopTrigger.QUOTE))
    book.apply(batch(stop(side, 100 + 5 * away, 2, 1), make(100 + 4 * away, 2, 2, 2)))
    output = book.apply(batch(make(100 + 6 * away, 2, 3, 2), cancel(2, account=2)))
    assert kinds(output)[-2:] == [(TRIGGERED, 1), (T, 1)]


def test_an_expiry_may_trigger_a_stop_that_looks_at_quotes(make_book: MakeBook) -> None:
    """The best ask goes at its time, and the stop is triggered at that time."""
    book = make_book(instrument(stop_trigger=StopTrigger.QUOTE))
    book.apply(batch(stop(Side.BUY, 105, 2, 1), sell(106, 2, 2, account=2)))
    book.apply(batch(sell(104, 2, 3, account=2, time_in_force=GTD, expire_time_ns=500)))
    book = make_book(instrument(stop_trigger=StopTrigger.QUOTE))
    book.apply(batch(sell(104, 2, 3, account=2, time_in_force=GTD, expire_time_ns=500), sell(106, 2, 2, account=2)))
    book.apply(batch(stop(Side.BUY, 105, 2, 1)))
    output = book.apply(batch(), 501)
    assert rows(output.executions, "kind", "serial", "time_ns") == [
        (ExecutionKind.EXPIRED, 3, 500),
        (TRIGGERED, 1, 500),
        (T, 1, 500),
    ]


@pytest.mark.parametrize(
    ("life", "end"), [(0, None), (IOC, Reason.IOC_REMAINDER), (FOK, Reason.FOK_NOT_FILLED)], ids=["rests", "ioc", "fok"]
)
def test_a_stop_limit_keeps_its_time_in_force(make_book: MakeBook, life: int, end: Reason | None) -> None:
    """It waits whatever that is, and then does what it says."""
    book = make_book()
    book.apply(batch(stop(Side.BUY, 105, 5, 1, price_ticks=110, time_in_force=life), sell(110, 3, 2, account=2)))
    output = book.apply(batch(*traded_at(105, 10)))
    assert (output.executions["reason"][-1] or None) == end
    assert book.order_count == {None: 1, Reason.IOC_REMAINDER: 0, Reason.FOK_NOT_FILLED: 1}[end]


def test_a_triggered_order_prevents_self_trades_as_it_said(make_book: MakeBook) -> None:
    """The word that it was sent with counts when it comes to trade."""
    book = make_book()
    newest = int(SelfTradePrevention.CANCEL_NEWEST)
    book.apply(batch(stop(Side.BUY, 105, 5, 1, self_trade_prevention=newest), sell(110, 3, 2)))
    output = book.apply(batch(*traded_at(105, 10)))
    assert output.executions["reason"][-1] == Reason.SELF_TRADE and book.order_count == 1


def test_a_stop_expires_while_it_waits_or_later(make_book: MakeBook) -> None:
    """At its end it is gone, whether it was triggered before or not; of one that waits no level is told."""
    book = make_book()
    ends = {"time_in_force": GTD, "expire_time_ns": 500}
    book.apply(
        batch(stop(Side.BUY, 105, 5, 1, **ends), stop(Side.BUY, 103, 5, 2, price_ticks=90, **ends), *traded_at(103, 10))
    )
    output = book.apply(batch(), 501)
    assert kinds(output) == [(ExecutionKind.EXPIRED, 1), (ExecutionKind.EXPIRED, 2)]
    assert output.depth["price_ticks"].tolist() == [90] and (book.order_count, book.stop_count) == (0, 0)


def test_stops_are_cancelled_by_name_and_by_account(make_book: MakeBook) -> None:
    """After what rests, oldest first, of the side that is named; no level is told of them."""
    book = make_book()
    book.apply(
        batch(*(stop(1 + serial % 2, 105, 5, serial) for serial in range(4)), buy(90, 5, 9), stop(Side.BUY, 105, 5, 7, 2))
    )
    output = book.apply(batch(cancel(3)))
    assert kinds(output) == [(C, 3)] and len(output.depth) == 0
    both = {"kind": CommandKind.MASS_CANCEL, "account": 1, "serial": 99}
    assert kinds(book.apply(batch({**both, "side": Side.SELL}))) == [(C, 1)]
    assert kinds(book.apply(batch(both))) == [(C, 9), (C, 0), (C, 2)]
    assert book.stop_count == 1
    assert kinds(book.apply(batch(*traded_at(105, 20))))[-2:] == [(TRIGGERED, 7), (C, 7)]


def test_a_stop_is_amended_where_it_waits(make_book: MakeBook) -> None:
    """Price, quantity and name, and nothing of it is published; its stop price stays."""
    book = make_book()
    book.apply(batch(stop(Side.BUY, 105, 5, 1, price_ticks=90), stop(Side.BUY, 105, 5, 2)))
    amend = {"kind": CommandKind.AMEND, "account": 1}
    output = book.apply(
        batch(
            {**amend, "target_serial": 1, "serial": 7, "price_ticks": 91, "quantity_lots": 9},
            {**amend, "target_serial": 2, "serial": 2, "quantity_lots": 3},
            {**amend, "target_serial": 2, "serial": 2, "price_ticks": 91},
            {**amend, "target_serial": 7, "serial": 7, "post_only": PostOnly.REJECT},
        )
    )
    changed, refused = ExecutionKind.AMENDED, ExecutionKind.CANCEL_REJECTED
    assert rows(output.executions, "kind", "reason", "serial", "price_ticks", "leaves_lots") == [
        (changed, 0, 7, 91, 9),
        (changed, 0, 2, 0, 3),
        (refused, Reason.INVALID_PRICE, 2, 91, 3),
        (refused, Reason.INVALID_TERMS, 7, 0, 9),
    ]
    assert len(output.depth) == len(output.quotes) == 0
    assert rows(book.apply(batch(*traded_at(105, 10))).executions, *EVENT)[3:] == [
        (TRIGGERED, 7, 91, 9, 9),
        (TRIGGERED, 2, 0, 3, 3),
        (C, 2, 0, 3, 0),
    ]
    assert rows(book.depth(), "price_ticks", "quantity_lots") == [(91, 9)]


def test_stops_count_towards_the_bound(make_book: MakeBook) -> None:
    """A stop that waits takes a place of a resting order, which it keeps when it is triggered."""
    book = make_book(max_orders=2)
    output = book.apply(
        batch(stop(Side.BUY, 105, 5, 1, price_ticks=90), buy(80, 5, 2), buy(80, 5, 3), stop(Side.BUY, 105, 5, 4))
    )
    assert output.executions["reason"].tolist() == [0, 0, Reason.BOOK_FULL, Reason.BOOK_FULL]
    book.apply(batch(cancel(2), sell(105, 2, 20, account=8), buy(105, 2, 21, account=9, time_in_force=IOC)))
    assert rows(book.depth(), "price_ticks", "quantity_lots") == [(90, 5)]


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (stop(Side.BUY, 0, 5, 1), Reason.INVALID_PRICE),
        (stop(Side.BUY, -1, 5, 1), Reason.INVALID_PRICE),
        (stop(Side.BUY, 9, 5, 1), Reason.PRICE_BAND),
        (stop(Side.BUY, 10, 5, 1), Reason.UNSPECIFIED),
        (stop(Side.SELL, 5_000, 5, 1), Reason.UNSPECIFIED),
        (stop(Side.BUY, 5_001, 5, 1, price_ticks=100), Reason.PRICE_BAND),
        (stop(Side.BUY, 105, 5, 1, price_ticks=5_001), Reason.PRICE_BAND),
        (stop(Side.BUY, 105, 5, 1, order_type=OrderType.STOP_LIMIT), Reason.INVALID_PRICE),
        (stop(Side.BUY, 105, 5, 1, price_ticks=100, order_type=OrderType.STOP), Reason.INVALID_PRICE),
        (stop(Side.BUY, 105, 5, 1, time_in_force=IOC), Reason.INVALID_TERMS),
        (stop(Side.BUY, 105, 5, 1, time_in_force=FOK), Reason.INVALID_TERMS),
        (stop(Side.BUY, 105, 5, 1, display_lots=3), Reason.INVALID_TERMS),
        (stop(Side.BUY, 105, 5, 1, price_ticks=100, display_lots=3), Reason.INVALID_TERMS),
        (stop(Side.BUY, 105, 5, 1, min_quantity_lots=3), Reason.INVALID_TERMS),
        (stop(Side.BUY, 105, 5, 1, price_ticks=100, post_only=PostOnly.SLIDE), Reason.INVALID_TERMS),
        (market(Side.BUY, 5, 1, stop_price_ticks=105), Reason.INVALID_TERMS),
        (stop(Side.BUY, 105, 1, 1), Reason.INVALID_QUANTITY),
        (stop(3, 105, 5, 1), Reason.INVALID_SIDE),
    ],
    ids=str,
)
def test_what_a_stop_may_be(make_book: MakeBook, order: dict[str, int], reason: Reason) -> None:
    """Wrong terms and prices are refused before it waits."""
    assert make_book().apply(batch(order)).executions["reason"].tolist() == [reason]
