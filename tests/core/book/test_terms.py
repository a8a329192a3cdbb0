"""What an order may ask beside price and size, on both books: all or nothing, a smallest fill, only to make, not with me."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from marksim.core.types import ExecutionKind, PostOnly, Reason, SelfTradePrevention, Side, TimeInForce
from tests.core.book.commands import batch, buy, instrument, market, rows, sell

MakeBook = Callable[..., Any]
EVENT = ("kind", "reason", "serial", "quantity_lots", "leaves_lots")
A, T, C = ExecutionKind.ACCEPTED, ExecutionKind.TRADED, ExecutionKind.CANCELLED
FOK, IOC = int(TimeInForce.FOK), int(TimeInForce.IOC)
NEWEST, OLDEST = int(SelfTradePrevention.CANCEL_NEWEST), int(SelfTradePrevention.CANCEL_OLDEST)
BOTH, DECREMENT = int(SelfTradePrevention.CANCEL_BOTH), int(SelfTradePrevention.DECREMENT)
PREVENTIONS = (NEWEST, OLDEST, BOTH, DECREMENT)


# Fill or kill, and smallest first fills.


def test_a_fok_order_trades_whole_or_not_at_all(make_book: MakeBook) -> None:
    """One lot too many over two levels and nothing happens to anyone; exactly what is there fills."""
    book = make_book()
    book.apply(batch(sell(100, 5, 1), sell(101, 5, 2), sell(103, 50, 3)))
    before = rows(book.depth(), "price_ticks", "quantity_lots", "order_count")
    killed = book.apply(batch(buy(102, 11, 4, account=2, time_in_force=FOK)))
    assert rows(killed.executions, *EVENT) == [(A, 0, 4, 11, 11), (C, Reason.FOK_NOT_FILLED, 4, 11, 0)]
    assert len(killed.depth) == len(killed.quotes) == 0
    assert rows(book.depth(), "price_ticks", "quantity_lots", "order_count") == before
    filled = book.apply(batch(buy(102, 10, 5, account=2, time_in_force=FOK)))
    assert rows(filled.executions, *EVENT) == [(A, 0, 5, 10, 10), (T, 0, 5, 5, 5), (T, 0, 5, 5, 0)]


@pytest.mark.parametrize(("quantity", "reason"), [(8, 0), (9, Reason.FOK_NOT_FILLED)])
def test_a_fok_market_order_looks_as_far_as_its_protection(make_book: MakeBook, quantity: int, reason: int) -> None:
    """What lies beyond the protection is no liquidity for it."""
    book = make_book(instrument(market_protection_ticks=2))
    book.apply(batch(sell(100, 5, 1), sell(102, 3, 2), sell(103, 50, 3)))
    output = book.apply(batch(market(Side.BUY, quantity, 4, time_in_force=FOK)))
    assert output.executions["reason"].max() == reason


@pytest.mark.parametrize(
    ("prevention", "filled"), [(0, True), (NEWEST, False), (OLDEST, False), (BOTH, False), (DECREMENT, False)]
)
def test_a_fok_order_that_meets_its_own(make_book: MakeBook, prevention: int, filled: bool) -> None:
    """Its own order is liquidity only where self-trades are allowed, and it is not touched where the order is killed."""
    book = make_book()
    book.apply(batch(sell(100, 5, 1, account=2), sell(100, 5, 2)))
    output = book.apply(batch(buy(100, 8, 3, time_in_force=FOK, self_trade_prevention=prevention)))
    assert bool(output.executions["kind"][-1] == T) is filled
    assert book.order_count == (1 if filled else 2)


def test_a_fok_order_fills_past_its_own_where_that_is_cancelled(make_book: MakeBook) -> None:
    """CANCEL_OLDEST takes the own order out of the way, so what stands behind it counts."""
    book = make_book()
    book.apply(batch(sell(100, 5, 1), sell(100, 5, 2, account=2), sell(101, 3, 3, account=2)))
    output = book.apply(batch(buy(101, 8, 4, time_in_force=FOK, self_trade_prevention=OLDEST)))
    assert rows(output.executions, *EVENT) == [
        (A, 0, 4, 8, 8),
        (C, Reason.SELF_TRADE, 1, 5, 0),
        (T, 0, 4, 5, 3),
        (T, 0, 4, 3, 0),
    ]


@pytest.mark.parametrize("life", [0, IOC])
def test_less_than_the_smallest_first_fill_cancels_the_order_whole(make_book: MakeBook, life: int) -> None:
    """Enough of it trades, and then the order is like any other; too little and it never touches the book."""
    book = make_book()
    book.apply(batch(sell(100, 5, 1), sell(101, 5, 2)))
    output = book.apply(batch(buy(100, 20, 3, account=2, min_quantity_lots=6, time_in_force=life)))
    assert rows(output.executions, *EVENT) == [(A, 0, 3, 20, 20), (C, Reason.MIN_QUANTITY, 3, 20, 0)]
    output = book.apply(batch(buy(101, 20, 4, account=2, min_quantity_lots=10, time_in_force=life)))
    assert output.executions["kind"].tolist()[:3] == [A, T, T]
    assert book.order_count == (0 if life else 1)


def test_a_market_order_may_have_a_smallest_first_fill(make_book: MakeBook) -> None:
    """Too little is there: nothing trades, and the reason is not that nothing was there."""
    book = make_book()
    book.apply(batch(sell(100, 5, 1)))
    output = book.apply(batch(market(Side.BUY, 20, 3, min_quantity_lots=6)))
    assert rows(output.executions, "kind", "reason") == [(A, 0), (C, Reason.MIN_QUANTITY)]


# Protection of market orders.


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_a_market_order_stops_at_its_protection(make_book: MakeBook, side: Side) -> None:
    """It trades up to so many ticks from the best price that it met; the reason of the rest says that more was there."""
    book = make_book(instrument(market_protection_ticks=3))
    far = 1 if side == Side.BUY else -1
    make = sell if side == Side.BUY else buy
    book.apply(batch(*(make(100 + far * step, 2, step + 1) for step in (0, 3, 4))))
    output = book.apply(batch(market(side, 10, 9)))
    assert rows(output.executions, *EVENT)[1:] == [(T, 0, 9, 2, 8), (T, 0, 9, 2, 6), (C, Reason.PRICE_BAND, 9, 6, 0)]
    book.apply(batch(market(side, 2, 10)))
    output = book.apply(batch(market(side, 2, 11)))
    assert output.executions["reason"].tolist() == [0, Reason.NO_LIQUIDITY]


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_protection_ends_at_the_bands(make_book: MakeBook, side: Side) -> None:
    """A protection wider than the band changes nothing."""
    book = make_book(instrument(market_protection_ticks=1 << 40))
    make = sell if side == Side.BUY else buy
    book.apply(batch(make(10, 2, 1), make(5_000, 2, 2)))
    output = book.apply(batch(market(side, 10, 9)))
    assert output.executions["reason"].tolist() == [0, 0, 0, Reason.NO_LIQUIDITY]


# Post-only.


def test_a_post_only_order_that_would_take_is_rejected(make_book: MakeBook) -> None:
    """At the price of the other side it would take; one tick away it rests."""
    book = make_book()
    book.apply(batch(sell(100, 5, 1)))
    output = book.apply(
        batch(
            buy(100, 5, 2, post_only=PostOnly.REJECT), buy(99, 5, 3, post_only=PostOnly.REJECT), sell(99, 5, 4, post_only=1)
        )
    )
    assert rows(output.executions, "kind", "reason", "price_ticks") == [
        (ExecutionKind.REJECTED, Reason.WOULD_TAKE, 100),
        (A, 0, 99),
        (ExecutionKind.REJECTED, Reason.WOULD_TAKE, 99),
    ]


def test_a_post_only_order_slides_one_tick_away(make_book: MakeBook) -> None:
    """The ACCEPTED row and the level show where it went; one that would not take keeps its price."""
    book = make_book()
    book.apply(batch(sell(100, 5, 1), buy(90, 5, 2)))
    slide = int(PostOnly.SLIDE)
    output = book.apply(
        batch(buy(5_000, 5, 3, post_only=slide), sell(20, 5, 4, post_only=slide), buy(80, 5, 5, post_only=slide))
    )
    assert rows(output.executions, "kind", "price_ticks") == [(A, 99), (A, 100), (A, 80)]
    assert book.depth()["price_ticks"].tolist() == [99, 90, 80, 100]


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_nothing_slides_out_of_the_bands(make_book: MakeBook, side: Side) -> None:
    """Where the other side stands at the end of the band there is no tick to slide to."""
    book = make_book()
    resting, sliding = (sell(10, 5, 1), buy(10, 5, 2)) if side == Side.BUY else (buy(5_000, 5, 1), sell(5_000, 5, 2))
    output = book.apply(batch(resting, {**sliding, "post_only": PostOnly.SLIDE}))
    assert output.executions["reason"].tolist() == [0, Reason.WOULD_TAKE]


def test_the_smallest_notional_counts_after_the_slide(make_book: MakeBook) -> None:
    """100 ticks suffice, but the order would rest at 99."""
    book = make_book(instrument(min_notional=Fraction(100 * 5, 2_000)))
    output = book.apply(
        batch(sell(100, 5, 1), buy(100, 5, 2, post_only=PostOnly.SLIDE), buy(100, 6, 3, post_only=PostOnly.SLIDE))
    )
    assert output.executions["reason"].tolist() == [0, Reason.BELOW_MIN_NOTIONAL, 0]


# Self-trade prevention.


def test_cancel_newest_stops_at_the_own_order(make_book: MakeBook) -> None:
    """What stands before it trades, it stays, and nothing behind it is reached."""
    book = make_book()
    book.apply(batch(sell(100, 2, 1, account=2), sell(100, 5, 2), sell(100, 5, 3, account=2)))
    output = book.apply(batch(buy(100, 9, 4, self_trade_prevention=NEWEST)))
    assert rows(output.executions, *EVENT) == [(A, 0, 4, 9, 9), (T, 0, 4, 2, 7), (C, Reason.SELF_TRADE, 4, 7, 0)]
    assert rows(output.depth, "price_ticks", "quantity_lots", "order_count") == [(100, 10, 2)]


def test_a_level_that_stays_as_it_was_has_no_depth_row(make_book: MakeBook) -> None:
    """The own order is the first: nothing changes, so nothing is published."""
    book = make_book()
    book.apply(batch(sell(100, 5, 1)))
    output = book.apply(batch(buy(100, 9, 2, self_trade_prevention=NEWEST)))
    assert len(output.depth) == len(output.quotes) == 0


def test_cancel_oldest_takes_the_own_order_out_of_the_way(make_book: MakeBook) -> None:
    """The own order is cancelled, the next one trades, and the rest of the newer one rests."""
    book = make_book()
    book.apply(batch(sell(100, 5, 1), sell(100, 5, 2, account=2)))
    output = book.apply(batch(buy(100, 9, 3, self_trade_prevention=OLDEST)))
    assert rows(output.executions, *EVENT) == [(A, 0, 3, 9, 9), (C, Reason.SELF_TRADE, 1, 5, 0), (T, 0, 3, 5, 4)]
    assert output.executions["price_ticks"][1] == 100 and output.executions["side"][1] == Side.SELL
    assert book.find(1, 3).leaves_lots == 4


def test_cancel_both_ends_both(make_book: MakeBook) -> None:
    """The maker's row comes first, then what is left of the taker."""
    book = make_book()
    book.apply(batch(sell(100, 2, 1, account=2), sell(100, 5, 2), sell(100, 5, 3, account=2)))
    output = book.apply(batch(buy(100, 9, 4, self_trade_prevention=BOTH)))
    assert rows(output.executions, *EVENT)[2:] == [(C, Reason.SELF_TRADE, 2, 5, 0), (C, Reason.SELF_TRADE, 4, 7, 0)]
    assert book.order_count == 1


@pytest.mark.parametrize(("quantity", "left"), [(3, (2, 0)), (5, (0, 0)), (8, (0, 3))])
def test_decrement_takes_the_smaller_off_both(make_book: MakeBook, quantity: int, left: tuple[int, int]) -> None:
    """A CANCELLED row with something left is an order that is still open."""
    book = make_book()
    book.apply(batch(sell(100, 5, 1)))
    output = book.apply(batch(buy(100, quantity, 2, self_trade_prevention=DECREMENT)))
    both = min(quantity, 5)
    assert rows(output.executions, *EVENT)[1:] == [
        (C, Reason.SELF_TRADE, 1, both, left[0]),
        (C, Reason.SELF_TRADE, 2, both, left[1]),
    ]
    assert [order.leaves_lots for order in book.open_orders(1)] == [lots for lots in left if lots]


def test_after_a_decrement_the_order_goes_on(make_book: MakeBook) -> None:
    """It is smaller, keeps its place, and trades with the next one."""
    book = make_book()
    book.apply(batch(sell(100, 5, 1), sell(100, 5, 2, account=2), sell(101, 5, 3, account=2)))
    output = book.apply(batch(buy(101, 12, 4, self_trade_prevention=DECREMENT)))
    assert rows(output.executions, *EVENT)[3:] == [(T, 0, 4, 5, 2), (T, 0, 4, 2, 0)]


@pytest.mark.parametrize("prevention", PREVENTIONS)
@pytest.mark.parametrize(("maker", "taker"), [((1, 0), (1, 0)), ((1, 7), (2, 7)), ((1, 0), (2, 1)), ((1, 2), (2, 0))])
def test_a_group_is_its_accounts(
    make_book: MakeBook, prevention: int, maker: tuple[int, int], taker: tuple[int, int]
) -> None:
    """The same account, the same named group, or a group named after the other's account: no trade."""
    book = make_book()
    output = book.apply(
        batch(
            sell(100, 5, 1, account=maker[0], self_trade_group=maker[1]),
            buy(100, 5, 2, account=taker[0], self_trade_group=taker[1], self_trade_prevention=prevention),
        )
    )
    assert T not in output.executions["kind"]


@pytest.mark.parametrize("prevention", PREVENTIONS)
def test_only_the_newer_orders_word_counts(make_book: MakeBook, prevention: int) -> None:
    """A resting order's wish does not bind one that comes without; and strangers trade."""
    book = make_book()
    book.apply(batch(sell(100, 5, 1, self_trade_prevention=prevention)))
    assert T in book.apply(batch(buy(100, 2, 2))).executions["kind"]
    assert T in book.apply(batch(buy(100, 3, 3, account=2, self_trade_prevention=prevention))).executions["kind"]


@pytest.mark.parametrize(("prevention", "reason"), [(NEWEST, 1), (OLDEST, 0), (BOTH, 1), (DECREMENT, 1)])
def test_a_smallest_first_fill_counts_only_what_would_trade(make_book: MakeBook, prevention: int, reason: int) -> None:
    """Of 10 wanted at least 6 must trade; 5 of what stands there is one's own."""
    book = make_book()
    book.apply(batch(sell(100, 3, 1, account=2), sell(100, 5, 2), sell(100, 3, 3, account=2)))
    output = book.apply(batch(buy(100, 10, 4, self_trade_prevention=prevention, min_quantity_lots=6)))
    assert (Reason.MIN_QUANTITY in output.executions["reason"]) == bool(reason)
