"""kill -9 of each service of a whole market: what goes on, what comes back, what is lost."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from websockets.asyncio.client import ClientConnection, connect

from marksim.v1 import engine_pb2
from tests.e2e.market import Market, eventually, running_market

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

# Files within a second, so that a killed archiver has both stored and unstored windows behind it.
QUICK_ARCHIVE = {"MARKSIM_ARCHIVER__ROTATE_S": "1"}


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    """One market for all kills but the archiver's, each of which leaves it running."""
    with running_market(tmp_path_factory.mktemp("kills"), environment=QUICK_ARCHIVE) as running:
        yield running


async def returned(market: Market, service: str, killed: int) -> None:
    """Wait until another process stands for the killed one."""

    async def look() -> bool:
        return market.pid_of(service) not in (None, killed)

    await eventually(look)


async def windows_after(market: Market, windows: int) -> engine_pb2.EngineStatus:
    """Wait until the clock has done more than so many windows of its run."""

    async def look() -> bool:
        return (await market.status()).windows > windows

    await eventually(look)
    return await market.status()


async def next_tick(websocket: ClientConnection) -> dict[str, Any]:
    """The next tick, as read from JSON."""
    tick: dict[str, Any] = json.loads(await asyncio.wait_for(websocket.recv(), 60))
    return tick


async def test_market_goes_on_without_edge(market: Market) -> None:
    """A killed edge does not touch the market: the same run goes on, the edge returns, and consumers can come back."""
    before = await market.running()
    killed = market.kill("edge")
    during = await windows_after(market, before.windows + 20)
    await returned(market, "edge", killed)

    async def connects() -> bool:
        try:
            async with connect(market.url) as websocket:
                return bool(await next_tick(websocket))
        except OSError:
            return False

    await eventually(connects)
    assert during.run == before.run == (await market.status()).run
    assert "edge ended (signal SIGKILL)" in market.output


async def test_archive_has_no_gap_after_kill(tmp_path: Path) -> None:
    """A killed archiver goes on where it was: no tick is missing in the Parquet files, and none twice."""
    with running_market(tmp_path, environment=QUICK_ARCHIVE) as market:
        before = await market.running()
        archive = market.data_dir / "archive"

        async def has_files() -> bool:
            return len(list(archive.rglob("*.parquet"))) > 0

        await eventually(has_files)
        killed = market.kill("archiver")
        await returned(market, "archiver", killed)
        after = await windows_after(market, (await market.status()).windows + 200)
        assert after.run == before.run
        assert await asyncio.to_thread(market.end) == 0
    query = "SELECT count(*), count(DISTINCT tick_number), min(tick_number), max(tick_number)"
    ticks = duckdb.connect().execute(f"{query} FROM read_parquet('{archive}/ticks/**/*.parquet') GROUP BY symbol").fetchall()
    assert not list(archive.glob("gaps/**/*.parquet"))
    assert ticks
    for rows, distinct, first, last in ticks:
        assert (rows, distinct, first) == (last, last, 1)


@pytest.mark.parametrize("service", ["orderbook", "engine"])
async def test_the_run_goes_on_after_a_kill(market: Market, service: str) -> None:
    """A killed order book or engine comes back to the same run; consumers stay connected, their ticks go on in order."""
    run, term = (before := await market.running()).run, before.term
    async with connect(f"{market.url}/?fields=epoch,seq") as websocket:
        first = await next_tick(websocket)
        killed = market.kill(service)
        await returned(market, service, killed)
        after = await windows_after(market, before.windows + 40)
        seen = [await next_tick(websocket) for _ in range(200)]
    assert {tick["epoch"] for tick in (first, *seen)} == {run}
    for symbol in {tick["symbol"] for tick in seen}:
        numbers = [tick["seq"] for tick in seen if tick["symbol"] == symbol]
        assert numbers == sorted(set(numbers))
    assert after.run == run
    assert after.runs == (0 if service == "engine" else before.runs), "begun by this process"
    assert after.term > term if service == "engine" else after.term == term
