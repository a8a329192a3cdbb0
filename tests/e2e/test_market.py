"""The whole market, started as a user starts it and read as consumers read it."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import duckdb
import psutil
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError

from marksim.runtime.channel import open_channel
from marksim.test_websocket import KEYS, parse_tick
from marksim.v1 import orderbook_pb2, orderbook_pb2_grpc, telemetry_pb2, telemetry_pb2_grpc, types_pb2
from tests.e2e.market import SERVICES, Market, eventually, is_free, running_market
from tests.examples.test_consumers import EXAMPLES, node_command

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

SEED_PORT = 8765
# The first page's consumers know this port alone; where something else has it there is nothing to test them on.
SEED_PORT_IS_FREE = is_free(SEED_PORT)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    """One market for the tests that only read."""
    port = SEED_PORT if SEED_PORT_IS_FREE else None
    with running_market(tmp_path_factory.mktemp("market"), port=port) as running:
        yield running


async def test_first_ticks_have_nine_keys(market: Market) -> None:
    """A client that only connects gets ticks of exactly the nine keys in their order, all good."""
    await market.running()
    async with connect(market.url) as websocket:
        messages = [await asyncio.wait_for(websocket.recv(), 30) for _ in range(20)]
    assert all(tuple(json.loads(message)) == KEYS for message in messages)
    assert [wrong for _, wrong in map(parse_tick, messages) if wrong] == []


async def test_trades_happen(market: Market) -> None:
    """The smoke client sees trades and ends with 0."""
    await market.running()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "marksim.test_websocket", "--url", market.url, "--seconds", "5"), stdout=subprocess.PIPE
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0
    assert b" 0 trades" not in output


async def test_every_service_tells_its_memory(market: Market) -> None:
    """Every service answers GetMemory under its own name and pid."""
    await market.running()
    told = {}
    for service, port in market.grpc_ports.items():
        channel = open_channel(f"localhost:{port}")
        async with channel:
            stub = telemetry_pb2_grpc.TelemetryServiceStub(channel)
            answer = await stub.GetMemory(telemetry_pb2.GetMemoryRequest(), timeout=30, wait_for_ready=True)
            told[answer.service] = answer.pid
            assert answer.pid == market.pid_of(service)
    assert set(told) == set(SERVICES)


async def test_clock_runs_ten_times_as_fast(market: Market) -> None:
    """The engine's speed is 10 unless told otherwise."""
    status = await market.running()
    assert status.speed.factor == 10


async def test_an_order_trades_and_shows_in_the_tick_of_its_window(market: Market) -> None:
    """A market order over gRPC is filled, and the tick of the window in which it was carries a trade."""
    await market.running()
    order = orderbook_pb2.SubmitOrderRequest(
        account="e2e",
        symbol="BTC/USD",
        client_order_id="first-1",
        side=types_pb2.SIDE_BUY,
        order_type=types_pb2.ORDER_TYPE_MARKET,
        quantity="0.001",
    )
    async with connect(market.url) as websocket, open_channel(f"localhost:{market.grpc_ports['orderbook']}") as channel:
        answer = await orderbook_pb2_grpc.OrderBookServiceStub(channel).SubmitOrder(order, timeout=30)
        (fill,) = answer.fills
        window_us = range(fill.time_ns // 1_000, fill.time_ns // 1_000 + 50_000)
        async with asyncio.timeout(30):
            while (tick := json.loads(await websocket.recv()))["timestamp"] < window_us.start:
                pass
    assert answer.order.status == types_pb2.ORDER_STATUS_FILLED
    assert tick["timestamp"] in window_us
    assert tick["trade_count"] >= 1


CONSUMERS = [
    pytest.param([sys.executable, "consumer.py"], id="python"),
    *([pytest.param([*node_command(), "consumer.js"], id="node")] if node_command() else []),
    *([pytest.param(["go", "run", "consumer.go"], id="go")] if shutil.which("go") else []),
]

if SEED_PORT_IS_FREE:

    @pytest.mark.parametrize("command", CONSUMERS)
    async def test_first_pages_consumer_prints_prices(market: Market, command: list[str]) -> None:
        """The first page's consumer, untouched, prints prices of the running market."""
        await market.running()
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=EXAMPLES,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            process_group=0,
        )
        assert process.stdout is not None
        try:
            lines = [(await asyncio.wait_for(process.stdout.readline(), 120)).decode() for _ in range(3)]
        finally:
            # `go run` has a child that would outlive it.
            os.killpg(process.pid, 9)
            await process.wait()
        prices = [float(line.removeprefix("Price: $")) for line in lines]
        assert all(price > 0 for price in prices)


async def test_ctrl_c_ends_in_order(tmp_path: Path) -> None:
    """Ctrl-C closes clients with 1012, writes the archive, and ends everything within 8 s with exit code 0."""
    with running_market(tmp_path) as market:
        await market.running()
        children = psutil.Process(market.process.pid).children(recursive=True)
        async with connect(market.url) as websocket:
            await asyncio.wait_for(websocket.recv(), 30)
            start = time.monotonic()
            ending = asyncio.create_task(asyncio.to_thread(market.end))
            with suppress(ConnectionClosedError):
                async with asyncio.timeout(20):
                    async for _ in websocket:
                        pass
            assert websocket.close_code == 1012
            assert await ending == 0
        assert time.monotonic() - start < 8
        assert not any(child.is_running() for child in children)
        assert list((market.data_dir / "archive").rglob("*.parquet")), market.output


async def test_a_market_that_ended_in_order_leaves_no_gap(tmp_path: Path) -> None:
    """The next start goes on with the run, in the same archive: nothing is lost or doubled, and no error is said."""
    archive, runs = tmp_path / "data" / "archive", set()

    async def stored(files: int) -> bool:
        return len(list((archive / "ticks").rglob("*.parquet"))) > files

    for _ in range(2):
        before = len(list((archive / "ticks").rglob("*.parquet")))
        with running_market(tmp_path, environment={"MARKSIM_ARCHIVER__ROTATE_S": "1"}) as market:
            runs.add((await market.running()).run)
            await eventually(partial(stored, before))
            assert await asyncio.to_thread(market.end) == 0
            assert "error" not in market.output.lower(), market.output
    assert len(runs) == 1
    assert list(archive.glob("gaps/**/*.parquet")) == []
    query = (
        f"SELECT count(*), count(DISTINCT tick_number), max(tick_number) FROM read_parquet('{archive}/ticks/**/*.parquet')"
    )
    rows, distinct, last = duckdb.connect().execute(query).fetchall()[0]
    assert rows == distinct == last
