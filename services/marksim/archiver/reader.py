"""Reads one order book for ever and stores what it did.

While rows become files nothing is read: gRPC's flow control holds the book's stream, which is only a position there. So
memory holds at most `rotate_mib` of rows and a message or two, and a disk that is full or slow costs time, but no row.
"""

import asyncio
import random
import time
from typing import Final

import grpc
import grpc.aio

from marksim.archiver.intake import Batch, Intake
from marksim.archiver.metrics import FAILURES, FLUSH, BookMetrics
from marksim.archiver.settings import ArchiverSettings
from marksim.codec import own_symbols
from marksim.runtime.channel import open_channel, peer_error
from marksim.runtime.logs import get_logger
from marksim.store.archive import Archive
from marksim.v1 import orderbook_pb2 as pb
from marksim.v1 import orderbook_pb2_grpc as rpc

FIRST_WAIT_S: Final = 0.25
LONGEST_WAIT_S: Final = 5.0
CONFIRM_TIMEOUT_S: Final = 1.0
LAST_FRAMES_S: Final = 1.5
"""For how long, once draining, the reader still takes what the book had done by then; the book's heartbeat is 1 s."""
GOODBYE_S: Final = 1.0
"""How long of that it waits for the book's word that the run has ended; GOODBYE_S / 20 between two questions."""
ASK_TIMEOUT_S: Final = 5.0
PARTS: Final = (
    pb.FRAME_PART_TICKS,
    pb.FRAME_PART_TRADES,
    pb.FRAME_PART_QUOTES,
    pb.FRAME_PART_DEPTH,
    pb.FRAME_PART_EXECUTIONS,
)

log = get_logger(__name__)


class SharedArchive:
    """The archive as several readers use it: one flush at a time, each in a thread."""

    def __init__(self, archive: Archive) -> None:
        self._lock = asyncio.Lock()
        self.archive = archive

    async def store(self, batch: Batch) -> None:
        """Store the batch and make it visible; raises OSError, after which the same batch may come again."""
        async with self._lock:
            with FLUSH.time():
                await asyncio.to_thread(self._store, batch)

    def _store(self, batch: Batch) -> None:
        if not batch.committed:
            self.archive.write(batch.flush())
            batch.committed = True
        self.archive.settle()


class BookReader:
    """One order book: its stream, its intake, its position."""

    def __init__(self, address: str, shared: SharedArchive, settings: ArchiverSettings, draining: asyncio.Event) -> None:
        self._address = address
        self._shared = shared
        self._settings = settings
        self._draining = draining
        self._intake = Intake()
        self._run_before = ""
        self._undone: pb.Gap | None = None
        """Windows that are stored and that the book has lost."""
        self._told = ("", -1)
        """Run and window up to which the book said that it is: it knows of no later ones."""
        self._opened_at = time.monotonic()
        self._metrics = BookMetrics(address)
        self._seen = False
        self._writing = True
        self._taken = asyncio.Event()

    @property
    def ready(self) -> bool:
        """Whether the book was reached since the start, and what it says can be stored."""
        return self._seen and self._writing

    @property
    def held(self) -> tuple[int, int]:
        """(frames, bytes) in memory that are not stored yet."""
        return self._intake.frames, self._intake.bytes

    async def run(self) -> None:
        """Read and store until draining; what was read is stored when this returns.

        Told to end while it waits for a book that was away, it looks once more: one that has come back has the rest, and the
        archive is whole. One that is still away keeps the rest in its journal, and the next start fetches it from there.
        """
        wait_s = FIRST_WAIT_S
        while True:
            before = self._intake.position
            try:
                async with open_channel(self._address) as channel:
                    await self._read(rpc.OrderBookServiceStub(channel))
                reason = "the order book closed the stream"
            except grpc.aio.AioRpcError as error:
                reason = peer_error(error)
            except TimeoutError:
                reason = "it did not answer in time for the end"
            self._metrics.connected(False)
            await self._store(None)
            if self._draining.is_set():
                return
            wait_s = FIRST_WAIT_S if self._intake.position != before else min(LONGEST_WAIT_S, wait_s * 2)
            log.warning("the order book is away; trying again", orderbook=self._address, reason=reason, wait_s=wait_s)
            # Spread out, so that several readers do not return to a restarted book in one instant.
            await self._pause(wait_s * random.uniform(0.75, 1.25))

    async def _read(self, stub: "rpc.OrderBookServiceAsyncStub") -> None:
        """One stream from where the last one ended, until it ends or draining begins; what came is then stored.

        The end of a stream is how a book that shuts down asks for what it waits for: to hear that all is stored.
        """
        async with asyncio.timeout(LAST_FRAMES_S if self._draining.is_set() else None):
            request = await self._request(stub)
        call = stub.StreamTicks(request)
        cut = asyncio.create_task(self._cut(call, stub))
        try:
            while isinstance(message := await call.read(), pb.StreamTicksResponse):
                await self._take(message, stub)
            # The end of the stream, and not of the connection, which raises: the book has said all.
            self._intake.end_in_order(await self._last_tapes(stub))
        except asyncio.CancelledError:
            # Cutting the call ends `read` this way as well.
            if not self._draining.is_set():
                raise
        finally:
            cut.cancel()
            call.cancel()
        await self._store(stub)

    async def _cut(
        self,
        call: "grpc.aio.UnaryStreamCall[pb.StreamTicksRequest, pb.StreamTicksResponse]",
        stub: "rpc.OrderBookServiceAsyncStub",
    ) -> None:
        """Once draining, end the call when all that the book has done by then is here, or cannot be waited for."""
        await self._draining.wait()
        try:
            async with asyncio.timeout(LAST_FRAMES_S):
                present = await self._caught_up(stub)
                # Where all ends at once the book says goodbye a moment later, and the next start knows that nothing is lost.
                goodbye_by = time.monotonic() + GOODBYE_S
                while not present.ended and time.monotonic() < goodbye_by:
                    await asyncio.sleep(GOODBYE_S / 20)
                    present = await self._caught_up(stub)
                if present.ended:
                    self._intake.end_in_order(self._tapes_of(present))
        except (TimeoutError, grpc.aio.AioRpcError) as error:
            log.info("the last frames did not come in time", orderbook=self._address, reason=peer_error(error))
        call.cancel()

    async def _caught_up(self, stub: "rpc.OrderBookServiceAsyncStub") -> pb.GetRunResponse:
        """What the book says of its run, once all that it has done by then is here."""
        present = await stub.GetRun(pb.GetRunRequest())
        while not self._has(present):
            self._taken.clear()
            await self._taken.wait()
        return present

    async def _last_tapes(self, stub: "rpc.OrderBookServiceAsyncStub") -> dict[str, str]:
        """The tape hash of each symbol, of a book that has said all; empty where it does not answer any more."""
        try:
            return self._tapes_of(await stub.GetRun(pb.GetRunRequest(), timeout=CONFIRM_TIMEOUT_S))
        except grpc.aio.AioRpcError as error:
            log.info("the order book did not tell its tape hash", orderbook=self._address, reason=peer_error(error))
            return {}

    def _tapes_of(self, present: pb.GetRunResponse) -> dict[str, str]:
        last = present.last_window if present.HasField("last_window") else -1
        if self._intake.position != (present.run, last):
            return {}
        return {tape.symbol: tape.hash for tape in present.tapes}

    def _has(self, present: pb.GetRunResponse) -> bool:
        run, window = self._intake.position or ("", -1)
        return run == present.run and window >= (present.last_window if present.HasField("last_window") else -1)

    async def _request(self, stub: "rpc.OrderBookServiceAsyncStub") -> pb.StreamTicksRequest:
        """Ask for what comes after the last frame that arrived, else after the last stored one, else for all there is."""
        position = self._intake.position
        if position is None:
            listed = await stub.ListInstruments(pb.ListInstrumentsRequest(), timeout=ASK_TIMEOUT_S)
            symbols = own_symbols(listed)
            position = self._shared.archive.position(symbols)
            if position is not None:
                self._run_before = position[0]
                if self._shared.archive.is_complete(position[0], symbols):
                    self._intake.complete = position
                self._metrics.stored(position[1])
                position = await self._where_both_are(stub, position)
                await self._confirm(stub, position)
        else:
            position = await self._where_both_are(stub, position)
        if position is None:
            position = (await stub.GetRun(pb.GetRunRequest(), timeout=ASK_TIMEOUT_S)).run, -1
        log.info("reading", orderbook=self._address, after_run=position[0], after_window=position[1])
        return pb.StreamTicksRequest(
            parts=PARTS,
            delivery=pb.DELIVERY_LOSSLESS,
            reader=self._settings.reader,
            after_run=position[0],
            after_window=position[1],
            batch_interval_ms=self._settings.batch_interval_ms,
        )

    async def _where_both_are(self, stub: "rpc.OrderBookServiceAsyncStub", stored: tuple[str, int]) -> tuple[str, int]:
        """What is here, or less where the book has less of that run: after a power cut, or with a journal from a backup.

        It does other windows in the place of those that it lost. What is here of them stays, and a gap says so; where it has
        come further by now than it had when it was started, the gap begins as late.
        """
        present = await stub.GetRun(pb.GetRunRequest(), timeout=ASK_TIMEOUT_S)
        (run, window), last = stored, present.last_window if present.HasField("last_window") else -1
        self._told = present.run, last
        if present.run != run or last >= window:
            return stored
        if self._undone is not None and (self._undone.run, self._undone.last_window) == stored:
            # It was found when the stream began that has broken since.
            return run, last
        reason = "the order book lost these windows and did others in their place: what is stored is of those that it lost"
        self._undone = pb.Gap(run=run, first_window=last + 1, last_window=window, reason=reason)
        log.error("the order book has lost windows that are stored", run=run, first_window=last + 1, last_window=window)
        if self._intake.run == run:
            self._intake.note_gap(self._undone)
            await self._store(stub)
        return run, last

    async def _take(self, message: pb.StreamTicksResponse, stub: "rpc.OrderBookServiceAsyncStub") -> None:
        self._seen = True
        self._metrics.connected(True)
        if not message.run:
            # The book waits for its first engine.
            return
        if message.HasField("run_started") and message.run != self._intake.run:
            await self._store(stub)
            stored = self._shared.archive.progress(message.run)
            self._intake.begin(message.run_started, stored, self._run_before)
            self._run_before = message.run
            if (begun := self._intake.position) is not None:
                self._metrics.begins(begun[1])
            if self._undone is not None and self._undone.run == message.run:
                self._intake.note_gap(self._undone)
            log.info("a run begins", orderbook=self._address, run=message.run, known=bool(stored))
            # At once, lest a crash before the first file hide that there was a run.
            await self._store(stub)
        lost = self._intake.lost(message)
        if lost:
            gap = message.gap
            last = gap.last_window if gap.HasField("last_window") else None
            log.error("windows are lost", run=gap.run, first_window=gap.first_window, last_window=last, reason=gap.reason)
        if not self._intake.frames:
            self._opened_at = time.monotonic()
        self._intake.add(message)
        if message.HasField("last_window"):
            self._told = message.run, message.last_window
        self._taken.set()
        self._metrics.received(message, self._intake)
        old = time.monotonic() - self._opened_at >= self._settings.rotate_s
        # What is lost is told once and known nowhere else.
        if lost or old or self._intake.bytes >= self._settings.rotate_mib * (1 << 20):
            await self._store(stub)

    async def _store(self, stub: "rpc.OrderBookServiceAsyncStub | None") -> None:
        """Store what there is, trying until it works, and tell the book."""
        self._opened_at = time.monotonic()
        if not self._intake.pending:
            return
        batch = self._intake.take()
        wait_s = FIRST_WAIT_S
        while True:
            try:
                await self._shared.store(batch)
                break
            except OSError as error:
                self._writing = False
                FAILURES.inc()
                reason = error.strerror or str(error)
                log.error("the archive cannot be written; the rows are kept", reason=reason, wait_s=wait_s)
                # Also while draining: the grace may be long enough. What is not stored then is read again after the start.
                await asyncio.sleep(wait_s)
                wait_s = min(LONGEST_WAIT_S, wait_s * 2)
        self._writing = True
        self._metrics.stored(batch.position[1])
        log.debug("stored", run=batch.position[0], window=batch.position[1])
        if stub is not None:
            await self._confirm(stub, batch.position)

    async def _confirm(self, stub: "rpc.OrderBookServiceAsyncStub", position: tuple[str, int]) -> None:
        run, window = position
        if run == self._told[0]:
            window = min(window, self._told[1])
        request = pb.ConfirmWindowRequest(reader=self._settings.reader, run=run, window=window)
        try:
            await stub.ConfirmWindow(request, timeout=CONFIRM_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            # The next one says the same; until then the book only keeps more than it must.
            log.info("the order book did not hear what is stored", orderbook=self._address, reason=peer_error(error))

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._draining.wait()
        except TimeoutError:
            pass
