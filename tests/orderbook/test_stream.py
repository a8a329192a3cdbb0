"""Readers get every frame or are told what they lost, and no reader costs another."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc
import grpc.aio
import pytest

from marksim.codec_wire import embedded
from marksim.core.types import Side
from marksim.orderbook.ring import FrameRing, Segment
from marksim.orderbook.stream import TickReader
from marksim.orderbook.tape import KNOWN_RUNS, SymbolFrame, Tape
from marksim.v1 import orderbook_pb2 as pb
from tests.orderbook.market import (
    LOOKAHEAD_NS,
    START_NS,
    SYMBOL,
    WAIT_S,
    Engine,
    Market,
    error_info,
    limit,
    refused,
    served,
)

ALL = [
    pb.FRAME_PART_TICKS,
    pb.FRAME_PART_TRADES,
    pb.FRAME_PART_QUOTES,
    pb.FRAME_PART_DEPTH,
    pb.FRAME_PART_EXECUTIONS,
]


async def messages(market: Market, **request: Any) -> AsyncIterator[pb.StreamTicksResponse]:
    call = market.stub.StreamTicks(pb.StreamTicksRequest(**request))
    try:
        while True:
            async with asyncio.timeout(WAIT_S):
                message = await call.read()
            if message is grpc.aio.EOF:
                return
            yield message
    finally:
        call.cancel()


async def frames(market: Market, last: int, **request: Any) -> tuple[list[pb.StreamTicksResponse], list[pb.Frame]]:
    """Messages and frames of a new stream, up to that last window of the current run."""
    seen: list[pb.StreamTicksResponse] = []
    run = market.service.tape.current
    assert run is not None
    async with aclosing(messages(market, **request)) as stream:  # type: ignore[type-var]  # an async generator
        async for message in stream:
            seen.append(message)
            if message.run == run.run and message.HasField("last_window") and message.last_window >= last:
                break
    return seen, [frame for message in seen for frame in message.frames]


async def bid(engine: Engine, number: int) -> None:
    """A window that changes the best bid."""
    await engine.window(number, limit(number + 1, Side.BUY, 90_000 + number, 1))


async def test_late_reader_gets_everything_in_memory(market: Market) -> None:
    """From the oldest frame on, with the parts asked for and a chain of previous windows."""
    engine = await market.engine()
    for number in (0, 1, 3):
        if number == 3:
            await engine.window(2)
        await bid(engine, number)
    seen, got = await frames(market, 3, after_window=-1, parts=ALL)
    assert [(frame.window, frame.previous_window) for frame in got] == [(0, 0), (1, 0), (3, 1)]
    assert [frame.HasField("previous_window") for frame in got] == [False, True, True]
    assert [frame.HasField("depth_snapshot") for frame in got] == [True, False, False]
    assert all(
        frame.tick.tick_number and frame.quotes.count and frame.depth.count and frame.executions.count for frame in got
    )
    started = seen[0].run_started
    assert (started.run, started.seed, started.instruments[0].symbol) == (market.run, 7, SYMBOL)
    assert seen[-1].simulated_time_ns == START_NS + 4 * LOOKAHEAD_NS and not seen[0].HasField("gap")
    assert [message.HasField("run_started") for message in seen] == [True] + [False] * (len(seen) - 1)


async def test_only_asked_parts_come(market: Market) -> None:
    """A reader of ticks pays for ticks only."""
    engine = await market.engine()
    await bid(engine, 0)
    _, (frame,) = await frames(market, 0, after_window=-1)
    assert {field.name for field, _ in frame.ListFields()} <= {"symbol", "window", "tick"} and frame.tick.tick_number == 1


async def test_reader_goes_on_after_its_window(market: Market) -> None:
    """A reader that names what it has gets what follows, with no gap and no double."""
    engine = await market.engine()
    for number in range(6):
        await bid(engine, number)
    seen, got = await frames(market, 5, after_run=market.run, after_window=2)
    assert [frame.window for frame in got] == [3, 4, 5] and not any(message.HasField("gap") for message in seen)


async def test_reader_that_names_nothing_begins_with_the_last_tick(market: Market) -> None:
    """A new page sees the last state at once, also if it changed long ago, and then what comes."""
    engine = await market.engine()
    await bid(engine, 0)
    await engine.window(1)
    async with aclosing(messages(market)) as stream:  # type: ignore[type-var]  # an async generator
        first = await anext(stream)
        assert [frame.tick.tick_number for frame in first.frames] == [1] and first.last_window == 1
        await bid(engine, 2)
        assert [frame.window for frame in (await anext(stream)).frames] == [2]


async def test_idle_stream_says_how_far_the_market_is(market: Market) -> None:
    """At least once a wall second there is a message, before the first run too, with the last window and its end."""
    async with aclosing(messages(market)) as stream:  # type: ignore[type-var]  # an async generator
        before = await anext(stream)
        assert (before.run, before.HasField("last_window")) == ("", False) and before.sent_time_us > 0
        engine = await market.engine()
        assert (await anext(stream)).run_started.run == market.run
        await engine.window(0)
        await engine.window(1)
        while (message := await anext(stream)).last_window != 1:
            pass
        assert message.simulated_time_ns == START_NS + 2 * LOOKAHEAD_NS


async def test_snapshot_opens_each_simulated_minute(market: Market) -> None:
    """A frame with all levels comes with the first window of a minute even if nothing happened in it."""
    engine = await market.engine()
    await bid(engine, 0)
    for number in range(1, 1_202):
        await engine.window(number)
    _, got = await frames(market, 1_201, after_window=-1, parts=[pb.FRAME_PART_DEPTH])
    assert [(frame.window, frame.depth_snapshot.count) for frame in got] == [(0, 1), (1_200, 1)]


async def test_new_run_while_a_reader_is_connected(market: Market) -> None:
    """The stream goes on with the new run, announced before its first frame, and nothing of the old one is lost."""
    engine = await market.engine()
    async with aclosing(messages(market, after_window=-1)) as stream:  # type: ignore[type-var]  # an async generator
        await anext(stream)
        await bid(engine, 0)
        assert (await anext(stream)).frames[0].window == 0
        second = str(uuid.uuid4())
        other = await market.engine(run=second, term=2)
        message = await anext(stream)
        assert (message.run_started.run, message.HasField("gap")) == (second, False)
        await bid(other, 0)
        frame = (await anext(stream)).frames[0]
        assert (frame.window, frame.tick.tick_number, frame.HasField("previous_window")) == (0, 1, False)


async def test_reader_of_an_old_run_gets_its_rest_then_the_new_one(market: Market) -> None:
    """A reader that comes back after a change of runs is served across it."""
    engine = await market.engine()
    for number in range(3):
        await bid(engine, number)
    other = await market.engine(run=str(uuid.uuid4()), term=2)
    await bid(other, 0)
    seen, got = await frames(market, 0, after_run=market.run, after_window=0)
    assert [frame.window for frame in got] == [1, 2, 0] and not any(message.HasField("gap") for message in seen)
    assert [message.run_started.run for message in seen] == [message.run for message in seen]


async def test_unknown_run_is_a_gap(market: Market) -> None:
    """A reader of a run that the book does not know is told so, then gets all there is."""
    engine = await market.engine()
    await bid(engine, 0)
    unknown = str(uuid.uuid4())
    seen, got = await frames(market, 0, after_run=unknown, after_window=41)
    gap = seen[0].gap
    assert (gap.run, gap.first_window, gap.HasField("last_window")) == (unknown, 42, False) and gap.reason
    assert [frame.window for frame in got] == [0] and seen[0].run_started.run == market.run


async def fill_ring(market: Market, engine: Engine, first: int) -> int:
    """Do windows until the ring has dropped some since `first`; returns the last window."""
    number = first
    dropped = market.service.tape.ring.tail
    while market.service.tape.ring.tail < dropped + 10:
        await engine.window(number, *(limit(1_000 * number + row, Side.BUY, 50_000 + row, 1) for row in range(300)))
        number += 1
    return number - 1


async def test_gap_is_told_and_exact(market: Market) -> None:
    """A reader whose next window has left the memory is told which windows it lost; the next frame follows them."""
    engine = await market.engine()
    last = await fill_ring(market, engine, 0)
    seen, got = await frames(market, last, after_run=market.run, after_window=2, parts=ALL)
    gap = seen[0].gap
    assert (gap.run, gap.first_window) == (market.run, 3)
    assert [frame.window for frame in got] == list(range(gap.last_window + 1, last + 1))
    assert seen[0].run_started.run == market.run


async def test_reader_that_never_had_anything_is_told_of_what_is_gone(market: Market) -> None:
    """From the oldest on means with a gap from window 0, if that has left the memory."""
    engine = await market.engine()
    last = await fill_ring(market, engine, 0)
    seen, got = await frames(market, last, after_window=-1)
    assert (seen[0].gap.run, seen[0].gap.first_window, seen[0].gap.last_window + 1) == ("", 0, got[0].window)


async def test_reader_that_falls_behind_is_told(market: Market) -> None:
    """A reader that does not read loses frames only for itself, and knows which."""
    engine = await market.engine()
    await bid(engine, 0)
    slow = TickReader(market.service.tape, pb.StreamTicksRequest(after_window=-1))
    assert [frame.window for frame in (slow.take() or pb.StreamTicksResponse()).frames] == [0]
    await fill_ring(market, engine, 1)
    message = slow.take()
    assert message is not None
    assert (message.gap.run, message.gap.first_window) == (market.run, 1)
    assert message.frames[0].window == message.gap.last_window + 1


def test_a_frame_too_large_for_memory_is_a_gap() -> None:
    """Also to a reader that had everything up to it; what is left of that window does not come as if it were whole."""
    tape = Tape(FrameRing(4_000), ["A", "B"])
    tape.begin_run(pb.RunStarted(run="run", lookahead_ns=1))
    reader = TickReader(tape, pb.StreamTicksRequest(after_window=-1, parts=ALL))
    told = []
    for window in range(4):
        frames_ = [
            SymbolFrame(number, [pb.Frame(symbol=symbol, window=window).SerializeToString(), *[b""] * 6])
            for number, symbol in enumerate(tape.symbols)
        ]
        if window == 2:
            frames_[0].segments[Segment.TRADES] = embedded(pb.Frame.TRADES_FIELD_NUMBER, b"\x08\x00" * 1_500)
        tape.publish(window, frames_)
        while message := reader.take():
            gap = (message.gap.first_window, message.gap.last_window) if message.HasField("gap") else None
            told.append((gap, [frame.window for frame in message.frames], message.last_window))
    assert told == [(None, [0, 0], 0), (None, [1, 1], 1), ((2, 2), [], 2), (None, [3, 3], 3)]


async def test_gap_across_runs_names_both(market: Market) -> None:
    """What is lost of the old run and of the new one is told apart, one message each."""
    engine = await market.engine()
    for number in range(3):
        await bid(engine, number)
    slow = TickReader(market.service.tape, pb.StreamTicksRequest(after_run=market.run, after_window=0))
    second = str(uuid.uuid4())
    await fill_ring(market, await market.engine(run=second, term=2), 0)
    gaps = []
    while message := slow.take():
        if message.HasField("gap"):
            gaps.append((message.gap.run, message.gap.first_window, message.gap.last_window))
            assert message.run == second
    assert gaps[0] == (market.run, 1, 2) and gaps[1][:2] == (second, 0) and len(gaps) == 2


def gaps_of(reader: TickReader) -> list[tuple[str, int, int | None]]:
    """All that it says it lost, read to the end; what it does get begins with a frame, whose run it names."""
    gaps: list[tuple[str, int, int | None]] = []
    while message := reader.take():
        gap = message.gap
        if message.HasField("gap"):
            gaps.append((gap.run, gap.first_window, gap.last_window if gap.HasField("last_window") else None))
        else:
            assert [frame.window for frame in message.frames] == [0]
    return gaps


async def runs(market: Market, count: int) -> list[str]:
    """Begin so many runs more, with one window each, in less time than the ring keeps frames."""
    begun = []
    for _ in range(count):
        begun.append(str(uuid.uuid4()))
        await bid(await market.engine(run=begun[-1], term=market.service.sequencer.term + 1), 0)
    return begun


async def test_a_run_that_is_forgotten_leaves_no_frames(market: Market) -> None:
    """A reader in the middle of it is told exactly what it lost, by the name of the run that it had."""
    engine = await market.engine()
    for number in range(5):
        await bid(engine, number)
    reader = TickReader(market.service.tape, pb.StreamTicksRequest(after_run=market.run, after_window=1))
    await runs(market, KNOWN_RUNS)
    assert gaps_of(reader) == [(market.run, 2, 4)]
    assert reader.take() is None and reader.position == (KNOWN_RUNS + 1, 0)


async def test_forgotten_runs_that_a_reader_never_saw_are_a_gap(market: Market) -> None:
    """Nobody keeps their names, so it is a gap without an end behind the last run that the reader had."""
    await bid(await market.engine(), 0)
    had_all = TickReader(market.service.tape, pb.StreamTicksRequest(after_run=market.run, after_window=0))
    had_none = TickReader(market.service.tape, pb.StreamTicksRequest(after_window=-1))
    await runs(market, KNOWN_RUNS + 2)
    assert gaps_of(had_all) == [(market.run, 1, None)]
    assert gaps_of(had_none) == [("", 0, None)]
    late = TickReader(market.service.tape, pb.StreamTicksRequest(after_window=-1))
    assert gaps_of(late) == [("", 0, None)]


async def test_gap_in_the_oldest_run_that_is_known(market: Market) -> None:
    """A reader that had all of what was forgotten is told of nothing but the frames that are gone."""
    await bid(await market.engine(), 0)
    reader = TickReader(market.service.tape, pb.StreamTicksRequest(after_run=market.run, after_window=0))
    begun = await runs(market, KNOWN_RUNS)
    market.service.tape.ring.expire(1 << 60)
    assert gaps_of(reader) == [(run, 0, 0) for run in begun]


async def test_latest_drops_and_counts(market: Market) -> None:
    """A LATEST reader gets each symbol's newest frame; those it was too slow for are counted."""
    engine = await market.engine()
    reader = TickReader(market.service.tape, pb.StreamTicksRequest(after_window=-1, delivery=pb.DELIVERY_LATEST))
    for number in range(10):
        await bid(engine, number)
    message = reader.take()
    assert message is not None
    assert ([frame.window for frame in message.frames], message.dropped_frames, message.last_window) == ([9], 9, 9)
    assert reader.take() is None


async def test_frames_may_be_held_back_together(market: Market) -> None:
    """With a batch interval, frames that come within it are sent as one message, and none is lost."""
    engine = await market.engine()
    await bid(engine, 0)
    async with aclosing(messages(market, after_window=-1, batch_interval_ms=200)) as stream:  # type: ignore[type-var]
        assert [frame.window for frame in (await anext(stream)).frames] == [0]
        for number in (1, 2, 3):
            await bid(engine, number)
        assert [frame.window for frame in (await anext(stream)).frames] == [1, 2, 3]


async def test_large_backlog_comes_in_bounded_messages() -> None:
    """A reader that is far behind gets many messages of bounded size, cut between windows."""
    async with served(ring_mib=8) as market:
        engine = await market.engine()
        for number in range(100):
            rows = (limit(1_000 * number + row, Side.BUY, 50_000 + row, 1) for row in range(300))
            await engine.window(number, *rows)
        seen, got = await frames(market, 99, after_window=-1, parts=ALL)
        assert [frame.window for frame in got] == list(range(100))
        assert len(seen) > 3 and max(message.ByteSize() for message in seen) < 1 << 20
        assert all(message.last_window == message.frames[-1].window for message in seen)


async def test_reader_that_never_reads_does_not_hurt(market: Market) -> None:
    """With a client attached that takes nothing, windows are answered and others get everything."""
    engine = await market.engine()
    stuck = market.stub.StreamTicks(pb.StreamTicksRequest(after_window=-1, parts=ALL))
    await stuck.read()
    last = await fill_ring(market, engine, 0)
    _, got = await frames(market, last, after_run=market.run, after_window=last - 1)
    assert [frame.window for frame in got] == [last]
    stuck.cancel()


@pytest.mark.parametrize(
    "request_",
    [
        {"symbols": ["DOGE/USD"]},
        {"parts": [9]},
        {"parts": [0]},
        {"delivery": 9},
        {"batch_interval_ms": 5_000},
        {"after_window": -2},
        {"reader": "a b"},
    ],
)
async def test_bad_request_is_refused(market: Market, request_: dict[str, Any]) -> None:
    """Each wrong field is refused with its name and the fix, before the stream begins."""
    call = market.stub.StreamTicks(pb.StreamTicksRequest(**request_))
    assert (await refused(call.read()))[0] == grpc.StatusCode.INVALID_ARGUMENT
    (field,) = request_
    assert error_info(await call.trailing_metadata()).metadata["field"] == field


async def test_window_that_has_not_happened_is_refused(market: Market) -> None:
    """A reader cannot be ahead of the book."""
    await (await market.engine()).window(0)
    call = market.stub.StreamTicks(pb.StreamTicksRequest(after_run=market.run, after_window=7))
    code, _, message = await refused(call.read())
    assert code == grpc.StatusCode.INVALID_ARGUMENT and "the last window" in message
