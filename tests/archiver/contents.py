"""What an archive should hold, and what it holds, as rows that compare."""

from pathlib import Path

import duckdb

from marksim.store.parquet import TABLES
from tests.archiver.fake_book import SYMBOLS, columns, frame

Row = tuple[object, ...]


def files(root: Path, pattern: str) -> list[Path]:
    """The archive's files that match."""
    return sorted(root.glob(pattern))


def integers(table: str) -> list[str]:
    """The columns of a table that came over the wire as integers."""
    return [name for name in TABLES[table].names or () if TABLES[table][name].itemsize == 8]


def archived(root: Path, table: str, run: str = "run-1") -> list[Row]:
    """All rows of a run as (symbol, window, snapshot, integers...), sorted."""
    names = ", ".join(integers(table))
    snapshot = "snapshot" if table == "depth" else "false"
    query = f"""
        SELECT symbol, "window", {snapshot}, {names}
        FROM read_parquet('{root}/{table}/**/*.parquet', hive_partitioning = true) WHERE run = '{run}'"""
    with duckdb.connect() as connection:
        return sorted(connection.execute(query).fetchall())


def served(table: str, first: int, last: int) -> list[Row]:
    """The same of the windows that the fake book served."""
    rows: list[Row] = []
    for number, instrument in enumerate(SYMBOLS):
        for window in range(first, last + 1):
            sent = frame(number, window)
            if sent is None:
                continue
            if table == "ticks":
                # A tick takes the sequence of the window's last event, which the fake book shows as trades_total.
                values = (sent.tick.trades_total, *(getattr(sent.tick, name) for name in integers("ticks")[1:]))
                rows.append((instrument.symbol, window, False, *values))
                continue
            made = columns(number, window)[table][integers(table)].tolist()
            rows += [(instrument.symbol, window, False, *row) for row in made]
            if table == "depth" and sent.depth_snapshot.count:
                rows += [(instrument.symbol, window, True, *row) for row in made]
    return sorted(rows)
