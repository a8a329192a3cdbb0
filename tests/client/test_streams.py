"""Streams of either client lose nothing and tell nothing twice, whatever their connection does; what is lost is told."""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from marksim.client import (
    Execution,
    ExecutionKind,
    Gap,
    Liquidity,
    NewRun,
    Place,
    Refused,
    Side,
    Tick,
    TimedOut,
    TimeInForce,
    Trade,
    Unavailable,
    apump,
    pump,
)
from marksim.orderbook import servicer
from marksim.orderbook.accounts import account_number
from marksim.orderbook.own_executions import own_rows
from marksim.orderbook.stream import stream
from marksim.v1 import orderbook_pb2 as pb
from tests.client.live import Connect, Live, going, live, some
from tests.orderbook.market import SYMBOL, WAIT_S, served
from tests.orderbook.relay import relayed

ACCEPTED, TRADED = ExecutionKind.ACCEPTED, ExecutionKind.TRADED


async def recorded(market: Live, account: str = "me") -> list[int]:
    """Sequences of all that happened to the account, as the book's own tape has it."""
    request = pb.StreamTicksRequest(parts=[pb.FRAME_PART_EXECUTIONS], after_window=-1)
    call, sequences = market.market.stub.StreamTicks(request), list[int]()
    last = market.market.service.sequencer.run.last_window  # type: ignore[union-attr]
    async with asyncio.timeout(WAIT_S):
        while (response := await call.read()).last_window < last or not response.HasField("last_window"):
            for frame in response.frames:
                sequences += own_rows(frame.executions, account_number(account))["sequence"].tolist()
        for frame in response.frames:
            sequences += own_rows(frame.executions, account_number(account))["sequence"].tolist()
    call.cancel()
    return sequences


async def trade(client: Any, count: int, seed: int = 1) -> None:
    """Orders of which some trade."""
    rng = random.Random(seed)
    for _ in range(count):
        price = rng.choice(["49990", "50005"])
        await client.submit(rng.choice([Side.BUY, Side.SELL]), SYMBOL, "0.002", price)


async def test_an_account_is_told_what_happens_to_its_orders(market: Live, connect: Connect) -> None:
    """From the opening of its client on, in decimals, by the names of its orders, as maker and as taker."""
    async with connect(market.market.address, account="me") as client:
        order = await client.buy(SYMBOL, "0.010", "50000")
        await client.sell(SYMBOL, "0.004", "50000", time_in_force=TimeInForce.IOC)
        events = await some(client.executions(), 4)
    assert [event.kind for event in events] == [ACCEPTED, ACCEPTED, TRADED, TRADED]
    first, _, taken, made = events
    assert (first.client_order_id, first.price, first.quantity, first.side) == (
        order.client_order_id,
        50_000,
        Decimal("0.010"),
        Side.BUY,
    )
    assert (taken.side, taken.liquidity, taken.leaves) == (Side.SELL, Liquidity.TAKER, 0)
    assert (made.side, made.liquidity, made.leaves) == (Side.BUY, Liquidity.MAKER, Decimal("0.006"))
    assert made.client_order_id == order.client_order_id and made.sequence == taken.sequence


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_broken_connection_loses_and_doubles_nothing(market: Live, connect: Connect, seed: int) -> None:
    """It is cut again and again while orders trade; the account is told exactly what the book recorded."""
    rng = random.Random(seed)
    async with (
        relayed(market.market.port) as relay,
        connect(relay.address, account="me") as listener,
        connect(market.market.address, account="me") as trader,
    ):
        told: list[int] = []
        stream = listener.executions()

        async def listen() -> None:
            async for event in stream:
                assert isinstance(event, Execution), event
                told.append(event.sequence)

        listening = asyncio.create_task(listen())
        for step in range(12):
            await trade(trader, rng.randrange(1, 4), seed=step)
            if step % 2:
                relay.cut()
            if rng.random() < 0.5:
                await until_told(told, await recorded(market))
        expected = await recorded(market)
        await until_told(told, expected)
        # Anything more would be told twice.
        await trader.buy(SYMBOL, "0.001", "40000")
        await until_told(told, await recorded(market))
        await stream.aclose()
        await listening
    assert relay.connections > 3


async def until_told(told: list[int], expected: list[int]) -> None:
    """Wait until so much was told, and compare."""
    async with asyncio.timeout(20):
        while len(told) < len(expected):
            await asyncio.sleep(0.005)
    assert told == expected


async def test_a_position_goes_on_in_another_client(market: Live, connect: Connect) -> None:
    """In the middle of a window, too: row by row, with no gap and no double."""
    async with connect(market.market.address, account="me") as client:
        await market.pause()
        orders = [asyncio.create_task(client.buy(SYMBOL, "0.001", 40_000 + at, queue_while_paused=True)) for at in range(5)]
        await market.market.queued(5)
        await market.pause(False)
        await asyncio.gather(*orders)
        stream = client.executions()
        first = await some(stream, 2)
        position = stream.position
        await stream.aclose()
    assert position[0].rows == 2
    async with connect(market.market.address, account="me") as client:
        rest = await some(client.executions(after=position), 3)
    assert len(first) == 2 and sorted(event.price for event in [*first, *rest]) == [40_000 + at for at in range(5)]


async def test_what_the_book_has_forgotten_is_told(connect: Connect) -> None:
    """A position that is older than its memory gets a gap first."""
    async with live(at_once=False) as market:
        for serial in range(3, 15, 2):
            await market.make_market(lots=1 + serial, serial=serial)
        market.goes_on.set()
        # A thousand years later.
        market.market.service.tape.ring.expire(1 << 45)
        async with connect(market.market.address, account="me") as client:
            stream = client.executions(after={0: Place(market.market.run, 0)})
            (gap,) = await some(stream, 1)
            assert (gap.shard, gap.run, gap.first_window) == (0, market.market.run, 1) and gap.reason
            order = await client.buy(SYMBOL, "0.001")
            assert [event.client_order_id for event in await some(stream, 2)] == [order.client_order_id] * 2


async def test_a_new_run_is_told(market: Live, connect: Connect) -> None:
    """Where the account's orders are gone, it must know."""
    async with connect(market.market.address, account="me") as client:
        await client.buy(SYMBOL, "0.001", "40000")
        stream = client.executions()
        assert [event.kind for event in await some(stream, 1)] == [ACCEPTED]
        market.goes_on.clear()
        fresh = str(uuid.uuid4())
        async with going(market.market, run=fresh, term=2) as again:
            await client.buy(SYMBOL, "0.001", "41000")
            turn, event = await some(stream, 2)
        assert turn == NewRun(0, fresh, market.market.run) and event.price == 41_000 and again.window


async def test_a_book_that_ends_and_comes_back_is_found(connect: Connect) -> None:
    """On its old address, with a run of its own."""
    async with live() as before:
        port = before.market.port
        async with connect(before.market.address, account="me") as client:
            stream = client.executions()
            await client.buy(SYMBOL, "0.001", "40000")
            await some(stream, 1)
            before.goes_on.clear()
            await before.market.stop()
            async with served(port=port) as market, going(market) as after:
                order = await client.buy(SYMBOL, "0.001", "41000")
                gap, turn, event = await some(stream, 3, within_s=20)
            assert isinstance(gap, Gap) and gap.run == before.market.run and gap.last_window is None
            assert isinstance(turn, NewRun) and turn.run == after.market.run
            assert event.client_order_id == order.client_order_id


async def test_a_stream_gives_up_in_the_end(connect: Connect) -> None:
    """After as long as it was told to try, with the error of the last try."""
    async with (
        live() as market,
        relayed(market.market.port) as relay,
        connect(relay.address, account="me", away_s=0.2, timeout=0.2) as client,
    ):
        stream = client.executions()
        await client.buy(SYMBOL, "0.001", "40000")
        await some(stream, 1)
        relay.silent = True
        relay.cut()
        with pytest.raises((Unavailable, TimedOut)):
            await some(stream, 1, within_s=20)
        with pytest.raises(StopAsyncIteration):
            await some(stream, 1)


async def test_a_refusal_ends_a_stream_at_once(market: Live, connect: Connect) -> None:
    """Trying again would not help."""
    async with connect(market.market.address, account="not a name") as client:
        with pytest.raises(Refused, match="account"):
            await some(client.executions(), 1)


async def test_the_newest_tick_comes_and_then_each_that_follows(market: Live, connect: Connect) -> None:
    """In decimals; symbol by symbol it never goes back, also over a broken connection."""
    async with relayed(market.market.port) as relay, connect(relay.address, account="me") as client:
        ticks = client.ticks(SYMBOL)
        (first,) = await some(ticks, 1)
        assert (first.bid_price, first.ask_price, first.bid_size) == (49_995, 50_005, 1)
        relay.cut()
        await market_order(market, connect)
        (second,) = await some(ticks, 1, within_s=20)
    assert second.last_price == 50_005 and second.number == first.number + 1 and second.trades_total == 1


async def market_order(market: Live, connect: Connect) -> None:
    async with connect(market.market.address, account="another") as client:
        await client.buy(SYMBOL, "0.001")


async def test_a_slow_reader_gets_the_newest_tick(market: Live, connect: Connect) -> None:
    """Those in between are not waiting for it: acting on them would be acting on the past."""
    async with connect(market.market.address, account="me") as client:
        ticks = client.ticks(SYMBOL)
        (first,) = await some(ticks, 1)
        for _ in range(20):
            await client.buy(SYMBOL, "0.001")
        read = await some(ticks, 1)
        while read[-1].trades_total < 20:
            read += await some(ticks, 1)
    assert read[-1].number == first.number + 20 and len(read) <= 3


async def test_the_feed_has_every_tick_and_trade(market: Live, connect: Connect) -> None:
    """Over broken connections too: ticks are dense, and the trades are those that the totals count."""
    rng = random.Random(3)
    async with (
        relayed(market.market.port) as relay,
        connect(relay.address, account="me") as listener,
        connect(market.market.address, account="me") as trader,
    ):
        feed = listener.feed()
        (first,) = await some(feed, 1)
        for _ in range(10):
            await trader.buy(SYMBOL, "0.001")
            if rng.random() < 0.5:
                relay.cut()
        events: list[Any] = []
        while not events or not isinstance(events[-1], Tick) or events[-1].trades_total < 10:
            events += await some(feed, 1, within_s=20)
    ticks = [event for event in events if isinstance(event, Tick)]
    trades = [event for event in events if isinstance(event, Trade)]
    assert [tick.number for tick in ticks] == list(range(first.number + 1, first.number + 11))
    assert len(trades) == 10 and {trade.price for trade in trades} == {50_005}
    assert [event.sequence for event in trades] == sorted({event.sequence for event in trades})


async def test_a_stream_that_is_silent_is_opened_again(
    market: Live, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A book says something every second: one that says nothing hangs, or the line does."""
    for module in (pump, apump):
        monkeypatch.setattr(module, "STALL_S", 0.5)
    opened: list[object] = []

    async def hangs_at_first(tape: Any, reader: Any) -> AsyncIterator[Any]:
        opened.append(reader)
        if len(opened) == 1:
            await asyncio.Event().wait()
        async for message in stream(tape, reader):
            yield message

    monkeypatch.setattr(servicer, "stream", hangs_at_first)
    async with connect(market.market.address, account="me") as client:
        order = await client.buy(SYMBOL, "0.001", "40000")
        (event,) = await some(client.executions(), 1)
    assert event.client_order_id == order.client_order_id and len(opened) == 2


async def test_streams_end_with_their_client(market: Live, connect: Connect) -> None:
    """And the book has none of them left."""
    async with connect(market.market.address, account="me") as client:
        streams = [client.executions(), client.feed()]
        await some(streams[1], 1)
    async with asyncio.timeout(WAIT_S):
        while any(market.market.service.servicer.streams.values()):
            await asyncio.sleep(0.005)
    with pytest.raises(StopAsyncIteration):
        await some(streams[0], 1)
