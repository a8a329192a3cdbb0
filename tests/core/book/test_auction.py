"""How an auction uncrosses, on both books: at which price, who trades with whom, and what is told of it."""

from collections.abc import Callable
from typing import Any

import pytest

from marksim.core.types import ExecutionKind, Reason, SelfTradePrevention, Session, SessionState, Side, TimeInForce
from tests.core.book.commands import (
    amend,
    batch,
    buy,
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
TRADE = ("serial", "maker_serial", "price_ticks", "quantity_lots", "leaves_lots", "maker_leaves_lots")
LEVEL = ("side", "price_ticks", "quantity_lots", "order_count")
A, T, C, SET = ExecutionKind.ACCEPTED, ExecutionKind.TRADED, ExecutionKind.CANCELLED, ExecutionKind.SESSION_CHANGED
REFILLED = ExecutionKind.REFILLED
PRE_OPEN, OPENING, CONTINUOUS = SessionState.PRE_OPEN, SessionState.OPENING_AUCTION, SessionState.CONTINUOUS
HALTED, CLOSING, SHUT = SessionState.HALTED, SessionState.CLOSING_AUCTION, SessionState.CLOSED
OPEN = int(TimeInForce.AT_THE_OPEN)
Levels = list[tuple[int, int]]


def opening(make_book: MakeBook, *orders: dict[str, int], **more: Any) -> Any:
    """A book in an opening auction that has these orders."""
    book = make_book(instrument(**more))
    book.apply(batch(set_session(OPENING), *orders))
    return book


def trades(output: Any) -> list[tuple[int, ...]]:
    return rows(output.executions[output.executions["kind"] == T], *TRADE)


def numbered(bids: Levels, asks: Levels) -> list[dict[str, int]]:
    """An order a level, each of another account."""
    sides = [(Side.BUY, *level) for level in bids] + [(Side.SELL, *level) for level in asks]
    return [limit(side, price, quantity, at, account=at) for at, (side, price, quantity) in enumerate(sides, 1)]


PRICES: dict[str, tuple[int, Levels, Levels, int, int, int]] = {
    "one price": (1_000, [(100, 5)], [(100, 5)], 100, 5, 0),
    "nothing crosses": (1_000, [(100, 5)], [(101, 5)], 0, 0, 0),
    "no bids": (1_000, [], [(100, 5)], 0, 0, 0),
    "no asks": (1_000, [(100, 5)], [], 0, 0, 0),
    "most volume": (100, [(105, 10), (104, 20), (102, 30)], [(101, 15), (102, 20), (104, 10)], 102, 35, 25),
    "most volume at an ask": (90, [(110, 50)], [(100, 5), (108, 20), (110, 20)], 110, 45, 5),
    "most volume at a bid": (200, [(110, 20), (102, 20), (100, 5)], [(100, 50)], 100, 45, -5),
    "least left over": (100, [(105, 10), (103, 5)], [(100, 10)], 104, 10, 0),
    "least left over of sellers": (1_000, [(105, 10)], [(100, 10), (103, 5)], 102, 10, 0),
    "of equal volume the smaller surplus": (90, [(105, 12), (100, 8)], [(95, 10)], 101, 10, 2),
    "the reference inside": (102, [(105, 10)], [(100, 10)], 102, 10, 0),
    "the reference below": (50, [(105, 10)], [(100, 10)], 100, 10, 0),
    "the reference above": (1_000, [(105, 10)], [(100, 10)], 105, 10, 0),
    "the reference at the lower end": (100, [(105, 10)], [(100, 10)], 100, 10, 0),
    "the reference at the upper end": (105, [(105, 10)], [(100, 10)], 105, 10, 0),
    "a surplus of buyers all the way": (103, [(105, 15)], [(100, 10)], 103, 10, 5),
    "a surplus of sellers all the way": (103, [(105, 10)], [(100, 15)], 103, 10, -5),
    "volume before surplus": (108, [(110, 12), (104, 4)], [(100, 10), (105, 4)], 108, 12, -2),
    "volume before the reference": (120, [(105, 10), (103, 4)], [(100, 12), (104, 4)], 103, 12, 2),
    "surplus two, then minus two, reference below": (90, [(110, 8), (104, 2)], [(100, 8), (105, 2)], 100, 8, 2),
    "surplus two, then minus two, reference above": (120, [(110, 8), (104, 2)], [(100, 8), (105, 2)], 110, 8, -2),
    "surplus two, nothing, minus two": (120, [(110, 8), (103, 2)], [(100, 8), (106, 2)], 105, 8, 0),
    "between the prices of orders": (103, [(105, 4), (101, 9)], [(100, 4), (104, 9)], 103, 4, 0),
    "beside the prices of orders": (90, [(105, 4), (101, 9)], [(100, 4), (104, 9)], 102, 4, 0),
    "below the price of an order": (1_000, [(105, 4), (101, 9)], [(100, 4), (104, 9)], 103, 4, 0),
    "ends of all prices": (1_000, [(5_000, 10)], [(10, 10)], 1_000, 10, 0),
    "all at the lowest price": (1_000, [(10, 10)], [(10, 4)], 10, 4, 6),
    "all at the highest price": (1_000, [(5_000, 10)], [(5_000, 40)], 5_000, 10, -30),
}


@pytest.mark.parametrize("case", PRICES)
def test_the_price_of_an_auction(make_book: MakeBook, case: str) -> None:
    """The most volume; of that the least left over; of that the nearest to the reference. First it is published."""
    reference, bids, asks, price, volume, surplus = PRICES[case]
    book = opening(make_book, *numbered(bids, asks), reference_price_ticks=reference)
    assert book.session == Session(OPENING, 0, price, volume, surplus)
    output = book.apply(batch(set_session(CONTINUOUS)))
    traded = output.executions[output.executions["kind"] == T]
    assert set(traded["price_ticks"].tolist()) == ({price} if volume else set())
    assert traded["quantity_lots"].sum() == volume
    (changed,) = rows(output.executions[output.executions["kind"] == SET], "price_ticks", "quantity_lots", "leaves_lots")
    assert changed == (price, volume, 0)
    assert book.session == Session(CONTINUOUS, volume)
    resting = book.depth()
    best = {side: resting["price_ticks"][resting["side"] == side] for side in (Side.BUY, Side.SELL)}
    assert not (len(best[Side.BUY]) and len(best[Side.SELL])) or best[Side.BUY].max() < best[Side.SELL].min()


@pytest.mark.parametrize("number", range(1, 10))
def test_the_price_of_an_auction_of_orders_that_are_far_apart(make_book: MakeBook, number: int) -> None:
    """As many bids as can trade set it, however many prices lie between them."""
    bids = [1_000_000, 999_999, 600_000, 300_000, 4_300, 4_200, 75, 74, 11]
    orders = [*(buy(price, 2, at, account=2) for at, price in enumerate(bids)), sell(10, 2 * number, 50)]
    book = opening(make_book, *orders, max_price_ticks=1_000_000, reference_price_ticks=1_000_000)
    assert book.session == Session(OPENING, 0, bids[number - 1], 2 * number, 0)
    assert len(trades(book.apply(batch(set_session(CONTINUOUS))))) == number


def test_the_best_prices_trade_first_and_the_oldest_orders_of_each(make_book: MakeBook) -> None:
    """All at the one price; what is left keeps its place."""
    orders = [
        *(buy(105, 4, 1), buy(110, 3, 2), buy(105, 6, 3), buy(104, 5, 4)),
        *(sell(100, 5, 5), sell(95, 4, 6), sell(100, 6, 7)),
    ]
    book = opening(make_book, *orders)
    output = book.apply(batch(set_session(CONTINUOUS)))
    assert trades(output) == [
        (2, 6, 104, 3, 0, 1),
        (1, 6, 104, 1, 3, 0),
        (1, 5, 104, 3, 0, 2),
        (3, 5, 104, 2, 4, 0),
        (3, 7, 104, 4, 0, 2),
        (4, 7, 104, 2, 3, 0),
    ]
    assert rows(book.resting(), "serial", "leaves_lots") == [(4, 3)]


def test_a_trade_of_an_auction_has_no_aggressor(make_book: MakeBook) -> None:
    """The buy order stands where the taker would, the sell order where the maker would; the side is none."""
    book = opening(make_book, sell(100, 5, 1, account=3), buy(100, 5, 2, account=4))
    output = book.apply(batch(set_session(CONTINUOUS, time_ns=9)))
    names = output.executions.dtype.names or ()
    told = dict(zip(names, output.executions[0].tolist(), strict=True))
    assert {name: value for name, value in told.items() if value} == {
        "sequence": 4,
        "time_ns": 9,
        "account": 4,
        "serial": 2,
        "order_id": 2,
        "price_ticks": 100,
        "quantity_lots": 5,
        "maker_account": 3,
        "maker_serial": 1,
        "maker_order_id": 1,
        "kind": T,
    }


def test_each_level_that_traded_is_told_once_after_the_trades(make_book: MakeBook) -> None:
    """Bids from the highest, then asks from the lowest; levels that did not trade are not told of."""
    orders = numbered([(105, 5), (104, 5), (103, 5), (90, 5)], [(100, 6), (102, 6), (110, 5)])
    book = opening(make_book, *orders, reference_price_ticks=100)
    output = book.apply(batch(set_session(CONTINUOUS)))
    sequence = book.sequence - 1
    assert rows(output.depth, *LEVEL, "sequence") == [
        (Side.BUY, 105, 0, 0, sequence),
        (Side.BUY, 104, 0, 0, sequence),
        (Side.BUY, 103, 3, 1, sequence),
        (Side.SELL, 100, 0, 0, sequence),
        (Side.SELL, 102, 0, 0, sequence),
    ]
    assert output.quotes["sequence"].tolist() == [sequence + 1]
    assert [row[2:] for row in output.quotes.tolist()] == [(103, 3, 110, 5)]


def test_what_is_hidden_counts_and_trades_part_by_part(make_book: MakeBook) -> None:
    """A part that has traded is followed by the next at the end of its level; the whole level trades before the next."""
    orders = [buy(105, 10, 1, display_lots=4), buy(105, 3, 2), buy(104, 5, 3), sell(100, 15, 4)]
    book = opening(make_book, *orders)
    assert book.session == Session(OPENING, 0, 104, 15, 3)
    output = book.apply(batch(set_session(CONTINUOUS)))
    assert rows(output.executions, "kind", "serial", "quantity_lots", "leaves_lots", "maker_leaves_lots") == [
        (T, 1, 4, 6, 11),
        (REFILLED, 1, 4, 6, 0),
        (T, 2, 3, 0, 8),
        (T, 1, 4, 2, 4),
        (REFILLED, 1, 2, 2, 0),
        (T, 1, 2, 0, 2),
        (T, 3, 2, 3, 0),
        (SET, 77, 15, 0, 0),
    ]
    assert rows(output.depth, *LEVEL) == [(Side.BUY, 105, 0, 0), (Side.BUY, 104, 3, 1), (Side.SELL, 100, 0, 0)]


def test_of_two_refills_the_buyers_comes_first(make_book: MakeBook) -> None:
    """After the trade that used up what both showed."""
    book = opening(make_book, sell(100, 9, 1, display_lots=3), buy(100, 8, 2, account=2, display_lots=3))
    output = book.apply(batch(set_session(CONTINUOUS)))
    assert rows(output.executions, "kind", "serial", "quantity_lots", "leaves_lots") == [
        *((T, 2, 3, 5), (REFILLED, 2, 3, 5), (REFILLED, 1, 3, 6)),
        *((T, 2, 3, 2), (REFILLED, 2, 2, 2), (REFILLED, 1, 3, 3)),
        (T, 2, 2, 0),
        (SET, 77, 8, 0),
    ]
    assert rows(book.resting(), "serial", "leaves_lots", "hidden_lots") == [(1, 1, 0)]


def test_an_iceberg_that_was_used_up_in_part_shows_the_rest_of_it(make_book: MakeBook) -> None:
    """Where the volume ends inside a part, that stays in its place, smaller."""
    orders = [sell(100, 10, 1, display_lots=4), sell(100, 5, 2), buy(100, 6, 3, account=2)]
    book = opening(make_book, *orders)
    output = book.apply(batch(set_session(CONTINUOUS)))
    assert trades(output) == [(3, 1, 100, 4, 2, 6), (3, 2, 100, 2, 0, 3)]
    assert rows(book.resting(), "serial", "leaves_lots", "hidden_lots") == [(2, 3, 0), (1, 6, 2)]


def test_market_orders_at_the_open_trade_first(make_book: MakeBook) -> None:
    """Before limit orders that came earlier; what is left of them is cancelled after the trades, levels told again."""
    orders = [
        *(buy(105, 4, 1, account=2), market(Side.BUY, 8, 2, time_in_force=OPEN)),
        *(sell(100, 3, 3, account=3), sell(105, 3, 4, account=3)),
    ]
    book = opening(make_book, *orders, reference_price_ticks=100)
    assert book.session == Session(OPENING, 0, 106, 6, 2)
    output = book.apply(batch(set_session(CONTINUOUS)))
    assert rows(output.executions, "kind", "reason", "serial", "maker_serial", "price_ticks", "quantity_lots") == [
        (T, 0, 2, 3, 106, 3),
        (T, 0, 2, 4, 106, 3),
        (C, Reason.AUCTION_REMAINDER, 2, 0, 5_000, 2),
        (SET, Reason.REQUESTED, 77, 0, 106, 6),
    ]
    assert rows(output.depth, *LEVEL) == [
        (Side.BUY, 5_000, 2, 1),
        (Side.SELL, 100, 0, 0),
        (Side.SELL, 105, 0, 0),
        (Side.BUY, 5_000, 0, 0),
    ]
    assert [order.serial for order in book.open_orders(2)] == [1]


def test_market_orders_alone_trade_at_the_reference(make_book: MakeBook) -> None:
    """Any price would do, so it is the reference."""
    orders = [market(Side.BUY, 5, 1, time_in_force=OPEN), market(Side.SELL, 7, 2, time_in_force=OPEN)]
    book = opening(make_book, *orders, reference_price_ticks=321)
    assert book.session == Session(OPENING, 0, 321, 5, -2)
    output = book.apply(batch(set_session(CONTINUOUS)))
    assert output.executions["price_ticks"].tolist() == [321, 10, 321] and book.order_count == 0


def test_limit_orders_at_the_open_trade_up_to_their_price(make_book: MakeBook) -> None:
    """And no further: the rest of them does not stay."""
    book = opening(make_book, buy(100, 5, 1, time_in_force=OPEN), sell(100, 3, 2, account=2), sell(101, 5, 3, account=2))
    output = book.apply(batch(set_session(CONTINUOUS)))
    assert trades(output) == [(1, 2, 100, 3, 2, 0)]
    assert rows(book.resting(), "serial") == [(3,)]


def test_own_orders_trade_in_an_auction(make_book: MakeBook) -> None:
    """Self-trade prevention does not apply, whatever the orders said."""
    prevention = int(SelfTradePrevention.CANCEL_BOTH)
    orders = [buy(100, 5, 1, self_trade_prevention=prevention), sell(100, 5, 2, self_trade_prevention=prevention)]
    output = opening(make_book, *orders).apply(batch(set_session(CONTINUOUS)))
    assert trades(output) == [(1, 2, 100, 5, 0, 0)]


@pytest.mark.parametrize(
    ("before", "after", "trade"),
    [
        (PRE_OPEN, CONTINUOUS, True),
        (OPENING, CONTINUOUS, True),
        (CLOSING, CONTINUOUS, True),
        (HALTED, CONTINUOUS, True),
        (SHUT, CONTINUOUS, True),
        (CLOSING, SHUT, True),
        (PRE_OPEN, SHUT, False),
        (OPENING, SHUT, False),
        (HALTED, SHUT, False),
        (SHUT, SHUT, False),
        (CLOSING, CLOSING, False),
        (OPENING, HALTED, False),
        (CLOSING, HALTED, False),
        (HALTED, OPENING, False),
        (CLOSING, OPENING, False),
        (SHUT, PRE_OPEN, False),
    ],
    ids=lambda one: one.name if isinstance(one, SessionState) else str(one),
)
def test_which_changes_uncross(make_book: MakeBook, before: SessionState, after: SessionState, trade: bool) -> None:
    """One to trading, and one from the closing auction to the close; all others leave the book crossed."""
    book = make_book()
    book.apply(batch(set_session(PRE_OPEN), buy(101, 5, 1), sell(100, 5, 2), set_session(before)))
    output = book.apply(batch(set_session(after)))
    assert output.executions["kind"].tolist() == ([T, SET] if trade else [SET])
    assert book.order_count == (0 if trade else 2)


@pytest.mark.parametrize("state", [PRE_OPEN, CONTINUOUS, HALTED, SHUT], ids=lambda state: state.name)
def test_no_price_is_published_outside_auctions(make_book: MakeBook, state: SessionState) -> None:
    """Though orders may cross, as after a halt of an auction."""
    book = opening(make_book, buy(101, 5, 1), sell(100, 4, 2), reference_price_ticks=100)
    assert book.session == Session(OPENING, 0, 100, 4, 1)
    book.apply(batch(set_session(state)))
    assert book.session == Session(state, 4 if state == CONTINUOUS else 0)
    book.apply(batch(set_session(CLOSING)))
    assert book.session.indicative_volume_lots == (0 if state == CONTINUOUS else 4)


def test_the_price_that_is_published_follows_the_book(make_book: MakeBook) -> None:
    """With each order that comes, goes or changes."""
    book = opening(make_book, reference_price_ticks=100)
    seen = []
    for command in (buy(101, 5, 1), sell(100, 4, 2), sell(99, 4, 3), amend(1, price=99), amend(3, quantity=2)):
        book.apply(batch(command))
        session = book.session
        seen.append((session.indicative_price_ticks, session.indicative_volume_lots, session.indicative_surplus_lots))
    assert seen == [(0, 0, 0), (100, 4, 1), (100, 5, -3), (99, 4, 1), (99, 2, 3)]


def test_the_price_of_an_auction_is_the_reference_of_the_next(make_book: MakeBook) -> None:
    """Trades between them are not, nor is an auction in which nothing traded."""
    book = opening(make_book, *traded_at(300, 1), reference_price_ticks=100)
    book.apply(batch(set_session(CONTINUOUS), *traded_at(500, 10), set_session(CLOSING), set_session(SHUT)))
    book.apply(batch(set_session(OPENING), buy(400, 5, 20), sell(200, 5, 21)))
    assert book.session == Session(OPENING, 0, 300, 5, 0)


def test_an_auction_is_the_last_trade_that_stops_look_at(make_book: MakeBook) -> None:
    """It triggers them after its own rows."""
    book = make_book()
    book.apply(batch(stop(Side.BUY, 105, 2, 1), *traded_at(104, 10), sell(110, 9, 2, account=3), set_session(OPENING)))
    output = book.apply(batch(*traded_at(105, 20), set_session(CONTINUOUS)))
    assert rows(output.executions, "kind", "serial", "price_ticks")[2:] == [
        (T, 21, 105),
        (SET, 77, 105),
        (ExecutionKind.TRIGGERED, 1, 0),
        (T, 1, 110),
    ]


def test_a_large_auction_finds_room_for_its_rows(make_book: MakeBook) -> None:
    """Thousands of orders on both sides, of which each trades, at one change."""
    count = 3_000
    bids = [buy(2_000 + at % 500, 2, at, account=2, display_lots=at % 2) for at in range(count)]
    asks = [sell(1_999 - at % 500, 2, at, account=3, time_in_force=OPEN) for at in range(count)]
    book = make_book(instrument(reference_price_ticks=2_000))
    book.apply(batch(set_session(OPENING)))
    for at in range(0, count, 50):
        book.apply(batch(*bids[at : at + 50], *asks[at : at + 50]))
    output = book.apply(batch(set_session(CONTINUOUS)))
    assert book.order_count == 0 and book.session == Session(CONTINUOUS, 2 * count)
    kinds = output.executions["kind"].tolist()
    assert (kinds.count(T), kinds.count(REFILLED), kinds[-1]) == (count + count // 2, count // 2, SET)
    assert len(output.depth) == 1_000 and set(output.depth["quantity_lots"].tolist()) == {0}


def test_quantities_and_prices_at_their_limits(make_book: MakeBook) -> None:
    """Sums of the largest orders at both ends of the widest prices are exact."""
    largest = 1 << 40
    orders = [
        *(buy(60_000_000, largest, at, account=at) for at in range(1, 5)),
        *(sell(1, largest, at, account=at) for at in range(11, 14)),
        sell(1, largest - 1, 14, account=14),
    ]
    book = opening(make_book, *orders, max_quantity_lots=largest, max_price_ticks=60_000_000, min_price_ticks=1)
    assert book.session == Session(OPENING, 0, 1_000, 4 * largest - 1, 1)
    output = book.apply(batch(set_session(CONTINUOUS)))
    assert output.executions["quantity_lots"][-1] == 4 * largest - 1
    assert rows(book.resting(), "serial", "leaves_lots") == [(4, 1)]
