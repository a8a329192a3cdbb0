"""What every service tells of its process."""

from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import NoReturn

import psutil
import pytest
from prometheus_client import CollectorRegistry

from marksim.runtime.process import ProcessCollector, installed_version, memory_limit
from marksim.runtime.pulse import Pulse


def test_every_service_says_what_it_is_and_how_much_memory_it_has() -> None:
    """The same names for all, told apart by the label `service`."""
    registry = CollectorRegistry()
    registry.register(ProcessCollector("edge", Pulse()))
    edge = {"service": "edge"}
    assert registry.get_sample_value("marksim_service_info", {**edge, "version": "0.1.0"}) == 1
    assert registry.get_sample_value("marksim_service_ready", edge) == 0
    resident = registry.get_sample_value("marksim_service_resident_bytes", edge) or 0
    assert 1 << 20 < resident < (registry.get_sample_value("marksim_service_memory_limit_bytes", edge) or 0)
    assert registry.get_sample_value("marksim_service_start_time_seconds", edge) == psutil.Process().create_time()


def test_the_containers_limit_is_the_limit(tmp_path: Path) -> None:
    """The first file that is there counts."""
    limit = tmp_path / "memory.max"
    limit.write_text("268435456\n")
    assert memory_limit([tmp_path / "absent", limit]) == 256 << 20


def test_without_a_limit_it_is_the_machine(tmp_path: Path) -> None:
    """No container, one without a limit, and the number that stands for none all mean the machine's memory."""
    unlimited = tmp_path / "memory.max"
    unlimited.write_text("max\n")
    huge = tmp_path / "memory.limit_in_bytes"
    huge.write_text(f"{(1 << 63) - 4096}\n")
    machine = psutil.virtual_memory().total
    assert [memory_limit(files) for files in ([], [unlimited], [huge])] == [machine] * 3


def test_a_folder_that_was_not_installed_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service starts all the same; its version is "source"."""

    def absent(_: str) -> NoReturn:
        raise PackageNotFoundError

    monkeypatch.setattr("marksim.runtime.process.version", absent)
    assert installed_version() == "source"
