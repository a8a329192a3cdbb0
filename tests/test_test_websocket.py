"""The user's smoke client against a small fake server."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from marksim.test_websocket import Summary, parse_tick

TICK = {
    "timestamp": 1703123456789000,
    "symbol": "BTC/USD",
    "last_price": 50000.50,
    "bid_price": 49999.00,
    "ask_price": 50001.00,
    "bid_size": 1.5,
    "ask_size": 2.0,
    "volume_24h": 1250.75,
    "trade_count": 3,
}


@asynccontextmanager
async def server_of(messages: Sequence[str]) -> AsyncIterator[str]:
    """A server that sends the messages and keeps the connection; yields its address."""

    async def handler(connection: ServerConnection) -> None:
        for message in messages:
            await connection.send(message)
        await connection.wait_closed()

    async with serve(handler, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}"


async def run_client(url: str, **environment: str) -> tuple[int | None, str]:
    """`python -m marksim.test_websocket` for a second: exit code and output."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "marksim.test_websocket", "--url", url, "--seconds", "1"),
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode, output.decode()


async def test_summary_of_good_ticks() -> None:
    """Good ticks end with 0 and a summary of ticks, symbols, trades and price range."""
    other = {**TICK, "symbol": "ETH/USD", "last_price": 3000.0}
    later = {**TICK, "last_price": 50100.0}
    async with server_of([json.dumps(tick) for tick in (TICK, other, later)]) as url:
        code, output = await run_client(url)
    assert code == 0
    assert "3 ticks in " in output
    assert "2 symbols, 9 trades" in output
    assert "BTC/USD: last price 50,000.5 to 50,100, 2 ticks" in output
    assert "no violations" in output


async def test_no_server() -> None:
    """Where nothing listens it ends with 1 and says how to start the market, without a traceback."""
    code, output = await run_client("ws://127.0.0.1:1")
    assert code == 1
    assert "python -m marksim.main" in output
    assert "Traceback" not in output


async def test_a_proxy_is_not_asked() -> None:
    """What listens on this machine is reached whatever proxy leads to the world."""
    async with server_of([json.dumps(TICK)]) as url:
        code, output = await run_client(url, http_proxy="http://127.0.0.1:9", https_proxy="http://127.0.0.1:9", no_proxy="")
    assert (code, output.count("no violations")) == (0, 1)


@pytest.mark.parametrize("says", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
async def test_no_tls(says: bytes) -> None:
    """A server that does not speak the TLS of wss:// is named so, whether it hangs up or answers in the clear."""

    async def answer(client: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await client.read(1)
        writer.write(says)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        code, output = await run_client(f"wss://127.0.0.1:{port}")
    assert code == 1
    assert f"What listens at wss://127.0.0.1:{port} does not agree on TLS (" in output and "begins with ws://" in output
    assert "()" not in output and "Traceback" not in output


async def test_no_ticks() -> None:
    """A server that is silent ends it with 1 and a sentence."""
    async with server_of([]) as url:
        code, output = await run_client(url)
    assert code == 1
    assert "no tick came" in output


async def test_violation_fails() -> None:
    """A message that breaks the format is shown and ends it with 1."""
    async with server_of([json.dumps(TICK), '{"hello": 1}']) as url:
        code, output = await run_client(url)
    assert code == 1
    assert "1 of 2 messages break the format" in output


@pytest.mark.parametrize("url", ["localhost:8765", "ws://.foo/", "ws://localhost:99999/"])
async def test_wrong_address(url: str) -> None:
    """An address that is none ends it with 1 and an example."""
    code, output = await run_client(url)
    assert code == 1
    assert "ws://localhost:8765" in output
    assert "Traceback" not in output


async def test_refusal() -> None:
    """A server that refuses the URL is quoted, since its sentence says what to change."""

    def refuse(connection: ServerConnection, _: Request) -> Response:
        return connection.respond(HTTPStatus.BAD_REQUEST, "The symbols are BTC/USD, ETH/USD.\n")

    async def never(_: ServerConnection) -> None:
        raise AssertionError("refused connections are not served")

    async with serve(never, "127.0.0.1", 0, process_request=refuse) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        code, output = await run_client(f"ws://127.0.0.1:{port}/?symbols=DOGE/USD")
    assert code == 1
    assert "(HTTP 400): The symbols are BTC/USD, ETH/USD." in output


async def test_asked_for_fields_are_right() -> None:
    """With `?fields=` the messages that have these keys behind the nine, in that order, keep the format; others do not."""
    asked = {**TICK, "seq": 7, "epoch": "run-1"}
    turned = {**TICK, "epoch": "run-1", "seq": 7}
    async with server_of([json.dumps(tick) for tick in (asked, asked)]) as url:
        code, _ = await run_client(url + "/?symbols=BTC/USD&fields=seq,epoch")
    async with server_of([json.dumps(tick) for tick in (asked, turned, TICK)]) as url:
        wrong_code, output = await run_client(url + "/?fields=seq,epoch")
    assert (code, wrong_code) == (0, 1)
    assert "2 of 3 messages break the format" in output
    assert "not the nine keys in their order and then seq, epoch" in output


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"last_price": None}, "last_price is None"),
        ({"last_price": "50000.5"}, "last_price is '50000.5'"),
        ({"bid_size": -1.0}, "bid_size is -1.0, below 0"),
        ({"trade_count": 1.5}, "trade_count is 1.5, not an integer"),
        ({"symbol": ""}, "symbol is ''"),
        ({"extra": 1}, "nine keys"),
    ],
)
def test_broken_tick_is_named(change: dict[str, object], wrong: str) -> None:
    """What breaks the format is named with its field."""
    tick, text = parse_tick(json.dumps({**TICK, **change}))
    assert tick is None
    assert wrong in text


def test_good_tick_is_parsed() -> None:
    """The format's own example is good."""
    assert parse_tick(json.dumps(TICK)) == (TICK, "")


def test_timestamp_may_not_go_back() -> None:
    """A symbol's timestamp that goes back is a violation; another symbol's own is not."""
    summary = Summary()
    for tick in (TICK, {**TICK, "symbol": "ETH/USD", "timestamp": 1}, {**TICK, "timestamp": 2}):
        summary.add(json.dumps(tick))
    assert summary.violations == ["timestamp of BTC/USD went back to 2"]
