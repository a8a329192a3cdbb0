"""The edge: ticks of the order books in, JSON to any number of WebSocket clients out."""

import asyncio
import time
from collections.abc import Sequence

import grpc.aio

from marksim.edge import metrics
from marksim.edge.board import Board
from marksim.edge.server import FeedServer
from marksim.edge.settings import EdgeSettings
from marksim.edge.upstream import Upstream
from marksim.runtime.logs import get_logger
from marksim.runtime.metrics import Store, StoreKind
from marksim.runtime.service import Lifecycle

log = get_logger(__name__)


class EdgeService:
    """Implements `runtime.service.Service`."""

    def __init__(self, settings: EdgeSettings) -> None:
        self._settings = settings
        self.board = Board(settings.max_waiting)
        self.feed = FeedServer(settings, self.board)
        # The same book twice would be read twice.
        addresses = dict.fromkeys(settings.orderbook)
        self._upstreams = [Upstream(address, self.board, settings.behind_s) for address in addresses]
        self._told = (0, 0, 0)

    def register(self, server: grpc.aio.Server) -> Sequence[str]:
        """The edge serves telemetry, health and reflection only."""
        return ()

    def ready(self) -> bool:
        """Once every order book has said what it trades; a book that goes away later leaves the edge ready."""
        return bool(self.feed.port) and all(upstream.reader.known for upstream in self._upstreams)

    def stores(self) -> Sequence[Store]:
        """Clients with what is on its way to them, and the ticks that wait for the next flush."""
        clients = self.feed.room.clients
        return (
            Store(
                "client_buffers",
                StoreKind.BUFFER,
                used=self.feed.clients,
                capacity=clients,
                used_bytes=self.feed.buffered(),
                capacity_bytes=clients * self._settings.max_buffer_kib * 1_024,
                dropped=self.feed.cut,
            ),
            Store(
                "waiting_ticks",
                StoreKind.QUEUE,
                used=self.board.waiting,
                capacity=self.board.max_waiting,
                dropped=self.board.conflated,
            ),
        )

    async def run(self, lifecycle: Lifecycle) -> None:
        """Serve until draining, then close every client with 1012."""
        await self.feed.start()
        log.info("feed", url=f"ws://{self._settings.host or 'localhost'}:{self.feed.port}/")
        work = [upstream.run() for upstream in self._upstreams]
        tasks = [asyncio.create_task(one) for one in (*work, self._flush_forever(), self.feed.check_forever())]
        draining = asyncio.create_task(lifecycle.draining.wait())
        try:
            done, _ = await asyncio.wait({*tasks, draining}, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {draining}:
                # None of them ends by itself.
                task.result()
        finally:
            await self.feed.stop()
            for task in (*tasks, draining):
                task.cancel()
            await asyncio.gather(*tasks, draining, return_exceptions=True)

    async def _flush_forever(self) -> None:
        """The common flush. A late one is not made up for: what waits goes out with the next."""
        interval = self._settings.flush_ms / 1_000
        due = time.monotonic()
        while True:
            due = max(due + interval, time.monotonic())
            await asyncio.sleep(due - time.monotonic())
            self._flush()

    def _flush(self) -> None:
        started = time.monotonic()
        waiting = self.board.waiting
        self.feed.fanout.flush(started)
        if waiting:
            metrics.FLUSH.observe(time.monotonic() - started)
            now_us = time.time_ns() // 1_000
            for upstream in self._upstreams:
                if sent_us := upstream.take_sent_us():
                    metrics.TICK_AGE.observe(max(0, now_us - sent_us) / 1e6)
        self._tell()

    def _tell(self) -> None:
        counts = self.feed.fanout.counts
        told = (counts.messages, counts.bytes, counts.conflated + self.board.conflated)
        for counter, now, before in zip((metrics.MESSAGES, metrics.BYTES, metrics.CONFLATED), told, self._told, strict=True):
            if now > before:
                counter.inc(now - before)
        self._told = told
        metrics.CLIENTS.set(self.feed.clients)
        metrics.LATE.set(self.feed.fanout.late)
