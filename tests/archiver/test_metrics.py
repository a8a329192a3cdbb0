"""What Prometheus sees of the archiver."""

from pathlib import Path

from prometheus_client import REGISTRY

from marksim.store.parquet import TABLES
from tests.archiver.contents import served
from tests.archiver.fake_book import FakeBook, serving
from tests.archiver.test_reader import archiving, until


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"marksim_archiver_{name}", labels) or 0.0


async def test_rows_files_and_the_last_window_are_shown(tmp_path: Path) -> None:
    """Once all is stored, nothing is unstored, and every row is counted under its table."""
    book = FakeBook(done=60)
    flushes = value("flush_duration_seconds_count")
    async with serving(book) as address, archiving(tmp_path, address):
        begun = value("last_stored_timestamp_seconds", orderbook=address)
        await until(lambda: ("run-1", 60) in book.confirmed)
        assert value("orderbook_connected", orderbook=address) == 1
        assert value("last_stored_window", orderbook=address) == 60
        assert value("unstored_windows", orderbook=address) == 0
        assert value("last_stored_timestamp_seconds", orderbook=address) > begun
        assert {table: value("rows_total", table=table) for table in TABLES} == {
            table: len(served(table, 0, 60)) for table in TABLES
        }
        assert value("files_total") > len(TABLES) and value("bytes_total") > 1_000
        assert 0 < value("disk_free_bytes") <= value("disk_size_bytes")
        assert value("flush_duration_seconds_count") > flushes


async def test_a_book_that_is_away_shows(tmp_path: Path) -> None:
    """Before the first answer an order book is there, and not connected."""
    async with archiving(tmp_path, "127.0.0.1:1"):
        await until(lambda: REGISTRY.get_sample_value("marksim_archiver_gaps_total") is not None)
        assert REGISTRY.get_sample_value("marksim_archiver_orderbook_connected", {"orderbook": "127.0.0.1:1"}) == 0
