"""The targets as Prometheus metrics and as a page for people."""

from collections.abc import Callable, Iterable, Sequence
from html import escape

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from marksim.memory.target import Target
from marksim.runtime.metrics import Store, families, store_from_proto
from marksim.v1 import telemetry_pb2

PREFIX = "marksim_memory_target"

PROCESS_GAUGES = (
    ("resident_bytes", "resident_bytes", "Resident memory of the process."),
    ("virtual_bytes", "virtual_bytes", "Virtual memory of the process."),
    ("open_files", "open_files", "Open file descriptors of the process."),
    ("threads", "threads", "Threads of the process."),
)

STATE_GAUGES = (
    ("up", "up", "1 if the service answered the last poll, else 0."),
    ("last_poll_timestamp_seconds", "polled_at_s", "Wall time of the last poll, since the Unix epoch; 0 before the first."),
    ("last_answer_timestamp_seconds", "answered_at_s", "Wall time of the last answer; 0 before the first."),
)

STATE_COUNTERS = (
    ("restarts", "restarts", "Times that the service came back as another process."),
    ("polls", "polls", "Polls of the service."),
    ("poll_failures", "failures", "Polls that the service did not answer in time."),
)


class TargetCollector(Collector):
    """The targets at the moment of a scrape; of one that is down only the state, never its last values."""

    def __init__(self, targets: Callable[[], Sequence[Target]], left_out: Callable[[], int] = lambda: 0) -> None:
        self._present = targets
        self._left_out = left_out

    def describe(self) -> Iterable[Metric]:
        """The names alone."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """The scrape runs in another thread than the polls: each answer is read once and never changed by its poll."""
        targets = self._present()
        for suffix, attribute, text in STATE_GAUGES:
            state = GaugeMetricFamily(f"{PREFIX}_{suffix}", text, labels=["target"])
            for target in targets:
                state.add_metric([target.name], getattr(target, attribute))
            yield state
        for suffix, attribute, text in STATE_COUNTERS:
            counter = CounterMetricFamily(f"{PREFIX}_{suffix}", text, labels=["target"])
            for target in targets:
                counter.add_metric([target.name], getattr(target, attribute))
            yield counter
        up = [(target.name, memory) for target in targets if (memory := target.memory) is not None]
        for suffix, attribute, text in PROCESS_GAUGES:
            gauge = GaugeMetricFamily(f"{PREFIX}_{suffix}", text, labels=["target"])
            for name, memory in up:
                gauge.add_metric([name], getattr(memory, attribute))
            yield gauge
        cpu = CounterMetricFamily(f"{PREFIX}_cpu_seconds", "CPU time of the process since its start.", labels=["target"])
        started = GaugeMetricFamily(f"{PREFIX}_start_time_seconds", "Start of the process.", labels=["target"])
        for name, memory in up:
            cpu.add_metric([name], memory.cpu_seconds)
            started.add_metric([name], memory.start_time_ns / 1e9)
        yield from (cpu, started)
        rows = [((name, store.name, store.kind.name.lower()), store) for name, memory in up for store in stores_of(memory)]
        left_out = "Addresses of dns: names that are not asked, because there are too many."
        yield GaugeMetricFamily("marksim_memory_addresses_left_out", left_out, self._left_out())
        yield from families(f"{PREFIX}_store", rows, ["target", "store", "kind"])


def stores_of(memory: telemetry_pb2.GetMemoryResponse) -> list[Store]:
    """The stores of an answer. A name told twice counts once: Prometheus refuses a page with two samples of one name."""
    return list({store.name: store_from_proto(store) for store in memory.stores}.values())


def render(targets: Sequence[Target], interval_s: float) -> str:
    """The page at /."""
    rows = "\n".join(_row(target) for target in targets)
    stores = "\n".join(
        _cells(
            target.name,
            store.name,
            store.kind.name.lower(),
            _of(store.used, store.capacity),
            _of_bytes(store.used_bytes, store.capacity_bytes),
            f"{store.dropped:,}",
        )
        for target in targets
        if (memory := target.memory) is not None
        for store in stores_of(memory)
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="5"><title>marksim memory</title>
<style>body{{font:15px system-ui,sans-serif;margin:2rem}}table{{border-collapse:collapse;margin:1rem 0}}
td,th{{padding:.3rem .8rem;border-bottom:1px solid #8884;text-align:left}}</style></head><body>
<h1>marksim memory</h1>
<p>Each service is asked every {interval_s:g} s. For Prometheus: <a href="/metrics">/metrics</a>.
Health: <a href="/healthz">/healthz</a>, <a href="/readyz">/readyz</a>.</p>
<table><tr><th>service<th>address<th>state<th>resident<th>virtual<th>CPU<th>files<th>threads<th>restarts</tr>
{rows}
</table>
<table><tr><th>service<th>store<th>kind<th>entries<th>bytes<th>dropped</tr>
{stores}
</table>
</body></html>
"""


def _row(target: Target) -> str:
    memory = target.memory
    if memory is None:
        return _cells(target.name, target.address, f"down: {target.error}", "", "", "", "", "", str(target.restarts))
    return _cells(
        target.name,
        target.address,
        "up",
        _mib(memory.resident_bytes),
        _mib(memory.virtual_bytes),
        f"{memory.cpu_seconds:,.1f} s",
        str(memory.open_files),
        str(memory.threads),
        str(target.restarts),
    )


def _cells(*values: str) -> str:
    return "<tr>" + "".join(f"<td>{escape(value)}" for value in values) + "</tr>"


def _of(used: int, capacity: int) -> str:
    return f"{used:,} of {capacity:,}" if capacity else f"{used:,}"


def _of_bytes(used: int, capacity: int) -> str:
    if not used and not capacity:
        return "not counted"
    return f"{_mib(used)} of {_mib(capacity)}" if capacity else _mib(used)


def _mib(count: int) -> str:
    return f"{count / (1 << 20):,.1f} MiB"
