"""The comparison of archive and journal: equal where they are, and every other row, missing row or missing table is seen."""

import random
import shutil
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from marksim.core.feed.trades import trades_of
from marksim.core.rows import choose
from marksim.core.types import DEPTH, EXECUTION, QUOTE, TICK, ExecutionKind, Instrument, Reason, Records, SessionState, Side
from marksim.store.archive import Archive, Flush, Progress, RunFacts
from marksim.store.parquet import Rows
from marksim.store.windows import RecordedWindow, SymbolWindow
from tests.faults import damage
from tests.faults.corrupt import HARMLESS, NAMED, parquet_once
from tests.faults.corrupt import table as damages
from tests.faults.rows import LEVELS, Kept, archive_equals_journal, archived, differences, executions_of, recorded

RUN = "run-1"
SYMBOLS = ("BTC/USD", "ETH/USD")
DAY_NS = 86_400_000_000_000
START_NS = 20_000 * DAY_NS - 10 * 50_000_000
"""The tenth window is of another day, and so in another folder."""


def made(dtype: np.dtype[np.void], rows: int, window: int, seed: int) -> Records:
    """Rows with numbers of no meaning and a time in the window; enums have values that there are."""
    numbers = np.random.default_rng([window, seed])
    records: Records = np.zeros(rows, dtype)
    for name in dtype.names or ():
        records[name] = numbers.integers(0, 100, rows)
    limits = {"side": len(Side), "kind": len(ExecutionKind), "reason": len(Reason), "session_state": len(SessionState)}
    for name, count in limits.items():
        if name in (dtype.names or ()):
            records[name] %= count
    records["time_ns"] = START_NS + window * 50_000_000 + np.arange(rows)
    return records


def part(window: int, seed: int) -> SymbolWindow:
    return SymbolWindow(
        outside=np.zeros(0, EXECUTION),
        commands=np.zeros(0, EXECUTION),
        executions=made(EXECUTION, 5, window, seed),
        quotes=made(QUOTE, 2, window, seed),
        depth=made(DEPTH, 3, window, seed),
        tick=made(TICK, 1, window, seed),
        levels=made(DEPTH, 4, window, seed + 9) if window in (0, 12) else None,
        previous_window=window - 1,
        digest=0,
    )


def windows(first: int, last: int) -> list[RecordedWindow]:
    """Windows in which something happened to both symbols, but for each third, in which nothing did."""
    return [
        RecordedWindow(number, number, b"", b"", {} if number % 3 == 2 else {s: part(number, len(s)) for s in SYMBOLS})
        for number in range(first, last + 1)
    ]


def flush(of: list[RecordedWindow]) -> Flush:
    """As an archiver stores them."""
    instruments = tuple(Instrument(s, s[:3], "USD", Fraction(1, 2), Fraction(1, 1000), 100, 1, 1000) for s in SYMBOLS)
    rows: dict[tuple[str, str], list[Rows]] = {}
    for one in of:
        for symbol, found in one.parts.items():
            tables = {"quotes": found.quotes, "ticks": found.tick, "executions": found.executions}
            for table, records in {**tables, "trades": trades_of(found.executions)}.items():
                rows.setdefault((table, symbol), []).append(Rows(records, np.full(len(records), one.window)))
            levels = np.zeros(0, DEPTH) if found.levels is None else found.levels
            both = np.concatenate([found.depth, levels])
            whole = np.arange(len(both)) >= len(found.depth)
            rows.setdefault(("depth", symbol), []).append(Rows(both, np.full(len(both), one.window), whole))
    joined = {}
    for key, parts in rows.items():
        snapshot = np.concatenate([p.snapshot for p in parts if p.snapshot is not None]) if key[0] == "depth" else None
        joined[key] = Rows(np.concatenate([p.records for p in parts]), np.concatenate([p.windows for p in parts]), snapshot)
    progress = dict.fromkeys(SYMBOLS, Progress(of[-1].window, of[-1].window))
    return Flush(RunFacts(RUN, "hash", 7, START_NS, 50_000_000, instruments), joined, progress)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An archive of windows 0 to 20, in three flushes."""
    store = Archive(tmp_path)
    for first, last in ((0, 6), (7, 13), (14, 20)):
        store.write(flush(windows(first, last)))
    store.settle()
    store.close()
    return tmp_path


def test_equal_archive_and_journal_have_no_difference(archive: Path) -> None:
    """All tables of both symbols are compared, over flushes and a midnight, and found equal."""
    ours, theirs = archived(archive, RUN), recorded(iter(windows(0, 20)))
    assert {table for table, _ in ours} == {"trades", "quotes", "ticks", "depth", "executions", LEVELS}
    assert {symbol for _, symbol in ours} == set(SYMBOLS)
    assert sum(len(kept.records) for kept in ours.values()) > 200
    assert differences(ours, theirs) == []
    assert executions_of(ours).keys() == set(SYMBOLS)
    assert archived(archive, "another") == {}


def test_each_difference_is_found(archive: Path) -> None:
    """Any value of any column, a row that is missing, doubled or in another window, and a missing table are told."""
    ours, randomness = archived(archive, RUN), random.Random(5)
    for key, kept in recorded(iter(windows(0, 20))).items():
        theirs = dict(recorded(iter(windows(0, 20))))
        for name in kept.records.dtype.names or ():
            changed = kept.records.copy()
            row = randomness.randrange(len(changed))
            changed[name][row] += 1
            (problem,) = differences(ours, {**theirs, key: replace(kept, records=changed)})
            assert f"{key[0]} of {key[1]}: row {row} is" in problem
        moved = kept.windows.copy()
        moved[-1] += 1
        (problem,) = differences(ours, {**theirs, key: replace(kept, windows=moved)})
        assert "of window" in problem
        short = Kept(kept.records[:-1], kept.windows[:-1])
        (problem,) = differences(ours, {**theirs, key: short})
        assert "the archive goes on in window" in problem
        (problem,) = differences({**ours, key: short}, theirs)
        assert "the journal goes on in window" in problem
        del theirs[key]
        (problem,) = differences(ours, theirs)
        assert "not in the journal at all" in problem


def test_trades_are_those_of_the_executions(archive: Path) -> None:
    """The journal has no table of trades; they are made from its order events."""
    kept = recorded(iter(windows(0, 20)))
    executions = kept["executions", "BTC/USD"].records
    expected = choose(executions, executions["kind"] == ExecutionKind.TRADED)
    assert len(kept["trades", "BTC/USD"].records) == len(expected) > 0


def test_no_journal_is_no_equality(archive: Path) -> None:
    """Where there is no journal nothing is called equal."""
    (problem,) = archive_equals_journal(archive, [], RUN)
    assert "no journal of run run-1" in problem


def test_damaged_archive_is_not_read_as_whole(archive: Path) -> None:
    """A torn file of the archive raises, or shows as a difference."""
    found = [path for path in damage.files(archive, "parquet") if "executions" in path.parts]
    for seed, path in enumerate(found):
        harm = damage.truncate(path, random.Random(seed))
        with pytest.raises(pa.ArrowInvalid, match="Parquet"):
            archived(archive, RUN)
        harm.undo()
    assert differences(archived(archive, RUN), recorded(iter(windows(0, 20)))) == []


def test_damage_that_a_market_left_is_named_or_harmless(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever is damaged in a file of the archive, reading it fails, or shows other rows, or all rows as they were."""
    source, scratch = tmp_path_factory.mktemp("market"), tmp_path_factory.mktemp("damaged")
    shutil.copytree(archive, source / "data" / "archive")
    sound, randomness = archived(archive, RUN), random.Random(1)
    found = Counter(parquet_once(source, scratch, RUN, sound, randomness) for _ in range(40))
    assert found.keys() == {NAMED, HARMLESS} and found[NAMED] > 10
    lines = damages({"parquet": dict(found)}).splitlines()
    assert lines[-1] == f"| parquet | 40 | {found[NAMED]} | {found[HARMLESS]} | 0 |"
    assert differences(archived(source / "data" / "archive", RUN), sound) == []
