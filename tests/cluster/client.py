"""What a user's programs see of a release: ticks, the engine's status, grpcurl."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from marksim.runtime.channel import open_channel
from marksim.v1 import engine_pb2, engine_pb2_grpc
from tests.cluster.kube import Json, Release, StepFailed, call, need, port_forward


async def grpcurl(port: int, *arguments: str, data: Json = None) -> str:
    """What grpcurl prints of a call, or of `list` and `describe`, to a forwarded port."""
    body = () if data is None else ("-d", json.dumps(data))
    return await call("grpcurl", "-plaintext", "-max-time", "30", *body, f"127.0.0.1:{port}", *arguments, within_s=60)


async def status(release: Release) -> engine_pb2.EngineStatus:
    """What the engine says of its clock."""
    engine = await release.object("service", "engine")
    async with port_forward(release.namespace, engine, 50052) as port, open_channel(f"127.0.0.1:{port}") as channel:
        stub = engine_pb2_grpc.EngineServiceStub(channel)
        return (await stub.GetStatus(engine_pb2.GetStatusRequest(), timeout=20, wait_for_ready=True)).status


async def read_ticks(port: int, count: int, query: str = "") -> list[Json]:
    """The next ticks of an edge behind a forwarded port."""
    async with connect(f"ws://127.0.0.1:{port}/{query}", open_timeout=20) as websocket:
        return [json.loads(await asyncio.wait_for(websocket.recv(), 30)) for _ in range(count)]


class Consumer:
    """A program that reads for as long as the test lasts, and reconnects as any good one does."""

    def __init__(self, release: Release) -> None:
        self.release = release
        self.ticks = 0
        self.connections = 0
        self.epochs: list[str] = []

    async def resumes(self, within_s: float = 60.0) -> None:
        """Wait until more ticks come; StepFailed where they do not."""
        before = self.ticks
        async with asyncio.timeout(within_s):
            while self.ticks < before + 20:
                await asyncio.sleep(0.2)

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            # Also a handshake that a pod on its way out cuts off.
            with suppress(OSError, WebSocketException, TimeoutError, StepFailed):
                edge = await self.release.object("service", "edge")
                async with port_forward(self.release.namespace, edge, 8765) as port:
                    await self._read(port)
            await asyncio.sleep(0.5)

    async def _read(self, port: int) -> None:
        async with connect(f"ws://127.0.0.1:{port}/?fields=epoch", open_timeout=10) as websocket:
            self.connections += 1
            while True:
                # A port-forward to a pod that has gone stays open and silent.
                tick = json.loads(await asyncio.wait_for(websocket.recv(), 5))
                self.ticks += 1
                if tick["epoch"] not in self.epochs:
                    self.epochs.append(tick["epoch"])


@asynccontextmanager
async def consuming(release: Release) -> AsyncIterator[Consumer]:
    """A consumer that reads beside what is done to the release."""
    consumer = Consumer(release)
    reading = asyncio.create_task(consumer.run())
    try:
        yield consumer
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading


ARCHIVE_QUERY = """
import json, pathlib, sys
import pyarrow.parquet as pq
archive = pathlib.Path(sys.argv[1])
numbers = {}
for path in archive.glob('ticks/**/*.parquet'):
    run, symbol = (part.partition('=')[2] for part in path.parts[-4:-2])
    column = pq.ParquetFile(path).read(columns=['tick_number'])[0]
    numbers.setdefault((run, symbol), []).extend(column.to_pylist())
rows = [[*key, len(found), len(set(found)), min(found), max(found)] for key, found in numbers.items()]
print(json.dumps({'runs': rows, 'gaps': len(list(archive.glob('gaps/**/*.parquet')))}))
"""


async def check_archive(release: Release) -> str:
    """Tick numbers of every run in the archive are dense from 1, none twice, and no gap is recorded."""
    (pod,) = await release.pods("archiver")
    told = json.loads(await release.execute(pod["metadata"]["name"], "python", "-c", ARCHIVE_QUERY, "/archive"))
    need(told["runs"], "the archive has no ticks")
    total = 0
    for run, symbol, rows, distinct, first, last in told["runs"]:
        need(rows == distinct, f"run {run} {symbol}: {rows - distinct} ticks are there twice")
        need(rows == last - first + 1 and first == 1, f"run {run} {symbol}: {rows} ticks, numbered {first} to {last}")
        total += rows
    need(told["gaps"] == 0, f"{told['gaps']} files of gaps")
    return f"{total} ticks of {len({row[0] for row in told['runs']})} runs, none missing, none twice"
