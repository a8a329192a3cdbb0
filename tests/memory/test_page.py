"""Targets as metrics and as a page."""

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from marksim.memory.page import TargetCollector, render
from marksim.memory.target import Target
from marksim.v1 import telemetry_pb2


def sample_targets() -> list[Target]:
    """One that is up, with a store told twice, and one that is down."""
    up, down = Target("edge", "localhost:1"), Target("engine", "localhost:2")
    store = telemetry_pb2.Store(name="clients", kind=telemetry_pb2.STORE_KIND_POOL, used=3, capacity=8, dropped=1)
    memory = telemetry_pb2.GetMemoryResponse(resident_bytes=5 << 20, cpu_seconds=1.5, open_files=7, stores=[store, store])
    up.answered(memory, 10.0)
    down.failed("refused <by> the machine", 10.0)
    return [up, down]


def scrape(targets: list[Target]) -> dict[tuple[str, str], float]:
    """Value by (metric, target), parsed from the text that Prometheus would read."""
    registry = CollectorRegistry()
    registry.register(TargetCollector(lambda: targets))
    text = generate_latest(registry).decode()
    samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
    told = [sample for sample in samples if "target" in sample.labels]
    values = {(s.name.removeprefix("marksim_memory_target_"), s.labels["target"]): s.value for s in told}
    assert len(values) == len(told)
    return values


def test_a_service_that_is_up_shows_all_it_told() -> None:
    """Process values and stores, each once."""
    values = scrape(sample_targets())
    assert values["up", "edge"] == 1
    assert values["resident_bytes", "edge"] == 5 << 20
    assert values["cpu_seconds_total", "edge"] == 1.5
    assert values["store_used_entries", "edge"] == 3
    assert values["store_dropped_total", "edge"] == 1


def test_a_service_that_is_down_shows_only_its_state() -> None:
    """No value lingers."""
    shown = {metric for metric, target in scrape(sample_targets()) if target == "engine"}
    state = {"up", "last_poll_timestamp_seconds", "last_answer_timestamp_seconds"}
    assert shown == state | {"restarts_total", "polls_total", "poll_failures_total"}


def test_the_page_tells_people_the_same() -> None:
    """Names, fill and why a service is down; text from outside is escaped."""
    page = render(sample_targets(), 2.0)
    assert all(word in page for word in ("edge", "5.0 MiB", "clients", "3 of 8", "down: refused &lt;by&gt; the machine"))
