"""The service against a fake order book on loopback: gaps, new runs, rotation, a full disk, draining."""

import asyncio
import errno
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from marksim.archiver import reader
from marksim.archiver.service import ArchiverService
from marksim.archiver.settings import ArchiverSettings
from marksim.runtime.service import Lifecycle
from marksim.store.parquet import TABLES, read_table
from tests.archiver.contents import archived, files, served
from tests.archiver.fake_book import FakeBook, serving


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def archiving(root: Path, address: str, **changes: Any) -> AsyncIterator[ArchiverService]:
    """An archiver in this process; at the end it drains as after SIGTERM."""
    settings = ArchiverSettings(dir=root, orderbook=[address], **{"rotate_s": 0.1, "batch_interval_ms": 0, **changes})
    service, lifecycle = ArchiverService(settings), Lifecycle("archiver", 4.0)
    work = asyncio.create_task(service.run(lifecycle))
    try:
        yield service
    finally:
        lifecycle.draining.set()
        await asyncio.wait_for(work, 4)


def gaps(root: Path) -> list[tuple[object, ...]]:
    rows = [row for path in sorted(root.glob("gaps/**/*.parquet")) for row in read_table(path).to_pylist()]
    return [(row["run"], row["symbol"], row["first_window"], row["last_window"]) for row in rows]


async def test_all_rows_are_stored_and_confirmed(tmp_path: Path) -> None:
    """Every table equals what was served, in several files, and the book hears what is stored."""
    book = FakeBook(done=120, pause_s=0.01)
    async with serving(book) as address, archiving(tmp_path, address) as service:
        await until(lambda: ("run-1", 120) in book.confirmed)
        assert service.ready()
    assert book.requests[0].reader == "archiver" and book.requests[0].after_window == -1
    for table in TABLES:
        assert archived(tmp_path, table) == served(table, 0, 120), table
    assert gaps(tmp_path) == []
    assert len(files(tmp_path, "trades/**/symbol=BTC%2FUSD/**/*.parquet")) > 1


async def test_draining_stores_what_is_in_memory(tmp_path: Path) -> None:
    """Rows that wait for their file are stored when the service is told to stop."""
    book = FakeBook(done=40)
    async with serving(book) as address, archiving(tmp_path, address, rotate_s=600) as service:
        await until(lambda: service.stores()[0].used >= 70)
        await until(lambda: book.sent > 12)
        assert not files(tmp_path, "trades/**/*.parquet")
    assert archived(tmp_path, "executions") == served("executions", 0, 40)


async def test_draining_reads_what_the_book_has_done_by_then(tmp_path: Path) -> None:
    """An orderly end of everything loses no row: windows that are still on their way are waited for, and confirmed."""
    book = FakeBook(done=10, pause_s=0.02)
    async with serving(book) as address, archiving(tmp_path, address, rotate_s=600) as service:
        await until(lambda: service.stores()[0].used >= 10)
        book.done = 120
    assert archived(tmp_path, "executions") == served("executions", 0, 120)
    assert book.confirmed[-1] == ("run-1", 120)


async def test_draining_does_not_wait_for_ever(tmp_path: Path) -> None:
    """A book that does not bring what it has done costs a moment; what came is stored."""
    book = FakeBook(done=10)
    book.promised = 99
    async with serving(book) as address, archiving(tmp_path, address, rotate_s=600) as service:
        await until(lambda: service.stores()[0].used >= 10)
        await until(lambda: book.sent > 4)
    assert archived(tmp_path, "executions") == served("executions", 0, 10)


async def test_the_end_of_a_stream_is_stored_and_confirmed_at_once(tmp_path: Path) -> None:
    """A book that shuts down waits for it; the time of the next file has not come."""
    book = FakeBook(done=50)
    async with serving(book) as address, archiving(tmp_path, address, rotate_s=600):
        await until(lambda: bool(book.requests))
        book.ended = True
        await until(lambda: ("run-1", 50) in book.confirmed)
        assert archived(tmp_path, "executions") == served("executions", 0, 50)


async def test_memory_is_bounded_by_bytes(tmp_path: Path) -> None:
    """At the bound rows become files early, long before their time."""
    book = FakeBook(done=200)
    async with serving(book) as address, archiving(tmp_path, address, rotate_s=600, rotate_mib=0.05):
        await until(lambda: len(files(tmp_path, "trades/**/*.parquet")) >= 4)
    assert gaps(tmp_path) == []


async def test_a_book_that_comes_back_is_read_from_where_it_broke(tmp_path: Path) -> None:
    """After a lost connection the stream goes on after the last window, with no gap and no double."""
    book = FakeBook(done=50)
    async with serving(book) as address, archiving(tmp_path, address):
        await until(lambda: ("run-1", 50) in book.confirmed)
        await cut_streams(book)
        book.done = 90
        await until(lambda: ("run-1", 90) in book.confirmed)
    assert book.requests[-1].after_window == 50 and book.requests[-1].after_run == "run-1"
    for table in TABLES:
        assert archived(tmp_path, table) == served(table, 0, 90), table


async def cut_streams(book: FakeBook) -> None:
    """End the open stream, as a proxy would, and wait for the next one."""
    seen, run = len(book.requests), book.run
    book.run = ""
    await until(lambda: not book.streams)
    book.run = run
    await until(lambda: len(book.requests) > seen)


async def break_stream(book: FakeBook) -> None:
    """The book dies under its reader, and stays away."""
    book.run = ""
    await until(lambda: not book.streams)


async def test_an_end_while_it_waits_looks_once_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A book that has come back meanwhile is read to its end, and not left for the next start."""
    book = FakeBook(done=50)
    async with serving(book) as address, archiving(tmp_path, address):
        await until(lambda: ("run-1", 50) in book.confirmed)
        monkeypatch.setattr(reader, "FIRST_WAIT_S", 600.0)
        await break_stream(book)
        book.run, book.done = "run-1", 90
    assert book.confirmed[-1] == ("run-1", 90)
    for table in TABLES:
        assert archived(tmp_path, table) == served(table, 0, 90), table


@pytest.mark.parametrize("silent", [False, True])
async def test_after_an_end_without_the_book_the_next_start_fetches_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, silent: bool
) -> None:
    """A book that is gone, or takes calls and never answers, holds up no end; later its rows come, each once."""
    book = FakeBook(done=50)
    async with serving(book) as address, archiving(tmp_path, address):
        await until(lambda: ("run-1", 50) in book.confirmed)
        monkeypatch.setattr(reader, "FIRST_WAIT_S", 600.0)
        await break_stream(book)
        book.silent, began = silent, time.monotonic()
    assert time.monotonic() - began < 3
    monkeypatch.undo()
    book.run, book.done, book.silent = "run-1", 90, False
    async with serving(book) as address, archiving(tmp_path, address):
        await until(lambda: ("run-1", 90) in book.confirmed)
    assert gaps(tmp_path) == []
    for table in TABLES:
        assert archived(tmp_path, table) == served(table, 0, 90), table


async def test_what_the_book_forgot_is_a_gap(tmp_path: Path) -> None:
    """The windows that the book says are lost are one row of `gaps`; the rest is there."""
    book = FakeBook(done=60)
    book.forgotten = 29
    async with serving(book) as address, archiving(tmp_path, address):
        await until(lambda: ("run-1", 60) in book.confirmed)
    assert gaps(tmp_path) == [("run-1", None, 0, 29)]
    assert archived(tmp_path, "trades") == served("trades", 30, 60)


async def test_windows_that_the_book_lost_after_they_were_stored_are_a_gap(tmp_path: Path) -> None:
    """As after a power cut: it does others in their place, so a row of `gaps` says of which the stored ones are."""
    async with serving(FakeBook(done=60)) as address, archiving(tmp_path, address) as service:
        await until(lambda: bool(service.stores()) and len(files(tmp_path, "trades/**/*.parquet")) > 0)
    assert archived(tmp_path, "trades") == served("trades", 0, 60)
    book = FakeBook(done=40, pause_s=0.01)
    async with serving(book) as address, archiving(tmp_path, address):
        await until(lambda: gaps(tmp_path) == [("run-1", None, 41, 60)])
        assert book.confirmed[0] == ("run-1", 40) and book.requests[0].after_window == 40
        book.done = 90
        await until(lambda: ("run-1", 90) in book.confirmed)
    # The fake book gives the same windows again.
    assert archived(tmp_path, "trades") == served("trades", 0, 90)
    assert gaps(tmp_path) == [("run-1", None, 41, 60)]


async def test_windows_that_the_book_lost_while_the_archiver_is_there_are_a_gap_at_once(tmp_path: Path) -> None:
    """It comes back behind them, and knows only of what it has: nothing later is asked for, and nothing later confirmed."""
    book = FakeBook(done=60, pause_s=0.01)
    async with serving(book) as address, archiving(tmp_path, address):
        await until(lambda: ("run-1", 60) in book.confirmed)
        book.done, book.breaks = 40, True
        await until(lambda: gaps(tmp_path) == [("run-1", None, 41, 60)] and book.requests[-1].after_window == 40)
        assert book.confirmed[-1] == ("run-1", 40)
        book.done = 90
        await until(lambda: ("run-1", 90) in book.confirmed)
    assert gaps(tmp_path) == [("run-1", None, 41, 60)]
    assert archived(tmp_path, "trades") == served("trades", 0, 90)


async def test_a_new_run_is_kept_beside_the_old_one(tmp_path: Path) -> None:
    """Each run has its partition; the lost end of the old one is a gap, and its row says how it ended."""
    book = FakeBook(done=30)
    async with serving(book) as address, archiving(tmp_path, address):
        await until(lambda: ("run-1", 30) in book.confirmed)
        book.run = "run-2"
        await until(lambda: ("run-2", 30) in book.confirmed)
    for run in ("run-1", "run-2"):
        assert archived(tmp_path, "quotes", run) == served("quotes", 0, 30), run
    assert gaps(tmp_path) == [("run-1", None, 31, None)]
    row = read_table(files(tmp_path, "runs/run=run-1/**/part.parquet")[0]).to_pylist()[0]
    assert row["ended"] == "lost: the run is gone" and row["seed"] == 42


async def test_a_run_that_ended_in_order_leaves_no_gap(tmp_path: Path) -> None:
    """A book that shut down has said all of its run: that another one does not know the run is no loss."""
    book = FakeBook(done=30)
    async with serving(book) as address, archiving(tmp_path, address):
        await until(lambda: bool(book.requests))
        book.ended = True
        await until(lambda: ("run-1", 30) in book.confirmed)
        book.run, book.ended = "run-2", False
        await until(lambda: ("run-2", 30) in book.confirmed)
    assert archived(tmp_path, "quotes") == served("quotes", 0, 30)
    assert gaps(tmp_path) == []
    row = read_table(files(tmp_path, "runs/run=run-1/**/part.parquet")[0]).to_pylist()[0]
    assert row["ended"] == "followed by run run-2"


@pytest.mark.parametrize("book_first", [True, False])
async def test_an_end_in_order_is_remembered(tmp_path: Path, book_first: bool) -> None:
    """Book and archiver shut down together, in either order, and come back: no gap."""
    book = FakeBook(done=30)
    async with serving(book) as address:
        async with archiving(tmp_path, address):
            await until(lambda: bool(book.requests))
            book.ended = True
            if book_first:
                await until(lambda: ("run-1", 30) in book.confirmed)
        book.run, book.ended = "run-2", False
        async with archiving(tmp_path, address):
            await until(lambda: ("run-2", 30) in book.confirmed)
    assert gaps(tmp_path) == []
    assert archived(tmp_path, "quotes") == served("quotes", 0, 30)


async def test_a_full_disk_costs_time_but_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing can be written the service is not ready and reads no further; afterwards all rows are there once."""
    book = FakeBook(done=100, pause_s=0.01)
    real, full = os.fsync, asyncio.Event()

    def fsync(descriptor: int) -> None:
        if full.is_set():
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    async with serving(book) as address, archiving(tmp_path, address) as service:
        await until(lambda: bool(book.confirmed))
        full.set()
        await until(lambda: not service.ready())
        full.clear()
        await until(lambda: ("run-1", 100) in book.confirmed)
        assert service.ready()
    for table in TABLES:
        assert archived(tmp_path, table) == served(table, 0, 100), table


async def test_a_goodbye_a_moment_later_is_heard(tmp_path: Path) -> None:
    """Where all are told to stop at once the archiver may be first: it waits for the book's word, and there is no gap."""
    book = FakeBook(done=30)
    async with serving(book) as address:
        async with archiving(tmp_path, address):
            await until(lambda: ("run-1", 30) in book.confirmed)
            book.says_goodbye_after = 4
        book.run, book.ended, book.says_goodbye_after = "run-2", False, None
        async with archiving(tmp_path, address):
            await until(lambda: ("run-2", 30) in book.confirmed)
    assert gaps(tmp_path) == []


async def test_a_run_and_a_gap_are_stored_at_once(tmp_path: Path) -> None:
    """Long before the first file is due: a crash then hides neither that there was a run nor what is lost of it."""
    book = FakeBook(done=60)
    book.forgotten = 29
    async with serving(book) as address, archiving(tmp_path, address, rotate_s=600):
        await until(lambda: gaps(tmp_path) == [("run-1", None, 0, 29)])
        assert files(tmp_path, "runs/run=run-1/**/part.parquet")


async def test_a_short_run_is_said_to_have_ended_in_order(tmp_path: Path) -> None:
    """Also where it ends before its first file is due."""
    book = FakeBook(done=10)
    async with serving(book) as address, archiving(tmp_path, address, rotate_s=600) as service:
        await until(lambda: service.stores()[0].used > 0)
        book.ended = True
    row = read_table(files(tmp_path, "runs/run=run-1/**/part.parquet")[0]).to_pylist()[0]
    assert row["ended"] == "in order"


@pytest.mark.parametrize("archiver_first", [True, False])
async def test_a_run_that_ended_in_order_has_its_tape_hash(tmp_path: Path, archiver_first: bool) -> None:
    """Each symbol's, with its window: whether the archiver was told to end first, or the stream ended under it."""
    book = FakeBook(done=10)
    book.tapes = {"BTC/USD": "ab", "ETH/USD": "cd"}
    async with serving(book) as address, archiving(tmp_path, address, rotate_s=600) as service:
        await until(lambda: service.stores()[0].used >= 10)
        if archiver_first:
            book.says_goodbye_after = 2
        else:
            book.ended = True
            await until(lambda: ("run-1", 10) in book.confirmed)
    assert run_rows(tmp_path) == [("in order", "ab", 10), ("in order", "cd", 10)]


async def test_a_run_that_is_taken_up_again_has_not_ended(tmp_path: Path) -> None:
    """A book with a journal goes on with the run that it ended in order; the next end has the next hash."""
    book = FakeBook(done=10)
    book.tapes = {"BTC/USD": "ab", "ETH/USD": "cd"}
    async with serving(book) as address, archiving(tmp_path, address):
        await until(lambda: bool(book.requests))
        book.ended = True
        await until(lambda: ("run-1", 10) in book.confirmed)
        book.done, book.ended = 20, False
        await until(lambda: ("run-1", 20) in book.confirmed)
        assert run_rows(tmp_path) == [(None, "ab", 10), (None, "cd", 10)]
        book.tapes = {"BTC/USD": "ef", "ETH/USD": "01"}
        book.ended = True
        await until(lambda: run_rows(tmp_path)[0][0] is not None)
    assert run_rows(tmp_path) == [("in order", "ef", 20), ("in order", "01", 20)]


def run_rows(root: Path) -> list[tuple[str | None, str | None, int | None]]:
    """How run-1 ended, its tape hash and of which window that is, by symbol."""
    rows = [read_table(path).to_pylist()[0] for path in files(root, "runs/run=run-1/**/part.parquet")]
    return [(row["ended"], row["tape_hash"], row["tape_window"]) for row in rows]
