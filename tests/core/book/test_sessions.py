"""The session of a book, on both books: what each state takes, when it changes, and what a change does."""

from collections.abc import Callable
from typing import Any

import pytest

from marksim.core.errors import InvalidInput
from marksim.core.types import (
    NS_PER_MINUTE,
    ExecutionKind,
    PostOnly,
    Reason,
    Session,
    SessionState,
    Side,
    StopTrigger,
    TimeInForce,
)
from tests.core.book.commands import (
    amend,
    batch,
    buy,
    cancel,
    cancel_all,
    instrument,
    market,
    rows,
    same,
    sell,
    set_session,
    stop,
    traded_at,
)

MakeBook = Callable[..., Any]
EVENT = ("kind", "reason", "serial", "price_ticks", "quantity_lots", "leaves_lots")
LEVEL = ("side", "price_ticks", "quantity_lots", "order_count")
CHANGE = ("kind", "reason", "session_state", "time_ns")
A, T, C, REJECTED = ExecutionKind.ACCEPTED, ExecutionKind.TRADED, ExecutionKind.CANCELLED, ExecutionKind.REJECTED
CHANGED, REFUSED, SET = ExecutionKind.AMENDED, ExecutionKind.CANCEL_REJECTED, ExecutionKind.SESSION_CHANGED
TRIGGERED, EXPIRED = ExecutionKind.TRIGGERED, ExecutionKind.EXPIRED
CLOSED = int(Reason.MARKET_CLOSED)
IOC, FOK, GTC = int(TimeInForce.IOC), int(TimeInForce.FOK), int(TimeInForce.GTC)
GTD, OPEN = int(TimeInForce.GTD), int(TimeInForce.AT_THE_OPEN)

PRE_OPEN, OPENING, CONTINUOUS = SessionState.PRE_OPEN, SessionState.OPENING_AUCTION, SessionState.CONTINUOUS
HALTED, CLOSING, SHUT = SessionState.HALTED, SessionState.CLOSING_AUCTION, SessionState.CLOSED
STATES = (PRE_OPEN, OPENING, CONTINUOUS, HALTED, CLOSING, SHUT)
COLLECTING = (PRE_OPEN, OPENING, CLOSING)
HOUR = 60 * NS_PER_MINUTE
DAY = 24 * HOUR


def changes(output: Any) -> list[tuple[int, ...]]:
    """The SESSION_CHANGED rows."""
    return rows(output.executions[output.executions["kind"] == SET], "reason", "session_state", "time_ns")


def in_state(make_book: MakeBook, state: SessionState, *orders: dict[str, int], **more: Any) -> Any:
    """A book that took the orders in continuous trading, and is in a state since."""
    book = make_book(instrument(**more))
    book.apply(batch(*orders))
    book.apply(batch(set_session(state)))
    return book


# What is taken.

NEW = {
    "limit": (buy(100, 5, 1), True),
    "gtc": (buy(100, 5, 1, time_in_force=GTC), True),
    "gtd": (buy(100, 5, 1, time_in_force=GTD, expire_time_ns=50), True),
    "iceberg": (buy(100, 5, 1, display_lots=2), True),
    "stop": (stop(Side.BUY, 105, 5, 1), True),
    "stop limit": (stop(Side.BUY, 105, 5, 1, price_ticks=106), True),
    "stop limit ioc": (stop(Side.BUY, 105, 5, 1, price_ticks=106, time_in_force=IOC), True),
    "stop limit fok": (stop(Side.BUY, 105, 5, 1, price_ticks=106, time_in_force=FOK), True),
    "ioc": (buy(100, 5, 1, time_in_force=IOC), False),
    "fok": (buy(100, 5, 1, time_in_force=FOK), False),
    "market": (market(Side.BUY, 5, 1), False),
    "market fok": (market(Side.BUY, 5, 1, time_in_force=FOK), False),
    "post only": (buy(100, 5, 1, post_only=PostOnly.REJECT), False),
    "post only that slides": (buy(100, 5, 1, post_only=PostOnly.SLIDE), False),
    "smallest first fill": (buy(100, 5, 1, min_quantity_lots=2), False),
}


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
@pytest.mark.parametrize("order", NEW)
def test_what_a_session_takes(make_book: MakeBook, order: str, state: SessionState) -> None:
    """While orders are collected, what may rest or waits for a stop price; in a halt and after the close, nothing."""
    command, may_be_collected = NEW[order]
    output = in_state(make_book, state).apply(batch(command))
    taken = state == CONTINUOUS or (state in COLLECTING and may_be_collected)
    first = (output.executions["kind"][0], output.executions["reason"][0])
    assert first == ((A, 0) if taken else (REJECTED, CLOSED))


def test_a_closed_market_comes_after_wrong_terms_and_before_all_else(make_book: MakeBook) -> None:
    """Of several faults the first in the stated order is named."""
    book = in_state(make_book, HALTED)
    orders = [
        buy(-1, -1, 1, side=0, post_only=7, order_type=0),
        buy(-1, -1, 1, side=0, post_only=7),
        buy(-1, -1, 1, side=0),
    ]
    output = book.apply(batch(*orders))
    assert output.executions["reason"].tolist() == [Reason.UNSUPPORTED, Reason.INVALID_TERMS, CLOSED]


def test_collected_orders_rest_without_trading(make_book: MakeBook) -> None:
    """The book may be crossed: depth says so, and no quote is made of it."""
    book = in_state(make_book, PRE_OPEN)
    output = book.apply(batch(sell(100, 5, 1), buy(105, 7, 2, account=2), buy(100, 2, 3, account=2)))
    assert output.executions["kind"].tolist() == [A, A, A] and len(output.quotes) == 0
    assert rows(output.depth, *LEVEL) == [(Side.SELL, 100, 5, 1), (Side.BUY, 105, 7, 1), (Side.BUY, 100, 2, 1)]
    assert rows(book.depth(), *LEVEL) == [(Side.BUY, 105, 7, 1), (Side.BUY, 100, 2, 1), (Side.SELL, 100, 5, 1)]
    assert [order.leaves_lots for order in book.open_orders(2)] == [7, 2]


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_orders_are_cancelled_in_every_state(make_book: MakeBook, state: SessionState) -> None:
    """By name, and all of an account's, stops too."""
    book = in_state(make_book, state, buy(100, 5, 1), buy(99, 5, 2), stop(Side.BUY, 105, 5, 3))
    output = book.apply(batch(cancel(1), cancel(1), cancel_all()))
    assert rows(output.executions, "kind", "serial") == [(C, 1), (REFUSED, 1), (C, 2), (C, 3)]
    assert rows(output.depth, "price_ticks", "quantity_lots") == [(100, 0), (99, 0)]


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_orders_expire_in_every_state(make_book: MakeBook, state: SessionState) -> None:
    """At their time."""
    book = in_state(make_book, state, buy(100, 5, 1, time_in_force=GTD, expire_time_ns=500))
    assert rows(book.apply(batch(), 501).executions, "kind", "time_ns") == [(EXPIRED, 500)]


# Amendments.


@pytest.mark.parametrize("state", [HALTED, SHUT], ids=lambda state: state.name)
def test_nothing_is_amended_while_nothing_comes_in(make_book: MakeBook, state: SessionState) -> None:
    """After an unknown order and wrong terms, before the quantity; a stop that waits is no exception."""
    book = in_state(make_book, state, buy(100, 5, 1), stop(Side.BUY, 105, 5, 2))
    commands = [amend(9), amend(1, time_in_force=IOC), amend(1, quantity=-1), amend(1, quantity=4), amend(2, quantity=4)]
    output = book.apply(batch(*commands))
    assert rows(output.executions, "kind", "reason", "serial", "quantity_lots", "leaves_lots") == [
        (REFUSED, Reason.UNKNOWN_ORDER, 9, 0, 0),
        (REFUSED, Reason.INVALID_TERMS, 1, 0, 5),
        (REFUSED, CLOSED, 1, -1, 5),
        (REFUSED, CLOSED, 1, 4, 5),
        (REFUSED, CLOSED, 2, 4, 5),
    ]
    assert len(output.depth) == len(output.quotes) == 0


@pytest.mark.parametrize("state", COLLECTING, ids=lambda state: state.name)
def test_an_amendment_that_crosses_does_not_trade_while_orders_are_collected(
    make_book: MakeBook, state: SessionState
) -> None:
    """Less at the same price keeps its place; all else joins the end of its level, across the other side or not."""
    book = in_state(make_book, state, buy(100, 5, 1), buy(100, 5, 2), buy(100, 5, 3), sell(110, 5, 4, account=2))
    output = book.apply(batch(amend(1, quantity=6), amend(2, quantity=4), amend(3, price=112), amend(2, price=112)))
    assert rows(output.executions, "kind", "serial", "price_ticks", "leaves_lots") == [
        (CHANGED, 1, 100, 6),
        (CHANGED, 2, 100, 4),
        (CHANGED, 3, 112, 5),
        (CHANGED, 2, 112, 4),
    ]
    assert rows(output.depth, *LEVEL) == [
        (Side.BUY, 100, 16, 3),
        (Side.BUY, 100, 15, 3),
        (Side.BUY, 100, 10, 2),
        (Side.BUY, 112, 5, 1),
        (Side.BUY, 100, 6, 1),
        (Side.BUY, 112, 9, 2),
    ]
    assert rows(book.resting(), "serial", "price_ticks") == [(3, 112), (2, 112), (1, 100), (4, 110)]


@pytest.mark.parametrize("post_only", [PostOnly.REJECT, PostOnly.SLIDE], ids=lambda one: one.name)
def test_a_post_only_amendment_waits_for_trading(make_book: MakeBook, post_only: PostOnly) -> None:
    """While orders are collected it is refused; of a stop, post-only is wrong in itself."""
    book = in_state(make_book, OPENING, buy(100, 5, 1), stop(Side.BUY, 105, 5, 2))
    commands = [amend(1, quantity=-1, post_only=post_only), amend(2, quantity=4, post_only=post_only)]
    assert book.apply(batch(*commands)).executions["reason"].tolist() == [CLOSED, Reason.INVALID_TERMS]


def test_a_stop_is_amended_while_orders_are_collected(make_book: MakeBook) -> None:
    """Where it waits, without a word to the public."""
    book = in_state(make_book, PRE_OPEN, stop(Side.BUY, 105, 5, 2, price_ticks=106))
    output = book.apply(batch(amend(2, price=107, quantity=9)))
    assert rows(output.executions, *EVENT) == [(CHANGED, 0, 2, 107, 9, 9)] and len(output.depth) == 0


# Changes by command.


@pytest.mark.parametrize("before", STATES, ids=lambda state: state.name)
@pytest.mark.parametrize("after", STATES, ids=lambda state: state.name)
def test_any_state_may_follow_any(make_book: MakeBook, before: SessionState, after: SessionState) -> None:
    """Also the one that it is; one row says so, with who asked and nothing else."""
    book = in_state(make_book, before)
    output = book.apply(batch(set_session(after, time_ns=5, price_ticks=9, quantity_lots=9, side=1, target_serial=4)))
    names = output.executions.dtype.names or ()
    (row,) = output.executions.tolist()
    told = {name: value for name, value in zip(names, row, strict=True) if value}
    expected = {"time_ns": 5, "account": 7, "serial": 77, "kind": SET, "reason": Reason.REQUESTED, "session_state": after}
    assert told == {"sequence": book.sequence, **expected}
    assert book.session_state == after == book.session.state


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (set_session(0), Reason.INVALID_TERMS),
        (set_session(7), Reason.INVALID_TERMS),
        (set_session(255), Reason.INVALID_TERMS),
        (set_session(HALTED, -1), Reason.INVALID_TERMS),
        (set_session(PRE_OPEN, -1), Reason.INVALID_TERMS),
        (set_session(PRE_OPEN, 30), Reason.INVALID_TERMS),
        (set_session(CONTINUOUS, 30), Reason.INVALID_TERMS),
        (set_session(SHUT, 30), Reason.INVALID_TERMS),
        (set_session(SHUT, 20), Reason.INVALID_TERMS),
        (set_session(HALTED, 20), Reason.EXPIRED),
        (set_session(OPENING, 19), Reason.EXPIRED),
        (set_session(CLOSING, 1), Reason.EXPIRED),
    ],
    ids=str,
)
def test_a_session_that_cannot_be_is_refused(make_book: MakeBook, command: dict[str, int], reason: Reason) -> None:
    """A state that there is none of, an end where there can be none or that has gone by; the session stays as it is."""
    book = make_book()
    output = book.apply(batch({**command, "time_ns": 20, "price_ticks": 3, "quantity_lots": 4, "side": Side.SELL}))
    assert rows(output.executions, *EVENT, "side", "account", "session_state") == [
        (REJECTED, reason, 77, 3, 4, 0, Side.SELL, 7, 0)
    ]
    assert book.session_state == CONTINUOUS and book.next_due_ns is None


# Changes by themselves.


def test_a_halt_with_an_end_ends_in_an_auction(make_book: MakeBook) -> None:
    """The auction lasts as the instrument says, and then trading goes on; each row has the time at which it was due."""
    book = make_book(instrument(auction_ns=40))
    book.apply(batch(set_session(HALTED, 100, time_ns=20)))
    assert (book.next_due_ns, book.due_before(100), book.due_before(101)) == (100, False, True)
    assert len(book.apply(batch(), 100).executions) == 0
    output = book.apply(batch(), 101)
    assert rows(output.executions, *CHANGE, "account", "serial") == [(SET, Reason.SCHEDULED, OPENING, 100, 0, 0)]
    assert book.next_due_ns == 140
    output = book.apply(batch(buy(100, 5, 1, time_ns=150)))
    assert rows(output.executions, *CHANGE) == [(SET, Reason.SCHEDULED, CONTINUOUS, 140), (A, 0, 0, 150)]
    assert book.next_due_ns is None


def test_an_auction_after_a_halt_may_last_no_time(make_book: MakeBook) -> None:
    """Then it begins and ends at once, with a row of each."""
    book = make_book()
    output = book.apply(batch(set_session(HALTED, 100)), 200)
    assert changes(output)[1:] == [(Reason.SCHEDULED, OPENING, 100), (Reason.SCHEDULED, CONTINUOUS, 100)]


@pytest.mark.parametrize(("state", "after"), [(OPENING, CONTINUOUS), (CLOSING, SHUT)], ids=["opening", "closing"])
def test_an_auction_with_an_end_ends_where_it_leads(make_book: MakeBook, state: SessionState, after: SessionState) -> None:
    """The opening in trading, the closing in the close; they uncross there."""
    book = make_book(instrument(auction_ns=40))
    book.apply(batch(set_session(state, 100), sell(100, 5, 1), buy(100, 5, 2)))
    output = book.apply(batch(), 101)
    assert rows(output.executions, *CHANGE, "quantity_lots") == [
        (T, 0, 0, 100, 5),
        (SET, Reason.SCHEDULED, after, 100, 5),
    ]
    assert book.next_due_ns is None


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_a_change_takes_the_end_of_the_state_before(make_book: MakeBook, state: SessionState) -> None:
    """Also one to the same state; only what says its own end has one."""
    book = make_book()
    book.apply(batch(set_session(HALTED, 100), set_session(state)))
    assert book.next_due_ns is None
    assert len(book.apply(batch(), 200).executions) == 0 and book.session_state == state


def test_an_order_expires_before_the_session_changes_at_the_same_time(make_book: MakeBook) -> None:
    """So it has no part in the auction; and both come before a command of that time."""
    book = make_book()
    until = {"time_in_force": GTD, "expire_time_ns": 100}
    book.apply(batch(set_session(OPENING, 100), sell(100, 5, 1, **until), buy(100, 5, 2), sell(100, 2, 3)))
    output = book.apply(batch(buy(100, 5, 4, time_ns=100)))
    assert rows(output.executions, "kind", "serial") == [(EXPIRED, 1), (T, 2), (SET, 0), (A, 4)]


def test_what_is_due_is_done_by_time(make_book: MakeBook) -> None:
    """Expiries and changes of the session in turn."""
    book = make_book(instrument(auction_ns=100))
    orders = [buy(90, 5, serial, time_in_force=GTD, expire_time_ns=50 * serial) for serial in (1, 3, 5)]
    book.apply(batch(*orders, set_session(HALTED, 100)))
    output = book.apply(batch(), 1_000)
    assert rows(output.executions, "kind", "time_ns") == [
        (EXPIRED, 50),
        (SET, 100),
        (EXPIRED, 150),
        (SET, 200),
        (EXPIRED, 250),
    ]


# The day of an instrument.

TRADING_DAY = ((8 * HOUR, OPENING), (9 * HOUR, CONTINUOUS), (17 * HOUR, CLOSING), (18 * HOUR, SHUT))


@pytest.mark.parametrize(
    ("start_ns", "state", "next_ns"),
    [
        (0, SHUT, 8 * HOUR),
        (8 * HOUR - 1, SHUT, 8 * HOUR),
        (8 * HOUR, OPENING, 9 * HOUR),
        (8 * HOUR + 1, OPENING, 9 * HOUR),
        (9 * HOUR, CONTINUOUS, 17 * HOUR),
        (18 * HOUR, SHUT, DAY + 8 * HOUR),
        (20_000 * DAY + 17 * HOUR + 5, CLOSING, 20_000 * DAY + 18 * HOUR),
    ],
)
def test_a_book_begins_in_the_state_of_its_hour(
    make_book: MakeBook, start_ns: int, state: SessionState, next_ns: int
) -> None:
    """That of the last entry by then, before the first of a day that of the last of the day before; without an event."""
    book = make_book(instrument(sessions=TRADING_DAY), start_ns=start_ns)
    assert (book.session_state, book.next_due_ns, book.sequence) == (state, next_ns, 0)


def test_a_day_goes_by_its_times(make_book: MakeBook) -> None:
    """Every day the same, whatever happens between; each change says when it was due."""
    book = make_book(instrument(sessions=TRADING_DAY), start_ns=DAY)
    output = book.apply(batch(set_session(HALTED, time_ns=DAY + 10 * HOUR)), 3 * DAY + 1)
    day = [(Reason.SCHEDULED, state, at_ns) for at_ns, state in TRADING_DAY]
    first = [(reason, state, DAY + at_ns) for reason, state, at_ns in day]
    second = [(reason, state, 2 * DAY + at_ns) for reason, state, at_ns in day]
    asked = (Reason.REQUESTED, HALTED, DAY + 10 * HOUR)
    assert changes(output) == [*first[:2], asked, *first[2:], *second]
    assert book.next_due_ns == 3 * DAY + 8 * HOUR


def test_a_day_may_have_one_entry(make_book: MakeBook) -> None:
    """At midnight: it holds from the start, and is made anew every day."""
    book = make_book(instrument(sessions=((0, CONTINUOUS),)), start_ns=DAY)
    assert book.session_state == CONTINUOUS
    output = book.apply(batch(set_session(HALTED, time_ns=DAY + 5)), 3 * DAY + 1)
    assert [row[1:] for row in changes(output)] == [(HALTED, DAY + 5), (CONTINUOUS, 2 * DAY), (CONTINUOUS, 3 * DAY)]


def test_an_entry_of_the_day_takes_the_end_of_the_state_before(make_book: MakeBook) -> None:
    """Before it, and where both fall together: then the entry counts, and the end is gone."""
    for ends in (9 * HOUR, 10 * HOUR):
        book = make_book(instrument(sessions=((9 * HOUR, PRE_OPEN), (20 * HOUR, SHUT))))
        output = book.apply(batch(set_session(CLOSING, ends, time_ns=8 * HOUR)), 12 * HOUR)
        assert [row[1:] for row in changes(output)] == [(CLOSING, 8 * HOUR), (PRE_OPEN, 9 * HOUR)]


def test_an_end_may_come_before_an_entry(make_book: MakeBook) -> None:
    """And the entry comes all the same."""
    book = make_book(instrument(sessions=((9 * HOUR, PRE_OPEN), (20 * HOUR, SHUT))))
    output = book.apply(batch(set_session(CLOSING, 9 * HOUR - 1, time_ns=8 * HOUR)), 12 * HOUR)
    assert [row[1:] for row in changes(output)][1:] == [(SHUT, 9 * HOUR - 1), (PRE_OPEN, 9 * HOUR)]


# What hangs on the session.


def test_a_quote_has_no_size_outside_trading(make_book: MakeBook) -> None:
    """It keeps the prices that were quoted last; after the change to trading it shows the book as it is."""
    book = make_book()
    output = book.apply(
        batch(buy(100, 5, 1), sell(110, 6, 2), set_session(HALTED), cancel(1), set_session(OPENING), sell(105, 3, 3))
    )
    assert [row[2:] for row in output.quotes.tolist()] == [(100, 5, 1_000, 0), (100, 5, 110, 6), (100, 0, 110, 0)]
    assert output.quotes["sequence"].tolist() == [1, 2, 3]
    output = book.apply(batch(set_session(CONTINUOUS)))
    assert [row[2:] for row in output.quotes.tolist()] == [(100, 0, 105, 3)]
    assert output.quotes["sequence"][-1] == output.executions["sequence"][-1]


def test_no_stop_is_triggered_outside_trading(make_book: MakeBook) -> None:
    """One whose price is reached when it comes waits for the change to trading; its price may be the auction's."""
    book = make_book()
    book.apply(batch(*traded_at(105, 10), sell(120, 9, 1, account=2), set_session(PRE_OPEN)))
    output = book.apply(batch(stop(Side.BUY, 105, 2, 2), stop(Side.SELL, 104, 2, 3, price_ticks=104)))
    assert output.executions["kind"].tolist() == [A, A]
    output = book.apply(batch(sell(103, 2, 4, account=3), buy(103, 2, 5, account=4), set_session(CONTINUOUS)))
    assert rows(output.executions, "kind", "serial", "price_ticks")[2:] == [
        (T, 5, 103),
        (SET, 77, 103),
        (TRIGGERED, 3, 104),
    ]
    assert book.stop_count == 1


def test_stops_that_look_at_quotes_wait_for_trading(make_book: MakeBook) -> None:
    """What orders stand at while they are collected is no quote."""
    book = in_state(make_book, OPENING, stop_trigger=StopTrigger.QUOTE)
    output = book.apply(batch(stop(Side.BUY, 105, 2, 1), sell(106, 2, 2, account=2), set_session(CONTINUOUS)))
    assert rows(output.executions, "kind", "serial")[2:] == [(SET, 77), (TRIGGERED, 1), (T, 1)]


def test_stops_are_triggered_after_a_change_that_was_due(make_book: MakeBook) -> None:
    """At its time, before the next change that is due."""
    book = make_book(instrument(sessions=((50, PRE_OPEN), (100, CONTINUOUS), (150, SHUT))), start_ns=50)
    book.apply(batch(stop(Side.BUY, 105, 2, 1), sell(105, 4, 2, account=2), buy(105, 2, 3, account=3)))
    output = book.apply(batch(), 200)
    assert rows(output.executions, "kind", "serial", "time_ns") == [
        (T, 3, 100),
        (SET, 0, 100),
        (TRIGGERED, 1, 100),
        (T, 1, 100),
        (SET, 0, 150),
    ]


def test_volume_is_that_of_the_day(make_book: MakeBook) -> None:
    """After the close it is the whole day's, closing auction and all; it begins anew when the next day does."""
    book = make_book()
    book.apply(batch(*traded_at(100, 10), *traded_at(101, 20)))
    assert book.session == Session(CONTINUOUS, 4)
    book.apply(batch(set_session(PRE_OPEN), *traded_at(100, 30), set_session(CONTINUOUS)))
    assert book.session == Session(CONTINUOUS, 6)
    book.apply(batch(set_session(CLOSING), *traded_at(100, 40)))
    assert book.session == Session(CLOSING, 6, 100, 2, 0)
    output = book.apply(batch(set_session(SHUT)))
    assert output.executions["quantity_lots"].tolist() == [2, 2] and book.session == Session(SHUT, 8)
    book.apply(batch(set_session(SHUT)))
    assert book.session == Session(SHUT, 8)
    book.apply(batch(set_session(CONTINUOUS), *traded_at(100, 50)))
    assert book.session == Session(CONTINUOUS, 2)


def test_orders_are_listed_one_by_one(make_book: MakeBook) -> None:
    """The best levels of each side, the oldest orders of each; no stops."""
    book = make_book()
    orders = [buy(price, 5, 10 * price + place) for price in (98, 99, 100) for place in range(3)]
    book.apply(batch(*orders, sell(105, 9, 1, display_lots=2), sell(104, 5, 2), stop(Side.BUY, 120, 5, 3)))
    assert book.by_order(2, 2)["serial"].tolist() == [1_000, 1_001, 990, 991, 2, 1]
    assert book.by_order(1, 9)["serial"].tolist() == [1_000, 1_001, 1_002, 2]
    assert rows(book.by_order(9, 9)[-1:], "leaves_lots", "hidden_lots") == [(9, 7)]
    assert len(book.by_order(0, 9)) == len(book.by_order(9, 0)) == len(book.by_order(-1, 9)) == len(book.depth(-1)) == 0
    resting = book.resting()
    assert (book.by_order(9, 9) == resting[resting["stop_price_ticks"] == 0]).all()


def test_batch_boundaries_change_nothing_in_a_day(make_book: MakeBook) -> None:
    """One by one and all at once: the same rows and states, whatever is due between the commands."""
    commands = batch(
        buy(100, 5, 1, time_ns=10),
        sell(100, 5, 2, time_ns=60),
        set_session(HALTED, 80, time_ns=70),
        buy(100, 5, 3, time_ns=80),
        buy(101, 9, 4, time_ns=95),
        sell(99, 7, 5, time_ns=120),
        cancel(4, time_ns=160),
    )
    traded = instrument(auction_ns=15, sessions=((50, PRE_OPEN), (65, CONTINUOUS), (150, SHUT)))
    whole, single = make_book(traded), make_book(traded)
    together = whole.apply(commands)
    parts = [single.apply(commands[row : row + 1]) for row in range(len(commands))]
    told = [row for part in parts for row in part.executions.tolist()]
    assert together.executions.tolist() == told and whole.state_hash() == single.state_hash()
    assert together.quotes.tolist() == [row for part in parts for row in part.quotes.tolist()]
    assert [state for _, state, _ in changes(together)] == [PRE_OPEN, CONTINUOUS, HALTED, OPENING, CONTINUOUS, SHUT]
    assert same(whole.apply(batch(), 500), single.apply(batch(), 500))


def test_the_state_is_part_of_the_hash(make_book: MakeBook) -> None:
    """Books that differ in nothing but session, end, volume or what comes next have different hashes."""
    hashes = set()
    for sessions, commands in (
        ((), [set_session(HALTED)]),
        ((), [set_session(PRE_OPEN)]),
        ((), [set_session(HALTED, 50)]),
        ((), [set_session(HALTED, 51)]),
        (((60, HALTED), (70, SHUT)), [set_session(HALTED)]),
        (((61, HALTED), (70, SHUT)), [set_session(HALTED)]),
    ):
        book = make_book(instrument(sessions=sessions))
        book.apply(batch(*commands))
        hashes.add(book.state_hash())
    assert len(hashes) == 6


def test_a_book_begins_after_the_epoch(make_book: MakeBook) -> None:
    """Before it there is no time: 0 means that nothing is due."""
    with pytest.raises(InvalidInput, match="start_ns -1"):
        make_book(start_ns=-1)


def test_no_entry_comes_after_all_time(make_book: MakeBook) -> None:
    """On the last day that int64 has, the entries of the day after do not come."""
    last_ns = (1 << 63) - 1
    book = make_book(instrument(sessions=((HOUR, PRE_OPEN),)), start_ns=last_ns - 5)
    assert (book.session_state, book.next_due_ns) == (PRE_OPEN, None)
