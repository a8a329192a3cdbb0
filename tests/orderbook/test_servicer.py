"""What people and bots may look at."""

import uuid
from typing import Any

import grpc
import pytest

from marksim.codec import decode_columns, tick_from_proto
from marksim.core.errors import Denied
from marksim.core.feed.tape import TapeHash
from marksim.core.feed.ticks import tick_row
from marksim.core.types import EXECUTION, Side
from marksim.runtime.identity import Action, Principal
from marksim.v1 import orderbook_pb2 as pb
from tests.orderbook.market import LOOKAHEAD_NS, START_NS, SYMBOL, Market, limit, order_request, refused


async def test_book_before_the_first_engine(market: Market) -> None:
    """Before any run the book is empty and says so; the tick shows the opening reference."""
    book = await market.stub.GetBook(pb.GetBookRequest(symbol=SYMBOL))
    assert (book.run, book.HasField("window"), len(book.bids), book.tick.tick_number) == ("", False, 0, 0)
    run = await market.stub.GetRun(pb.GetRunRequest())
    assert (run.run, run.term, run.engine_connected, len(run.scenario_hash)) == ("", 0, False, 64)


async def test_the_run_says_the_tape_hash_of_every_symbol(market: Market) -> None:
    """Over the events and the tick of each window; an empty window leaves it, a new run begins it anew."""
    assert not (await market.stub.GetRun(pb.GetRunRequest())).tapes
    engine = await market.engine()
    before = (await market.stub.GetRun(pb.GetRunRequest())).tapes
    hashed = TapeHash()
    assert [(tape.symbol, tape.hash, tape.sequence) for tape in before] == [(SYMBOL, hashed.hexdigest(), 0)]
    for number in range(3):
        result = await engine.window(number, *[limit(number + 1, Side.BUY, 99_000 + number, 5)] if number != 1 else [])
        for part in result.results:
            executions = decode_columns(part.executions, EXECUTION)
            hashed.update(executions, tick_row(tick_from_proto(part.tick), executions["sequence"].item(-1)))
        tape = (await market.stub.GetRun(pb.GetRunRequest())).tapes[0]
        assert (tape.hash, tape.sequence) == (hashed.hexdigest(), number // 2 + 1)
    await market.engine(run=str(uuid.uuid4()), term=2)
    assert list((await market.stub.GetRun(pb.GetRunRequest())).tapes) == list(before)


async def test_book_that_compiles_calls_no_kernel(market: Market) -> None:
    """A call of a kernel would compile it then and there; what needs none is answered."""
    market.service.servicer.ready = False
    code, reason, message = await refused(market.stub.GetBook(pb.GetBookRequest(symbol=SYMBOL)))
    assert (code, reason) == (grpc.StatusCode.UNAVAILABLE, "STARTING") and "prepares its kernels" in message
    assert (await market.stub.GetRun(pb.GetRunRequest())).run == ""
    assert (await market.stub.ListInstruments(pb.ListInstrumentsRequest())).instruments
    assert not (await market.stub.ListTrades(pb.ListTradesRequest(symbol=SYMBOL))).trades


async def test_book_is_best_first_and_bounded(market: Market) -> None:
    """Bids fall, asks rise, and no more levels come than were asked for."""
    engine = await market.engine()
    bids = [limit(number, Side.BUY, 100_000 - number, number) for number in range(1, 13)]
    asks = [limit(100 + number, Side.SELL, 100_000 + number, number) for number in range(1, 13)]
    await engine.window(0, *bids, *asks)
    book = await market.stub.GetBook(pb.GetBookRequest(symbol=SYMBOL))
    assert (len(book.bids), len(book.asks)) == (10, 10)
    assert (book.bids[0].price, book.asks[0].price, book.asks[1].quantity) == ("49999.50", "50000.50", "0.002")
    assert (book.window, book.time_ns, book.sequence) == (0, START_NS + LOOKAHEAD_NS, 24)
    assert len((await market.stub.GetBook(pb.GetBookRequest(symbol=SYMBOL, depth=1_000))).bids) == 12


async def test_book_by_order_shows_each_levels_orders(market: Market) -> None:
    """Oldest first, with what is shown of each, and of a long queue the first hundred; without being asked none come."""
    engine = await market.engine()
    iceberg = limit(1, Side.BUY, 100_000, 12) | {"display_lots": 5}
    bids = [iceberg, limit(2, Side.BUY, 100_000, 3, account=2), limit(3, Side.BUY, 99_990, 4)]
    asks = [limit(10 + number, Side.SELL, 100_010, 1 + number % 2) for number in range(130)]
    await engine.window(0, *bids, *asks)
    book = await market.stub.GetBook(pb.GetBookRequest(symbol=SYMBOL, by_order=True))
    shown = [[(order.order_id, order.quantity) for order in level.orders] for level in book.bids]
    assert shown == [[(1, "0.005"), (2, "0.003")], [(3, "0.004")]]
    (ask,) = book.asks
    assert (ask.order_count, [order.order_id for order in ask.orders]) == (130, list(range(4, 104)))
    one = await market.stub.GetBook(pb.GetBookRequest(symbol=SYMBOL, by_order=True, depth=1))
    assert ([len(level.orders) for level in one.bids], len(one.asks)) == ([2], 1)
    assert not (await market.stub.GetBook(pb.GetBookRequest(symbol=SYMBOL))).bids[0].orders


async def test_book_by_order_is_bounded_over_all_levels(market: Market) -> None:
    """However deep the book, a side's answer ends with its thousandth order; its levels go on, each with its count."""
    engine = await market.engine()
    bids = [limit(number, Side.BUY, 100_000 - number // 90, 1) for number in range(1, 1_351)]
    asks = [limit(5_000 + number, Side.SELL, 100_010 + number // 90, 1) for number in range(450)]
    await engine.window(0, *bids, *asks)
    book = await market.stub.GetBook(pb.GetBookRequest(symbol=SYMBOL, by_order=True, depth=100))
    assert [order.order_id for level in book.bids for order in level.orders] == list(range(1, 1_001))
    assert sum(len(level.orders) for level in book.asks) == 450
    assert (sum(level.order_count for level in book.bids), len(book.bids[-1].orders)) == (1_350, 0)


async def test_instruments_are_listed(market: Market) -> None:
    """ListInstruments names symbol, steps and shard."""
    (instrument,) = (await market.stub.ListInstruments(pb.ListInstrumentsRequest())).instruments
    assert (instrument.symbol, instrument.tick_size, instrument.lot_size, instrument.shard) == (SYMBOL, "0.50", "0.001", 0)


async def test_latest_trades_come_newest_first(market: Market) -> None:
    """ListTrades returns at most what was asked for, newest first, and never more than 10,000 are kept."""
    engine = await market.engine()
    for number in range(3):
        sells = [limit(10_000 * number + row, Side.SELL, 100_000, 1) for row in range(1, 5_001)]
        buy = limit(10_000 * number + 9_000, Side.BUY, 100_000, 5_000, account=2)
        await engine.window(number, *sells, buy)
    trades = (await market.stub.ListTrades(pb.ListTradesRequest(symbol=SYMBOL, limit=1_000))).trades
    sequences = [trade.sequence for trade in trades]
    assert len(sequences) == 1_000 and sequences == list(range(sequences[0], sequences[0] - 1_000, -1))
    assert len(market.service.sequencer.shard.books[SYMBOL].trades.newest(20_000)) == 10_000


@pytest.mark.parametrize(
    "request_",
    [
        pb.GetBookRequest(symbol="X"),
        pb.GetBookRequest(symbol=SYMBOL, depth=1_001),
        pb.GetBookRequest(symbol=SYMBOL, depth=101, by_order=True),
    ],
)
async def test_bad_book_request_is_refused(market: Market, request_: pb.GetBookRequest) -> None:
    """An unknown symbol and too deep a book are refused with the fix."""
    assert (await refused(market.stub.GetBook(request_)))[0] == grpc.StatusCode.INVALID_ARGUMENT


async def test_too_many_trades_are_refused(market: Market) -> None:
    """More rows than the contract allows are refused, not cut in silence."""
    code, _, message = await refused(market.stub.ListTrades(pb.ListTradesRequest(symbol=SYMBOL, limit=1_001)))
    assert code == grpc.StatusCode.INVALID_ARGUMENT and "at most 1000" in message


async def test_stores_tell_their_fill(market: Market) -> None:
    """Order slots, ring and recorded answers are counted."""
    engine = await market.engine()
    await engine.window(0, limit(1, Side.BUY, 100_000, 1))
    stores = {store.name: store for store in market.service.stores()}
    assert (stores["order_slots"].used, stores["recorded_windows"].used, stores["frame_ring"].used) == (1, 1, 1)
    assert stores["frame_ring"].used_bytes < stores["frame_ring"].capacity_bytes == 1 << 20


@pytest.mark.parametrize(
    ("rpc", "request_", "account", "action"),
    [
        ("StreamExecutions", pb.StreamExecutionsRequest(account="alice"), "alice", Action.READ),
        ("StreamTicks", pb.StreamTicksRequest(), "", Action.WATCH),
        ("StreamTicks", pb.StreamTicksRequest(parts=[pb.FRAME_PART_EXECUTIONS]), "", Action.RECORD),
        ("StreamTicks", pb.StreamTicksRequest(reader="archive"), "", Action.RECORD),
        ("Trade", None, "", Action.STEER),
        ("ReadWindows", pb.ReadWindowsRequest(), "", Action.STEER),
        ("ConfirmWindow", pb.ConfirmWindowRequest(), "", Action.RECORD),
        ("ListReaders", pb.ListReadersRequest(), "", Action.WATCH),
        ("ForgetReader", pb.ForgetReaderRequest(), "", Action.STEER),
        ("SubmitOrder", order_request(), "alice", Action.TRADE),
    ],
)
async def test_who_may_not_is_refused(
    market: Market, monkeypatch: pytest.MonkeyPatch, rpc: str, request_: Any, account: str, action: Action
) -> None:
    """Each call asks the one function that decides, with what it is about to do, before it does anything."""
    asked = []

    def refuse(principal: Principal, account: str, action: Action) -> None:
        asked.append((account, action))
        raise Denied(f"{principal.name} may not {action.value}")

    monkeypatch.setattr("marksim.orderbook.servicer.authorize", refuse)
    answer = getattr(market.service.servicer, rpc)(request_, None)
    with pytest.raises(Denied, match=f"anonymous may not {action.value}"):
        await (anext(answer) if hasattr(answer, "__anext__") else answer)
    assert asked == [(account, action)]
