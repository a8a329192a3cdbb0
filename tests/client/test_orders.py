"""Orders over either client: exact numbers, names of their own, answers with fills, errors that can be matched on."""

import asyncio
import inspect
import re
from decimal import Decimal
from pathlib import Path

import grpc
import pytest

from marksim import client as package
from marksim.client import (
    AsyncClient,
    AsyncControl,
    Client,
    Control,
    Liquidity,
    MarketError,
    NotNow,
    OrderStatus,
    OrderType,
    PostOnly,
    Reason,
    Refused,
    Side,
    Terms,
    TimedOut,
    TimeInForce,
    Unavailable,
    Unknown,
)
from tests.client.live import Connect, Live
from tests.orderbook.market import SYMBOL, WAIT_S, served
from tests.orderbook.relay import relayed


async def test_a_market_order_comes_back_with_its_fills(market: Live, connect: Connect) -> None:
    """Price, quantity and which side it was; the sum is the order's."""
    async with connect(market.market.address, account="me") as client:
        order = await client.buy(SYMBOL, "0.010")
    assert (order.status, order.order_type, order.filled, order.leaves) == (
        OrderStatus.FILLED,
        OrderType.MARKET,
        Decimal("0.010"),
        0,
    )
    (fill,) = order.fills
    assert (fill.price, fill.quantity, fill.liquidity, fill.side) == (
        Decimal("50005.00"),
        Decimal("0.010"),
        Liquidity.TAKER,
        Side.BUY,
    )
    assert order.average_price == fill.price and not order.is_open and fill.client_order_id == order.client_order_id


async def test_an_order_rests_changes_and_ends(market: Live, connect: Connect) -> None:
    """Each call returns it as it is then; it is found by itself or by its name."""
    async with connect(market.market.address, account="me") as client:
        order = await client.sell(SYMBOL, 0.02, 60_000, post_only=PostOnly.REJECT)
        assert (order.status, order.price, order.time_in_force) == (OrderStatus.OPEN, 60_000, TimeInForce.UNSPECIFIED)
        changed = await client.amend(order, quantity=Decimal("0.015"), price="60000.5", new_client_order_id="second")
        assert (changed.price, changed.quantity, changed.client_order_id) == (Decimal("60000.5"), Decimal("0.015"), "second")
        assert await client.orders() == (changed,) == await client.orders(SYMBOL)
        assert await client.order((SYMBOL, order.client_order_id)) == changed
        gone = await client.cancel(order)
        assert (gone.status, gone.reason, await client.orders()) == (OrderStatus.CANCELLED, Reason.REQUESTED, ())
        assert [one.client_order_id for one in await client.orders(open_only=False)] == ["second"]


async def test_an_order_tells_what_it_traded_later_too(market: Live, connect: Connect) -> None:
    """Not only in its first window: whoever asks gets all its fills, oldest first."""
    async with connect(market.market.address, account="me") as client:
        order = await client.buy(SYMBOL, "0.030", "50000")
        for quantity in ("0.010", "0.005"):
            await client.sell(SYMBOL, quantity, "50000", time_in_force=TimeInForce.IOC)
        now = await client.order(order)
        assert [fill.quantity for fill in now.fills] == [Decimal("0.010"), Decimal("0.005")]
        assert {fill.liquidity for fill in now.fills} == {Liquidity.MAKER} and now.filled == Decimal("0.015")
        assert len((await client.cancel(order)).fills) == 2
        assert [fill.side for fill in await client.fills(SYMBOL)] == [Side.BUY, Side.SELL] * 2
        position = await client.position(SYMBOL)
        assert (position.quantity, position.cash, position.trades) == (0, 0, 4)
        assert await client.positions() == {SYMBOL: position}
        assert [trade.quantity for trade in await client.trades(SYMBOL, 2)] == [Decimal("0.005"), Decimal("0.010")]


async def test_stops_and_terms_reach_the_book(market: Live, connect: Connect) -> None:
    """A stop price makes it a stop, a price as well a stop-limit; what no term is called is told at once."""
    async with connect(market.market.address, account="me") as client:
        stop = await client.sell(SYMBOL, "0.010", stop_price="48000")
        both = await client.sell(SYMBOL, "0.010", "47000", stop_price="48000")
        assert [one.order_type for one in (stop, both)] == [OrderType.STOP, OrderType.STOP_LIMIT]
        assert (stop.price, stop.stop_price, both.price) == (None, 48_000, 47_000)
        with pytest.raises(TypeError, match=r"'iceberg'.*display_quantity"):
            await client.sell(SYMBOL, "0.010", "60000", iceberg="0.001")
        assert len(await client.cancel_all(SYMBOL)) == 2 and await client.cancel_all() == ()


@pytest.mark.parametrize(
    ("quantity", "price", "message"),
    [
        ("0.0105", None, "quantity is 0.0105, no multiple of 0.001: the nearest is 0.010"),
        (0.0001, None, "the nearest is 0.001"),
        ("0.010", 50_000.3, "price is 50000.3, no multiple of 0.50: the nearest is 50000.50"),
        ("0.010", "-1", "price is -1: it must be greater than zero"),
        ("ten", None, "quantity is 'ten': give a decimal number"),
        (float("nan"), None, "give a finite number"),
        (True, None, "quantity is True: give a number"),
    ],
)
async def test_a_number_off_the_grid_is_refused_before_it_is_sent(
    market: Live, connect: Connect, quantity: object, price: object, message: str
) -> None:
    """With the field, and the nearest that would do."""
    async with connect(market.market.address, account="me") as client:
        with pytest.raises(ValueError, match=re.escape(message)):
            await client.buy(SYMBOL, quantity, price)


async def test_names_of_orders_are_unique_by_themselves(market: Live, connect: Connect) -> None:
    """Over clients of one account too; one that is given stays, and sent again has no second effect."""
    async with connect(market.market.address, account="me") as one, connect(market.market.address, account="me") as two:
        orders = [await client.buy(SYMBOL, "0.001", "40000") for client in (one, two, one)]
        assert len({order.client_order_id for order in orders}) == 3
        first = await one.buy(SYMBOL, "0.001", client_order_id="mine")
        again = await two.buy(SYMBOL, "0.001", client_order_id="mine")
        assert first == again and (await one.position(SYMBOL)).quantity == Decimal("0.001")


async def test_a_rejected_order_is_an_answer(market: Live, connect: Connect) -> None:
    """The book says why in status and reason."""
    async with connect(market.market.address, account="me") as client:
        order = await client.buy(SYMBOL, "0.010", "60000", post_only=PostOnly.REJECT)
        assert (order.status, order.reason, order.fills) == (OrderStatus.REJECTED, Reason.WOULD_TAKE, ())


async def test_errors_carry_what_a_program_matches_on(market: Live, connect: Connect) -> None:
    """Class, code, reason, facts, and the order that it was about."""
    async with connect(market.market.address, account="me") as client:
        with pytest.raises(Unknown) as unknown:
            await client.order((SYMBOL, "never"))
        assert (unknown.value.reason, unknown.value.client_order_id) == ("UNKNOWN_ORDER", "never")
        with pytest.raises(Refused, match="expire_time_ns") as refused:
            await client.buy(SYMBOL, "0.010", "40000", expire_time_ns=5, client_order_id="wrong")
        assert (refused.value.code, refused.value.metadata) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            {"field": "expire_time_ns"},
        )
        order = await client.buy(SYMBOL, "0.010", "40000")
        await client.cancel(order)
        with pytest.raises(NotNow) as closed:
            await client.amend(order, price="41000")
        assert closed.value.reason == "ORDER_CLOSED"
        with pytest.raises(ValueError, match=f"'DOGE' is not traded here: give one of {SYMBOL}"):
            await client.book("DOGE")


async def test_a_paused_market_says_so_or_lets_orders_wait(market: Live, connect: Connect) -> None:
    """As the order asks; what waits is done in the window after."""
    async with connect(market.market.address, account="me") as client:
        await market.pause()
        with pytest.raises(NotNow) as paused:
            await client.buy(SYMBOL, "0.010")
        assert paused.value.reason == "MARKET_PAUSED"
        waiting = asyncio.create_task(client.buy(SYMBOL, "0.010", queue_while_paused=True))
        await market.market.queued(1)
        await market.step()
        assert (await waiting).status == OrderStatus.FILLED


async def test_an_answer_that_does_not_come_is_not_waited_for(market: Live, connect: Connect) -> None:
    """The error names the order; by its name it is found, or sent again without a second effect."""
    async with connect(market.market.address, account="me", timeout=0.3) as client:
        await market.pause()
        with pytest.raises(TimedOut) as late:
            await client.buy(SYMBOL, "0.010", queue_while_paused=True)
        await market.step()
        name = late.value.client_order_id
        again = await client.buy(SYMBOL, "0.010", client_order_id=name)
        assert again == await client.order((SYMBOL, name)) and again.filled == Decimal("0.010")


async def test_an_order_whose_answer_is_lost_is_sent_again_and_trades_once(market: Live, connect: Connect) -> None:
    """The line breaks while it waits for its window; the next try has its name, and gets the answer."""
    async with relayed(market.market.port) as relay, connect(relay.address, account="me") as client:
        await market.pause()
        waiting = asyncio.create_task(client.buy(SYMBOL, "0.010", queue_while_paused=True))
        await market.market.queued(1)
        relay.cut()
        async with asyncio.timeout(WAIT_S):
            while relay.connections < 2:
                await asyncio.sleep(0.005)
        await market.step()
        order = await waiting
        assert (order.filled, (await client.position(SYMBOL)).trades) == (Decimal("0.010"), 1)


async def test_an_engine_that_is_away_is_told_after_some_tries(market: Live, connect: Connect) -> None:
    """The order has its name for another try."""
    async with connect(market.market.address, account="me") as client:
        market.goes_on.clear()
        market.engine.call.cancel()
        await market.market.settled(connected=False)
        with pytest.raises(Unavailable) as away:
            await client.buy(SYMBOL, "0.010")
        assert away.value.reason == "ENGINE_AWAY" and away.value.client_order_id


async def test_a_book_that_is_not_there_is_told(connect: Connect) -> None:
    """When the client is opened, with the time it waited."""
    async with served() as gone:
        address = gone.address
    with pytest.raises(Unavailable, match=f"{address} does not answer within 0.3 s"):
        async with connect(address, account="me", timeout=0.3):
            raise AssertionError("it opened")


async def test_the_book_shows_its_levels(market: Live, connect: Connect) -> None:
    """Best first on both sides, in decimals."""
    async with connect(market.market.address, account="me") as client:
        book = await client.book(SYMBOL, depth=1)
    assert (book.best_bid, book.best_ask) == (Decimal("49995.00"), Decimal("50005.00"))
    assert (book.asks[0].quantity, book.asks[0].order_count, book.run) == (1, 1, market.market.run)


async def test_instruments_say_their_steps(market: Live, connect: Connect) -> None:
    """As decimals."""
    async with connect(market.market.address, account="me") as client:
        one = client.instruments()[SYMBOL]
    assert (one.tick_size, one.lot_size, one.shard, one.reference_price) == (Decimal("0.50"), Decimal("0.001"), 0, 50_000)


async def test_a_clock_without_an_address_cannot_be_steered(market: Live, connect: Connect) -> None:
    """The error says what to give."""
    async with connect(market.market.address, account="me") as client:
        with pytest.raises(ValueError, match="control="):
            await client.control.pause()


@pytest.mark.parametrize(("waiting", "other"), [(Client, AsyncClient), (Control, AsyncControl)])
def test_both_clients_have_the_same_names(waiting: type, other: type) -> None:
    """And the same arguments, with the same defaults."""
    mine, theirs = (
        {
            name: [(one.name, one.default, one.kind) for one in inspect.signature(method).parameters.values()]
            for name, method in inspect.getmembers(kind, inspect.isfunction)
            if not name.startswith("_") or name == "__init__"
        }
        for kind in (waiting, other)
    )
    assert mine == theirs


def test_the_page_of_clients_shows_every_call() -> None:
    """As code, in its tables."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "clients.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"`\.?(?:control\.)?(\w+)(?:\(|`)", page))
    calls = {name for kind in (Client, Control) for name, _ in inspect.getmembers(kind, inspect.isfunction)}
    assert {name for name in calls if not name.startswith("_")} - {"close"} <= shown
    errors = {kind.__name__ for kind in MarketError.__subclasses__()}
    assert errors <= shown and set(Terms.__annotations__) <= shown


def test_all_that_is_promised_is_there() -> None:
    """`__all__` names nothing else than what the package has."""
    assert all(hasattr(package, name) for name in package.__all__)


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_grace_without_its_flag_is_refused(kind: type) -> None:
    """Nobody is to believe in a grace that nothing needs."""
    with pytest.raises(ValueError, match="cancel_on_disconnect"):
        kind("localhost:1", account="me", cancel_grace_s=1)
    with pytest.raises(ValueError, match="localhost:50051"):
        kind(account="me")
