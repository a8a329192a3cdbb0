"""The archive directory: which files it has, and how a flush becomes visible exactly once.

    <dir>/<table>/run=<uuid>/symbol=BTC%2FUSD/date=2026-01-01/part-<first window>-<last window>.parquet
    <dir>/gaps/run=<uuid>/part-<flush>-<n>.parquet      windows that were lost, and why
    <dir>/runs/run=<uuid>/symbol=BTC%2FUSD/part.parquet scenario hash, seed, instrument, first seen, how it ended, tape hash
    <dir>/_log/<flush>.json                             what each flush added, and how far every run is stored; `check` is a
                                                        BLAKE2b of all else in it

A flush writes all its files under hidden names (`.part-....parquet.<flush>.tmp`) and fsyncs them; then it writes its log
entry aside and renames it: that one rename is the commit. Only then the hidden files are renamed to their own names. A start
after a crash renames what the newest log entry names and is still hidden, and deletes all other hidden files. So whatever
moment the process dies at, a flush is either wholly in the archive or leaves no trace, and the position to go on from, which
is part of the entry, always fits the rows.

Why readers that glob `*.parquet` never see a row twice or half a file: a file gets its visible name complete, is never
rewritten, merged or deleted afterwards (only `runs` rows are replaced, each by one rename), and no window of a symbol is in
two files of a table. Between commit and the last rename, some milliseconds, one table may show newer windows than another;
who joins tables takes the windows up to a `last_window` of `_log` (see the README). Delta Lake's log is made the same way.

Nothing is ever deleted here: the archive grows until somebody removes whole `run=` or `date=` directories, which is safe at
any time, as the log keeps the position.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pyarrow as pa

from marksim.codec import decimal_text
from marksim.core.errors import Damaged, NotNow
from marksim.core.types import Instrument
from marksim.store.files import document_check, sync_directory
from marksim.store.lock import take
from marksim.store.parquet import (
    DERIVED,
    GAPS,
    SCHEMA_VERSION,
    TABLES,
    Rows,
    read_metadata,
    read_table,
    release_memory,
    to_arrow,
    write_file,
)

_VERSION: Final = {"marksim.schema": str(SCHEMA_VERSION)}
CHECKED_SCHEMA: Final = 5
"""From this one on, each log entry has a checksum."""
RUNS_IN_ENTRY: Final = 8
"""So many runs' positions are in every log entry; an older run's is found by going back through the log."""


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What is known of a run; `instruments` are those of one book."""

    run: str
    scenario_hash: str
    seed: int
    start_time_ns: int
    lookahead_ns: int
    instruments: tuple[Instrument, ...]


@dataclass(frozen=True, slots=True)
class Gap:
    """Windows that the archive will never have. `last_window` None: nobody knows how many."""

    run: str
    first_window: int
    last_window: int | None
    reason: str
    symbol: str | None = None


IN_ORDER: Final = "in order"
"""How a run ended whose book said goodbye: nothing of it follows what is stored."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one symbol of a run is: all windows up to `through` are in, the last that had a frame is `frame`. -1: none."""

    through: int = -1
    frame: int = -1


@dataclass(frozen=True, slots=True)
class Totals:
    """What was ever written into the archive."""

    rows: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(TABLES, 0))
    files: int = 0
    bytes: int = 0
    gaps: int = 0


@dataclass(frozen=True, slots=True)
class Flush:
    """What one book adds to the archive in one step."""

    facts: RunFacts
    rows: Mapping[tuple[str, str], Rows]
    """By (table, symbol)."""
    progress: Mapping[str, Progress]
    """By symbol, after this flush."""
    gaps: Sequence[Gap] = ()
    ended: Mapping[str, str | None] = field(default_factory=dict)
    """Runs of the same symbols, by name, and how they ended; None where one had, and goes on."""
    tapes: Mapping[str, str] = field(default_factory=dict)
    """Where `ended` has this run: the tape hash of each symbol after its `progress`, by symbol, if it is known."""


class Archive:
    """One archive directory, open for writing by this process alone. No method is safe in two threads at once."""

    def __init__(self, directory: Path, *, flag: str = "--dir", threads: int = 1) -> None:
        """Open or create it, and finish or undo a flush that was cut off. Raises NotNow if another has it, and Damaged.

        `flag` is what chooses the directory; a flush writes so many of its files at a time.
        """
        self._root = directory
        self._log = directory / "_log"
        self._log.mkdir(parents=True, exist_ok=True)
        self._threads = threads
        self._lock = take(directory, flag)
        try:
            self._entry = self._newest_entry()
            self._unsettled = bool(self._entry)
            self.settle()
            _remove_hidden(directory)
        except BaseException:
            self.close()
            raise

    @property
    def totals(self) -> Totals:
        return Totals(**self._entry["totals"]) if self._entry else Totals()

    def progress(self, run: str) -> dict[str, Progress]:
        """How far each symbol of the run is stored; empty for a run that is not here."""
        found = self._find(run)
        return {symbol: Progress(*pair) for symbol, pair in found["progress"].items()} if found else {}

    def is_complete(self, run: str, symbols: Sequence[str] = ()) -> bool:
        """Whether the run ended IN_ORDER in these symbols, or in all of its symbols where none are named."""
        found = self._find(run)
        return found is not None and set(symbols or found["progress"]) <= _complete(found)

    def position(self, symbols: Sequence[str]) -> tuple[str, int] | None:
        """(run, window) up to which everything of a book with these symbols is stored, in the run it was in last."""
        # The newest run is the last one.
        for run, known in reversed(list(self._entry.get("runs", {}).items())):
            stored = [known["progress"][symbol][0] for symbol in symbols if symbol in known["progress"]]
            if stored:
                return run, min(stored) if len(stored) == len(symbols) else -1
        return None

    def write(self, flush: Flush) -> None:
        """Store the flush, durable and committed when this returns.

        Raises OSError, and Damaged where what is to be told of a run is in a file that is; then nothing of it is stored.
        """
        self.settle()
        number = self._entry.get("number", 0) + 1
        files: list[dict[str, Any]] = []
        try:
            self._write_tables(flush, files, number)
            self._write_notes(flush, files, number)
            entry = self._next_entry(flush, files, number)
            self._commit(entry)
        except BaseException:
            for file in files:
                _hidden(self._root / file["path"], number).unlink(missing_ok=True)
            raise
        finally:
            release_memory()
        self._entry, self._unsettled = entry, True

    def settle(self) -> None:
        """Give the files of the newest flush their visible names. Raises OSError; calling again goes on."""
        if not self._unsettled:
            return
        directories = {self._log}
        for file in self._entry["files"]:
            path = self._root / file["path"]
            # What is not hidden any more was renamed before a crash, or removed by people since.
            if (hidden := _hidden(path, self._entry["number"])).exists():
                hidden.replace(path)
                directories.add(path.parent)
        for directory in directories:
            sync_directory(directory)
        self._unsettled = False

    def close(self) -> None:
        """Let another process open the directory."""
        os.close(self._lock)

    def _write_tables(self, flush: Flush, files: list[dict[str, Any]], number: int) -> None:
        facts, parts = flush.facts, list(_parts(flush))
        files += [file for file, _, _ in parts]

        def write(part: tuple[dict[str, Any], Rows, Instrument]) -> None:
            file, rows, instrument = part
            self._write(file, number, to_arrow(rows, facts.run, instrument), _metadata(facts, instrument, file["table"]))

        if self._threads == 1:
            for part in parts:
                write(part)
            return
        with ThreadPoolExecutor(self._threads) as pool:
            # Reading the results raises what went wrong in one of them.
            list(pool.map(write, parts))

    def _write_notes(self, flush: Flush, files: list[dict[str, Any]], number: int) -> None:
        facts, now = flush.facts, datetime.now(UTC)
        by_run: dict[str, list[dict[str, Any]]] = {}
        for gap in flush.gaps:
            by_run.setdefault(gap.run, []).append({**asdict(gap), "recorded_at": now})
        for index, (run, gaps) in enumerate(by_run.items()):
            path = f"gaps/run={quote(run, safe='')}/part-{number:012d}-{index}.parquet"
            files.append({"path": path, "table": "gaps"})
            self._write(files[-1], number, pa.Table.from_pylist(gaps, GAPS), {**_VERSION, "marksim.run": run})
        stored = self.progress(facts.run)
        for instrument in facts.instruments:
            if instrument.symbol not in stored:
                path = f"runs/{_partition(facts.run, instrument.symbol)}/part.parquet"
                files.append({"path": path, "table": "runs", "symbol": instrument.symbol})
                self._write(files[-1], number, _run_row(facts, instrument, now), _metadata(facts, instrument, "runs"))
        for run, how in flush.ended.items():
            for symbol in set(self.progress(run)) & set(flush.progress):
                path = f"runs/{_partition(run, symbol)}/part.parquet"
                if (self._root / path).exists():
                    files.append({"path": path, "table": "runs", "symbol": symbol})
                    tape = flush.tapes.get(symbol) if run == facts.run else None
                    last = flush.progress[symbol].through if tape is not None else None
                    row, metadata = _ended_row(self._root / path, how, tape, last)
                    self._write(files[-1], number, row, metadata)

    def _write(self, file: dict[str, Any], number: int, table: pa.Table, metadata: Mapping[str, str]) -> None:
        hidden = _hidden(self._root / file["path"], number)
        hidden.parent.mkdir(parents=True, exist_ok=True)
        file["rows"], file["bytes"] = table.num_rows, write_file(hidden, table, metadata)

    def _next_entry(self, flush: Flush, files: list[dict[str, Any]], number: int) -> dict[str, Any]:
        now, run = datetime.now(UTC).isoformat(), flush.facts.run
        known = self._find(run) or {"first_seen": now, "progress": {}}
        progress = {symbol: [item.through, item.frame] for symbol, item in flush.progress.items()}
        runs = {name: value for name, value in self._entry.get("runs", {}).items() if name != run}
        runs[run] = {**known, "progress": {**known["progress"], **progress}}
        complete = _complete(known)
        if flush.ended.get(run) == IN_ORDER:
            complete |= progress.keys()
        else:
            # A run whose journal was kept goes on after it ended in order.
            complete -= {symbol for symbol, item in progress.items() if item != known["progress"].get(symbol)}
        runs[run]["complete"] = sorted(complete)
        added = dict.fromkeys(TABLES, 0)
        for file in files:
            if file["table"] in added:
                added[file["table"]] += file["rows"]
        old = self.totals
        totals = replace(
            old,
            rows={table: old.rows.get(table, 0) + rows for table, rows in added.items()},
            files=old.files + len(files),
            bytes=old.bytes + sum(int(file["bytes"]) for file in files),
            gaps=old.gaps + len(flush.gaps),
        )
        return {
            "schema": SCHEMA_VERSION,
            "number": number,
            "written_at": now,
            "run": run,
            "symbols": sorted(flush.progress),
            "last_window": min((item.through for item in flush.progress.values()), default=-1),
            "files": files,
            "gaps": [asdict(gap) for gap in flush.gaps],
            "runs": dict(list(runs.items())[-RUNS_IN_ENTRY:]),
            "totals": asdict(totals),
        }

    def _commit(self, entry: Mapping[str, Any]) -> None:
        path = self._log / f"{entry['number']:012d}.json"
        for directory in {(self._root / file["path"]).parent for file in entry["files"]}:
            sync_directory(directory)
        hidden = _hidden(path, entry["number"])
        try:
            with hidden.open("w", encoding="utf-8") as file:
                json.dump({**entry, "check": document_check(entry)}, file, separators=(",", ":"))
                file.flush()
                os.fsync(file.fileno())
            hidden.replace(path)
        except BaseException:
            hidden.unlink(missing_ok=True)
            raise

    def _newest_entry(self) -> dict[str, Any]:
        newest = max((path.name for path in self._log.glob("[0-9]*.json")), default="")
        return _load(self._log / newest) if newest else {}

    def _find(self, run: str) -> dict[str, Any] | None:
        known: dict[str, Any] | None = self._entry.get("runs", {}).get(run)
        if known is not None or not (self._root / "runs" / f"run={quote(run, safe='')}").exists():
            return known
        for path in sorted(self._log.glob("[0-9]*.json"), reverse=True):
            known = _load(path)["runs"].get(run)
            if known is not None:
                return known
        return None


def _load(path: Path) -> dict[str, Any]:
    """A log entry. Raises NotNow for one of another version, and Damaged for one that is not what was written."""
    try:
        entry: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not 1 <= (schema := entry["schema"]) <= SCHEMA_VERSION:
            raise NotNow(f"{path} has schema {schema}, this version knows 1 to {SCHEMA_VERSION}: use another directory")
        check = entry.pop("check", None)
        if check != (document_check(entry) if schema >= CHECKED_SCHEMA else None):
            raise ValueError("its checksum differs: it is not what was written there")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Damaged(
            f"{path}: {error}; how far the archive is cannot be known without it: bring it back, or use another directory",
            metadata={"file": str(path)},
        ) from error
    return entry


def _complete(known: Mapping[str, Any]) -> set[str]:
    """The symbols in which a run ended in order; older entries only said whether it had."""
    said = known.get("complete", [])
    return set(known["progress"] if said is True else said or [])


def _partition(run: str, symbol: str) -> str:
    return f"run={quote(run, safe='')}/symbol={quote(symbol, safe='')}"


def _hidden(path: Path, number: int) -> Path:
    # With the number, a half-written file of the next flush is never taken for one of this flush.
    return path.with_name(f".{path.name}.{number}.tmp")


def _remove_hidden(root: Path) -> None:
    for folder, _, names in os.walk(root):
        for name in names:
            if name.startswith(".") and name.endswith(".tmp"):
                Path(folder, name).unlink(missing_ok=True)


def _parts(flush: Flush) -> Iterator[tuple[dict[str, Any], Rows, Instrument]]:
    """What each file of the flush is called, and the rows that go into it."""
    run = flush.facts.run
    for instrument in flush.facts.instruments:
        for table in (*TABLES, *DERIVED):
            rows = flush.rows.get((table, instrument.symbol))
            if rows is None or not len(rows.records):
                continue
            for date, part in rows.by_date():
                first, last = int(part.windows[0]), int(part.windows[-1])
                directory = f"{table}/{_partition(run, instrument.symbol)}/date={date}"
                file: dict[str, Any] = {
                    "path": f"{directory}/part-{first:012d}-{last:012d}.parquet",
                    "table": table,
                    "symbol": instrument.symbol,
                    "first_window": first,
                    "last_window": last,
                }
                yield file, part, instrument


def _metadata(facts: RunFacts, instrument: Instrument, table: str) -> dict[str, str]:
    return {
        **_VERSION,
        "marksim.table": table,
        "marksim.run": facts.run,
        "marksim.scenario_hash": facts.scenario_hash,
        "marksim.seed": str(facts.seed),
        "marksim.symbol": instrument.symbol,
        "marksim.tick_size": decimal_text(instrument.tick_size),
        "marksim.lot_size": decimal_text(instrument.lot_size),
    }


def _run_row(facts: RunFacts, instrument: Instrument, first_seen: datetime) -> pa.Table:
    return pa.table(
        {
            "run": [facts.run],
            "symbol": [instrument.symbol],
            "scenario_hash": [facts.scenario_hash],
            "seed": pa.array([facts.seed], pa.uint64()),
            "start_time_ns": [facts.start_time_ns],
            "lookahead_ns": [facts.lookahead_ns],
            "base_asset": [instrument.base_asset],
            "quote_asset": [instrument.quote_asset],
            "tick_size": [decimal_text(instrument.tick_size)],
            "lot_size": [decimal_text(instrument.lot_size)],
            "reference_price_ticks": [instrument.reference_price_ticks],
            "first_seen": pa.array([first_seen], pa.timestamp("us", "UTC")),
            "ended": pa.array([None], pa.string()),
            "tape_hash": pa.array([None], pa.string()),
            "tape_window": pa.array([None], pa.int64()),
        }
    )


def _ended_row(
    path: Path, how: str | None, tape_hash: str | None, tape_window: int | None
) -> tuple[pa.Table, dict[str, str]]:
    try:
        row, metadata = read_table(path), {**read_metadata(path), **_VERSION}
    except (OSError, ValueError, pa.ArrowException) as error:
        message = f"{path}: {error}; bring it back, or remove it: then the archive does not say what this run was"
        raise Damaged(message, metadata={"file": str(path)}) from error
    made = {
        "ended": pa.array([how], pa.string()),
        "tape_hash": pa.array([tape_hash], pa.string()),
        "tape_window": pa.array([tape_window], pa.int64()),
    }
    for name, values in made.items():
        column = row.schema.get_field_index(name)
        if column < 0:
            # A run that an older version began may have no such column.
            row = row.append_column(name, values)
        elif name == "ended" or tape_hash is not None:
            # How a run ends may be told anew, and what its tape was is true for ever.
            row = row.set_column(column, name, values)
    return row, metadata
