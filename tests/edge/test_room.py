"""Clients under the limit of open files."""

import asyncio
import socket
import sys
from contextlib import AsyncExitStack, ExitStack
from http import HTTPStatus
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from marksim.edge.room import OWN_FILES, UNADMITTED, Room, room_for, wanted_files
from tests.edge.market import FakeBook

RUN_WITH_FEW_FILES = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
runpy.run_module("marksim.edge", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("most", [1, 100, 10_000, 1_000_000])
def test_the_wanted_limit_has_room_for_all(most: int) -> None:
    """No more is asked of the system than is needed, and with that nothing shrinks."""
    wanted = wanted_files(most, 30)
    assert room_for(most, wanted, 30) == room_for(most, None, 30) == Room(most, UNADMITTED)
    assert wanted == most + 30 + OWN_FILES + UNADMITTED


@pytest.mark.parametrize("limit", range(40, 2_000, 7))
def test_all_that_may_be_open_stays_below_the_limit(limit: int) -> None:
    """Clients, those in their handshake and the edge's own, at every limit; some of each as soon as there are a few."""
    room = room_for(10_000, limit, 30)
    assert room.clients >= 1
    assert 30 + room.clients + room.unadmitted + min(OWN_FILES, (limit - 30) // 2) <= limit


def test_a_limit_that_is_used_up_leaves_one_client() -> None:
    """Nothing is divided by what is not there."""
    assert room_for(10, 20, 30) == Room(1, 0)


def status(port: int, path: str) -> int:
    """What a probe gets."""
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


async def refusal(stack: AsyncExitStack, url: str) -> int | None:
    """Connect for as long as the stack lives; the status where the edge will not have us."""
    try:
        await stack.enter_async_context(connect(url, proxy=None))
    except InvalidStatus as refused:
        return refused.response.status_code
    return None


async def test_an_edge_at_its_limit_of_files_refuses_and_is_seen() -> None:
    """Under a limit of 200 files it says in the log whom it takes, answers the rest 503, and its health pages answer."""
    port, http_port = free_port(), free_port()
    book = FakeBook()
    await book.start()
    book.begin("run-1", "BTC/USD")
    flags = ["--port", str(port), "--grpc-port", "0", "--http-port", str(http_port), "--orderbook", book.address]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", RUN_WITH_FEW_FILES, *flags, "--log-format", "json"), stderr=asyncio.subprocess.PIPE
    )
    try:
        assert process.stderr is not None
        said = b""
        while b'"event": "feed"' not in said:
            line = await asyncio.wait_for(process.stderr.readline(), 30)
            assert line, said.decode()
            said += line
        assert b'"open_files": 200' in said
        async with asyncio.timeout(20):
            while await asyncio.to_thread(status, http_port, "/readyz") != HTTPStatus.OK:
                await asyncio.sleep(0.05)
        async with AsyncExitStack() as stack:
            refused = [await refusal(stack, f"ws://127.0.0.1:{port}/") for _ in range(200)]
            assert set(refused) == {None, HTTPStatus.SERVICE_UNAVAILABLE}
            with ExitStack() as silent:
                for _ in range(200):
                    silent.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
                answers = [await asyncio.to_thread(status, http_port, path) for path in ("/healthz", "/readyz", "/metrics")]
                assert answers == [200, 200, 200]
    finally:
        process.terminate()
        await asyncio.wait_for(process.communicate(), 30)
        await book.stop()
