"""The journal: what was appended comes back, beside the writer and after it; one process has it, of one schema and run."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marksim.core.errors import Damaged, JournalFull, NotFound, NotNow, Unreadable
from marksim.store.journal import Durability, Journal, JournalLimits, JournalReader, Prepared, set_aside
from marksim.store.journal_schema import FILE
from marksim.store.windows import RecordedWindow
from tests.store.recorded import RUN, SYMBOLS, empty, key, made, window


def fill(journal: Journal, count: int) -> None:
    """Append so many large windows."""
    for number in range(journal.last_window + 1, journal.last_window + 1 + count):
        journal.append(window(number, most=400, share=1.0))


def merged(windows: list[RecordedWindow]) -> list[tuple[object, ...]]:
    """As a journal gives them back: empty ones that follow each other are one row."""
    out: list[RecordedWindow] = []
    for each in windows:
        is_empty = not each.parts and not each.control
        if is_empty and out and not out[-1].parts and not out[-1].control:
            out[-1] = RecordedWindow(out[-1].window, each.last, b"", b"", {})
        else:
            out.append(each)
    return list(map(key, out))


@given(seed=st.integers(0, 1 << 32), share=st.sampled_from([0.0, 0.1, 0.7]), again=st.integers(0, 30))
@settings(deadline=None, max_examples=25)
def test_windows_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, seed: int, share: float, again: int
) -> None:
    """One by one, in blocks, and one at a time; also if the journal was closed in between."""
    windows = [window(number, seed, share=share) for number in range(30)]
    directory = tmp_path_factory.mktemp("journal") / "shard-0"
    journal = Journal(directory)
    journal.begin(RUN)
    for each in windows:
        if each.window == again:
            journal.close()
            journal = Journal(directory)
        journal.append(each)
    with journal:
        assert list(map(key, journal.windows(0))) == merged(windows)
        assert (journal.first_window, journal.last_window, journal.synced_window) == (0, 29, 29)
        for each in windows[::7]:
            found = journal.find(each.window)
            assert found is not None and (found.window, found.last) == (each.window, each.window)
            assert key(found)[3:] == key(each)[3:]
        assert journal.find(30) is None


@given(first=st.integers(0, 45), last=st.integers(0, 45), size=st.integers(1, 9))
@settings(deadline=None, max_examples=30)
def test_blocks_have_what_went_in_and_the_digests_of_what_came_out(
    tmp_path_factory: pytest.TempPathFactory, first: int, last: int, size: int
) -> None:
    """Of every window that is asked for, in order, once; blocks meet without a gap and have no more windows than asked."""
    windows = [window(number, share=0.4) for number in range(40)]
    with Journal(tmp_path_factory.mktemp("journal")) as journal:
        journal.begin(RUN)
        for each in windows:
            journal.append(each)
        got: list[tuple[str, int, bytes, int, bool]] = []
        ends = first
        for block in journal.blocks(first, last, size):
            assert block.first == ends
            ends = block.last + 1
            assert tuple(block.symbols) == SYMBOLS
            for symbol, part in block.symbols.items():
                assert len(part.windows) <= size
                for index, number in enumerate(part.windows.tolist()):
                    rows = part.commands[part.bounds[index] : part.bounds[index + 1]]
                    has_output = bool(part.has_output[index])
                    got.append((symbol, number, rows.tobytes(), int(part.digests[index]), has_output))
        assert ends == max(min(last, 39) + 1, first)
    expected = [
        (
            symbol,
            each.window,
            part.outside.tobytes() + part.commands.tobytes(),
            part.digest,
            any(map(len, (part.executions, part.quotes, part.depth, part.tick))),
        )
        for each in windows[first : last + 1]
        for symbol, part in each.parts.items()
    ]
    assert sorted(got) == sorted(expected)


def test_empty_windows_are_one_row_that_grows(tmp_path: Path) -> None:
    """However many, also as a row of them, and across a restart; what is asked for is cut out of it."""
    with Journal(tmp_path) as journal:
        journal.begin(RUN)
        journal.append(window(0, share=1.0))
        for number in range(1, 500):
            journal.append(empty(number))
        journal.append(empty(500, 10_000))
    with Journal(tmp_path) as journal:
        journal.append(empty(10_001))
        journal.append(window(10_002, share=1.0))
        journal.append(empty(10_003))
        assert journal.info().rows == 4
        assert [(each.window, each.last) for each in journal.windows(0)] == [
            (0, 0),
            (1, 10_001),
            (10_002, 10_002),
            (10_003,) * 2,
        ]
        assert [(each.window, each.last) for each in journal.windows(700, 800)] == [(700, 800)]
        alone, within = journal.find(10_003), journal.find(777)
        assert alone is not None and alone.digest == bytes(16)
        assert within is not None and key(within) == (777, 777, b"", b"", {})
        (block,) = journal.blocks(1, 10_001)
        assert (block.first, block.last, len(block.symbols["BTC/USD"].windows)) == (1, 10_001, 0)


def test_identity_survives(tmp_path: Path) -> None:
    """Run, token, term, engine, saved window and readers are there again after a restart."""
    with Journal(tmp_path) as journal:
        assert (journal.run, journal.last_window, journal.term) == (None, -1, 0)
        journal.begin(RUN, "token-1")
        journal.claim(7, "engine-a")
        journal.set_saved(12)
        journal.confirm("archiver", 5)
        journal.confirm("gone", 5)
        journal.forget("gone")
    with Journal(tmp_path) as journal:
        assert (journal.run, journal.new_run, journal.term, journal.instance) == (RUN, "token-1", 7, "engine-a")
        assert (journal.saved_window, journal.readers()) == (12, {"archiver": 5})
        with pytest.raises(NotNow, match="term 6 is over"):
            journal.claim(6, "engine-b")
        with pytest.raises(NotNow, match="is the journal of run run-1"):
            journal.begin(RUN)
        info = journal.info()
        assert (info.run, info.term, info.saved, info.readers, info.schema) == ("run-1", 7, 12, {"archiver": 5}, 1)


def test_notes_change_with_their_window_and_are_read_in_order(tmp_path: Path) -> None:
    """They are written and deleted in the window's own transaction; of a window that fails, none is."""
    with Journal(tmp_path) as journal:
        journal.begin(RUN)
        journal.append(window(0), {"b/2": b"two", "b/1": b"one" * 1_000, "a": b"", "c": b"three"})
        journal.append(window(1), {"b/2": None, "b/3": b"new"})
        with pytest.raises(ValueError, match="does not follow"):
            journal.append(window(5), {"b/9": b"never"})
        journal.put_note("b/4", b"outside of windows")
        assert list(journal.notes("b/")) == [("b/1", b"one" * 1_000), ("b/3", b"new"), ("b/4", b"outside of windows")]
        assert [name for name, _ in journal.notes()] == ["a", "b/1", "b/3", "b/4", "c"]
        many = {f"n/{number:05}": str(number).encode() for number in range(1_000)}
        journal.append(window(2), many)
        assert dict(journal.notes("n/")) == many


def test_what_is_no_next_window_of_the_run_is_refused(tmp_path: Path) -> None:
    """One that does not follow, one before there is a run, another symbol, and a row of windows that is not empty."""
    with Journal(tmp_path) as journal:
        with pytest.raises(NotNow, match="no run yet"):
            journal.append(empty(0))
        journal.begin(RUN)
        journal.append(window(0))
        other = window(1, share=1.0)
        with pytest.raises(ValueError, match="DOGE is not one of this run's symbols: BTC/USD, ETH/USD"):
            journal.prepare(RecordedWindow(1, 1, b"", b"", {"DOGE": other.parts["BTC/USD"]}))
        with pytest.raises(ValueError, match="one row, and not empty"):
            journal.prepare(RecordedWindow(1, 2, b"", b"", other.parts))
        with pytest.raises(ValueError, match="ends before it begins"):
            journal.prepare(RecordedWindow(3, 2, b"", b"", {}))
        assert journal.last_window == 0


def test_one_process_at_a_time_has_it(tmp_path: Path) -> None:
    """Who comes second is told which directory, and may have it afterwards; readers are welcome meanwhile."""
    with made(tmp_path, 3):
        with pytest.raises(NotNow, match=r"another order book writes to .*--journal"):
            Journal(tmp_path)
        with JournalReader(tmp_path) as reader:
            assert reader.span() == (0, 2)
            assert reader.run == RUN
    Journal(tmp_path).close()


def test_reading_beside_the_writer_sees_what_was_appended(tmp_path: Path) -> None:
    """Readers in other threads, again and again, while windows come: always whole, always from the first on."""
    wrong: list[object] = []
    done = threading.Event()

    def read() -> None:
        with JournalReader(tmp_path) as reader:
            while True:
                last = done.is_set()
                _, known = reader.span()
                seen = [key(each) for each in reader.windows(0)]
                if seen != [key(window(number, share=1.0)) for number in range(len(seen))] or len(seen) <= known:
                    wrong.append(len(seen))
                if last:
                    return

    with made(tmp_path, 1) as journal:
        threads = [threading.Thread(target=read) for _ in range(3)]
        for thread in threads:
            thread.start()
        for number in range(1, 120):
            journal.append(window(number, share=1.0))
        done.set()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_a_reader_that_came_before_the_run_knows_it_later(tmp_path: Path) -> None:
    """It was opened on a journal that had none yet."""
    with Journal(tmp_path) as journal, journal.reader() as reader:
        assert (reader.run, list(reader.windows(0)), reader.find(0), reader.span()) == (None, [], None, (-1, -1))
        journal.begin(RUN)
        journal.append(window(0, share=1.0), {"a": b"note"})
        assert list(map(key, reader.windows(0))) == [key(window(0, share=1.0))]
        assert (reader.run, list(reader.notes())) == (RUN, [("a", b"note")])


def test_prepare_may_run_ahead_in_another_thread(tmp_path: Path) -> None:
    """What it made is committed later, in order."""
    prepared: list[Prepared] = []
    with made(tmp_path, 0) as journal:
        thread = threading.Thread(target=lambda: prepared.extend(journal.prepare(window(number)) for number in range(9)))
        thread.start()
        thread.join()
        for each in prepared:
            journal.commit(each)
        assert list(map(key, journal.windows(0))) == merged([window(number) for number in range(9)])


@pytest.mark.parametrize(("version", "which"), [(0, "an older"), (2, "a newer")])
def test_another_schema_is_refused_with_a_sentence(tmp_path: Path, version: int, which: str) -> None:
    """For writing and for reading; and nothing of it is changed."""
    made(tmp_path, 2).close()
    with closing(sqlite3.connect(tmp_path / FILE)) as connection:
        connection.execute(f"PRAGMA user_version={version}")
    for opened in (Journal, JournalReader):
        with pytest.raises(
            Unreadable, match=f"written by {which} marksim: its schema is version {version}, and this one reads 1"
        ):
            opened(tmp_path)


def test_files_that_are_no_journal_are_refused(tmp_path: Path) -> None:
    """Another program's database, a file that is none, a header that contradicts the tables, and no file at all."""
    with pytest.raises(NotFound, match="no journal in"):
        JournalReader(tmp_path)
    with closing(sqlite3.connect(tmp_path / FILE)) as connection:
        connection.execute("CREATE TABLE other(x)")
    with pytest.raises(Unreadable, match="no journal of marksim"):
        Journal(tmp_path)
    (tmp_path / FILE).write_bytes(b"no database at all" * 500)
    with pytest.raises(Damaged, match=f"{FILE}: file is not a database"):
        Journal(tmp_path)
    (tmp_path / FILE).unlink()
    made(tmp_path, 1).close()
    with closing(sqlite3.connect(tmp_path / FILE)) as connection, connection:
        connection.execute("UPDATE meta SET value = '9' WHERE key = 'schema'")
    with pytest.raises(Damaged, match="another schema than the file's header"):
        Journal(tmp_path)


def test_none_is_no_durability_of_a_journal(tmp_path: Path) -> None:
    """There is none then; and limits that contradict each other are refused."""
    with pytest.raises(ValueError, match="durability is none"):
        Journal(tmp_path, Durability.NONE)
    with pytest.raises(ValueError, match="soft_mib is 9"):
        JournalLimits(soft_mib=9, hard_mib=8)


def test_disk_says_how_far_it_is_synced(tmp_path: Path) -> None:
    """A window is synced in time without anybody's doing, and all of them when the journal is closed or asked to."""
    with made(tmp_path, 5, Durability.DISK, JournalLimits(sync_ms=5)) as journal:
        assert journal.wait_synced(4, timeout_s=20.0)
        assert journal.synced_window == 4
        assert not journal.wait_synced(5, timeout_s=0.0)
    with made(tmp_path / "slow", 5, Durability.DISK, JournalLimits(sync_ms=3_600_000)) as journal:
        assert journal.synced_window == -1
        journal.sync()
        assert journal.synced_window == 4


def test_a_sync_that_failed_is_told_by_whatever_comes_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may have dropped what it could not write, so that nothing may be acknowledged after it."""
    journal = made(tmp_path, 1, Durability.DISK, JournalLimits(sync_ms=3_600_000))
    with monkeypatch.context() as patched:

        def fails(_: int) -> None:
            raise OSError(5, "Input/output error")

        patched.setattr("os.fsync", fails)
        with pytest.raises(Damaged, match=r"journal.sqlite-wal cannot be synced to the disk: .*Input/output error"):
            journal.sync()
    for call in (lambda: journal.append(window(1)), lambda: journal.wait_synced(0), journal.sync, journal.close):
        with pytest.raises(Damaged, match="cannot be synced"):
            call()
    Journal(tmp_path).close()


def test_a_file_that_cannot_be_synced_ends_all_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log would begin anew over windows of which nobody knows whether the disk has them."""
    journal = made(tmp_path, 1, Durability.DISK, JournalLimits(log_mib=1, sync_ms=3_600_000))
    with monkeypatch.context() as patched:

        def fails(_: int) -> None:
            raise OSError(5, "Input/output error")

        patched.setattr("os.fsync", fails)
        with pytest.raises(Damaged, match=r"journal.sqlite cannot be synced to the disk: .*Input/output error"):
            fill(journal, 1_000)
    with pytest.raises(Damaged, match="cannot be synced"):
        journal.append(window(journal.last_window + 1))
    acknowledged = journal.last_window
    journal.close()
    with Journal(tmp_path) as again:
        assert again.last_window == acknowledged
        assert sum(1 for _ in again.windows(0)) == acknowledged + 1


def test_the_log_stays_short_and_the_file_whole(tmp_path: Path) -> None:
    """Beyond the bound append waits for the thread that empties the log; readers in between do not matter."""
    with made(tmp_path, 0, limits=JournalLimits(log_mib=1)) as journal:
        for number in range(400):
            journal.append(window(number, most=400, share=1.0))
            if number % 50 == 0:
                next(journal.windows(number))
        assert journal.info().file_bytes > 4 << 20
        assert journal.info().log_bytes < 3 << 20
        assert sum(1 for _ in journal.windows(0)) == 400


def test_a_program_that_reads_all_the_time_fills_the_log_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its transaction keeps the log; append is refused as for a full disk, and goes on when the program has ended."""
    monkeypatch.setattr("marksim.store.journal_disk.WAIT_S", 0.2)
    with made(tmp_path, 1, limits=JournalLimits(log_mib=1)) as journal, closing(sqlite3.connect(tmp_path / FILE)) as other:
        other.isolation_level = None
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM windows").fetchone()
        with pytest.raises(JournalFull, match="another program has been reading"):
            fill(journal, 2_000)
        other.execute("COMMIT")
        refused = journal.last_window + 1
        for number in range(refused, refused + 3):
            journal.append(window(number, share=1.0))


def test_a_run_is_set_aside_and_its_place_free(tmp_path: Path) -> None:
    """With its snapshots, under the run's name, which may be any text; twice if it must be, and not while it is open."""
    directory = tmp_path / "shard-0"
    with made(directory, 2), pytest.raises(NotNow, match="another order book"):
        set_aside(directory, "run-1")
    (directory / "book-000000000001.snapshot").write_bytes(b"a snapshot")
    first = set_aside(directory, "run/1")
    assert first == tmp_path / "aside" / "run%2F1" / "shard-0"
    assert sorted(path.name for path in first.iterdir() if path.suffix) == ["book-000000000001.snapshot", FILE]
    with Journal(directory) as journal:
        assert journal.run is None
    assert set_aside(directory, "run/1").name == "shard-0.2"
    with JournalReader(first) as reader:
        assert reader.span() == (0, 1)
