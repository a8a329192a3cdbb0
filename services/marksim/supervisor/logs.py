"""What the children say: whole into one bounded file each, and the lines that matter as text for people."""

import json
import logging
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

# Four files of 8 MB a service: 32 MB at most.
_FILE_BYTES = 8_000_000
_OLD_FILES = 3
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "warn": 30, "error": 40, "exception": 40, "critical": 50}
# Of the fields of a line, those that say where it is from, which the human line says its own way.
_OWN_FIELDS = frozenset(
    {"event", "level", "timestamp", "ts", "time", "logger", "service", "pid", "exception", "stack", "instance"}
)


class ChildLogs:
    """Takes each line of each child; `show` gets those at `shown_level` and above as text."""

    def __init__(self, directory: Path, show: Callable[[str], None], *, verbose: bool = False) -> None:
        """Makes the directory. Raises OSError where it cannot be written to."""
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._show = show
        # Until the market runs, its services warn that they wait for each other; the log files keep that.
        self._shown_level = _LEVELS["info" if verbose else "error"]
        self._files: dict[str, RotatingFileHandler] = {}
        self.progress: dict[str, str] = {}
        """What each service that is not ready yet has said of its kernels last."""

    def started(self) -> None:
        """The market runs: from now on warnings are shown too."""
        self._shown_level = min(self._shown_level, _LEVELS["warning"])

    def take(self, service: str, line: str) -> None:
        """Store one line of a child, and show it where it matters."""
        self._store(service, line)
        fields = _fields(line)
        if fields is None:
            # Not a log line: a traceback, or a library that prints. Nothing of the kind is expected, so all is shown.
            self._show(f"{service}: {line}")
            return
        text = _text(fields)
        if "kernel" in fields:
            self.progress[service] = text
        elif fields.get("event") == "ready":
            self.progress.pop(service, None)
        if _LEVELS.get(str(fields.get("level", "info")).lower(), 20) >= self._shown_level:
            self._show(f"{service}: {fields.get('level', 'info')}: {text}")
            for key in ("exception", "stack"):
                if fields.get(key):
                    self._show(str(fields[key]).rstrip())

    def close(self) -> None:
        """Close the files."""
        for handler in self._files.values():
            handler.close()
        self._files.clear()

    def _store(self, service: str, line: str) -> None:
        handler = self._files.get(service)
        if handler is None:
            path = self.directory / f"{service}.log"
            handler = RotatingFileHandler(path, maxBytes=_FILE_BYTES, backupCount=_OLD_FILES, encoding="utf-8")
            self._files[service] = handler
        handler.emit(logging.LogRecord(service, logging.INFO, "", 0, line, None, None))


def sentence(line: str) -> str:
    """A child's log line as people read it; a line that is no JSON stays as it is."""
    fields = _fields(line)
    return line if fields is None else _text(fields)


def _fields(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        fields = json.loads(line)
    except ValueError:
        return None
    return fields if isinstance(fields, dict) else None


def _text(fields: dict[str, Any]) -> str:
    rest = " ".join(f"{key}={value}" for key, value in fields.items() if key not in _OWN_FIELDS)
    event = str(fields.get("event", ""))
    return f"{event} ({rest})" if rest else event
