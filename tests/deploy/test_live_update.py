"""The script that runs a service again when an edit has come in."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.deploy.chart import CHART

SCRIPT = (CHART / "files" / "live-update.sh").read_text()
SERVICE = """#!/bin/sh
trap 'echo ended; exit 7' TERM
echo "started $*"
while :; do sleep 0.05; done
"""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The script, with a service in place of Python that says when it starts and ends with 7 on SIGTERM."""
    python = tmp_path / "python"
    python.write_text(SERVICE)
    python.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "TMPDIR": str(tmp_path)}
    # Under nohup SIGHUP is ignored, and a shell can't trap what was ignored at its start.
    command = ["env", "--default-signal=HUP", "/bin/sh", "-c", SCRIPT, "live-update", "edge", "--config", "x"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True) as running:
        yield running
        # The service too, which would outlive the script.
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)


def line(running: subprocess.Popen[str]) -> str:
    assert running.stdout
    return running.stdout.readline().strip()


def pid_in(file: Path, other_than: int = 0) -> int:
    """The one that stands there; the script writes it a moment after the service has said that it starts."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with suppress(FileNotFoundError, ValueError):
            if (pid := int(file.read_text())) != other_than:
                return pid
    raise AssertionError(f"{file} names no other process than {other_than}")


def test_an_edit_starts_the_service_again(service: subprocess.Popen[str]) -> None:
    """SIGHUP ends the running service and starts a new one with the same arguments, as often as it comes."""
    for _ in range(3):
        assert line(service) == "started -m marksim edge --config x"
        service.send_signal(signal.SIGHUP)
        assert line(service) == "ended"


def test_the_end_is_the_services_own(service: subprocess.Popen[str]) -> None:
    """SIGTERM ends the service once, and the script with its exit code."""
    assert line(service).startswith("started")
    service.send_signal(signal.SIGTERM)
    assert line(service) == "ended"
    assert service.wait(timeout=10) == 7


def test_the_running_process_can_be_found(service: subprocess.Popen[str], tmp_path: Path) -> None:
    """The file service.pid names the service, and a kill of that process has it started again."""
    assert line(service).startswith("started")
    first = pid_in(tmp_path / "service.pid")
    os.kill(first, signal.SIGTERM)
    assert [line(service), line(service)] == ["ended", "started -m marksim edge --config x"]
    assert pid_in(tmp_path / "service.pid", other_than=first) != first
