"""What the archive has of a run and what the journals have, as rows that compare, and every difference between them."""

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from marksim.core.feed.trades import trades_of
from marksim.core.rows import choose
from marksim.core.types import ExecutionKind, Reason, Records, SessionState, Side
from marksim.store.parquet import TABLES, read_table
from marksim.store.windows import RecordedWindow

LEVELS: Final = "levels"
"""The rows of `depth` that are whole books."""
ENUMS: Final = {"side": Side, "kind": ExecutionKind, "reason": Reason, "session_state": SessionState}


@dataclass(frozen=True)
class Kept:
    """Rows of one table and symbol in the order of their windows."""

    records: Records
    windows: NDArray[np.int64]


Tables = Mapping[tuple[str, str], Kept]
"""By (table, symbol)."""


def archived(archive: Path, run: str) -> Tables:
    """All that the archive has of the run. Raises where a file cannot be read, as pyarrow does."""
    found: dict[tuple[str, str], list[Kept]] = {}
    for table, dtype in TABLES.items():
        for folder in sorted((archive / table / f"run={quote(run, safe='')}").glob("symbol=*")):
            # Names have the first window, with leading zeros, and dates climb: their order is that of the windows.
            for path in sorted(folder.rglob("*.parquet"), key=lambda one: one.name):
                read = read_table(path)
                records, windows = _records(read, dtype), read.column("window").to_numpy()
                symbol = str(read.column("symbol")[0])
                whole = read.column("snapshot").to_numpy() if table == "depth" else np.zeros(len(windows), np.bool_)
                for name, chosen in ((table, ~whole), (LEVELS, whole)):
                    if chosen.any():
                        found.setdefault((name, symbol), []).append(Kept(choose(records, chosen), windows[chosen]))
    return {key: _joined(parts) for key, parts in found.items()}


def _records(read: Any, dtype: np.dtype[np.void]) -> Records:
    records: Records = np.zeros(read.num_rows, dtype)
    for name in dtype.names or ():
        column = read.column(name)
        if name in ENUMS:
            numbers = {member.name: member.value for member in ENUMS[name]}
            records[name] = [numbers[text] for text in column.to_pylist()]
        else:
            records[name] = column.to_numpy()
    return records


def _joined(parts: list[Kept]) -> Kept:
    records = np.concatenate([part.records for part in parts])
    return Kept(records, np.concatenate([part.windows for part in parts]))


def recorded(windows: Iterator[RecordedWindow]) -> Tables:
    """The same of recorded windows."""
    found: dict[tuple[str, str], list[Kept]] = {}
    for one in windows:
        for symbol, part in one.parts.items():
            tables = {
                "trades": trades_of(part.executions),
                "quotes": part.quotes,
                "ticks": part.tick,
                "depth": part.depth,
                "executions": part.executions,
            }
            if part.levels is not None:
                tables[LEVELS] = part.levels
            for table, records in tables.items():
                if len(records):
                    kept = Kept(records, np.full(len(records), one.window, np.int64))
                    found.setdefault((table, symbol), []).append(kept)
    return {key: _joined(parts) for key, parts in found.items()}


def journal_of(directory: Path) -> Any:
    """The journal of one shard, open to be read: a context manager with `run`, `span()` and `windows(first, last)`."""
    # By name, as marksim.store.windows has the types: nothing but the campaign needs a journal.
    store: Any = importlib.import_module("marksim.store.journal")
    return store.JournalReader(directory)


def journaled(directory: Path, run: str) -> tuple[Tables, int]:
    """All that the journal of one shard has, and its first window. ValueError where it is of another run."""
    with journal_of(directory) as journal:
        if journal.run is None or journal.run.run != run:
            raise ValueError(f"{directory} is of run {journal.run and journal.run.run}, not {run}")
        first, last = journal.span()
        return recorded(journal.windows(first, last)), first


def differences(archive: Tables, journal: Tables) -> list[str]:
    """Sentences, one a table and symbol that is not equal row by row; the caller merges the journals of several shards."""
    problems = []
    for table, symbol in sorted(archive.keys() | journal.keys()):
        ours, theirs = archive.get((table, symbol)), journal.get((table, symbol))
        if ours is None or theirs is None:
            missing, there = ("the archive", theirs) if ours is None else ("the journal", ours)
            assert there is not None
            problems.append(f"{table} of {symbol}: {len(there.records)} rows are not in {missing} at all")
        elif problem := _first_difference(ours, theirs):
            problems.append(f"{table} of {symbol}: {problem}")
    return problems


def _first_difference(ours: Kept, theirs: Kept) -> str:
    common = min(len(ours.records), len(theirs.records))
    equal = ours.windows[:common] == theirs.windows[:common]
    for name in ours.records.dtype.names or ():
        equal &= ours.records[name][:common] == theirs.records[name][:common]
    if not equal.all():
        row = int(np.argmin(equal))
        return (
            f"row {row} is {ours.records[row]} of window {ours.windows[row]} in the archive"
            f" and {theirs.records[row]} of window {theirs.windows[row]} in the journal"
        )
    if len(ours.records) != len(theirs.records):
        longer = ours if len(ours.records) > common else theirs
        where = f"the {'archive' if longer is ours else 'journal'} goes on in window {longer.windows[common]}"
        return f"{len(ours.records)} rows in the archive, {len(theirs.records)} in the journal; {where}"
    return ""


def since(tables: Tables, first: int) -> Tables:
    """Rows of that window and later ones: an archive keeps what a journal has trimmed."""
    chosen = {key: kept.windows >= first for key, kept in tables.items()}
    return {
        key: Kept(choose(tables[key].records, which), tables[key].windows[which])
        for key, which in chosen.items()
        if which.any()
    }


def archive_equals_journal(archive: Path, journals: list[Path], run: str) -> list[str]:
    """What differs between the archive of a run and the journals of its shards, in the windows that these have."""
    merged: dict[tuple[str, str], Kept] = {}
    first = 0
    for directory in journals:
        tables, begins = journaled(directory, run)
        first = max(first, begins)
        merged |= tables
    if not merged:
        return [f"there is no journal of run {run} to compare the archive with"]
    return differences(since(archived(archive, run), first), since(merged, first))


def executions_of(tables: Tables) -> dict[str, Records]:
    """The order events by symbol."""
    return {symbol: kept.records for (table, symbol), kept in tables.items() if table == "executions"}
