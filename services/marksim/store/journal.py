"""The journal of one shard: each window as it went in and as it came out, on the disk before it is answered.

journal_schema.py says what its file holds, and what survives what. Append, claim, notes and the rest that writes may be
called by any thread: they take turns. Each reader has a connection of its own (journal_reading.py), and never holds a writer
up.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote

from marksim.core.errors import NotNow
from marksim.store import lock, retention
from marksim.store.dropping import drop
from marksim.store.files import sync_directory
from marksim.store.journal_disk import LogKeeper, Syncer
from marksim.store.journal_log import check_log, note_boot
from marksim.store.journal_reading import READER, JournalReader, codec_of, run_of, run_text, span_of
from marksim.store.journal_rows import COLUMNS, Block, Prepared
from marksim.store.journal_schema import (
    FILE,
    MIB,
    PAGE_BYTES,
    Durability,
    Gap,
    JournalInfo,
    JournalLimits,
    Meta,
    check_tables,
    check_version,
    connect,
    create,
    naming_errors,
)
from marksim.store.sealed import seal
from marksim.store.windows import RecordedWindow, RunRecord

__all__ = [
    "Block",
    "Durability",
    "Gap",
    "Journal",
    "JournalInfo",
    "JournalLimits",
    "JournalReader",
    "Prepared",
    "recorded_run",
    "set_aside",
]

ASIDE: Final = "aside"
BUSY_MS: Final = 50
"""So long a write waits for another program that writes, before it is refused for now."""
_PAGES: Final = 3 * PAGE_BYTES
"""Of the log, that a transaction writes beside its blobs, about."""
_INSERT: Final = "INSERT INTO windows VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_EXTEND: Final = "UPDATE windows SET last = ?, at = ?, digest = ?, checks = ? WHERE first = ?"

Notes = Mapping[str, bytes | None]
_NO_NOTES: Final[Notes] = {}


class Journal:
    """One shard's journal, open for writing by this process alone."""

    def __init__(
        self,
        directory: Path,
        durability: Durability = Durability.PROCESS,
        limits: JournalLimits | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Open it, or make a new one. `clock` tells wall time, by which old windows go.

        Raises NotNow if another process has it, Unreadable for another schema, Damaged for what cannot be read, and OSError.
        """
        if durability is Durability.NONE:
            raise ValueError("durability is none: then there is no journal")
        self.directory, self.path = directory, directory / FILE
        self.durability, self.limits = durability, limits or JournalLimits()
        self._clock = clock
        self._writing = threading.Lock()
        self._closed = False
        self.grown_bytes = 0
        """What windows took since it was opened, about; never less, whatever is dropped."""
        directory.mkdir(parents=True, exist_ok=True)
        self._lock = lock.take(directory, "--journal", "order book")
        try:
            with naming_errors(self.path):
                self._open()
        except BaseException:
            os.close(self._lock)
            raise
        try:
            # What a process left that was killed is then as durable as what follows.
            self._sync()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        # SQLite drops what follows the damage, and with the last connection the log goes.
        check_log(self.path)
        synchronous = "NORMAL" if self.durability is Durability.DISK else "OFF"
        self._connection = connect(self.path, synchronous=synchronous)
        try:
            if not check_version(self._connection, self.path):
                create(self._connection)
            # Small ones, whose rows nobody would miss; of windows one that is missing is seen.
            check_tables(self._connection, self.path, "meta", "notes", "gaps")
            # By now the index is that of this process.
            note_boot(self.directory)
            self._connection.execute(f"PRAGMA max_page_count={self.limits.hard_mib * MIB // PAGE_BYTES}")
            self._connection.execute(f"PRAGMA journal_size_limit={self.limits.log_mib * MIB}")
            self._meta = Meta(self._connection, self.path)
            self._load()
            # Another program that writes is waited for by trying again; the event loop may be who waits here.
            self._connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        except BaseException:
            self._connection.close()
            raise
        self._log = LogKeeper(self.path, self._writing, self.limits.log_mib * MIB, syncs=synchronous == "NORMAL")
        self._syncer: Syncer | None = None
        if self.durability is Durability.DISK:
            self._syncer = Syncer(self.path, self.limits.sync_ms / 1_000, self.last_window)

    def _load(self) -> None:
        meta = self._meta.read()
        self.run: RunRecord | None = run_of(meta, self.path)
        self.term = int(meta.get("term", "0"))
        self.instance = meta.get("instance", "")
        self.new_run = meta.get("new_run", "")
        self.saved_window = int(meta.get("saved", "-1"))
        self._readers = {key.removeprefix(READER): int(value) for key, value in meta.items() if key.startswith(READER)}
        self.first_window, self.last_window = span_of(self._connection)
        self._codec = codec_of(self.run, self.path)
        self._empty_from: int | None = None
        """Where the last row begins, if it is of empty windows."""
        last = self._connection.execute(f"SELECT {COLUMNS} FROM windows ORDER BY first DESC LIMIT 1").fetchone()  # noqa: S608
        if last is not None:
            # What is written next follows it, or makes it longer: it must be what it says.
            window = self._codec.window(last)
            self._empty_from = None if window.parts or window.control else window.window

    # ---- writing

    def begin(self, run: RunRecord, new_run: str = "", notes: Notes = _NO_NOTES) -> None:
        """Make it the journal of that run, with these notes, as durable as was asked for when it returns.

        Raises NotNow if it is of one.
        """
        if self.run is not None:
            raise NotNow(f"{self.path} is the journal of run {self.run.run}: set it aside, or go on with that run")
        with self._transaction():
            self._meta.write({"run": run_text(run), "new_run": new_run, "term": "0"})
            self._put_notes(notes, run.run)
        self.run, self.new_run, self._codec = run, new_run, codec_of(run, self.path)
        self._sync()

    def claim(self, term: int, instance: str) -> None:
        """Note which engine drives the books; kept when it returns. Raises NotNow for a term that is over."""
        if term < self.term:
            raise NotNow(f"term {term} is over: engine {self.instance} has term {self.term}", reason="STALE_TERM")
        with self._transaction():
            self._meta.write({"term": str(term), "instance": instance})
        self.term, self.instance = term, instance
        self._sync()

    def prepare(self, window: RecordedWindow) -> Prepared:
        """Pack and compress a window: most of the work, by any thread. Raises ValueError for what is none of this run."""
        return self._codec.prepare(window)

    @property
    def would_wait(self) -> bool:
        """Whether `commit` would wait now: for another thread that writes, or for room in the log."""
        return self._writing.locked() or not self._log.has_room

    @property
    def is_lost(self) -> bool:
        """Whether a sync failed, so that nobody can say what the disk has: this process writes nothing more there."""
        return self._log.is_lost or (self._syncer is not None and self._syncer.has_failed)

    def append(self, window: RecordedWindow, notes: Notes = _NO_NOTES) -> None:
        """`prepare` and `commit`."""
        self.commit(self.prepare(window), notes)

    def commit(self, prepared: Prepared, notes: Notes = _NO_NOTES) -> None:
        """Write the window that follows the last one, and notes (None deletes one), all or nothing of it.

        When it returns, a killed process does not lose it; with durability `disk` a power cut does not once `synced_window`
        is there. Raises JournalFull, after which the same may be written again, Damaged, NotNow, and ValueError.
        """
        if self.run is None:
            raise NotNow(f"{self.path} is of no run yet")
        if self._syncer is not None:
            self._syncer.check()
        self._log.wait_for_room()
        at = int(self._clock())
        with self._transaction() as connection:
            if self.last_window >= 0 and prepared.window != self.last_window + 1:
                raise ValueError(f"window {prepared.window} does not follow window {self.last_window}, the last one")
            extends = prepared.is_empty and self._empty_from is not None
            if extends and self._empty_from is not None:
                digest, checks = self._codec.empty(self._empty_from, prepared.last, at)
                connection.execute(_EXTEND, (prepared.last, at, digest, checks, self._empty_from))
            else:
                connection.execute(_INSERT, self._codec.row(prepared, at))
            self._put_notes(notes, self.run.run)
            self._log.wrote(prepared.size)
        self.last_window = prepared.last
        if self.first_window < 0:
            with self._writing:
                # Somebody may be dropping windows beside it.
                self.first_window = prepared.window
        if not extends:
            self._empty_from = prepared.window if prepared.is_empty else None
            self.grown_bytes += prepared.size
        if self._syncer is not None:
            self._syncer.wrote(prepared.last)

    def put_note(self, key: str, value: bytes | None) -> None:
        """Write one note outside of windows, or delete it."""
        with self._transaction():
            self._put_notes({key: value}, self.run.run if self.run else "")
        self._sync()

    def set_saved(self, window: int) -> None:
        """Note the window of the engine's newest snapshot: it will ask for those after it."""
        with self._transaction():
            self._meta.write({"saved": str(window)})
        self.saved_window = window

    def confirm(self, reader: str, window: int) -> None:
        """Note that the named reader has all up to that window, -1 for none yet: it wants those after it."""
        with self._transaction():
            self._meta.write({f"{READER}{reader}": str(window)})
        self._readers[reader] = window

    def forget(self, reader: str) -> None:
        """That reader wants nothing more."""
        with self._transaction():
            self._meta.delete(f"{READER}{reader}")
        self._readers.pop(reader, None)

    def readers(self) -> dict[str, int]:
        """The last window that each named reader confirmed."""
        return dict(self._readers)

    def trim(self, keep_from: int, must_keep: int, now: float | None = None) -> retention.Trimmed:
        """Drop the oldest windows that are too old or too many, in small steps beside `append`.

        The caller wants those from `keep_from` on (the older of its kept snapshots), and cannot do without those from
        `must_keep` on (the newest one). Journal and caller together: retention.py.
        """
        wants = retention.Wants(keep_from, must_keep, self.saved_window, tuple(self._readers.values()))
        at = self._clock() if now is None else now
        trimmed = retention.trim(self._dropping, wants, self.limits, at)
        with self._writing:
            self.first_window = max(self.first_window, trimmed.first_window)
        return trimmed

    def drop(self, before: int, wanted_from: int, reason: str) -> retention.Trimmed:
        """Drop all windows before that one, whoever wants them; those from `wanted_from` on are noted as a gap."""
        trimmed = drop(self._transaction, before, wanted_from, reason, self._clock())
        with self._writing:
            self.first_window = max(self.first_window, trimmed.first_window)
        return trimmed

    def sync(self) -> None:
        """With durability `disk`: have all that is written kept now. Raises Damaged."""
        self._sync()

    @property
    def synced_window(self) -> int:
        """The last window that is as durable as was asked for."""
        return self.last_window if self._syncer is None else self._syncer.synced

    def wait_synced(self, window: int, timeout_s: float | None = None) -> bool:
        """Wait until it is; False if it was not in time. Raises Damaged if the disk failed."""
        return self.last_window >= window if self._syncer is None else self._syncer.wait(window, timeout_s)

    def compact(self) -> None:
        """Give free pages back to the file system, while nothing else goes on. Raises JournalFull if a copy has no room."""
        with self._writing, naming_errors(self.path):
            self._connection.execute("VACUUM")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """End its threads, empty its log, and let another process have it. Raises Damaged if the disk failed."""
        if self._closed:
            return
        self._closed = True
        try:
            self._log.close()
            if self._syncer is not None:
                self._syncer.close()
        finally:
            self._finish()

    def _finish(self) -> None:
        """Close what is open. The last connection copies the log into the file, or leaves it where it cannot."""
        with self._writing:
            self._connection.close()
            self._log.release()
            os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- reading

    def reader(self) -> JournalReader:
        """A reader with a connection of its own, to be closed."""
        return JournalReader(self.directory, beside_writer=True)

    def windows(self, first: int, last: int | None = None) -> Iterator[RecordedWindow]:
        """As JournalReader.windows, with a connection of its own."""
        with self.reader() as reader:
            yield from reader.windows(first, last)

    def blocks(self, first: int, last: int | None = None, size: int = 1_024) -> Iterator[Block]:
        """As JournalReader.blocks, with a connection of its own."""
        with self.reader() as reader:
            yield from reader.blocks(first, last, size)

    def find(self, window: int) -> RecordedWindow | None:
        """As JournalReader.find, with a connection of its own."""
        with self.reader() as reader:
            return reader.find(window)

    def notes(self, prefix: str = "") -> Iterator[tuple[str, bytes]]:
        """As JournalReader.notes, with a connection of its own."""
        with self.reader() as reader:
            yield from reader.notes(prefix)

    def gaps(self) -> list[Gap]:
        """Windows that were dropped before all who wanted them had them."""
        with self.reader() as reader:
            return reader.gaps()

    def info(self) -> JournalInfo:
        """What it is, and how large."""
        with self.reader() as reader:
            return reader.info()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it, or nothing."""
        with self._writing, naming_errors(self.path, is_writer=True):
            connection = self._connection
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
                self._log.wrote(_PAGES)
            finally:
                # A full disk may have ended it already.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    @contextmanager
    def _dropping(self) -> Iterator[sqlite3.Connection]:
        """One transaction that drops windows."""
        with self._transaction() as connection:
            yield connection
            self._log.wrote(retention.STEP_LOG_BYTES)

    def _put_notes(self, notes: Notes, run: str) -> None:
        """Write and delete notes of that run, in the transaction that is open."""
        if not notes:
            return
        rows = [(key, seal(value, "note", run, key)) for key, value in notes.items() if value is not None]
        gone = [(key,) for key, value in notes.items() if value is None]
        self._connection.executemany("INSERT OR REPLACE INTO notes VALUES (?, ?)", rows)
        self._connection.executemany("DELETE FROM notes WHERE key = ?", gone)
        self._log.wrote(sum(len(value) for _, value in rows) + PAGE_BYTES * len(notes))

    def _sync(self) -> None:
        if self._syncer is not None:
            self._syncer.sync_now()


def recorded_run(directory: Path) -> RunRecord | None:
    """The run that a shard's directory belongs to; None where it has none. Raises Damaged, Unreadable and NotNow."""
    if not (directory / FILE).is_file():
        return None
    with JournalReader(directory) as reader:
        return reader.run


def set_aside(directory: Path, run: str) -> Path:
    """Move a shard's directory, which nobody has open, to `aside/<run>/` beside it; where it is then.

    Raises NotNow if a process has it open, and OSError.
    """
    held = lock.take(directory, "--journal", "order book")
    try:
        beside = directory.parent / ASIDE / quote(run or "no-run", safe="")
        beside.mkdir(parents=True, exist_ok=True)
        target, number = beside / directory.name, 1
        while target.exists():
            number += 1
            target = beside / f"{directory.name}.{number}"
        directory.rename(target)
        for changed in (beside, beside.parent, directory.parent):
            sync_directory(changed)
    finally:
        os.close(held)
    return target
