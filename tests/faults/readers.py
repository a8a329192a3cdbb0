"""Readers that follow a market through its failures and find every hole: one of the WebSocket feed, one of StreamTicks.

Each goes on where it was after every break, and keeps sentences about what may not be. What may be is counted.
"""

import asyncio
import contextlib
import json
from collections import Counter
from typing import Any, Final

import grpc.aio
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from marksim.runtime.channel import open_channel
from marksim.v1 import orderbook_pb2 as pb
from marksim.v1 import orderbook_pb2_grpc

AGAIN_S: Final = 0.2
SILENCE_S: Final = 15.0
"""The book speaks once a second at least; one that says nothing for so long is tried anew."""


class Reader:
    """Reads until cancelled. Not for threads."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.counts: Counter[str] = Counter()
        self.runs: list[str] = []
        """In the order in which they were seen."""

    async def read(self) -> None:
        """Until cancelled."""
        raise NotImplementedError

    def in_run(self, run: str) -> bool:
        """Note the run; True where it is another than before."""
        if self.runs and self.runs[-1] == run:
            return False
        if run in self.runs:
            self.problems.append(f"run {run} came back after {self.runs[-1]}")
        self.runs.append(run)
        return True


class FeedReader(Reader):
    """A WebSocket consumer with `seq`, `prev_seq` and `epoch`: numbers climb, and where one is missing the feed says so."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = f"{url}/?fields=seq,prev_seq,epoch"
        self._last: dict[str, tuple[str, int, int]] = {}
        self._connected: dict[str, int] = {}

    async def read(self) -> None:
        """Until cancelled."""
        while True:
            with contextlib.suppress(OSError, WebSocketException, TimeoutError):
                async with connect(self._url) as websocket:
                    self.begin()
                    while True:
                        # Not wait_for: before Python 3.12 it loses a cancellation that comes with an answer.
                        async with asyncio.timeout(SILENCE_S):
                            message = await websocket.recv()
                        self.take(json.loads(message))
            await asyncio.sleep(AGAIN_S)

    def begin(self) -> None:
        """A new connection."""
        self.counts["connections"] += 1
        self._connected.clear()

    def take(self, tick: dict[str, Any]) -> None:
        """One message."""
        symbol, epoch, seq, before = tick["symbol"], tick["epoch"], tick["seq"], tick["prev_seq"]
        last_epoch, last_seq, last_time = self._last.get(symbol, ("", 0, 0))
        self.in_run(epoch)
        self.counts["ticks"] += 1
        sent = self._connected.get(symbol)
        if epoch != last_epoch:
            last_seq = last_time = 0
            # Of an epoch that began on this connection nothing was sent before.
            sent = 0 if sent is not None else None
        if sent is not None and before != sent:
            self.problems.append(f"feed {symbol}: prev_seq {before} of {seq}, where {sent} was sent before")
        # The first on a connection is the newest tick, which may have been sent on the one before.
        if seq < last_seq or (seq == last_seq and sent is not None):
            self.problems.append(f"feed {symbol}: seq {seq} after {last_seq}")
        if tick["timestamp"] < last_time:
            self.problems.append(f"feed {symbol}: time {tick['timestamp']} after {last_time}")
        if seq > last_seq + 1 and last_seq:
            self.counts["conflated" if sent is not None else "missed while away"] += seq - last_seq - 1
        self._connected[symbol] = seq
        self._last[symbol] = (epoch, max(seq, last_seq), max(tick["timestamp"], last_time))


class TapeReader(Reader):
    """A lossless StreamTicks reader: each symbol's frames are one chain by `previous_window`, over all breaks of a run."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address = address
        self._frame: dict[str, int] = {}
        self._tick: dict[str, int] = {}
        self._window = -1

    @property
    def window(self) -> int:
        """Last window of which this reader was told."""
        return self._window

    async def read(self) -> None:
        """Until cancelled."""
        while True:
            with contextlib.suppress(grpc.aio.AioRpcError, TimeoutError):
                async with open_channel(self._address) as channel:
                    self.counts["connections"] += 1
                    await self.follow(orderbook_pb2_grpc.OrderBookServiceStub(channel))
            await asyncio.sleep(AGAIN_S)

    async def follow(self, stub: Any) -> None:
        """One stream from where the last one ended, until the book ends it. Raises AioRpcError; TimeoutError of silence."""
        parts = [pb.FRAME_PART_TICKS, pb.FRAME_PART_TRADES]
        request = pb.StreamTicksRequest(parts=parts, delivery=pb.DELIVERY_LOSSLESS, batch_interval_ms=20, after_window=-1)
        if self.runs:
            request.after_run, request.after_window = self.runs[-1], self._window
        stream = stub.StreamTicks(request).__aiter__()
        while True:
            async with asyncio.timeout(SILENCE_S):
                message = await anext(stream, None)
            if message is None:
                return
            self.take(message)

    def take(self, message: pb.StreamTicksResponse) -> None:
        """One message."""
        if message.HasField("gap"):
            gap = message.gap
            last = gap.last_window if gap.HasField("last_window") else "?"
            self.counts["gaps"] += 1
            self.problems.append(f"tape: windows {gap.first_window} to {last} of run {gap.run} are lost: {gap.reason}")
            if gap.HasField("last_window") and self.runs and gap.run == self.runs[-1]:
                # What was told lost is no hole besides.
                self._frame = {symbol: max(frame, gap.last_window) for symbol, frame in self._frame.items()}
        if message.run and self.in_run(message.run):
            self._frame, self._tick, self._window = {}, {}, -1
        for frame in message.frames:
            self._take_frame(frame)
        if message.HasField("last_window"):
            if message.last_window < self._window:
                self.problems.append(f"tape: last window {message.last_window} after {self._window}")
            self._window = max(self._window, message.last_window)

    def _take_frame(self, frame: pb.Frame) -> None:
        symbol, known = frame.symbol, self._frame.get(frame.symbol, -1)
        previous = frame.previous_window if frame.HasField("previous_window") else -1
        self.counts["frames"] += 1
        if frame.window <= known:
            self.problems.append(f"tape {symbol}: window {frame.window} came after {known}")
        elif previous > known:
            self.problems.append(f"tape {symbol}: between windows {known} and {frame.window} one is missing, {previous}")
        if frame.HasField("tick"):
            number, before = frame.tick.tick_number, self._tick.get(symbol, 0)
            if number != before + 1:
                self.problems.append(f"tape {symbol}: tick {number} after {before}")
            self._tick[symbol] = number
            self.counts["ticks"] += 1
        self._frame[symbol] = max(known, frame.window)
