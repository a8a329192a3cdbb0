"""Damage to files: it is real, its place is told, one seed gives the same again, and it can be undone."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.faults.damage import SECTOR_BYTES, WAYS, files, flip, flip_blob, tear, truncate

SEEDS = range(20)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of some sectors, random but for its end, which is zeros."""
    made = tmp_path / "a.snapshot"
    made.write_bytes(random.Random(1).randbytes(5 * SECTOR_BYTES) + bytes(2 * SECTOR_BYTES))
    return made


@pytest.mark.parametrize("way", WAYS)
def test_damage_is_real_the_same_again_and_undone(path: Path, way: str) -> None:
    """After each way of damage the file is another, equal for equal seeds; `offset` is the first difference."""
    before = path.read_bytes()
    for seed in SEEDS:
        damage = WAYS[way](path, random.Random(seed))
        after = path.read_bytes()
        assert after != before
        first = next((place for place in range(len(after)) if after[place] != before[place]), len(after))
        assert damage.offset == first and path.name in str(damage)
        damage.undo()
        assert path.read_bytes() == before
        WAYS[way](path, random.Random(seed))
        assert path.read_bytes() == after
        damage.undo()


def test_flip_changes_as_many_bytes_where_it_may(path: Path) -> None:
    """So many bytes are others, none outside of the bounds, and the length stays."""
    before = path.read_bytes()
    flip(path, random.Random(3), count=5, first=100, last=109)
    after = path.read_bytes()
    changed = [place for place in range(len(before)) if before[place] != after[place]]
    assert len(changed) == 5 and min(changed) >= 100 and max(changed) <= 109
    assert len(after) == len(before)


def test_truncate_and_tear_reach_every_part(path: Path) -> None:
    """Over many seeds files are cut and torn early and late; a torn one keeps its length and ends in zeros."""
    size = path.stat().st_size
    cut, torn = set(), set()
    for seed in range(200):
        damage = truncate(path, random.Random(seed))
        assert path.stat().st_size == damage.offset
        cut.add(damage.offset * 4 // size)
        damage.undo()
        damage = tear(path, random.Random(seed))
        assert path.stat().st_size == size and not any(path.read_bytes()[damage.offset :])
        torn.add(damage.offset // SECTOR_BYTES)
        damage.undo()
    assert cut == {0, 1, 2, 3}
    assert torn == {0, 1, 2, 3, 4}


def test_blob_damage_is_one_byte_of_a_row_that_sqlite_reads(tmp_path: Path) -> None:
    """Of a database one byte of one blob is another and all else as before, which SQLite calls whole; it can be undone."""
    path = tmp_path / "journal.sqlite"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE windows (window INTEGER PRIMARY KEY, input BLOB, digest INTEGER)")
        database.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID")
        rows = [(number, random.Random(number).randbytes(50 * number), number) for number in range(100)]
        database.executemany("INSERT INTO windows VALUES (?, ?, ?)", rows)
        database.execute("INSERT INTO meta VALUES ('run', x'00')")
    for seed in SEEDS:
        damage = flip_blob(path, random.Random(seed))
        assert (damage.table, damage.column) == ("windows", "input")
        after = contents(path)
        (changed,) = [number for number in range(100) if after[number] != rows[number]]
        old, new = rows[changed][1], after[changed][1]
        assert [place for place in range(len(old)) if old[place] != new[place]] == [damage.offset]
        assert f"row {changed} of windows" in str(damage)
        damage.undo()
        assert contents(path) == rows
    with pytest.raises(ValueError, match="no blob with contents in windows.digest"):
        flip_blob(path, random.Random(0), "windows", "digest")


def contents(path: Path) -> list[tuple[int, bytes, int]]:
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return database.execute("SELECT * FROM windows ORDER BY window").fetchall()


def test_parquet_files_are_found_and_a_torn_one_is_refused(tmp_path: Path) -> None:
    """The files of a kind are found in order, empty ones not; of a Parquet file a lost end is what its reader sees."""
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        pq.write_table(pa.table({"x": np.arange(10_000)}), tmp_path / name / "part.parquet")
    (tmp_path / "empty.parquet").touch()
    found = files(tmp_path, "parquet")
    assert [path.parent.name for path in found] == ["a", "b"]
    assert files(tmp_path, "sqlite") == []
    truncate(found[0], random.Random(5))
    with pytest.raises(pa.ArrowInvalid):
        pq.read_table(found[0])


def test_what_cannot_be_damaged_is_said(tmp_path: Path) -> None:
    """An empty file and one of zeros are refused with their names."""
    empty, zeros = tmp_path / "empty", tmp_path / "zeros"
    empty.touch()
    zeros.write_bytes(bytes(10))
    for way, path in ((flip, empty), (truncate, empty), (tear, zeros)):
        with pytest.raises(ValueError, match=path.name):
            way(path, random.Random(0))
