"""One engine, one run, each window exactly once."""

import uuid
from typing import Any

import grpc
import pytest

from marksim.core.types import Side
from marksim.v1 import orderbook_pb2 as pb
from marksim.v1 import types_pb2
from tests.orderbook.market import START_NS, SYMBOL, Market, limit, served, window

PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION


async def test_window_is_answered_with_its_executions_and_tick(market: Market) -> None:
    """A window's answer carries what happened, and only for symbols to which something did."""
    engine = await market.engine()
    assert not engine.opened.HasField("last_window")
    result = await engine.window(0, limit(1, Side.SELL, 100_010, 5), limit(2, Side.BUY, 100_010, 3, account=2))
    (symbol,) = result.results
    assert (symbol.symbol, symbol.executions.count, symbol.quotes.count) == (SYMBOL, 3, 2)
    assert (symbol.tick.trades_total, symbol.tick.last_price_ticks) == (1, 100_010)
    assert not (await engine.window(1)).results


async def test_empty_window_is_answered(market: Market) -> None:
    """A window in which nothing happened still has an answer that says so."""
    engine = await market.engine()
    await engine.window(0)
    await engine.send(window(1))
    response = await engine.answer()
    assert response.WhichOneof("message") == "result" and response.result.window == 1


async def test_same_window_again_has_no_second_effect(market: Market) -> None:
    """The recorded answer comes back, byte for byte, and the book stays as it was."""
    engine = await market.engine()
    first = await engine.window(0, limit(1, Side.BUY, 100_000, 5))
    await engine.window(1, limit(2, Side.BUY, 100_000, 5))
    assert await engine.window(0, limit(1, Side.BUY, 100_000, 5)) == first
    book = await market.stub.GetBook(pb.GetBookRequest(symbol=SYMBOL))
    assert [(level.price, level.quantity, level.order_count) for level in book.bids] == [("50000.00", "0.010", 2)]


async def test_resend_after_reconnect_has_no_second_effect(market: Market) -> None:
    """An engine that lost its stream before the answer learns where the book is and gets the answer."""
    engine = await market.engine()
    first = await engine.window(0, limit(1, Side.BUY, 100_000, 5))
    again = await market.engine()
    assert again.opened.last_window == 0 and again.opened.run == market.run
    assert await again.window(0, limit(1, Side.BUY, 100_000, 5)) == first


async def test_other_contents_are_a_mismatch(market: Market) -> None:
    """A window cannot be rewritten."""
    engine = await market.engine()
    await engine.window(0, limit(1, Side.BUY, 100_000, 5))
    await engine.send(window(0, limit(1, Side.BUY, 100_000, 6)))
    assert (await engine.refusal())[:2] == (PRECONDITION, "WINDOW_MISMATCH")


@pytest.mark.parametrize("number", [2, -1])
async def test_window_out_of_order_names_the_expected(market: Market, number: int) -> None:
    """A window that is not the next is refused with the number that is."""
    engine = await market.engine()
    await engine.window(0)
    await engine.send(window(number))
    assert await engine.refusal() == (PRECONDITION, "WINDOW_OUT_OF_ORDER", {"expected": "1"})


async def test_answers_are_kept_for_the_last_windows_only() -> None:
    """Memory for answers is bounded; an older window is refused, not applied."""
    async with served(recorded_windows=1_024) as market:
        engine = await market.engine()
        for number in range(1_026):
            await engine.window(number)
        assert (await engine.window(2)).window == 2
        await engine.send(window(1))
        assert (await engine.refusal())[1] == "WINDOW_OUT_OF_ORDER"


@pytest.mark.parametrize(
    ("term", "instance", "reason"), [(4, "engine-a", "FENCED"), (5, "engine-b", "FENCED"), (0, "engine-a", "INVALID_FIELD")]
)
async def test_stale_engine_is_fenced(market: Market, term: int, instance: str, reason: str) -> None:
    """A lower term, or an equal one of another instance, may not drive the book."""
    await market.engine(term=5)
    assert (await (await market.knock(term=term, instance=instance)).refusal())[1] == reason


async def test_refused_engine_leaves_the_present_one(market: Market) -> None:
    """A stale engine that knocks does not end the stream of the one that is in."""
    engine = await market.engine(term=5)
    await (await market.knock(term=4)).refusal()
    assert (await engine.window(0)).window == 0


async def test_newer_stream_ends_the_older(market: Market) -> None:
    """Two engines never drive one book: the older stream is told that it is fenced."""
    older = await market.engine(term=1)
    newer = await market.engine(term=2, instance="engine-b")
    assert (await older.refusal())[:2] == (PRECONDITION, "FENCED")
    assert (await newer.window(0)).window == 0
    run = await market.stub.GetRun(pb.GetRunRequest())
    assert (run.term, run.instance, run.engine_connected, run.last_window) == (2, "engine-b", True, 0)


async def test_new_run_resets_the_books(market: Market) -> None:
    """A new run with a higher term begins with empty books at window 0."""
    engine = await market.engine()
    await engine.window(0, limit(1, Side.BUY, 100_000, 5))
    other = await market.engine(run=str(uuid.uuid4()), term=2)
    assert not other.opened.HasField("last_window")
    assert not (await market.stub.GetBook(pb.GetBookRequest(symbol=SYMBOL))).bids
    assert (await other.window(0)).window == 0


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"run": str(uuid.UUID(int=1))}, "FENCED"),
        ({"seed": 8}, "RUN_MISMATCH"),
        ({"scenario_hash": "00"}, "SCENARIO_MISMATCH"),
        ({"run": "yesterday"}, "INVALID_FIELD"),
        ({"lookahead_ns": 0}, "INVALID_FIELD"),
    ],
)
async def test_run_that_does_not_fit_is_refused(market: Market, changed: dict[str, Any], reason: str) -> None:
    """A run is bound to its scenario, seed and times, and needs a UUID and a term of its own."""
    await market.engine()
    assert (await (await market.knock(**changed)).refusal())[1] == reason


@pytest.mark.parametrize(
    "request_",
    [
        pb.TradeRequest(),
        pb.TradeRequest(open=pb.OpenRun(run="x")),
        pb.TradeRequest(window=pb.WindowCommands(commands=[pb.SymbolCommands(symbol="DOGE/USD")])),
        pb.TradeRequest(window=pb.WindowCommands(commands=[pb.SymbolCommands(symbol=SYMBOL)] * 2)),
        pb.TradeRequest(
            window=pb.WindowCommands(
                commands=[pb.SymbolCommands(symbol=SYMBOL, commands=types_pb2.CommandColumns(count=1, time_ns=b"1"))]
            )
        ),
        window(0, limit(1, Side.BUY, 100_000, 5, account=1 << 62)),
        window(0, limit(1, Side.BUY, 100_000, 5) | {"time_ns": START_NS - 1}),
    ],
)
async def test_malformed_window_changes_nothing(market: Market, request_: pb.TradeRequest) -> None:
    """What is wrong with a message is found before any of it is applied; the engine may come back and go on."""
    engine = await market.engine()
    await engine.send(request_)
    assert (await engine.refusal())[0] == grpc.StatusCode.INVALID_ARGUMENT
    assert not (await market.engine()).opened.HasField("last_window")


async def test_first_message_must_open(market: Market) -> None:
    """A window before open is refused."""
    call = market.stub.Trade()
    await call.write(window(0))
    assert await call.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_not_ready_is_unavailable(market: Market) -> None:
    """While kernels compile, the engine is told to come back."""
    market.service.servicer.ready = False
    assert (await (await market.knock()).refusal())[:2] == (grpc.StatusCode.UNAVAILABLE, "STARTING")
