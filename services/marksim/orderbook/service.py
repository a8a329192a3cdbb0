"""The order book service: compiles its kernels, serves, and leaves only when its named readers have the last frame."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from typing import Final, NoReturn

import grpc.aio
from prometheus_client import REGISTRY

from marksim.core.errors import Damaged, InvalidInput, MarksimError
from marksim.core.warm import BOOK
from marksim.journal.replaying import Replay, open_replay
from marksim.orderbook.confirmations import Confirmations
from marksim.orderbook.listing import listing_of
from marksim.orderbook.metrics import OrderBookMetrics
from marksim.orderbook.opening import open_recorder
from marksim.orderbook.readers import Readers
from marksim.orderbook.recording import Recorder
from marksim.orderbook.recovery import Recovered, recover
from marksim.orderbook.replaying import beginning_of
from marksim.orderbook.ring import FrameRing
from marksim.orderbook.sequencing import Sequencer
from marksim.orderbook.servicer import OrderBookServicer
from marksim.orderbook.settings import MIB, OrderBookSettings
from marksim.orderbook.tape import Tape
from marksim.orderbook.window import Limits
from marksim.runtime.logs import get_logger
from marksim.runtime.metrics import Store, StoreKind
from marksim.runtime.service import Lifecycle
from marksim.runtime.settings import EXIT_USAGE
from marksim.runtime.warming import compile_aloud, prepared
from marksim.scenario import load_scenario
from marksim.v1 import orderbook_pb2, orderbook_pb2_grpc

NAME: Final = orderbook_pb2.DESCRIPTOR.services_by_name["OrderBookService"].full_name
TOLD_S: Final = 0.5
DRAIN_SHARE: Final = 0.85
"""Of the grace: what readers get to take the last frames, and named ones to confirm the last window."""

log = get_logger(__name__)


class OrderBookService:
    """One shard. Raises SystemExit with one line if its scenario or its part of it is wrong."""

    def __init__(self, settings: OrderBookSettings) -> None:
        try:
            replay = self.replay = (
                open_replay(settings.replay, settings.replay_from) if settings.replay is not None else None
            )
        except (MarksimError, OSError) as error:
            _refuse("--replay or --replay-from", error)
        try:
            scenario = replay.scenario if replay is not None else load_scenario(settings.scenario, settings.set)
        except InvalidInput as error:
            _refuse("--scenario or --set", error)
        try:
            listing = listing_of(scenario, settings.shards, int(settings.shard), settings.assign)
        except InvalidInput as error:
            _refuse("--assign", error)
        limits = Limits(
            max_orders=replay.max_orders or settings.max_orders if replay is not None else settings.max_orders,
            recorded_windows=settings.recorded_windows,
            outside_queue=settings.outside_queue,
            outside_accounts=settings.outside_accounts,
            outside_orders=settings.outside_orders,
        )
        ring = FrameRing(settings.ring_mib * MIB, settings.ring_seconds)
        self.tape = Tape(ring, [instrument.symbol for instrument in listing.own])
        try:
            recorder = open_recorder(settings, listing, scenario.hash) if replay is None else None
        except (MarksimError, OSError) as error:
            _refuse("--journal", error)
        self.sequencer = Sequencer(listing, scenario.hash, self.tape, limits, recorder)
        self.servicer = OrderBookServicer(self.sequencer)
        if replay is not None:
            self.servicer.recovering = "it reads the recorded session"
        if recorder is not None:
            self.servicer.recovering = "it reads its journal"
            self.servicer.presence.put_note = recorder.put_note

    def register(self, server: grpc.aio.Server) -> Sequence[str]:
        """Add OrderBookService."""
        orderbook_pb2_grpc.add_OrderBookServiceServicer_to_server(self.servicer, server)
        return (NAME,)

    def ready(self) -> bool:
        """Whether the kernels are compiled."""
        return self.servicer.ready

    async def run(self, lifecycle: Lifecycle) -> None:
        """Compile, serve until draining, then let readers finish within the grace."""
        metrics, confirming = OrderBookMetrics(self.servicer), None
        REGISTRY.register(metrics)
        try:
            if not await prepared(lambda: compile_aloud(BOOK), lifecycle.draining):
                return
            if self.replay is not None:
                await self._fast_forward(self.replay)
            if self.sequencer.recorder is not None:
                await self._recover(self.sequencer.recorder)
                confirming = asyncio.create_task(self._confirm(self.sequencer.recorder))
                # It begins before the first reader can come.
                await asyncio.sleep(0)
                self.servicer.recovering = ""
            self.servicer.ready = True
            shard = f"{self.sequencer.listing.shard} of {self.sequencer.listing.shards}"
            log.info("ready", shard=shard, symbols=list(self.tape.symbols), scenario_hash=self.sequencer.scenario_hash)
            if not self.tape.symbols:
                log.warning("no symbol falls to this shard: it takes empty windows; --shards and --assign decide")
            await self._until_told(lifecycle)
            await self.drain(lifecycle.grace_s)
        finally:
            self.tape.end()
            REGISTRY.unregister(metrics)
            if confirming is not None:
                confirming.cancel()
                await asyncio.gather(confirming, return_exceptions=True)
            if self.sequencer.recorder is not None:
                await self.servicer.presence.finish()
                with suppress(Damaged) if self.sequencer.failed.is_set() else nullcontext():
                    # That it failed is said already, and what it says now would hide that.
                    await self.sequencer.recorder.close()

    async def _until_told(self, lifecycle: Lifecycle) -> None:
        """Wait for the signal to end. Raises Damaged where the journal has failed for good."""
        waits = [asyncio.ensure_future(event.wait()) for event in (lifecycle.draining, self.sequencer.failed)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if not lifecycle.draining.is_set():
            # Callers that are told why get a moment for it.
            await asyncio.sleep(TOLD_S)
            self.servicer.trading.stop()
            raise Damaged(f"{self.sequencer.held}; the next start goes on with what the disk has")

    async def _confirm(self, recorder: Recorder) -> None:
        """Keep what named readers confirm, until cancelled; then the last of it."""
        confirmed = recorder.confirmed()
        confirmations = self.servicer.confirmations = Confirmations(recorder.write_confirmed, confirmed)
        self.servicer.readers = Readers.restored(confirmed, confirmations.confirm, confirmations.forget)
        try:
            await confirmations.run()
        finally:
            await confirmations.flush()

    async def _recover(self, recorder: Recorder) -> None:
        """Be where the journal ends. A difference, or damage, ends the service: it says where, and what to do."""
        sequencer = self.sequencer

        def told(words: str) -> None:
            self.servicer.recovering = words

        def work() -> Recovered | None:
            saved = recorder.journal.saved_window
            with recorder.journal.reader() as reader:
                return recover(reader, recorder.folder, saved, sequencer.listing, sequencer.limits, told)

        if (recovered := await asyncio.to_thread(work)) is not None:
            sequencer.resume(recovered, recorder.journal.term, recorder.journal.instance)
            self.servicer.presence.restore(recovered.present)
            recorder.resumed(recovered.snapshot_window, recovered.last_window)

    async def _fast_forward(self, replay: Replay) -> None:
        """Be where the recorded session is to begin. Where it cannot, the process ends with one line that says why."""
        sequencer = self.sequencer

        def told(words: str) -> None:
            self.servicer.recovering = words

        try:
            sequencer.beginning = await asyncio.to_thread(beginning_of, replay, sequencer.listing, sequencer.limits, told)
        except (MarksimError, OSError) as error:
            # Another start would come to the same.
            _refuse("--replay", error)
        self.servicer.recovering = ""

    async def drain(self, grace_s: float) -> None:
        """Take no more windows, let streams deliver what is left and end, and stay until all named readers have it.

        A stream's end tells its reader to store and confirm. One that is away comes back for the rest, or the grace ends.
        """
        self.servicer.trading.stop()
        run, readers = self.sequencer.run, self.servicer.readers
        try:
            async with asyncio.timeout(DRAIN_SHARE * grace_s):
                async with self.sequencer.books:
                    # A window that was begun in a thread is done by now; it is the last one that streams bring.
                    await self.sequencer.published()
                    self.tape.end()
                    # However long streams take; the journal is closed when it is written.
                    self.sequencer.save()
                await self.servicer.streams_ended.wait()
                while run is not None and readers.without(run.run, run.last_window):
                    await readers.changed.wait()
        except TimeoutError:
            missing = readers.without(run.run, run.last_window) if run is not None else []
            log.warning("readers do not have the last window", named=missing, streams=self.servicer.streams)

    def stores(self) -> Sequence[Store]:
        """Order slots, frame ring, recorded answers, the outside queue and outside orders."""
        sequencer, ring = self.sequencer, self.tape.ring
        limits, outside = sequencer.limits, sequencer.outside
        books = [traded.book for traded in sequencer.shard.books.values()]
        return (
            Store(
                name="order_slots",
                kind=StoreKind.POOL,
                used=sum(book.order_count for book in books),
                capacity=limits.max_orders * len(books),
                used_bytes=sum(book.memory_bytes for book in books),
            ),
            Store(
                name="frame_ring",
                kind=StoreKind.RING,
                used=ring.head - ring.tail,
                capacity=ring.capacity,
                used_bytes=ring.used_bytes,
                capacity_bytes=ring.size_bytes,
                dropped=ring.tail,
            ),
            Store(
                name="recorded_windows",
                kind=StoreKind.RING,
                used=sequencer.recorded_count,
                capacity=limits.recorded_windows,
                used_bytes=sequencer.reply_bytes,
            ),
            Store(
                name="outside_queue",
                kind=StoreKind.QUEUE,
                used=outside.queued,
                capacity=limits.outside_queue,
                dropped=outside.refused,
            ),
            Store(name="outside_orders", kind=StoreKind.POOL, used=outside.order_count, capacity=limits.outside_orders),
            *self._kept(),
        )

    def _kept(self) -> Sequence[Store]:
        """The journal, where there is one."""
        recorder = self.sequencer.recorder
        if recorder is None:
            return ()
        first, last = recorder.journal.first_window, recorder.journal.last_window
        windows = last - first + 1 if first >= 0 else 0
        used, capacity = recorder.used_bytes, recorder.capacity_bytes
        kind = StoreKind.RING
        return (Store("journal", kind, used=windows, capacity=0, used_bytes=used, capacity_bytes=capacity),)


def _refuse(flag: str, error: Exception) -> NoReturn:
    """As of any other wrong setting: one line for people, whatever the log's format."""
    sys.stderr.write(f"marksim orderbook: {flag} is wrong: {error}\n")
    raise SystemExit(EXIT_USAGE) from None
