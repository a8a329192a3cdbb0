"""Windows of orders from an engine to a real order book process over gRPC, beside a bare echo of messages of the same sizes.

Two processes on loopback, in lock step as always: this one is the engine, the other the order book service. The first table
has the engine's side of the wire alone (`engine.shard.Shard`: columns encoded, sent, the answer decoded) for commands that
were made before; the second has the whole driver with the populations that send them. The echo, a third process, sends bytes
back and looks at none. It takes turns with the order book, so that a machine that slows down slows both.
"""

import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any, Final

import grpc
import grpc.aio
import numpy as np
import uvloop

from bench.grpc_unary import LOOKAHEAD_NS, START_NS, free_port, order_book, other_process, serve_echo
from bench.mixes import BTC, MIXES, stream_of
from bench.report import Report
from marksim.codec import encode_columns
from marksim.core.types import COMMAND, Records
from marksim.engine.clock import Clock
from marksim.engine.run import Driver
from marksim.engine.shard import Shard
from marksim.runtime.channel import open_channel
from marksim.scenario import load_scenario
from marksim.scenario.group import group_of
from marksim.v1 import orderbook_pb2 as pb
from marksim.v1 import types_pb2

ECHO: Final = "/bench.Echo/Windows"
SIZES: Final = (1_000, 100, 0)
TURNS: Final = 5
TRADERS: Final = {"1,000": 20_000, "100": 1_800}
"""By the orders in a window, about: traders of noise, each of whom sends one a second. Makers send some, too."""
SCENARIO: Final = """schema: 1
name: wire
instruments:
  - {symbol: BTC/USD, tick_size: "0.5", lot_size: "0.001", reference_price: "50000", min_price: "0.5", max_price: "200000"}
"""
POPULATIONS: Final = """populations:
  - {{name: makers, type: market_maker, traders: 12, params: {{interval_s: 0.4}}}}
  - {{name: providers, type: liquidity_provider, traders: 40}}
  - {{name: noise, type: noise, traders: {traders}, params: {{interval_s: 1, patience_s: 2}}}}
"""


@dataclass(frozen=True)
class Measured:
    """Rates are medians over turns."""

    windows: float
    """A second."""
    echoes: float
    """Round trips a second of as many bytes."""
    request_bytes: int
    answer_bytes: int


@contextmanager
def written(text: str) -> Iterator[str]:
    """A scenario file, for as long as the block runs."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "wire.yaml").write_text(text, encoding="utf-8")
        yield str(Path(folder, "wire.yaml"))


def windows_of(size: int, count: int, first: int, commands: Iterator[Records]) -> list[Records]:
    """So many windows of so many commands each, at even times."""
    made = []
    for window in range(first, first + count):
        rows = next(commands) if size else np.zeros(0, COMMAND)
        rows["time_ns"] = START_NS + window * LOOKAHEAD_NS + np.arange(size) * LOOKAHEAD_NS // max(size, 1)
        made.append(rows)
    return made


def cut(rows: Records, size: int) -> Iterator[Records]:
    """Copies of the rows, so many at a time."""
    for at in range(0, len(rows) - size + 1, size):
        yield rows[at : at + size].copy()


def echo(port: int, pipe: Connection) -> None:
    """The echo's process: as many bytes back as the first four say."""

    async def windows(requests: AsyncIterator[bytes], _: object) -> AsyncIterator[bytes]:
        answer = b""
        async for request in requests:
            size = int.from_bytes(request[:4], "little")
            answer = answer if len(answer) == size else bytes(size)
            yield answer

    uvloop.run(serve_echo(port, {"Windows": grpc.stream_stream_rpc_method_handler(windows)}, pipe))


@asynccontextmanager
async def trading(port: int) -> AsyncIterator[Shard]:
    """A run on the order book."""
    shard = Shard(f"127.0.0.1:{port}")
    term = 1 + (await shard.present()).term
    opening = pb.OpenRun(
        run=str(uuid.uuid4()),
        term=term,
        instance="bench",
        scenario_hash=shard.scenario_hash,
        seed=1,
        start_time_ns=START_NS,
        lookahead_ns=LOOKAHEAD_NS,
    )
    await shard.open(opening)
    try:
        yield shard
    finally:
        await shard.close()


async def traded(shard: Shard, first: int, windows: Sequence[Records]) -> float:
    """Windows a second."""
    began = time.perf_counter()
    for number, rows in enumerate(windows):
        await shard.trade(first + number, {BTC.symbol: rows} if len(rows) else {})
    return len(windows) / (time.perf_counter() - began)


async def echoed(call: Any, request: bytes, answer_bytes: int, count: int) -> float:
    """Round trips a second."""
    message = answer_bytes.to_bytes(4, "little") + request[4:]
    began = time.perf_counter()
    for _ in range(count):
        await call.write(message)
        await call.read()
    return count / (time.perf_counter() - began)


async def answer_size(port: int, windows: Sequence[Records]) -> int:
    """Bytes of the answer to the last of these windows, in a run of their own."""
    async with trading(port) as shard:
        sizes: list[int] = []
        exchange = shard._exchange  # noqa: SLF001 - the one place that sees the message itself

        async def noted(request: pb.TradeRequest) -> pb.WindowResult:
            result = await exchange(request)
            sizes.append(result.ByteSize())
            return result

        shard._exchange = noted  # type: ignore[method-assign]  # noqa: SLF001
        await traded(shard, 0, windows)
    return sizes[-1]


def request_of(rows: Records) -> bytes:
    """The message that carries these commands."""
    columns = encode_columns(rows, types_pb2.CommandColumns)
    part = pb.SymbolCommands(symbol=BTC.symbol, commands=columns)
    return pb.TradeRequest(window=pb.WindowCommands(window=1_000, commands=[part] if len(rows) else [])).SerializeToString()


async def measure(file: str, size: int, count: int, turns: int) -> Measured:
    """So many windows of so many orders, in turns with the echo."""
    stream = stream_of(MIXES["churn"], max(size, 1) * count * (turns + 1), 1)
    before = [window for part in stream.parts if not part.timed for window in cut(part.commands, 1_000)]
    commands = (window for part in stream.parts if part.timed for window in cut(part.commands, size or 1))
    opening = windows_of(1_000, len(before), 0, iter(before))
    first = windows_of(size, count, len(opening), commands)
    request = request_of(first[-1])
    rates, echoes = [], []
    async with (
        order_book("--scenario", file) as port,
        other_process(echo, echo_port := free_port()),
        open_channel(f"127.0.0.1:{echo_port}") as channel,
    ):
        answer_bytes = await answer_size(port, opening + first)
        call: Any = channel.stream_stream(ECHO)()
        async with trading(port) as shard:
            await traded(shard, 0, opening + first)
            for turn in range(1, turns + 1):
                number = len(opening) + turn * count
                rates.append(await traded(shard, number, windows_of(size, count, number, commands)))
                echoes.append(await echoed(call, request, answer_bytes, count))
        await call.done_writing()
    return Measured(median(rates), median(echoes), len(request), answer_bytes)


@dataclass(frozen=True)
class Driven:
    """What a driver with populations did, a wall second, and where its time went."""

    windows: float
    orders: float
    populations_share: float
    book_share: float


async def drive(file: str, windows: int) -> Driven:
    """So many windows of a scenario, after as many that are not counted."""
    scenario, clock = load_scenario(file), Clock(None)
    seen: list[tuple[float, ...]] = []

    def note(_: float) -> None:
        if driver.windows % windows == 0:
            spent = driver.populations_s, driver.book_s
            seen.append((time.perf_counter(), float(driver.engine.orders_sent), *spent))
            clock.stopping = len(seen) == 2

    async with order_book("--scenario", file) as port:
        driver = Driver(scenario, group_of(scenario, ()), clock, [Shard(f"127.0.0.1:{port}")], note)
        await driver.drive()
        await driver.close()
    wall_s, orders, populations_s, book_s = (last - first for first, last in zip(*seen, strict=True))
    return Driven(windows / wall_s, orders / wall_s, populations_s / wall_s, book_s / wall_s)


def engine_to_book(report: Report, windows: int = 200, turns: int = TURNS, sizes: Sequence[int] = SIZES) -> None:
    """The table over sizes of window."""
    table: list[list[str | float]] = []
    for size in sizes:
        with written(SCENARIO) as file:
            seen = uvloop.run(measure(file, size, windows, turns))
        ratio = seen.echoes / seen.windows
        wire = f"{seen.request_bytes:,} and {seen.answer_bytes:,}"
        table.append([f"{size:,}, {wire}", seen.windows, seen.windows * size, seen.echoes, ratio])
    report.heading("Windows of orders over gRPC, engine and order book on a core each")
    columns = ["orders in a window, bytes there and back", "windows/s", "orders/s", "bare echoes/s", "times an echo"]
    report.table(columns, table)
    driven: list[list[str | float]] = []
    for name, traders in TRADERS.items():
        with written(SCENARIO + POPULATIONS.format(traders=traders)) as file:
            did = uvloop.run(drive(file, windows))
        shares = did.populations_share, did.book_share
        driven.append([f"{name}, {traders:,} traders", did.windows, did.orders, *shares])
    report.heading("The same with the populations that send them, and all of the engine")
    columns = ["orders in a window, about", "windows/s", "orders/s", "share of populations"]
    report.table([*columns, "share of waiting for the book"], driven)
