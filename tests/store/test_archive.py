"""The archive directory: exactly once, wherever the process dies."""

import errno
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from marksim.core.errors import NotNow
from marksim.store.archive import CHECKED_SCHEMA, IN_ORDER, Archive, Gap, Progress
from marksim.store.parquet import TABLES, read_metadata, read_table, write_file
from tests.store.market import BTC, flush


class Killed(BaseException):
    """The process is gone: nothing that cleans up runs either."""


def rows(root: Path, table: str, run: str = "run-1") -> list[tuple[str, int, int]]:
    """(symbol, window, sequence) of all rows that a reader sees."""
    found: list[tuple[str, int, int]] = []
    for path in sorted((root / table / f"run={run}").glob("**/*.parquet")):
        read = read_table(path)
        found += zip(read["symbol"].to_pylist(), read["window"].to_pylist(), read["sequence"].to_pylist(), strict=True)
    return sorted(found)


def expected(first: int, last: int, symbols: tuple[str, ...] = ("BTC/USD", "ETH/USD")) -> list[tuple[str, int, int]]:
    windows = range(first, last + 1)
    return [(symbol, window, 2 * window + part) for symbol in symbols for window in windows for part in (0, 1)]


def hidden(root: Path) -> list[Path]:
    return [path for path in root.glob("**/.*") if path.name != ".lock"]


def die_at(step: int, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """From the `step`-th call that reaches the disk on, every one raises Killed; returns how many were made."""
    made = 0

    def wrap(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            nonlocal made
            made += 1
            if made > step:
                raise Killed
            return real(*args, **options)

        return call

    # Whether bytes outlive the machine is not what is tried here, and waiting for the disk takes a minute.
    monkeypatch.setattr(os, "fsync", wrap(lambda _: None))
    for name in ("replace", "unlink", "mkdir", "open"):
        monkeypatch.setattr(Path, name, wrap(getattr(Path, name)))
    return lambda: made


def test_a_death_at_any_step_leaves_each_row_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before any single step of a flush and started again, the archive goes on with no double and no missing row."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    only = ("BTC/USD",)
    for step in range(1_000):
        root = tmp_path / str(step)
        archive = Archive(root)
        archive.write(flush(0, 3, instruments=(BTC,)))
        archive.settle()
        with monkeypatch.context() as patch:
            count = die_at(step, patch)
            try:
                archive.write(flush(4, 9, instruments=(BTC,)))
                archive.settle()
            except Killed:
                pass
            survived = count() <= step
        archive.close()
        for table in TABLES:
            seen = rows(root, table)
            assert len(seen) == len(set(seen)) and set(expected(0, 3, only)) <= set(seen), step
        archive = Archive(root)
        assert hidden(root) == []
        position = archive.position(["BTC/USD"])
        assert position in {("run-1", 3), ("run-1", 9)}, step
        for table in TABLES:
            assert rows(root, table) == expected(0, position[1], only), (step, table)
        if position[1] == 3:
            archive.write(flush(4, 9, instruments=(BTC,)))
            archive.settle()
        assert all(rows(root, table) == expected(0, 9, only) for table in TABLES)
        archive.close()
        if survived:
            assert step > 20
            return
    pytest.fail("a flush has no end")


def test_half_a_file_of_the_next_flush_is_not_taken_for_a_committed_one(tmp_path: Path) -> None:
    """A hidden file whose flush has no log entry is deleted at the start, also where it would replace a visible one."""
    archive = Archive(tmp_path)
    archive.write(flush(0, 3))
    archive.settle()
    archive.close()
    path = next((tmp_path / "runs").glob("**/part.parquet"))
    path.with_name(f".{path.name}.2.tmp").write_bytes(b"PAR1 half")
    Archive(tmp_path).close()
    assert hidden(tmp_path) == [] and read_table(path)["run"].to_pylist() == ["run-1"]


def test_a_full_disk_stores_nothing_and_the_same_flush_works_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error comes through, no file of the flush stays, and a second try stores it once."""
    archive = Archive(tmp_path)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            archive.write(flush(0, 3))
    assert hidden(tmp_path) == [] and archive.position(["BTC/USD"]) is None
    archive.write(flush(0, 3))
    archive.settle()
    assert rows(tmp_path, "trades") == expected(0, 3)
    archive.close()


def test_only_one_archiver_writes_to_a_directory(tmp_path: Path) -> None:
    """The second one is refused with a sentence that says what to do."""
    archive = Archive(tmp_path)
    with pytest.raises(NotNow, match="another archiver writes"):
        Archive(tmp_path)
    archive.close()
    Archive(tmp_path).close()


def test_a_lock_file_that_a_dead_process_left_is_no_lock(tmp_path: Path) -> None:
    """A pod that was killed leaves the file on its volume; the next one opens the archive."""
    (tmp_path / ".lock").write_text("")
    Archive(tmp_path).close()


def test_a_run_that_ended_in_order_is_known_as_complete(tmp_path: Path) -> None:
    """Also after another run followed, and to the next process; a run that did not end so is not."""
    archive = Archive(tmp_path)
    archive.write(flush(0, 3))
    assert not archive.is_complete("run-1")
    archive.write(flush(4, 5, ended={"run-1": IN_ORDER}))
    archive.write(flush(0, 1, "run-2", ended={"run-1": "followed by run run-2"}))
    archive.close()
    archive = Archive(tmp_path)
    assert (archive.is_complete("run-1"), archive.is_complete("run-2"), archive.is_complete("run-3")) == (True, False, False)
    archive.close()


def test_gaps_and_how_runs_ended_are_tables(tmp_path: Path) -> None:
    """A gap is a row of `gaps`; the run before says in `runs` how it ended, its first-seen time unchanged."""
    archive = Archive(tmp_path)
    archive.write(flush(0, 3))
    archive.settle()
    path = next((tmp_path / "runs" / "run=run-1").glob("**/part.parquet"))
    before = read_table(path).to_pylist()[0]
    archive.write(flush(0, 1, "run-2", (Gap("run-1", 4, None, "gone"),), {"run-1": "lost: gone"}))
    archive.settle()
    (gap_file,) = (tmp_path / "gaps" / "run=run-1").glob("*.parquet")
    gap = read_table(gap_file).to_pylist()[0]
    assert (gap["first_window"], gap["last_window"], gap["reason"]) == (4, None, "gone")
    assert read_table(path).to_pylist()[0] == {**before, "ended": "lost: gone"}
    assert archive.totals.gaps == 1
    archive.close()


def test_a_run_that_ends_here_keeps_its_tape_hash(tmp_path: Path) -> None:
    """Each symbol's own, and none of a run that only ended; also where an older version began the run."""
    archive = Archive(tmp_path)
    archive.write(flush(0, 3, "run-0"))
    archive.write(flush(0, 3))
    archive.settle()
    old = next((tmp_path / "runs" / "run=run-1").glob("symbol=BTC*/part.parquet"))
    write_file(old, read_table(old).drop_columns(["tape_hash"]), read_metadata(old))
    ended = {"run-1": IN_ORDER, "run-0": "followed by run run-1"}
    archive.write(replace(flush(4, 5, ended=ended), tapes={"BTC/USD": "ab", "ETH/USD": "cd"}))
    archive.close()
    Archive(tmp_path).close()
    rows = [row for path in sorted(tmp_path.glob("runs/**/part.parquet")) for row in read_table(path).to_pylist()]
    assert [(row["run"], row["symbol"], row["tape_hash"], row["tape_window"]) for row in rows] == [
        *[("run-0", "BTC/USD", None, None), ("run-0", "ETH/USD", None, None)],
        *[("run-1", "BTC/USD", "ab", 5), ("run-1", "ETH/USD", "cd", 5)],
    ]


def test_a_run_that_goes_on_has_not_ended(tmp_path: Path) -> None:
    """A book that is started again takes it up: how it ended is gone, its tape hash is true of its window for ever."""
    archive = Archive(tmp_path)
    archive.write(flush(0, 3))
    archive.write(replace(flush(4, 5, ended={"run-1": IN_ORDER}), tapes={"BTC/USD": "ab", "ETH/USD": "cd"}))
    assert archive.is_complete("run-1") and archive.is_complete("run-1", ["ETH/USD"])
    archive.write(flush(6, 7, ended={"run-1": None}))
    archive.write(flush(0, 1, "run-2", ended={"run-1": "followed by run run-2"}))
    archive.close()
    archive = Archive(tmp_path)
    assert not archive.is_complete("run-1") and not archive.is_complete("run-1", ["ETH/USD"])
    archive.close()
    rows = [row for path in sorted(tmp_path.glob("runs/run=run-1/**/part.parquet")) for row in read_table(path).to_pylist()]
    assert [(row["ended"], row["tape_hash"], row["tape_window"]) for row in rows] == [
        ("followed by run run-2", "ab", 5),
        ("followed by run run-2", "cd", 5),
    ]


@pytest.mark.parametrize("threads", [1, 3])
def test_a_flush_whose_file_cannot_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    """However many files are written at a time; the same flush again is stored whole."""
    archive, real = Archive(tmp_path, threads=threads), os.fsync
    calls = iter(range(1_000))

    def full(descriptor: int) -> None:
        if next(calls) >= 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        archive.write(flush(0, 3))
    assert hidden(tmp_path) == [] and not list(tmp_path.glob("**/*.parquet"))
    monkeypatch.setattr(os, "fsync", real)
    archive.write(flush(0, 3))
    archive.settle()
    assert all(rows(tmp_path, table) == expected(0, 3) for table in TABLES)
    archive.close()


def test_a_directory_that_is_taken_names_the_flag_that_chooses_another(tmp_path: Path) -> None:
    """Each command has its own."""
    archive = Archive(tmp_path)
    with pytest.raises(NotNow, match="choose another --out"):
        Archive(tmp_path, flag="--out")
    archive.close()


def test_a_run_that_comes_back_after_many_others_is_known(tmp_path: Path) -> None:
    """Its progress is found in an older log entry."""
    archive = Archive(tmp_path)
    for number in range(12):
        archive.write(flush(0, 1, f"run-{number}"))
    assert archive.progress("run-0") == {"BTC/USD": Progress(1, 1), "ETH/USD": Progress(1, 1)}
    assert archive.progress("run-99") == {}
    assert archive.position(["ETH/USD"]) == ("run-11", 1)
    archive.close()


def _relabel(root: Path, schema: int) -> None:
    """Make the log say that another version wrote it."""
    for path in (root / "_log").glob("*.json"):
        entry = json.loads(path.read_text()) | {"schema": schema}
        if schema < CHECKED_SCHEMA:
            del entry["check"]
        path.write_text(json.dumps(entry))


def test_an_archive_of_an_older_version_goes_on(tmp_path: Path) -> None:
    """Its progress is known, and what is written from now on says that it has the newer columns."""
    archive = Archive(tmp_path)
    archive.write(flush(0, 3))
    archive.close()
    _relabel(tmp_path, 1)
    archive = Archive(tmp_path)
    assert archive.position(["BTC/USD"]) == ("run-1", 3)
    archive.write(flush(4, 5))
    archive.settle()
    newest = tmp_path / "ticks/run=run-1/symbol=BTC%2FUSD/date=2026-01-01/part-000000000004-000000000005.parquet"
    assert read_metadata(newest)["marksim.schema"] == "5"
    assert [json.loads(path.read_text())["schema"] for path in sorted((tmp_path / "_log").glob("*.json"))] == [1, 5]
    archive.close()


def test_an_archive_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    """What it means is not known here; the sentence says what to do."""
    archive = Archive(tmp_path)
    archive.write(flush(0, 3))
    archive.close()
    _relabel(tmp_path, 6)
    with pytest.raises(NotNow, match="has schema 6, this version knows 1 to 5: use another directory"):
        Archive(tmp_path)


def test_a_file_and_its_log_entry_say_what_is_in_it(tmp_path: Path) -> None:
    """Metadata name run, scenario, seed and steps; the log entry names every file with its windows and rows."""
    archive = Archive(tmp_path)
    archive.write(flush(0, 3))
    archive.settle()
    path = tmp_path / "trades/run=run-1/symbol=BTC%2FUSD/date=2026-01-01/part-000000000000-000000000003.parquet"
    metadata = read_metadata(path)
    assert metadata["marksim.run"] == "run-1" and metadata["marksim.seed"] == "42"
    assert metadata["marksim.tick_size"] == "0.5" and metadata["marksim.scenario_hash"] == "5cab"
    entry = json.loads((tmp_path / "_log/000000000001.json").read_text())
    (file,) = (item for item in entry["files"] if item["path"] == str(path.relative_to(tmp_path)))
    assert (file["first_window"], file["last_window"], file["rows"]) == (0, 3, 8)
    assert file["bytes"] == path.stat().st_size
    archive.close()
