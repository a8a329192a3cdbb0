"""The examples: the first page's text, and each at work against a WebSocket server where its tool is present."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from tests.examples import seed

EXAMPLES = Path(__file__).parents[2] / "examples"
ADDRESS = "ws://localhost:8765"
PRICES = [50000.5, 50001.25, 49999.75]


@asynccontextmanager
async def price_server() -> AsyncIterator[str]:
    """A server on a free port that sends three prices to each client and closes; yields its address."""

    async def handler(connection: ServerConnection) -> None:
        for price in PRICES:
            await connection.send(json.dumps({"symbol": "BTC/USD", "last_price": price}))

    def page(_: ServerConnection, request: Request) -> Response | None:
        """A page of the same address, since browsers let only local pages connect to local addresses."""
        if "Upgrade" in request.headers:
            return None
        headers = Headers({"Content-Type": "text/html", "Connection": "close"})
        return Response(200, "OK", headers, b"<!doctype html><title>consumer</title>")

    async with serve(handler, "localhost", 0, process_request=page) as server:
        # Each address family has a port of its own; the first one is enough.
        name = next(iter(server.sockets)).getsockname()
        host = f"[{name[0]}]" if ":" in name[0] else name[0]
        yield f"ws://{host}:{name[1]}"


def moved(name: str, address: str, folder: Path) -> Path:
    """A copy of the example with only its address exchanged, so that tests need no fixed port."""
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    assert text.count(ADDRESS) == 1
    copy = folder / name
    copy.write_text(text.replace(ADDRESS, address), encoding="utf-8")
    return copy


async def output_of(*command: str, folder: Path) -> str:
    """What a consumer prints until three prices are there; it is ended then, if it has not ended by itself."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env={**os.environ, "PYTHONUNBUFFERED": "1"}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    lines = [(await asyncio.wait_for(process.stdout.readline(), 50)).decode() for _ in PRICES]
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
    await process.wait()
    return "".join(lines)


def node_command() -> list[str]:
    """Node as the example's header says to start it; empty where there is none with a WebSocket."""
    node = shutil.which("node")
    if node is None:
        return []
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    major = int(re.sub(r"^v(\d+).*", r"\1", version.strip()))
    return [node] if major >= 22 else [node, "--experimental-websocket"] if major >= 20 else []


async def python_prints(folder: Path, address: str) -> str:
    """Output of the Python consumer."""
    return await output_of(sys.executable, str(moved("consumer.py", address, folder)), folder=folder)


async def node_prints(folder: Path, address: str) -> str:
    """Output of the JavaScript consumer under Node."""
    return await output_of(*node_command(), str(moved("consumer.js", address, folder)), folder=folder)


async def go_prints(folder: Path, address: str) -> str:
    """Output of the Go consumer, built."""
    moved("consumer.go", address, folder)
    for name in ("go.mod", "go.sum"):
        shutil.copy(EXAMPLES / name, folder / name)
    build = await asyncio.create_subprocess_exec("go", "build", "-o", "consumer", "consumer.go", cwd=folder)
    assert await asyncio.wait_for(build.wait(), 150) == 0
    return await output_of(str(folder / "consumer"), folder=folder)


# Chosen by what this machine has: an absent tool is no test, not a skipped one.
RUNNERS = [
    pytest.param(python_prints, ["50000.5", "50001.25", "49999.75"], id="python"),
    *([pytest.param(node_prints, ["50000.5", "50001.25", "49999.75"], id="node")] if node_command() else []),
    *([pytest.param(go_prints, ["50000.50", "50001.25", "49999.75"], id="go")] if shutil.which("go") else []),
]


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("prints", "prices"), RUNNERS)
async def test_consumer_prints_prices(prints: Callable[..., object], prices: list[str], tmp_path: Path) -> None:
    """The consumer prints each price that the server sends."""
    async with price_server() as address:
        output = await prints(tmp_path, address)  # type: ignore[misc]
    assert output.splitlines() == [f"Price: ${price}" for price in prices]


def test_python_is_the_first_pages() -> None:
    """The Python example holds the page's text as it is, and only runs it."""
    text = (EXAMPLES / "consumer.py").read_text(encoding="utf-8")
    assert seed.PYTHON in text
    assert text.split(seed.PYTHON)[1].strip() == "asyncio.run(consumer())"


def test_javascript_is_the_first_pages() -> None:
    """The JavaScript example is the page's text as it is under a header of comments."""
    text = (EXAMPLES / "consumer.js").read_text(encoding="utf-8")
    assert text.endswith(seed.JAVASCRIPT)
    header = text.removesuffix(seed.JAVASCRIPT).strip().splitlines()
    assert all(line.startswith("//") for line in header)


def test_go_is_the_first_pages() -> None:
    """The Go example is the page's text as it is; between its two parts stand the two imports that it lacks."""
    text = (EXAMPLES / "consumer.go").read_text(encoding="utf-8")
    assert text.endswith(seed.GO_BODY)
    added = text.split(seed.GO_HEAD)[1].removesuffix(seed.GO_BODY)
    assert added.split() == ["import", "(", '"fmt"', '"log"', ")"]
