"""The orders of a client that asked for it end with its last stream, however that ends, and with nothing else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest

from marksim.core.types import CommandKind, OrderStatus, Reason, Side
from marksim.orderbook import presence
from marksim.runtime.serve import SERVER_OPTIONS
from marksim.v1 import orderbook_pb2 as pb
from marksim.v1 import orderbook_pb2_grpc
from tests.orderbook.market import WAIT_S, Engine, Market, answered, limit, name, refused, served, until
from tests.orderbook.relay import relayed

GONE = (OrderStatus.CANCELLED, Reason.OWNER_GONE)
RESTS = (OrderStatus.OPEN, Reason.UNSPECIFIED)


async def standing(market: Market, stub: Any = None, timeout: float | None = None, **more: Any) -> Any:
    """A stream that stands for the account, once the book says where it is."""
    facts: dict[str, Any] = {"account": "alice", "cancel_on_disconnect": True}
    request = pb.StreamExecutionsRequest(**(facts | more))
    call = (stub or market.stub).StreamExecutions(request, timeout=timeout)
    await answered(call.read())
    return call


async def ordered(market: Market, engine: Engine, window: int, client_order_id: str = "one", **changed: Any) -> None:
    """One order of alice's in that window."""
    task = market.submitting(client_order_id, **changed)
    await market.queued(1)
    await engine.window(window)
    await task


async def state(market: Market, client_order_id: str = "one", account: str = "alice") -> tuple[int, int]:
    request = pb.GetOrderRequest(**name(client_order_id) | {"account": account})
    order = (await answered(market.stub.GetOrder(request))).order
    return order.status, order.reason


async def lose(market: Market, call: Any, queued: int = 1) -> None:
    """The client ends its stream, and the book has noticed."""
    call.cancel()
    await market.queued(queued)


async def end_of(market: Market, call: Any) -> None:
    """The book ends, and with it this stream, which has noticed."""
    market.service.tape.end()
    async with asyncio.timeout(WAIT_S):
        while await call.read() is not grpc.aio.EOF:
            pass
        await market.service.servicer.streams_ended.wait()


def sent(market: Market) -> int:
    """How many such commands the books were given."""
    return int(market.service.sequencer.totals.outside_commands[CommandKind.OWNER_GONE])


pytestmark = pytest.mark.usefixtures("late_look")


async def test_a_stream_that_is_cancelled_takes_the_orders_along(market: Market) -> None:
    """In the next window, as its recorded input, with a reason that says why; other accounts keep theirs."""
    engine = await market.engine()
    call = await standing(market)
    await ordered(market, engine, 0)
    await ordered(market, engine, 1, account="bob")
    await lose(market, call)
    assert await state(market) == RESTS
    await engine.window(2)
    assert await state(market) == GONE and await state(market, account="bob") == RESTS
    assert sent(market) == 1


async def test_a_client_that_dies_loses_its_orders(market: Market) -> None:
    """Its connection closes, and nobody said goodbye."""
    engine = await market.engine()
    async with grpc.aio.insecure_channel(market.address) as channel:
        await standing(market, orderbook_pb2_grpc.OrderBookServiceStub(channel))
        await ordered(market, engine, 0)
    await market.queued(1)
    await engine.window(1)
    assert await state(market) == GONE


async def test_a_deadline_ends_a_stream_like_anything_else(market: Market) -> None:
    """The client said how long it would stay."""
    engine = await market.engine()
    await ordered(market, engine, 0)
    await standing(market, timeout=0.3)
    await market.queued(1)
    await engine.window(1)
    assert await state(market) == GONE


async def test_a_client_that_reads_nothing_is_noticed_too(market: Market) -> None:
    """Also where its stream ends while the book waits for it to take what it was sent."""
    engine = await market.engine()
    await ordered(market, engine, 0)
    await ordered(market, engine, 1, "large", quantity="20", price="50010")
    call = await standing(market)
    for number in range(2, 10):
        await engine.window(number, *(limit(number * 10_000 + at, Side.SELL, 100_010, 1) for at in range(2_000)))
    # It was sent some 2 MiB by then, and a connection takes 64 KiB that nobody asks for.
    await lose(market, call)


async def test_the_last_stream_counts(market: Market) -> None:
    """One of two may end; so may any number that did not ask for it."""
    engine = await market.engine()
    first, second, plain = await standing(market), await standing(market), await standing(market, cancel_on_disconnect=False)
    await ordered(market, engine, 0)
    for call in (first, plain):
        call.cancel()
    await until(lambda: market.service.servicer.streams["executions"] == 1)
    await engine.window(1)
    assert await state(market) == RESTS and sent(market) == 0
    await lose(market, second)


async def test_a_book_that_ends_cancels_nothing(market: Market) -> None:
    """Its clients are not gone: it is."""
    engine = await market.engine()
    await ordered(market, engine, 0)
    call = await standing(market)
    await end_of(market, call)
    assert market.service.sequencer.outside.queued == 0


async def test_a_pause_loses_nothing(market: Market) -> None:
    """What came while the market was paused is done in the window after."""
    engine = await market.engine()
    call = await standing(market)
    await ordered(market, engine, 0)
    await engine.pause()
    await market.settled(paused=True)
    await lose(market, call)
    await engine.pause(False)
    await engine.pause()
    await market.settled(paused=True)
    await engine.window(1)
    assert await state(market) == GONE


async def test_an_engine_that_is_away_does_it_when_it_comes_back(market: Market) -> None:
    """Orders fail with their engine, but that an owner is gone stays true."""
    engine = await market.engine()
    call = await standing(market)
    await ordered(market, engine, 0)
    await lose(market, call)
    engine.call.cancel()
    await market.settled(connected=False)
    again = await market.engine()
    await again.window(1)
    assert await state(market) == GONE


async def test_a_new_run_has_nothing_to_cancel(market: Market) -> None:
    """The orders were those of the old one."""
    engine = await market.engine()
    call = await standing(market)
    await ordered(market, engine, 0)
    await lose(market, call)
    fresh = await market.engine(run="9a1d7c52-64f4-4c8e-8a0e-2f4b8c1d0e55", term=2)
    await fresh.window(0)
    assert sent(market) == 0


async def test_a_full_queue_has_room_for_it() -> None:
    """Whoever is gone cannot try again later."""
    async with served(outside_queue=1) as market:
        engine = await market.engine()
        call = await standing(market)
        await ordered(market, engine, 0)
        waiting = market.submitting("two", account="bob")
        await market.queued(1)
        await lose(market, call, queued=2)
        await engine.window(1)
        await waiting
        assert await state(market) == GONE


async def test_an_order_that_waits_through_a_pause_goes_with_its_owner(market: Market) -> None:
    """It enters the book and leaves it in one window, before anybody else comes."""
    engine = await market.engine()
    call = await standing(market)
    await engine.pause()
    await market.settled(paused=True)
    waiting = market.submitting(queue_while_paused=True)
    await market.queued(1)
    await lose(market, call, queued=2)
    await engine.window(0, limit(1, Side.SELL, 100_000, 5))
    filled = (await waiting).order.filled_quantity
    assert (filled, await state(market)) == ("0.000", GONE)


async def test_gone_twice_is_said_again_only_for_what_came_between(market: Market) -> None:
    """So what waits is bounded, and nothing is missed."""
    engine = await market.engine()
    await ordered(market, engine, 0)
    await engine.pause()
    await market.settled(paused=True)
    await lose(market, await standing(market))
    await lose(market, await standing(market))
    waiting = market.submitting("two", queue_while_paused=True)
    await market.queued(2)
    await lose(market, await standing(market), queued=3)
    await engine.window(1)
    await waiting
    assert await state(market) == await state(market, "two") == GONE and sent(market) == 2


async def test_who_cancels_in_the_same_window_gets_an_answer(market: Market) -> None:
    """A cancel before it was asked for; one behind it finds the order closed."""
    engine = await market.engine()
    await ordered(market, engine, 0)
    await ordered(market, engine, 1, "two")
    call = await standing(market)
    before = asyncio.create_task(answered(market.stub.CancelOrder(pb.CancelOrderRequest(**name("one")))))
    await market.queued(1)
    await lose(market, call, queued=2)
    behind = asyncio.create_task(answered(market.stub.CancelOrder(pb.CancelOrderRequest(**name("two")))))
    await market.queued(3)
    await engine.window(2)
    assert [(await task).order.reason for task in (before, behind)] == [Reason.REQUESTED, Reason.OWNER_GONE]


async def test_who_comes_back_within_the_grace_keeps_its_orders(market: Market) -> None:
    """Then its new stream stands for them."""
    engine = await market.engine()
    await ordered(market, engine, 0)
    call = await standing(market, cancel_grace_ms=60_000)
    call.cancel()
    await waited_for(market, 1)
    again = await standing(market, cancel_grace_ms=1)
    await waited_for(market, 0)
    await engine.window(1)
    assert await state(market) == RESTS
    await lose(market, again)
    await engine.window(2)
    assert await state(market) == GONE


async def test_a_grace_that_is_over_while_the_book_ends_cancels_nothing(market: Market) -> None:
    """A client that lost its stream to the book's end is not gone."""
    engine = await market.engine()
    await ordered(market, engine, 0)
    (await standing(market, cancel_grace_ms=1)).cancel()
    market.service.tape.end()
    await waited_for(market, 0)
    assert market.service.sequencer.outside.queued == 0


async def waited_for(market: Market, count: int) -> None:
    """The book has noticed that streams ended, and waits for so many accounts to come back."""
    await until(lambda: not (market.service.servicer.streams["executions"] and count))
    await until(lambda: len(market.service.servicer.presence._waiting) == count)


async def test_an_order_that_was_on_its_way_goes_too(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """It arrived after the end of its client's stream, by a moment."""
    monkeypatch.setattr(presence, "SECOND_LOOK_S", 0.2)
    engine = await market.engine()
    call = await standing(market)
    call.cancel()
    await waited_for(market, 1)
    waiting = market.submitting()
    await market.queued(2)
    await engine.window(0)
    await waiting
    assert await state(market) == GONE


async def test_whom_the_book_waits_for_is_bounded(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more, and the one that has been away longest is given up."""
    monkeypatch.setattr(presence, "MAX_WAITING", 1)
    engine = await market.engine()
    await ordered(market, engine, 0)
    (await standing(market, cancel_grace_ms=60_000)).cancel()
    await waited_for(market, 1)
    (await standing(market, account="bob", cancel_grace_ms=60_000)).cancel()
    await market.queued(1)
    await engine.window(1)
    assert await state(market) == GONE


@pytest.mark.parametrize(
    ("fields", "fix"),
    [
        ({"cancel_on_disconnect": True, "cancel_grace_ms": 60_001}, "at most 60000"),
        ({"cancel_grace_ms": 5}, "without cancel_on_disconnect"),
    ],
)
async def test_a_grace_that_cannot_be_is_refused(market: Market, fields: dict[str, Any], fix: str) -> None:
    """The message says what can."""
    call = market.stub.StreamExecutions(pb.StreamExecutionsRequest(account="alice", **fields))
    code, reason, message = await refused(call.read())
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert "cancel_grace_ms" in message and fix in message


@asynccontextmanager
async def stopping(server: grpc.aio.Server) -> AsyncIterator[None]:
    """The server is stopped at the end."""
    try:
        yield
    finally:
        await server.stop(0)


async def test_a_connection_that_is_open_on_one_side_only_is_found(market: Market) -> None:
    """The server's own pings stay without an answer; its options say that it sends them."""
    quick = {"grpc.keepalive_time_ms": 100, "grpc.keepalive_timeout_ms": 200, "grpc.http2.ping_timeout_ms": 200}
    assert quick.keys() <= dict(SERVER_OPTIONS).keys()
    server = grpc.aio.server(options=[(key, quick.get(key, value)) for key, value in SERVER_OPTIONS])
    market.service.register(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    engine = await market.engine()
    await ordered(market, engine, 0)
    async with stopping(server), relayed(port) as relay, grpc.aio.insecure_channel(relay.address) as channel:
        await standing(market, orderbook_pb2_grpc.OrderBookServiceStub(channel))
        relay.silent = True
        await market.queued(1)
    await engine.window(1)
    assert await state(market) == GONE
