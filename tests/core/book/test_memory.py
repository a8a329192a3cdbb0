"""The compiled book's memory: what it looks at, what far prices hold, and copies of it."""

import copy
import pickle

import pytest

from marksim.core.book.book import OrderBook
from marksim.core.book.checks import violations
from marksim.core.errors import InvalidInput
from marksim.core.types import Reason, SelfTradePrevention, Side
from tests.core.book.commands import batch, buy, instrument, market, sell

FAR = [1 << 31, (1 << 31) - 1, 1 << 32, 1 << 40, 1 << 62, -(1 << 31), -(1 << 40)]


def full_book() -> OrderBook:
    """One whose rows are nearly full, and that could meet more than there is room for."""
    book = OrderBook(instrument(min_price_ticks=10, max_price_ticks=5_000))
    book.apply(batch(*(buy(900 - number % 50, 5, number) for number in range(250))))
    return book


@pytest.mark.parametrize("price", FAR)
@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_a_price_beyond_all_levels_is_refused(side: Side, price: int) -> None:
    """Of an order and of an amendment, also where the book has to count what it may meet."""
    book = full_book()
    new = {**(buy if side == Side.BUY else sell)(price, 5, 999)}
    amend = {"kind": 3, "account": 1, "serial": 7, "target_serial": 7, "price_ticks": price}
    reasons = book.apply(batch(*(buy(890, 1, 1_000 + number) for number in range(250)), new, amend)).executions["reason"]
    wrong = Reason.INVALID_PRICE if price < 0 else Reason.PRICE_BAND
    assert reasons[-2:].tolist() == [wrong, wrong] and violations(book) == []


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda book: pickle.loads(pickle.dumps(book))], ids=["copy", "pickle"])
def test_a_copy_is_a_book_of_its_own(copied: object) -> None:
    """What it does the other does not see, and both go on soundly."""
    assert callable(copied)
    book = full_book()
    other = copied(book)
    assert other.state_hash() == book.state_hash()
    other.apply(batch(sell(850, 500, 5_000)))
    assert other.order_count != book.order_count == 250
    assert violations(other) == violations(book) == []
    book.apply(batch(sell(850, 500, 5_000)))
    assert other.state_hash() == book.state_hash()


def test_who_cancels_the_oldest_looks_no_further_than_it_trades() -> None:
    """The levels behind are nothing to an order that its first level fills."""
    book = OrderBook(instrument(min_price_ticks=10, max_price_ticks=5_000))
    book.apply(batch(*(sell(1_000 + number, 5, number, account=2) for number in range(1_000))))
    before = book.touched[1]
    taker = market(Side.BUY, 2, 5_000, account=3, self_trade_prevention=SelfTradePrevention.CANCEL_OLDEST)
    book.apply(batch(taker))
    assert book.touched[1] - before < 10


def test_a_mass_cancel_asks_for_rows_of_its_own_orders_alone() -> None:
    """In a book of thousands, one order's end has one row."""
    book = OrderBook(instrument(min_price_ticks=10, max_price_ticks=5_000))
    for begin in range(0, 5_000, 100):
        book.apply(batch(*(sell(1_000, 5, number, account=2) for number in range(begin, begin + 100)), buy(900, 5, begin)))
    rows = len(book.memory.executions)
    output = book.apply(batch({"kind": 4, "account": 1, "serial": 9}))
    assert len(output.executions) == 50 and len(book.memory.executions) == rows < 5_000


def test_the_range_of_prices_may_be_wide() -> None:
    """A price of 50,000.00 in cents may fall to a hundredth and rise a hundredfold; wider still is refused in words."""
    book = OrderBook(instrument(reference_price_ticks=5_000_000, min_price_ticks=50_000, max_price_ticks=500_000_000))
    orders = (buy(50_000, 5, 1), sell(500_000_000, 5, 2), buy(5_000_000, 5, 3), sell(5_000_000, 5, 4, account=2))
    assert book.apply(batch(*orders)).executions["kind"].tolist() == [1, 1, 1, 1, 3]
    assert book.memory_bytes < 1_000_000
    with pytest.raises(InvalidInput, match="tick_size"):
        OrderBook(instrument(min_price_ticks=1, max_price_ticks=1 << 40))
