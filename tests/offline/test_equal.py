"""In process and over gRPC the same happens: the tape hash is equal, and an archive holds the same rows."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pytest

from marksim.archiver.service import ArchiverService
from marksim.archiver.settings import ArchiverSettings
from marksim.core.feed.tape import run_hash
from marksim.engine.clock import Clock
from marksim.engine.run import Driver
from marksim.engine.shard import Shard
from marksim.offline import Result, simulate
from marksim.runtime.service import Lifecycle
from marksim.scenario import load_scenario
from marksim.scenario.group import group_of
from marksim.store.parquet import TABLES, read_table
from marksim.v1 import orderbook_pb2 as pb
from tests.orderbook.market import Market, served

DAY = (
    "instruments.BTC/USD.sessions=[{at: '00:00', state: continuous}, {at: '00:00:20', state: halted}, "
    "{at: '00:00:30', state: opening_auction}, {at: '00:00:50', state: continuous}]"
)


@asynccontextmanager
async def markets(shards: int, **settings: Any) -> AsyncIterator[list[Market]]:
    """The order books of a scenario."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(served(shards=shards, shard=str(shard), ring_mib=64, **settings))
            for shard in range(shards)
        ]


async def live(reference: str, overrides: list[str], seed: int, seconds: int, shards: int, archive: Path) -> str:
    """Run a scenario over gRPC as fast as it goes, with an archiver; returns the run's tape hash."""
    scenario = load_scenario(reference, overrides, seed)
    clock = Clock(None)
    clock.paused = True
    async with markets(shards, scenario=reference, set=overrides) as books:
        settings = ArchiverSettings(
            dir=archive, orderbook=[book.address for book in books], rotate_s=1.0, batch_interval_ms=0
        )
        archiver, lifecycle = ArchiverService(settings), Lifecycle("archiver", 4.0)
        archiving = asyncio.create_task(archiver.run(lifecycle))
        connections = [Shard(book.address) for book in books]
        driver = Driver(scenario, group_of(scenario, ()), clock, connections, lambda _: None)
        driving = asyncio.create_task(driver.drive())
        await clock.run_until(scenario.start_ns + seconds * 10**9, 0)
        while not (clock.paused and driver.windows):
            await asyncio.sleep(0.01)
        runs = [await book.stub.GetRun(pb.GetRunRequest()) for book in books]
        await clock.stop()
        await driving
        await driver.close()
        lifecycle.draining.set()
        for book in books:
            book.service.tape.end()
        await archiving
    assert {run.last_window for run in runs} == {seconds * 20 - 1}
    assert not driver.engine.failures
    return run_hash({tape.symbol: tape.hash for run in runs for tape in run.tapes})


def rows(archive: Path, table: str, symbol: str) -> pa.Table:
    """All rows of the only run in an archive, in the order of the files."""
    files = sorted(
        archive.glob(f"{table}/run=*/symbol={quote(symbol, safe='')}/date=*/*.parquet"), key=lambda path: path.name
    )
    return pa.concat_tables([read_table(path).drop_columns(["run"]) for path in files])


@pytest.mark.parametrize(
    ("reference", "overrides", "shards"),
    [("default", [], 1), ("default", [DAY], 1), ("two-symbols", [], 1), ("two-symbols", [], 2)],
    ids=["default", "with an auction", "two symbols", "two shards"],
)
async def test_the_tape_equals_the_one_made_over_grpc(
    reference: str, overrides: list[str], shards: int, tmp_path: Path
) -> None:
    """Byte for byte, whatever the sharding; and every table of the archive is the same row by row."""
    seconds = 130
    over_grpc = await live(reference, overrides, 11, seconds, shards, tmp_path / "live")
    result: Result = await asyncio.to_thread(
        simulate, reference, seed=11, until=f"{seconds}s", overrides=overrides, out=tmp_path / "offline"
    )
    assert result.tape_hash == over_grpc
    assert result.stats.trades > 100
    for symbol in result.tapes:
        for table in TABLES:
            offline = rows(tmp_path / "offline", table, symbol)
            assert offline.num_rows > 10, table
            assert offline.equals(rows(tmp_path / "live", table, symbol)), (symbol, table)
