"""No unary answer outgrows what a client takes, and pages of a list lose nothing."""

import asyncio
import uuid
from typing import Any

import grpc
import pytest

from marksim.codec import MAX_DONE_ROWS, quantity_text
from marksim.core.book.resting import DEFAULT_MAX_ORDERS
from marksim.core.book.rules import MAX_REFILLS
from marksim.core.types import EXECUTION, MAX_QUANTITY_LOTS, TRADE, Liquidity, OrderType, Side, TimeInForce
from marksim.orderbook.accounts import Account, OutsideOrder, OwnFill, account_number
from marksim.orderbook.order_entry import fill_to_proto, order_to_proto
from marksim.orderbook.servicer import MAX_LEVELS_BY_ORDER, MAX_LIMIT, MAX_ORDERS_OF_LEVEL, MAX_ORDERS_OF_SIDE
from marksim.runtime.channel import MAX_ANSWER_BYTES
from marksim.v1 import orderbook_pb2 as pb
from marksim.v1 import types_pb2
from tests.orderbook.market import SYMBOL, Engine, Market, limit, order_request, refused

MOST_BYTES = 4 << 20
"""What a gRPC client takes unless it was told otherwise."""


async def rest(market: Market, engine: Engine, number: int, *names: str) -> None:
    """Let orders of these names rest, all in one window."""
    tasks = []
    for place, name in enumerate(names, 1):
        tasks.append(market.submitting(name, price="40000"))
        await market.queued(place)
    await engine.window(number)
    await asyncio.gather(*tasks)


async def page(market: Market, token: str = "", **asked: Any) -> tuple[list[str], str]:
    """Names of the orders on a page, and the token of the next."""
    request = pb.ListOrdersRequest(account="alice", page_token=token, **asked)
    answer = await market.stub.ListOrders(request)
    return [order.client_order_id for order in answer.orders], answer.next_page_token


async def test_orders_that_come_and_go_between_pages_lose_none(market: Market) -> None:
    """New orders stand before the first page, closed ones leave their place: what stays is seen once."""
    engine = await market.engine()
    await rest(market, engine, 0, *"abcde")
    first, token = await page(market, limit=2, open_only=True)
    await rest(market, engine, 1, "f", "g")
    for number, gone in enumerate("dc", 2):
        request = pb.CancelOrderRequest(account="alice", symbol=SYMBOL, client_order_id=gone)
        cancel = asyncio.ensure_future(market.stub.CancelOrder(request))
        await market.queued(1)
        await engine.window(number)
        await cancel
    second, token = await page(market, token, limit=2, open_only=True)
    assert (first, second, token) == (["e", "d"], ["b", "a"], "")


async def test_page_has_100_orders_unless_asked_otherwise(market: Market) -> None:
    """Nobody gets more than a page by not asking."""
    engine = await market.engine()
    await rest(market, engine, 0, *map(str, range(101)))
    names, token = await page(market)
    assert (len(names), names[0]) == (100, "100")
    assert await page(market, token) == (["0"], "")


async def test_page_token_ends_with_its_run(market: Market) -> None:
    """A new run has none of the old orders, and says so instead of giving an arbitrary page."""
    engine = await market.engine()
    await rest(market, engine, 0, "a", "b")
    _, token = await page(market, limit=1)
    await market.engine(run=str(uuid.uuid4()), term=2)
    code, _, message = await refused(market.stub.ListOrders(pb.ListOrdersRequest(account="alice", page_token=token)))
    assert code == grpc.StatusCode.INVALID_ARGUMENT and "no page of this run" in message


async def test_fills_in_an_answer_are_bounded(market: Market) -> None:
    """An order that meets more makers than an answer may list shows the first 1,000, and the sum of all."""
    engine = await market.engine()
    await engine.window(0, *(limit(serial, Side.SELL, 100_000, 1) for serial in range(1, 1_202)))
    task = market.submitting(quantity="1.2")
    await market.queued(1)
    await engine.window(1)
    answer = await task
    assert (len(answer.fills), answer.order.filled_quantity) == (1_000, "1.200")
    first = answer.fills[0].sequence
    assert [fill.sequence for fill in answer.fills] == list(range(first, first + 1_000))


async def test_largest_answers_fit_a_client(market: Market) -> None:
    """1,000 rows of the longest names and numbers that the contract allows are below gRPC's 4 MiB."""
    instrument = market.service.sequencer.instruments[SYMBOL]
    account = Account("a" * 36, account_number("a" * 36))
    huge = (1 << 62) - 1
    order = OutsideOrder(
        account, instrument, ["o" * 36], Side.SELL, OrderType.LIMIT, TimeInForce.GTC, price_ticks=huge, quantity_lots=huge
    )
    order.stop_price_ticks = order.display_lots = order.min_quantity_lots = order.expire_time_ns = huge
    order.self_trade_group = "g" * 36
    order.order_id = order.leaves_lots = order.filled_lots = order.accepted_ns = order.updated_ns = huge
    order.notional = huge * huge
    own = fill_to_proto(OwnFill(order, huge, huge, huge, huge, Liquidity.MAKER))
    text = own.price
    trade = pb.TradeRecord(sequence=huge, time_ns=huge, taker_side=types_pb2.SIDE_SELL, price=text, quantity=text, fill=own)
    level = pb.BookLevel(price=text, quantity=text, order_count=huge)
    shown = pb.BookOrder(order_id=huge, quantity=quantity_text(MAX_QUANTITY_LOTS, instrument))
    queue = pb.BookLevel(price=text, quantity=text, order_count=huge, orders=[shown] * MAX_ORDERS_OF_LEVEL)
    full = MAX_ORDERS_OF_SIDE // MAX_ORDERS_OF_LEVEL
    side = [queue] * full + [level] * (MAX_LEVELS_BY_ORDER - full)
    answers = (
        pb.ListOrdersResponse(orders=[order_to_proto(order)] * MAX_LIMIT, next_page_token="t" * 55),
        pb.ListTradesResponse(trades=[trade] * MAX_LIMIT),
        pb.GetBookResponse(bids=[level] * MAX_LIMIT, asks=[level] * MAX_LIMIT),
        pb.GetBookResponse(bids=side, asks=side),
        pb.SubmitOrderResponse(order=order_to_proto(order), fills=[own] * MAX_LIMIT),
    )
    # Symbols may have finer steps than this one: there is room for eight times as much.
    assert max(answer.ByteSize() for answer in answers) < MOST_BYTES / 8


@pytest.mark.parametrize(
    ("rpc", "request_"),
    [
        ("GetBook", pb.GetBookRequest(symbol="S" * 100_000)),
        ("ListTrades", pb.ListTradesRequest(symbol="S" * 100_000)),
        ("SubmitOrder", order_request(symbol="S" * 100_000)),
        ("GetOrder", pb.GetOrderRequest(account="A" * 100_000)),
        ("ConfirmWindow", pb.ConfirmWindowRequest(reader="archive", run="R" * 100_000)),
        ("ForgetReader", pb.ForgetReaderRequest(reader="R" * 100_000)),
    ],
)
async def test_refusals_do_not_repeat_all_that_was_said(market: Market, rpc: str, request_: Any) -> None:
    """An error travels in metadata, of which clients take 8 KiB: a name that is too long is shown in part."""
    code, _, message = await refused(getattr(market.stub, rpc)(request_))
    assert code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND) and len(message) < 300


def test_what_one_order_can_do_fits_a_message() -> None:
    """A sweep of a full book with all the refills that it may have, as executions and trades of one frame."""
    rows = DEFAULT_MAX_ORDERS + 2 * MAX_REFILLS
    assert rows * (EXECUTION.itemsize + TRADE.itemsize) < MAX_ANSWER_BYTES and rows <= MAX_DONE_ROWS
