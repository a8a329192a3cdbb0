"""Makes instruments, ticks and a fake order book for the tests of the edge."""

import asyncio
from collections.abc import AsyncIterator
from fractions import Fraction

import grpc
import grpc.aio

from marksim.codec import instrument_to_proto, tick_to_proto
from marksim.core.types import Instrument, Tick
from marksim.v1 import orderbook_pb2 as pb

START_NS = 1_703_123_456_000_000_000


def instrument(symbol: str = "BTC/USD") -> Instrument:
    base, quote = symbol.split("/")
    return Instrument(symbol, base, quote, Fraction(1, 2), Fraction(1, 1000), 100_000, 1, 1_000_000)


def tick(number: int, trades: int = 0) -> Tick:
    """Tick `number` with `trades` in total; prices move with the number."""
    return Tick(
        number,
        START_NS + number * 50_000_000,
        100_001,
        99_998 - number,
        1500,
        100_002 + number,
        2000,
        1_250_750,
        trades,
        9,
        1,
    )


class FakeBook:
    """Sends what the test puts into `messages`; None ends the stream. Keeps the requests."""

    def __init__(self) -> None:
        self.requests: list[pb.StreamTicksRequest] = []
        self.messages: asyncio.Queue[pb.StreamTicksResponse | None] = asyncio.Queue()
        self.address = ""
        self.port = 0
        self._server = grpc.aio.server()

    async def _stream(self, request: pb.StreamTicksRequest, context: object) -> AsyncIterator[pb.StreamTicksResponse]:
        self.requests.append(request)
        while (message := await self.messages.get()) is not None:
            yield message

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        handler = grpc.unary_stream_rpc_method_handler(
            self._stream,
            request_deserializer=pb.StreamTicksRequest.FromString,
            response_serializer=pb.StreamTicksResponse.SerializeToString,
        )
        service = grpc.method_handlers_generic_handler("marksim.v1.OrderBookService", {"StreamTicks": handler})
        self._server.add_generic_rpc_handlers((service,))
        self.port = self._server.add_insecure_port(f"{host}:{port}")
        self.address = f"{host}:{self.port}"
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop(None)

    def begin(self, run: str, *symbols: str) -> None:
        """The first message of a run that has no window yet."""
        listed = [instrument_to_proto(instrument(symbol)) for symbol in symbols or ("BTC/USD",)]
        started = pb.RunStarted(run=run, start_time_ns=START_NS, lookahead_ns=50_000_000, instruments=listed)
        self.messages.put_nowait(pb.StreamTicksResponse(run=run, run_started=started))

    def send(self, run: str, *ticks: Tick, symbol: str = "BTC/USD") -> None:
        """One message with the ticks, each of the window of its number."""
        frames = [pb.Frame(symbol=symbol, window=one.tick_number, tick=tick_to_proto(one)) for one in ticks]
        self.messages.put_nowait(pb.StreamTicksResponse(run=run, frames=frames, sent_time_us=1))
