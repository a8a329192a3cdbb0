"""The remote agents at work against a real order book: they trade, and leave nothing open when they are killed."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from marksim.client import AsyncClient, Order, OrderStatus, Reason
from marksim.core.warm import BOOK, compile_kernels
from tests.client.live import Live, live
from tests.orderbook.market import SYMBOL

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
ADDRESS = "localhost:50051"


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    """As the service does before it is ready."""
    compile_kernels(BOOK)


def moved(name: str, address: str, folder: Path) -> Path:
    """A copy of the example with only its address exchanged."""
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    assert text.count(ADDRESS) == 1
    copy = folder / name
    copy.write_text(text.replace(ADDRESS, address), encoding="utf-8")
    return copy


async def python(name: str, address: str, folder: Path) -> list[str]:
    return [sys.executable, str(moved(name, address, folder))]


async def node(name: str, address: str, folder: Path) -> list[str]:
    """With what it needs installed as its header says, below a copy of the contract."""
    below = folder / "examples"
    below.mkdir()
    shutil.copytree(ROOT / "proto", folder / "proto")
    for needed in ("package.json", "package-lock.json"):
        shutil.copy(EXAMPLES / needed, below / needed)
    install = await asyncio.create_subprocess_exec("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", cwd=below)
    assert await asyncio.wait_for(install.wait(), 150) == 0
    return ["node", str(moved(name, address, below))]


def has_node() -> bool:
    """Whether this machine has one that the example runs on."""
    if not (shutil.which("node") and shutil.which("npm")):
        return False
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    return int(version.removeprefix("v").split(".")[0]) >= 20


# Chosen by what this machine has: an absent tool is no test, not a skipped one.
AGENTS = [
    pytest.param(python, "remote_agent.py", "maker-py", id="python"),
    pytest.param(python, "remote_agent_async.py", "scalper-py", id="python async"),
    *([pytest.param(node, "remote_agent.js", "maker-js", id="node")] if has_node() else []),
]


async def keep_trading(client: AsyncClient) -> None:
    """A stranger takes what is offered, on both sides, without end."""
    while True:
        await client.buy(SYMBOL, "0.020")
        await client.sell(SYMBOL, "0.020")


async def reached(condition: Callable[[], Any], process: asyncio.subprocess.Process) -> None:
    """Wait for it, as long as the agent lives."""
    async with asyncio.timeout(50):
        while not await condition():
            assert process.returncode is None, f"it ended with {process.returncode}"
            await asyncio.sleep(0.02)


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("command", "name", "account"), AGENTS)
async def test_an_agent_trades_and_leaves_nothing_behind(
    command: Callable[..., Any], name: str, account: str, tmp_path: Path
) -> None:
    """It has orders, they trade, and when its process is killed the order book cancels them, and says why."""
    async with live() as market:
        started = await command(name, market.market.address, tmp_path)
        process = await asyncio.create_subprocess_exec(*started, env={**os.environ}, stdout=subprocess.PIPE)
        try:
            await watched(market, account, process)
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()


async def watched(market: Live, account: str, process: asyncio.subprocess.Process) -> None:
    """Look at it with its own account, and trade with it from another."""
    address = market.market.address
    async with AsyncClient(address, account=account) as agent, AsyncClient(address, account="stranger") as stranger:
        await reached(agent.orders, process)
        trading = asyncio.create_task(keep_trading(stranger))

        async def has_traded() -> bool:
            position = (await agent.positions()).get(SYMBOL)
            return position is not None and position.trades >= 4

        await reached(has_traded, process)
        trading.cancel()
        await asyncio.gather(trading, return_exceptions=True)
        open_orders: tuple[Order, ...] = ()

        async def is_quiet() -> bool:
            """It has orders, and for fifty windows they have been the same."""
            nonlocal open_orders
            open_orders, since = await agent.orders(), market.window
            while market.window < since + 50 and open_orders == await agent.orders():
                await asyncio.sleep(0.01)
            return bool(open_orders) and market.window >= since + 50

        await reached(is_quiet, process)
        assert process.stdout is not None
        async with asyncio.timeout(20):
            assert (await process.stdout.readline()).strip()
        process.kill()
        await process.wait()
        async with asyncio.timeout(20):
            while await agent.orders():
                await asyncio.sleep(0.02)
        gone = [await agent.order(order) for order in open_orders]
        assert {(order.status, order.reason) for order in gone} == {(OrderStatus.CANCELLED, Reason.OWNER_GONE)}
