"""The order book service: compiles its kernels, serves, and leaves only when its named readers have the last frame."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

import grpc.aio
from prometheus_client import REGISTRY

from marksim.core.errors import InvalidInput
from marksim.core.warm import BOOK
from marksim.orderbook.listing import listing_of
from marksim.orderbook.metrics import OrderBookMetrics
from marksim.orderbook.ring import FrameRing
from marksim.orderbook.sequencing import Limits, Sequencer
from marksim.orderbook.servicer import OrderBookServicer
from marksim.orderbook.settings import MIB, OrderBookSettings
from marksim.orderbook.tape import Tape
from marksim.runtime.logs import get_logger
from marksim.runtime.metrics import Store, StoreKind
from marksim.runtime.service import Lifecycle
from marksim.runtime.settings import EXIT_USAGE
from marksim.runtime.warming import compile_aloud, prepared
from marksim.scenario import load_scenario
from marksim.v1 import orderbook_pb2, orderbook_pb2_grpc

NAME: Final = orderbook_pb2.DESCRIPTOR.services_by_name["OrderBookService"].full_name
DRAIN_SHARE: Final = 0.85
"""Of the grace: what readers get to take the last frames, and named ones to confirm the last window."""

log = get_logger(__name__)


class OrderBookService:
    """One shard. Raises SystemExit with one line if its scenario or its part of it is wrong."""

    def __init__(self, settings: OrderBookSettings) -> None:
        try:
            scenario = load_scenario(settings.scenario, settings.set)
        except InvalidInput as error:
            _refuse("--scenario or --set", error)
        try:
            listing = listing_of(scenario, settings.shards, int(settings.shard), settings.assign)
        except InvalidInput as error:
            _refuse("--assign", error)
        limits = Limits(
            max_orders=settings.max_orders,
            recorded_windows=settings.recorded_windows,
            outside_queue=settings.outside_queue,
            outside_accounts=settings.outside_accounts,
            outside_orders=settings.outside_orders,
        )
        ring = FrameRing(settings.ring_mib * MIB, settings.ring_seconds)
        self.tape = Tape(ring, [instrument.symbol for instrument in listing.own])
        self.sequencer = Sequencer(listing, scenario.hash, self.tape, limits)
        self.servicer = OrderBookServicer(self.sequencer)

    def register(self, server: grpc.aio.Server) -> Sequence[str]:
        """Add OrderBookService."""
        orderbook_pb2_grpc.add_OrderBookServiceServicer_to_server(self.servicer, server)
        return (NAME,)

    def ready(self) -> bool:
        """Whether the kernels are compiled."""
        return self.servicer.ready

    async def run(self, lifecycle: Lifecycle) -> None:
        """Compile, serve until draining, then let readers finish within the grace."""
        metrics = OrderBookMetrics(self.servicer)
        REGISTRY.register(metrics)
        try:
            if not await prepared(lambda: compile_aloud(BOOK), lifecycle.draining):
                return
            self.servicer.ready = True
            shard = f"{self.sequencer.listing.shard} of {self.sequencer.listing.shards}"
            log.info("ready", shard=shard, symbols=list(self.tape.symbols), scenario_hash=self.sequencer.scenario_hash)
            if not self.tape.symbols:
                log.warning("no symbol falls to this shard: it takes empty windows; --shards and --assign decide")
            await lifecycle.draining.wait()
            await self.drain(lifecycle.grace_s)
        finally:
            self.tape.end()
            REGISTRY.unregister(metrics)

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
                    self.tape.end()
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
        )


def _refuse(flag: str, error: InvalidInput) -> NoReturn:
    """As of any other wrong setting: one line for people, whatever the log's format."""
    sys.stderr.write(f"marksim orderbook: {flag} is wrong: {error.message}\n")
    raise SystemExit(EXIT_USAGE) from None
