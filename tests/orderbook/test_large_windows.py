"""The largest window that Trade takes can be answered, read from the journal, and streamed, all over real gRPC."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio
import numpy as np

from marksim.codec import decode_columns, encode_columns
from marksim.core.types import COMMAND, EXECUTION, CommandKind, OrderType, Records, Side, TimeInForce
from marksim.runtime.channel import CHANNEL_OPTIONS
from marksim.runtime.serve import MAX_REQUEST_BYTES, SERVER_OPTIONS
from marksim.v1 import orderbook_pb2 as pb
from marksim.v1 import orderbook_pb2_grpc, types_pb2
from tests.orderbook.market import LOOKAHEAD_NS, START_NS
from tests.orderbook.recorded_market import recorded
from tests.orderbook.test_presence import stopping

SCALE: Final = 32
"""By which gRPC's bounds are smaller here, so that it is quick: what comes of a window is in proportion to what goes in."""
ORDER_BYTES: Final = 44
"""Of an order in a request, with no column that is not needed."""
FRAMING: Final = 1_024
"""Bytes of a request, at most, beside its orders."""
ALL_PARTS: Final = (
    pb.FRAME_PART_TICKS,
    pb.FRAME_PART_TRADES,
    pb.FRAME_PART_QUOTES,
    pb.FRAME_PART_DEPTH,
    pb.FRAME_PART_EXECUTIONS,
)


def scaled(options: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
    return [(key, value // SCALE if key == "grpc.max_receive_message_length" else value) for key, value in options]


def pairs(count: int) -> Records:
    """Orders of which each second one trades with the one before, so that much comes of each."""
    rows: Records = np.zeros(count, COMMAND)
    second = np.arange(count) % 2
    rows["time_ns"] = START_NS + LOOKAHEAD_NS // 2
    rows["serial"], rows["account"] = np.arange(1, count + 1), 1 + second
    rows["kind"], rows["side"] = CommandKind.NEW, np.where(second, Side.BUY, Side.SELL)
    rows["order_type"], rows["time_in_force"] = OrderType.LIMIT, TimeInForce.GTC
    rows["price_ticks"], rows["quantity_lots"] = 100_000, 1
    return rows


def window_of(orders: int, symbols: Sequence[str]) -> pb.TradeRequest:
    """Window 0 with so many orders of each symbol, in as few bytes as they can be sent."""
    columns = encode_columns(pairs(orders), types_pb2.CommandColumns)
    for field, data in columns.ListFields():
        if isinstance(data, bytes) and not any(data):
            columns.ClearField(field.name)
    commands = [pb.SymbolCommands(symbol=symbol, commands=columns) for symbol in symbols]
    return pb.TradeRequest(window=pb.WindowCommands(window=0, commands=commands))


async def frames(stub: Any) -> Sequence[pb.Frame]:
    """The first frames that a lossless reader gets, with all that there is."""
    call = stub.StreamTicks(pb.StreamTicksRequest(reader="archive", after_window=-1, parts=ALL_PARTS))
    async for message in call:
        assert not message.HasField("gap")
        if message.frames:
            call.cancel()
            return list(message.frames)
    raise AssertionError("the stream ended")


async def test_the_largest_window_comes_back(tmp_path: Path) -> None:
    """With what came of it, which is several times as much: to the engine, to one that recovers, and to the archiver."""
    server = grpc.aio.server(options=scaled(SERVER_OPTIONS))
    async with recorded(tmp_path, scenario="two-symbols") as market, stopping(server):
        market.service.register(server)
        address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        await server.start()
        symbols = market.service.tape.symbols
        orders = (MAX_REQUEST_BYTES // SCALE - FRAMING) // ORDER_BYTES // len(symbols) // 2 * 2
        async with grpc.aio.insecure_channel(address, options=scaled(CHANNEL_OPTIONS)) as channel:
            stub = orderbook_pb2_grpc.OrderBookServiceStub(channel)
            market.stub = stub
            engine = await market.engine()
            await engine.send(window_of(orders + 100, symbols))
            assert await engine.call.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
            engine = await market.engine(term=2)
            await engine.send(window_of(orders, symbols))
            answer = (await engine.call.read()).result
            executions = [decode_columns(part.executions, EXECUTION) for part in answer.results]
            assert [len(rows) for rows in executions] == [orders * 3 // 2] * len(symbols)
            (kept,) = [
                window
                async for response in stub.ReadWindows(pb.ReadWindowsRequest(run=market.run, first_window=0))
                for window in response.windows
            ]
            assert list(kept.results) == list(answer.results)
            assert [frame.executions for frame in await frames(stub)] == [part.executions for part in answer.results]
