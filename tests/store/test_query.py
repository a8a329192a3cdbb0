"""The archive is read in place by the usual tools, with the queries that the README shows."""

from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow.dataset as ds
from numpy.lib import recfunctions

from marksim.store.archive import Archive, Flush
from tests.store.market import flush

CANDLES = """
    SELECT time_bucket(INTERVAL '1 minute', ts AT TIME ZONE 'UTC') AS minute,
           arg_min(price, sequence) AS open, max(price) AS high, min(price) AS low, arg_max(price, sequence) AS close,
           sum(quantity) AS volume, count(*) AS trades
    FROM read_parquet('{root}/trades/**/*.parquet', hive_partitioning = true)
    WHERE run = 'run-1' AND symbol = 'BTC/USD' AND date = DATE '2026-01-01'
    GROUP BY minute ORDER BY minute"""

CUT = """
    SELECT count(*) FROM read_parquet('{root}/trades/**/*.parquet', hive_partitioning = true)
    WHERE run = 'run-1' AND "window" <= (SELECT max(last_window) FROM read_json('{root}/_log/*.json') WHERE run = 'run-1')"""

SPREAD = """
    SELECT t.symbol, count(*) FROM read_parquet('{root}/trades/**/*.parquet', hive_partitioning = true) t
    ASOF JOIN read_parquet('{root}/quotes/**/*.parquet', hive_partitioning = true) q
    ON t.run = q.run AND t.symbol = q.symbol AND t.sequence >= q.sequence GROUP BY ALL ORDER BY 1"""


def stored(root: Path) -> Path:
    archive = Archive(root)
    archive.write(flush(0, 9))
    archive.write(flush(10, 14))
    archive.settle()
    archive.close()
    return root


def test_duckdb_queries_the_archive_in_place(tmp_path: Path) -> None:
    """Partition keys filter as plain values, with the slash in the symbol; candles, a cut and a join come out."""
    root = stored(tmp_path)
    with duckdb.connect() as connection:
        (candle,) = connection.execute(CANDLES.format(root=root)).fetchall()
        assert candle[-1] == 30
        assert connection.execute(CUT.format(root=root)).fetchall() == [(60,)]
        assert connection.execute(SPREAD.format(root=root)).fetchall() == [("BTC/USD", 30), ("ETH/USD", 30)]


def test_duckdb_gives_times_to_python(tmp_path: Path) -> None:
    """Times with a zone become datetimes, for which DuckDB needs pytz."""
    with duckdb.connect() as connection:
        query = f"SELECT min(ts) FROM read_parquet('{stored(tmp_path)}/trades/**/*.parquet')"
        ((first,),) = connection.execute(query).fetchall()
    assert first.tzinfo is not None


def test_duckdb_reads_only_the_partitions_that_are_asked(tmp_path: Path) -> None:
    """A filter on symbol opens the files of that symbol alone."""
    root = stored(tmp_path)
    query = f"SELECT count(*) FROM read_parquet('{root}/trades/**/*.parquet', hive_partitioning = true)"
    with duckdb.connect() as connection:
        plan = str(connection.execute(f"EXPLAIN {query} WHERE symbol = 'ETH/USD'").fetchall())
    assert "2/4" in plan


def test_arrow_merges_the_partition_keys_with_the_rows(tmp_path: Path) -> None:
    """The columns run and symbol in the files have the types that a hive dataset gives its keys."""
    dataset = ds.dataset(stored(tmp_path) / "depth", format="parquet", partitioning="hive")
    table = dataset.to_table(filter=ds.field("symbol") == "BTC/USD")
    assert table.num_rows == 30 and table["run"].unique().to_pylist() == ["run-1"]


NEW_COLUMNS = {
    "ticks": ["session_volume_lots", "indicative_price_ticks", "indicative_volume_lots", "indicative_surplus_lots"],
    "executions": ["session_state"],
}
"""That files of older versions do not have."""


def older(made: Flush) -> Flush:
    """The same as an older version wrote it."""
    rows = {
        (table, symbol): replace(part, records=recfunctions.drop_fields(part.records, NEW_COLUMNS.get(table, ())))
        for (table, symbol), part in made.rows.items()
    }
    return replace(made, rows=rows)


def test_an_archive_that_an_older_version_began_is_read_as_one(tmp_path: Path) -> None:
    """Files with and without the newer columns: what all have is read as ever, the rest is NULL where it is not there."""
    archive = Archive(tmp_path)
    archive.write(older(flush(0, 9)))
    archive.write(flush(10, 14))
    archive.settle()
    archive.close()
    asked = "FROM read_parquet('{root}/{table}/**/*.parquet', hive_partitioning = true, union_by_name = true)"
    with duckdb.connect() as connection:
        for table, columns in NEW_COLUMNS.items():
            source = asked.format(root=tmp_path, table=table)
            counts = ", ".join(f"count({name})" for name in ("sequence", *columns))
            assert connection.execute(f"SELECT {counts} {source}").fetchall() == [(60, *[20] * len(columns))]
        plain = f"SELECT count(last_price) FROM read_parquet('{tmp_path}/ticks/**/*.parquet')"
        assert connection.execute(plain).fetchall() == [(60,)]
        prices = asked.format(root=tmp_path, table="ticks")
        query = f"SELECT DISTINCT indicative_price = indicative_price_ticks / 2 {prices} WHERE symbol = 'BTC/USD'"
        assert sorted(connection.execute(query).fetchall(), key=str) == [(None,), (True,)]
