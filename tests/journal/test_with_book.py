"""With the order book service itself: what it records can be verified, moved, and gone on with."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from marksim.codec import encode_columns
from marksim.core.feed.tape import run_hash
from marksim.journal.command import app
from marksim.orderbook.order_entry import OrderEntry
from marksim.orderbook.service import OrderBookService
from marksim.orderbook.settings import OrderBookSettings
from marksim.store import moving
from marksim.v1 import orderbook_pb2 as pb
from marksim.v1 import types_pb2
from tests.journal.recorded import BTC, ETH, commands, record, scenario

ASSIGN = {ETH: 0, BTC: 1}


def marksim(*words: object) -> Result:
    """Run a command of `marksim journal`."""
    return CliRunner().invoke(app, [str(word) for word in words])


@asynccontextmanager
async def books(directory: Path, shards: int) -> AsyncIterator[list[OrderBookService]]:
    """The services of a market, which go on with what is in the directory, each with an engine's session."""
    async with AsyncExitStack() as opened:
        services = []
        for shard in range(shards):
            settings = OrderBookSettings(
                scenario="two-symbols",
                shards=shards,
                shard=str(shard),
                assign=ASSIGN if shards > 1 else {},
                journal=directory,
                snapshot_windows=100,
                ring_mib=1,
            )
            service = OrderBookService(settings)
            recorder = service.sequencer.recorder
            assert recorder is not None
            opened.push_async_callback(recorder.close)
            await service._recover(recorder)
            async with service.sequencer.books:
                await service.sequencer.open(opening(service.sequencer.term + 1))
            services.append(service)
        yield services


def opening(term: int) -> pb.OpenRun:
    """What an engine says first."""
    run = record()
    return pb.OpenRun(
        run=run.run,
        term=term,
        instance=f"engine {term}",
        scenario_hash=run.scenario_hash,
        seed=run.seed,
        start_time_ns=run.start_time_ns,
        lookahead_ns=run.lookahead_ns,
        scenario=run.scenario,
        scenario_text=run.scenario_text,
    )


async def trade(services: Sequence[OrderBookService], windows: range) -> None:
    """Do these windows, with an outside order in each symbol in every tenth."""
    for window in windows:
        sending = []
        for service in services:
            own = service.sequencer.instruments
            for symbol in own if window % 10 == 0 else ():
                entry = OrderEntry(service.sequencer)
                sending.append(asyncio.create_task(entry.submit(order(symbol, window))))
        await asyncio.sleep(0)
        for service in services:
            parts = [
                pb.SymbolCommands(symbol=symbol, commands=encode_columns(rows, types_pb2.CommandColumns))
                for symbol in service.sequencer.instruments
                if (rows := commands()[symbol].get(window)) is not None
            ]
            answer = await service.sequencer.window(pb.WindowCommands(window=window, commands=parts))
            assert answer.result.window == window
        await asyncio.gather(*sending)


def order(symbol: str, window: int) -> pb.SubmitOrderRequest:
    """One that may trade, of one of three accounts."""
    known = {instrument.symbol: instrument for instrument in scenario().instruments()}[symbol]
    price = known.reference_price_ticks * known.tick_size
    return pb.SubmitOrderRequest(
        account=f"account-{window % 3}",
        symbol=symbol,
        client_order_id=f"order-{window}",
        side=types_pb2.SIDE_BUY if window % 20 else types_pb2.SIDE_SELL,
        order_type=types_pb2.ORDER_TYPE_LIMIT,
        quantity="0.50",
        price=f"{float(price):.2f}",
    )


def tapes(services: Sequence[OrderBookService]) -> dict[str, str]:
    """The tape hash of each symbol, as GetRun tells it."""
    return {symbol: tape.hash for service in services for symbol, tape in service.sequencer.tapes.items()}


def known_orders(services: Sequence[OrderBookService]) -> dict[tuple[str, str], tuple[int, ...]]:
    """By symbol and client order id, what is known of each outside order."""
    found: dict[tuple[str, str], tuple[int, ...]] = {}
    for service in services:
        for window in range(0, 400, 10):
            for symbol in service.sequencer.instruments:
                one = service.sequencer.outside.find(f"account-{window % 3}", symbol, f"order-{window}")
                if one is not None:
                    found[symbol, one.client_order_id] = (one.serial, one.status, one.order_id, one.filled_lots, one.window)
    return found


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1)])
async def test_a_market_goes_on_with_a_moved_journal_as_if_nothing_had_been(tmp_path: Path, before: int, after: int) -> None:
    """The tape is that of a market that was never moved; outside orders are what they were; verify says equal all along."""
    async with books(tmp_path / "whole", 1) as services:
        await trade(services, range(300))
        wanted, orders = tapes(services), known_orders(services)
    async with books(tmp_path / "moved", before) as services:
        await trade(services, range(210))
        kept = known_orders(services)
    assert marksim("verify", tmp_path / "moved").exit_code == 0
    words = ("--shards", after, *(("--assign", f"{ETH}=0,{BTC}=1") if after > 1 else ()))
    moved = marksim("move", tmp_path / "moved", *words)
    assert moved.exit_code == 0, moved.output
    async with books(tmp_path / "moved", after) as services:
        assert len(kept) == 42 and known_orders(services) == kept
        await trade(services, range(210, 300))
        assert tapes(services) == wanted and known_orders(services) == orders
    verified = marksim("verify", tmp_path / "moved")
    assert verified.stdout.splitlines()[1] == f"tape hash: {run_hash(wanted)}", verified.output


async def test_a_refusal_for_other_shards_names_the_command_which_then_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where a shard that was not refused has begun a journal of nothing."""
    async with books(tmp_path, 1) as services:
        await trade(services, range(30))
    with pytest.raises(SystemExit):
        async with books(tmp_path, 2):
            pass
    said = capsys.readouterr().err
    assert f"marksim journal move {tmp_path} --shards 2" in said
    settings = OrderBookSettings(scenario="two-symbols", shards=2, shard="1", assign=ASSIGN, journal=tmp_path)
    recorder = OrderBookService(settings).sequencer.recorder
    assert recorder is not None
    await recorder.close()
    assert marksim("verify", tmp_path).exit_code == 0
    assert marksim("move", tmp_path, "--shards", "2", "--assign", f"{ETH}=0,{BTC}=1").exit_code == 0
    async with books(tmp_path, 2) as services:
        await trade(services, range(30, 40))


def test_a_book_does_not_begin_in_a_directory_that_is_being_moved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would begin an empty journal beside the one that is to come."""
    (tmp_path / moving.MOVED).mkdir()
    with pytest.raises(SystemExit):
        OrderBookService(OrderBookSettings(scenario="two-symbols", journal=tmp_path))
    assert "`marksim journal move` was cut off" in capsys.readouterr().err
