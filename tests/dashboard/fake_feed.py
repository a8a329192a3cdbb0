"""A feed that the tests own: a WebSocket server with seeded ticks, which can be stopped and started on the same port."""

import asyncio
import random
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import orjson
from websockets.asyncio.server import Server, ServerConnection, serve

START_US = 1_767_225_600_000_000  # 2026-01-01 00:00:00 UTC
STEP_US = 50_000


def frame(**changes: object) -> dict[str, object]:
    """One correct message of the feed, with the given keys replaced."""
    return {
        "timestamp": START_US,
        "symbol": "BTC/USD",
        "last_price": 50_000.5,
        "bid_price": 50_000.0,
        "ask_price": 50_001.0,
        "bid_size": 1.5,
        "ask_size": 2.0,
        "volume_24h": 10.0,
        "trade_count": 0,
        "seq": 1,
        "prev_seq": 0,
        "epoch": "run-a",
        "sent_at_us": 0,
    } | changes


def text(**changes: object) -> bytes:
    """The same as JSON."""
    return orjson.dumps(frame(**changes))


def random_walk(symbol: str, price: float, seed: int, epoch: str = "run-a") -> Iterator[dict[str, object]]:
    """Endless frames of one symbol from a seed, one per 50 ms of simulated time."""
    source = random.Random(f"{seed}:{symbol}")
    cents, volume, seq = round(price * 100), 0.0, 0
    bid_size, ask_size = 1.5, 2.0
    step = max(1, round(price / 40_000 * 100))
    while True:
        seq += 1
        trades = max(0, round(source.gauss(0.4, 1.2)))
        if trades:
            cents += round(source.gauss(0, 6) * step)
            volume += trades * source.uniform(0.01, 0.4)
        half = step * source.choice((2, 2, 3, 4, 6))
        bid_size = max(0.05, 0.92 * bid_size + 0.08 * source.expovariate(0.5))
        ask_size = max(0.05, 0.92 * ask_size + 0.08 * source.expovariate(0.5))
        yield frame(
            timestamp=START_US + seq * STEP_US,
            symbol=symbol,
            last_price=cents / 100,
            bid_price=(cents - half) / 100,
            ask_price=(cents + half) / 100,
            bid_size=round(bid_size, 4),
            ask_size=round(ask_size, 4),
            volume_24h=round(volume, 4),
            trade_count=trades,
            seq=seq,
            prev_seq=seq - 1,
            epoch=epoch,
        )


class FakeFeed:
    """Sends every client the same frames; `say` sends one by hand. Used as `async with FakeFeed() as feed`."""

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self.paths: list[str] = []
        self._server: Server | None = None
        self._arrived = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._server = await serve(self._greet, "127.0.0.1", self.port)
        self.port = next(iter(self._server.sockets)).getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def address(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    async def stop(self) -> None:
        """Close every connection and the port."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    async def client(self) -> None:
        """Wait until somebody is connected."""
        async with asyncio.timeout(10):
            await self._arrived.wait()

    async def say(self, message: str | bytes) -> None:
        """Send one message to every client, as text."""
        assert self._server is not None
        for connection in self._server.connections:
            await connection.send(message, text=True)

    async def play(self, walks: list[Iterator[dict[str, object]]], ticks_per_s: float) -> None:
        """Send one frame of each walk at this rate until cancelled."""
        loop = asyncio.get_running_loop()
        begun, sent = loop.time(), 0
        while True:
            due = int((loop.time() - begun) * ticks_per_s)
            for _ in range(due - sent):
                for walk in walks:
                    await self.say(orjson.dumps(next(walk) | {"sent_at_us": time.time_ns() // 1_000}))
            sent = due
            await asyncio.sleep(0.02)

    async def _greet(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.paths.append(connection.request.path)
        self._arrived.set()
        await connection.wait_closed()
        self._arrived.clear()
