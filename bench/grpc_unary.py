"""How long SubmitOrder takes through a real order book process, beside a bare gRPC echo of messages of the same sizes.

Three processes on loopback: the order book, an engine that sends it empty windows as fast as they are answered, and an echo
server. Calls are made here, one after another, and in turns, so that a machine that slows down slows both. An order is
answered when its window is done: it waits for the one that is on its way, and then for its own.
"""

import asyncio
import multiprocessing
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Final

import grpc
import grpc.aio
import numpy as np

from bench.report import Report
from marksim.runtime.channel import open_channel
from marksim.v1 import orderbook_pb2 as pb
from marksim.v1 import orderbook_pb2_grpc, types_pb2

SYMBOL: Final = "BTC/USD"
ECHO: Final = "/bench.Echo/Call"
START_NS: Final = 1_736_121_600_000_000_000
LOOKAHEAD_NS: Final = 50_000_000
READY_S: Final = 120.0
"""A first start compiles the kernels."""
TURNS: Final = 4


@dataclass(frozen=True)
class Latency:
    """Milliseconds."""

    p50: float
    p99: float


def free_port() -> int:
    """A port of loopback that nothing uses."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def order(number: int) -> pb.SubmitOrderRequest:
    """A limit order that rests far below the market."""
    return pb.SubmitOrderRequest(
        account="bench",
        symbol=SYMBOL,
        client_order_id=f"order-{number:08d}",
        side=types_pb2.SIDE_BUY,
        order_type=types_pb2.ORDER_TYPE_LIMIT,
        quantity="0.010",
        price=f"{10_000 + number % 100}",
    )


def drive(port: int, pipe: Connection) -> None:
    """The engine's process: empty windows in lock step until it is told to end; how many a second there were."""

    async def run() -> float:
        async with open_channel(f"127.0.0.1:{port}") as channel:
            stub: Any = orderbook_pb2_grpc.OrderBookServiceStub(channel)
            book = await stub.GetRun(pb.GetRunRequest())
            call = stub.Trade()
            opening = pb.OpenRun(
                run=str(uuid.uuid4()),
                term=1,
                instance="bench",
                scenario_hash=book.scenario_hash,
                seed=1,
                start_time_ns=START_NS,
                lookahead_ns=LOOKAHEAD_NS,
            )
            await call.write(pb.TradeRequest(open=opening))
            await call.read()
            pipe.send("trading")
            window, began = 0, time.perf_counter()
            while not pipe.poll():
                await call.write(pb.TradeRequest(window=pb.WindowCommands(window=window)))
                if await call.read() is grpc.aio.EOF:
                    raise SystemExit(f"the order book ended the stream: {await call.details()}")
                window += 1
            rate = window / (time.perf_counter() - began)
            await call.done_writing()
            return rate

    pipe.send(asyncio.run(run()))


def echo(port: int, answer: bytes, pipe: Connection) -> None:
    """The echo's process: every call is answered with the same bytes."""

    async def call(*_: object) -> bytes:
        return answer

    asyncio.run(serve_echo(port, {"Call": grpc.unary_unary_rpc_method_handler(call)}, pipe))


async def serve_echo(port: int, handlers: dict[str, Any], pipe: Connection) -> None:
    """A bare server of these methods of bench.Echo, until the pipe is told anything."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Echo", handlers),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    pipe.send("serving")
    await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
    await server.stop(0)


@asynccontextmanager
async def other_process(target: Callable[..., None], *arguments: object) -> AsyncIterator[Connection]:
    """A process of ours that has said that it is ready, and that ends when it is told anything."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=target, args=(*arguments, there), daemon=True)
    process.start()
    loop = asyncio.get_running_loop()
    try:
        await asyncio.wait_for(loop.run_in_executor(None, here.recv), READY_S)
        yield here
    finally:
        # It may have ended by itself.
        with suppress(OSError):
            here.send("end")
        await loop.run_in_executor(None, process.join, 10)
        process.kill()


@asynccontextmanager
async def order_book(*more: str) -> AsyncIterator[int]:
    """A real order book process with more flags, ready; its port."""
    port = free_port()
    # What others are measured without; a later flag overrules an earlier one.
    kept = [] if "--durability" in more else ["--durability", "none"]
    flags = ["--grpc-port", str(port), "--http-port", str(free_port()), "--log-level", "error", *kept, *more]
    process = await asyncio.to_thread(subprocess.Popen, [sys.executable, "-m", "marksim.orderbook", *flags])
    try:
        async with open_channel(f"127.0.0.1:{port}") as channel, asyncio.timeout(READY_S):
            stub: Any = orderbook_pb2_grpc.OrderBookServiceStub(channel)
            while True:
                if process.poll() is not None:
                    raise SystemExit("the order book did not start")
                try:
                    await stub.GetBook(pb.GetBookRequest(symbol=SYMBOL))
                except grpc.aio.AioRpcError as error:
                    if error.code() is not grpc.StatusCode.UNAVAILABLE:
                        raise
                    await asyncio.sleep(0.1)
                    continue
                break
        yield port
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 30)


async def times_of(call: Callable[[int], Awaitable[object]], numbers: range) -> list[float]:
    """Milliseconds of each call."""
    times = []
    for number in numbers:
        began = time.perf_counter()
        await call(number)
        times.append((time.perf_counter() - began) * 1e3)
    return times


def latency_of(times: list[float]) -> Latency:
    return Latency(float(np.percentile(times, 50)), float(np.percentile(times, 99)))


@dataclass(frozen=True)
class Compared:
    submit: Latency
    echo: Latency
    """While the engine drives windows."""
    echo_alone: Latency
    """Before it came."""
    windows: float
    """A second."""
    request_bytes: int
    answer_bytes: int


async def compare(calls: int) -> Compared:
    """Measure so many calls of each."""
    request, answer = order(0).SerializeToString(), an_answer().SerializeToString()
    async with (
        order_book() as port,
        other_process(echo, echo_port := free_port(), answer),
        open_channel(f"127.0.0.1:{port}") as channel,
        open_channel(f"127.0.0.1:{echo_port}") as echo_channel,
    ):
        stub: Any = orderbook_pb2_grpc.OrderBookServiceStub(channel)
        bounce: Any = echo_channel.unary_unary(ECHO)

        async def echoed(_: int) -> object:
            return await bounce(request)

        async def submitted(number: int) -> object:
            return await stub.SubmitOrder(order(number))

        warm = range(calls // 10 + 1)
        await times_of(echoed, warm)
        alone = await times_of(echoed, range(calls))
        async with other_process(drive, port) as engine:
            await times_of(submitted, warm)
            ours, theirs = [], []
            for turn in range(TURNS):
                numbers = range(len(warm) + turn * calls // TURNS, len(warm) + (turn + 1) * calls // TURNS)
                ours += await times_of(submitted, numbers)
                theirs += await times_of(echoed, numbers)
            engine.send("end")
            rate = await asyncio.get_running_loop().run_in_executor(None, engine.recv)
    return Compared(latency_of(ours), latency_of(theirs), latency_of(alone), rate, len(request), len(answer))


def an_answer() -> pb.SubmitOrderResponse:
    """Of the size of the order book's."""
    sent = order(0)
    stands = types_pb2.Order(
        account=sent.account,
        symbol=sent.symbol,
        client_order_id=sent.client_order_id,
        order_id=1_000,
        side=sent.side,
        order_type=sent.order_type,
        time_in_force=types_pb2.TIME_IN_FORCE_GTC,
        status=types_pb2.ORDER_STATUS_OPEN,
        quantity=sent.quantity,
        price=sent.price,
        leaves_quantity=sent.quantity,
        filled_quantity="0",
        accepted_time_ns=START_NS,
        updated_time_ns=START_NS,
    )
    return pb.SubmitOrderResponse(order=stands, run=str(uuid.uuid4()), window=1_000)


def unary(report: Report, calls: int = 4_000) -> None:
    """The table of both."""
    seen = asyncio.run(compare(calls))
    sizes = f"{seen.request_bytes} bytes there and {seen.answer_bytes} back"
    report.heading(f"One order a call over gRPC, {sizes}, beside {seen.windows:,.0f} empty windows a second")
    rows: list[list[str | float]] = [
        ["SubmitOrder", seen.submit.p50, seen.submit.p99],
        ["bare echo beside the same windows", seen.echo.p50, seen.echo.p99],
        ["bare echo without them", seen.echo_alone.p50, seen.echo_alone.p99],
    ]
    report.table(["call", "p50, ms", "p99, ms"], rows)
