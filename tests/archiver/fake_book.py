"""An order book that serves frames from memory: the same window always gives the same frames."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import grpc.aio
import numpy as np

from marksim.codec import encode_columns, instrument_to_proto
from marksim.core.types import DEPTH, EXECUTION, QUOTE, TRADE, Records
from marksim.v1 import orderbook_pb2 as pb
from marksim.v1 import orderbook_pb2_grpc as rpc
from marksim.v1 import types_pb2
from tests.store.market import BTC, ETH, START_NS, WINDOW_NS

SYMBOLS = (BTC, ETH)
PARTS = {"trades": TRADE, "quotes": QUOTE, "depth": DEPTH, "executions": EXECUTION}


@cache
def columns(symbol: int, window: int) -> dict[str, Records]:
    """The rows of one frame by table; none in every seventh window."""
    random = np.random.default_rng((symbol, window))
    made: dict[str, Records] = {}
    for table, dtype in PARTS.items():
        count = 0 if (window + symbol) % 7 == 6 else int(random.integers(1, 9))
        rows: Records = np.zeros(count, dtype)
        for name in dtype.names or ():
            rows[name] = random.integers(0, 3 if dtype[name] == np.uint8 else 1 << 40, count)
        rows["sequence"] = window * 10 + np.arange(count)
        rows["time_ns"] = START_NS + window * WINDOW_NS + np.arange(count)
        made[table] = rows
    return made


@cache
def frame(symbol: int, window: int) -> pb.Frame | None:
    """What a window did to a symbol; None where nothing happened."""
    made = columns(symbol, window)
    if not len(made["trades"]):
        return None
    earlier = window - 1 if (window - 1 + symbol) % 7 != 6 else window - 2
    last = max(int(rows["sequence"][-1]) for rows in made.values())
    return pb.Frame(
        symbol=SYMBOLS[symbol].symbol,
        window=window,
        previous_window=earlier if earlier >= 0 else None,
        tick=types_pb2.Tick(tick_number=window + 1, time_ns=START_NS + window * WINDOW_NS, trades_total=last),
        trades=encode_columns(made["trades"], types_pb2.TradeColumns),
        quotes=encode_columns(made["quotes"], types_pb2.QuoteColumns),
        depth=encode_columns(made["depth"], types_pb2.DepthColumns),
        executions=encode_columns(made["executions"], types_pb2.ExecutionColumns),
        depth_snapshot=encode_columns(made["depth"], types_pb2.DepthColumns) if window % 20 == 0 else None,
    )


def started(run: str) -> pb.RunStarted:
    return pb.RunStarted(
        run=run,
        scenario_hash="5cab",
        seed=42,
        start_time_ns=START_NS,
        lookahead_ns=WINDOW_NS,
        instruments=[instrument_to_proto(item) for item in SYMBOLS],
    )


class FakeBook(rpc.OrderBookServiceServicer):
    """Serves windows up to `done` of `run`, a few per message; tests move `done`, the run, and what is forgotten."""

    def __init__(self, run: str = "run-1", done: int = -1, pause_s: float = 0.0) -> None:
        self.run, self.done, self.pause_s = run, done, pause_s
        self.forgotten = -1
        self.missing: set[int] = set()
        self.ended = False
        """Whether streams end once they have brought everything, as of a book that shuts down."""
        self.says_goodbye_after: int | None = None
        """How often it is asked for its run before it says that the run has ended; None: that is up to `ended` alone."""
        self.tapes: dict[str, str] = {}
        """Tape hashes that it tells of its symbols."""
        self.promised = -1
        """The last window that it says is done, where that is more than it has."""
        self.silent = False
        """Whether streams bring nothing and calls are never answered, as of a line that is dead."""
        self.breaks = False
        """Whether the streams that there are break, once."""
        self.requests: list[pb.StreamTicksRequest] = []
        self.confirmed: list[tuple[str, int]] = []
        self.sent = 0
        self.streams = 0

    async def ListInstruments(self, request: Any, context: Any) -> pb.ListInstrumentsResponse:
        await self._answerable()
        return pb.ListInstrumentsResponse(instruments=started(self.run).instruments)

    async def GetRun(self, request: Any, context: Any) -> pb.GetRunResponse:
        await self._answerable()
        last = max(self.done, self.promised)
        if self.says_goodbye_after is not None:
            self.ended = self.says_goodbye_after == 0
            self.says_goodbye_after = max(0, self.says_goodbye_after - 1)
        tapes = [pb.SymbolTape(symbol=symbol, hash=text) for symbol, text in self.tapes.items()]
        return pb.GetRunResponse(run=self.run, last_window=last if last >= 0 else None, ended=self.ended, tapes=tapes)

    async def ConfirmWindow(self, request: pb.ConfirmWindowRequest, context: Any) -> pb.ConfirmWindowResponse:
        self.confirmed.append((request.run, request.window))
        return pb.ConfirmWindowResponse()

    async def StreamTicks(self, request: pb.StreamTicksRequest, context: Any) -> AsyncIterator[pb.StreamTicksResponse]:
        self.requests.append(request)
        self.streams += 1
        try:
            await self._answerable()
            run = self.run
            async for message in self._messages(request):
                yield message
                if self.breaks:
                    self.breaks = False
                    await context.abort(grpc.StatusCode.UNAVAILABLE, "the line is cut")
            if run != self.run:
                # Killed, not shut down.
                await context.abort(grpc.StatusCode.UNAVAILABLE, "the book is gone")
        finally:
            self.streams -= 1

    async def _answerable(self) -> None:
        while self.silent:
            await asyncio.sleep(0.02)

    async def _messages(self, request: pb.StreamTicksRequest) -> AsyncIterator[pb.StreamTicksResponse]:
        position, run = request.after_window, self.run
        message = pb.StreamTicksResponse(run=run, run_started=started(run))
        if request.after_run not in {"", run}:
            message.gap.CopyFrom(pb.Gap(run=request.after_run, first_window=position + 1, reason="the run is gone"))
            position = -1
        elif position < self.forgotten:
            message.gap.CopyFrom(pb.Gap(run=run, first_window=position + 1, last_window=self.forgotten, reason="forgotten"))
            position = self.forgotten
        while run == self.run and not (self.ended and position == self.done):
            last = min(self.done, position + 4)
            for window in range(position + 1, last + 1):
                frames = (frame(symbol, window) for symbol in range(len(SYMBOLS)))
                message.frames.extend(item for item in frames if item is not None and window not in self.missing)
            position = last
            if last >= 0:
                message.last_window = last
            yield message
            self.sent += 1
            message = pb.StreamTicksResponse(run=run)
            await asyncio.sleep(self.pause_s if position < self.done else 0.02)


@asynccontextmanager
async def serving(book: FakeBook) -> AsyncIterator[str]:
    """The address at which the book is served."""
    server = grpc.aio.server()
    rpc.add_OrderBookServiceServicer_to_server(book, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)
