"""What the edge tells Prometheus beside its stores."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

CLIENTS: Final = Gauge("marksim_edge_clients", "Clients that get the feed.")
LATE: Final = Gauge("marksim_edge_late_clients", "Clients whose transport is full, who will get conflated ticks.")
CONNECTS: Final = Counter("marksim_edge_connects", "Clients that were admitted.")
REFUSED: Final = Counter("marksim_edge_refused", "Connections refused before they were clients.", ["reason"])
CUT_OFF: Final = Counter("marksim_edge_cut_off", "Clients closed by the edge for what they did or did not.", ["reason"])
IGNORED: Final = Counter("marksim_edge_ignored_messages", "Messages of clients, all of which are ignored.")
TICKS: Final = Counter("marksim_edge_ticks", "Ticks that came from the order books.")
MESSAGES: Final = Counter("marksim_edge_messages", "Messages written to clients.")
BYTES: Final = Counter("marksim_edge_sent_bytes", "Bytes of messages written to clients.")
CONFLATED: Final = Counter("marksim_edge_conflated", "Ticks that a client got only as part of a newer one.")
FLUSH: Final = Histogram(
    "marksim_edge_flush_seconds",
    "Time that one flush to all clients took.",
    buckets=(0.0001, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5),
)
TICK_AGE: Final = Histogram(
    "marksim_edge_tick_age_seconds",
    "Age of the oldest tick of a flush when it was written, since the order book sent it (by both wall clocks).",
    buckets=(0.001, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1, 5, 30),
)
UPSTREAM_CONNECTED: Final = Gauge("marksim_edge_upstream_connected", "1 while a book's stream is open.", ["orderbook"])
UPSTREAM_LOST: Final = Counter("marksim_edge_upstream_lost", "Times that an order book's stream ended.", ["orderbook"])
UPSTREAM_GAPS: Final = Counter("marksim_edge_upstream_gaps", "Gaps that an order book told of.", ["orderbook"])
UPSTREAM_LATEST: Final = Counter(
    "marksim_edge_upstream_latest", "Times that the edge was behind an order book and read only the newest.", ["orderbook"]
)

# Present from the start: a first refusal is an increase only where there was a 0 before it.
for _reason in ("request", "full", "connections"):
    REFUSED.labels(_reason)
for _reason in ("stalled", "buffer", "silent", "flood"):
    CUT_OFF.labels(_reason)


def name_upstream(orderbook: str) -> None:
    """Show an order book before anything has come from it."""
    for metric in (UPSTREAM_CONNECTED, UPSTREAM_LOST, UPSTREAM_GAPS, UPSTREAM_LATEST):
        metric.labels(orderbook)
