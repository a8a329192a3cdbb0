"""Several order books are one market to a client: each call goes where its symbol trades."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from marksim.client import Execution, OrderStatus
from tests.client.live import Connect, Live, Threaded, live, some

FACTS: dict[str, Any] = {"scenario": "two-symbols", "shards": 2, "assign": {"BTC/USD": 0, "ETH/USD": 1}}
BTC, ETH = "BTC/USD", "ETH/USD"


@pytest_asyncio.fixture
async def shards() -> AsyncIterator[tuple[Live, Live]]:
    """Two order books, each with windows of its own."""
    async with live(**FACTS, shard="0") as first, live(**FACTS, shard="1") as second:
        yield first, second


async def test_calls_find_their_order_book(shards: tuple[Live, Live], connect: Connect) -> None:
    """In whatever order the addresses were given."""
    async with connect(shards[1].market.address, shards[0].market.address, account="me") as client:
        orders = [await client.buy(symbol, "1", price) for symbol, price in ((BTC, "40000"), (ETH, "2000"))]
        assert [order.status for order in orders] == [OrderStatus.OPEN] * 2
        assert [(await client.book(symbol)).symbol for symbol in (BTC, ETH)] == [BTC, ETH]
        assert {order.symbol for order in await client.orders()} == {BTC, ETH}
        assert len(await client.cancel_all()) == 2
        assert [shards[at].market.service.sequencer.outside.order_count for at in (0, 1)] == [1, 1]


async def test_streams_bring_all_order_books_together(shards: tuple[Live, Live], connect: Connect) -> None:
    """Each in its own order, with a position of its own."""
    async with connect(*(one.market.address for one in shards), account="me") as client:
        stream = client.executions()
        for symbol, price in ((BTC, "40000"), (ETH, "2000")):
            await client.buy(symbol, "1", price)
        events = await some(stream, 2)
        assert {event.symbol for event in events if isinstance(event, Execution)} == {BTC, ETH}
        assert {shard: place.run for shard, place in stream.position.items()} == {
            at: one.market.run for at, one in enumerate(shards)
        }
        await client.buy(ETH, "1", "2001")
        (only,) = await some(client.executions(ETH, after=stream.position), 1)
        assert only.price == 2001


async def test_an_order_book_that_was_not_named_is_missed(shards: tuple[Live, Live], connect: Connect) -> None:
    """The error says which address to give."""
    async with connect(shards[0].market.address, account="me") as client:
        with pytest.raises(ValueError, match="ETH/USD trades on shard 1: give the address"):
            await client.buy(ETH, "1", "2000")


async def test_an_order_book_that_is_named_twice_is_told(shards: tuple[Live, Live], connect: Connect) -> None:
    """Two addresses of one book would be two streams of the same."""
    address = shards[0].market.address
    with pytest.raises(ValueError, match="are both shard 0"):
        async with connect(address, address, account="me"):
            raise AssertionError("it opened")


async def test_symbols_that_have_moved_are_found_again(shards: tuple[Live, Live], connect: Connect) -> None:
    """Where the client's list of shards is old, it asks anew instead of failing."""
    async with connect(*(one.market.address for one in shards), account="me") as client:
        session = (client._client if isinstance(client, Threaded) else client)._session
        session.shards = {0: 1, 1: 0}
        assert (await client.buy(ETH, "1", "2000")).status == OrderStatus.OPEN
        assert session.shards == {0: 0, 1: 1}
