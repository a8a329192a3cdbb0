"""Readers that catch up do so piece by piece, and the market's turn comes in between."""

import asyncio
from contextlib import aclosing
from itertools import pairwise

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
    assert log.count("piece") >= 10 * WINDOWS / MESSAGE_FRAMES
    assert ("piece", "piece") not in pairwise(log[log.index("piece") + 10 :])


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
