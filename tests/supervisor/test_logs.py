"""The children's logs: files and shown lines."""

import json
from pathlib import Path

import pytest

from marksim.supervisor import logs as module
from marksim.supervisor.logs import ChildLogs, sentence


def _line(level: str, event: str, **facts: object) -> str:
    return json.dumps({"event": event, "level": level, "service": "edge", "timestamp": "2026-01-01T00:00:00Z", **facts})


def test_warning_is_shown_as_text(tmp_path: Path) -> None:
    """Lines at warning level and above are shown as text with their facts; the others are only stored."""
    shown: list[str] = []
    logs = ChildLogs(tmp_path, shown.append)
    logs.started()
    logs.take("edge", _line("info", "client connected"))
    logs.take("edge", _line("warning", "client is slow", behind=7))
    logs.close()
    assert shown == ["edge: warning: client is slow (behind=7)"]
    assert len((tmp_path / "edge.log").read_text().splitlines()) == 2


def test_warnings_of_the_start_are_only_stored(tmp_path: Path) -> None:
    """Until the market runs, services that wait for each other warn into their file; an error is shown."""
    shown: list[str] = []
    logs = ChildLogs(tmp_path, shown.append)
    logs.take("edge", _line("warning", "no stream from the order book"))
    logs.take("edge", _line("error", "broken"))
    logs.close()
    assert shown == ["edge: error: broken"]


def test_verbose_shows_info(tmp_path: Path) -> None:
    """With --verbose, lines at info level are shown too."""
    shown: list[str] = []
    logs = ChildLogs(tmp_path, shown.append, verbose=True)
    logs.take("edge", _line("info", "client connected"))
    logs.take("edge", _line("debug", "detail"))
    logs.close()
    assert shown == ["edge: info: client connected"]


def test_plain_output_is_shown(tmp_path: Path) -> None:
    """What is no log line, such as a traceback, is shown as it is."""
    shown: list[str] = []
    logs = ChildLogs(tmp_path, shown.append)
    logs.take("book", "Traceback (most recent call last):")
    logs.close()
    assert shown == ["book: Traceback (most recent call last):"]


def test_progress_ends_when_a_service_is_ready(tmp_path: Path) -> None:
    """What it prepared is no longer what the start waits for, and who waits for it is no progress."""
    logs = ChildLogs(tmp_path, lambda _: None)
    logs.take("orderbook", _line("info", "preparing kernels", kernel="trade"))
    logs.take("engine", _line("info", "waiting for the order book", reason="STARTING: it prepares its kernels"))
    logs.take("edge", _line("info", "ready"))
    assert logs.progress == {"orderbook": "preparing kernels (kernel=trade)"}
    logs.take("orderbook", _line("info", "ready", shard="0 of 1"))
    logs.close()
    assert not logs.progress


def test_files_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log keeps to its files and their size, however much is said."""
    monkeypatch.setattr(module, "_FILE_BYTES", 1_000)
    logs = ChildLogs(tmp_path, lambda _: None)
    for number in range(200):
        logs.take("edge", _line("info", "again", number=number))
    logs.close()
    files = sorted(tmp_path.iterdir())
    assert len(files) == 4
    assert all(file.stat().st_size <= 1_000 for file in files)


def test_sentence_of_a_json_line() -> None:
    """A refusal that came as JSON is told as text."""
    assert sentence(_line("error", "port 1 is in use")) == "port 1 is in use"
    assert sentence("plain") == "plain"
