"""Reading a journal: beside the process that writes it, or after it."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np

from marksim.core.errors import Damaged, NotFound, NotNow, Unreadable
from marksim.store.journal_log import check_log
from marksim.store.journal_rows import COLUMNS, Block, Row, RowCodec
from marksim.store.journal_schema import (
    FILE,
    PAGE_BYTES,
    SCHEMA_VERSION,
    Gap,
    JournalInfo,
    Meta,
    check_tables,
    check_version,
    connect,
    log_of,
    naming_errors,
)
from marksim.store.lock import check_free
from marksim.store.sealed import unseal
from marksim.store.windows import RecordedWindow, RunRecord

STEP_ROWS: Final = 256
STEP_BYTES: Final = 4 << 20
"""Rows are read in steps of about so many, each a short transaction: none keeps the log from being emptied."""
BLOCK_BYTES: Final = 16 << 20
"""A block ends with so many bytes of packed input, however few windows these are."""
READER: Final = "reader:"
_INPUTS: Final = COLUMNS.replace("output", "NULL")
_END: Final = "\U0010ffff"


class JournalReader:
    """A connection of its own that only reads: for one thread at a time, beside the writer and other readers."""

    def __init__(self, directory: Path, *, beside_writer: bool = False) -> None:
        """Open the journal of that directory, of which this process has the writer or not.

        Raises NotFound where there is none, Unreadable, Damaged and NotNow.
        """
        self.path = directory / FILE
        if not self.path.is_file():
            raise NotFound(f"there is no journal in {directory}")
        if not beside_writer:
            _check_log(self.path)
        with naming_errors(self.path):
            self._connection = connect(self.path, query_only=True)
            try:
                if not check_version(self._connection, self.path):
                    raise Unreadable(f"{self.path} is empty: the process that made it has not written to it yet")
                self._meta = Meta(self._connection, self.path)
                self.run = run_of(self._meta.read("run"), self.path)
                self.new_run = self._meta.read("new_run").get("new_run", "")
            except BaseException:
                self._connection.close()
                raise
        self._codec = codec_of(self.run, self.path)

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def span(self) -> tuple[int, int]:
        """The first and the last window that are here; -1 and -1 of none."""
        with naming_errors(self.path):
            return span_of(self._connection)

    def windows(self, first: int, last: int | None = None) -> Iterator[RecordedWindow]:
        """Those from `first` to `last`, or to the last there is, in order; rows of empty windows are cut to that.

        Raises NotFound (reason TRIMMED) where they are no longer here, and Damaged.
        """
        for row, begin, end in self._rows(COLUMNS, first, last):
            window = self._codec.window(row)
            yield window if (begin, end) == (window.window, window.last) else RecordedWindow(begin, end, b"", b"", {})

    def find(self, window: int) -> RecordedWindow | None:
        """One window; with no digest if it is one of a row of empty ones, None where it is not here. Raises Damaged."""
        self._know_run()
        with naming_errors(self.path):
            row = self._connection.execute(
                f"SELECT {COLUMNS} FROM windows WHERE first <= ? ORDER BY first DESC LIMIT 1",  # noqa: S608
                (window,),
            ).fetchone()
        if row is None or row[1] < window:
            return None
        found = self._codec.window(row)
        return found if found.window == found.last else RecordedWindow(window, window, b"", b"", {})

    def blocks(self, first: int, last: int | None = None, size: int = 1_024) -> Iterator[Block]:
        """What went into those from `first` to `last`, `size` at most at a time, empty ones aside. Raises as `windows`.

        The output is not read; so nothing is said of its bytes.
        """
        numbers: list[int] = []
        pieces: list[bytes] = []
        begun = max(first, 0)
        end, held = begun - 1, 0
        for row, _, end in self._rows(_INPUTS, first, last):
            if data := self._codec.input_of(row):
                numbers.append(row[0])
                pieces.append(data)
                held += len(data)
            if len(pieces) >= size or held >= BLOCK_BYTES:
                yield self._codec.block(begun, end, np.array(numbers, np.int64), pieces)
                begun, held, numbers, pieces = end + 1, 0, [], []
        if end >= begun:
            yield self._codec.block(begun, end, np.array(numbers, np.int64), pieces)

    def notes(self, prefix: str = "") -> Iterator[tuple[str, bytes]]:
        """Keys with that prefix and their values, sorted by key. Raises Damaged."""
        self._know_run()
        run = self.run.run if self.run else ""
        begin = prefix
        while True:
            with naming_errors(self.path):
                rows = self._connection.execute(
                    "SELECT key, value FROM notes WHERE key >= ? AND key < ? ORDER BY key LIMIT ?",
                    (begin, prefix + _END, STEP_ROWS),
                ).fetchall()
            for key, value in rows:
                try:
                    yield key, unseal(value, "note", run, key)
                except (ValueError, TypeError) as error:
                    raise Damaged(f"{self.path}: note {key}: {error}", metadata={"file": str(self.path)}) from None
            if len(rows) < STEP_ROWS:
                return
            begin = rows[-1][0] + "\0"

    def gaps(self) -> list[Gap]:
        """Windows that were dropped before all who wanted them had them, in order."""
        with naming_errors(self.path):
            rows = self._connection.execute('SELECT first, last, reason, at, "check" FROM gaps ORDER BY first').fetchall()
        for *told, check in rows:
            if Gap(*told).check != check:
                raise Damaged(f"{self.path}: gap {told[0]}: its checksum differs", metadata={"file": str(self.path)})
        return [Gap(*row[:4]) for row in rows]

    def check(self) -> None:
        """Look at every page of the file, which takes a while: whether each row can be found. Raises Damaged."""
        with naming_errors(self.path):
            check_tables(self._connection, self.path)

    def info(self) -> JournalInfo:
        """What it is, and how large."""
        with naming_errors(self.path):
            meta = self._meta.read()
            first, last = span_of(self._connection)
            (rows,) = self._connection.execute("SELECT count(*) FROM windows").fetchone()
            used = used_bytes(self._connection)
        log = log_of(self.path)
        return JournalInfo(
            path=self.path,
            schema=SCHEMA_VERSION,
            run=self.run.run if self.run else "",
            term=int(meta.get("term", "0")),
            instance=meta.get("instance", ""),
            first_window=first,
            last_window=last,
            rows=rows,
            used_bytes=used,
            file_bytes=self.path.stat().st_size,
            log_bytes=log.stat().st_size if log.exists() else 0,
            saved=int(meta.get("saved", "-1")),
            readers={key.removeprefix(READER): int(value) for key, value in meta.items() if key.startswith(READER)},
            gaps=self.gaps(),
        )

    def _rows(self, columns: str, first: int, last: int | None) -> Iterator[tuple[Row, int, int]]:
        """Rows, and which of their windows are asked for."""
        at = max(first, 0)
        self._know_run()
        while last is None or at <= last:
            rows = self._step(columns, at)
            if rows and rows[0][1] < at:
                # The row before it: nothing follows, or the next one does not begin there.
                del rows[0]
            if not rows:
                self._check_gone(at)
                return
            for row in rows:
                if row[0] > at:
                    facts = {"file": str(self.path), "window": str(at)}
                    raise Damaged(f"{self.path}: window {at} is missing; window {row[0]} is there", metadata=facts)
                end = row[1] if last is None else min(row[1], last)
                yield row, at, end
                at = end + 1
                if last is not None and at > last:
                    return

    def _know_run(self) -> None:
        """A journal that had no run when it was opened may have one now."""
        if self.run is None:
            with naming_errors(self.path):
                self.run = run_of(self._meta.read("run"), self.path)
            self._codec = codec_of(self.run, self.path)

    def _step(self, columns: str, at: int) -> list[Row]:
        """The row that has this window, or the one before it, and some that follow."""
        rows, held = [], 0
        with naming_errors(self.path):
            cursor = self._connection.execute(
                f"SELECT {columns} FROM windows WHERE first >= (SELECT max(first) FROM windows WHERE first <= ?)"  # noqa: S608
                " ORDER BY first LIMIT ?",
                (at, STEP_ROWS),
            )
            for row in cursor:
                rows.append(row)
                held += sum(len(part) for part in row[5:] if isinstance(part, bytes))
                # The first may be the one before, which says only that this one is missing.
                if held >= STEP_BYTES and len(rows) > 1:
                    break
            cursor.close()
        return rows

    def _check_gone(self, at: int) -> None:
        """Raise where all windows that are here follow that one."""
        first, _ = self.span()
        if first > at:
            raise NotFound(
                f"{self.path}: window {at} is no longer here; the first is {first}",
                reason="TRIMMED",
                metadata={"first_window": str(first)},
            )


def _check_log(path: Path) -> None:
    """Raise Damaged where the log has lost what was in it; one that somebody writes to changes while it is looked at."""
    try:
        check_log(path)
    except Damaged:
        # Who may not take the lock cannot ask; then what was found counts.
        with suppress(NotNow):
            with suppress(PermissionError):
                check_free(path.parent, "--journal")
            raise


def span_of(connection: sqlite3.Connection) -> tuple[int, int]:
    """The first and the last window that are here; -1 and -1 of none. Raises sqlite3.Error."""
    first = connection.execute("SELECT first FROM windows ORDER BY first LIMIT 1").fetchone()
    last = connection.execute("SELECT last FROM windows ORDER BY first DESC LIMIT 1").fetchone()
    return (first[0], last[0]) if first and last else (-1, -1)


def used_bytes(connection: sqlite3.Connection) -> int:
    """Of pages that hold something. Raises sqlite3.Error."""
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    return (int(pages) - int(free)) * PAGE_BYTES


def run_text(run: RunRecord) -> str:
    """The record as JSON."""
    return json.dumps(asdict(run), separators=(",", ":"))


def run_of(meta: dict[str, str], path: Path) -> RunRecord | None:
    """The record that `run_text` wrote; None of a journal without a run. Raises Damaged."""
    if "run" not in meta:
        return None
    try:
        told: dict[str, Any] = json.loads(meta["run"])
        return RunRecord(**{**told, "symbols": tuple(told["symbols"])})
    except (ValueError, TypeError, KeyError) as error:
        raise Damaged(f"{path}: table meta, run: {error}", metadata={"file": str(path)}) from None


def codec_of(run: RunRecord | None, path: Path) -> RowCodec:
    """What makes rows of that run's windows; of none it knows no symbol."""
    return RowCodec(path, run.run if run else "", run.symbols if run else ())
