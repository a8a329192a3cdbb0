"""Orders for the opening, on both books: when they may come, where they rest, and that nothing of them stays."""

from collections.abc import Callable
from typing import Any

import pytest

from marksim.core.types import ExecutionKind, PostOnly, Reason, SessionState, Side, TimeInForce
from tests.core.book.commands import amend, batch, buy, instrument, market, rows, sell, set_session, stop

MakeBook = Callable[..., Any]
EVENT = ("kind", "reason", "serial", "price_ticks", "quantity_lots", "leaves_lots")
LEVEL = ("side", "price_ticks", "quantity_lots", "order_count")
A, C = ExecutionKind.ACCEPTED, ExecutionKind.CANCELLED
CHANGED, REFUSED, SET = ExecutionKind.AMENDED, ExecutionKind.CANCEL_REJECTED, ExecutionKind.SESSION_CHANGED
OPEN = int(TimeInForce.AT_THE_OPEN)
PRE_OPEN, OPENING, CONTINUOUS = SessionState.PRE_OPEN, SessionState.OPENING_AUCTION, SessionState.CONTINUOUS
HALTED, CLOSING, SHUT = SessionState.HALTED, SessionState.CLOSING_AUCTION, SessionState.CLOSED
STATES = (PRE_OPEN, OPENING, CONTINUOUS, HALTED, CLOSING, SHUT)


def at_the_open(order: dict[str, int]) -> dict[str, int]:
    return {**order, "time_in_force": OPEN}


def in_state(make_book: MakeBook, state: SessionState, **more: Any) -> Any:
    """A book whose session was changed to a state."""
    book = make_book(instrument(**more))
    book.apply(batch(set_session(state)))
    return book


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
@pytest.mark.parametrize(
    "order", [at_the_open(buy(100, 5, 1)), at_the_open(market(Side.SELL, 5, 1))], ids=["limit", "market"]
)
def test_at_the_open_comes_before_the_open(make_book: MakeBook, order: dict[str, int], state: SessionState) -> None:
    """In PRE_OPEN and OPENING_AUCTION; in all other states there is no opening to come."""
    output = in_state(make_book, state).apply(batch(order))
    assert output.executions["reason"].tolist() == [0 if state in {PRE_OPEN, OPENING} else Reason.MARKET_CLOSED]


@pytest.mark.parametrize(
    "order",
    [
        stop(Side.BUY, 105, 5, 1),
        stop(Side.BUY, 105, 5, 1, price_ticks=106),
        buy(100, 5, 1, display_lots=2),
        buy(100, 5, 1, post_only=PostOnly.REJECT),
        buy(100, 5, 1, min_quantity_lots=2),
        market(Side.BUY, 5, 1, min_quantity_lots=2),
        buy(100, 5, 1, expire_time_ns=50),
    ],
    ids=str,
)
def test_what_cannot_be_at_the_open(make_book: MakeBook, order: dict[str, int]) -> None:
    """Stops, parts, post-only, a smallest first fill, an end of its own: whatever the session is."""
    for state in STATES:
        output = in_state(make_book, state).apply(batch(at_the_open(order)))
        assert output.executions["reason"].tolist() == [Reason.INVALID_TERMS], state


def test_a_market_order_at_the_open_rests_at_the_end_of_the_prices(make_book: MakeBook) -> None:
    """It is accepted without a price, and stands at the limit of the instrument, before all that have a price."""
    book = in_state(make_book, PRE_OPEN)
    orders = [market(Side.BUY, 5, 1), market(Side.SELL, 6, 2), buy(5_000, 3, 3)]
    output = book.apply(batch(*map(at_the_open, orders)))
    assert rows(output.executions, *EVENT) == [(A, 0, 1, 0, 5, 5), (A, 0, 2, 0, 6, 6), (A, 0, 3, 5_000, 3, 3)]
    assert rows(book.depth(), *LEVEL) == [(Side.BUY, 5_000, 8, 2), (Side.SELL, 10, 6, 1)]
    resting = rows(book.resting(), "serial", "price_ticks", "time_in_force")
    assert resting == [(1, 5_000, OPEN), (3, 5_000, OPEN), (2, 10, OPEN)]
    assert (book.find(1, 1).price_ticks, book.find(1, 2).price_ticks) == (5_000, 10)


def test_a_market_order_at_the_open_has_no_price_to_amend(make_book: MakeBook) -> None:
    """Its quantity may be less, in its place, or more, at the end; a limit order at the same price may move."""
    book = in_state(make_book, OPENING)
    book.apply(batch(at_the_open(market(Side.BUY, 5, 1)), at_the_open(buy(5_000, 5, 2))))
    commands = [amend(1, price=5_000), amend(1, price=90), amend(1, quantity=4), amend(1, quantity=8), amend(2, price=90)]
    output = book.apply(batch(*commands))
    assert rows(output.executions, *EVENT) == [
        (REFUSED, Reason.INVALID_PRICE, 1, 5_000, 0, 5),
        (REFUSED, Reason.INVALID_PRICE, 1, 90, 0, 5),
        (CHANGED, 0, 1, 5_000, 4, 4),
        (CHANGED, 0, 1, 5_000, 8, 8),
        (CHANGED, 0, 2, 90, 5, 5),
    ]
    assert rows(book.resting(), "serial", "price_ticks", "time_in_force") == [(1, 5_000, OPEN), (2, 90, OPEN)]


def test_a_market_order_at_the_open_is_told_from_a_limit_order_at_the_same_price(make_book: MakeBook) -> None:
    """They take an amendment differently, so books that have one and the other have not the same state."""
    left, right = in_state(make_book, PRE_OPEN), in_state(make_book, PRE_OPEN)
    left.apply(batch(at_the_open(market(Side.BUY, 5, 1))))
    right.apply(batch(at_the_open(buy(5_000, 5, 1))))
    assert left.state_hash() != right.state_hash()


def test_orders_at_the_open_count_towards_the_bound(make_book: MakeBook) -> None:
    """A market order that rests takes a place like any other."""
    book = make_book(max_orders=1)
    orders = [at_the_open(market(Side.BUY, 5, 1)), at_the_open(market(Side.SELL, 5, 2)), at_the_open(buy(90, 5, 3))]
    output = book.apply(batch(set_session(PRE_OPEN), *orders))
    assert output.executions["reason"].tolist()[1:] == [0, Reason.BOOK_FULL, Reason.BOOK_FULL]


def test_the_smallest_notional_is_none_of_a_market_order_at_the_open(make_book: MakeBook) -> None:
    """It has no price; at the lower end of the prices it would never be worth much. Nor is it when that is amended."""
    smallest = instrument().tick_size * instrument().lot_size * 500
    book = in_state(make_book, PRE_OPEN, min_notional=smallest)
    orders = [market(Side.SELL, 5, 1), sell(90, 5, 2)]
    output = book.apply(batch(*map(at_the_open, orders), amend(1, quantity=2)))
    assert output.executions["reason"].tolist() == [0, Reason.BELOW_MIN_NOTIONAL, 0]


@pytest.mark.parametrize("way", [(CONTINUOUS,), (CLOSING, SHUT), (HALTED, CONTINUOUS), (SHUT, CLOSING, SHUT)], ids=str)
def test_what_is_left_at_the_open_is_cancelled(make_book: MakeBook, way: tuple[SessionState, ...]) -> None:
    """At the first uncrossing, whichever it is, with or without trades: bids from the best, then asks, oldest first."""
    book = in_state(make_book, OPENING)
    orders = [sell(120, 5, 1), buy(90, 5, 2), buy(91, 5, 3), buy(90, 5, 4), sell(119, 5, 5)]
    book.apply(batch(*map(at_the_open, orders), buy(90, 5, 6), sell(121, 5, 7)))
    for state in way[:-1]:
        assert book.apply(batch(set_session(state))).executions["kind"].tolist() == [SET]
    output = book.apply(batch(set_session(way[-1])))
    remainder = int(Reason.AUCTION_REMAINDER)
    assert rows(output.executions, *EVENT) == [
        (C, remainder, 3, 91, 5, 0),
        (C, remainder, 2, 90, 5, 0),
        (C, remainder, 4, 90, 5, 0),
        (C, remainder, 5, 119, 5, 0),
        (C, remainder, 1, 120, 5, 0),
        (SET, Reason.REQUESTED, 77, 0, 0, 0),
    ]
    sequence = book.sequence
    assert rows(output.depth, *LEVEL, "sequence") == [
        (Side.BUY, 91, 0, 0, sequence - 5),
        (Side.BUY, 90, 5, 1, sequence - 3),
        (Side.SELL, 119, 0, 0, sequence - 2),
        (Side.SELL, 120, 0, 0, sequence - 1),
    ]
    assert book.order_count == 2
