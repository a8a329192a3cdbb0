"""Sessions and auctions as outside traders see them: who changes them, what comes in, and what an auction's fills are."""

import asyncio
from typing import Any

import grpc
import pytest

from marksim.codec import decode_columns
from marksim.core.types import (
    EXECUTION,
    OUTSIDE_ACCOUNTS_FROM,
    CommandKind,
    ExecutionKind,
    OrderType,
    Reason,
    Records,
    SessionState,
    Side,
    TimeInForce,
)
from marksim.orderbook.accounts import SESSION_ACCOUNT, account_number
from marksim.orderbook.window import PRICED_ORDERS
from marksim.v1 import orderbook_pb2 as pb
from marksim.v1 import types_pb2
from tests.orderbook.market import (
    LOOKAHEAD_NS,
    START_NS,
    SYMBOL,
    Engine,
    Market,
    error_info,
    limit,
    name,
    refused,
    served,
    window,
)
from tests.orderbook.test_amend import amending
from tests.orderbook.test_metrics import counted
from tests.orderbook.test_own_executions import rows, told

PRE_OPEN, OPENING = SessionState.PRE_OPEN, SessionState.OPENING_AUCTION
CONTINUOUS, HALTED, CLOSED = SessionState.CONTINUOUS, SessionState.HALTED, SessionState.CLOSED
AT_THE_OPEN = types_pb2.TIME_IN_FORCE_AT_THE_OPEN
NOT_NOW = grpc.StatusCode.FAILED_PRECONDITION


def setting(market: Market, state: SessionState, **more: Any) -> "asyncio.Task[pb.SetSessionResponse]":
    """SetSession in the background."""

    async def call() -> pb.SetSessionResponse:
        request = pb.SetSessionRequest(symbol=SYMBOL, state=state.value, **more)  # type: ignore[arg-type]  # the same numbers
        answer: pb.SetSessionResponse = await market.stub.SetSession(request)
        return answer

    return asyncio.create_task(call())


async def change(market: Market, engine: Engine, number: int, state: SessionState, **more: Any) -> pb.SetSessionResponse:
    """Change the session in that window."""
    task = setting(market, state, **more)
    await market.queued(1)
    await engine.window(number)
    return await task


async def submitted(market: Market, engine: Engine, number: int, *orders: dict[str, Any]) -> list[pb.SubmitOrderResponse]:
    """Send orders, named by place, in that window."""
    tasks = []
    for place, order in enumerate(orders, 1):
        tasks.append(market.submitting(f"{number}-{place}", **order))
        await market.queued(place)
    await engine.window(number)
    return await asyncio.gather(*tasks)


async def order_of(market: Market, client_order_id: str, account: str = "alice") -> types_pb2.Order:
    request = pb.GetOrderRequest(**(name(client_order_id) | {"account": account}))
    answer: pb.GetOrderResponse = await market.stub.GetOrder(request)
    return answer.order


async def test_a_halt_lets_nothing_in_and_everything_out(market: Market) -> None:
    """New orders are rejected and changes refused, each with the reason; a cancel works."""
    engine = await market.engine()
    (open_order,) = await submitted(market, engine, 0, {})
    answer = await change(market, engine, 1, HALTED)
    assert (answer.run, answer.window, answer.state) == (market.run, 1, types_pb2.SESSION_STATE_HALTED)
    (late,) = await submitted(market, engine, 2, {})
    assert (late.order.status, late.order.reason) == (types_pb2.ORDER_STATUS_REJECTED, types_pb2.REASON_MARKET_CLOSED)
    amend = amending(market, "0-1", price="49000")
    await market.queued(1)
    await engine.window(3)
    code, reason, message = await refused(amend)
    assert (code, reason) == (NOT_NOW, "AMEND_REJECTED") and "MARKET_CLOSED" in message
    cancel = asyncio.ensure_future(market.stub.CancelOrder(pb.CancelOrderRequest(**name("0-1"))))
    await market.queued(1)
    await engine.window(4)
    assert (await cancel).order.order_id == open_order.order.order_id
    assert (await order_of(market, "0-1")).status == types_pb2.ORDER_STATUS_CANCELLED


async def test_an_auction_fills_both_sides_at_one_price(market: Market) -> None:
    """Neither made nor took: both fills say so, and positions and cash are those of a trade at the auction's price."""
    engine = await market.engine()
    await change(market, engine, 0, PRE_OPEN)
    sell = {"account": "bob", "side": types_pb2.SIDE_SELL}
    await submitted(
        market, engine, 1, {"price": "50100", "quantity": "0.004"}, sell | {"price": "49900", "quantity": "0.004"}
    )
    assert (await order_of(market, "1-1")).status == types_pb2.ORDER_STATUS_OPEN
    await change(market, engine, 2, CONTINUOUS)
    answers = [
        (await market.stub.ListTrades(pb.ListTradesRequest(symbol=SYMBOL, account=account))).trades
        for account in ("alice", "bob")
    ]
    (bought,), (sold,) = answers
    assert (bought.fill.side, sold.fill.side) == (types_pb2.SIDE_BUY, types_pb2.SIDE_SELL)
    for trade in (bought, sold):
        assert trade.fill.liquidity == types_pb2.LIQUIDITY_AUCTION
        assert (trade.taker_side, trade.price) == (types_pb2.SIDE_UNSPECIFIED, "50000.00")
    (public,) = (await market.stub.ListTrades(pb.ListTradesRequest(symbol=SYMBOL))).trades
    assert (public.sequence, public.taker_side, public.price) == (bought.sequence, types_pb2.SIDE_UNSPECIFIED, "50000.00")
    positions = [
        (await market.stub.GetPosition(pb.GetPositionRequest(account=account))).positions[0] for account in ("alice", "bob")
    ]
    assert [(one.quantity, one.cash) for one in positions] == [("0.004", "-200.0000"), ("-0.004", "200.0000")]
    assert (await order_of(market, "1-1")).status == types_pb2.ORDER_STATUS_FILLED


async def test_orders_at_the_open_end_with_the_opening(market: Market) -> None:
    """A limit and a market order take part; what is left of each is cancelled, and their terms are shown as sent."""
    engine = await market.engine()
    await change(market, engine, 0, PRE_OPEN)
    at_the_open = {"time_in_force": AT_THE_OPEN}
    market_order = {"order_type": types_pb2.ORDER_TYPE_MARKET, "price": "", "account": "bob", "side": types_pb2.SIDE_SELL}
    await submitted(
        market, engine, 1, at_the_open | {"quantity": "0.010"}, at_the_open | market_order | {"quantity": "0.004"}
    )
    waiting = await order_of(market, "1-2", "bob")
    assert (waiting.status, waiting.price, waiting.time_in_force) == (types_pb2.ORDER_STATUS_OPEN, "", AT_THE_OPEN)
    await change(market, engine, 2, OPENING)
    await change(market, engine, 3, CONTINUOUS)
    assert (await order_of(market, "1-2", "bob")).status == types_pb2.ORDER_STATUS_FILLED
    rest = await order_of(market, "1-1")
    assert (rest.status, rest.reason) == (types_pb2.ORDER_STATUS_CANCELLED, types_pb2.REASON_AUCTION_REMAINDER)
    assert (rest.filled_quantity, rest.leaves_quantity, rest.average_price) == ("0.004", "0.000", "50000.000000")
    (late,) = await submitted(market, engine, 4, at_the_open)
    assert (late.order.status, late.order.reason) == (types_pb2.ORDER_STATUS_REJECTED, types_pb2.REASON_MARKET_CLOSED)


async def test_a_market_order_at_the_open_keeps_having_no_price(market: Market) -> None:
    """Its quantity may be amended, its price not; where it rests is no price of its own."""
    engine = await market.engine()
    await change(market, engine, 0, PRE_OPEN)
    await submitted(
        market, engine, 1, {"time_in_force": AT_THE_OPEN, "order_type": types_pb2.ORDER_TYPE_MARKET, "price": ""}
    )
    smaller = amending(market, "1-1", quantity="0.004")
    await market.queued(1)
    await engine.window(2)
    order = (await smaller).order
    assert (order.price, order.quantity, order.status) == ("", "0.004", types_pb2.ORDER_STATUS_OPEN)
    priced = amending(market, "1-1", price="50000")
    await market.queued(1)
    await engine.window(3)
    code, reason, message = await refused(priced)
    assert (code, reason) == (NOT_NOW, "AMEND_REJECTED") and "INVALID_PRICE" in message


async def test_commands_that_wait_with_the_order_that_an_auction_ends_are_answered(market: Market) -> None:
    """A cancel and an amendment behind the opening find the order gone: the one as it is, the other as refused."""
    engine = await market.engine()
    await change(market, engine, 0, PRE_OPEN)
    await submitted(market, engine, 1, {"time_in_force": AT_THE_OPEN})
    opening = setting(market, CONTINUOUS)
    await market.queued(1)
    cancel = asyncio.ensure_future(market.stub.CancelOrder(pb.CancelOrderRequest(**name("1-1"))))
    await market.queued(2)
    amend = amending(market, "1-1", price="49000", new_client_order_id="later")
    await market.queued(3)
    everything = asyncio.ensure_future(market.stub.MassCancel(pb.MassCancelRequest(account="alice")))
    await market.queued(4)
    await engine.window(2)
    assert (await opening).state == types_pb2.SESSION_STATE_CONTINUOUS
    assert (await cancel).order.reason == types_pb2.REASON_AUCTION_REMAINDER
    assert (await refused(amend))[:2] == (NOT_NOW, "ORDER_CLOSED")
    assert (await everything).cancelled == 0
    find = market.stub.GetOrder(pb.GetOrderRequest(**name("later")))
    assert (await refused(find))[0] == grpc.StatusCode.NOT_FOUND


async def test_the_answer_says_what_the_session_is_after_the_window(market: Market) -> None:
    """Each of several changes does, also where the state that was asked for ended within the window."""
    engine = await market.engine()
    first, second = setting(market, HALTED), None
    await market.queued(1)
    second = setting(market, PRE_OPEN)
    await market.queued(2)
    await engine.window(0)
    assert [(await task).state for task in (first, second)] == [types_pb2.SESSION_STATE_PRE_OPEN] * 2
    # A halt ends in an auction, which goes on.
    answer = await change(market, engine, 1, HALTED, until_time_ns=START_NS + LOOKAHEAD_NS + 7)
    assert answer.state == types_pb2.SESSION_STATE_OPENING_AUCTION


async def test_an_end_that_is_given_comes_by_itself(market: Market) -> None:
    """A halt until a time of later lasts until then; an auction follows, also of an instrument that nobody gave one."""
    engine = await market.engine()
    await change(market, engine, 0, HALTED, until_time_ns=START_NS + 2 * LOOKAHEAD_NS + 7)
    book = await market.stub.GetBook(pb.GetBookRequest(symbol=SYMBOL))
    assert book.tick.session_state == types_pb2.SESSION_STATE_HALTED
    assert not (await engine.window(1)).results
    (result,) = (await engine.window(2)).results
    states = decode_columns(result.executions, EXECUTION)["session_state"].tolist()
    assert states == [OPENING] and result.tick.session_state == types_pb2.SESSION_STATE_OPENING_AUCTION


async def test_an_engine_may_change_sessions_too(market: Market) -> None:
    """Its columns may carry SET_SESSION; the answer has the row, with the state."""
    engine = await market.engine()
    command = {"account": 3, "serial": 9, "kind": CommandKind.SET_SESSION, "session_state": CLOSED}
    result = await engine.window(0, command)
    (row,) = decode_columns(result.results[0].executions, EXECUTION)
    assert (row["kind"], row["reason"]) == (ExecutionKind.SESSION_CHANGED, Reason.REQUESTED)
    assert (row["account"], row["serial"], row["session_state"]) == (3, 9, CLOSED)


def test_who_changes_sessions_is_no_account_that_has_a_name() -> None:
    """Its number is the first of the outside ones, which only a digest of 61 zeros would give."""
    assert SESSION_ACCOUNT == OUTSIDE_ACCOUNTS_FROM < min(map(account_number, ("", "a", "engine", "operator")))


@pytest.mark.parametrize(
    ("request_", "field", "said"),
    [
        ({"symbol": "X"}, "symbol", "not traded here"),
        ({"state": 0}, "state", "SESSION_STATE_HALTED"),
        ({"state": 9}, "state", "state is 9"),
        ({"until_time_ns": -1}, "until_time_ns", "or 0"),
        ({"state": 3, "until_time_ns": START_NS + 10**9}, "until_time_ns", "CONTINUOUS has no end"),
        ({"state": 6, "until_time_ns": START_NS + 10**9}, "until_time_ns", "CLOSED has no end"),
    ],
)
async def test_a_wrong_change_names_the_field(market: Market, request_: dict[str, Any], field: str, said: str) -> None:
    """Before anything waits, and with or without an engine."""
    asked: dict[str, Any] = {"symbol": SYMBOL, "state": 4}
    call = market.stub.SetSession(pb.SetSessionRequest(**(asked | request_)))
    code, _, message = await refused(call)
    assert code == grpc.StatusCode.INVALID_ARGUMENT and said in message
    assert error_info(await call.trailing_metadata()).metadata["field"] == field


async def test_an_end_in_the_past_is_refused(market: Market) -> None:
    """Known only once the window comes: the field is named all the same, and the session stays."""
    engine = await market.engine()
    await engine.window(0)
    task = setting(market, HALTED, until_time_ns=START_NS + LOOKAHEAD_NS)
    await market.queued(1)
    await engine.window(1)
    code, _, message = await refused(task)
    assert code == grpc.StatusCode.INVALID_ARGUMENT and message.startswith("until_time_ns is")
    assert str(START_NS + LOOKAHEAD_NS) in message
    (order,) = await submitted(market, engine, 2, {})
    assert order.order.status == types_pb2.ORDER_STATUS_OPEN


async def test_a_change_waits_for_windows_as_an_order_does(market: Market) -> None:
    """Refused without an engine and while it is paused, unless it is told to wait."""
    assert (await refused(setting(market, HALTED)))[:2] == (grpc.StatusCode.UNAVAILABLE, "ENGINE_AWAY")
    engine = await market.engine()
    await engine.pause()
    await market.settled(paused=True)
    assert (await refused(setting(market, HALTED)))[:2] == (NOT_NOW, "MARKET_PAUSED")
    waits = setting(market, HALTED, queue_while_paused=True)
    await market.queued(1)
    await engine.window(0)
    assert (await waits).window == 0


async def test_changes_of_the_session_are_counted_as_calls(market: Market) -> None:
    """By outcome, and all rpcs that trade are there from the start."""
    labels = {"rpc": "SetSession", "outcome": "done"}
    before = counted("outside_calls_total", **labels)
    await change(market, await market.engine(), 0, CONTINUOUS)
    assert counted("outside_calls_total", **labels) == before + 1
    assert market.service.sequencer.totals.outside_commands[CommandKind.SET_SESSION] == 1


async def test_each_side_of_an_auction_sees_its_own_on_the_stream(market: Market) -> None:
    """The buyer is the row's account and the seller its maker; neither learns who the other is."""
    engine = await market.engine()
    await change(market, engine, 0, PRE_OPEN)
    sell = {"account": "bob", "side": types_pb2.SIDE_SELL, "quantity": "0.004"}
    await submitted(market, engine, 1, {}, sell)
    await change(market, engine, 2, CONTINUOUS)
    for account, own, other in (("alice", "account", "maker_account"), ("bob", "maker_account", "account")):
        (trade,) = rows((await told(market, 2, account=account, after_run=market.run, after_window=1))[-1])
        assert (trade["kind"], trade["side"]) == (ExecutionKind.TRADED, Side.UNSPECIFIED)
        assert (trade[own], trade[other]) == (account_number(account), 0)


async def test_an_uncrossing_does_not_hold_up_the_event_loop(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """A window in which a session may change is applied in a thread, whether somebody sent the change or it is due."""
    threads: list[Any] = []
    to_thread = asyncio.to_thread

    async def watched(function: Any, *arguments: Any) -> Any:
        threads.append(arguments[0])
        return await to_thread(function, *arguments)

    monkeypatch.setattr("marksim.orderbook.sequencing.asyncio.to_thread", watched)
    engine = await market.engine()
    await engine.window(0, limit(1, Side.BUY, 100_000, 1))
    await change(market, engine, 1, HALTED, until_time_ns=START_NS + 3 * LOOKAHEAD_NS + 7)
    await engine.window(2)
    await engine.window(3)
    assert threads == [1, 3]


async def test_the_pricing_of_a_large_auction_does_not_hold_up_the_event_loop(market: Market) -> None:
    """Every window that changes a book in an auction walks its levels: many orders there make few commands long."""
    engine = await market.engine()
    await change(market, engine, 0, OPENING)
    await engine.window(1, *(limit(number, Side.BUY, 50_000 - number, 1) for number in range(1, 2_001)))
    sequencer, (command,) = market.service.sequencer, [limit(3_000, Side.BUY, 100, 1)]

    def size(*rows: dict[str, int]) -> int:
        run, message = sequencer.run, window(2, *rows).window
        assert run is not None
        return sequencer._seal(message, sequencer._decode(message, run), run).size

    assert (size(command), size()) == (1 + 2_000 // PRICED_ORDERS, 0)
    await change(market, engine, 2, HALTED)
    assert size(command) == 1


DAY = (
    f"instruments.{SYMBOL}.sessions="
    '[{"at": "00:00", "state": "pre_open"}, {"at": "00:00:00.1", "state": "continuous"}, {"at": "17:00", "state": "closed"}]'
)


async def test_the_sessions_of_an_instrument_come_by_themselves() -> None:
    """The book begins in the state of the run's time of day, and changes with it."""
    async with served(set=[DAY]) as market:
        engine = await market.engine()
        book = await market.stub.GetBook(pb.GetBookRequest(symbol=SYMBOL))
        assert book.tick.session_state == types_pb2.SESSION_STATE_PRE_OPEN
        assert not (await engine.window(0)).results and not (await engine.window(1)).results
        (result,) = (await engine.window(2)).results
        assert result.tick.session_state == types_pb2.SESSION_STATE_CONTINUOUS
        (row,) = decode_columns(result.executions, EXECUTION)
        assert (row["reason"], row["account"], row["time_ns"]) == (Reason.SCHEDULED, 0, START_NS + 2 * LOOKAHEAD_NS)


async def test_an_entry_of_the_sessions_replaces_an_operators_halt() -> None:
    """A halt without an end lasts until told otherwise, which the instrument's next time does."""
    async with served(set=[DAY]) as market:
        engine = await market.engine()
        halted = await change(market, engine, 0, HALTED)
        assert halted.state == types_pb2.SESSION_STATE_HALTED
        await engine.window(1)
        (result,) = (await engine.window(2)).results
        assert result.tick.session_state == types_pb2.SESSION_STATE_CONTINUOUS


def _executions(done: pb.WindowResult) -> Records:
    """Of a window with one symbol."""
    (result,) = done.results
    return decode_columns(result.executions, EXECUTION)


async def test_an_engine_halts_the_market_and_trades_on_an_account_of_its_own(market: Market) -> None:
    """What happens to a market by a scenario comes as commands of account 0: a halt with an end, and a market order."""
    engine = await market.engine()
    sell = {"kind": CommandKind.NEW, "side": Side.SELL, "order_type": OrderType.MARKET, "time_in_force": TimeInForce.IOC}
    resting = limit(1, Side.BUY, 99_000, 5)
    first = await engine.window(0, resting, sell | {"account": 0, "serial": 1, "quantity_lots": 2})
    assert _executions(first)["kind"].tolist()[-1] == ExecutionKind.TRADED
    until_ns = START_NS + 3 * LOOKAHEAD_NS
    halt = {"kind": CommandKind.SET_SESSION, "session_state": HALTED, "expire_time_ns": until_ns}
    second = await engine.window(1, halt | {"account": 0, "serial": 2})
    assert _executions(second)["session_state"].tolist() == [HALTED]
    assert not (await engine.window(2)).results
    assert _executions(await engine.window(3))["session_state"].tolist() == [OPENING]
