"""A market whose price goes far: the ladder follows, and nothing is lost on the way."""

from collections.abc import Callable, Iterator
from math import pi, sin
from typing import Any, Final

from marksim.core.book.book import OrderBook
from marksim.core.book.reference import ReferenceBook
from marksim.core.types import CommandKind, ExecutionKind, Reason, Records, Side
from tests.core.book.commands import batch, buy, instrument, market, same, sell
from tests.core.book.ledger import Ledger

START: Final = 100_000
FACTOR: Final = 100
STEPS: Final = 240
WIDE: Final = instrument(
    reference_price_ticks=START, min_price_ticks=1, max_price_ticks=2 * FACTOR * START, max_quantity_lots=1_000_000
)


def walk() -> Iterator[tuple[int, Records]]:
    """Price and commands of each step: up by the factor, down through the start by the same, and back to it.

    A maker quotes three prices a side and takes the quotes of the step before away, two takers trade in between.
    """
    for step in range(STEPS + 1):
        price = round(START * FACTOR ** sin(2 * pi * step / STEPS))
        first = 10 * step
        quotes = [buy(price - 1 - n, 10, first + n, account=step) for n in range(3)]
        quotes += [sell(price + 1 + n, 10, first + 3 + n, account=step) for n in range(3)]
        takers = [market(side, 12, first + 6 + side, account=-1) for side in (Side.BUY, Side.SELL)]
        gone = {"kind": CommandKind.MASS_CANCEL, "account": step - 1, "serial": first + 9}
        yield price, batch(gone, *quotes, *takers)


def test_market_drifts_by_a_factor_of_a_hundred_either_way(make_book: Callable[..., Any]) -> None:
    """At every price of the walk makers rest, takers trade there and then, and all quantities add up."""
    book, ledger, prices = make_book(WIDE), Ledger(), []
    for price, commands in walk():
        output = book.apply(commands)
        ledger.add(output)
        rows = output.executions
        assert not (rows["kind"] == ExecutionKind.REJECTED).any(), price
        cancelled = rows[rows["kind"] == ExecutionKind.CANCELLED]
        assert (cancelled["reason"] == Reason.REQUESTED).all(), price
        trades = rows[rows["kind"] == ExecutionKind.TRADED]
        assert trades["price_ticks"].tolist() == [price + 1, price + 2, price - 1, price - 2]
        assert trades["quantity_lots"].tolist() == [10, 2, 10, 2]
        prices.append(price)
    assert ledger.check(book) == []
    assert (min(prices), max(prices), prices[-1]) == (START // FACTOR, START * FACTOR, START)


def test_books_agree_all_the_way() -> None:
    """Rows and states of both books are equal at each step of the walk."""
    plain, fast = ReferenceBook(WIDE), OrderBook(WIDE)
    for price, commands in walk():
        assert same(plain.apply(commands), fast.apply(commands)), price
        assert plain.state_hash() == fast.state_hash(), price
