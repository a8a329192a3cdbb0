"""Connecting, losing the connection and coming back."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from unittest.mock import MagicMock

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from marksim.dashboard import reader
from marksim.dashboard.history import History
from marksim.dashboard.reader import read_feed
from tests.dashboard.fake_feed import START_US, FakeFeed, text


@asynccontextmanager
async def reading(address: str) -> AsyncIterator[History]:
    """A history that is being fed, with waits short enough for a test."""
    history = History(address)
    task = asyncio.create_task(read_feed(address, history, jitter=lambda: 0.5, first_wait_s=0.02))
    try:
        yield history
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool]) -> None:
    """Wait for the condition, at most ten seconds."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def test_ticks_arrive_and_the_extra_fields_are_asked_for() -> None:
    """The reader connects with the query of the design and keeps what comes."""
    async with FakeFeed() as feed, reading(feed.address) as history:
        await feed.client()
        await feed.say(text())
        await until(lambda: history.status.ticks == 1)
        assert feed.paths == ["/?fields=seq,prev_seq,epoch,sent_at_us,session"]
        assert history.status.state() == "live"


async def test_it_comes_back_after_the_feed_restarts() -> None:
    """Stopped, it says so; started again on the same port, ticks flow and what was missed is counted."""
    feed = FakeFeed()
    async with feed, reading(feed.address) as history:
        await feed.client()
        await feed.say(text(seq=1))
        await until(lambda: history.status.ticks == 1)
        await feed.stop()
        await until(lambda: history.status.state() == "away")
        async with feed:
            await feed.client()
            await feed.say(text(seq=5, prev_seq=0, timestamp=START_US + 5))
            await until(lambda: history.status.ticks == 2)
        assert (history.status.connections, history.status.gaps.missed) == (2, 3)


async def test_started_before_the_market_it_waits_and_says_what_to_do() -> None:
    """Nobody listens yet: a sentence with the command, then a connection once somebody does."""
    async with FakeFeed() as feed:
        pass
    async with reading(feed.address) as history:
        await until(lambda: history.status.state() == "away")
        assert "Nobody answers at ws://127.0.0.1" in history.status.sentence()
        assert "python -m marksim.main" in history.status.sentence()
        async with feed:
            await until(lambda: history.status.connections == 1)


async def test_a_refusal_is_shown_with_the_servers_words() -> None:
    """The edge refuses an unknown query with a sentence; the page shows it."""

    def refuse(connection: ServerConnection, request: Request) -> Response:
        return connection.respond(HTTPStatus.BAD_REQUEST, "no such field: seq\n")

    async def never(connection: ServerConnection) -> None:
        raise AssertionError("refused connections are not served")

    async with serve(never, "127.0.0.1", 0, process_request=refuse) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with reading(f"ws://127.0.0.1:{port}") as history:
            await until(lambda: history.status.state() == "away")
            assert "HTTP 400: no such field: seq" in history.status.sentence()


async def test_a_reason_is_logged_when_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, not at each attempt; again when it is another one, and after ticks came."""
    log = MagicMock()
    monkeypatch.setattr(reader, "log", log)
    answers = ["no such symbol: A"] * 3 + ["no such symbol: B"] * 2 + ["", "no such symbol: B", "no such symbol: B"]
    asked = 0

    def answer(connection: ServerConnection, request: Request) -> Response | None:
        nonlocal asked
        body = answers[min(asked, len(answers) - 1)]
        asked += 1
        return connection.respond(HTTPStatus.BAD_REQUEST, body) if body else None

    async def one_tick(connection: ServerConnection) -> None:
        await connection.send(text(), text=True)

    async with serve(one_tick, "127.0.0.1", 0, process_request=answer) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with reading(f"ws://127.0.0.1:{port}"):
            await until(lambda: asked > len(answers))
    reasons = [call.kwargs["reason"].rpartition(": ")[2] for call in log.warning.call_args_list]
    closed = f"The feed at ws://127.0.0.1:{port} closed the connection (code 1000)."
    assert reasons == ["A.", "B.", closed, "B."]


@pytest.mark.parametrize("target", ["http://127.0.0.1:1/", "ws://.foo/", "ws://127.0.0.1:99999/", "ws://[half/"])
async def test_a_redirect_to_what_is_no_address_does_not_end_it(target: str) -> None:
    """It says so, and tries again."""
    attempts = 0

    def redirect(connection: ServerConnection, request: Request) -> Response:
        nonlocal attempts
        attempts += 1
        response = connection.respond(HTTPStatus.FOUND, "over there\n")
        response.headers["Location"] = target
        return response

    async def never(connection: ServerConnection) -> None:
        raise AssertionError("redirected connections are not served")

    async with serve(never, "127.0.0.1", 0, process_request=redirect) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with reading(f"ws://127.0.0.1:{port}") as history:
            await until(lambda: attempts >= 2)
            assert "leads to no WebSocket server: " in history.status.sentence()


async def test_something_that_is_no_websocket_server_is_named_so() -> None:
    """An answer in another protocol is not taken for an absent market."""

    async def babble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail ready\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with reading(f"ws://127.0.0.1:{port}") as history:
            await until(lambda: history.status.state() == "away")
            assert "does not speak WebSocket" in history.status.sentence()


async def test_bad_frames_do_not_end_the_connection() -> None:
    """Text, binary and half a frame are counted; the tick after them is read on the same connection."""
    async with FakeFeed() as feed, reading(feed.address) as history:
        await feed.client()
        for message in ("nonsense", "{}", text(symbol=None)):
            await feed.say(message)
        await feed.say(text())
        await until(lambda: history.status.ticks == 1)
        assert (history.status.bad_frames, history.status.connections) == (3, 1)


async def test_the_wait_grows_while_nothing_comes() -> None:
    """Without a tick each attempt waits twice as long as the one before, so an absent feed is not hammered."""
    async with FakeFeed() as feed:
        pass
    waits: list[float] = []

    class Noting(History):
        def closed(self, reason: str, retry_in_s: float) -> None:
            waits.append(retry_in_s)
            super().closed(reason, retry_in_s)

    task = asyncio.create_task(read_feed(feed.address, Noting(feed.address), jitter=lambda: 0.5, first_wait_s=0.01))
    await until(lambda: len(waits) >= 4)
    task.cancel()
    assert waits[:4] == [0.01, 0.02, 0.04, 0.08]
