"""What every service tells Prometheus of its process, under names that are the same for all: `marksim_service_...`."""

from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import psutil
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from marksim.runtime.pulse import Pulse

LIMIT_FILES: Final = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where a container finds its memory limit, in version 2 and version 1 of Linux control groups."""


def memory_limit(files: Iterable[Path] = LIMIT_FILES) -> int:
    """Bytes that this process may use: the container's limit, or else all that the machine has."""
    machine: int = psutil.virtual_memory().total
    for file in files:
        try:
            text = file.read_text().strip()
        except OSError:
            # Not in such a container, or not on Linux.
            continue
        # "max", or in version 1 a number beyond every machine, says that there is none.
        return min(int(text), machine) if text.isdigit() else machine
    return machine


def installed_version() -> str:
    """Version of the installed package; "source" where it runs from a folder that nothing was installed from."""
    try:
        return version("marksim")
    except PackageNotFoundError:
        return "source"


class ProcessCollector(Collector):
    """Read in the thread of the scrape. The label `service` tells the services apart where one query asks for all."""

    def __init__(self, service: str, pulse: Pulse) -> None:
        self._service = service
        self._pulse = pulse
        self._process = psutil.Process()
        self._limit = memory_limit()
        self._version = installed_version()

    def describe(self) -> Iterable[Metric]:
        """Names only; registering must not measure."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """One sample each."""
        yield self._one("info", "Always 1; the labels say what runs.", 1, ["version"], [self._version])
        memory, started = self._process.memory_info().rss, self._process.create_time()
        yield self._one("ready", "1 while callers may be sent to the service, else 0.", float(self._pulse.ready))
        yield self._one("start_time_seconds", "Start of the process, since the Unix epoch; a change is a restart.", started)
        yield self._one("resident_bytes", "Resident memory of the process.", memory)
        yield self._one("memory_limit_bytes", "Memory limit of the container, or the machine's memory.", self._limit)
        lag = self._pulse.lag_s
        yield self._one("loop_lag_seconds", "How much later than planned the event loop turned at the last beat.", lag)

    def _one(self, name: str, text: str, value: float, labels: Sequence[str] = (), values: Sequence[str] = ()) -> Metric:
        gauge = GaugeMetricFamily(f"marksim_service_{name}", text, labels=["service", *labels])
        gauge.add_metric([self._service, *values], value)
        return gauge
