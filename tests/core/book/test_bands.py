"""Price bands around the last auction and the last trade, on both books: where their edges are, and what they do."""

from collections.abc import Callable
from typing import Any

import pytest

from marksim.core.types import (
    BandAction,
    ExecutionKind,
    PostOnly,
    Reason,
    SelfTradePrevention,
    Session,
    SessionState,
    Side,
    TimeInForce,
)
from tests.core.book.commands import (
    amend,
    batch,
    buy,
    cancel,
    instrument,
    limit,
    market,
    rows,
    sell,
    set_session,
    stop,
    traded_at,
)

MakeBook = Callable[..., Any]
EVENT = ("kind", "reason", "serial", "price_ticks", "quantity_lots", "leaves_lots")
LEVEL = ("side", "price_ticks", "quantity_lots", "order_count")
A, T, C, REJECTED = ExecutionKind.ACCEPTED, ExecutionKind.TRADED, ExecutionKind.CANCELLED, ExecutionKind.REJECTED
CHANGED, REFUSED, SET = ExecutionKind.AMENDED, ExecutionKind.CANCEL_REJECTED, ExecutionKind.SESSION_CHANGED
TRIGGERED = ExecutionKind.TRIGGERED
BAND = int(Reason.PRICE_BAND)
IOC, FOK, OPEN = int(TimeInForce.IOC), int(TimeInForce.FOK), int(TimeInForce.AT_THE_OPEN)
PRE_OPEN, OPENING, CONTINUOUS = SessionState.PRE_OPEN, SessionState.OPENING_AUCTION, SessionState.CONTINUOUS
HALTED = SessionState.HALTED
PERCENT = 10_000
BOTH = pytest.mark.parametrize("side", [Side.BUY, Side.SELL], ids=lambda side: side.name)


def away(side: Side, ticks: int) -> int:
    """So many ticks from 1,000 towards where an order of that side pays more."""
    return 1_000 + (ticks if side == Side.BUY else -ticks)


def rejecting(make_book: MakeBook, *orders: dict[str, int], **more: Any) -> Any:
    """A book with a static band of 10 ticks around 1,000 that rejects, and these orders collected before it counts."""
    return banded(make_book, BandAction.REJECT, *orders, **more)


def halting(make_book: MakeBook, *orders: dict[str, int], **more: Any) -> Any:
    """The same with a band that halts, for 100 ns, and then an auction of 50 ns."""
    return banded(make_book, BandAction.HALT, *orders, **{"halt_ns": 100, "auction_ns": 50, **more})


def banded(make_book: MakeBook, action: BandAction, *orders: dict[str, int], **more: Any) -> Any:
    book = make_book(instrument(**{"static_band_ppm": PERCENT, "band_action": action, **more}))
    book.apply(batch(set_session(PRE_OPEN), *orders, set_session(CONTINUOUS)))
    return book


def ladder(side: Side, *ticks: int, account: int = 5, first: int = 50, **more: int) -> list[dict[str, int]]:
    """Orders of 5 that an order of that side meets, so many ticks from 1,000."""
    return [limit(side.opposite, away(side, at), 5, first + place, account, **more) for place, at in enumerate(ticks)]


def ends(output: Any) -> tuple[int, ...]:
    """Kind, reason, quantity and leaves of the last row."""
    (last,) = rows(output.executions[-1:], "kind", "reason", "quantity_lots", "leaves_lots")
    return last


# Where the edges are.


@BOTH
@pytest.mark.parametrize(
    ("reference", "ppm", "width"),
    [
        (1_000, PERCENT, 10),
        (1_000, 10_999, 10),
        (1_099, PERCENT, 10),
        (1_100, PERCENT, 11),
        (999, PERCENT, 9),
        (1_000, 999, 0),
        (1_000, 1_000, 1),
        (2_000, 1_000_000, 2_000),
    ],
)
def test_the_edge_itself_is_inside(make_book: MakeBook, side: Side, reference: int, ppm: int, width: int) -> None:
    """Millionths of the middle, rounded down to ticks: the edge is a good price, the next tick is not."""
    sign = 1 if side == Side.BUY else -1
    edge = max(reference + sign * width, 10)
    for dynamic in (False, True):
        bands = {"dynamic_band_ppm": ppm} if dynamic else {"static_band_ppm": ppm}
        book = make_book(instrument(reference_price_ticks=reference, **bands))
        output = book.apply(batch(limit(side, edge, 5, 1), limit(side, edge + sign, 5, 2)))
        assert output.executions["reason"].tolist() == [0, BAND]


@BOTH
def test_a_passive_price_may_be_anywhere(make_book: MakeBook, side: Side) -> None:
    """Only to buy too high or to sell too low is beyond a band."""
    book = make_book(instrument(static_band_ppm=PERCENT, dynamic_band_ppm=PERCENT))
    output = book.apply(batch(limit(side, away(side, -900), 5, 1)))
    assert output.executions["kind"].tolist() == [A]


def test_no_width_is_no_band(make_book: MakeBook) -> None:
    """With 0, the instrument's limits are all there is."""
    book = make_book(instrument(band_action=BandAction.REJECT))
    assert book.apply(batch(buy(5_000, 5, 1))).executions["kind"].tolist() == [A]


@BOTH
def test_the_dynamic_band_goes_with_the_last_trade(make_book: MakeBook, side: Side) -> None:
    """Before the first it is around the reference price; the static band stays."""
    book = make_book(instrument(dynamic_band_ppm=PERCENT))
    last = away(side, 8)
    book.apply(batch(*traded_at(last, 10)))
    edge = last + (last // 100 if side == Side.BUY else -(last // 100))
    beyond = edge + (1 if side == Side.BUY else -1)
    output = book.apply(batch(limit(side, edge, 5, 1), limit(side, beyond, 5, 2)))
    assert output.executions["reason"].tolist() == [0, BAND]
    book = make_book(instrument(static_band_ppm=PERCENT))
    book.apply(batch(*traded_at(last, 10)))
    output = book.apply(batch(limit(side, away(side, 10), 5, 1), limit(side, away(side, 11), 5, 2)))
    assert output.executions["reason"].tolist() == [0, BAND]


@BOTH
@pytest.mark.parametrize(("static", "dynamic", "edge"), [(2, 1, 10), (1, 2, 10), (1, 1, 10), (0, 3, 30), (3, 0, 30)])
def test_the_nearer_edge_counts(make_book: MakeBook, side: Side, static: int, dynamic: int, edge: int) -> None:
    """Of two bands the one that is narrower on that side."""
    book = make_book(instrument(static_band_ppm=static * PERCENT, dynamic_band_ppm=dynamic * PERCENT))
    output = book.apply(batch(limit(side, away(side, edge), 5, 1), limit(side, away(side, edge + 1), 5, 2)))
    assert output.executions["reason"].tolist() == [0, BAND]


def test_bands_that_lie_apart_leave_nothing_that_trades(make_book: MakeBook) -> None:
    """Buyers are held to the lower band, sellers to the upper one."""
    book = rejecting(make_book, sell(500, 5, 50), dynamic_band_ppm=PERCENT)
    book.apply(batch(buy(500, 5, 51)))
    orders = [
        buy(506, 5, 1),
        sell(989, 5, 2),
        sell(990, 5, 3),
        buy(505, 5, 4),
        market(Side.BUY, 5, 5),
        market(Side.SELL, 5, 6),
    ]
    output = book.apply(batch(*orders))
    assert rows(output.executions, "kind", "reason") == [
        *((REJECTED, BAND), (REJECTED, BAND)),
        *((A, 0), (A, 0)),
        *((A, 0), (C, BAND)),
        *((A, 0), (C, BAND)),
    ]


def test_the_static_band_goes_with_the_auction(make_book: MakeBook) -> None:
    """Its price is the middle of the band from then on."""
    book = rejecting(make_book, *traded_at(2_000, 10))
    orders = [buy(2_020, 5, 1), buy(2_021, 5, 2), sell(1_979, 5, 3)]
    assert book.apply(batch(*orders)).executions["reason"].tolist() == [0, BAND, BAND]


def test_an_auction_has_no_bands(make_book: MakeBook) -> None:
    """Orders are collected at any price, amended to any, and uncross at any."""
    book = make_book(instrument(static_band_ppm=PERCENT, dynamic_band_ppm=PERCENT))
    book.apply(batch(set_session(OPENING), buy(3_000, 5, 1), sell(2_900, 5, 2, account=2), amend(1, price=3_100)))
    assert book.session == Session(OPENING, 0, 2_900, 5, 0)
    assert rows(book.apply(batch(set_session(CONTINUOUS))).executions, "kind", "price_ticks") == [(T, 2_900), (SET, 2_900)]


@BOTH
def test_an_order_s_own_trades_do_not_move_its_band(make_book: MakeBook, side: Side) -> None:
    """It is taken when the order comes; the next order has the one around those trades."""
    book = rejecting(make_book, *ladder(side, 5, 10, 14), static_band_ppm=0, dynamic_band_ppm=PERCENT)
    output = book.apply(batch(market(side, 15, 1)))
    assert output.executions["price_ticks"].tolist() == [0, away(side, 5), away(side, 10), 0]
    assert ends(output) == (C, BAND, 5, 0)
    assert ends(book.apply(batch(market(side, 5, 2)))) == (T, 0, 5, 0)


# A band that rejects.


@BOTH
@pytest.mark.parametrize("action", [BandAction.UNSPECIFIED, BandAction.REJECT], ids=lambda action: action.name)
@pytest.mark.parametrize(
    "terms",
    [{}, {"time_in_force": IOC}, {"time_in_force": FOK}, {"display_lots": 2}, {"post_only": PostOnly.SLIDE}],
    ids=str,
)
def test_a_limit_price_beyond_a_band_is_rejected(
    make_book: MakeBook, side: Side, action: BandAction, terms: dict[str, int]
) -> None:
    """Whatever its terms, before it is asked whether it would take: it counts as it was sent."""
    book = banded(make_book, action, *ladder(side, 5))
    output = book.apply(batch(limit(side, away(side, 11), 5, 1, **terms)))
    assert rows(output.executions, *EVENT) == [(REJECTED, BAND, 1, away(side, 11), 5, 0)]


def test_a_band_comes_after_a_wrong_price_and_before_the_rest(make_book: MakeBook) -> None:
    """INVALID_PRICE, PRICE_BAND, WOULD_TAKE, in this order."""
    book = rejecting(make_book, sell(1_005, 5, 50))
    orders = [
        sell(0, 5, 1),
        sell(989, 5, 2, post_only=PostOnly.REJECT),
        buy(1_011, 5, 3, post_only=PostOnly.REJECT),
        buy(1_010, 5, 4, post_only=PostOnly.REJECT),
    ]
    reasons = book.apply(batch(*orders)).executions["reason"].tolist()
    assert reasons == [Reason.INVALID_PRICE, BAND, BAND, Reason.WOULD_TAKE]


@BOTH
def test_a_market_order_trades_up_to_the_edge(make_book: MakeBook, side: Side) -> None:
    """What is left where the other side goes on is cancelled for the band, else for want of liquidity."""
    book = rejecting(make_book, *ladder(side, 9, 10, 11))
    output = book.apply(batch(market(side, 12, 1)))
    assert rows(output.executions, *EVENT)[1:] == [
        (T, 0, 1, away(side, 9), 5, 7),
        (T, 0, 1, away(side, 10), 5, 2),
        (C, BAND, 1, 0, 2, 0),
    ]
    book = rejecting(make_book, *ladder(side, 9, 10))
    assert ends(book.apply(batch(market(side, 12, 1)))) == (C, Reason.NO_LIQUIDITY, 2, 0)
    assert book.session_state == CONTINUOUS


@BOTH
@pytest.mark.parametrize(("protection", "last"), [(3, 7), (6, 10), (7, 10), (100, 10)])
def test_protection_or_band_whichever_is_nearer(make_book: MakeBook, side: Side, protection: int, last: int) -> None:
    """The first of the two stops a market order."""
    book = rejecting(make_book, *ladder(side, *range(4, 14)), market_protection_ticks=protection)
    output = book.apply(batch(market(side, 100, 1)))
    assert output.executions["price_ticks"][-2] == away(side, last)
    assert output.executions["reason"][-1] == BAND


@BOTH
def test_fill_or_kill_counts_what_lies_within_the_band(make_book: MakeBook, side: Side) -> None:
    """What a market order cannot reach is not there for it."""
    book = rejecting(make_book, *ladder(side, 9, 10, 11))
    assert ends(book.apply(batch(market(side, 11, 1, time_in_force=FOK)))) == (C, Reason.FOK_NOT_FILLED, 11, 0)
    assert ends(book.apply(batch(market(side, 12, 2, min_quantity_lots=11)))) == (C, Reason.MIN_QUANTITY, 12, 0)
    assert ends(book.apply(batch(market(side, 12, 3, min_quantity_lots=10)))) == (C, BAND, 2, 0)
    book = rejecting(make_book, *ladder(side, 9, 10, 11))
    assert ends(book.apply(batch(market(side, 10, 1, time_in_force=FOK)))) == (T, 0, 5, 0)


@BOTH
@pytest.mark.parametrize("life", [0, IOC], ids=["rests", "ioc"])
def test_a_stop_limit_order_is_taken_beyond_a_band_and_trades_up_to_it(make_book: MakeBook, side: Side, life: int) -> None:
    """When it is triggered; what would trade on at its own limit is cancelled for the band."""
    sign = 1 if side == Side.BUY else -1
    waits = stop(side, away(side, 2), 12, 1, price_ticks=away(side, 20), time_in_force=life)
    book = rejecting(make_book, *ladder(side, 9, 11), waits)
    output = book.apply(batch(*traded_at(away(side, 2), 10)[::sign]))
    assert rows(output.executions, *EVENT)[-3:] == [
        (TRIGGERED, 0, 1, away(side, 20), 12, 12),
        (T, 0, 1, away(side, 9), 5, 7),
        (C, BAND, 1, away(side, 20), 7, 0),
    ]


@BOTH
@pytest.mark.parametrize(("life", "left"), [(0, None), (IOC, Reason.IOC_REMAINDER)], ids=["rests", "ioc"])
def test_a_stop_limit_order_that_no_band_stops_does_as_it_says(
    make_book: MakeBook, side: Side, life: int, left: Reason | None
) -> None:
    """Where the other side has nothing within its limit, it rests there, beyond the band, or its rest is cancelled."""
    sign = 1 if side == Side.BUY else -1
    waits = stop(side, away(side, 2), 12, 1, price_ticks=away(side, 20), time_in_force=life)
    book = rejecting(make_book, *ladder(side, 9, 21), waits)
    output = book.apply(batch(*traded_at(away(side, 2), 10)[::sign]))
    assert ends(output) == ((T, 0, 5, 7) if left is None else (C, left, 7, 0))
    assert [order.price_ticks for order in book.open_orders(1)] == ([away(side, 20)] if left is None else [])


@BOTH
def test_a_stop_limit_fok_counts_what_lies_within_the_band(make_book: MakeBook, side: Side) -> None:
    """Also what a limit beyond it would reach is not there."""
    sign = 1 if side == Side.BUY else -1
    waits = stop(side, away(side, 2), 10, 1, price_ticks=away(side, 20), time_in_force=FOK)
    book = rejecting(make_book, *ladder(side, 9, 11), waits)
    assert ends(book.apply(batch(*traded_at(away(side, 2), 10)[::sign]))) == (C, Reason.FOK_NOT_FILLED, 10, 0)


@BOTH
def test_an_amendment_to_beyond_a_band_is_refused(make_book: MakeBook, side: Side) -> None:
    """As a new price would be; the order stays where it is. A stop-limit order that waits may have any price."""
    waits = stop(side, away(side, 50), 5, 2, price_ticks=away(side, 60))
    book = rejecting(make_book, limit(side, away(side, -5), 5, 1), waits)
    commands = [amend(1, price=away(side, 11)), amend(1, price=away(side, 10)), amend(2, price=away(side, 70))]
    output = book.apply(batch(*commands))
    assert rows(output.executions, "kind", "reason", "price_ticks") == [
        (REFUSED, BAND, away(side, 11)),
        (CHANGED, 0, away(side, 10)),
        (CHANGED, 0, away(side, 70)),
    ]


@BOTH
def test_an_order_that_stands_beyond_a_band_may_keep_its_price(make_book: MakeBook, side: Side) -> None:
    """Named or not, for less or for more; another price there is refused."""
    book = rejecting(make_book, limit(side, away(side, 40), 5, 1))
    commands = [
        amend(1, quantity=4),
        amend(1, price=away(side, 40), quantity=9),
        amend(1, price=away(side, 39)),
        amend(1, price=away(side, 41)),
    ]
    output = book.apply(batch(*commands))
    assert output.executions["reason"].tolist() == [0, 0, BAND, BAND]
    assert rows(book.depth(), "price_ticks", "quantity_lots") == [(away(side, 40), 9)]


# A band that halts.


@BOTH
def test_a_limit_order_that_meets_the_edge_halts_the_market(make_book: MakeBook, side: Side) -> None:
    """It trades up to the edge and rests at its limit, across the other side; then the session changes, then the quote."""
    book = halting(make_book, *ladder(side, 9, 10, 11))
    output = book.apply(batch(limit(side, away(side, 15), 12, 1, time_ns=20)))
    assert rows(output.executions, *EVENT) == [
        (A, 0, 1, away(side, 15), 12, 12),
        (T, 0, 1, away(side, 9), 5, 7),
        (T, 0, 1, away(side, 10), 5, 2),
        (SET, BAND, 0, 0, 0, 0),
    ]
    assert rows(output.executions, "account", "session_state", "time_ns")[-1] == (0, HALTED, 20)
    sequence = book.sequence
    assert rows(output.depth, *LEVEL, "sequence") == [
        (side.opposite, away(side, 9), 0, 0, sequence - 2),
        (side.opposite, away(side, 10), 0, 0, sequence - 1),
        (side, away(side, 15), 2, 1, sequence - 1),
    ]
    assert rows(output.quotes, "bid_quantity_lots", "ask_quantity_lots", "sequence") == [(0, 0, sequence)]
    assert (book.session_state, book.next_due_ns) == (HALTED, 120)


@BOTH
def test_a_halt_ends_in_an_auction(make_book: MakeBook, side: Side) -> None:
    """In which the crossed orders trade, and the band is around its price from then on."""
    book = halting(make_book, *ladder(side, 11))
    book.apply(batch(limit(side, away(side, 15), 5, 1, time_ns=20)))
    output = book.apply(batch(limit(side, away(side, 15), 5, 2, time_ns=130)))
    assert rows(output.executions, "kind", "session_state", "time_ns") == [(SET, OPENING, 120), (A, 0, 130)]
    price = away(side, 11)
    assert book.session == Session(OPENING, 0, price, 5, 5 if side == Side.BUY else -5)
    output = book.apply(batch(), 1_000)
    assert rows(output.executions, "kind", "reason", "price_ticks", "quantity_lots", "time_ns") == [
        (T, 0, price, 5, 170),
        (SET, Reason.SCHEDULED, price, 5, 170),
    ]
    sign = 1 if side == Side.BUY else -1
    edge = price + sign * (price // 100)
    book.apply(batch(cancel(2), *(limit(side.opposite, edge + sign * beyond, 5, beyond + 80) for beyond in (0, 1))))
    output = book.apply(batch(market(side, 10, 3, time_ns=2_000)))
    assert rows(output.executions, "kind", "price_ticks")[1:] == [(T, edge), (C, 0), (SET, 0)]


@BOTH
def test_a_halt_that_lasts_no_time_ends_before_the_next_command(make_book: MakeBook, side: Side) -> None:
    """It is due at the time at which it began, and so is the end of an auction that lasts no time."""
    book = halting(make_book, *ladder(side, 11), halt_ns=0, auction_ns=0)
    output = book.apply(batch(limit(side, away(side, 11), 5, 1, time_ns=20)))
    assert output.executions["kind"].tolist() == [A, SET] and book.next_due_ns == 20
    output = book.apply(batch(limit(side, away(side, -50), 5, 2, time_ns=20)))
    assert rows(output.executions, "kind", "session_state", "time_ns") == [
        (SET, OPENING, 20),
        (T, 0, 20),
        (SET, CONTINUOUS, 20),
        (A, 0, 20),
    ]


@BOTH
@pytest.mark.parametrize("ticks", [11, 990])
def test_nothing_is_rejected_for_a_band_that_halts(make_book: MakeBook, side: Side, ticks: int) -> None:
    """An order beyond the edge that meets nothing there rests, and the market goes on."""
    book = halting(make_book)
    output = book.apply(batch(limit(side, away(side, ticks), 5, 1), limit(side, away(side, ticks), 5, 2, display_lots=2)))
    assert output.executions["kind"].tolist() == [A, A] and book.session_state == CONTINUOUS


@BOTH
@pytest.mark.parametrize(("beyond", "halts"), [(10, False), (11, True), (15, True), (16, False)])
def test_what_lies_beyond_the_edge_but_within_the_limit_halts(
    make_book: MakeBook, side: Side, beyond: int, halts: bool
) -> None:
    """Not what the order trades with, nor what it would not trade with in any case."""
    book = halting(make_book, *ladder(side, beyond))
    book.apply(batch(limit(side, away(side, 15), 9, 1)))
    assert book.session_state == (HALTED if halts else CONTINUOUS)


@BOTH
def test_an_order_that_is_filled_at_the_edge_does_not_halt(make_book: MakeBook, side: Side) -> None:
    """Nothing of it is left that could go on."""
    book = halting(make_book, *ladder(side, 10, 11))
    output = book.apply(batch(limit(side, away(side, 15), 5, 1), market(side, 5, 2)))
    assert rows(output.executions, "kind", "serial") == [(A, 1), (T, 1), (A, 2), (C, 2), (SET, 0)]


@BOTH
def test_what_is_left_of_an_ioc_order_is_cancelled_before_the_halt(make_book: MakeBook, side: Side) -> None:
    """As its remainder."""
    book = halting(make_book, *ladder(side, 10, 11))
    output = book.apply(batch(limit(side, away(side, 15), 9, 1, time_in_force=IOC)))
    assert rows(output.executions, "kind", "reason", "quantity_lots")[2:] == [(C, Reason.IOC_REMAINDER, 4), (SET, BAND, 0)]


@BOTH
@pytest.mark.parametrize("protection", [0, 1, 100])
def test_a_market_order_halts_at_the_edge(make_book: MakeBook, side: Side, protection: int) -> None:
    """If its protection lets it go on; its rest is cancelled for the band, and then the session changes."""
    book = halting(make_book, *ladder(side, 10, 11), market_protection_ticks=protection)
    output = book.apply(batch(market(side, 9, 1)))
    assert rows(output.executions, "kind", "reason", "quantity_lots")[2:] == [(C, BAND, 4), (SET, BAND, 0)]
    assert book.session_state == HALTED


@BOTH
def test_a_market_order_whose_protection_is_nearer_does_not_halt(make_book: MakeBook, side: Side) -> None:
    """It would not have gone on anyway; nor would one that has met everything."""
    book = halting(make_book, *ladder(side, 8, 11), market_protection_ticks=2)
    assert ends(book.apply(batch(market(side, 9, 1)))) == (C, BAND, 4, 0)
    book = halting(make_book, *ladder(side, 8))
    assert ends(book.apply(batch(market(side, 9, 1)))) == (C, Reason.NO_LIQUIDITY, 4, 0)
    assert book.session_state == CONTINUOUS


@BOTH
def test_an_order_that_asks_for_more_than_lies_within_the_band_does_not_halt(make_book: MakeBook, side: Side) -> None:
    """FOK and a smallest first fill fail first; where they do not, the rest may halt the market."""
    book = halting(make_book, *ladder(side, 10, 11))
    price = away(side, 15)
    output = book.apply(
        batch(
            limit(side, price, 6, 1, time_in_force=FOK),
            limit(side, price, 9, 2, min_quantity_lots=6),
            market(side, 6, 3, time_in_force=FOK),
        )
    )
    assert output.executions["reason"].tolist()[1::2] == [Reason.FOK_NOT_FILLED, Reason.MIN_QUANTITY, Reason.FOK_NOT_FILLED]
    output = book.apply(batch(limit(side, price, 9, 4, min_quantity_lots=5)))
    assert output.executions["kind"].tolist() == [A, T, SET]


@BOTH
def test_a_post_only_order_does_not_halt(make_book: MakeBook, side: Side) -> None:
    """It is held to the best price of the other side, beyond the edge too, and goes one tick away or is rejected."""
    book = halting(make_book, *ladder(side, 20))
    post = [
        limit(side, away(side, 20), 5, 1, post_only=PostOnly.REJECT),
        limit(side, away(side, 25), 5, 2, post_only=PostOnly.SLIDE),
    ]
    output = book.apply(batch(*post))
    assert rows(output.executions, "kind", "reason", "price_ticks") == [
        (REJECTED, Reason.WOULD_TAKE, away(side, 20)),
        (A, 0, away(side, 19)),
    ]
    assert book.session_state == CONTINUOUS


@BOTH
@pytest.mark.parametrize(
    ("prevention", "halts"),
    [
        (SelfTradePrevention.CANCEL_NEWEST, False),
        (SelfTradePrevention.CANCEL_BOTH, False),
        (SelfTradePrevention.CANCEL_OLDEST, True),
        (SelfTradePrevention.DECREMENT, True),
    ],
    ids=lambda one: one.name if isinstance(one, SelfTradePrevention) else "",
)
def test_an_order_that_ends_at_its_own_does_not_halt(
    make_book: MakeBook, side: Side, prevention: SelfTradePrevention, halts: bool
) -> None:
    """One that goes on does."""
    book = halting(make_book, *ladder(side, 10, account=1), *ladder(side, 11, first=60))
    output = book.apply(batch(limit(side, away(side, 15), 9, 1, self_trade_prevention=prevention)))
    assert (output.executions["kind"][-1] == SET) == halts == (book.session_state == HALTED)


@BOTH
def test_an_amended_order_halts_as_a_new_one(make_book: MakeBook, side: Side) -> None:
    """Where its new price crosses the edge and meets something there."""
    book = halting(make_book, *ladder(side, 10, 11), limit(side, away(side, -5), 9, 1))
    output = book.apply(batch(amend(1, price=away(side, 30))))
    assert rows(output.executions, "kind", "leaves_lots") == [(CHANGED, 9), (T, 4), (SET, 0)]
    assert rows(output.depth, "price_ticks", "quantity_lots") == [
        (away(side, -5), 0),
        (away(side, 10), 0),
        (away(side, 30), 4),
    ]


@BOTH
@pytest.mark.parametrize("limited", [True, False], ids=["stop limit", "stop"])
def test_a_cascade_of_stops_halts_and_waits(make_book: MakeBook, side: Side, limited: bool) -> None:
    """The first stop that meets the edge halts the market; the others are triggered once trading goes on."""
    sign = 1 if side == Side.BUY else -1
    price = {"price_ticks": away(side, 40)} if limited else {}
    stops = [stop(side, away(side, 2), 9, serial, **price) for serial in (1, 2)]
    book = halting(make_book, *ladder(side, 10, 12, 14), *stops)
    output = book.apply(batch(*traded_at(away(side, 2), 10)[::sign]))
    told = rows(output.executions, "kind", "serial")[3:]
    assert told == [(TRIGGERED, 1), (T, 1), *([] if limited else [(C, 1)]), (SET, 0)]
    assert (book.stop_count, book.session_state) == (1, HALTED)
    output = book.apply(batch(), 1_000)
    kinds = rows(output.executions, "kind", "serial")
    # The auction moved the band, if the stop's rest was in it.
    assert kinds[kinds.index((SET, 0), 1) + 1] == (TRIGGERED, 2)


def test_a_command_or_an_entry_takes_the_end_of_a_halt(make_book: MakeBook) -> None:
    """Trading goes on when it says so."""
    book = halting(make_book, *ladder(Side.BUY, 11))
    book.apply(batch(buy(1_020, 5, 1, time_ns=20), set_session(HALTED, time_ns=30)))
    assert book.next_due_ns is None
    sessions = ((50, SessionState.CLOSED),)
    book = halting(make_book, *ladder(Side.BUY, 11), sessions=sessions)
    output = book.apply(batch(buy(1_020, 5, 1, time_ns=20)), 500)
    assert rows(output.executions, "kind", "reason", "time_ns")[1:] == [(SET, BAND, 20), (SET, Reason.SCHEDULED, 50)]


def test_the_last_int64_is_the_last_end(make_book: MakeBook) -> None:
    """A halt that would last beyond it, ends then."""
    last_ns = (1 << 63) - 1
    book = halting(make_book, *ladder(Side.BUY, 11), halt_ns=1 << 62, auction_ns=1 << 62)
    book.apply(batch(buy(1_020, 5, 1, time_ns=last_ns - 5)))
    assert book.next_due_ns == last_ns
    output = book.apply(batch(cancel(9, time_ns=last_ns)))
    assert rows(output.executions, "kind", "session_state", "time_ns") == [
        (SET, OPENING, last_ns),
        (T, 0, last_ns),
        (SET, CONTINUOUS, last_ns),
        (REFUSED, 0, last_ns),
    ]


def test_bands_at_the_widest_prices(make_book: MakeBook) -> None:
    """Millionths of the largest prices that a ladder has are exact."""
    highest = 60_000_000
    wide = {"max_price_ticks": highest, "reference_price_ticks": 59_999_999, "static_band_ppm": 999_999}
    book = make_book(instrument(**wide))
    lower = 59_999_999 - 59_999_999 * 999_999 // 1_000_000
    output = book.apply(batch(sell(lower, 5, 1), sell(lower - 1, 5, 2), buy(highest, 5, 3, account=2)))
    assert output.executions["reason"].tolist() == [0, BAND, 0, 0]


def test_the_instrument_s_limits_hold_within_a_band(make_book: MakeBook) -> None:
    """A band that reaches beyond them changes nothing."""
    book = make_book(instrument(static_band_ppm=1_000_000, dynamic_band_ppm=1_000_000, band_action=BandAction.HALT))
    output = book.apply(batch(sell(10, 5, 1), sell(9, 5, 2), buy(2_000, 5, 3), buy(5_001, 5, 4)))
    assert output.executions["reason"].tolist() == [0, BAND, 0, 0, BAND]
    assert book.session_state == CONTINUOUS


def test_a_halt_at_time_0_that_lasts_no_time_has_an_end(make_book: MakeBook) -> None:
    """At 1, as 0 would be none."""
    book = halting(make_book, *ladder(Side.BUY, 11), halt_ns=0)
    book.apply(batch(buy(1_020, 5, 1)))
    assert (book.session_state, book.next_due_ns) == (HALTED, 1)


@BOTH
def test_a_stop_limit_order_is_not_held_to_a_band_when_it_comes(make_book: MakeBook, side: Side) -> None:
    """Only when it is triggered: by then the band may be another one."""
    book = rejecting(make_book)
    output = book.apply(batch(stop(side, away(side, 15), 5, 1, price_ticks=away(side, 20))))
    assert output.executions["kind"].tolist() == [A] and book.stop_count == 1
