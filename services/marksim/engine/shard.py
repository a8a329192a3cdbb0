"""The engine's side of one order book: opens Trade, sends windows in lock step, and survives a broken connection."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TypeAlias

import grpc
import grpc.aio

from marksim.codec import decode_columns, encode_columns, own_symbols, tick_from_proto
from marksim.core.sim.engine import SymbolOutcome
from marksim.core.types import COMMAND, EXECUTION, Records
from marksim.runtime.channel import error_reason, open_channel, peer_error
from marksim.runtime.logs import get_logger
from marksim.runtime.serve import MAX_REQUEST_BYTES
from marksim.v1 import orderbook_pb2 as pb
from marksim.v1 import orderbook_pb2_grpc, types_pb2

RETRY_S = 0.5
FINAL_CODES = (grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNIMPLEMENTED)
"""Refusals that trying again cannot mend: fenced, another scenario, another window, contents that are wrong."""

TradeCall: TypeAlias = "grpc.aio.StreamStreamCall[pb.TradeRequest, pb.TradeResponse]"

log = get_logger(__name__)


class RunLost(Exception):
    """The book does not know our run any more: it was started anew, and so must the run be."""


class Refused(Exception):
    """The book refuses this engine for good; the message says why."""


class Behind(Exception):
    """The book lost windows that it had answered, as it may where its machine ended: the run goes on from what it has."""


class Unlike(Exception):
    """Books and engine were started unlike; another book in the same place would not refuse. The message says why."""


class Shard:
    """One order book. `open` binds it to a run; `trade` is called once a window.

    `on_broken` is called when the stream ends from the other side, also between two windows: then `mend` is due.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.connected = False
        self.symbols: tuple[str, ...] = ()
        self.scenario_hash = ""
        self.last_window: int | None = None
        self.held = ""
        """Why the book has not answered a window that it has done; empty where it holds none."""
        self.tapes: dict[str, str] = {}
        """Tape hash by symbol, after the last window for which it was asked."""
        self.spent_s = 0.0
        """Wall time from sending a window to its answer, of all windows."""
        self.on_broken: Callable[[], None] = lambda: None
        self._channel = open_channel(address)
        self._stub: orderbook_pb2_grpc.OrderBookServiceAsyncStub = orderbook_pb2_grpc.OrderBookServiceStub(self._channel)
        self._call: TradeCall | None = None
        self._open = pb.OpenRun()
        self._pace = pb.Pace()
        self._writing = asyncio.Lock()  # a stream takes one message at a time; pace may come beside a window

    async def present(self) -> pb.GetRunResponse:
        """Where the book stands; waits for the book for as long as it takes. Learns what it trades too."""
        waited = False
        while True:
            try:
                run = await self._stub.GetRun(pb.GetRunRequest(), timeout=5)
                listed = await self._stub.ListInstruments(pb.ListInstrumentsRequest(), timeout=5)
            except grpc.aio.AioRpcError as error:
                if not waited:
                    log.info(
                        "waiting for the order book",
                        address=self.address,
                        reason=peer_error(error),
                    )
                waited = True
                await self._look_anew()
                continue
            self.symbols, self.scenario_hash = own_symbols(listed), run.scenario_hash
            return run

    async def open(self, request: pb.OpenRun) -> int:
        """Open Trade for a run, and return the last window of it that the book has done, -1 before the first.

        Waits for a book that is away or still starting. Raises Refused or Unlike.
        """
        self._drop()
        self._open = request
        self.last_window = None
        waited = False
        while True:
            try:
                last = await self._connect()
            except grpc.aio.AioRpcError as error:
                self._drop()
                self._raise_if_final(error)
                if not waited:
                    log.info("waiting for the order book", address=self.address, reason=peer_error(error))
                waited = True
                await self._look_anew()
                continue
            self.last_window = last if last >= 0 else None
            return last

    async def recorded(self, run: str, first: int, last: int) -> AsyncIterator[pb.RecordedWindow]:
        """Windows of the run from the book's journal, in order. A book that goes away meanwhile is waited for.

        Raises Refused where they are not there any more.
        """
        while first <= last:
            request = pb.ReadWindowsRequest(run=run, first_window=first, last_window=last)
            try:
                async for message in self._stub.ReadWindows(request):
                    for window in message.windows:
                        yield window
                        first = window.last_window + 1
            except grpc.aio.AioRpcError as error:
                if error.code() in (*FINAL_CODES, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.DATA_LOSS):
                    raise Refused(f"{self.address} cannot give the windows from {first} on: {peer_error(error)}") from error
                log.warning("order book away while its journal is read", address=self.address, reason=peer_error(error))
                await self._look_anew()

    async def tell_saved(self, window: int) -> None:
        """Tell the book after which window this engine could go on. Told anew with the next one where it is away."""
        async with self._writing:
            if self._call is None:
                return
            try:
                await _write(self._call, pb.TradeRequest(saved=pb.Saved(window=window)))
            except grpc.aio.AioRpcError as error:
                log.debug("saved window not told", address=self.address, reason=peer_error(error))

    async def set_pace(self, paused: bool) -> None:
        """Tell the book whether windows are coming. Where the connection is broken, `mend` or `trade` tells."""
        self._pace = pb.Pace(paused=paused)
        async with self._writing:
            if self._call is None:
                return
            try:
                await _write(self._call, pb.TradeRequest(pace=self._pace))
            except grpc.aio.AioRpcError as error:
                # The call stays: whoever mends it wants to know how it ended.
                log.debug("pace not told", address=self.address, reason=peer_error(error))

    async def mend(self) -> None:
        """Open a stream that broke again, however long the book is away. Raises RunLost, Behind, Refused or Unlike."""
        if self._call is not None and self._call.done():
            try:
                await _raise_status(self._call)
            except grpc.aio.AioRpcError as error:
                self._drop()
                self._raise_if_final(error)
                log.warning("order book away", address=self.address, reason=peer_error(error))
        while self._call is None:
            await self._find_run()
            try:
                await self._connect()
            except grpc.aio.AioRpcError as error:
                self._drop()
                self._raise_if_final(error)

    async def trade(
        self, window: int, commands: Mapping[str, Records], control: bytes = b"", tapes: bool = False
    ) -> dict[str, SymbolOutcome]:
        """Send a window and return what it did, however often the connection breaks.

        With `tapes` the book also says its tape hashes. Raises RunLost, Behind, Refused or Unlike.
        """
        mine = [
            pb.SymbolCommands(symbol=symbol, commands=encode_columns(rows, types_pb2.CommandColumns))
            for symbol, rows in commands.items()
        ]
        request = pb.TradeRequest(window=pb.WindowCommands(window=window, commands=mine, control=control, tapes=tapes))
        self._check_size(request, sum(map(len, commands.values())), len(control))
        held, sent = False, time.monotonic()
        while True:
            try:
                answer = await self._exchange(request)
            except grpc.aio.AioRpcError as error:
                self._drop()
                self._raise_if_final(error)
                if not held:
                    log.warning(
                        "order book away, window held", address=self.address, window=window, reason=peer_error(error)
                    )
                held = True
                await self.mend()
                continue
            self.last_window = window
            self.spent_s += time.monotonic() - sent
            if tapes:
                self.tapes = {tape.symbol: tape.hash for tape in answer.tapes}
            return {
                one.symbol: SymbolOutcome(
                    decode_columns(one.executions, EXECUTION),
                    tick_from_proto(one.tick) if one.HasField("tick") else None,
                )
                for one in answer.results
            }

    async def close(self) -> None:
        """Half-close the stream, so that the book knows the engine left on purpose, and end the channel."""
        if self._call is not None:
            try:
                async with asyncio.timeout(1):
                    await self._call.done_writing()
            except (
                grpc.aio.AioRpcError,
                asyncio.InvalidStateError,
                TimeoutError,
            ) as error:
                log.debug("stream was gone already", address=self.address, reason=str(error))
        self._drop()
        await self._channel.close()

    def _check_size(self, request: pb.TradeRequest, orders: int, control_bytes: int) -> None:
        """Raise Refused for a window that no book takes: it would be refused, and sent again, for ever."""
        # Never more bytes than that; to know how many takes longer.
        most_bytes = orders * COMMAND.itemsize + control_bytes
        if most_bytes <= MAX_REQUEST_BYTES or (size := request.ByteSize()) <= MAX_REQUEST_BYTES:
            return
        most = f"an order book takes at most {MAX_REQUEST_BYTES}: make windows shorter (lookahead_ms), or orders fewer"
        has = f"has {orders} orders, {size} bytes"
        raise Refused(f"window {request.window.window} for {self.address} {has}, and {most}")

    async def _exchange(self, request: pb.TradeRequest) -> pb.WindowResult:
        if self._call is None:
            await self._connect()
        call = self._call
        if call is None:
            raise _lost("the stream broke while the clock was steered")
        async with self._writing:
            await _write(call, request)
        response = await _read(call)
        while response.HasField("held"):
            if response.held.reason != self.held:
                self.held = response.held.reason
                log.warning("the order book holds its answer", address=self.address, reason=self.held)
            response = await _read(call)
        self.held = ""
        return response.result

    async def _connect(self) -> int:
        """Open the stream; the last window that the book has done, -1 before the first. Raises Behind."""
        async with self._writing:
            call = self._stub.Trade()
            await _write(call, pb.TradeRequest(open=self._open))
            opened = (await _read(call)).opened
            last = opened.last_window if opened.HasField("last_window") else -1
            if self.last_window is not None and last < self.last_window:
                call.cancel()
                raise Behind(f"{self.address} is at window {last}, and had answered {self.last_window}")
            await _write(call, pb.TradeRequest(pace=self._pace))
            self._call = call
            self.connected = True
            # Called at once if it has ended already.
            call.add_done_callback(lambda _: self._ended(call))
            return last

    def _ended(self, call: TradeCall) -> None:
        if self._call is call:
            self.connected = False
            self.on_broken()

    async def _find_run(self) -> None:
        """Wait until the book answers again; RunLost where it is in another run than ours."""
        while True:
            await self._look_anew()
            try:
                present = await self._stub.GetRun(pb.GetRunRequest(), timeout=5)
            except grpc.aio.AioRpcError:
                continue
            if present.run != self._open.run:
                raise RunLost(f"{self.address} is in run {present.run or 'none'}")
            return

    async def _look_anew(self) -> None:
        """After a moment, a new channel: it asks at once where the book is now."""
        await self._channel.close()
        await asyncio.sleep(RETRY_S)
        self._channel = open_channel(self.address)
        self._stub = orderbook_pb2_grpc.OrderBookServiceStub(self._channel)

    def _drop(self) -> None:
        self.connected = False
        self.held = ""
        call, self._call = self._call, None
        if call is not None:
            call.cancel()

    def _raise_if_final(self, error: grpc.aio.AioRpcError) -> None:
        if error_reason(error) == "SCENARIO_MISMATCH":
            raise Unlike(f"{self.address} refuses this engine: {peer_error(error)}") from error
        if error_reason(error) == "FENCED":
            other = "another engine drives it: stop one of the two, then start this one again if it is to go on"
            raise Refused(f"{self.address} refuses this engine: {peer_error(error)}; {other}") from error
        if error.code() in FINAL_CODES:
            raise Refused(f"{self.address} refuses this engine: {peer_error(error)}") from error


async def _write(call: TradeCall, request: pb.TradeRequest) -> None:
    """Write, or raise the status with which the peer ended the call."""
    try:
        await call.write(request)
    except asyncio.InvalidStateError:
        await _raise_status(call)


async def _read(call: TradeCall) -> pb.TradeResponse:
    """The next answer, or the status with which the peer ended the call."""
    response = await call.read()
    if not isinstance(response, pb.TradeResponse):
        await _raise_status(call)
    assert isinstance(response, pb.TradeResponse)
    return response


def _lost(details: str) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), details=details)


async def _raise_status(call: TradeCall) -> None:
    code = await call.code()
    raise grpc.aio.AioRpcError(
        code if code is not grpc.StatusCode.OK else grpc.StatusCode.UNAVAILABLE,
        await call.initial_metadata(),
        await call.trailing_metadata(),
        details=await call.details() or "the order book ended the stream",
    )
