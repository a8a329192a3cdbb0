"""A write-ahead log that a killed process left, and that is damaged: named, where SQLite would drop what follows."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from marksim.core.errors import Damaged
from marksim.store import journal_log, journal_reading
from marksim.store.journal import Journal, JournalReader
from marksim.store.journal_log import check_log, index_of
from marksim.store.journal_schema import FILE, PAGE_BYTES, log_of
from tests.store.recorded import made

WRITES: str = """
import os, signal, sys
from pathlib import Path
from tests.store.recorded import made, window

journal = made(Path(sys.argv[1]), 12)
journal._log._begin = int(sys.argv[2])
for number in range(12, 40):
    journal.append(window(number, most=60, share=1.0))
os.kill(os.getpid(), signal.SIGKILL)
"""
FRAME_BYTES = 24 + PAGE_BYTES


def killed(folder: Path, begin: int = 1 << 30) -> Path:
    """The file of a journal whose process was killed; its log was begun anew whenever it had so many bytes."""
    done = subprocess.run([sys.executable, "-c", WRITES, str(folder), str(begin)], env=dict(os.environ), check=False)
    assert done.returncode == -signal.SIGKILL
    return folder / FILE


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of one, which tests copy."""
    path = killed(tmp_path_factory.mktemp("left") / "journal")
    assert log_of(path).stat().st_size > 30 * FRAME_BYTES
    return path.parent


def test_a_log_that_is_whole_is_played(left: Path, tmp_path: Path) -> None:
    """All that the killed process had written is there, by a reader and by the next writer."""
    shutil.copytree(left, tmp_path / "journal")
    check_log(tmp_path / "journal" / FILE)
    with JournalReader(tmp_path / "journal") as reader:
        assert reader.span() == (0, 39)
    with Journal(tmp_path / "journal") as journal:
        assert journal.last_window == 39


@pytest.mark.parametrize("begin", [64 << 10, 200 << 10])
def test_a_log_that_began_anew_is_played(tmp_path: Path, begin: int) -> None:
    """What is older than its beginning is in the file; frames of before that stand behind the last one are none of it."""
    path = killed(tmp_path / "journal", begin)
    check_log(path)
    with Journal(path.parent) as journal:
        assert journal.last_window == 39


def test_any_byte_of_a_frame_changed_is_named_by_whoever_opens_it(left: Path, tmp_path: Path) -> None:
    """In the header, in the first, a middle and the last frame, in its head and its page; and it stays as it was."""
    whole = log_of(left / FILE).read_bytes()
    frames = (len(whole) - 32) // FRAME_BYTES
    places = [*range(32)]
    for frame in (0, frames // 2, frames - 1):
        at = 32 + frame * FRAME_BYTES
        places += [at, at + 7, at + 9, at + 17, at + 23, at + 24, at + 2_000, at + FRAME_BYTES - 1]
    shutil.copytree(left, tmp_path / "journal")
    log = log_of(tmp_path / "journal" / FILE)
    for place in places:
        changed = whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :]
        log.write_bytes(changed)
        for opens in (Journal, JournalReader, Journal):
            with pytest.raises(Damaged, match=r"journal.sqlite-wal: of \d+ pages .* remove .*journal.sqlite-shm"):
                opens(tmp_path / "journal").close()
        assert log.read_bytes() == changed
    log.write_bytes(whole)
    with Journal(tmp_path / "journal") as journal:
        assert journal.last_window == 39


@pytest.mark.parametrize("length", [0, 20, 32, 32 + 3 * FRAME_BYTES, -FRAME_BYTES, -1])
def test_a_log_that_was_cut_off_is_named_until_a_person_says_so(left: Path, tmp_path: Path, length: int) -> None:
    """At any place, also where a transaction ends; with its index removed, what is left is taken."""
    shutil.copytree(left, tmp_path / "journal")
    path = tmp_path / "journal" / FILE
    log_of(path).write_bytes(log_of(path).read_bytes()[:length])
    with pytest.raises(Damaged, match=r"journal.sqlite-wal: of \d+ pages"):
        Journal(path.parent)
    index_of(path).unlink()
    if length < 0:
        with Journal(path.parent) as journal:
            assert journal.last_window < 39


def test_after_the_machine_ended_what_is_left_is_taken(left: Path, tmp_path: Path) -> None:
    """Log and index are then as old as the disk had each: windows may be lost, and nobody has to be asked."""
    shutil.copytree(left, tmp_path / "journal")
    path = tmp_path / "journal" / FILE
    log_of(path).write_bytes(log_of(path).read_bytes()[:-1])
    (path.parent / ".lock").write_text("another life\n", encoding="utf-8")
    with Journal(path.parent) as journal:
        assert journal.last_window == 38


def test_an_index_that_is_damaged_says_nothing(left: Path, tmp_path: Path) -> None:
    """SQLite makes it anew: the journal is as whole as it was."""
    for place in (0, 16, 33, 45, 64, 97):
        folder = tmp_path / str(place)
        shutil.copytree(left, folder)
        path = index_of(folder / FILE)
        whole = path.read_bytes()
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        with Journal(folder) as journal:
            assert journal.last_window == 39


def test_a_log_that_somebody_empties_meanwhile_is_not_called_damaged(
    left: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever closes the journal copies the log into the file, and removes log and index, perhaps between two looks."""
    shutil.copytree(left, tmp_path / "journal")
    path, read = tmp_path / "journal" / FILE, journal_log._read

    def looks_late(file: Path) -> bytes:
        if file == log_of(path):
            with closing(sqlite3.connect(path)) as other:
                other.execute("SELECT count(*) FROM windows").fetchone()
        return read(file)

    monkeypatch.setattr(journal_log, "_read", looks_late)
    check_log(path)
    monkeypatch.undo()
    assert not log_of(path).exists()
    with Journal(path.parent) as journal:
        assert journal.last_window == 39


def test_a_reader_beside_the_writer_looks_at_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log changes under it; and a file that a process closes takes all its locks of that file along."""

    def looks(path: Path) -> None:
        raise AssertionError(f"{path} was opened beside its writer")

    monkeypatch.setattr(journal_reading, "check_log", looks)
    with made(tmp_path / "journal", 5) as journal, journal.reader() as reader:
        index_of(journal.path).stat()
        assert reader.span() == (0, 4)
