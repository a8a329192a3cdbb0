"""The page on a real market: `python -m marksim.main` and `python -m marksim.dash_consumer` as a user starts them."""

import asyncio
import re
import socket
import sys
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.dashboard.browser import chromium

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

_PORT_FLAGS = ("port", "orderbook-port", "engine-port", "archiver-port", "edge-port", "memory-port", "memory-http-port")
_HTTP_PAGES = 4


def free_ports() -> dict[str, int]:
    """A port for every flag of main, the pages' four in a row, and one for the dashboard; all free a moment ago."""
    while True:
        with ExitStack() as held:
            base = held.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
            try:
                for port in range(base + 1, base + _HTTP_PAGES):
                    held.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
            names = (*_PORT_FLAGS, "dashboard")
            ports = {name: held.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for name in names}
            return ports | {"http-port-base": base}


@asynccontextmanager
async def program(module: str, *arguments: str, output: Path) -> AsyncIterator[Process]:
    """`python -m module arguments`, told to end at the end; its output is in a file for whoever reads the failure."""
    with output.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, *arguments, stdin=DEVNULL, stdout=sink, stderr=STDOUT
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
            await asyncio.wait_for(process.wait(), 30)


async def test_a_live_market_moves_the_page_and_its_end_is_told(tmp_path: Path) -> None:
    """The chart of a real market grows; when the market ends the page says so, and it has logged no error."""
    ports = free_ports()
    dashboard = ports.pop("dashboard")
    flags = [text for name, port in ports.items() for text in (f"--{name}", str(port))]
    feed = f"ws://localhost:{ports['port']}"
    errors: list[str] = []
    async with (
        program(
            "marksim.dash_consumer",
            *("--port", str(dashboard), "--feed", feed, "--grpc-port", "0", "--http-port", "0"),
            output=tmp_path / "dashboard.log",
        ) as consumer,
        chromium() as browser,
    ):
        async with program(
            "marksim.main", *flags, "--data-dir", str(tmp_path / "data"), output=tmp_path / "main.log"
        ) as market:
            page = await browser.new_page(viewport={"width": 1600, "height": 1000})
            page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error: errors.append(str(error)))

            async def until_shown(expression: str, seconds: float) -> Any:
                """Wait in the page; a market that died meanwhile fails at once with its last lines."""
                waiting = asyncio.create_task(page.wait_for_function(expression, timeout=seconds * 1_000, polling=200))
                ended = asyncio.create_task(market.wait())
                await asyncio.wait({waiting, ended}, return_when=asyncio.FIRST_COMPLETED)
                ended.cancel()
                if not waiting.done():
                    waiting.cancel()
                    pytest.fail("the market ended: " + (tmp_path / "main.log").read_text()[-2_000:])
                return await waiting

            async with asyncio.timeout(120):
                while "page is up" not in (tmp_path / "dashboard.log").read_text():
                    await asyncio.sleep(0.1)
            await page.goto(f"http://127.0.0.1:{dashboard}/")
            await until_shown("window.marksim && marksim.probe && marksim.probe().draws > 2", 180)
            before = await page.evaluate("marksim.probe()")
            await until_shown(
                f"marksim.probe().newest_ms > {before['newest_ms']} && marksim.probe().next > {before['next']}", 30
            )
            assert await page.text_content("#lamp-text") == "live"
            assert re.fullmatch(r"[\d,]+(\.\d+)?", await page.text_content("#last") or "")
        await page.wait_for_function("document.getElementById('lamp-text').textContent === 'disconnected'", timeout=30_000)
        assert await page.is_visible("#banner")
        assert errors == []
        assert consumer.returncode is None
