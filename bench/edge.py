"""How many ticks a second one edge process fans out, against `websockets.broadcast()` on the same sockets in the same run.

Clients live in a second process, which only reads. Both ways send such messages to the same connections and wait for the
clients' buffers to drain, so neither may hide its work in memory.
"""

import asyncio
import multiprocessing
import time
from collections.abc import Callable
from fractions import Fraction
from multiprocessing.connection import Connection

import uvloop
from websockets.asyncio.client import connect
from websockets.asyncio.server import broadcast

from bench.report import Report
from marksim.core.types import Instrument, Tick
from marksim.edge.board import Board
from marksim.edge.message import Scale, Update, encode
from marksim.edge.server import FeedServer
from marksim.edge.settings import EdgeSettings

TICKS_PER_FLUSH = 34
"""1,700 ticks a second in flushes of 20 ms: eight symbols at ten times real speed."""
SYMBOL = "BTC/USD"
INSTRUMENT = Instrument(SYMBOL, "BTC", "USD", Fraction(1, 2), Fraction(1, 1000), 100_000, 1, 1_000_000)


def tick(number: int) -> Tick:
    """A tick like those of a busy book."""
    return Tick(
        number, number * 50_000_000, 100_001, 99_998 - number % 7, 1_500, 100_003, 2_000, 1_250_750, 3 * number, 9, 1
    )


def read_all(port: int, clients: int, pipe: Connection) -> None:
    """The second process: connect, say so, and throw away whatever comes."""

    async def run() -> None:
        connections = [
            await connect(f"ws://127.0.0.1:{port}/", compression=None, ping_interval=None) for _ in range(clients)
        ]
        for connection in connections:
            # Parsing in Python would measure the client: from here on bytes are dropped as they come.
            connection.transport.set_protocol(asyncio.Protocol())
        pipe.send("ready")
        await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
        for connection in connections:
            connection.transport.abort()

    uvloop.run(run())


async def settle(server: FeedServer) -> None:
    """Until no client's transport is above its mark."""
    await asyncio.sleep(0)
    for connection in server.open_connections:
        await connection.drain()


async def measure(server: FeedServer, seconds: float, send: Callable[[], None]) -> float:
    """Ticks a second over all clients; `send` sends TICKS_PER_FLUSH to everyone."""
    rounds, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        send()
        rounds += 1
        await settle(server)
    return rounds * TICKS_PER_FLUSH * server.clients / (time.perf_counter() - started)


async def compare(clients: int, seconds: float) -> tuple[float, float]:
    """Ticks a second of the edge and of `broadcast()`."""
    board = Board(1_024)
    board.list_instrument(INSTRUMENT)
    server = FeedServer(EdgeSettings(port=0), board)
    await server.start()
    here, there = multiprocessing.Pipe()
    reader = multiprocessing.get_context("spawn").Process(target=read_all, args=(server.port, clients, there), daemon=True)
    reader.start()
    await asyncio.get_running_loop().run_in_executor(None, here.recv)
    numbers = iter(range(1, 1 << 60))

    def by_edge() -> None:
        for _ in range(TICKS_PER_FLUSH):
            board.put(SYMBOL, "run", tick(next(numbers)))
        server.fanout.flush(time.monotonic())

    def by_broadcast() -> None:
        connections = server.open_connections
        for _ in range(TICKS_PER_FLUSH):
            update = Update(SYMBOL, "run", tick(next(numbers)), 0, scale)
            broadcast(connections, encode(update, None), text=True)

    scale = Scale.of(INSTRUMENT)
    # In turns, so that a machine that slows down slows both.
    results = [(await measure(server, seconds / 4, by_edge), await measure(server, seconds / 4, by_broadcast)) for _ in "ab"]
    assert server.fanout.late == 0, "a client was conflated, so fewer ticks were sent than counted"
    here.send("end")
    await server.stop()
    await asyncio.get_running_loop().run_in_executor(None, reader.join, 5)
    return sum(edge for edge, _ in results) / 2, sum(peer for _, peer in results) / 2


def fan_out(report: Report, clients: int = 200, seconds: float = 8.0) -> None:
    """The table of both ways."""
    edge, peer = uvloop.run(compare(clients, seconds))
    report.heading(f"Ticks a second to {clients} WebSocket clients")
    report.table(["edge", "broadcast()", "ratio"], [[f"{edge:,.0f}", peer, edge / peer]])
