"""All metrics that the services export, gathered in this process."""

import re
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from marksim.archiver import metrics as archiver_metrics
from marksim.dashboard.history import History
from marksim.dashboard.service import _FeedCollector
from marksim.edge import metrics as edge_metrics
from marksim.engine.clock import Clock
from marksim.engine.load import Load
from marksim.engine.metrics import EngineMetrics
from marksim.engine.run import Driver
from marksim.memory.page import TargetCollector
from marksim.memory.target import Target
from marksim.orderbook.metrics import OrderBookMetrics
from marksim.orderbook.service import OrderBookService
from marksim.orderbook.settings import OrderBookSettings
from marksim.runtime.metrics import Store, StoreCollector, StoreKind, store_to_proto
from marksim.runtime.process import ProcessCollector
from marksim.runtime.pulse import Pulse
from marksim.scenario import load_scenario
from marksim.scenario.group import group_of
from marksim.store.archive import Archive
from marksim.v1 import engine_pb2, telemetry_pb2

SERVICES = ("orderbook", "engine", "edge", "archiver", "memory", "dashboard")
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
NAME = re.compile(r"\bmarksim_[a-z0-9_]+")


async def page(directory: Path) -> str:
    """One page with the metrics of all services, as Prometheus would read it."""
    # Metrics by address show nothing before an address is known.
    edge_metrics.name_upstream("localhost:1")
    archiver_metrics.BookMetrics("localhost:1")
    book = OrderBookService(OrderBookSettings(journal=directory / "journal", ring_mib=1))
    book.servicer.readers.confirm("archiver", "", 0)
    clock = Clock(10.0)
    scenario = load_scenario("default")
    driver = Driver(scenario, group_of(scenario, ()), clock, [], lambda _: None)
    archive = Archive(directory)
    store = Store("store", StoreKind.POOL, used=1)
    target = Target("edge", "localhost:1")
    target.answered(telemetry_pb2.GetMemoryResponse(stores=[store_to_proto(store)]), 1.0)
    collectors: list[Collector] = [
        OrderBookMetrics(book.servicer),
        EngineMetrics(driver, clock, Load(), lambda: engine_pb2.CLOCK_STATE_RUNNING),
        archiver_metrics.ArchiveMetrics(archive, directory),
        TargetCollector(lambda: [target]),
        _FeedCollector(History("ws://localhost:1")),
        ProcessCollector("edge", Pulse()),
        *(StoreCollector(service, lambda: [store]) for service in SERVICES),
    ]
    alone = CollectorRegistry()
    for collector in collectors:
        alone.register(collector)
    text = generate_latest(alone).decode() + generate_latest(REGISTRY).decode()
    await driver.close()
    archive.close()
    assert book.sequencer.recorder is not None
    await book.sequencer.recorder.close()
    return text


def names(text: str) -> set[str]:
    """Every name that a query may ask for."""
    families = list(text_string_to_metric_families(text))
    return {family.name + suffix for family in families for suffix in SUFFIXES.get(family.type, ())}


def asked(texts: Iterable[str]) -> set[str]:
    """Names of our metrics in expressions."""
    return {name for text in texts for name in NAME.findall(text)}
