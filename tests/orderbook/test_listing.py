"""Shards: each trades its own symbols, names everyone's, and sends callers to the right one."""

import uuid
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from marksim.core.types import Side
from marksim.orderbook.service import OrderBookService
from marksim.orderbook.settings import OrderBookSettings
from marksim.runtime.settings import load_settings
from marksim.v1 import orderbook_pb2 as pb
from marksim.v1 import types_pb2
from tests.orderbook.market import Market, error_info, limit, order_request, refused, served, window

ETH = "ETH/USD"

CALLS: dict[str, Callable[[Any], Any]] = {
    "GetBook": lambda stub: stub.GetBook(pb.GetBookRequest(symbol=ETH)),
    "SubmitOrder": lambda stub: stub.SubmitOrder(order_request(symbol=ETH)),
    "CancelOrder": lambda stub: stub.CancelOrder(pb.CancelOrderRequest(account="alice", symbol=ETH, client_order_id="one")),
    "GetOrder": lambda stub: stub.GetOrder(pb.GetOrderRequest(account="alice", symbol=ETH, client_order_id="one")),
    "ListOrders": lambda stub: stub.ListOrders(pb.ListOrdersRequest(account="alice", symbol=ETH)),
    "ListTrades": lambda stub: stub.ListTrades(pb.ListTradesRequest(symbol=ETH)),
    "GetPosition": lambda stub: stub.GetPosition(pb.GetPositionRequest(account="alice", symbol=ETH)),
}


def shard_0(**settings: Any) -> Any:
    """The first of two shards, which trades BTC/USD."""
    return served(scenario="two-symbols", shards=2, shard="0", **settings)


async def names(market: Market) -> tuple[list[tuple[str, int]], int, int]:
    """What ListInstruments says: symbols with their shards, this shard, and how many there are."""
    listed = await market.stub.ListInstruments(pb.ListInstrumentsRequest())
    return [(one.symbol, one.shard) for one in listed.instruments], listed.shard, listed.shards


async def test_every_shard_names_all_symbols_with_their_shards() -> None:
    """A client needs to ask only one of them; the engine learns from it what this one trades."""
    for shard in ("0", "1"):
        async with served(scenario="two-symbols", shards=2, shard=shard) as market:
            assert await names(market) == ([("BTC/USD", 0), (ETH, 1)], int(shard), 2)


async def test_assigned_symbols_go_where_they_are_told() -> None:
    """Against what the hash says."""
    async with served(scenario="two-symbols", shards=3, shard="2", assign={"BTC/USD": 2}) as market:
        assert (await names(market))[0] == [("BTC/USD", 2), (ETH, 1)]
        assert list(market.service.sequencer.shard.books) == ["BTC/USD"]


async def test_a_run_lists_what_the_shard_trades() -> None:
    """RunStarted is about this shard's frames; the hash is that of the whole scenario."""
    async with shard_0() as market, served(scenario="two-symbols") as whole:
        await market.engine()
        started = (await market.stub.StreamTicks(pb.StreamTicksRequest(after_window=-1)).read()).run_started
        assert [one.symbol for one in started.instruments] == ["BTC/USD"]
        assert started.scenario_hash == whole.service.sequencer.scenario_hash


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_a_call_for_another_shards_symbol_is_sent_there(call: Callable[[Any], Any]) -> None:
    """FAILED_PRECONDITION, WRONG_SHARD, and the number of the right one."""
    async with shard_0() as market:
        await market.engine()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(market.stub)
        info = error_info(caught.value.trailing_metadata())
        assert (caught.value.code(), info.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "WRONG_SHARD")
        assert dict(info.metadata) == {"symbol": ETH, "shard": "1"}


async def test_a_reader_of_another_shards_symbol_is_sent_there() -> None:
    """A stream that would never carry a frame is refused."""
    async with shard_0() as market:
        refusal = await refused(market.stub.StreamTicks(pb.StreamTicksRequest(symbols=["BTC/USD", ETH])).read())
        assert refusal[:2] == (grpc.StatusCode.FAILED_PRECONDITION, "WRONG_SHARD")


async def test_a_symbol_that_nobody_trades_is_still_unknown() -> None:
    """And told with all that are traded, here or elsewhere."""
    async with shard_0() as market:
        code, reason, message = await refused(market.stub.GetBook(pb.GetBookRequest(symbol="DOGE/USD")))
        assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
        assert "BTC/USD, ETH/USD" in message


async def test_an_engine_that_sends_another_shards_commands_is_refused() -> None:
    """Before anything of the window is applied."""
    async with shard_0() as market:
        engine = await market.engine()
        await engine.send(window(0, limit(1, Side.BUY, 100, 1), symbol=ETH))
        assert (await engine.refusal())[1:] == ("WRONG_SHARD", {"symbol": ETH, "shard": "1"})


async def test_a_shard_without_symbols_takes_windows() -> None:
    """So that a chart may have more shards than symbols: they are empty, and its readers hear of them."""
    async with served(scenario="two-symbols", shards=3, shard="2") as market:
        engine = await market.engine()
        for number in range(3):
            assert await engine.window(number) == pb.WindowResult(window=number)
        call = market.stub.StreamTicks(pb.StreamTicksRequest(after_window=-1, delivery=pb.DELIVERY_LOSSLESS))
        message = await call.read()
        assert (message.run, message.last_window, len(message.frames)) == (market.run, 2, 0)
        assert message.run_started.run == market.run and not message.run_started.instruments


async def test_outside_orders_trade_on_their_shard() -> None:
    """The other shard is not asked."""
    async with served(scenario="two-symbols", shards=2, shard="1") as market:
        engine = await market.engine(run=str(uuid.uuid4()))
        order = market.submitting(symbol=ETH, price="3000", quantity="0.10")
        await market.queued(1)
        await engine.window(0)
        assert (await order).order.status == types_pb2.ORDER_STATUS_OPEN


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--shards=2", "--shard=2"], "--shard '2' is wrong: '2' is not below --shards 2: they are numbered from 0 to 1"),
        (["--shards=2", "--shard=-1"], "--shard '-1' is wrong: give a number from 0 on, or auto"),
        (["--shards=0"], "--shards '0' is wrong"),
        (["--shards=2", "--assign=BTC/USD=x"], "--assign 'BTC/USD=x' is wrong"),
    ],
)
def test_a_wrong_shard_is_refused(flags: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and a line that names the flag."""
    with pytest.raises(SystemExit) as ended:
        load_settings(OrderBookSettings, "orderbook", flags)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("assign", [{"DOGE/USD": 0}, {"BTC/USD": 2}])
def test_an_impossible_assignment_ends_the_start(assign: dict[str, int], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and a line that names the flag and what is wrong with it."""
    with pytest.raises(SystemExit) as ended:
        OrderBookService(OrderBookSettings(durability="none", scenario="two-symbols", shards=2, assign=assign, ring_mib=1))
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("marksim orderbook: --assign is wrong: ")


def test_auto_takes_the_number_at_the_end_of_the_host_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a StatefulSet names its pods."""
    monkeypatch.setattr("socket.gethostname", lambda: "release-2-orderbook-11")
    assert OrderBookSettings(durability="none", shards=12, shard="auto").shard == "11"


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("laptop", "--shard 'auto' is wrong: the host name 'laptop' does not end in -<number>"),
        ("book-2", "--shard 'auto' is wrong: the host name 'book-2' is not below --shards 2"),
    ],
)
def test_auto_names_the_host_that_gives_no_shard(
    host: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where it has no number, or one too large."""
    monkeypatch.setattr("socket.gethostname", lambda: host)
    with pytest.raises(SystemExit):
        load_settings(OrderBookSettings, "orderbook", ["--shards=2", "--shard=auto"])
    assert said in capsys.readouterr().err
