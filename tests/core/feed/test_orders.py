"""One row an order: against a plain reading of the same events, over every kind of traffic that the book knows."""

from typing import Any

import numpy as np
import pytest

from marksim.core.book.book import OrderBook
from marksim.core.feed.orders import ORDER, OrderTable
from marksim.core.types import (
    CommandKind,
    ExecutionKind,
    OrderStatus,
    OrderType,
    PostOnly,
    Reason,
    Records,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from tests.core.book.commands import BTC, amend, batch, buy, cancel, market, sell
from tests.core.book.streams import MIXES, stream, traded_in

LOOKAHEAD_NS = 1_000_000


def tabled(commands: Records, book: OrderBook, size: int) -> list[dict[str, Any]]:
    """The rows of a run in batches of so many commands."""
    table = OrderTable(0, LOOKAHEAD_NS)
    parts = []
    for first in range(0, len(commands), size):
        rows = commands[first : first + size]
        parts.append(table.update(rows, book.apply(rows).executions))
    assert table.open_count == book.order_count + book.stop_count
    parts.append(table.finish(1 << 60))
    return [dict(zip(ORDER.names or (), row, strict=True)) for row in np.concatenate(parts).tolist()]


def plain(executions: Records) -> dict[int, dict[str, int]]:
    """The same of accepted orders, event by event, as far as events tell."""
    orders: dict[int, dict[str, int]] = {}
    names = executions.dtype.names or ()
    for values in executions.tolist():
        event = dict(zip(names, values, strict=True))
        kind, order = event["kind"], orders.get(event["order_id"], {})
        if kind == ExecutionKind.ACCEPTED:
            kept = ("account", "order_id", "side")
            order = orders[event["order_id"]] = {name: event[name] for name in kept} | {
                "filled_lots": 0,
                "accepted_time_ns": 0,
            }
            order["accepted_time_ns"] = event["time_ns"]
        if kind in {ExecutionKind.ACCEPTED, ExecutionKind.AMENDED}:
            order |= {name: event[name] for name in ("serial", "price_ticks", "quantity_lots")}
        if kind == ExecutionKind.TRADED:
            maker = orders[event["maker_order_id"]]
            for party, leaves in ((order, event["leaves_lots"]), (maker, event["maker_leaves_lots"])):
                party["filled_lots"] += event["quantity_lots"]
                party["leaves_lots"] = leaves
        elif kind not in {ExecutionKind.SESSION_CHANGED, ExecutionKind.REJECTED, ExecutionKind.CANCEL_REJECTED}:
            order["leaves_lots"] = event["leaves_lots"]
    return orders


@pytest.mark.parametrize("size", [1, 97, 3_000])
@pytest.mark.parametrize("mix", sorted(MIXES))
def test_rows_are_what_the_events_say(mix: str, size: int) -> None:
    """Whatever is traded, and however it is cut: every order once, with what is left, filled and open of it."""
    count = 300 if size == 1 else 3_000
    commands = stream(np.random.default_rng(17), MIXES[mix], count)
    made = [OrderBook(traded_in(MIXES[mix]), MIXES[mix].max_orders) for _ in range(2)]
    rows = tabled(commands, made[0], size)
    executions = np.concatenate([made[1].apply(commands[at : at + size]).executions for at in range(0, count, size)])
    expected = plain(executions)
    accepted = [row for row in rows if row["status"] != OrderStatus.REJECTED]
    assert sorted(row["order_id"] for row in accepted) == sorted(expected)
    for row in accepted:
        order = expected[row["order_id"]]
        assert {name: row[name] for name in order} == order, row
    asked = np.count_nonzero(commands["kind"] == CommandKind.NEW)
    assert len(rows) == asked


def test_what_became_of_each_order() -> None:
    """Filled at two prices, cancelled in part, refused, and open: status, reason, average price, times and windows."""
    book, table = OrderBook(BTC), OrderTable(0, 10)
    commands = batch(
        sell(1_010, 5, 1, time_ns=1),
        sell(1_020, 9, 2, time_ns=2),
        market(Side.BUY, 8, 3, account=2, time_ns=15),
        buy(900, 6, 4, time_ns=16),
        cancel(4, time_ns=27),
        buy(900, 1, 5, time_ns=28),
        amend(2, 1_030, 12, time_ns=29),
    )
    closed = table.update(commands, book.apply(commands).executions)
    rest = table.finish(50)
    names = ["serial", "status", "reason", "filled_lots", "leaves_lots", "average_price_ticks", "time_ns", "accepted_window"]
    assert [int(row) for row in closed["sequence"]] == [4, 5, 7, 8]
    assert closed[names].tolist() == [
        (1, OrderStatus.FILLED, 0, 5, 0, 1_010.0, 15, 0),
        (3, OrderStatus.FILLED, 0, 8, 0, (5 * 1_010 + 3 * 1_020) / 8, 15, 1),
        (4, OrderStatus.CANCELLED, Reason.REQUESTED, 0, 0, 0.0, 27, 1),
        (5, OrderStatus.REJECTED, Reason.INVALID_QUANTITY, 0, 0, 0.0, 28, 2),
    ]
    assert rest[names].tolist() == [(2, OrderStatus.PARTIALLY_FILLED, 0, 3, 9, 1_020.0, 50, 0)]
    assert rest[["price_ticks", "quantity_lots", "sequence"]].tolist() == [(1_030, 12, 9)]
    assert closed[["order_type", "time_in_force"]].tolist()[:2] == [
        (OrderType.LIMIT, TimeInForce.GTC),
        (OrderType.MARKET, TimeInForce.IOC),
    ]


def test_a_stop_that_waits_is_pending_until_it_is_triggered() -> None:
    """And open from then on, with the price that it stops at kept."""
    book, table = OrderBook(BTC), OrderTable(0, 10)
    stop = {"order_type": OrderType.STOP_LIMIT, "stop_price_ticks": 1_010}
    commands = batch(buy(1_000, 5, 1, **stop), buy(1_000, 5, 2, **(stop | {"stop_price_ticks": 1_020})), sell(1_010, 2, 3))
    table.update(commands, book.apply(commands).executions)
    taken = batch(market(Side.BUY, 2, 4, account=2))
    table.update(taken, book.apply(taken).executions)
    assert table.finish(1)[["serial", "status", "stop_price_ticks"]].tolist() == [
        (1, OrderStatus.OPEN, 1_010),
        (2, OrderStatus.PENDING, 1_020),
    ]


def test_a_part_taken_off_by_self_trade_prevention_leaves_an_order_open() -> None:
    """Only the event that leaves nothing closes it."""
    book, table = OrderBook(BTC), OrderTable(0, 10)
    commands = batch(sell(1_010, 9, 1), buy(1_010, 4, 2, self_trade_prevention=SelfTradePrevention.DECREMENT))
    closed = table.update(commands, book.apply(commands).executions)
    assert closed[["serial", "status", "reason"]].tolist() == [(2, OrderStatus.CANCELLED, Reason.SELF_TRADE)]
    assert table.finish(1)[["serial", "status", "leaves_lots"]].tolist() == [(1, OrderStatus.OPEN, 5)]


def test_a_slid_order_has_the_price_at_which_it_rests() -> None:
    """Not the one that it was sent with, at which it would have taken."""
    book, table = OrderBook(BTC), OrderTable(0, 10)
    commands = batch(sell(1_010, 9, 1), buy(1_015, 4, 2, post_only=PostOnly.SLIDE))
    table.update(commands, book.apply(commands).executions)
    assert table.finish(1)["price_ticks"].tolist() == [1_010, 1_009]
