"""AmendOrder and MassCancel, as a client sees them."""

import asyncio
from typing import Any

import grpc
import numpy as np
import pytest

from marksim.core.types import EXECUTION, ExecutionKind, OrderType, Reason, Records, Side, TimeInForce
from marksim.orderbook.accounts import OutsideOrder
from marksim.orderbook.outside import Outside
from marksim.v1 import orderbook_pb2 as pb
from marksim.v1 import types_pb2
from tests.orderbook.market import SYMBOL, Market, limit, name, order_request, refused, served

OPEN, CANCELLED = types_pb2.ORDER_STATUS_OPEN, types_pb2.ORDER_STATUS_CANCELLED
NOT_NOW = grpc.StatusCode.FAILED_PRECONDITION


def amending(market: Market, client_order_id: str = "one", **changed: Any) -> "asyncio.Task[pb.AmendOrderResponse]":
    """AmendOrder in the background."""

    async def amend() -> pb.AmendOrderResponse:
        answer: pb.AmendOrderResponse = await market.stub.AmendOrder(
            pb.AmendOrderRequest(**name(client_order_id), **changed)
        )
        return answer

    return asyncio.create_task(amend())


async def opened(market: Market, window: int = 0, *more: Any) -> Any:
    """An engine, and the order "one" (buy 0.010 at 50000) open after its first window."""
    engine = await market.engine()
    task = market.submitting()
    await market.queued(1)
    await engine.window(window, *more)
    await task
    return engine


async def test_an_order_becomes_smaller_or_moves(market: Market) -> None:
    """The answer is the order as it is after the window."""
    engine = await opened(market)
    smaller = amending(market, quantity="0.004")
    await market.queued(1)
    await engine.window(1)
    order = (await smaller).order
    assert (order.price, order.quantity, order.leaves_quantity, order.status) == ("50000.00", "0.004", "0.004", OPEN)
    moved = amending(market, price="49000", quantity="0.020")
    await market.queued(1)
    await engine.window(2)
    answer = await moved
    assert (answer.order.price, answer.order.quantity, answer.window) == ("49000.00", "0.020", 2)


async def test_an_amendment_that_crosses_answers_with_its_fills(market: Market) -> None:
    """Only those of its own window; the order's own first fills stay what they were."""
    engine = await opened(market, 0, limit(1, Side.SELL, 100_010, 4))
    task = amending(market, price="50005")
    await market.queued(1)
    await engine.window(1)
    answer = await task
    assert [(fill.price, fill.quantity) for fill in answer.fills] == [("50005.00", "0.004")]
    assert (answer.order.leaves_quantity, answer.order.price) == ("0.006", "50005.00")
    again = await market.stub.SubmitOrder(order_request())
    assert not again.fills and again.window == 0


async def test_less_than_has_traded_cancels_the_rest(market: Market) -> None:
    """4 of 10 lots have traded: a total of 3 is reached, so nothing more may trade."""
    engine = await opened(market, 0, limit(1, Side.SELL, 100_000, 4))
    task = amending(market, quantity="0.003")
    await market.queued(1)
    await engine.window(1)
    order = (await task).order
    assert (order.status, order.reason, order.filled_quantity) == (CANCELLED, types_pb2.REASON_REQUESTED, "0.004")


async def test_an_order_answers_to_its_old_and_its_new_name(market: Market) -> None:
    """The new one works before the window is done; sending the amendment again has no second effect."""
    engine = await opened(market)
    task = amending(market, new_client_order_id="two", quantity="0.009")
    await market.queued(1)
    assert (await market.stub.GetOrder(pb.GetOrderRequest(**name("two")))).order.client_order_id == "one"
    await engine.window(1)
    assert (await task).order.client_order_id == "two"
    again = await amending(market, new_client_order_id="two", quantity="0.009")
    assert again.order.quantity == "0.009"
    for known in ("one", "two"):
        assert (await market.stub.GetOrder(pb.GetOrderRequest(**name(known)))).order.client_order_id == "two"
    listed = await market.stub.ListOrders(pb.ListOrdersRequest(account="alice"))
    assert [order.client_order_id for order in listed.orders] == ["two"]
    taken = await refused(market.stub.AmendOrder(pb.AmendOrderRequest(**name("two"), new_client_order_id="one")))
    assert taken[0] == grpc.StatusCode.INVALID_ARGUMENT and "has used it before" in taken[2]
    cancel = asyncio.ensure_future(market.stub.CancelOrder(pb.CancelOrderRequest(**name("two"))))
    await market.queued(1)
    await engine.window(2)
    assert (await cancel).order.status == CANCELLED


async def test_a_change_that_the_book_refuses_leaves_the_order(market: Market) -> None:
    """The reason is in the metadata; a name that it was to get leads nowhere."""
    engine = await opened(market)
    refusal = asyncio.ensure_future(
        refused(market.stub.AmendOrder(pb.AmendOrderRequest(**name("one"), price="200000.50", new_client_order_id="two")))
    )
    await market.queued(1)
    await engine.window(1)
    code, reason, text = await refusal
    assert (code, reason) == (NOT_NOW, "AMEND_REJECTED") and "PRICE_BAND" in text
    assert (await market.stub.GetOrder(pb.GetOrderRequest(**name("one")))).order.price == "50000.00"
    assert (await refused(market.stub.GetOrder(pb.GetOrderRequest(**name("two")))))[0] == grpc.StatusCode.NOT_FOUND


async def test_a_closed_order_cannot_be_amended(market: Market) -> None:
    """Whether it closed before the call or in the amendment's window."""
    engine = await opened(market)
    cancel = asyncio.ensure_future(market.stub.CancelOrder(pb.CancelOrderRequest(**name("one"))))
    await market.queued(1)
    late = asyncio.ensure_future(refused(market.stub.AmendOrder(pb.AmendOrderRequest(**name("one"), price="49000"))))
    await market.queued(2)
    await engine.window(1)
    assert (await cancel).order.status == CANCELLED
    assert (await late)[:2] == (NOT_NOW, "ORDER_CLOSED")
    refusal = await refused(market.stub.AmendOrder(pb.AmendOrderRequest(**name("one"), price="49000")))
    assert refusal[:2] == (NOT_NOW, "ORDER_CLOSED")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({}, "price is empty, like quantity and new_client_order_id"),
        ({"price": "50000.3"}, "price is 50000.3, no multiple of the tick size"),
        ({"quantity": "-1"}, "quantity is -1"),
        ({"new_client_order_id": "a b"}, "new_client_order_id is 'a b'"),
        ({"client_order_id": "no such"}, "client_order_id is 'no such'"),
    ],
)
async def test_a_wrong_amendment_names_the_field(market: Market, changed: dict[str, Any], message: str) -> None:
    """Nothing is queued."""
    await opened(market)
    code, _, text = await refused(market.stub.AmendOrder(pb.AmendOrderRequest(**(name("one") | changed))))
    assert code == grpc.StatusCode.INVALID_ARGUMENT and message in text


async def test_all_open_orders_of_an_account_are_cancelled(market: Market) -> None:
    """Those that were open when it came, of one side if asked; what came after it stays, and so do others'."""
    engine = await opened(market)
    task = market.submitting("bid")
    other = market.submitting("other", account="bob")
    ask = market.submitting("ask", side=Side.SELL, price="51000")
    await market.queued(3)
    mass = asyncio.ensure_future(
        market.stub.MassCancel(pb.MassCancelRequest(account="alice", symbol=SYMBOL, side=types_pb2.SIDE_BUY))
    )
    await market.queued(4)
    later = market.submitting("later")
    await market.queued(5)
    await engine.window(1)
    answer = await mass
    assert [order.client_order_id for order in answer.orders] == ["one", "bid"]
    assert (answer.cancelled, answer.window) == (2, 1)
    assert {order.status for order in answer.orders} == {CANCELLED}
    assert [(await kept).order.status for kept in (task, other, ask, later)] == [CANCELLED, OPEN, OPEN, OPEN]


async def test_a_mass_cancel_without_orders_is_done_at_once(market: Market) -> None:
    """An account that never sent an order has none to cancel."""
    await market.engine()
    answer = await market.stub.MassCancel(pb.MassCancelRequest(account="nobody"))
    assert (answer.cancelled, answer.window) == (0, -1)
    code, _, text = await refused(market.stub.MassCancel(pb.MassCancelRequest(account="nobody", side=9)))  # type: ignore[arg-type]
    assert code == grpc.StatusCode.INVALID_ARGUMENT and "side is 9" in text


async def test_amendments_and_mass_cancels_count_towards_the_queue() -> None:
    """At its bound they are refused, and what waits is not hurt."""
    async with served(outside_queue=1) as market:
        engine = await market.engine()
        task = market.submitting()
        await market.queued(1)
        for call in (
            market.stub.AmendOrder(pb.AmendOrderRequest(**name("one"), price="49000")),
            market.stub.MassCancel(pb.MassCancelRequest(account="alice")),
        ):
            assert (await refused(call))[:2] == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL")
        await engine.window(0)
        assert (await task).order.status == OPEN


async def test_an_amendment_sent_again_has_no_second_effect(market: Market) -> None:
    """While it waits, and after it was done: the same window and fills. With other contents its name is taken."""
    engine = await opened(market, 0, limit(1, Side.SELL, 100_010, 4))
    first = amending(market, new_client_order_id="two", price="50005")
    await market.queued(1)
    second = amending(market, new_client_order_id="two", price="50005")
    await engine.window(1)
    answers = [await first, await second, await amending(market, new_client_order_id="two", price="50005")]
    assert {(answer.window, len(answer.fills), answer.order.leaves_quantity) for answer in answers} == {(1, 1, "0.006")}
    other = pb.AmendOrderRequest(**name("one"), new_client_order_id="two", price="40000")
    code, _, text = await refused(market.stub.AmendOrder(other))
    assert code == grpc.StatusCode.INVALID_ARGUMENT and "has used it before" in text


async def test_a_name_of_an_order_that_ended_with_it_leads_nowhere(market: Market) -> None:
    """4 of 10 lots have traded, so a total of 3 cancels the rest: the order never got the name, and it is free."""
    engine = await opened(market, 0, limit(1, Side.SELL, 100_000, 4))
    task = amending(market, quantity="0.003", new_client_order_id="two")
    await market.queued(1)
    await engine.window(1)
    assert (await task).order.client_order_id == "one"
    assert (await refused(market.stub.GetOrder(pb.GetOrderRequest(**name("two")))))[0] == grpc.StatusCode.NOT_FOUND


async def test_an_order_answers_to_its_last_names(market: Market) -> None:
    """Its first, and as many as are kept; one that was given long ago is forgotten."""
    engine = await opened(market)
    for number in range(20):
        task = amending(market, new_client_order_id=f"n{number}")
        await market.queued(1)
        await engine.window(number + 1)
        await task
    for known in ("one", "n5", "n19"):
        assert (await market.stub.GetOrder(pb.GetOrderRequest(**name(known)))).order.client_order_id == "n19"
    assert (await refused(market.stub.GetOrder(pb.GetOrderRequest(**name("n4")))))[0] == grpc.StatusCode.NOT_FOUND


async def test_fills_of_an_amendment_are_in_its_answer_alone(market: Market) -> None:
    """Order and amendment in one window: nobody who adds up both answers counts a fill twice."""
    engine = await market.engine()
    await engine.window(0, limit(1, Side.SELL, 100_010, 4))
    order = market.submitting()
    await market.queued(1)
    amendment = amending(market, price="50005")
    await market.queued(2)
    await engine.window(1)
    assert (len((await order).fills), len((await amendment).fills)) == (0, 1)


async def test_a_stranger_cannot_name_an_account_as_group(market: Market) -> None:
    """An account without a group is its own, which no name of a group is: nobody else's order touches it."""
    engine = await opened(market)
    task = market.submitting(
        "theirs", account="mallory", side=Side.SELL, self_trade_group="alice", self_trade_prevention=2, time_in_force=2
    )
    await market.queued(1)
    await engine.window(1)
    assert (await task).order.filled_quantity == "0.010"


async def test_an_order_still_waits_when_its_amendment_is_given_up(market: Market) -> None:
    """Pausing refuses what did not ask to be queued; who asks for the order again waits for it as before."""
    engine = await market.engine()
    order = market.submitting(queue_while_paused=True)
    await market.queued(1)
    amendment = asyncio.ensure_future(refused(market.stub.AmendOrder(pb.AmendOrderRequest(**name("one"), price="49000"))))
    await market.queued(2)
    await engine.pause()
    assert (await amendment)[:2] == (NOT_NOW, "MARKET_PAUSED")
    again = market.submitting(queue_while_paused=True)
    await engine.window(0)
    assert {(await answer).window for answer in (order, again)} == {0}


async def test_fills_of_an_amendment_are_kept_until_the_next_one(market: Market) -> None:
    """Sent again, the last one answers with its fills; those before it only with the order, so that memory stays bounded."""
    engine = await opened(market, 0, limit(1, Side.SELL, 100_010, 2), limit(2, Side.SELL, 100_020, 2))
    both = []
    for place, (price, new_name) in enumerate((("50005", "two"), ("50010", "three")), 1):
        both.append(amending(market, price=price, new_client_order_id=new_name))
        await market.queued(place)
    await engine.window(1)
    assert [len((await task).fills) for task in both] == [1, 1]
    again = [
        await amending(market, price="50005", new_client_order_id="two"),
        await amending(market, price="50010", new_client_order_id="three"),
    ]
    assert [len(answer.fills) for answer in again] == [0, 1]


async def test_commands_about_an_order_that_was_forgotten_meanwhile_are_answered(market: Market) -> None:
    """It closed and made room while they waited: the book's refusal reaches them all the same."""
    outside = Outside(max_queue=8, max_accounts=1, max_orders=1)
    instrument = market.service.sequencer.instruments[SYMBOL]
    order = OutsideOrder(
        outside.claim_account("alice"), instrument, ["one"], Side.BUY, OrderType.LIMIT, TimeInForce.GTC, 100_000, 10
    )
    outside.enqueue(order, while_paused=False)

    def settle(window: int, **row: int) -> None:
        rows: Records = np.zeros(1, EXECUTION)
        for column, value in {"account": order.account.number, "serial": order.serial, **row}.items():
            rows[column] = value
        outside.settle(window, {SYMBOL: rows})
        outside.answer()

    outside.seal(0, 0)
    settle(0, kind=ExecutionKind.ACCEPTED, leaves_lots=10)
    cancel = outside.enqueue_cancel(order, while_paused=False)
    amend = outside.enqueue_amend(order, 0, 5, "", while_paused=False)
    # A window that was sealed before them ends the order.
    settle(1, kind=ExecutionKind.EXPIRED, reason=Reason.EXPIRED)
    outside.check_room()
    assert outside.order_count == 0
    outside.seal(2, 0)
    settle(2, kind=ExecutionKind.CANCEL_REJECTED, reason=Reason.UNKNOWN_ORDER)
    assert (cancel.refused, amend.refused) == (Reason.UNKNOWN_ORDER, Reason.UNSPECIFIED)
    assert await cancel.told() == 2
