"""Readers that catch up do so piece by piece, and the market's turn comes in between."""

import asyncio
from contextlib import aclosing, suppress
from itertools import pairwise
from types import SimpleNamespace

import pytest

from marksim.orderbook import pace
from marksim.orderbook.ring import FrameRing
from marksim.orderbook.stream import LOOKED_AT, MESSAGE_FRAMES, TickReader, stream
from marksim.orderbook.tape import SymbolFrame, Tape
from marksim.v1 import orderbook_pb2 as pb
from tests.orderbook.market import WAIT_S

WINDOWS = 2_000
FAR = 3 * LOOKED_AT


def tape_of(*symbols: str, windows: int) -> Tape:
    """A tape with so many windows: one frame each of the last symbol, and one of the first in the last window."""
    tape = Tape(FrameRing(1 << 24), symbols)
    tape.begin_run(pb.RunStarted(run="run"))
    for window in range(windows):
        numbers = {0, len(symbols) - 1} if window == windows - 1 else {len(symbols) - 1}
        tape.publish(window, [_frame(number, symbols[number], window) for number in sorted(numbers)])
    return tape


def _frame(number: int, symbol: str, window: int) -> SymbolFrame:
    return SymbolFrame(number, [pb.Frame(symbol=symbol, window=window).SerializeToString(), *[b""] * 6])


async def test_between_two_pieces_the_event_loop_goes_round() -> None:
    """Ten readers that are far behind get all there is, and after the first piece of each never two pieces at once."""
    tape, log = tape_of("A", windows=WINDOWS), ["round"]

    async def read() -> list[int]:
        reader = TickReader(tape, pb.StreamTicksRequest(after_window=-1))
        got: list[int] = []
        async with aclosing(stream(tape, reader)) as messages:
            async for message in messages:
                log.append("piece")
                assert len(message.frames) <= MESSAGE_FRAMES
                got += [frame.window for frame in message.frames]
                if got[-1] == WINDOWS - 1:
                    return got
        raise AssertionError("the stream ended early")

    async def go_round() -> None:
        while True:
            await asyncio.sleep(0)
            log.append("round")

    rounds = asyncio.create_task(go_round())
    async with asyncio.timeout(WAIT_S):
        read_ = await asyncio.gather(*(read() for _ in range(10)))
    rounds.cancel()
    assert read_ == [list(range(WINDOWS))] * 10
    assert ("piece", "piece") not in pairwise(log[log.index("piece") + 10 :])


async def test_work_is_followed_by_as_much_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all readers together, once it is worth a timer; until then the event loop goes round."""
    rests: list[float] = []

    async def rest(seconds: float) -> None:
        rests.append(seconds)
        if seconds > 1.0:
            raise asyncio.CancelledError

    monkeypatch.setattr(pace, "asyncio", SimpleNamespace(Lock=asyncio.Lock, sleep=rest))
    turns = pace.Pace()
    for worked_s in (0.25, 0.25, 0.25, 0.5, 0.125, 1.5):
        with suppress(asyncio.CancelledError):
            await turns.turn(worked_s / 1_000 if worked_s < 1.0 else worked_s)
    assert rests == pytest.approx([0, 0, 0, 0.00125, 0, 1.500125])
    await turns.turn(0.0)
    assert rests[-1] == 0.0


async def test_a_new_reader_of_a_run_that_is_over_is_told_its_windows_and_no_others() -> None:
    """Also where it has come a piece further with nothing for it, and the present run is another one."""
    tape = tape_of("A", "B", windows=FAR)
    tape.begin_run(pb.RunStarted(run="next"))
    tape.publish(0, [_frame(0, "A", 0)])
    reader = TickReader(tape, pb.StreamTicksRequest(after_window=-1, symbols=["A"]))
    assert (first := reader.take()) is not None and first.run == "run"
    assert reader.take() is None
    heartbeat = reader.heartbeat()
    assert (heartbeat.run, heartbeat.last_window, heartbeat.HasField("run_started")) == ("run", 2 * LOOKED_AT - 1, False)
    told = []
    while (message := reader.take()) is not None:
        told.append((message.run, [frame.window for frame in message.frames], message.last_window, reader.backlogged))
    assert told == [("run", [FAR - 1], FAR - 1, True), ("next", [0], 0, False)]


async def test_a_window_larger_than_a_piece_comes_whole() -> None:
    """The next one has to wait for its turn."""
    symbols = [f"S{number}" for number in range(2 * MESSAGE_FRAMES)]
    tape = Tape(FrameRing(1 << 22), symbols)
    tape.begin_run(pb.RunStarted(run="run"))
    for window in range(3):
        tape.publish(window, [_frame(number, symbol, window) for number, symbol in enumerate(symbols)])
    reader = TickReader(tape, pb.StreamTicksRequest(after_window=-1))
    told = []
    while (message := reader.take()) is not None:
        told.append((len(message.frames), message.last_window, reader.backlogged))
    assert told == [(len(symbols), 0, True), (len(symbols), 1, True), (len(symbols), 2, False)]


async def test_a_way_with_nothing_for_the_reader_is_gone_in_pieces_too() -> None:
    """It says how far it has come, and not that it has all; what is for it comes at last."""
    tape = tape_of("A", "B", windows=FAR)
    reader = TickReader(tape, pb.StreamTicksRequest(after_window=-1, symbols=["A"]))
    start = reader.take()
    assert start is not None and (list(start.frames), start.last_window) == ([], LOOKED_AT - 1)
    assert reader.take() is None
    assert reader.heartbeat().last_window == reader.position[1] == 2 * LOOKED_AT - 1
    assert reader.catches_up
    last = reader.take()
    assert last is not None and [frame.window for frame in last.frames] == [FAR - 1]
    assert reader.position == (1, FAR - 1) and reader.take() is None


async def test_the_end_waits_for_a_reader_that_catches_up() -> None:
    """Streams that end deliver what is left first, also where most of it is not for the reader."""
    tape = tape_of("A", "B", windows=FAR)
    tape.end()
    reader = TickReader(tape, pb.StreamTicksRequest(after_window=-1, symbols=["A"]))
    async with asyncio.timeout(WAIT_S):
        messages = [message async for message in stream(tape, reader)]
    assert [frame.window for message in messages for frame in message.frames] == [FAR - 1]
