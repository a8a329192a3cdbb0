"""Stores, the bounded places where a service keeps things, and how Prometheus sees them.

What is the same of every process is in `process.py`. Other metrics of a service are in the default registry, named
`marksim_<service>_...` with their unit.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from marksim.v1 import telemetry_pb2


class StoreKind(IntEnum):
    """How a store behaves at its bound; the numbers of `marksim.v1.StoreKind`."""

    UNSPECIFIED = 0
    POOL = 1
    RING = 2
    BUFFER = 3
    QUEUE = 4


@dataclass(frozen=True, slots=True)
class Store:
    """Fill of one bounded place.

    A capacity of 0 means that the other measure bounds it; `dropped` counts since the start.
    """

    name: str
    kind: StoreKind
    used: int = 0
    capacity: int = 0
    used_bytes: int = 0
    capacity_bytes: int = 0
    dropped: int = 0


STORE_GAUGES = (
    ("used_entries", "used", "Entries in the store."),
    ("capacity_entries", "capacity", "Most entries the store takes; 0 means that bytes bound it."),
    ("used_bytes", "used_bytes", "Bytes the store holds; 0 means not counted."),
    ("capacity_bytes", "capacity_bytes", "Most bytes the store takes; 0 means not counted."),
)
"""Suffix of the metric, field of Store, and its help text."""

DROPPED_HELP = "Entries dropped or refused at the bound since the start."


def store_to_proto(store: Store) -> telemetry_pb2.Store:
    """The store as GetMemory tells it."""
    return telemetry_pb2.Store(
        name=store.name,
        kind=telemetry_pb2.StoreKind.Name(store.kind),
        used=store.used,
        capacity=store.capacity,
        used_bytes=store.used_bytes,
        capacity_bytes=store.capacity_bytes,
        dropped=store.dropped,
    )


def store_from_proto(message: telemetry_pb2.Store) -> Store:
    """The store that a GetMemory answer tells of; a kind that this version does not know is UNSPECIFIED."""
    known = int(message.kind) in {kind.value for kind in StoreKind}
    return Store(
        name=message.name,
        kind=StoreKind(message.kind) if known else StoreKind.UNSPECIFIED,
        used=message.used,
        capacity=message.capacity,
        used_bytes=message.used_bytes,
        capacity_bytes=message.capacity_bytes,
        dropped=message.dropped,
    )


class StoreCollector(Collector):
    """Turns what `stores` returns at the moment of a scrape into `marksim_<service>_store_...`.

    `stores` is called in the thread of the scrape, so it must return what is safe to read there.
    """

    def __init__(self, service: str, stores: Callable[[], Sequence[Store]]) -> None:
        self._prefix = f"marksim_{service.replace('-', '_')}_store"
        self._stores = stores

    def describe(self) -> Iterable[Metric]:
        """Names only; registering must not call the service."""
        return families(self._prefix, (), ["store", "kind"])

    def collect(self) -> Iterable[Metric]:
        """One sample per store and measure."""
        rows = [((store.name, store.kind.name.lower()), store) for store in self._stores()]
        return families(self._prefix, rows, ["store", "kind"])


def families(prefix: str, rows: Sequence[tuple[Sequence[str], Store]], labels: Sequence[str]) -> list[Metric]:
    """The metric families of stores: `rows` holds (label values, store)."""
    result: list[Metric] = []
    for suffix, field, text in STORE_GAUGES:
        gauge = GaugeMetricFamily(f"{prefix}_{suffix}", text, labels=labels)
        for values, store in rows:
            gauge.add_metric(values, getattr(store, field))
        result.append(gauge)
    dropped = CounterMetricFamily(f"{prefix}_dropped", DROPPED_HELP, labels=labels)
    for values, store in rows:
        dropped.add_metric(values, store.dropped)
    return [*result, dropped]
