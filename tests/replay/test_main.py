"""`marksim run`, and what it recorded by `marksim replay`, as a user starts them, with a WebSocket client."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from websockets.asyncio.client import ClientConnection, connect

from marksim.runtime.channel import open_channel
from marksim.v1 import engine_pb2, engine_pb2_grpc, orderbook_pb2_grpc
from tests.e2e.market import SERVICES, START_S, eventually, free_block
from tests.orderbook.market import order_request, refused

pytestmark = [pytest.mark.system, pytest.mark.timeout(500)]


def command(base: int, *words: str) -> list[str]:
    """`marksim` with these words and free ports."""
    ports = [f"--port={base + 5}", f"--memory-http-port={base + 6}", f"--http-port-base={base + 7}"]
    ports += [f"--{name}-port={base + number}" for number, name in enumerate(SERVICES)]
    return [sys.executable, "-m", "marksim", *words, *ports]


async def ended(process: asyncio.subprocess.Process) -> list[str]:
    """What it printed, once it has ended by itself."""
    output, _ = await asyncio.wait_for(process.communicate(), START_S)
    assert process.returncode == 0, output.decode()
    return output.decode().splitlines()


async def start(directory: Path, *words: str) -> tuple[asyncio.subprocess.Process, int]:
    """Start it on ports of its own; the first of them."""
    base = free_block(11)
    process = await asyncio.create_subprocess_exec(
        *command(base, *words), cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return process, base


async def next_tick(websocket: ClientConnection) -> dict[str, Any]:
    tick: dict[str, Any] = json.loads(await asyncio.wait_for(websocket.recv(), 60))
    return tick


async def stands(stub: "engine_pb2_grpc.EngineServiceAsyncStub", state: "engine_pb2.ClockState") -> None:
    """Wait for that state."""

    async def look() -> bool:
        try:
            return (await stub.GetStatus(engine_pb2.GetStatusRequest(), timeout=5)).status.state == state
        except grpc.aio.AioRpcError:
            return False

    await eventually(look, START_S)


async def test_market_is_replayed(tmp_path: Path) -> None:
    """A replay from the middle serves ticks to clients, is paused and resumed, and ends with the tape hash of the market."""
    process, _ = await start(tmp_path, "run", "two-symbols", "--until=1m", "--speed=max", "--seed=7")
    recorded = (await ended(process))[-1]
    assert recorded.startswith("tape hash: ")
    process, base = await start(tmp_path, "replay", "data/journal", "--from=30s", "--speed=5")
    try:
        async with open_channel(f"localhost:{base}") as book, open_channel(f"localhost:{base + 1}") as engine:
            steering = engine_pb2_grpc.EngineServiceStub(engine)
            await stands(steering, engine_pb2.CLOCK_STATE_RUNNING)
            async with connect(f"ws://localhost:{base + 5}/?fields=epoch") as websocket:
                first = await next_tick(websocket)
                await steering.Pause(engine_pb2.PauseRequest())
                await stands(steering, engine_pb2.CLOCK_STATE_PAUSED)
                orders = orderbook_pb2_grpc.OrderBookServiceStub(book)
                assert (await refused(orders.SubmitOrder(order_request())))[1] == "REPLAY"
                await steering.Resume(engine_pb2.ResumeRequest())
                while not (tick := await next_tick(websocket))["trade_count"]:
                    assert tick["epoch"] == first["epoch"]
            await steering.SetSpeed(engine_pb2.SetSpeedRequest(speed=engine_pb2.Speed(max=True)))
        lines = await ended(process)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    assert lines[-1] == recorded
    assert any("the recording ended at 2025-01-06T00:01:00Z; all came out as recorded" in line for line in lines)
    assert not any(" archiver" in line for line in lines)
