"""Damage of a journal: whatever byte of its file is another one, it is named and refused, and never read as whole."""

import os
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

from marksim.core.errors import Damaged, JournalFull, MarksimError
from marksim.store import journal_reading
from marksim.store.journal import Durability, Journal, JournalLimits, JournalReader
from marksim.store.journal_schema import FILE
from tests.store.recorded import RUN, empty, key, made, window


def everything(directory: Path) -> tuple[object, ...]:
    """All that a journal says."""
    with Journal(directory) as journal, journal.reader() as reader:
        reader.check()
        identity = (journal.run, journal.term, journal.instance, journal.saved_window, journal.readers())
        windows = [key(each) for each in reader.windows(0)]
        return identity, windows, list(reader.notes()), reader.gaps()


def fill(journal: Journal, most: int) -> None:
    """Append windows of up to so many rows a table, and with each a note of its number, until that fails."""
    for number in range(journal.last_window + 1, 10_000):
        journal.append(window(number, most=most, share=1.0), {"last": str(number).encode()})


def written(directory: Path) -> tuple[object, ...]:
    """Make a journal that has something of everything, closed."""
    with made(directory, 12) as journal:
        journal.append(empty(12, 30))
        journal.append(window(31, most=300, share=1.0), {f"note/{number}": bytes([number]) * number for number in range(40)})
        journal.claim(3, "engine")
        journal.set_saved(20)
        journal.confirm("archiver", 11)
    return everything(directory)


@contextmanager
def changed(path: Path, at: int, value: bytes) -> Iterator[None]:
    """The file with other bytes there, and as it was afterwards."""
    before = path.read_bytes()
    path.write_bytes(before[:at] + value + before[at + len(value) :])
    try:
        yield
    finally:
        path.write_bytes(before)


@pytest.mark.timeout(180)
def test_any_byte_changed_is_named_or_was_of_no_use(tmp_path: Path) -> None:
    """Anywhere in the file: it cannot be opened or read, or says exactly what it said."""
    whole = written(tmp_path)
    path = tmp_path / FILE
    rng = np.random.default_rng(5)
    size = path.stat().st_size
    refused = 0
    for at in rng.choice(size, 400, replace=False).tolist():
        old = path.read_bytes()[at]
        with changed(path, at, bytes([old ^ int(1 << rng.integers(0, 8))])):
            try:
                assert everything(tmp_path) == whole, f"byte {at}"
            except MarksimError as error:
                assert FILE in error.message, error.message  # noqa: PT017
                refused += 1
    assert refused > 200
    assert everything(tmp_path) == whole


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, share: float) -> None:
    """At any page, or within one."""
    written(tmp_path)
    path = tmp_path / FILE
    os.truncate(path, int(path.stat().st_size * share))
    with pytest.raises(Damaged, match=FILE):
        everything(tmp_path)


@pytest.mark.parametrize(
    ("column", "part"),
    [
        ("last", "row"),
        ("at", "row"),
        ("digest", "row"),
        ("checks", "row"),
        ("control", "row"),
        ("input", "input"),
        ("output", "output"),
    ],
)
@pytest.mark.parametrize("change", ["other", "gone", "copied"])
def test_a_changed_column_is_named_with_its_window(tmp_path: Path, column: str, part: str, change: str) -> None:
    """Another value, none, or that of another window, whose own checksum is right."""
    made(tmp_path, 9).close()
    with closing(sqlite3.connect(tmp_path / FILE)) as connection, connection:
        old = connection.execute(f"SELECT {column} FROM windows WHERE first = 4").fetchone()[0]
        other = old + 1 if isinstance(old, int) else bytes([old[0] ^ 1]) + old[1:]
        none = 0 if isinstance(old, int) else b""
        copied = connection.execute(f"SELECT {column} FROM windows WHERE first = 5").fetchone()[0]
        if column == "at":
            copied += 1
        new = {"other": other, "gone": none, "copied": copied}[change]
        if new == old:
            new = other
        connection.execute(f"UPDATE windows SET {column} = ? WHERE first = 4", (new,))
    with Journal(tmp_path) as journal:
        with pytest.raises(Damaged, match=f"{FILE}: window 4, {part}: its checksum differs") as caught:
            list(journal.windows(2))
        assert caught.value.metadata == {"file": str(tmp_path / FILE), "window": "4", "part": part}
        assert key(next(journal.windows(3))) == key(window(3, share=1.0))
        assert journal.find(5) is not None
        if part != "output":
            with pytest.raises(Damaged, match="window 4"):
                list(journal.blocks(0))


def test_a_row_in_another_place_or_of_another_run_is_found(tmp_path: Path) -> None:
    """It is whole, but not what was written there."""
    made(tmp_path / "one", 9).close()
    with Journal(tmp_path / "two") as journal:
        journal.begin(type(RUN)(**{name: getattr(RUN, name) for name in RUN.__slots__} | {"run": "run-2"}))
        for number in range(9):
            journal.append(window(number, seed=2, share=1.0))
    with closing(sqlite3.connect(tmp_path / "one" / FILE)) as connection, connection:
        connection.execute("DELETE FROM windows WHERE first IN (3, 6)")
        connection.execute("UPDATE windows SET first = 3, last = 3 WHERE first = 8")
        connection.execute("ATTACH ? AS two", (str(tmp_path / "two" / FILE),))
        connection.execute("INSERT INTO windows SELECT * FROM two.windows WHERE first = 6")
    with JournalReader(tmp_path / "one") as reader:
        for number in (3, 6):
            with pytest.raises(Damaged, match=f"window {number}, row"):
                reader.find(number)


def test_a_missing_window_is_named(tmp_path: Path) -> None:
    """One that is not there between others is no row of empty windows."""
    made(tmp_path, 9).close()
    with closing(sqlite3.connect(tmp_path / FILE)) as connection, connection:
        connection.execute("DELETE FROM windows WHERE first = 6")
    with Journal(tmp_path) as journal, pytest.raises(Damaged, match="window 6 is missing; window 7 is there"):
        list(journal.windows(0))


@pytest.mark.parametrize("step_bytes", [1, 1 << 20])
def test_a_missing_window_is_named_wherever_a_step_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step_bytes: int
) -> None:
    """Also one with which a step of the reader begins: what follows is not left out without a word."""
    monkeypatch.setattr(journal_reading, "STEP_ROWS", 3)
    monkeypatch.setattr(journal_reading, "STEP_BYTES", step_bytes)
    for missing in range(1, 8):
        made(tmp_path / str(missing), 9).close()
        with closing(sqlite3.connect(tmp_path / str(missing) / FILE)) as connection, connection:
            connection.execute("DELETE FROM windows WHERE first = ?", (missing,))
        with JournalReader(tmp_path / str(missing)) as reader:
            with pytest.raises(Damaged, match=f"window {missing} is missing; window {missing + 1} is there"):
                list(reader.windows(0))
            with pytest.raises(Damaged, match=f"window {missing} is missing"):
                list(reader.blocks(0, 8, size=2))
            assert [each.window for each in reader.windows(missing + 1, 20)] == list(range(missing + 1, 9))
            assert list(reader.windows(9)) == []


def test_a_damaged_last_row_is_found_before_anything_follows_it(tmp_path: Path) -> None:
    """A row of empty windows that pretends to be longer would be made longer still."""
    with made(tmp_path, 2) as journal:
        journal.append(empty(2, 50))
    with closing(sqlite3.connect(tmp_path / FILE)) as connection, connection:
        connection.execute("UPDATE windows SET last = 60 WHERE first = 2")
    with pytest.raises(Damaged, match="window 2, row"):
        Journal(tmp_path)


@pytest.mark.parametrize("table", ["meta", "notes"])
def test_changed_keys_and_values_are_named(tmp_path: Path, table: str) -> None:
    """A value that stands under another key, or is another one."""
    with made(tmp_path, 1) as journal:
        journal.append(window(1), {"saved": b"a value", "term": b"another"})
        journal.set_saved(1)
    with closing(sqlite3.connect(tmp_path / FILE)) as connection, connection:
        connection.execute(f"UPDATE {table} SET value = (SELECT value FROM {table} WHERE key = 'term') WHERE key = 'saved'")
    with pytest.raises(Damaged, match=r"(table meta, saved|note saved): its checksum differs"):
        everything(tmp_path)


def test_a_changed_gap_is_named(tmp_path: Path) -> None:
    """So that nobody is told of another one."""
    made(tmp_path, 2).close()
    with closing(sqlite3.connect(tmp_path / FILE)) as connection, connection:
        connection.execute("INSERT INTO gaps VALUES (0, 1, 'why', 5, 77)")
    with Journal(tmp_path) as journal, pytest.raises(Damaged, match="gap 0: its checksum differs"):
        journal.gaps()


def test_at_its_hard_cap_append_is_refused_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    """Nothing of the refused window is written, and the same is taken once older windows went."""
    limits = JournalLimits(soft_mib=1, hard_mib=1)
    with made(tmp_path, 1, limits=limits) as journal:
        with pytest.raises(JournalFull, match="no room: the disk is full, or the journal is at its hard cap") as caught:
            fill(journal, 200)
        assert caught.value.reason == "JOURNAL_FULL"
        refused = journal.last_window + 1
        assert 5 < refused < 1_000
        assert dict(journal.notes()) == {"last": str(refused - 1).encode()}
        assert len(list(journal.windows(0))) == refused
        with pytest.raises(JournalFull):
            journal.append(window(refused, most=200, share=1.0))
        assert journal.trim(refused, refused).full
        journal.set_saved(refused - 2)
        journal.trim(refused, refused)
        for number in range(refused, refused + 3):
            journal.append(window(number, most=200, share=1.0))
        assert [each.window for each in journal.windows(journal.first_window)][-1] == refused + 2
    assert (tmp_path / FILE).stat().st_size <= 1 << 20


@contextmanager
def longest_file(size: int) -> Iterator[None]:
    """No file of this process may become longer: the system says so as it does of a quota."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("durability", [Durability.PROCESS, Durability.DISK])
def test_where_the_system_takes_no_more_append_is_refused_and_goes_on_later(tmp_path: Path, durability: Durability) -> None:
    """A bound of the file's size is told as a full disk is, and nothing that was acknowledged is lost."""
    with made(tmp_path, 3, durability) as journal:
        with longest_file(300_000), pytest.raises(JournalFull, match="no room: File too large"):
            fill(journal, 50)
        acknowledged = journal.last_window
        with longest_file(300_000), pytest.raises(JournalFull):
            journal.append(window(acknowledged + 1, most=50, share=1.0))
        journal.append(window(acknowledged + 1, share=1.0))
    with Journal(tmp_path) as journal:
        assert journal.last_window == acknowledged + 1
        assert len(list(journal.windows(0))) == acknowledged + 2
