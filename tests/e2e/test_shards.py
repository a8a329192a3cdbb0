"""Two order books, one engine, one edge, one archiver: each its own process, started as a cluster starts them."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from websockets.asyncio.client import connect

from marksim.runtime.channel import open_channel
from marksim.v1 import engine_pb2, engine_pb2_grpc
from tests.e2e.market import START_S, eventually, free_block

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

BTC, ETH = "BTC/USD", "ETH/USD"
SCENARIO = ["--scenario", "two-symbols"]


class Cluster:
    """The processes by name; each may be ended and started again with the same flags."""

    def __init__(self, directory: Path) -> None:
        self.archive = directory / "archive"
        self.log = directory / "log.txt"
        base = free_block(8)
        self.feed, self.engine = f"ws://127.0.0.1:{base + 5}", f"127.0.0.1:{base + 2}"
        books = ["--orderbook", f"127.0.0.1:{base},127.0.0.1:{base + 1}"]
        # Rows become files only when somebody asks for them: at the end of a stream, or of the archiver.
        archive = [*books, "--dir", str(self.archive), "--rotate-s", "600"]
        journal = ["--journal", str(directory / "journal")]
        shard = [*SCENARIO, *journal, "--shards", "2", "--grace-s", "30", "--shard"]
        self.flags = {
            "book-0": ["orderbook", *shard, "0", "--grpc-port", str(base)],
            "book-1": ["orderbook", *shard, "1", "--grpc-port", str(base + 1)],
            "engine": [*("engine", *SCENARIO, *books, "--state", str(directory / "engine")), "--grpc-port", str(base + 2)],
            "archiver": ["archiver", *archive, "--grpc-port", str(base + 3)],
            "edge": ["edge", *books, "--grpc-port", str(base + 4), "--port", str(base + 5)],
        }
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, *names: str) -> None:
        for name in names:
            service, *flags = self.flags[name]
            command = [sys.executable, "-m", f"marksim.{service}", *flags, "--http-port", "0"]
            with self.log.open("ab") as log:
                self.processes[name] = subprocess.Popen(command, stdout=log, stderr=log)

    def stop(self, name: str) -> None:
        """SIGTERM, as a rollout sends it."""
        self.processes[name].send_signal(signal.SIGTERM)

    async def ended(self, name: str) -> int:
        return await asyncio.to_thread(self.processes[name].wait, 35)

    async def status(self) -> engine_pb2.EngineStatus:
        async with open_channel(self.engine) as channel:
            stub = engine_pb2_grpc.EngineServiceStub(channel)
            return (await stub.GetStatus(engine_pb2.GetStatusRequest(), timeout=20)).status

    async def running(self, windows: int) -> str:
        """Wait until so many windows of a run are done; the run."""

        async def look() -> bool:
            with suppress(grpc.aio.AioRpcError):
                status = await self.status()
                return status.state == engine_pb2.CLOCK_STATE_RUNNING and status.windows >= windows
            return False

        await eventually(look, START_S)
        return (await self.status()).run

    def stored(self, run: str, symbol: str) -> int:
        """Up to which window everything of a symbol is in the archive; -1 for nothing."""
        newest = max(self.archive.glob("_log/*.json"), default=None)
        runs = json.loads(newest.read_text())["runs"] if newest else {}
        through: int = runs.get(run, {}).get("progress", {}).get(symbol, [-1])[0]
        return through


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """All of it, started; ended with the test."""
    running = Cluster(tmp_path)
    running.start(*running.flags)
    try:
        yield running
    finally:
        for process in running.processes.values():
            process.kill()
            process.wait()


async def ticks_of(url: str, seconds: float) -> list[dict[str, Any]]:
    """What a client gets in that time."""
    ticks = []
    async with connect(url) as websocket:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    ticks.append(json.loads(await websocket.recv()))
    return ticks


async def test_one_edge_has_the_ticks_of_both_shards_on_one_clock(cluster: Cluster) -> None:
    """Both symbols come, in the same run, and never more than a moment apart in simulated time."""
    run = await cluster.running(20)
    ticks = await ticks_of(f"{cluster.feed}/?fields=epoch", 4.0)
    newest: dict[str, int] = {}
    for tick in ticks:
        newest[tick["symbol"]] = tick["timestamp"]
        if len(newest) == 2:
            assert abs(newest[BTC] - newest[ETH]) < 5_000_000
    counts = {symbol: sum(tick["symbol"] == symbol for tick in ticks) for symbol in (BTC, ETH)}
    assert min(counts.values()) > 50, counts
    assert {tick["epoch"] for tick in ticks} == {run}
    assert [list(shard.symbols) for shard in (await cluster.status()).shards] == [[BTC], [ETH]]


async def test_a_book_that_is_rolled_loses_no_window_of_its_named_reader(cluster: Cluster) -> None:
    """It ends with 0 as soon as the archive has its last window; then the run goes on."""
    run = await cluster.running(100)
    cluster.stop("book-1")
    assert await cluster.ended("book-1") == 0
    last = (await cluster.status()).shards[1].last_window
    assert cluster.stored(run, ETH) == last >= 99
    cluster.start("book-1")

    async def goes_on() -> bool:
        status = await cluster.status()
        return status.run == run and status.windows > last + 20

    await eventually(goes_on)


async def test_a_book_that_is_rolled_with_its_reader_waits_for_it(cluster: Cluster) -> None:
    """A rollout of everything: the archiver that comes back gets what the old one did not see."""
    run = await cluster.running(100)

    async def is_read() -> bool:
        return "reading" in cluster.log.read_text() and "a run begins" in cluster.log.read_text()

    await eventually(is_read)
    cluster.stop("archiver")
    assert await cluster.ended("archiver") == 0
    before = cluster.stored(run, BTC)
    await cluster.running(before + 50)
    cluster.stop("book-0")
    cluster.start("archiver")
    assert await cluster.ended("book-0") == 0
    assert cluster.stored(run, BTC) == (await cluster.status()).shards[0].last_window >= before + 49
    assert "readers do not have the last window" not in cluster.log.read_text()
