"""One Parquet file: integers as the truth, beside them what people read."""

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from marksim.store.parquet import DERIVED, TABLES, Rows, read_compact, read_metadata, read_table, to_arrow, write_file
from tests.store.market import BTC, START_NS, records


@pytest.mark.parametrize("table", [*TABLES, *DERIVED])
def test_every_integer_comes_back_as_it_was(table: str, tmp_path: Path) -> None:
    """All integer columns of a table are the same after writing and reading."""
    made = records(table, 5, 1_000)
    write_file(tmp_path / "file", to_arrow(Rows(made, np.arange(1_000)), "run-1", BTC), {})
    read = read_table(tmp_path / "file")
    for name in made.dtype.names or ():
        if made.dtype[name] == np.int64:
            assert np.array_equal(read[name].to_numpy(), made[name]), name
    assert read["run"].unique().to_pylist() == ["run-1"] and read["symbol"].unique().to_pylist() == ["BTC/USD"]


def test_a_flipped_byte_of_a_page_is_never_a_number(tmp_path: Path) -> None:
    """Where a bit of the rows is another, reading fails, or the rows are as they were: Parquet's pages have checksums."""
    path = tmp_path / "file"
    made = records("ticks", 5, 1_000)
    write_file(path, to_arrow(Rows(made, np.arange(1_000)), "run-1", BTC), {})
    whole, rows, randomness = path.read_bytes(), read_table(path), random.Random(5)
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    refused = 0
    for place in randomness.sample(range(4, footer), 80):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << randomness.randrange(8)]) + whole[place + 1 :])
        for read in (read_table, read_compact):
            try:
                assert read(path).to_pylist() == rows.to_pylist(), place
            except (OSError, pa.ArrowInvalid):
                refused += 1
    assert refused > 100


def test_people_read_decimals_names_and_times(tmp_path: Path) -> None:
    """Price is ticks * tick_size, a side is its name, and ts is the time in microseconds, UTC."""
    made = records("trades", 0, 1)
    made["price_ticks"], made["quantity_lots"], made["side"] = 100_001, 1_234, 2
    write_file(tmp_path / "file", to_arrow(Rows(made, np.array([7])), "run-1", BTC), {})
    read = read_table(tmp_path / "file")
    row = read.to_pylist()[0]
    assert (row["price"], row["quantity"], row["side"], row["window"]) == (50_000.5, 1.234, "SELL", 7)
    assert read.schema.field("ts").type == pa.timestamp("us", "UTC")
    assert int(row["ts"].timestamp()) == START_NS // 10**9


def test_what_is_cash_is_read_in_the_quote_asset(tmp_path: Path) -> None:
    """A sum of ticks times lots is worth tick_size times lot_size each."""
    made = records("positions", 0, 1)
    made["cash_tick_lots"], made["position_lots"] = -3_000, 1_500
    write_file(tmp_path / "file", to_arrow(Rows(made, np.array([7])), "run-1", BTC), {})
    row = read_table(tmp_path / "file").to_pylist()[0]
    assert (row["cash"], row["position"]) == (-1.5, 1.5)


def test_texts_are_read_as_numbers_with_a_dictionary(tmp_path: Path) -> None:
    """The same rows in a part of the memory."""
    write_file(tmp_path / "file", to_arrow(Rows(records("orders", 0, 9), np.arange(9)), "run-1", BTC), {})
    compact = read_compact(tmp_path / "file")
    assert compact.to_pylist() == read_table(tmp_path / "file").to_pylist()
    assert pa.types.is_dictionary(compact.schema.field("status").type)


def test_a_name_that_a_newer_book_knows_is_kept_by_its_number(tmp_path: Path) -> None:
    """An unknown reason does not refuse the row."""
    made = records("executions", 0, 1)
    made["reason"] = 200
    table = to_arrow(Rows(made, np.array([7])), "run-1", BTC)
    assert table["reason"].to_pylist() == ["UNKNOWN_200"]


def test_a_file_says_what_it_is_of(tmp_path: Path) -> None:
    """Metadata comes back as it was given."""
    write_file(tmp_path / "file", to_arrow(Rows(records("quotes", 0, 1), np.array([0])), "r", BTC), {"marksim.seed": "42"})
    assert read_metadata(tmp_path / "file")["marksim.seed"] == "42"


def test_rows_of_two_days_are_split_at_midnight() -> None:
    """Each part has the rows of one simulated date, in order."""
    made = records("trades", 0, 4, START_NS + 86_400 * 10**9 - 2)
    parts = dict(Rows(made, np.arange(4)).by_date())
    assert {date: part.windows.tolist() for date, part in parts.items()} == {"2026-01-01": [0, 1], "2026-01-02": [2, 3]}
