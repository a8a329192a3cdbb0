"""Outside orders go first in their window, have one effect each, and say clearly why they cannot."""

import asyncio
from typing import Any

import grpc
import pytest

from marksim.core.types import Side
from marksim.orderbook.accounts import account_number
from marksim.v1 import orderbook_pb2 as pb
from marksim.v1 import types_pb2
from tests.orderbook.market import START_NS, SYMBOL, Market, limit, name, order_request, refused, served

INVALID = grpc.StatusCode.INVALID_ARGUMENT
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


def test_account_number_is_stated() -> None:
    """An outside account's number is 2^62 + the first 61 bits of SHA-256 of its name, on every shard."""
    assert account_number("alice") == (1 << 62) + (0x2BD806C97F0E00AF >> 3)


async def test_order_trades_in_its_window(market: Market) -> None:
    """The reply comes with the window, carries its fills, and the trade shows everywhere."""
    engine = await market.engine()
    await engine.window(0, limit(1, Side.SELL, 99_990, 4))
    task = market.submitting()
    await market.queued(1)
    await engine.window(1)
    response = await task
    order = response.order
    assert (response.window, response.run, order.status) == (1, market.run, types_pb2.ORDER_STATUS_PARTIALLY_FILLED)
    assert (order.leaves_quantity, order.filled_quantity, order.average_price) == ("0.006", "0.004", "49995.000000")
    (fill,) = response.fills
    assert (fill.price, fill.quantity, fill.liquidity) == ("49995.00", "0.004", types_pb2.LIQUIDITY_TAKER)
    assert order.accepted_time_ns == START_NS + 50_000_000
    public = await market.stub.ListTrades(pb.ListTradesRequest(symbol=SYMBOL))
    own = await market.stub.ListTrades(pb.ListTradesRequest(symbol=SYMBOL, account="alice"))
    assert [trade.sequence for trade in public.trades] == [trade.sequence for trade in own.trades] == [fill.sequence]
    position = (await market.stub.GetPosition(pb.GetPositionRequest(account="alice"))).positions[0]
    assert (position.quantity, position.cash, position.trades) == ("0.004", "-199.9800", 1)


async def test_outside_orders_go_first_in_order_of_arrival(market: Market) -> None:
    """They come before the engine's orders of the same window, and among themselves by arrival."""
    engine = await market.engine()
    tasks = []
    for number, client_order_id in enumerate(("first", "second"), 1):
        tasks.append(market.submitting(client_order_id))
        await market.queued(number)
    await engine.window(0, limit(1, Side.BUY, 100_000, 5), limit(2, Side.SELL, 100_000, 15, account=2))
    first, second = await asyncio.gather(*tasks)
    assert (first.order.order_id, second.order.order_id) == (1, 2)
    assert (first.order.status, second.order.filled_quantity) == (types_pb2.ORDER_STATUS_FILLED, "0.005")


async def test_later_fills_of_a_resting_order_are_seen(market: Market) -> None:
    """A resting order that others trade with fills as a maker, and its owner can see it."""
    engine = await market.engine()
    task = market.submitting()
    await market.queued(1)
    await engine.window(0)
    assert not (await task).fills
    await engine.window(1, limit(1, Side.SELL, 100_000, 10))
    order = (await market.stub.GetOrder(pb.GetOrderRequest(**name()))).order
    assert (order.status, order.filled_quantity) == (types_pb2.ORDER_STATUS_FILLED, "0.010")
    (trade,) = (await market.stub.ListTrades(pb.ListTradesRequest(symbol=SYMBOL, account="alice"))).trades
    assert (trade.fill.liquidity, trade.taker_side) == (types_pb2.LIQUIDITY_MAKER, types_pb2.SIDE_SELL)


async def test_same_client_order_id_has_no_second_effect(market: Market) -> None:
    """Sent again, waiting or done, even with other contents or without an engine, the order is returned as it is."""
    engine = await market.engine()
    tasks = [market.submitting()]
    await market.queued(1)
    tasks.append(market.submitting(price="40000"))
    # Another call over the same connection: what was sent before it has arrived.
    await market.stub.ListInstruments(pb.ListInstrumentsRequest())
    await engine.window(0)
    first, second = await asyncio.gather(*tasks)
    assert first == second and first.order.price == "50000.00"
    engine.call.cancel()
    await market.settled(connected=False)
    assert await market.submit() == first
    assert len((await market.stub.ListOrders(pb.ListOrdersRequest(account="alice"))).orders) == 1


async def test_cancel_takes_what_is_left(market: Market) -> None:
    """A cancel waits for its window; a second one changes nothing."""
    engine = await market.engine()
    task = market.submitting()
    await market.queued(1)
    await engine.window(0)
    await task
    cancel = asyncio.ensure_future(market.stub.CancelOrder(pb.CancelOrderRequest(**name())))
    await market.queued(1)
    await engine.window(1)
    response = await cancel
    assert (response.window, response.order.status) == (1, types_pb2.ORDER_STATUS_CANCELLED)
    assert response.order.reason == types_pb2.REASON_REQUESTED
    assert (await market.stub.CancelOrder(pb.CancelOrderRequest(**name()))).order == response.order
    open_only = pb.ListOrdersRequest(account="alice", open_only=True)
    assert not (await market.stub.ListOrders(open_only)).orders


async def test_orders_are_listed_page_by_page(market: Market) -> None:
    """Newest first, so many a page; an order that comes between two pages neither doubles nor hides another."""
    engine = await market.engine()
    for number in range(5):
        task = market.submitting(client_order_id=f"o-{number}", price=str(40_000 + number))
        await market.queued(1)
        await engine.window(number)
        await task
    listed, token = [], ""
    for number in range(5, 8):
        page = await market.stub.ListOrders(pb.ListOrdersRequest(account="alice", limit=2, page_token=token))
        listed += [order.client_order_id for order in page.orders]
        token = page.next_page_token
        task = market.submitting(client_order_id=f"o-{number}", price="40000")
        await market.queued(1)
        await engine.window(number)
        await task
    assert (listed, token) == (["o-4", "o-3", "o-2", "o-1", "o-0"], "")


@pytest.mark.parametrize(
    ("field", "value"), [("limit", 1_001), ("page_token", "x"), ("page_token", "-1"), ("page_token", "9" * 20)]
)
async def test_wrong_page_is_named(market: Market, field: str, value: int | str) -> None:
    """More than a page may hold, or a token that no answer gave."""
    request = pb.ListOrdersRequest(account="alice")
    setattr(request, field, value)
    code, reason, message = await refused(market.stub.ListOrders(request))
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert message.startswith(f"{field} is {value!r}"[:20])


async def test_order_and_its_cancel_may_share_a_window(market: Market) -> None:
    """A cancel of an order that still waits comes after it in the same window."""
    engine = await market.engine()
    task = market.submitting()
    await market.queued(1)
    cancel = asyncio.ensure_future(market.stub.CancelOrder(pb.CancelOrderRequest(**name())))
    await market.queued(2)
    await engine.window(0)
    assert (await cancel).order.status == types_pb2.ORDER_STATUS_CANCELLED
    assert (await task).order.order_id == 1


async def test_rejected_order_says_why(market: Market) -> None:
    """An order that is well formed but that the book refuses comes back REJECTED with the reason."""
    engine = await market.engine()
    task = market.submitting(price="999999")
    await market.queued(1)
    await engine.window(0)
    order = (await task).order
    assert (order.status, order.reason) == (types_pb2.ORDER_STATUS_REJECTED, types_pb2.REASON_PRICE_BAND)


async def test_no_engine_is_unavailable(market: Market) -> None:
    """Without an engine there is no window to wait for."""
    assert (await refused(market.stub.SubmitOrder(order_request())))[:2] == (UNAVAILABLE, "ENGINE_AWAY")


async def test_engine_that_goes_away_fails_what_waits(market: Market) -> None:
    """Nothing is half done: the waiting order is gone, and its id is free again."""
    engine = await market.engine()
    task = asyncio.ensure_future(refused(market.stub.SubmitOrder(order_request())))
    await market.queued(1)
    engine.call.cancel()
    assert (await task)[:2] == (UNAVAILABLE, "ENGINE_AWAY")
    await market.queued(0)
    assert not (await market.stub.ListOrders(pb.ListOrdersRequest(account="alice"))).orders
    again = await market.engine()
    second = market.submitting(price="40000")
    await market.queued(1)
    await again.window(0)
    assert (await second).order.price == "40000.00"


async def test_paused_market_refuses_unless_asked_to_queue(market: Market) -> None:
    """Pause, submit, step, look works; who does not ask for it is told that the market is paused."""
    engine = await market.engine()
    waiting = asyncio.ensure_future(refused(market.stub.SubmitOrder(order_request("early"))))
    await market.queued(1)
    await engine.pause()
    assert (await waiting)[:2] == (grpc.StatusCode.FAILED_PRECONDITION, "MARKET_PAUSED")
    refusal = await refused(market.stub.SubmitOrder(order_request()))
    assert refusal[:2] == (grpc.StatusCode.FAILED_PRECONDITION, "MARKET_PAUSED")
    task = market.submitting(queue_while_paused=True)
    await market.queued(1)
    await engine.window(0)
    assert (await task).order.status == types_pb2.ORDER_STATUS_OPEN
    await engine.pause(False)
    await market.settled(paused=False)


async def test_queue_is_bounded() -> None:
    """One command too many is refused, and those before it are not hurt."""
    async with served(outside_queue=1) as market:
        engine = await market.engine()
        task = market.submitting()
        await market.queued(1)
        refusal = await refused(market.stub.SubmitOrder(order_request("two")))
        assert refusal[:2] == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL")
        await engine.window(0)
        assert (await task).order.status == types_pb2.ORDER_STATUS_OPEN
        (queue,) = [store for store in market.service.stores() if store.name == "outside_queue"]
        assert (queue.used, queue.capacity, queue.dropped) == (0, 1, 1)


async def test_idle_account_gives_way_but_an_open_one_does_not() -> None:
    """At the bound of accounts, a new one takes the place of one with nothing open, or is refused."""
    async with served(outside_accounts=1) as market:
        engine = await market.engine()
        task = market.submitting()
        await market.queued(1)
        refusal = await refused(market.stub.SubmitOrder(order_request(account="bob")))
        assert refusal[:2] == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_ACCOUNTS")
        await engine.window(0, limit(1, Side.SELL, 100_000, 10))
        await task
        second = market.submitting(account="bob")
        await market.queued(1)
        await engine.window(1)
        assert (await second).order.account == "bob"
        assert not (await market.stub.ListOrders(pb.ListOrdersRequest(account="alice"))).orders


async def test_oldest_closed_order_gives_way() -> None:
    """At the bound of orders the oldest closed one is forgotten; with none closed, a new one is refused."""
    async with served(outside_orders=1) as market:
        engine = await market.engine()
        for number, client_order_id in enumerate(("one", "two")):
            task = market.submitting(client_order_id)
            await market.queued(1)
            if client_order_id == "one":
                refusal = await refused(market.stub.SubmitOrder(order_request("more")))
                assert refusal[:2] == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_ORDERS")
            await engine.window(number, limit(number + 1, Side.SELL, 100_000, 10))
            await task
        assert (await refused(market.stub.GetOrder(pb.GetOrderRequest(**name("one")))))[0] == grpc.StatusCode.NOT_FOUND
        assert (await market.stub.GetOrder(pb.GetOrderRequest(**name("two")))).order.client_order_id == "two"


@pytest.mark.parametrize(
    ("terms", "status", "reason"),
    [
        ({"time_in_force": types_pb2.TIME_IN_FORCE_FOK}, "CANCELLED", "FOK_NOT_FILLED"),
        ({"min_quantity": "0.006"}, "CANCELLED", "MIN_QUANTITY"),
        ({"min_quantity": "0.005"}, "PARTIALLY_FILLED", "UNSPECIFIED"),
        ({"post_only": types_pb2.POST_ONLY_REJECT}, "REJECTED", "WOULD_TAKE"),
        ({"post_only": types_pb2.POST_ONLY_SLIDE}, "OPEN", "UNSPECIFIED"),
        ({"self_trade_prevention": 1, "self_trade_group": "desk"}, "PARTIALLY_FILLED", "UNSPECIFIED"),
    ],
)
async def test_terms_reach_the_book(market: Market, terms: dict[str, Any], status: str, reason: str) -> None:
    """Of 0.010 wanted 0.005 are there: what each term makes of it."""
    engine = await market.engine()
    await engine.window(0, limit(1, Side.SELL, 100_000, 5))
    task = market.submitting(**terms)
    await market.queued(1)
    await engine.window(1)
    order = (await task).order
    assert types_pb2.OrderStatus.Name(order.status) == f"ORDER_STATUS_{status}"
    assert types_pb2.Reason.Name(order.reason) == f"REASON_{reason}"
    assert order.price == ("49999.50" if "post_only" in terms and status == "OPEN" else "50000.00")


async def test_an_iceberg_shows_its_part(market: Market) -> None:
    """The book shows 0.003 of 0.010; what trades is refilled, and the owner sees all of it."""
    engine = await market.engine()
    task = market.submitting(display_quantity="0.003")
    await market.queued(1)
    await engine.window(0)
    assert (await task).order.leaves_quantity == "0.010"
    await engine.window(1, limit(1, Side.SELL, 100_000, 4))
    (level,) = (await market.stub.GetBook(pb.GetBookRequest(symbol=SYMBOL))).bids
    assert (level.quantity, level.order_count) == ("0.002", 1)
    order = (await market.stub.GetOrder(pb.GetOrderRequest(**name()))).order
    assert (order.leaves_quantity, order.filled_quantity) == ("0.006", "0.004")


async def test_an_order_expires_in_a_window_without_commands(market: Market) -> None:
    """The window that its end lies in is empty; the order is EXPIRED at that time all the same."""
    engine = await market.engine()
    task = market.submitting(time_in_force=types_pb2.TIME_IN_FORCE_GTD, expire_time_ns=START_NS + 75_000_000)
    late = market.submitting("late", time_in_force=types_pb2.TIME_IN_FORCE_GTD, expire_time_ns=START_NS)
    await market.queued(2)
    await engine.window(0)
    assert (await task).order.status == types_pb2.ORDER_STATUS_OPEN
    order = (await late).order
    assert (order.status, order.reason) == (types_pb2.ORDER_STATUS_REJECTED, types_pb2.REASON_EXPIRED)
    await engine.window(1)
    order = (await market.stub.GetOrder(pb.GetOrderRequest(**name()))).order
    assert (order.status, order.updated_time_ns) == (types_pb2.ORDER_STATUS_EXPIRED, START_NS + 75_000_000)


async def test_a_stop_waits_for_its_price(market: Market) -> None:
    """It is PENDING until the trade that triggers it, and is amended and cancelled meanwhile like any other."""
    engine = await market.engine()
    stop: dict[str, Any] = {"order_type": types_pb2.ORDER_TYPE_STOP_LIMIT, "stop_price": "50001", "price": "50002"}
    task, other = market.submitting(**stop), market.submitting("other", **stop)
    refused_stop = market.submitting("refused", **{**stop, "stop_price": "999999"})
    await market.queued(3)
    await engine.window(0)
    assert (await refused_stop).order.status == types_pb2.ORDER_STATUS_REJECTED
    assert {(await waiting).order.status for waiting in (task, other)} == {types_pb2.ORDER_STATUS_PENDING}
    cancel = asyncio.ensure_future(market.stub.CancelOrder(pb.CancelOrderRequest(**name("other"))))
    await market.queued(1)
    await engine.window(1, limit(1, Side.SELL, 100_003, 3), limit(2, Side.BUY, 100_003, 1))
    assert (await cancel).order.status == types_pb2.ORDER_STATUS_CANCELLED
    order = (await market.stub.GetOrder(pb.GetOrderRequest(**name()))).order
    assert (order.status, order.filled_quantity, order.price) == (
        types_pb2.ORDER_STATUS_PARTIALLY_FILLED,
        "0.002",
        "50002.00",
    )


async def test_accounts_of_a_group_do_not_trade_with_each_other(market: Market) -> None:
    """What is taken off both leaves the larger one open, with what is left of it."""
    engine = await market.engine()
    first = market.submitting("maker", account="desk/a", self_trade_group="desk", self_trade_prevention=4)
    second = market.submitting(
        "taker", account="desk/b", side=Side.SELL, quantity="0.004", self_trade_group="desk", self_trade_prevention=4
    )
    await market.queued(2)
    await engine.window(0)
    maker, taker = (await first).order, (await second).order
    assert (maker.status, maker.leaves_quantity) == (types_pb2.ORDER_STATUS_OPEN, "0.006")
    assert (taker.status, taker.reason) == (types_pb2.ORDER_STATUS_CANCELLED, types_pb2.REASON_SELF_TRADE)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"symbol": "DOGE/USD"}, "symbol 'DOGE/USD' is not traded here: give one of BTC/USD"),
        ({"symbol": ""}, "give one of BTC/USD"),
        ({"price": "50000.3"}, "price is 50000.3, no multiple of the tick size 0.50: try 50000 or 50000.5"),
        ({"price": ""}, "price is empty"),
        ({"price": "NaN"}, "price is 'NaN'"),
        ({"price": "-1"}, "price is -1: it must not be negative"),
        ({"price": "1" * 30}, "price is 1111"),
        ({"quantity": "0"}, "quantity is 0: it must be greater than zero"),
        ({"quantity": "-0.010"}, "quantity is -0.010: it must not be negative"),
        ({"quantity": "99999999999"}, "quantity is 99999999999: give one between"),
        ({"quantity": "inf"}, "quantity is 'inf'"),
        ({"quantity": "1e1"}, "quantity is '1e1'"),
        ({"quantity": " "}, "quantity is ' '"),
        ({"quantity": ""}, "quantity is empty"),
        ({"quantity": "0.00000000000000000000000000000001"}, "quantity has 34 characters"),
        ({"side": 9}, "side is 9: give one of"),
        ({"side": 0}, "side is missing"),
        ({"order_type": 9}, "order_type is 9: give one of"),
        ({"order_type": 0}, "order_type is missing"),
        ({"time_in_force": 77}, "time_in_force is 77"),
        ({"post_only": 77}, "post_only is 77"),
        ({"self_trade_prevention": 77}, "self_trade_prevention is 77"),
        ({"order_type": types_pb2.ORDER_TYPE_MARKET}, "price is '50000': leave it empty"),
        ({"order_type": types_pb2.ORDER_TYPE_MARKET, "price": "", "time_in_force": 1}, "time_in_force is GTC"),
        (
            {"order_type": types_pb2.ORDER_TYPE_MARKET, "price": "", "post_only": 1},
            "post_only is set: a MARKET order takes",
        ),
        ({"time_in_force": types_pb2.TIME_IN_FORCE_FOK, "post_only": 2}, "post_only is set: an IOC or FOK order only takes"),
        ({"min_quantity": "0.001", "post_only": 1}, "min_quantity is set: a post-only order trades nothing at once"),
        ({"min_quantity": "0"}, "min_quantity is 0: it must be greater than zero"),
        ({"min_quantity": "0.0005"}, "min_quantity is 0.0005, no multiple of the lot size"),
        ({"min_quantity": "9"}, "min_quantity is 9: give at most the quantity"),
        ({"time_in_force": types_pb2.TIME_IN_FORCE_GTD}, "expire_time_ns is 0: say when"),
        ({"time_in_force": types_pb2.TIME_IN_FORCE_GTD, "expire_time_ns": -1}, "expire_time_ns is -1: say when"),
        ({"expire_time_ns": 1}, "expire_time_ns is set: only TIME_IN_FORCE_GTD has an end"),
        (
            {"order_type": types_pb2.ORDER_TYPE_MARKET, "price": "", "time_in_force": 4, "expire_time_ns": 1},
            "is GTD: a market",
        ),
        ({"display_quantity": "0.011"}, "display_quantity is 0.011: give at most the quantity, 0.010"),
        ({"display_quantity": "0.001", "quantity": "0.101"}, "give at least a hundredth of the quantity, 0.002"),
        ({"display_quantity": "0"}, "display_quantity is 0: it must be greater than zero"),
        (
            {"display_quantity": "0.001", "time_in_force": types_pb2.TIME_IN_FORCE_IOC},
            "only a limit order that rests shows a part",
        ),
        ({"stop_price": "50000"}, "stop_price is set: only a STOP or STOP_LIMIT order"),
        ({"order_type": 3, "price": "", "stop_price": ""}, "stop_price is empty"),
        ({"order_type": 3, "price": "", "stop_price": "50000.3"}, "stop_price is 50000.3, no multiple of the tick size"),
        ({"order_type": 3, "stop_price": "50000"}, "price is '50000': leave it empty"),
        ({"order_type": 4, "price": "", "stop_price": "50000"}, "price is empty"),
        ({"order_type": 3, "price": "", "stop_price": "50000", "time_in_force": 2}, "time_in_force is IOC: a stop waits"),
        ({"order_type": 4, "stop_price": "50000", "min_quantity": "0.001"}, "min_quantity is set: a stop trades nothing"),
        ({"order_type": 4, "stop_price": "50000", "post_only": 1}, "post_only is set: a STOP_LIMIT order takes"),
        ({"time_in_force": 5, "order_type": 3, "price": "", "stop_price": "50000"}, "time_in_force is AT_THE_OPEN: only a"),
        ({"time_in_force": 5, "display_quantity": "0.001"}, "display_quantity is set: an order that is AT_THE_OPEN"),
        ({"time_in_force": 5, "min_quantity": "0.001"}, "min_quantity is set: an order that is AT_THE_OPEN"),
        ({"time_in_force": 5, "post_only": 1}, "post_only is set: an order that is AT_THE_OPEN"),
        ({"time_in_force": 5, "expire_time_ns": 10**18}, "expire_time_ns is set: only TIME_IN_FORCE_GTD has an end"),
        ({"self_trade_group": "desk"}, "self_trade_group is set without self_trade_prevention"),
        ({"self_trade_group": "a b", "self_trade_prevention": 1}, "self_trade_group is 'a b'"),
        ({"account": ""}, "account is ''"),
        ({"account": "a b"}, "account is 'a b': give 1 to 36 characters of"),
        ({"account": "ä"}, "account is"),
        ({"client_order_id": "x" * 37}, "client_order_id is"),
        ({"client_order_id": "x\n"}, "client_order_id is"),
    ],
)
async def test_bad_input_names_the_field_and_the_fix(market: Market, changed: dict[str, Any], message: str) -> None:
    """Each wrong field is refused by name before anything is queued, whether or not an engine is there."""
    code, _, text = await refused(market.stub.SubmitOrder(order_request(**changed)))
    assert code == INVALID and message in text


async def test_unknown_order_is_not_found(market: Market) -> None:
    """Nobody sees or cancels an order of another account, or one that never was."""
    await market.engine()
    for call in (
        market.stub.GetOrder(pb.GetOrderRequest(**name())),
        market.stub.CancelOrder(pb.CancelOrderRequest(**name())),
    ):
        assert (await refused(call))[:2] == (grpc.StatusCode.NOT_FOUND, "UNKNOWN_ORDER")


async def test_market_order_takes_or_is_cancelled(market: Market) -> None:
    """A market order takes what is there; what finds nothing is cancelled for want of liquidity."""
    engine = await market.engine()
    task = market.submitting(order_type=types_pb2.ORDER_TYPE_MARKET, price="")
    await market.queued(1)
    await engine.window(0)
    order = (await task).order
    assert (order.status, order.reason) == (types_pb2.ORDER_STATUS_CANCELLED, types_pb2.REASON_NO_LIQUIDITY)
    assert order.price == ""


TERMS = [
    {
        "display_quantity": "0.002",
        "post_only": types_pb2.POST_ONLY_SLIDE,
        "time_in_force": types_pb2.TIME_IN_FORCE_GTD,
        "expire_time_ns": START_NS + 10**12,
    },
    {
        "min_quantity": "0.001",
        "self_trade_prevention": types_pb2.SELF_TRADE_PREVENTION_DECREMENT,
        "self_trade_group": "desk",
        "time_in_force": types_pb2.TIME_IN_FORCE_IOC,
    },
    {"order_type": types_pb2.ORDER_TYPE_STOP_LIMIT, "stop_price": "50010.00"},
]


@pytest.mark.parametrize("terms", TERMS)
async def test_an_order_shows_the_terms_it_was_sent_with(market: Market, terms: dict[str, Any]) -> None:
    """In every answer that has the order; what it was not sent with stays empty."""
    engine = await market.engine()
    task = market.submitting(**terms)
    await market.queued(1)
    await engine.window(0)
    answers = [
        (await task).order,
        (await market.stub.GetOrder(pb.GetOrderRequest(**name()))).order,
        (await market.stub.ListOrders(pb.ListOrdersRequest(account="alice"))).orders[0],
    ]
    shown = {field.name for term in TERMS for field in types_pb2.Order.DESCRIPTOR.fields if field.name in term}
    assert len(shown) == 9
    for order in answers:
        given = {field: getattr(order, field) for field in shown if getattr(order, field)}
        assert given == {"order_type": types_pb2.ORDER_TYPE_LIMIT} | terms
