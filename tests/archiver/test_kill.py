"""kill -9 at random moments, again and again: every row is in the archive, once."""

import asyncio
import random
import signal
import sys
from pathlib import Path

import pytest

from marksim.store.parquet import TABLES
from tests.archiver.contents import archived, files, served
from tests.archiver.fake_book import FakeBook, serving

SEED = 20_261_124
KILLS = 4
LAST = 600


async def start(root: Path, address: str) -> asyncio.subprocess.Process:
    flags = ["--orderbook", address, "--dir", str(root), "--rotate-s", "0.05", "--batch-interval-ms", "0"]
    ports = ["--grpc-port", "0", "--http-port", "0", "--log-level", "error"]
    return await asyncio.create_subprocess_exec(sys.executable, "-m", "marksim.archiver", *flags, *ports)


@pytest.mark.timeout(180)  # a process that is started five times on a busy machine
async def test_no_row_is_lost_or_doubled_by_kill_9(tmp_path: Path) -> None:
    """The archiver is killed in the middle of its work, started again, and at last stopped by SIGTERM with exit code 0."""
    print(f"seed {SEED}")
    moments = random.Random(SEED)
    book = FakeBook(done=LAST, pause_s=0.01)
    async with serving(book) as address, asyncio.timeout(150):
        for _ in range(KILLS):
            process = await start(tmp_path, address)
            confirmed = len(book.confirmed)
            while len(book.confirmed) < confirmed + 2:
                await asyncio.sleep(0.005)
            await asyncio.sleep(moments.uniform(0, 0.25))
            process.kill()
            await process.wait()
        process = await start(tmp_path, address)
        while ("run-1", LAST) not in book.confirmed:
            await asyncio.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(5):
            assert await process.wait() == 0
    for table in TABLES:
        assert archived(tmp_path, table) == served(table, 0, LAST), table
    assert not files(tmp_path, "gaps/**/*.parquet")
    assert not files(tmp_path, "**/.*.tmp")
    assert len(book.requests) == KILLS + 1
