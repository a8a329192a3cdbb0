"""Acknowledged means kept: a client that asks again after a crash of the book gets the answer that it had, and no other."""

import asyncio
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from marksim.core.types import Side
from marksim.orderbook.outside import Outside
from marksim.v1 import orderbook_pb2 as pb
from marksim.v1 import types_pb2
from tests.orderbook.market import Engine, Market, answered, limit, name, order_request, refused

FULL = (grpc.StatusCode.RESOURCE_EXHAUSTED, "JOURNAL_FULL")


class Notebook:
    """What the book's journal would hold of outside orders."""

    def __init__(self) -> None:
        self.notes: dict[str, bytes] = {}

    def crash(self, market: Market) -> None:
        """The book forgets all outside accounts but what is noted."""
        sequencer = market.service.sequencer
        sequencer.outside = sequencer.limits.restored(sorted(self.notes.items()), sequencer.instruments)


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Notebook]:
    """Takes the changes of each window, whoever asks for them."""
    book, changes = Notebook(), Outside.changes

    def taken(self: Outside) -> dict[str, bytes | None]:
        told = changes(self)
        for key, value in told.items():
            book.notes.pop(key, None)
            if value is not None:
                book.notes[key] = value
        return told

    monkeypatch.setattr(Outside, "changes", taken)
    monkeypatch.setattr(Outside, "drop_changes", lambda self: self.changes())
    yield book
    assert book.notes, "the book asked for no changes"


def amending(market: Market, client_order_id: str, **changed: Any) -> "asyncio.Task[pb.AmendOrderResponse]":
    return asyncio.create_task(answered(market.stub.AmendOrder(pb.AmendOrderRequest(**name(client_order_id), **changed))))


async def traded(market: Market, engine: Engine) -> tuple[pb.SubmitOrderResponse, pb.AmendOrderResponse]:
    """An order that met one lot at once, and another when it was amended; both answers."""
    await engine.window(0, limit(1, Side.SELL, 100_000, 1), limit(2, Side.SELL, 100_010, 1))
    submitted = market.submitting()
    await market.queued(1)
    await engine.window(1)
    amended = amending(market, "one", price="50005", new_client_order_id="two")
    await market.queued(1)
    await engine.window(2)
    return await submitted, await amended


async def test_the_same_call_gets_the_same_answer(market: Market, notebook: Notebook) -> None:
    """An order by its first name and the one that an amendment gave it, and the amendment, each with its own fills."""
    engine = await market.engine()
    first, amended = await traded(market, engine)
    before, again = await asked(market), await market.submit()
    assert (again.window, len(again.fills), len(amended.fills)) == (first.window, 1, 1)
    notebook.crash(market)
    assert await asked(market) == before and await market.submit() == await market.submit("two") == again
    assert await amending(market, "one", price="50005", new_client_order_id="two") == amended
    assert market.service.sequencer.outside.queued == 0


async def asked(market: Market) -> tuple[Any, ...]:
    """All that the account can ask without a command."""
    return (
        await market.stub.GetOrder(pb.GetOrderRequest(**name("two"))),
        await market.stub.ListOrders(pb.ListOrdersRequest(account="alice")),
        await market.stub.ListTrades(pb.ListTradesRequest(account="alice", symbol="BTC/USD")),
        await market.stub.GetPosition(pb.GetPositionRequest(account="alice")),
    )


async def test_its_orders_go_on(market: Market, notebook: Notebook) -> None:
    """They are found by the market's events, and by their owner's commands."""
    engine = await market.engine()
    await traded(market, engine)
    notebook.crash(market)
    await engine.window(3, limit(3, Side.SELL, 100_010, 2))
    order = (await market.stub.GetOrder(pb.GetOrderRequest(**name()))).order
    assert order.filled_quantity == "0.004"
    cancel = asyncio.ensure_future(market.stub.CancelOrder(pb.CancelOrderRequest(**name("two"))))
    await market.queued(1)
    await engine.window(4)
    assert (await cancel).order.leaves_quantity == "0.000"
    position = (await market.stub.GetPosition(pb.GetPositionRequest(account="alice"))).positions[0]
    assert (position.quantity, position.trades) == ("0.004", 3)


async def test_nothing_is_promised_while_a_window_is_held(market: Market) -> None:
    """Commands are refused, waiting ones too, and so is what would tell of a window that may be undone."""
    engine = await market.engine()
    task = market.submitting()
    await market.queued(1)
    await engine.window(0)
    await task
    market.service.sequencer.held = "no space left"
    stub = market.stub
    for call in (
        stub.SubmitOrder(order_request("new", queue_while_paused=True)),
        stub.SubmitOrder(order_request()),
        stub.CancelOrder(pb.CancelOrderRequest(**name(), queue_while_paused=True)),
        stub.AmendOrder(pb.AmendOrderRequest(**name(), quantity="0.1", queue_while_paused=True)),
        stub.MassCancel(pb.MassCancelRequest(account="alice", queue_while_paused=True)),
        stub.SetSession(
            pb.SetSessionRequest(symbol="BTC/USD", state=types_pb2.SESSION_STATE_HALTED, queue_while_paused=True)
        ),
        stub.GetOrder(pb.GetOrderRequest(**name())),
        stub.ListOrders(pb.ListOrdersRequest(account="alice")),
        stub.ListTrades(pb.ListTradesRequest(account="alice", symbol="BTC/USD")),
        stub.GetPosition(pb.GetPositionRequest(account="alice")),
    ):
        code, reason, message = await refused(call)
        assert (code, reason) == FULL and "no space left" in message
    assert market.service.sequencer.outside.queued == 0
    market.service.sequencer.held = ""
    assert (await market.stub.GetOrder(pb.GetOrderRequest(**name()))).order.status == 2


async def test_what_is_settled_is_told_only_when_it_is_answered(market: Market) -> None:
    """Whoever asks in between waits for it."""
    await market.engine()
    outside = market.service.sequencer.outside
    task = market.submitting()
    await market.queued(1)
    outside.seal(0, 0)
    outside.settle(0, {})
    asking = asyncio.create_task(answered(market.stub.GetOrder(pb.GetOrderRequest(**name()))))
    done, _ = await asyncio.wait({asking, task}, timeout=0.1)
    assert not done
    outside.answer()
    assert (await asking).order.client_order_id == (await task).order.client_order_id == "one"
