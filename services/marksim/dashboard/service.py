"""The dashboard service: reads the feed beside the gRPC server, and serves the page from threads."""

import asyncio
from collections.abc import Iterable, Sequence

import grpc
from prometheus_client.core import REGISTRY, CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from marksim.dashboard.history import History
from marksim.dashboard.reader import read_feed
from marksim.dashboard.settings import DashboardSettings
from marksim.dashboard.status import Link
from marksim.dashboard.web import WebServer, bind
from marksim.runtime.logs import get_logger
from marksim.runtime.metrics import Store, StoreKind
from marksim.runtime.serve import Lifecycle


class DashboardService:
    """Binds its port when made, so that one in use ends the process (exit 2, one sentence) before anything starts."""

    def __init__(self, settings: DashboardSettings) -> None:
        self._settings = settings
        sockets = bind(settings.host, settings.port)
        self.history = History(settings.feed)
        self._web = WebServer(self.history, sockets)
        self._serving = False

    @property
    def port(self) -> int:
        """The page's port, also where 0 was asked for."""
        return self._web.port

    def register(self, server: grpc.aio.Server) -> Sequence[str]:
        """No servicer of its own: telemetry, health and reflection are the runtime's."""
        del server
        return ()

    async def run(self, lifecycle: Lifecycle) -> None:
        """Serve the page and follow the feed until the service drains."""
        log = get_logger("dashboard")
        collector = _FeedCollector(self.history)
        REGISTRY.register(collector)
        self._web.start()
        self._serving = True
        log.info("page is up", address=f"http://{self._settings.host or 'localhost'}:{self.port}", feed=self._settings.feed)
        reading = asyncio.create_task(read_feed(self._settings.feed, self.history))
        draining = asyncio.create_task(lifecycle.draining.wait())
        try:
            # The reader ends only by a defect of ours, which must not hide behind a page that stands still.
            done, _ = await asyncio.wait({reading, draining}, return_when=asyncio.FIRST_COMPLETED)
            if reading in done:
                reading.result()
        finally:
            self._serving = False
            reading.cancel()
            draining.cancel()
            await asyncio.gather(reading, draining, return_exceptions=True)
            await asyncio.to_thread(self._web.close)
            REGISTRY.unregister(collector)

    def ready(self) -> bool:
        """The page serves with or without a feed, and says which."""
        return self._serving

    def stores(self) -> Sequence[Store]:
        """The rings of ticks, of all symbols together."""
        history = self.history
        with history.lock:
            series = [symbol.series for symbol in history.symbols.values()]
            used = sum(min(one.ticks.count, one.ticks.capacity) for one in series)
            capacity = sum(one.ticks.capacity for one in series)
            return (
                Store("tick_rings", StoreKind.RING, used, capacity, history.memory_bytes),
                Store("symbols", StoreKind.POOL, len(series), history.max_symbols, dropped=history.status.refused_symbols),
            )


class _FeedCollector(Collector):
    """The state of the feed as Prometheus sees it, read at the moment of a scrape."""

    def __init__(self, history: History) -> None:
        self._history = history

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        status = self._history.status
        with self._history.lock:
            counters = (
                ("ticks", "Ticks received.", status.ticks),
                ("feed_connections", "Connections to the feed that opened.", status.connections),
                ("bad_frames", "Messages of the feed that were no tick.", status.bad_frames),
                ("conflated_ticks", "Ticks that the server merged for this reader.", status.gaps.conflated),
                ("lost_ticks", "Ticks that were sent and never came.", status.gaps.lost),
                ("missed_ticks", "Ticks made between two connections.", status.gaps.missed),
                ("late_ticks", "Ticks dropped as older than what was known.", status.gaps.late),
                ("run_changes", "Changes of the feed's run.", status.run_changes),
            )
            connected, lag_ms = status.link is Link.OPEN, status.lag_ms
        yield from (CounterMetricFamily(f"marksim_dashboard_{name}", text, value) for name, text, value in counters)
        yield GaugeMetricFamily("marksim_dashboard_feed_connected", "1 while the feed is connected.", int(connected))
        if lag_ms is not None:
            yield GaugeMetricFamily("marksim_dashboard_lag_seconds", "From sending to receiving a tick.", lag_ms / 1e3)
