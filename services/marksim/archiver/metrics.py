"""What the archiver tells Prometheus."""

import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from marksim.archiver.intake import Intake
from marksim.store.archive import Archive
from marksim.v1 import orderbook_pb2 as pb

CONNECTED: Final = Gauge("marksim_archiver_orderbook_connected", "1 while an order book's stream is open.", ["orderbook"])
STORED_WINDOW: Final = Gauge("marksim_archiver_last_stored_window", "Last window that is stored.", ["orderbook"])
STORED_TIME: Final = Gauge(
    "marksim_archiver_last_stored_timestamp_seconds",
    "Wall time at which all windows that had arrived were stored, since the Unix epoch; the start before the first time.",
    ["orderbook"],
)
UNSTORED: Final = Gauge("marksim_archiver_unstored_windows", "Windows that arrived and are not stored yet.", ["orderbook"])
LAG: Final = Gauge("marksim_archiver_lag_seconds", "Age of the newest message when it was read.", ["orderbook"])
DOUBLES: Final = Counter("marksim_archiver_double_frames", "Frames that came again and were left out.", ["orderbook"])
FAILURES: Final = Counter("marksim_archiver_write_failures", "Attempts to write that the system refused; each is repeated.")
FLUSH: Final = Histogram(
    "marksim_archiver_flush_duration_seconds",
    "Time that it took to write what had gathered and to make it visible.",
    buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)


class ArchiveMetrics(Collector):
    """What is in the archive: counters that outlive the process, so they are read from it when Prometheus asks."""

    def __init__(self, archive: Archive, directory: Path) -> None:
        self._archive = archive
        self._directory = directory

    def describe(self) -> Iterable[Metric]:
        """Names are not checked ahead."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Totals since the archive was begun."""
        totals = self._archive.totals
        rows = CounterMetricFamily("marksim_archiver_rows", "Rows ever stored in this archive.", labels=["table"])
        for table, count in totals.rows.items():
            rows.add_metric([table], count)
        yield rows
        for name, text, count in (
            ("files", "Parquet files ever written into this archive.", totals.files),
            ("bytes", "Bytes of all Parquet files ever written into this archive.", totals.bytes),
            ("gaps", "Spans of windows that are lost to this archive.", totals.gaps),
        ):
            yield CounterMetricFamily(f"marksim_archiver_{name}", text, count)
        disk = shutil.disk_usage(self._directory)
        yield GaugeMetricFamily("marksim_archiver_disk_size_bytes", "Size of the disk that holds the archive.", disk.total)
        yield GaugeMetricFamily("marksim_archiver_disk_free_bytes", "Bytes that are free on that disk.", disk.free)


class BookMetrics:
    """The metrics of one order book."""

    def __init__(self, orderbook: str) -> None:
        self._stored_window = -1
        self._doubles_told = 0
        self._connected = CONNECTED.labels(orderbook)
        self._stored = STORED_WINDOW.labels(orderbook)
        self._stored_time = STORED_TIME.labels(orderbook)
        self._stored_time.set_to_current_time()
        self._unstored = UNSTORED.labels(orderbook)
        self._lag = LAG.labels(orderbook)
        self._doubles = DOUBLES.labels(orderbook)

    def received(self, message: pb.StreamTicksResponse, intake: Intake) -> None:
        """A message was taken into the intake."""
        if message.sent_time_us:
            self._lag.set(max(0.0, time.time() - message.sent_time_us / 1e6))
        position = intake.position
        if position is not None:
            self._unstored.set(max(0, position[1] - self._stored_window))
        self._doubles.inc(intake.doubles - self._doubles_told)
        self._doubles_told = intake.doubles

    def connected(self, connected: bool) -> None:
        """The order book's stream was opened or lost."""
        self._connected.set(connected)

    def begins(self, window: int) -> None:
        """Another run, of which the archive has all windows up to this one; -1 for none."""
        self._stored_window = window
        self._stored.set(window)

    def stored(self, window: int) -> None:
        """All windows up to this one are in the archive."""
        self.begins(window)
        self._stored_time.set_to_current_time()
        self._unstored.set(0)
