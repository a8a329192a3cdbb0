"""A real order book server on a free loopback port, and an engine that says what a test wants."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
import numpy as np
from google.rpc import error_details_pb2, status_pb2

from marksim.codec import encode_columns
from marksim.core.types import COMMAND, CommandKind, OrderType, Side, TimeInForce
from marksim.orderbook.service import OrderBookService
from marksim.orderbook.settings import OrderBookSettings
from marksim.runtime.errors import ErrorInterceptor
from marksim.v1 import orderbook_pb2 as pb
from marksim.v1 import orderbook_pb2_grpc, types_pb2

SYMBOL = "BTC/USD"
START_NS = 1_736_121_600_000_000_000
LOOKAHEAD_NS = 50_000_000
WAIT_S = 5.0


def limit(serial: int, side: Side, ticks: int, lots: int, account: int = 1) -> dict[str, int]:
    """A limit order of an agent."""
    return {
        "account": account,
        "serial": serial,
        "kind": CommandKind.NEW,
        "side": side,
        "order_type": OrderType.LIMIT,
        "time_in_force": TimeInForce.GTC,
        "price_ticks": ticks,
        "quantity_lots": lots,
    }


def window(number: int, *rows: dict[str, int], symbol: str = SYMBOL) -> pb.TradeRequest:
    """A window with these commands, all in its middle."""
    commands = np.zeros(len(rows), COMMAND)
    commands["time_ns"] = START_NS + number * LOOKAHEAD_NS + LOOKAHEAD_NS // 2
    for command, row in zip(commands, rows, strict=True):
        for name, value in row.items():
            command[name] = value
    part = pb.SymbolCommands(symbol=symbol, commands=encode_columns(commands, types_pb2.CommandColumns))
    return pb.TradeRequest(window=pb.WindowCommands(window=number, commands=[part] if rows else []))


@dataclass
class Engine:
    """One Trade stream."""

    call: Any
    opened: pb.RunOpened = field(default_factory=pb.RunOpened)

    async def send(self, request: pb.TradeRequest) -> None:
        await self.call.write(request)

    async def answer(self) -> pb.TradeResponse:
        async with asyncio.timeout(WAIT_S):
            response = await self.call.read()
        if response is grpc.aio.EOF:
            raise AssertionError(f"the stream ended: {await self.call.code()} {await self.call.details()}")
        assert isinstance(response, pb.TradeResponse)
        return response

    async def window(self, number: int, *rows: dict[str, int]) -> pb.WindowResult:
        """Do a window."""
        await self.send(window(number, *rows))
        return (await self.answer()).result

    async def pause(self, paused: bool = True) -> None:
        await self.send(pb.TradeRequest(pace=pb.Pace(paused=paused)))

    async def refusal(self) -> tuple[grpc.StatusCode, str, dict[str, str]]:
        """Code, reason and facts of the stream's end."""
        async with asyncio.timeout(WAIT_S):
            with suppress(grpc.aio.AioRpcError):
                while await self.call.read() is not grpc.aio.EOF:
                    pass
            code = await self.call.code()
            info = error_info(await self.call.trailing_metadata())
        return code, info.reason, dict(info.metadata)


@dataclass
class Market:
    """The service, a client of it, and its run."""

    service: OrderBookService
    server: grpc.aio.Server
    port: int
    stub: Any
    running: "asyncio.Task[None] | None" = None
    """The service's own work, where a test lets it do that."""
    run: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def stop(self) -> None:
        """End the service before its block does."""
        self.service.tape.end()
        await self.server.stop(0.2)

    async def engine(self, run: str | None = None, term: int = 1, instance: str = "engine-a", **changed: Any) -> Engine:
        """Open Trade and wait for the answer."""
        engine = await self.knock(run, term, instance, **changed)
        engine.opened = (await engine.answer()).opened
        return engine

    async def knock(self, run: str | None = None, term: int = 1, instance: str = "engine-a", **changed: Any) -> Engine:
        """Open Trade; the answer is the test's to read."""
        facts: dict[str, Any] = {
            "run": run or self.run,
            "term": term,
            "instance": instance,
            "scenario_hash": self.service.sequencer.scenario_hash,
            "seed": 7,
            "start_time_ns": START_NS,
            "lookahead_ns": LOOKAHEAD_NS,
        }
        engine = Engine(self.stub.Trade())
        # A book that refuses every engine may have done so before this one has said a word; the answer tells.
        with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            await engine.send(pb.TradeRequest(open=pb.OpenRun(**(facts | changed))))
        return engine

    async def submit(self, client_order_id: str = "one", **changed: Any) -> pb.SubmitOrderResponse:
        """Buy 0.010 at 50000 for account alice, but for what is changed."""
        return await answered(self.stub.SubmitOrder(order_request(client_order_id, **changed)))  # type: ignore[no-any-return]

    def submitting(self, client_order_id: str = "one", **changed: Any) -> "asyncio.Task[pb.SubmitOrderResponse]":
        """The same in the background."""
        return asyncio.create_task(self.submit(client_order_id, **changed))

    async def queued(self, count: int) -> None:
        """Wait until so many outside commands wait for a window."""
        await until(lambda: self.service.sequencer.outside.queued == count)

    async def settled(self, *, paused: bool | None = None, connected: bool | None = None) -> None:
        """Wait until the service sees the engine paused or connected as said."""
        async with asyncio.timeout(WAIT_S):
            while True:
                run = await self.stub.GetRun(pb.GetRunRequest())
                if paused in (None, run.paused) and connected in (None, run.engine_connected):
                    return
                await asyncio.sleep(0.001)


def order_request(client_order_id: str = "one", **changed: Any) -> pb.SubmitOrderRequest:
    """Buy 0.010 at 50000 for account alice, but for what is changed."""
    facts: dict[str, Any] = {
        "account": "alice",
        "symbol": SYMBOL,
        "client_order_id": client_order_id,
        "side": types_pb2.SIDE_BUY,
        "order_type": types_pb2.ORDER_TYPE_LIMIT,
        "quantity": "0.010",
        "price": "50000",
    }
    return pb.SubmitOrderRequest(**(facts | changed))


def name(client_order_id: str = "one") -> dict[str, Any]:
    return {"account": "alice", "symbol": SYMBOL, "client_order_id": client_order_id}


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that nobody announces."""
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await asyncio.sleep(0.001)


async def answered(call: Any) -> Any:
    async with asyncio.timeout(WAIT_S):
        return await call


async def refused(call: Any) -> tuple[grpc.StatusCode, str, str]:
    """Code, reason and message of a call that must fail."""
    try:
        response = await answered(call)
    except grpc.aio.AioRpcError as error:
        return error.code(), error_info(error.trailing_metadata()).reason, error.details() or ""
    raise AssertionError(f"it was not refused: {response}")


def error_info(metadata: Any) -> error_details_pb2.ErrorInfo:
    info = error_details_pb2.ErrorInfo()
    for key, value in metadata or ():
        if key == "grpc-status-details-bin":
            status_pb2.Status.FromString(value).details[0].Unpack(info)
    return info


@asynccontextmanager
async def served(port: int = 0, **settings: Any) -> AsyncIterator[Market]:
    """The service on a free port or this one, with its kernels taken as compiled."""
    service = OrderBookService(OrderBookSettings(**{"ring_mib": 1, "durability": "none", **settings}))
    service.servicer.ready = True
    server = grpc.aio.server(interceptors=[ErrorInterceptor()])
    service.register(server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{bound}") as channel:
        market = Market(service, server, bound, orderbook_pb2_grpc.OrderBookServiceStub(channel))
        try:
            yield market
        finally:
            await market.stop()
