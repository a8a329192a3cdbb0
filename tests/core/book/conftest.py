"""Each contract test runs on the plain book and on the compiled one."""

from collections.abc import Callable
from typing import Any

import pytest

from marksim.core.book.book import OrderBook
from marksim.core.book.reference import ReferenceBook
from tests.core.book.commands import BTC

Book = OrderBook | ReferenceBook


@pytest.fixture(params=[ReferenceBook, OrderBook], ids=["reference", "kernel"])
def make_book(request: pytest.FixtureRequest) -> Callable[..., Book]:
    """Makes a book of BTC, or of the instrument given."""

    def make(instrument: Any = BTC, **more: Any) -> Book:
        book: Book = request.param(instrument, **more)
        return book

    return make
