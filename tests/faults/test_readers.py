"""The readers that follow a market: a sound stream, breaks and restarts included, is no problem, and every hole is one."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from marksim.v1 import orderbook_pb2 as pb
from marksim.v1 import types_pb2
from tests.faults.readers import FeedReader, TapeReader


def tick(seq: int, prev_seq: int, epoch: str = "a", timestamp: int = 0) -> dict[str, Any]:
    return {"symbol": "BTC/USD", "epoch": epoch, "seq": seq, "prev_seq": prev_seq, "timestamp": timestamp or seq}


def follow(*connections: list[dict[str, Any]]) -> FeedReader:
    """A reader that took these messages, on one connection after the other."""
    reader = FeedReader("ws://nobody")
    for messages in connections:
        reader.begin()
        for message in messages:
            reader.take(message)
    return reader


def test_sound_feed_has_no_problem() -> None:
    """Ticks in order, conflated ones, those missed while away, the last one again after a break and a new run are sound."""
    reader = follow(
        [tick(5, 0), tick(6, 5), tick(9, 6)], [tick(9, 0), tick(10, 9)], [tick(20, 0), tick(1, 0, "b"), tick(2, 1, "b")]
    )
    assert reader.problems == []
    assert reader.runs == ["a", "b"]
    assert (reader.counts["conflated"], reader.counts["missed while away"], reader.counts["ticks"]) == (2, 9, 8)


@pytest.mark.parametrize(
    ("connections", "sentence"),
    [
        ([[tick(5, 0), tick(7, 6)]], "prev_seq 6 of 7, where 5 was sent"),
        ([[tick(5, 0), tick(5, 5)]], "seq 5 after 5"),
        ([[tick(5, 0)], [tick(4, 0)]], "seq 4 after 5"),
        ([[tick(5, 0), tick(6, 5, timestamp=4)]], "time 4 after 5"),
        ([[tick(5, 0), tick(1, 5, "b")]], "prev_seq 5 of 1, where 0"),
        ([[tick(5, 0), tick(1, 0, "b"), tick(6, 0)]], "run a came back after b"),
    ],
)
def test_hole_of_the_feed_is_found(connections: list[list[dict[str, Any]]], sentence: str) -> None:
    """What may not be on the feed is a problem with its numbers."""
    assert any(sentence in problem for problem in follow(*connections).problems)


def frame(window: int, previous: int | None, number: int = 0) -> pb.Frame:
    tick = types_pb2.Tick(tick_number=number) if number else None
    return pb.Frame(symbol="BTC/USD", window=window, previous_window=previous, tick=tick)


def message(*frames: pb.Frame, run: str = "a", last: int | None = None, gap: pb.Gap | None = None) -> pb.StreamTicksResponse:
    return pb.StreamTicksResponse(run=run, frames=frames, last_window=last, gap=gap)


def read(*messages: pb.StreamTicksResponse) -> TapeReader:
    reader = TapeReader("nobody")
    for one in messages:
        reader.take(one)
    return reader


def test_sound_tape_has_no_problem() -> None:
    """A chain of frames, windows without any and a new run are sound."""
    reader = read(
        message(frame(0, None, 1), frame(3, 0, 2), last=4),
        message(last=7),
        message(frame(9, 3), frame(10, 9, 3), last=10),
        message(frame(1, None, 1), run="b", last=1),
    )
    assert reader.problems == []
    assert (reader.runs, reader.window, reader.counts["frames"]) == (["a", "b"], 1, 5)


@pytest.mark.parametrize(
    ("messages", "sentence"),
    [
        ([message(frame(0, None)), message(frame(5, 4))], "between windows 0 and 5 one is missing, 4"),
        ([message(frame(5, 4))], "between windows -1 and 5 one is missing, 4"),
        ([message(frame(3, None)), message(frame(3, None))], "window 3 came after 3"),
        ([message(frame(0, None, 1)), message(frame(1, 0, 3))], "tick 3 after 1"),
        ([message(last=9), message(last=8)], "last window 8 after 9"),
        ([message(frame(0, None)), message(gap=pb.Gap(run="a", first_window=1, last_window=4, reason="r"))], "1 to 4"),
        ([message(run="a"), message(run="b"), message(run="a")], "run a came back"),
    ],
)
def test_hole_of_the_tape_is_found(messages: list[pb.StreamTicksResponse], sentence: str) -> None:
    """What may not be on a lossless stream is a problem with its windows."""
    assert any(sentence in problem for problem in read(*messages).problems)


def test_told_gap_is_one_problem() -> None:
    """What the book says is lost is told once, and what follows it is no second hole."""
    gap = pb.Gap(run="a", first_window=1, last_window=4, reason="too late")
    reader = read(message(frame(0, None)), message(frame(6, 4), gap=gap), message(frame(7, 6)))
    assert reader.problems == ["tape: windows 1 to 4 of run a are lost: too late"]


@pytest.mark.parametrize("steps", range(8))
async def test_a_reader_that_is_cancelled_as_a_message_comes_ends(steps: int) -> None:
    """However far the message is on its way to it: what waits for the reader's end would wait for ever."""
    come, never = asyncio.Event(), asyncio.Event()

    class Book:
        async def StreamTicks(self, _request: pb.StreamTicksRequest) -> AsyncIterator[pb.StreamTicksResponse]:
            await come.wait()
            yield message(frame(0, None))
            await never.wait()

    reading = asyncio.create_task(TapeReader("nowhere").follow(Book()))
    for _ in range(8):
        await asyncio.sleep(0)
    come.set()
    for _ in range(steps):
        await asyncio.sleep(0)
    reading.cancel()
    done, _ = await asyncio.wait([reading], timeout=5)
    assert done and reading.cancelled()
