"""Reads the ticks of one order book, and again after a loss."""

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import grpc
import grpc.aio

from marksim.codec import instrument_from_proto, tick_from_proto
from marksim.core.errors import MarksimError
from marksim.core.feed.ticks import opening_tick
from marksim.core.types import Instrument
from marksim.edge import metrics
from marksim.edge.board import Board
from marksim.runtime.channel import open_channel, peer_error
from marksim.runtime.logs import get_logger
from marksim.v1 import orderbook_pb2 as pb
from marksim.v1.orderbook_pb2_grpc import OrderBookServiceStub

if TYPE_CHECKING:
    # Only the stubs for type checkers tell the two apart.
    from marksim.v1.orderbook_pb2_grpc import OrderBookServiceAsyncStub

BATCH_INTERVAL_MS: Final = 10
IDLE_S: Final = 10.0
"""A book says something at least once a second; one that is silent for so long is taken for lost."""
FIRST_BACKOFF_S: Final = 0.1
MAX_BACKOFF_S: Final = 3.0
LATEST_S: Final = 10.0
"""How long at least only the newest is read, once the edge was behind."""

log = get_logger(__name__)


@dataclass(slots=True)
class Lag:
    """How far this reader is behind a book's stream. The clocks of two machines differ by an offset, which is taken out: the
    smallest difference seen on this stream counts as none.
    """

    behind_us: int
    offset_us: int | None = None
    since_s: float | None = None

    def is_behind(self, sent_us: int, now_us: int, now_s: float) -> bool:
        """Whether it has been behind for a second, so that one late message says nothing yet."""
        difference = now_us - sent_us
        self.offset_us = difference if self.offset_us is None else min(self.offset_us, difference)
        if difference - self.offset_us <= self.behind_us:
            self.since_s = None
            return False
        if self.since_s is None:
            self.since_s = now_s
        return now_s - self.since_s >= 1.0


class TickReader:
    """Puts what one order book's messages say on the board. No I/O: `take` is given each message."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._instruments: dict[str, Instrument] = {}
        self._start_time_ns = 0
        self.run = ""
        self.window: int | None = None
        """Last window of `run` that had a frame here: where to go on after a loss."""
        self.gaps = 0
        self.ticks = 0

    @property
    def known(self) -> bool:
        """Whether the book has said what it trades in its run; a shard may have nothing."""
        return bool(self.run)

    def take(self, message: pb.StreamTicksResponse) -> None:
        """Take one message. Raises InvalidInput where it makes no sense."""
        if message.HasField("gap"):
            self.gaps += 1
        if message.HasField("run_started"):
            self._begin(message.run_started)
        # Every message but the first of a run must be of that run; of another one the instruments are not known.
        frames = message.frames if message.run == self.run else ()
        for frame in frames:
            self.window = frame.window
            if frame.HasField("tick") and frame.symbol in self._instruments:
                self.ticks += self._board.put(frame.symbol, self.run, tick_from_proto(frame.tick))
        # Of a run that is under way the last ticks may come in the message after: the opening must not be shown before them.
        if message.frames or not message.HasField("run_started") or not message.HasField("last_window"):
            self._show_opening()

    def _begin(self, started: pb.RunStarted) -> None:
        if started.run != self.run:
            self.run, self.window = started.run, None
        self._start_time_ns = started.start_time_ns
        instruments = [instrument_from_proto(instrument) for instrument in started.instruments]
        for symbol in self._instruments.keys() - {instrument.symbol for instrument in instruments}:
            # A symbol that moved to another shard may have begun this run there already.
            if self._board.epoch(symbol) != self.run:
                self._board.retire(symbol)
        self._instruments = {instrument.symbol: instrument for instrument in instruments}
        for instrument in instruments:
            self._board.list_instrument(instrument)

    def _show_opening(self) -> None:
        """Symbols of this run that have no tick yet get the state before the first."""
        for symbol, instrument in self._instruments.items():
            if self._board.epoch(symbol) != self.run:
                self._board.put(symbol, self.run, opening_tick(instrument, self._start_time_ns))

    def request(self, latest: bool) -> pb.StreamTicksRequest:
        """Asks for what comes after what is known; with nothing known, for each symbol's last tick and what comes."""
        request = pb.StreamTicksRequest(
            parts=[pb.FRAME_PART_TICKS],
            delivery=pb.DELIVERY_LATEST if latest else pb.DELIVERY_LOSSLESS,
            batch_interval_ms=BATCH_INTERVAL_MS,
        )
        # Only the newest is wanted of LATEST, so it is not asked to begin in the past.
        if self.window is not None and not latest:
            request.after_run, request.after_window = self.run, self.window
        return request

    def forget_position(self) -> None:
        """Begin anew next time: the book would not go on from here."""
        self.window = None


class Upstream:
    """One order book's stream, for as long as the edge lives."""

    def __init__(self, address: str, board: Board, behind_s: float) -> None:
        self.address = address
        self.reader = TickReader(board)
        self.connected = False
        self.sent_us = 0
        """When the book sent the oldest message with a tick since `take_sent_us`, its wall clock; 0 if none came."""
        self._behind_us = int(behind_s * 1e6)
        self._latest = False
        self._complained = False
        metrics.name_upstream(address)

    def take_sent_us(self) -> int:
        """`sent_us`, and begins anew."""
        sent, self.sent_us = self.sent_us, 0
        return sent

    async def run(self) -> None:
        """Read, and after a loss read on, until cancelled."""
        backoff = FIRST_BACKOFF_S
        while True:
            try:
                async with open_channel(self.address) as channel:
                    await self._read(OrderBookServiceStub(channel))
                reason = "the stream ended"
            except (grpc.aio.AioRpcError, TimeoutError, MarksimError, ValueError) as error:
                reason = peer_error(error)
                if isinstance(error, grpc.aio.AioRpcError) and error.code() not in _LOST:
                    self.reader.forget_position()
            if self.connected:
                backoff = FIRST_BACKOFF_S
            self._lost(reason)
            await asyncio.sleep(backoff)
            backoff = min(2 * backoff, MAX_BACKOFF_S)

    def _lost(self, reason: str) -> None:
        if self.connected:
            metrics.UPSTREAM_LOST.labels(orderbook=self.address).inc()
        if self.connected or not self._complained:
            log.warning("no stream from the order book, trying again", orderbook=self.address, reason=reason)
            self._complained = True
        self._set_connected(False)

    def _set_connected(self, connected: bool) -> None:
        if connected and not self.connected:
            log.info("reading the order book", orderbook=self.address, run=self.reader.run)
            self._complained = False
        self.connected = connected
        metrics.UPSTREAM_CONNECTED.labels(orderbook=self.address).set(connected)

    async def _read(self, stub: "OrderBookServiceAsyncStub") -> None:
        """One stream after the other, LOSSLESS or LATEST; ends or raises when the book is lost."""
        while True:
            if not await self._read_stream(stub):
                return

    async def _read_stream(self, stub: "OrderBookServiceAsyncStub") -> bool:
        """True when the other delivery is wanted, False at the end of the stream."""
        call = stub.StreamTicks(self.reader.request(self._latest))
        try:
            return await self._read_messages(call)
        finally:
            call.cancel()

    async def _read_messages(self, call: "grpc.aio.UnaryStreamCall[pb.StreamTicksRequest, pb.StreamTicksResponse]") -> bool:
        lag = Lag(self._behind_us)
        caught_up_at = time.monotonic() + LATEST_S
        while True:
            async with asyncio.timeout(IDLE_S):
                message = await call.read()
            if not isinstance(message, pb.StreamTicksResponse):
                return False
            self.take(message)
            now_s = time.monotonic()
            behind = lag.is_behind(message.sent_time_us, time.time_ns() // 1_000, now_s)
            if behind and not self._latest:
                metrics.UPSTREAM_LATEST.labels(orderbook=self.address).inc()
                log.warning("behind the order book, reading only the newest", orderbook=self.address)
                self._latest = True
                return True
            if self._latest and lag.since_s is None and now_s >= caught_up_at:
                self._latest = False
                return True

    def take(self, message: pb.StreamTicksResponse) -> None:
        """Take one message of the stream."""
        ticks, gaps = self.reader.ticks, self.reader.gaps
        self.reader.take(message)
        self._set_connected(True)
        if self.reader.ticks > ticks and not self.sent_us:
            self.sent_us = message.sent_time_us
        metrics.TICKS.inc(self.reader.ticks - ticks)
        metrics.UPSTREAM_GAPS.labels(orderbook=self.address).inc(self.reader.gaps - gaps)


_LOST: Final = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED)
"""Statuses after which the place in the stream still holds; any other one is about the request."""
