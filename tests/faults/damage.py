"""Damages files as broken hardware and crashes do: flipped bytes, cut ends, torn writes; by a seed, and each can be undone.

    damage = flip(path, random.Random(7))
    print(damage)              # journal.sqlite: flipped 1 byte at 8271 of 40960
    damage.undo()

`flip_blob` hits the contents of a row of a SQLite file, wherever SQLite keeps them; `flip` may hit a page that is not used.
"""

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SECTOR_BYTES: Final = 512

KINDS: Final = {
    "sqlite": ("*.sqlite",),
    "wal": ("*.sqlite-wal",),
    "shm": ("*.sqlite-shm",),
    "snapshot": ("*.snapshot",),
    "engine": ("engine-*.snapshot", "inputs-*.snapshot", "clock.json"),
    "clock": ("clock.json",),
    "archive": ("_log/*.json", "runs/**/*.parquet"),
    "parquet": ("*.parquet",),
}
"""Patterns of the files of each kind."""


@dataclass(frozen=True)
class Damage:
    """What was done to a file. The file as it was is in memory until this is gone."""

    path: Path
    what: str
    offset: int
    """First byte that is another, or is missing."""
    before: bytes

    def __str__(self) -> str:
        return f"{self.path.name}: {self.what} at {self.offset} of {len(self.before)}"

    def undo(self) -> None:
        """The file is as it was."""
        self.path.write_bytes(self.before)


def files(directory: Path, kind: str) -> list[Path]:
    """All files of a kind (a key of KINDS) beneath the directory that have contents, in order of their names."""
    found = {path for pattern in KINDS[kind] for path in directory.rglob(pattern)}
    return sorted(path for path in found if path.is_file() and path.stat().st_size)


def flip(path: Path, randomness: random.Random, count: int = 1, first: int = 0, last: int | None = None) -> Damage:
    """Give `count` bytes other values, each at a random place from `first` to `last` (the file's end where it is None)."""
    before = path.read_bytes()
    end = len(before) if last is None else min(last + 1, len(before))
    if not first <= end - count:
        raise ValueError(f"{path} has no {count} bytes from {first} to {end - 1} to flip")
    places = sorted(randomness.sample(range(first, end), count))
    after = bytearray(before)
    for place in places:
        after[place] ^= randomness.randint(1, 255)
    path.write_bytes(after)
    return Damage(path, f"flipped {count} byte{'s' if count > 1 else ''}", places[0], before)


def truncate(path: Path, randomness: random.Random) -> Damage:
    """Cut the file off at a random byte, at least the last one; it may become empty."""
    before = path.read_bytes()
    if not before:
        raise ValueError(f"{path} is empty: nothing can be cut off")
    length = randomness.randrange(len(before))
    path.write_bytes(before[:length])
    return Damage(path, f"cut off {len(before) - length} bytes", length, before)


def tear(path: Path, randomness: random.Random) -> Damage:
    """Leave the file's length and zero it from a random sector on, as a disk does that had written only so far."""
    before = path.read_bytes()
    starts = [start for start in range(0, len(before), SECTOR_BYTES) if any(before[start:])]
    if not starts:
        raise ValueError(f"{path} has nothing but zeros: it cannot be torn")
    offset = randomness.choice(starts)
    path.write_bytes(before[:offset].ljust(len(before), b"\0"))
    changed = next(place for place in range(offset, len(before)) if before[place])
    return Damage(path, f"zeroed from byte {offset} on, first other byte", changed, before)


WAYS: Final[dict[str, Callable[[Path, random.Random], Damage]]] = {"flip": flip, "truncate": truncate, "tear": tear}


@dataclass(frozen=True)
class BlobDamage:
    """One flipped byte of a blob. The database was whole before and is whole to SQLite afterwards."""

    path: Path
    table: str
    column: str
    row: int
    offset: int
    flipped: int

    def __str__(self) -> str:
        return f"{self.path.name}: byte {self.offset} of {self.column} in row {self.row} of {self.table}"

    def undo(self) -> None:
        """Flip it back."""
        _flip_in_blob(self)


def flip_blob(path: Path, randomness: random.Random, table: str = "", column: str = "") -> BlobDamage:
    """Flip one byte of a random blob, of that table and column where they are named; nobody may have the database open.

    Raises ValueError where there is none.
    """
    with closing(sqlite3.connect(path)) as database:
        choices = [pair for pair in _blob_columns(database) if table in ("", pair[0]) and column in ("", pair[1])]
        rows: list[tuple[str, str, int, int]] = []
        for name, field in choices:
            query = (
                f'SELECT rowid, length("{field}") FROM "{name}" WHERE typeof("{field}") = \'blob\' AND length("{field}") > 0'
            )
            rows += [(name, field, row, length) for row, length in database.execute(f"{query} ORDER BY rowid")]
    if not rows:
        raise ValueError(f"{path} has no blob with contents{f' in {table}.{column}' if table else ''}")
    name, field, row, length = randomness.choice(rows)
    damage = BlobDamage(path, name, field, row, randomness.randrange(length), randomness.randint(1, 255))
    _flip_in_blob(damage)
    return damage


def _blob_columns(database: sqlite3.Connection) -> list[tuple[str, str]]:
    """(table, column) of all that can be opened as a blob: tables with a rowid."""
    found = []
    for (table,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").fetchall():
        try:
            database.execute(f'SELECT rowid FROM "{table}" LIMIT 1')
        except sqlite3.OperationalError as error:
            if "no such column" not in str(error):
                raise
            continue
        found += [(str(table), str(column[1])) for column in database.execute(f'PRAGMA table_info("{table}")').fetchall()]
    return found


def _flip_in_blob(damage: BlobDamage) -> None:
    with (
        closing(sqlite3.connect(damage.path)) as database,
        database,
        database.blobopen(damage.table, damage.column, damage.row) as blob,
    ):
        blob[damage.offset] = blob[damage.offset] ^ damage.flipped
