"""The user's test of a running market, against a small real one."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from marksim.edge.service import EdgeService
from marksim.edge.settings import EdgeSettings
from marksim.engine.service import EngineService
from marksim.engine.settings import EngineSettings
from marksim.memory.service import MemoryService
from marksim.memory.settings import MemorySettings
from marksim.orderbook.service import OrderBookService
from marksim.orderbook.settings import OrderBookSettings
from marksim.release_test import Addresses, check
from marksim.v1 import engine_pb2 as pb
from tests.runtime.served import served, until

SCENARIO = "two-symbols"
NOWHERE = Addresses(["127.0.0.1:1"], ["127.0.0.1:1"], "ws://127.0.0.1:1", "http://127.0.0.1:1", "", 1.0)


@dataclass
class Market:
    """Two order books, and one of everything else."""

    addresses: Addresses
    engine: EngineService
    books: list[OrderBookService]

    async def pause(self) -> int:
        """Pause; how many windows are done."""
        return (await self.engine.Pause(pb.PauseRequest(), None)).status.windows


@asynccontextmanager
async def market(*changes: str) -> AsyncIterator[Market]:
    """A market whose clock runs, on free ports."""
    async with AsyncExitStack() as stack:
        books, addresses = [], []
        for shard in ("0", "1"):
            book = OrderBookSettings(
                durability="none",
                grpc_port=0,
                http_port=0,
                scenario=SCENARIO,
                set=[*changes],
                shards=2,
                shard=shard,
                ring_mib=8,
            )
            books.append(OrderBookService(book))
            running = await stack.enter_async_context(served(books[-1], f"orderbook-{shard}", book))
            addresses.append(running.address)
        engine = EngineSettings(state=None, grpc_port=0, http_port=0, scenario=SCENARIO, set=[*changes], orderbook=addresses)
        engine_service = EngineService(engine)
        clock = await stack.enter_async_context(served(engine_service, "engine", engine))
        edge = EdgeSettings(grpc_port=0, http_port=0, port=0, orderbook=addresses)
        edge_service = EdgeService(edge)
        await stack.enter_async_context(served(edge_service, "edge", edge))
        targets = {f"orderbook-{shard}": address for shard, address in enumerate(addresses)}
        memory = MemorySettings(grpc_port=0, http_port=0, targets=targets, interval_s=0.1)
        page = await stack.enter_async_context(served(MemoryService(memory), "memory", memory))
        await until(lambda: engine_service.ready() and edge_service.ready(), within_s=90)
        feed = f"ws://127.0.0.1:{edge_service.feed.port}"
        found = Addresses(addresses, [clock.address], feed, f"http://127.0.0.1:{page.lifecycle.http_port}/", "", 60.0)
        yield Market(found, engine_service, books)


def steps(output: str) -> list[tuple[str, str]]:
    """How each step ended, and its name."""
    lines = [line.split() for line in output.splitlines() if line.startswith(("ok ", "failed ", "- "))]
    return [(words[0], words[1]) for words in lines]


PASSED = [("ok", step) for step in ("health", "symbol", "order", "book", "tick", "cancel", "memory")]


@pytest.mark.parametrize("symbol", ["", "ETH/USD"])
async def test_a_running_market_passes(symbol: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every step, on the shard that trades the symbol; the order is gone afterwards."""
    async with market() as running:
        assert await check(replace(running.addresses, symbol=symbol)), capsys.readouterr().out
        account = running.books[bool(symbol)].sequencer.outside.account("release-test")
        assert account is not None and not any(order.is_open for order in account.orders.values())
    output = capsys.readouterr().out
    assert steps(output) == PASSED
    assert f"{symbol or 'BTC/USD'} is traded, and the market is running" in output


@pytest.mark.parametrize(("state", "collects"), [("halted", False), ("closed", False), ("pre_open", True)])
@pytest.mark.parametrize("paused", [False, True])
async def test_a_market_that_does_not_trade_passes(
    state: str, collects: bool, paused: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says which session it is and what that means, and does what can be done there."""
    async with market(
        f'instruments.BTC/USD.sessions=[{{at: "00:00", state: {state}}}, {{at: "23:00", state: continuous}}]'
    ) as running:
        if paused:
            await until(lambda: running.engine.driver is not None and running.engine.driver.windows > 20)
            await running.pause()
        assert await check(running.addresses), capsys.readouterr().out
        account = running.books[0].sequencer.outside.account("release-test")
        assert account is not None and not any(order.is_open for order in account.orders.values())
    output = capsys.readouterr().out
    names = ("order", "book", "cancel") if collects else ("order",)
    assert steps(output) == [("ok", step) for step in ("health", "symbol", *names, "tick", "memory")]
    assert f"its session is {state.upper()}" in output


async def test_a_paused_market_passes_and_stays_paused(capsys: pytest.CaptureFixture[str]) -> None:
    """Windows are stepped one at a time; the first tries may meet agents that are faster."""
    async with market() as running:
        await until(lambda: running.engine.driver is not None and running.engine.driver.windows > 200)
        before = await running.pause()
        assert await check(running.addresses), capsys.readouterr().out
        status = (await running.engine.GetStatus(pb.GetStatusRequest(), None)).status
        assert status.state == pb.CLOCK_STATE_PAUSED
        assert before + 2 <= status.windows
    assert steps(output := capsys.readouterr().out) == PASSED
    assert "the market is paused, so each window is stepped" in output


async def test_what_is_not_there_is_left_out_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    """A release may have no edge or no memory monitor."""
    async with market() as running:
        assert await check(replace(running.addresses, edge="", memory="")), capsys.readouterr().out
    assert [step for step in steps(capsys.readouterr().out) if step[0] == "-"] == [("-", "edge"), ("-", "memory")]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"edge": "ws://127.0.0.1:1"}, "failed  tick    the edge at ws://127.0.0.1:1/?symbols=BTC/USD does not answer"),
        ({"edge": "localhost"}, "failed  tick    --edge localhost is not a WebSocket address"),
        (
            {"memory": "http://127.0.0.1:1"},
            "failed  memory  the memory monitor's page http://127.0.0.1:1/metrics cannot be read",
        ),
        ({"symbol": "DOGE/USD"}, "trades DOGE/USD; the scenario trades BTC/USD, ETH/USD"),
    ],
)
async def test_what_is_wrong_is_named(change: dict[str, Any], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The step that failed, and why."""
    async with market() as running:
        assert not await check(replace(running.addresses, **change))
    assert said in capsys.readouterr().out


async def test_nothing_there_fails_with_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    """After the time it was given, with the address and what it answered last."""
    assert not await check(NOWHERE)
    assert "failed  health  not within 1 s; at last: nothing serves at 127.0.0.1:1 (UNAVAILABLE" in capsys.readouterr().out


async def test_the_command_reads_flags_and_environment() -> None:
    """`python -m marksim.release_test` ends with 1 where a step fails, without a traceback."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "marksim.release_test", "--orderbook", "127.0.0.1:1"),
        env={"MARKSIM_RELEASE_TEST__TIMEOUT_S": "0.5"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 1
    assert b"not within 0.5 s" in output
    assert b"Traceback" not in output
