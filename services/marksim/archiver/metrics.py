"""What the archiver tells Prometheus."""

import time

from prometheus_client import Gauge

from marksim.archiver.intake import Intake
from marksim.store.archive import Totals
from marksim.v1 import orderbook_pb2 as pb

# Totals live in the archive and survive the process, so they are gauges that are set.
ROWS = Gauge("marksim_archiver_rows", "Rows ever stored in this archive.", ["table"])
FILES = Gauge("marksim_archiver_files", "Parquet files ever written into this archive.")
BYTES = Gauge("marksim_archiver_bytes", "Bytes of all Parquet files ever written into this archive.")
GAPS = Gauge("marksim_archiver_gaps", "Recorded spans of lost windows.")
STORED_WINDOW = Gauge("marksim_archiver_last_stored_window", "Last window that is stored.", ["orderbook"])
UNSTORED = Gauge("marksim_archiver_unstored_windows", "Windows that arrived and are not stored yet.", ["orderbook"])
LAG = Gauge("marksim_archiver_lag_seconds", "Age of the newest message when it was read.", ["orderbook"])
DOUBLES = Gauge("marksim_archiver_double_frames", "Frames that came again and were left out.", ["orderbook"])


def tell_totals(totals: Totals) -> None:
    """Show what is in the archive."""
    for table, rows in totals.rows.items():
        ROWS.labels(table).set(rows)
    FILES.set(totals.files)
    BYTES.set(totals.bytes)
    GAPS.set(totals.gaps)


class BookMetrics:
    """The gauges of one order book."""

    def __init__(self, orderbook: str) -> None:
        self._stored_window = -1
        self._stored = STORED_WINDOW.labels(orderbook)
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
        self._doubles.set(intake.doubles)

    def stored(self, window: int) -> None:
        """All windows up to this one are in the archive."""
        self._stored_window = window
        self._stored.set(window)
        self._unstored.set(0)
