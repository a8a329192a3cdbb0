"""The feed over real sockets."""

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from marksim.core.errors import Denied
from marksim.edge.service import EdgeService
from marksim.edge.settings import EdgeSettings
from marksim.runtime.identity import Action, Principal
from marksim.runtime.service import Lifecycle
from tests.edge.market import FakeBook, tick


class Edge:
    """An edge over a fake book, in this process."""

    def __init__(self, book: FakeBook, service: EdgeService) -> None:
        self.book = book
        self.service = service
        self.lifecycle = Lifecycle("edge", grace_s=4)
        self.number = 0

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.service.feed.port}/"

    def send(self, trades: int = 0, run: str = "run-1") -> None:
        """The next tick of BTC/USD."""
        self.number += 1
        self.book.send(run, tick(self.number, trades))

    def clients(self) -> int:
        """How many the edge has now."""
        return self.service.feed.clients

    async def until_ready(self) -> None:
        async with asyncio.timeout(5):
            while not self.service.ready():
                await asyncio.sleep(0.01)

    async def until_flushed(self, *symbols: str) -> None:
        async with asyncio.timeout(5):
            while not set(symbols) <= self.service.board.sent.keys():
                await asyncio.sleep(0.01)

    async def until_clients(self, count: int) -> None:
        async with asyncio.timeout(5):
            while self.clients() > count:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def edge(**settings: float | str) -> AsyncIterator[Edge]:
    book = FakeBook()
    await book.start()
    service = EdgeService(EdgeSettings.model_validate({"port": 0, "orderbook": [book.address], **settings}))
    subject = Edge(book, service)
    work = asyncio.create_task(service.run(subject.lifecycle))
    try:
        book.begin("run-1", "BTC/USD", "ETH/USD")
        await subject.until_ready()
        await subject.until_flushed("BTC/USD", "ETH/USD")
        yield subject
    finally:
        subject.lifecycle.draining.set()
        await work
        await book.stop()


async def receive(client: ClientConnection) -> dict[str, object]:
    async with asyncio.timeout(5):
        message = json.loads(await client.recv(decode=True))
    assert isinstance(message, dict)
    return message


async def closed(client: ClientConnection) -> tuple[int, str]:
    """Read until the end: close code and reason that the server gave."""
    async with asyncio.timeout(8):
        with suppress(ConnectionClosed):
            while True:
                await client.recv()
    code, reason = client.close_code, client.close_reason
    assert code is not None
    assert reason is not None
    return code, reason


async def raw_client(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A client that reads only when told."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    key = base64.b64encode(os.urandom(16)).decode()
    upgrade = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13"
    writer.write(f"GET / HTTP/1.1\r\nHost: localhost\r\n{upgrade}\r\n\r\n".encode())
    assert b" 101 " in await reader.readline()
    return reader, writer


async def test_a_plain_client_gets_every_symbol_at_once_and_then_what_comes() -> None:
    """With no subscription, no subprotocol and nothing sent."""
    async with edge() as subject, connect(subject.url, compression=None) as client:
        assert {(await receive(client))["symbol"] for _ in range(2)} == {"BTC/USD", "ETH/USD"}
        subject.send(trades=3)
        message = await receive(client)
        assert list(message) == [
            *("timestamp", "symbol", "last_price", "bid_price", "ask_price", "bid_size", "ask_size", "volume_24h"),
            "trade_count",
        ]
        assert message["trade_count"] == 3


async def test_any_origin_and_subprotocol_is_accepted() -> None:
    """A browser page from anywhere and a client that offers subprotocols read the feed too."""
    offered = [Subprotocol("mqtt"), Subprotocol("v2.json")]
    origin = Origin("https://else.where")
    async with edge() as subject, connect(subject.url, origin=origin, subprotocols=offered) as client:
        assert (await receive(client))["trade_count"] == 0
        assert client.subprotocol is None
        assert not client.protocol.extensions


async def test_ipv6_loopback_is_served_too() -> None:
    """`localhost` means either, depending on the machine; both reach the same feed."""
    async with edge() as subject, connect(f"ws://localhost:{subject.service.feed.port}/") as client:
        assert await receive(client)


@pytest.mark.parametrize(("host", "reached"), [("0.0.0.0", ["127.0.0.1"]), ("::", ["127.0.0.1", "[::1]"])])
async def test_a_pod_serves_on_all_addresses(host: str, reached: list[str]) -> None:
    """`::` means IPv4 as well."""
    async with edge(host=host) as subject:
        for address in reached:
            async with connect(f"ws://{address}:{subject.service.feed.port}/") as client:
                assert await receive(client)


@pytest.mark.parametrize(
    ("target", "status", "says"),
    [
        ("?symbols=DOGE/USD", 400, "the symbols are BTC/USD, ETH/USD"),
        ("?fields=colour", 400, "seq, prev_seq, epoch, sent_at_us"),
        ("?token=1", 400, "no parameter"),
        ("metrics", 404, "the feed is at /"),
    ],
)
async def test_a_wrong_url_is_refused_with_a_sentence(target: str, status: int, says: str) -> None:
    """Before the WebSocket opens, as an HTTP answer."""
    async with edge() as subject:
        with pytest.raises(InvalidStatus) as refused:
            await connect(subject.url + target)
        assert refused.value.response.status_code == status
        assert says in (refused.value.response.body or b"").decode()


async def test_who_may_not_watch_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one function that decides is asked in the handshake; its refusal is a 403 with its sentence."""
    asked: list[tuple[str, str, Action]] = []

    def refuse(principal: Principal, account: str, action: Action) -> None:
        asked.append((principal.name, account, action))
        raise Denied("no feed for you")

    monkeypatch.setattr("marksim.edge.server.authorize", refuse)
    async with edge() as subject:
        with pytest.raises(InvalidStatus) as refused:
            await connect(subject.url)
    assert refused.value.response.status_code == HTTPStatus.FORBIDDEN
    assert refused.value.response.body == b"no feed for you\n"
    assert asked == [("anonymous", "", Action.WATCH)]


async def test_one_client_too_many_is_refused() -> None:
    """With 503 and the bound; when one goes there is room again."""
    async with edge(max_clients=1) as subject:
        async with connect(subject.url):
            with pytest.raises(InvalidStatus) as refused:
                await connect(subject.url)
            assert refused.value.response.status_code == HTTPStatus.SERVICE_UNAVAILABLE
        await subject.until_clients(0)
        async with connect(subject.url) as client:
            assert await receive(client)


async def test_fields_are_appended() -> None:
    """Epoch and sequence come where they were asked for."""
    async with edge() as subject, connect(subject.url + "?symbols=BTC/USD&fields=prev_seq,seq,epoch") as client:
        assert (await receive(client))["epoch"] == "run-1"
        subject.send()
        message = await receive(client)
        assert list(message)[9:] == ["prev_seq", "seq", "epoch"]
        assert (message["prev_seq"], message["seq"]) == (0, 1)


async def test_what_a_client_says_is_ignored() -> None:
    """JSON, other text and bytes are read and not answered, and the feed goes on."""
    async with edge() as subject, connect(subject.url + "?symbols=BTC/USD") as client:
        await receive(client)
        for said in ('{"subscribe": "all"}', "hello", b"\x00\xff"):
            await client.send(said)
        await (await client.ping())
        subject.send(trades=1)
        assert (await receive(client))["trade_count"] == 1


async def test_a_message_too_big_is_answered_with_1009() -> None:
    """A feed takes no uploads."""
    async with edge() as subject, connect(subject.url) as client:
        await client.send("x" * 10_000)
        assert (await closed(client))[0] == 1009


async def test_a_flood_is_cut_off_with_1008() -> None:
    """Small messages without end cost their sender its connection, and nobody else anything."""
    async with edge() as subject, connect(subject.url) as client:
        for _ in range(60):
            await client.send("x" * 1_000)
        assert (await closed(client))[0] == 1008


async def test_an_unmasked_frame_is_a_protocol_error() -> None:
    """A bad frame ends that connection with 1002; the edge lives."""
    async with edge() as subject:
        reader, writer = await raw_client(subject.service.feed.port)
        writer.write(b"\x81\x02hi")
        ended = await asyncio.wait_for(reader.read(1 << 20), 5)
        while more := await asyncio.wait_for(reader.read(1 << 20), 5):
            ended += more
        assert b"\x03\xea" in ended
        writer.close()
        async with connect(subject.url) as client:
            assert await receive(client)


async def test_ping_flood_of_a_client_that_never_reads_holds_no_memory() -> None:
    """Pongs go around backpressure, so what may be pinged is bounded."""
    async with edge(close_s=0.2) as subject:
        _, writer = await raw_client(subject.service.feed.port)
        ping = b"\x89\xfd" + bytes(4) + bytes(125)
        for _ in range(2_000):
            writer.write(ping)
        await subject.until_clients(0)
        assert subject.service.feed.cut == 1
        writer.transport.abort()


async def test_a_client_that_never_reads_is_cut_off_and_its_neighbour_gets_everything() -> None:
    """Its buffer stays bounded; the other's trades add up."""
    bounds = {"stall_s": 0.5, "close_s": 0.2, "high_water_kib": 4, "socket_buffer_kib": 4}
    async with edge(**bounds) as subject:
        _, writer = await raw_client(subject.service.feed.port)
        most, total, seen = 0, 0, 0
        async with connect(subject.url + "?symbols=BTC/USD") as client:
            await receive(client)
            async with asyncio.timeout(20):
                while subject.clients() > 1:
                    for _ in range(200):
                        total += 1
                        subject.send(trades=total)
                    while seen < total:
                        seen += int(str((await receive(client))["trade_count"]))
                    most = max(most, subject.service.feed.buffered())
            assert seen == total
        assert most < 512 * 1024
        assert subject.service.feed.cut == 1
        writer.transport.abort()


async def test_a_silent_client_is_cut_off() -> None:
    """One that answers no ping is gone, or as good as gone."""
    async with edge(ping_s=0.1, stall_s=0.3, close_s=0.2) as subject:
        _, writer = await raw_client(subject.service.feed.port)
        await subject.until_clients(0)
        assert subject.service.feed.cut == 1
        writer.transport.abort()


async def test_shutdown_closes_every_client_with_1012() -> None:
    """Also where one of them does not answer, within the grace."""
    async with edge(close_s=0.5) as subject:
        _, writer = await raw_client(subject.service.feed.port)
        async with connect(subject.url) as client:
            subject.lifecycle.draining.set()
            assert await closed(client) == (1012, "The edge restarts: connect again.")
        await subject.until_clients(0)
        writer.transport.abort()


async def test_the_book_may_go_and_come_back() -> None:
    """Clients stay connected, the edge stays ready, reading goes on after the last window and no trade is lost."""
    async with edge() as subject, connect(subject.url + "?symbols=BTC/USD") as client:
        await receive(client)
        subject.send(trades=2)
        assert (await receive(client))["trade_count"] == 2
        subject.book.messages.put_nowait(None)
        subject.book.begin("run-1", "BTC/USD", "ETH/USD")
        subject.send(trades=7)
        assert (await receive(client))["trade_count"] == 5
        assert subject.service.ready()
        last = subject.book.requests[-1]
        assert (last.after_run, last.after_window, last.reader) == ("run-1", 1, "")


async def test_a_new_run_is_a_new_epoch_on_the_same_connection() -> None:
    """The client sees the new run's opening, and counts begin at its start."""
    async with edge() as subject, connect(subject.url + "?symbols=BTC/USD&fields=epoch") as client:
        subject.send(trades=5)
        while (await receive(client))["trade_count"] != 5:
            pass
        subject.book.begin("run-2", "BTC/USD", "ETH/USD")
        opening = await receive(client)
        assert (opening["epoch"], opening["trade_count"], opening["bid_size"]) == ("run-2", 0, 0.0)
        subject.number = 0
        subject.send(trades=3, run="run-2")
        message = await receive(client)
        assert (message["epoch"], message["trade_count"]) == ("run-2", 3)


async def test_clients_that_leave_are_forgotten() -> None:
    """However they leave, and the others go on."""
    async with edge() as subject, connect(subject.url + "?symbols=BTC/USD") as stays:
        await receive(stays)
        others = [await connect(subject.url) for _ in range(4)]
        for other in others[:2]:
            other.transport.abort()
        for other in others[2:]:
            await other.close()
        subject.send(trades=1)
        assert (await receive(stays))["trade_count"] == 1
        await subject.until_clients(1)
        assert subject.service.stores()[0].used == 1
