"""A reader that needs more than memory has is served from what is recorded, then from memory, with no seam."""

import asyncio
import random
import threading
import uuid
from contextlib import aclosing
from typing import Any
from unittest.mock import MagicMock

import grpc
import grpc.aio
import pytest

from marksim.core.types import Side
from marksim.orderbook import history, stream
from marksim.orderbook.recorded import AT_ONCE
from marksim.orderbook.stream import TickReader
from marksim.store.windows import RecordedWindow
from marksim.v1 import orderbook_pb2 as pb
from tests.orderbook.kept import Kept, keep
from tests.orderbook.market import SYMBOL, WAIT_S, Market, error_info, limit, refused, served, until
from tests.orderbook.played import RUN, Played
from tests.orderbook.test_stream import ALL, bid, fill_ring, frames, messages


class Taker:
    """A lossless reader of a played market, and all that it was given."""

    def __init__(self, market: Played, after: int, **request: Any) -> None:
        self.market = market
        self.after = after
        self.asked = pb.StreamTicksRequest(**request)
        self.got: list[tuple[int, bytes]] = []
        self.gaps: list[tuple[int, int]] = []
        self.reader = self.begin()

    def begin(self) -> TickReader:
        """Come, or come back after all that was had."""
        request = pb.StreamTicksRequest()
        request.CopyFrom(self.asked)
        request.after_window = self.after
        if self.after >= 0:
            request.after_run = RUN
        self.reader = TickReader(self.market.tape, request)
        return self.reader

    async def step(self, most: int = 2) -> bool:
        """Take one message, or let the reader fetch, while the market may do so many windows; False when all was taken."""
        message = self.reader.take()
        if message is None and self.reader.behind:
            fetching = asyncio.create_task(self.reader.fetch(WAIT_S))
            await asyncio.sleep(0)
            self.market.windows(self.market.source.choice((0, 0, 0, most)))
            await fetching
            return True
        if message is None:
            # It may have come a piece further with nothing for it.
            return self.reader.catches_up
        if message.HasField("gap"):
            assert message.gap.first_window == self.after + 1 and message.gap.reason
            self.gaps.append((message.gap.first_window, message.gap.last_window))
            self.after = message.gap.last_window
        self.got += [(frame.window, frame.SerializeToString()) for frame in message.frames]
        if message.HasField("last_window"):
            assert message.last_window >= self.after
            self.after = message.last_window
        return True

    def check(self) -> None:
        """All that was published is here once and in order, or in a gap that was told."""
        lost = {window for first, last in self.gaps for window in range(first, last + 1)}
        assert self.got == [item for item in self.market.expected(self.asked, self.begun) if item[0] not in lost]

    begun = -1


@pytest.mark.parametrize("seed", range(12))
async def test_every_reader_gets_all_that_was_published(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However the journal is cut into pieces, what memory drops meanwhile, wherever readers join and books restart: all
    frames once, in order, and each message says up to where it is whole.
    """
    source = random.Random(seed)
    monkeypatch.setattr(history, "CHUNK_WINDOWS", source.choice((1, 2, 7, 50)))
    monkeypatch.setattr(stream, "MESSAGE_BYTES", source.choice((1, 500, 4_000, 1 << 19)))
    monkeypatch.setattr(stream, "MESSAGE_FRAMES", source.choice((1, 4, 128)))
    monkeypatch.setattr(stream, "LOOKED_AT", source.choice((1, 5, 4_096)))
    market = Played(source, source.choice((1 << 12, 1 << 14, 1 << 16)))
    market.windows(source.randint(1, 60))
    takers: list[Taker] = []
    for _ in range(120):
        match source.randint(0, 9):
            case 0 if len(takers) < 6:
                parts = source.sample(ALL, source.randint(1, len(ALL)))
                symbols = source.choice(([], market.symbols[:1], market.symbols[1:]))
                after = source.choice((-1, source.randint(0, len(market.published) - 1)))
                takers.append(Taker(market, after, parts=parts, symbols=symbols))
                takers[-1].begun = after
            case 1 | 2:
                market.windows(source.randint(1, 8))
            case 3 if source.random() < 0.15:
                market.restart()
                for taker in takers:
                    taker.begin()
            case _ if takers:
                await source.choice(takers).step()
    assert market.kept.reads and takers
    for taker in takers:
        while await taker.step(most=0):
            pass
        assert not taker.gaps
        taker.check()
    assert not market.kept.open


@pytest.mark.parametrize("seed", range(6))
async def test_what_the_journal_drops_is_told_and_the_rest_is_whole(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames and gaps together are all that was published, also where windows are dropped while they are read."""
    source = random.Random(100 + seed)
    monkeypatch.setattr(history, "CHUNK_WINDOWS", source.choice((1, 3, 20)))
    monkeypatch.setattr(stream, "LOOKED_AT", source.choice((1, 3, 4_096)))
    market = Played(source, source.choice((1 << 12, 1 << 14)))
    market.windows(50)
    takers = [Taker(market, -1, parts=ALL) for _ in range(3)]
    for _ in range(80):
        match source.randint(0, 9):
            case 0 | 1:
                market.windows(source.randint(1, 8))
            case 2:
                last = market.kept.last_window
                market.kept.drop(min(market.kept.first_window + source.randint(0, 20), last), source.choice(("", "full")))
            case _:
                await source.choice(takers).step()
    for taker in takers:
        while await taker.step(most=0):
            pass
        taker.check()
    assert any(taker.gaps for taker in takers)


def test_windows_that_are_dropped_in_the_middle_of_reading_are_a_hole() -> None:
    """What was read is given, then what is gone and why, then what is there: no more is lost than was dropped."""
    kept = Kept()
    for number in range(20):
        kept.append(RecordedWindow(number, number, b"", b"control" if number in (5, 12) else b"", {}))
    seen: list[tuple[int, int] | history.Hole] = []
    for window in history.unbroken(kept, 0, 18):
        seen.append(window if isinstance(window, history.Hole) else (window.window, window.last))
        if seen[-1] == (0, 4):
            kept.drop(7, "full")
        elif seen[-1] == (12, 12):
            kept.drop(13)
            kept.drop(19)
    assert seen == [(0, 4), history.Hole(5, 7, "full"), (8, 11), (12, 12), history.Hole(13, 18, history.OUT_OF_DATE)]
    assert not kept.open


def kept_market(market: Market) -> Kept:
    return keep(market.service.tape)


async def test_a_late_reader_gets_everything_from_the_first_window_on(market: Market) -> None:
    """Where memory has only the newest windows, the rest comes from the journal, and nobody is told of a gap."""
    kept = kept_market(market)
    last = await fill_ring(market, await market.engine(), 0)
    for after in ({"after_window": -1}, {"after_run": market.run, "after_window": -1}):
        seen, got = await frames(market, last, **after, parts=ALL)
        assert [frame.window for frame in got] == list(range(last + 1))
        assert not any(message.HasField("gap") for message in seen)
        assert [message.run_started.run for message in seen] == [market.run] + [""] * (len(seen) - 1)
        assert max(message.ByteSize() for message in seen) < 1 << 20
    assert kept.reads > 1 and not kept.open


async def test_a_reader_that_falls_behind_loses_nothing(market: Market) -> None:
    """It has taken some; what left the memory meanwhile comes from the journal."""
    kept_market(market)
    engine = await market.engine()
    await bid(engine, 0)
    slow = TickReader(market.service.tape, pb.StreamTicksRequest(after_window=-1))
    assert [frame.window for frame in (slow.take() or pb.StreamTicksResponse()).frames] == [0]
    last = await fill_ring(market, engine, 1)
    assert slow.take() is None and slow.behind
    windows: list[int] = []
    while slow.position[1] < last:
        if (message := slow.take()) is None:
            await slow.fetch(WAIT_S)
        else:
            windows += [frame.window for frame in message.frames]
            assert message.last_window == windows[-1]
    assert windows == list(range(1, last + 1)) and not slow.behind


async def test_a_frame_too_large_for_memory_comes_from_the_journal() -> None:
    """Memory never had it; a reader that had everything up to it gets it all the same, whole and once."""
    market = Played(random.Random(5), ring_bytes=2_000)
    taker = Taker(market, -1, parts=ALL)
    for _ in range(60):
        market.window()
        while await taker.step():
            pass
    assert any(len(b"".join(frame.segments)) > 1_000 for frames_ in market.published for frame in frames_)
    taker.check()


async def test_latest_never_reads_the_journal(market: Market) -> None:
    """It wants the newest only."""
    kept = kept_market(market)
    engine = await market.engine()
    await bid(engine, 0)
    reader = TickReader(market.service.tape, pb.StreamTicksRequest(after_window=-1, parts=ALL, delivery=pb.DELIVERY_LATEST))
    last = await fill_ring(market, engine, 1)
    message = reader.take()
    assert message is not None and not reader.behind
    assert ([frame.window for frame in message.frames], message.last_window, kept.reads) == ([last], last, 0)
    assert message.dropped_frames > 0 and not message.HasField("gap")


async def test_a_book_that_restarted_serves_all_that_was_before(market: Market) -> None:
    """Its memory is empty: who comes back goes on after its window, who names nothing sees the last ticks, at once."""
    kept = kept_market(market)
    engine = await market.engine()
    for number in range(6):
        await bid(engine, number)
    await engine.window(6)
    run = market.service.tape.current
    assert run is not None
    async with served() as again:
        again.service.tape.resume_run(run.started, run.last_window, run.last_ticks, kept)
        seen, got = await frames(again, 6, after_run=market.run, after_window=2)
        assert [frame.window for frame in got] == [3, 4, 5] and seen[0].run_started.run == market.run
        assert [frame.window for frame in (await frames(again, 6, after_window=-1))[1]] == list(range(6))
        seen, got = await frames(again, 6)
        assert [frame.window for frame in got] == [5] and got[0].HasField("tick") and len(seen) == 1
        assert (await frames(again, 6, after_run=market.run, after_window=6))[1] == []
        keep(again.service.tape, kept)
        again.service.tape.publish(7, [])
        assert [frame.window for frame in (await frames(again, 7, after_run=market.run, after_window=4))[1]] == [5]


async def test_a_run_that_goes_on_without_a_window_is_no_gap() -> None:
    """A book that restarts before the first window has nothing behind it."""
    async with served() as market:
        kept = Kept()
        market.service.tape.resume_run(pb.RunStarted(run=market.run, lookahead_ns=1), -1, {}, kept)
        reader = TickReader(market.service.tape, pb.StreamTicksRequest(after_window=-1))
        message = reader.take()
        assert message is not None and (message.run, message.HasField("gap")) == (market.run, False)
        assert reader.take() is None and not reader.behind


@pytest.mark.parametrize(
    ("reason", "told"), [("", history.OUT_OF_DATE), ("the journal reached its cap", "the journal reached its cap")]
)
async def test_what_the_journal_no_longer_has_is_a_gap(market: Market, reason: str, told: str) -> None:
    """With its own reason, exactly the windows that are gone; then what it has, then what memory has."""
    kept = kept_market(market)
    last = await fill_ring(market, await market.engine(), 0)
    kept.drop(4, reason)
    for after, name, first in (
        ({"after_window": -1}, "", 0),
        ({"after_run": market.run, "after_window": 2}, market.run, 3),
    ):
        seen, got = await frames(market, last, **after)
        gaps = [message.gap for message in seen if message.HasField("gap")]
        assert [(gap.run, gap.first_window, gap.last_window, gap.reason) for gap in gaps] == [(name, first, 4, told)]
        assert seen[0].HasField("gap") and [frame.window for frame in got] == list(range(5, last + 1))


async def test_memory_has_what_the_journal_dropped_already(market: Market) -> None:
    """What is lost ends where memory begins, however little the journal keeps."""
    kept = kept_market(market)
    last = await fill_ring(market, await market.engine(), 0)
    kept.drop(last)
    evicted = market.service.tape.ring.evicted
    assert evicted is not None and evicted[1] < last
    seen, got = await frames(market, last, after_run=market.run, after_window=1)
    gaps = [message.gap for message in seen if message.HasField("gap")]
    assert [(gap.first_window, gap.last_window) for gap in gaps] == [(2, evicted[1])]
    assert [frame.window for frame in got] == list(range(evicted[1] + 1, last + 1))


async def test_an_older_run_has_what_memory_has(market: Market) -> None:
    """The journal is that of the present run: of the one before, what left the memory is a gap; the new one is whole."""
    kept_market(market)
    engine = await market.engine()
    for number in range(3):
        await bid(engine, number)
    old, second = market.run, str(uuid.uuid4())
    reader = TickReader(market.service.tape, pb.StreamTicksRequest(after_run=old, after_window=0))
    other = await market.engine(run=second, term=2)
    assert market.service.tape.runs[1].recorded is None
    del market.service.tape.publish
    kept_market(market)
    last = await fill_ring(market, other, 0)
    told, windows = [], []
    while reader.position != (2, last):
        if (message := reader.take()) is None:
            await reader.fetch(WAIT_S)
            continue
        if message.HasField("gap"):
            told.append((message.gap.run, message.gap.first_window, message.gap.last_window))
        windows += [frame.window for frame in message.frames]
    assert told == [(old, 1, 2)] and windows == list(range(last + 1))


async def test_a_run_that_ends_while_its_journal_is_read(market: Market) -> None:
    """What was fetched is delivered; the rest of it is a gap, and the new run follows."""
    kept = kept_market(market)
    last = await fill_ring(market, await market.engine(), 0)
    reader = TickReader(market.service.tape, pb.StreamTicksRequest(after_run=market.run, after_window=0))
    assert (reader.take(), reader.behind) == (None, True)
    kept.go.clear()
    await reader.fetch(0.001)
    market.service.tape.begin_run(pb.RunStarted(run="another"))
    evicted = market.service.tape.ring.evicted
    assert evicted is not None
    message = reader.take()
    kept.go.set()
    assert message is not None
    assert (message.gap.run, message.gap.first_window, message.gap.last_window) == (market.run, 1, evicted[1])
    assert [frame.window for frame in message.frames] == list(range(evicted[1] + 1, last + 1))
    following = reader.take()
    assert following is not None and not reader.behind and following.run_started.run == "another"


async def test_a_damaged_window_ends_that_stream_and_nothing_else(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its reader is told which window it is, the log, too; the market and all other readers go on."""
    kept, log = kept_market(market), MagicMock()
    monkeypatch.setattr(stream, "log", log)
    engine = await market.engine()
    last = await fill_ring(market, engine, 0)
    kept.damaged.add(2)
    call = market.stub.StreamTicks(pb.StreamTicksRequest(after_window=-1))
    assert [frame.window for frame in (await call.read()).frames] == [0, 1]
    code, reason, message = await refused(call.read())
    assert (code, reason) == (grpc.StatusCode.DATA_LOSS, "DAMAGED") and "window 2 in journal.sqlite" in message
    assert error_info(await call.trailing_metadata()).domain == "marksim"
    assert log.error.call_count == 1 and "window 2" in log.error.call_args.kwargs["reason"]
    await bid(engine, last + 1)
    _, got = await frames(market, last + 1, after_run=market.run, after_window=2)
    assert [frame.window for frame in got] == list(range(3, last + 2))
    await until(lambda: not kept.open and not market.service.servicer.streams["ticks"])


async def test_a_window_that_is_missing_is_no_gap_but_damage(market: Market) -> None:
    """What the journal did not say that it dropped, it has lost."""
    kept = kept_market(market)
    await fill_ring(market, await market.engine(), 0)
    kept.lose(3)
    call = market.stub.StreamTicks(pb.StreamTicksRequest(after_window=-1))
    assert [frame.window for frame in (await call.read()).frames] == [0, 1, 2]
    code, reason, message = await refused(call.read())
    assert (code, reason) == (grpc.StatusCode.DATA_LOSS, "DAMAGED") and "window 3 is missing" in message


async def test_few_read_at_once_and_the_others_hear_that_they_wait(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """A heartbeat says where the reader is, not where the market is; in its turn each gets everything."""
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0.05)
    kept = kept_market(market)
    last = await fill_ring(market, await market.engine(), 0)
    kept.go.clear()
    calls = [market.stub.StreamTicks(pb.StreamTicksRequest(after_run=market.run, after_window=0)) for _ in range(6)]
    for call in calls:
        for _ in range(2):
            async with asyncio.timeout(WAIT_S):
                heard = await call.read()
            assert (heard.run, heard.last_window, len(heard.frames)) == (market.run, 0, 0)
    assert kept.open == AT_ONCE
    kept.go.set()
    for call in calls:
        windows: list[int] = []
        async with asyncio.timeout(WAIT_S):
            while not windows or windows[-1] < last:
                windows += [frame.window for frame in (await call.read()).frames]
        assert windows == list(range(1, last + 1))
        call.cancel()
    assert kept.most_open == AT_ONCE


async def test_a_client_that_is_gone_leaves_nothing_behind(market: Market) -> None:
    """Whether it was being served or waited for its turn: threads end, the journal is closed, the next one has its turn."""
    kept = kept_market(market)
    last = await fill_ring(market, await market.engine(), 0)
    kept.go.clear()
    calls = [market.stub.StreamTicks(pb.StreamTicksRequest(after_window=-1)) for _ in range(AT_ONCE + 2)]
    reading = [asyncio.create_task(call.read()) for call in calls]
    await until(lambda: kept.open == AT_ONCE and market.service.servicer.streams["ticks"] == len(calls))
    for call in calls:
        call.cancel()
    await asyncio.gather(*reading, return_exceptions=True)
    await until(lambda: not market.service.servicer.streams["ticks"])
    assert kept.open == AT_ONCE, "a thread is not stopped in the middle"
    kept.go.set()
    await until(lambda: not kept.open)
    assert kept.reads == AT_ONCE
    _, got = await frames(market, last, after_window=-1)
    assert len(got) == last + 1


async def test_a_stream_that_is_behind_ends_with_the_last_window(market: Market) -> None:
    """When the book shuts down, also what is only in the journal is delivered first."""
    kept_market(market)
    last = await fill_ring(market, await market.engine(), 0)
    market.service.tape.end()
    async with aclosing(messages(market, after_window=-1, reader="archive")) as stream_:  # type: ignore[type-var]
        got = [frame.window async for message in stream_ for frame in message.frames]
    assert got == list(range(last + 1))


async def test_long_quiet_is_passed_in_bounded_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of windows without a frame for the reader cost turns, not messages; a row of empty ones is one step."""
    monkeypatch.setattr(history, "CHUNK_WINDOWS", 10)
    async with served() as market:
        kept = kept_market(market)
        engine = await market.engine()
        for number in range(300):
            await (bid(engine, number) if number in (0, 299) else engine.window(number))
        market.service.tape.ring.expire(1 << 60)
        reader = TickReader(market.service.tape, pb.StreamTicksRequest(after_window=-1))
        seen = []
        while reader.position[1] < 299:
            if (message := reader.take()) is None:
                await reader.fetch(WAIT_S)
            else:
                seen.append(([frame.window for frame in message.frames], message.last_window))
        assert seen == [([0, 299], 299)] and kept.reads == 1


async def test_waiting_for_a_turn_is_not_for_ever(market: Market) -> None:
    """`fetch` returns after the patience it is given, and goes on with the next call."""
    kept = kept_market(market)
    await fill_ring(market, await market.engine(), 0)
    kept.go.clear()
    reader = TickReader(market.service.tape, pb.StreamTicksRequest(after_window=-1, symbols=[SYMBOL]))
    await reader.fetch(0.01)
    await reader.fetch(0.01)
    assert reader.take() is None and reader.behind and kept.reads == 1
    kept.go.set()
    await reader.fetch(WAIT_S)
    message = reader.take()
    assert message is not None and message.frames[0].window == 0


async def test_a_reader_that_leaves_hears_no_failure(market: Market, caplog: pytest.LogCaptureFixture) -> None:
    """What goes wrong in a thread after its reader left is no error of anyone's, and no warning of the event loop's."""
    kept = kept_market(market)
    await fill_ring(market, await market.engine(), 0)
    kept.go.clear()
    kept.damaged.add(0)
    before = threading.active_count()
    reader = TickReader(market.service.tape, pb.StreamTicksRequest(after_window=-1))
    await reader.fetch(0.01)
    reader.close()
    kept.go.set()
    await until(lambda: not kept.open)
    await asyncio.sleep(0)
    assert not caplog.records and threading.active_count() <= before + 1


async def test_quotes_of_an_engine_that_goes_on_are_read_without_a_seam(market: Market) -> None:
    """Over the wire, with the market moving while a late reader catches up."""
    kept_market(market)
    engine = await market.engine()
    last = await fill_ring(market, engine, 0)
    windows: list[int] = []
    async with aclosing(messages(market, after_window=-1, parts=ALL)) as stream_:  # type: ignore[type-var]
        async for message in stream_:
            assert not message.HasField("gap")
            windows += [frame.window for frame in message.frames]
            if windows and windows[-1] == last + 40:
                break
            if len(windows) and last + 40 > market.service.tape.current.last_window:  # type: ignore[union-attr]
                number = market.service.tape.current.last_window + 1  # type: ignore[union-attr]
                rows = (limit(1_000 * number + row, Side.BUY, 50_000 + row, 1) for row in range(300))
                await engine.window(number, *rows)
    assert windows == list(range(last + 41))
