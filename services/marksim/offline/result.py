"""What a simulation gives back: its hash, its tables, its figures."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from marksim.core.errors import InvalidInput
from marksim.core.sim.engine import AgentFailure
from marksim.store.archive import RunFacts
from marksim.store.parquet import Rows, read_compact, to_arrow

_TEXT = pa.dictionary(pa.int32(), pa.string())


@dataclass(frozen=True, slots=True)
class Stats:
    """How much happened, and how long it took."""

    events: int
    """Order events: rows of `executions`."""
    orders: int
    """Orders that reached a book, refused ones included."""
    trades: int
    ticks: int
    simulated_s: float
    wall_s: float
    """From the first window to the last byte, loading and compiling aside."""
    files: int = 0
    bytes: int = 0
    """Of the run's files in the archive."""

    @property
    def speed(self) -> float:
        """Simulated seconds a second."""
        return self.simulated_s / self.wall_s if self.wall_s else 0.0


@dataclass(frozen=True)
class Result:
    """One simulated run. Its tables are Arrow tables with the columns of the archive, read when they are first asked for."""

    run: str
    """UUID of the run, by which an archive knows it."""
    scenario: str
    scenario_hash: str
    seed: int
    tape_hash: str
    """Over all symbols: equal exactly where the same happened."""
    tapes: Mapping[str, str]
    """The tape hash of each symbol."""
    start_ns: int
    end_ns: int
    """End of the last window."""
    stats: Stats
    failures: tuple[AgentFailure, ...]
    """Agents that raised and were taken out, in the order of time."""
    tables: tuple[str, ...]
    """Names of those that were kept."""
    out: Path | None
    """The archive, if it was written to one."""
    _load: Callable[[str], pa.Table] = field(repr=False)
    _loaded: dict[str, pa.Table] = field(default_factory=dict, repr=False)

    @property
    def trades(self) -> pa.Table:
        return self.table("trades")

    @property
    def quotes(self) -> pa.Table:
        return self.table("quotes")

    @property
    def ticks(self) -> pa.Table:
        return self.table("ticks")

    @property
    def depth(self) -> pa.Table:
        return self.table("depth")

    @property
    def executions(self) -> pa.Table:
        return self.table("executions")

    @property
    def orders(self) -> pa.Table:
        return self.table("orders")

    @property
    def positions(self) -> pa.Table:
        return self.table("positions")

    def table(self, name: str) -> pa.Table:
        """A table by its name, symbol after symbol, each in its order. Raises InvalidInput for one that was not kept."""
        if name not in self.tables:
            raise InvalidInput(
                f"table {name!r} was not kept: simulate(tables=...) named {', '.join(self.tables) or 'none'}",
                metadata={"field": "tables"},
            )
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def to_numpy(self, name: str) -> dict[str, NDArray[Any]]:
        """The columns of a table as NumPy arrays; texts as arrays of str objects, times as datetime64[us]."""
        columns = {}
        for column, values in zip(self.table(name).column_names, self.table(name).columns, strict=True):
            decoded = values.cast(pa.string()) if pa.types.is_dictionary(values.type) else values
            columns[column] = np.asarray(decoded.to_numpy())
        return columns


def from_memory(
    facts: RunFacts, rows: Mapping[tuple[str, str], Rows], empty: Mapping[str, Rows]
) -> Callable[[str], pa.Table]:
    """Tables of what a recorder kept; `empty` has the rows of a table in which nothing is."""

    def load(table: str) -> pa.Table:
        kept = [(rows[table, item.symbol], item) for item in facts.instruments if (table, item.symbol) in rows]
        parts = [to_arrow(part, facts.run, item) for part, item in kept or [(empty[table], facts.instruments[0])]]
        return _joined(parts)

    return load


def from_archive(facts: RunFacts, directory: Path, empty: Mapping[str, Rows]) -> Callable[[str], pa.Table]:
    """Tables of a run in an archive."""

    def load(table: str) -> pa.Table:
        parts: list[pa.Table] = []
        for item in facts.instruments:
            files = files_of(facts.run, directory, table, f"symbol={quote(item.symbol, safe='')}")
            # A name begins with its first window, of as many digits as any.
            parts += [read_compact(path) for path in sorted(files, key=lambda path: path.name)]
        return _joined(parts or [to_arrow(empty[table], facts.run, facts.instruments[0])])

    return load


def files_of(run: str, directory: Path, table: str = "*", symbol: str = "symbol=*") -> list[Path]:
    """The files of a run in an archive, of one table and symbol if they are given as the directories call them."""
    return list(directory.glob(f"{table}/run={quote(run, safe='')}/{symbol}/**/*.parquet"))


def _joined(parts: list[pa.Table]) -> pa.Table:
    """One table with one type of text column, whichever way its parts came."""
    texts = {field.name for field in parts[0].schema if pa.types.is_dictionary(field.type)}
    plain = [
        part.cast(pa.schema([pa.field(field.name, _TEXT if field.name in texts else field.type) for field in part.schema]))
        for part in parts
    ]
    return pa.concat_tables(plain).unify_dictionaries()
