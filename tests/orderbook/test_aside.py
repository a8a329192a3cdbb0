"""Large windows are applied in a thread: the event loop goes on, and nobody sees half of one."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from marksim.core.types import Side
from marksim.orderbook import sequencing, shard
from marksim.v1 import orderbook_pb2 as pb
from marksim.v1 import types_pb2
from tests.orderbook.market import SYMBOL, WAIT_S, Market, limit, order_request, refused, window

ASIDE_COMMANDS = 256
"""Fewer than in earnest, so that a frame fits the small ring of these tests."""
LARGE = tuple(limit(serial, Side.BUY, 100_000 - serial % 50, 1) for serial in range(1, ASIDE_COMMANDS + 1))


@pytest.fixture
def gate(market: Market, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Holds every window that is applied in another thread than the event loop's until it is set."""
    opened, shard = threading.Event(), market.service.sequencer.shard
    apply, loop_thread = type(shard).apply, threading.get_ident()

    def held(self: Any, *parts: Any) -> Any:
        if threading.get_ident() != loop_thread:
            assert opened.wait(WAIT_S)
        return apply(self, *parts)

    monkeypatch.setattr(type(shard), "apply", held)
    monkeypatch.setattr(sequencing, "ASIDE_COMMANDS", ASIDE_COMMANDS)
    yield opened
    opened.set()


async def test_other_calls_are_answered_meanwhile(market: Market, gate: threading.Event) -> None:
    """GetRun still says the window before; once it is applied, its answer comes."""
    engine = await market.engine()
    await engine.window(0, limit(1, Side.SELL, 100_010, 5))
    await engine.send(window(1, *LARGE))
    assert (await market.stub.GetRun(pb.GetRunRequest())).last_window == 0
    gate.set()
    assert (await engine.answer()).result.results[0].executions.count == ASIDE_COMMANDS
    assert (await market.stub.GetRun(pb.GetRunRequest())).last_window == 1


async def test_nobody_sees_half_a_window(market: Market, gate: threading.Event) -> None:
    """GetBook waits for it, and an order that comes meanwhile belongs to the next one."""
    engine = await market.engine()
    await engine.send(window(0, *LARGE))
    async with asyncio.timeout(WAIT_S):
        while not market.service.sequencer.books.locked():
            await asyncio.sleep(0.001)
    book = asyncio.ensure_future(market.stub.GetBook(pb.GetBookRequest(symbol=SYMBOL)))
    order = asyncio.ensure_future(market.stub.SubmitOrder(order_request()))
    await market.queued(1)
    assert not book.done()
    gate.set()
    await engine.answer()
    # The best price has every fiftieth of them.
    assert ((await book).window, (await book).bids[0].order_count) == (0, ASIDE_COMMANDS // 50)
    await engine.window(1)
    assert (await order).window == 1


async def test_an_engine_that_leaves_leaves_a_whole_window(market: Market, gate: threading.Event) -> None:
    """What was begun is finished and recorded: the next engine of the run is told of it, and gets the same answer again."""
    engine = await market.engine()
    await engine.send(window(0, *LARGE))
    async with asyncio.timeout(WAIT_S):
        while not market.service.sequencer.books.locked():
            await asyncio.sleep(0.001)
    engine.call.cancel()
    knocking = await market.knock(term=2, instance="engine-b")
    gate.set()
    opened = (await knocking.answer()).opened
    assert opened.last_window == 0
    assert (await knocking.window(0, *LARGE)).results[0].executions.count == ASIDE_COMMANDS


async def test_outside_orders_of_a_window_are_settled_though_the_engine_left(market: Market, gate: threading.Event) -> None:
    """An order in a window that was begun is answered by it, never told that it did not reach the book."""
    engine = await market.engine()
    order = asyncio.ensure_future(market.stub.SubmitOrder(order_request()))
    await market.queued(1)
    await engine.send(window(0, *LARGE))
    await market.queued(0)
    engine.call.cancel()
    gate.set()
    assert ((await order).window, (await order).order.order_id) == (0, 1)
    late = await refused(market.stub.SubmitOrder(order_request(client_order_id="late")))
    assert late[1] == "ENGINE_AWAY"


async def test_a_window_that_was_begun_is_delivered_before_the_book_ends(market: Market, gate: threading.Event) -> None:
    """A drain in the middle of it waits: its frames reach every reader, and named ones have it when the book leaves."""
    engine = await market.engine()
    call = market.stub.StreamTicks(pb.StreamTicksRequest(after_window=-1, reader="archive"))
    await engine.send(window(0, *LARGE))
    async with asyncio.timeout(WAIT_S):
        while not market.service.sequencer.books.locked():
            await asyncio.sleep(0.001)
        draining = asyncio.create_task(market.service.drain(WAIT_S))
        assert not (await market.stub.GetRun(pb.GetRunRequest())).ended
        gate.set()
        messages = [message async for message in call]
        assert [frame.window for message in messages for frame in message.frames] == [0]
        present = await market.stub.GetRun(pb.GetRunRequest())
        assert (present.ended, present.last_window, draining.done()) == (True, 0, False)
        await market.stub.ConfirmWindow(pb.ConfirmWindowRequest(reader="archive", run=market.run, window=0))
        await draining


async def test_window_is_finished_however_often_its_stream_is_cut(market: Market, gate: threading.Event) -> None:
    """An engine that goes and a server that stops each cancel the call; the window is done once, and recorded."""
    await market.engine()
    sequencer, asked = market.service.sequencer, window(0, *LARGE).window
    call = asyncio.create_task(sequencer.window(asked))
    async with asyncio.timeout(WAIT_S):
        while not sequencer.books.locked():
            await asyncio.sleep(0)
    for _ in range(3):
        call.cancel()
        await asyncio.sleep(0)
    assert sequencer.books.locked()
    gate.set()
    await asyncio.wait({call}, timeout=WAIT_S)
    assert call.cancelled()
    assert (await sequencer.window(asked)).result.results[0].executions.count == ASIDE_COMMANDS
    assert sequencer.totals.resent == 1


async def test_many_stops_make_a_window_long(market: Market, gate: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    """While many wait, one command may trigger all of them, so its window is applied aside."""
    monkeypatch.setattr(shard, "LONG_CASCADE", 1)
    engine = await market.engine()
    await engine.window(0, limit(1, Side.BUY, 99_990, 5))
    stop = order_request(order_type="ORDER_TYPE_STOP", price="", stop_price="50100.00")
    waiting = asyncio.ensure_future(market.stub.SubmitOrder(stop))
    await market.queued(1)
    await engine.window(1)
    assert (await waiting).order.status == types_pb2.ORDER_STATUS_PENDING
    await engine.send(window(2, limit(2, Side.BUY, 99_980, 5)))
    assert (await market.stub.GetRun(pb.GetRunRequest())).last_window == 1
    gate.set()
    await engine.answer()
    assert (await market.stub.GetRun(pb.GetRunRequest())).last_window == 2
