"""The service leaves in order: no more windows, named readers have the last frame, streams end."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from unittest.mock import MagicMock

import grpc
import grpc.aio
import pytest

from marksim.core.errors import Away
from marksim.core.types import Side
from marksim.core.warm import BOOK
from marksim.orderbook.service import OrderBookService
from marksim.orderbook.settings import OrderBookSettings
from marksim.runtime import warming
from marksim.runtime.service import Lifecycle
from marksim.v1 import orderbook_pb2 as pb
from tests.orderbook.market import LOOKAHEAD_NS, START_NS, WAIT_S, Market, limit, order_request, refused


@asynccontextmanager
async def running(market: Market, grace_s: float = 2.0) -> AsyncIterator[tuple[Lifecycle, "asyncio.Task[None]"]]:
    """The service's own work, as the runtime starts it."""
    market.service.servicer.ready = False
    lifecycle = Lifecycle(service="orderbook", grace_s=grace_s)
    work = asyncio.create_task(market.service.run(lifecycle))
    async with asyncio.timeout(WAIT_S):
        while not market.service.ready():
            await asyncio.sleep(0.01)
    yield lifecycle, work
    lifecycle.draining.set()
    async with asyncio.timeout(WAIT_S):
        await work


async def test_drain_does_not_wait_for_the_compiler(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cold start takes up to a minute; a service that is told to end meanwhile ends at once, and in order."""
    compiling, enough = threading.Event(), threading.Event()

    def compile_for_long(*_: object) -> None:
        compiling.set()
        enough.wait(WAIT_S)

    monkeypatch.setattr(warming, "compile_kernels", compile_for_long)
    market.service.servicer.ready = False
    lifecycle = Lifecycle(service="orderbook", grace_s=60)
    work = asyncio.create_task(market.service.run(lifecycle))
    await asyncio.to_thread(compiling.wait)
    lifecycle.draining.set()
    try:
        async with asyncio.timeout(WAIT_S / 2):
            await work
        assert not market.service.ready()
    finally:
        enough.set()


async def test_compiler_that_fails_ends_the_service(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes wrong in its thread is not lost there."""

    def fail(*_: object) -> None:
        raise ValueError("no compiler")

    monkeypatch.setattr(warming, "compile_kernels", fail)
    with pytest.raises(ValueError, match="no compiler"):
        await market.service.run(Lifecycle(service="orderbook", grace_s=60))


async def test_kernels_that_come_from_the_cache_are_not_called_compiled(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every start prepares them; only the first one compiles."""
    log = MagicMock()
    monkeypatch.setattr(warming, "log", log)
    async with running(market):
        pass
    said = [call for call in log.info.call_args_list if "kernel" in call.kwargs]
    assert [call.kwargs["kernel"] for call in said] == list(BOOK)
    assert {call.args for call in said} == {("preparing kernels",)}


async def test_drain_waits_for_the_named_reader(market: Market) -> None:
    """The stream ends after the last frame, which tells its reader to confirm; the book stays until it has."""
    async with running(market) as (lifecycle, work):
        engine = await market.engine()
        call = market.stub.StreamTicks(pb.StreamTicksRequest(after_window=-1, reader="archive"))
        await engine.window(0, limit(1, Side.BUY, 100_000, 1))
        while (message := await call.read()).last_window != 0 or not message.frames:
            pass
        lifecycle.draining.set()
        assert (await engine.refusal())[:2] == (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
        async with asyncio.timeout(WAIT_S):
            while await call.read() is not grpc.aio.EOF:
                pass
        assert not work.done()
        await market.stub.ConfirmWindow(pb.ConfirmWindowRequest(reader="archive", run=market.run, window=0))
        async with asyncio.timeout(WAIT_S):
            await work


async def test_drain_waits_for_a_named_reader_that_is_away(market: Market) -> None:
    """One that restarts at the same time comes back for the rest and confirms it: a rollout of everything loses nothing."""
    async with running(market, grace_s=WAIT_S) as (lifecycle, work):
        engine = await market.engine()
        await market.stub.ConfirmWindow(pb.ConfirmWindowRequest(reader="archive", run=market.run, window=-1))
        await engine.window(0, limit(1, Side.BUY, 100_000, 1))
        lifecycle.draining.set()
        await engine.refusal()
        assert not work.done()
        request = pb.StreamTicksRequest(after_run=market.run, after_window=-1, reader="archive")
        messages = [message async for message in market.stub.StreamTicks(request)]
        assert [frame.window for message in messages for frame in message.frames] == [0]
        await market.stub.ConfirmWindow(pb.ConfirmWindowRequest(reader="archive", run=market.run, window=0))
        async with asyncio.timeout(WAIT_S / 2):
            await work


async def test_a_forgotten_reader_is_not_waited_for(market: Market) -> None:
    """Who will not come back does not hold up the end."""
    async with running(market, grace_s=WAIT_S) as (lifecycle, work):
        engine = await market.engine()
        await market.stub.ConfirmWindow(pb.ConfirmWindowRequest(reader="archive", run=market.run, window=-1))
        await engine.window(0)
        lifecycle.draining.set()
        await engine.refusal()
        assert not work.done()
        await market.stub.ForgetReader(pb.ForgetReaderRequest(reader="archive"))
        async with asyncio.timeout(WAIT_S / 2):
            await work


async def test_a_book_that_drains_lets_no_anonymous_reader_in(market: Market) -> None:
    """An edge would get nothing new and come again at once."""
    async with running(market, grace_s=WAIT_S) as (lifecycle, _):
        engine = await market.engine()
        await market.stub.ConfirmWindow(pb.ConfirmWindowRequest(reader="archive", run=market.run, window=-1))
        await engine.window(0)
        lifecycle.draining.set()
        await engine.refusal()
        refusal = await refused(market.stub.StreamTicks(pb.StreamTicksRequest()).read())
        assert refusal[:2] == (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
        await market.stub.ForgetReader(pb.ForgetReaderRequest(reader="archive"))


async def test_drain_ends_with_the_grace(market: Market) -> None:
    """A reader that never confirms cannot hold the service beyond its grace."""
    async with running(market, grace_s=0.2) as (lifecycle, work):
        await (await market.engine()).window(0)
        call = market.stub.StreamTicks(pb.StreamTicksRequest(after_window=-1, reader="archive"))
        await call.read()
        lifecycle.draining.set()
        async with asyncio.timeout(WAIT_S):
            await work


async def test_streams_deliver_the_last_frames_before_they_end(market: Market) -> None:
    """A drain loses nothing: an anonymous reader gets the last window, then the end of its stream."""
    async with running(market) as (lifecycle, _):
        engine = await market.engine()
        call = market.stub.StreamTicks(pb.StreamTicksRequest(after_window=-1, batch_interval_ms=1_000))
        await call.read()
        for number in range(20):
            await engine.window(number, limit(number + 1, Side.BUY, 100_000 + number, 1))
        lifecycle.draining.set()
        windows = []
        async with asyncio.timeout(WAIT_S):
            while (message := await call.read()) is not grpc.aio.EOF:
                windows += [frame.window for frame in message.frames]
        assert windows[-1] == 19


async def test_an_engine_that_opens_when_the_book_leaves_is_not_let_in(market: Market) -> None:
    """Also if its stream was there before: a run that begins now would have no window."""
    said = asyncio.Event()
    opening = pb.OpenRun(
        run=market.run,
        term=1,
        instance="engine-a",
        scenario_hash=market.service.sequencer.scenario_hash,
        start_time_ns=START_NS,
        lookahead_ns=LOOKAHEAD_NS,
    )

    async def requests() -> AsyncIterator[pb.TradeRequest]:
        await said.wait()
        yield pb.TradeRequest(open=opening)

    trading = market.service.servicer.trading
    answer = asyncio.ensure_future(anext(trading.run(requests())))
    await asyncio.sleep(0)
    trading.stop()
    said.set()
    with pytest.raises(Away, match="shutting down"):
        await answer
    assert market.service.sequencer.run is None


async def test_outside_orders_fail_when_the_book_leaves(market: Market) -> None:
    """What waits for a window that will not come is failed, not left hanging."""
    async with running(market) as (lifecycle, _):
        await market.engine()
        waiting = asyncio.ensure_future(refused(market.stub.SubmitOrder(order_request())))
        await market.queued(1)
        lifecycle.draining.set()
        assert (await waiting)[0] == grpc.StatusCode.UNAVAILABLE


async def test_named_readers_are_listed_and_forgotten(market: Market) -> None:
    """What a reader confirmed is shown, never goes back within a run, and goes when it is forgotten."""
    stub, engine = market.stub, await market.engine()
    for window in range(6):
        await engine.window(window)
    run = (await stub.GetRun(pb.GetRunRequest())).run
    for window in (5, 3):
        await stub.ConfirmWindow(pb.ConfirmWindowRequest(reader="archive", run=run, window=window))
    (reader,) = (await stub.ListReaders(pb.ListReadersRequest())).readers
    assert (reader.reader, reader.run, reader.window, reader.connected) == ("archive", run, 5, False)
    await stub.ForgetReader(pb.ForgetReaderRequest(reader="archive"))
    assert not (await stub.ListReaders(pb.ListReadersRequest())).readers
    refusal = await refused(stub.ForgetReader(pb.ForgetReaderRequest(reader="archive")))
    assert refusal[:2] == (grpc.StatusCode.NOT_FOUND, "UNKNOWN_READER")


@pytest.mark.parametrize("window", [1, -2])
async def test_a_window_that_has_not_been_is_not_confirmed(market: Market, window: int) -> None:
    """It is refused with the last one there is, and the reader is as it was."""
    await (await market.engine()).window(0)
    run = (await market.stub.GetRun(pb.GetRunRequest())).run
    code, reason, message = await refused(
        market.stub.ConfirmWindow(pb.ConfirmWindowRequest(reader="archive", run=run, window=window))
    )
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert message == f"window is {window}: the last one of run {run} is 0"
    assert not (await market.stub.ListReaders(pb.ListReadersRequest())).readers


async def test_a_window_of_an_unknown_run_is_not_confirmed(market: Market) -> None:
    """A run of before the book's start, or a misspelt one, is named."""
    await (await market.engine()).window(0)
    code, reason, message = await refused(
        market.stub.ConfirmWindow(pb.ConfirmWindowRequest(reader="archive", run="other", window=0))
    )
    assert (code, reason) == (grpc.StatusCode.NOT_FOUND, "UNKNOWN_RUN")
    assert "'other'" in message


async def test_connected_reader_is_not_forgotten(market: Market) -> None:
    """A reader with an open stream stays; after the stream it may be forgotten."""
    call = market.stub.StreamTicks(pb.StreamTicksRequest(reader="archive"))
    await call.read()
    refusal = await refused(market.stub.ForgetReader(pb.ForgetReaderRequest(reader="archive")))
    assert refusal[:2] == (grpc.StatusCode.FAILED_PRECONDITION, "READER_CONNECTED")
    call.cancel()
    async with asyncio.timeout(WAIT_S):
        while market.service.servicer.readers.connected:
            await asyncio.sleep(0.01)
    await market.stub.ForgetReader(pb.ForgetReaderRequest(reader="archive"))


def test_wrong_scenario_ends_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A scenario that cannot be read ends the service with exit code 2 and a line that names the flag and what there is."""
    with pytest.raises(SystemExit) as ended:
        OrderBookService(OrderBookSettings(durability="none", scenario="nope", ring_mib=1))
    assert ended.value.code == 2
    line = capsys.readouterr().err
    assert line.startswith("marksim orderbook: --scenario") and "the ready scenarios are " in line and "default" in line
