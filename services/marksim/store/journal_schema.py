"""The journal's file: tables, version, connections, and what SQLite's errors mean.

    journal.sqlite        SQLite, WAL mode, PRAGMA user_version = SCHEMA_VERSION
      meta(key, value)    `schema` as text; all else sealed (sealed.py) for the place ("meta", key): `run`, a JSON document;
                          `term`, `instance`, `new_run`; `saved`, the window of the engine's newest snapshot;
                          `reader:<name>`, the last window that the reader confirmed
      windows(first, last, at, digest, checks, control, input, output)
                          one row a window, or a row of windows in which nothing happened: `last` is then above `first`, and
                          grows in place. `at`: wall time, seconds. `digest`: of what the engine sent. `control`, `input`
                          and `output` are squeezed; input is core/feed/inputs.py, output for each of its parts that has some
                          the packed executions, quotes, depth, tick and, where marked, levels. NULL where there is none.
                          `checks`: three CRC-32. Of the row: all columns, the other two, run and window. Of input and of
                          output: the bytes, run, window, and which of them it is.
      notes(key, value)   sealed for ("note", run, key): state that changes with a window, in the window's own transaction
      gaps(first, last, reason, at, check)
                          windows that are no longer here although a reader had not confirmed them; a CRC-32 of all that

Of the two durabilities, `process` never waits for the disk (synchronous=OFF). What SQLite has written is then with the
operating system, which keeps it when a process is killed, in the order in which it was written: a transaction is in the log
whole, or its last frame is not there or has a wrong checksum, and who opens the file next ignores it (journal_log.py finds
what was not the last one, and is damaged). A checkpoint that was
cut off is done again from the same log, which nothing overwrites before a checkpoint was whole. So kill -9 loses nothing
that was acknowledged and harms no file; a power cut may do both. `disk` syncs the log in groups of windows
(journal_disk.py), and has SQLite sync where a power cut could mix an old log with a new one (synchronous=NORMAL).
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from marksim.core.errors import Damaged, JournalFull, MarksimError, NotNow, Unreadable
from marksim.store.sealed import place, seal, unseal

FILE: Final = "journal.sqlite"
SCHEMA_VERSION: Final = 1
PAGE_BYTES: Final = 4_096
APPLICATION_ID: Final = 0x4D4B534A
"""`MKSJ`, as the SQLite file's header says it."""
MIB: Final = 1 << 20

_TABLES: Final = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE windows(
    first INTEGER PRIMARY KEY, last INTEGER NOT NULL, at INTEGER NOT NULL, digest BLOB NOT NULL, checks BLOB NOT NULL,
    control BLOB NOT NULL, input BLOB, output BLOB
);
CREATE TABLE notes(key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE gaps(
    first INTEGER PRIMARY KEY, last INTEGER NOT NULL, reason TEXT NOT NULL, at INTEGER NOT NULL, "check" INTEGER NOT NULL
);
"""


class Durability(StrEnum):
    """What survives: nothing; a killed process; a power cut, but for the last moments."""

    NONE = "none"
    PROCESS = "process"
    DISK = "disk"


@dataclass(frozen=True, slots=True)
class JournalLimits:
    """Bounds of a journal; sizes are of what its pages hold, beside a log of at most `log_mib`."""

    max_age_s: int = 86_400
    """Older windows go, if nobody needs them."""
    soft_mib: int = 1_024
    """Beyond it the oldest windows go that nobody needs."""
    hard_mib: int = 4_096
    """Up to here windows are kept that a named reader has not confirmed. The file grows no further."""
    log_mib: int = 64
    """Of the write-ahead log: beyond it `append` waits for the thread that empties it."""
    sync_ms: int = 100
    """With durability `disk`: a window is synced at most so long after it, and the time that a sync takes."""

    def __post_init__(self) -> None:
        if not 0 < self.soft_mib <= self.hard_mib:
            raise ValueError(f"soft_mib is {self.soft_mib}: must be from 1 to hard_mib, which is {self.hard_mib}")
        if self.max_age_s <= 0 or self.log_mib <= 0 or self.sync_ms < 0:
            raise ValueError("max_age_s and log_mib must be positive, and sync_ms not negative")


@dataclass(frozen=True, slots=True)
class Gap:
    """Windows that were dropped before all who wanted them had them; `at` is wall time in seconds."""

    first: int
    last: int
    reason: str
    at: int

    @property
    def check(self) -> int:
        """The checksum that stands beside it."""
        return place("gap", self.first, self.last, self.reason, self.at)


@dataclass(frozen=True, slots=True)
class JournalInfo:
    """What a journal is, and how large."""

    path: Path
    schema: int
    run: str
    term: int
    instance: str
    first_window: int
    last_window: int
    rows: int
    used_bytes: int
    """Of pages that hold something."""
    file_bytes: int
    log_bytes: int
    saved: int
    readers: dict[str, int]
    gaps: list[Gap]


_FULL: Final = {sqlite3.SQLITE_FULL}
_PERHAPS_FULL: Final = {sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_TRUNCATE}
_HELD: Final = {
    sqlite3.SQLITE_BUSY: "another program holds it",
    sqlite3.SQLITE_LOCKED: "another program holds it",
    sqlite3.SQLITE_READONLY: "it may only be read; let this user write to it",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; does its directory exist, and may this user write there?",
    sqlite3.SQLITE_PERM: "this user may not; let it read and write there",
}


@contextmanager
def naming_errors(path: Path, *, is_writer: bool = False) -> Iterator[None]:
    """Turn what SQLite raises into JournalFull, Damaged or NotNow that name the file.

    The writer, while nobody else writes, may try the log itself to learn why the system refused.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise _named(path, error, is_writer) from error


def _named(path: Path, error: sqlite3.Error, is_writer: bool) -> MarksimError:
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    if code in _FULL:
        return JournalFull(f"{path}: there is no room: the disk is full, or the journal is at its hard cap")
    if is_writer and code in _PERHAPS_FULL and (why := _refused_write(path)):
        return JournalFull(f"{path}: there is no room: {why}")
    if (held := _HELD.get(code & 0xFF)) is not None:
        return NotNow(f"{path}: {held}", reason="JOURNAL_HELD")
    return Damaged(f"{path}: {error}", metadata={"file": str(path)})


def _refused_write(path: Path) -> str | None:
    """Why the system writes nothing more to the log: SQLite tells of a full disk as such, but of no other bound of size."""
    log = log_of(path)
    try:
        descriptor = os.open(log, os.O_WRONLY)
    except OSError:
        return None
    try:
        size = os.fstat(descriptor).st_size
        # Beyond its end, where SQLite will write next; who reads the log ignores what is no whole frame.
        os.pwrite(descriptor, bytes(PAGE_BYTES), size)
        os.ftruncate(descriptor, size)
    except OSError as error:
        return error.strerror
    else:
        return None
    finally:
        os.close(descriptor)


def log_of(path: Path) -> Path:
    """The write-ahead log of that file."""
    return path.with_name(f"{path.name}-wal")


def connect(path: Path, *, query_only: bool = False, synchronous: str = "OFF") -> sqlite3.Connection:
    """A connection in autocommit mode, which any thread may use, one at a time. Raises sqlite3.Error."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0, cached_statements=64)
    try:
        for name, value in (("wal_autocheckpoint", "0"), ("synchronous", synchronous), ("query_only", str(int(query_only)))):
            connection.execute(f"PRAGMA {name}={value}")
    except BaseException:
        connection.close()
        raise
    return connection


def create(connection: sqlite3.Connection) -> None:
    """Make the tables of an empty file."""
    connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
    (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
    if mode != "wal":
        raise NotNow("the journal's file system cannot share memory between processes: put the journal on a local disk")
    # One transaction: a file has all of it, or is as empty as before.
    connection.executescript(
        f"BEGIN IMMEDIATE; {_TABLES} INSERT INTO meta VALUES ('schema', '{SCHEMA_VERSION}');"  # noqa: S608  numbers of ours
        f"PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={SCHEMA_VERSION}; COMMIT;"
    )


def check_version(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether the file has tables; False of an empty one. Raises Unreadable for another version and for other files."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if not tables and not version and not application:
        return False
    if application != APPLICATION_ID:
        raise Unreadable(f"{path} is no journal of marksim")
    said = connection.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
    if version != SCHEMA_VERSION:
        older = "an older" if version < SCHEMA_VERSION else "a newer"
        raise Unreadable(
            f"{path} was written by {older} marksim: its schema is version {version}, and this one reads {SCHEMA_VERSION}; "
            "use the marksim that wrote it, or put the directory aside"
        )
    if said != (str(SCHEMA_VERSION),):
        raise Damaged(f"{path}: table meta says another schema than the file's header", metadata={"file": str(path)})
    return True


def check_tables(connection: sqlite3.Connection, path: Path, *tables: str) -> None:
    """Have SQLite look at the pages of these tables, of all if none is named: whether each row can be found.

    A row has a checksum; that one is gone because a page is damaged only the page can tell. Raises Damaged, sqlite3.Error.
    """
    for pragma in [f"quick_check('{table}')" for table in tables] or ["quick_check"]:
        found = [row[0] for row in connection.execute(f"PRAGMA {pragma}")]
        if found != ["ok"]:
            raise Damaged(f"{path}: {'; '.join(map(str, found[:3]))}", metadata={"file": str(path)})


class Meta:
    """What is kept under a key, sealed."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection, self._path = connection, path

    def read(self, prefix: str = "") -> dict[str, str]:
        """All keys with that prefix but `schema`. Raises Damaged, sqlite3.Error."""
        rows = self._connection.execute("SELECT key, value FROM meta WHERE key != 'schema' ORDER BY key").fetchall()
        return {key: self._opened(key, value) for key, value in rows if key.startswith(prefix)}

    def write(self, values: dict[str, str]) -> None:
        """In the transaction that is open, or one of each."""
        rows = [(key, seal(value.encode(), "meta", key)) for key, value in values.items()]
        self._connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", rows)

    def delete(self, key: str) -> None:
        self._connection.execute("DELETE FROM meta WHERE key = ?", (key,))

    def _opened(self, key: str, value: object) -> str:
        try:
            if not isinstance(value, bytes):
                raise ValueError("it is no sealed value")
            return unseal(value, "meta", key).decode()
        except ValueError as error:
            raise Damaged(f"{self._path}: table meta, {key}: {error}", metadata={"file": str(self._path)}) from None
