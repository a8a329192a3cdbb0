"""The proxy between services: every fault does what its name says, to plain TCP and to gRPC, and its buffers are bounded."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health

from marksim.runtime.channel import open_channel
from tests.e2e.market import eventually
from tests.faults.proxy import CHUNK_BYTES, Direction, Link, Proxy

WAIT_S = 10.0
SILENT_S = 0.3
"""So long nothing comes, where nothing may."""


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back all that comes, and then the end."""
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    writer.close()


@asynccontextmanager
async def linked(seed: int = 0, buffer_bytes: int = 65_536) -> AsyncIterator[Link]:
    """A link to an echo server."""
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with Proxy(seed, buffer_bytes) as proxy:
        yield await proxy.link("echo", "127.0.0.1", server.sockets[0].getsockname()[1])
    server.close()


class Caller:
    """A plain connection through a link."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, data: bytes = b"ping") -> bytes:
        """What comes back, of as many bytes."""
        self.writer.write(data)
        async with asyncio.timeout(WAIT_S):
            return await self.reader.readexactly(len(data))

    async def is_silent(self) -> bool:
        """Whether nothing comes, neither bytes nor an end."""
        try:
            async with asyncio.timeout(SILENT_S):
                await self.reader.read(1)
        except TimeoutError:
            return True
        return False


@asynccontextmanager
async def calling(link: Link) -> AsyncIterator[Caller]:
    """Connect to the link."""
    host, port = link.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield Caller(reader, writer)
    finally:
        writer.close()


async def test_healthy_link_carries_all_and_the_end() -> None:
    """Without a fault every byte arrives in order, and the end of one half does not end the other."""
    data = bytes(range(256)) * 4096
    async with linked() as link, calling(link) as caller:
        received = asyncio.create_task(caller.reader.read(-1))
        caller.writer.write(data)
        caller.writer.write_eof()
        async with asyncio.timeout(WAIT_S):
            assert await received == data
        assert link.carried == dict.fromkeys(Direction, len(data))
        assert link.most_held <= link.buffer_bytes


async def test_delay_and_jitter_keep_order() -> None:
    """Each way takes at least the delay; with jitter many small messages still come in the order they were sent in."""
    async with linked(seed=1) as link, calling(link) as caller:
        await caller.ask()
        link.delay(0.1)
        began = time.monotonic()
        assert await caller.ask() == b"ping"
        assert time.monotonic() - began >= 0.2
        link.delay(0.0, jitter_s=0.05)
        sent = b""
        for number in range(40):
            caller.writer.write(bytes([number]) * 3)
            await caller.writer.drain()
            sent += bytes([number]) * 3
            await asyncio.sleep(0)
        async with asyncio.timeout(WAIT_S):
            assert await caller.reader.readexactly(len(sent)) == sent


async def test_drop_ends_in_order_and_reset_at_once() -> None:
    """A dropped connection ends without an error, a reset one with ConnectionResetError; a new one works after either."""
    async with linked() as link:
        async with calling(link) as caller:
            await caller.ask()
            assert link.drop() == 1
            async with asyncio.timeout(WAIT_S):
                assert await caller.reader.read() == b""
        async with calling(link) as caller:
            await caller.ask()
            assert link.reset() == 1
            with pytest.raises(ConnectionResetError):
                async with asyncio.timeout(WAIT_S):
                    await caller.reader.read()
        async with calling(link) as caller:
            assert await caller.ask() == b"ping"


async def test_severed_link_refuses_until_healed() -> None:
    """While severed every connection is reset; afterwards a new one works."""
    async with linked() as link:
        link.sever()
        async with calling(link) as caller:
            with pytest.raises((ConnectionResetError, BrokenPipeError, asyncio.IncompleteReadError)):
                await caller.ask()
        assert link.refused == 1
        link.heal()
        async with calling(link) as caller:
            assert await caller.ask() == b"ping"


async def test_half_open_swallows_for_ever() -> None:
    """What a half-open connection says is lost without an end, also after the link is healed; a new one works then."""
    async with linked() as link, calling(link) as before:
        await before.ask()
        link.half_open()
        before.writer.write(b"lost")
        assert await before.is_silent()
        async with calling(link) as during:
            during.writer.write(b"lost too")
            assert await during.is_silent()
            link.heal()
            async with calling(link) as after:
                assert await after.ask() == b"ping"
            during.writer.write(b"lost again")
            assert await during.is_silent()
        assert await before.is_silent()
        assert link.swallowed == len(b"lost" + b"lost too" + b"lost again")


@pytest.mark.parametrize("direction", Direction)
async def test_cut_direction_holds_and_loses_nothing(direction: Direction) -> None:
    """While one direction is cut nothing comes back; once it is healed all of it does."""
    async with linked() as link, calling(link) as caller:
        await caller.ask()
        carried = link.carried[Direction.UP]
        link.cut(direction)
        caller.writer.write(b"held")
        assert await caller.is_silent()
        # Cut on the way down, the server has got it all the same.
        assert link.carried[Direction.UP] - carried == (4 if direction == Direction.DOWN else 0)
        link.heal()
        async with asyncio.timeout(WAIT_S):
            assert await caller.reader.readexactly(4) == b"held"


async def test_throttled_link_takes_its_time() -> None:
    """Half a megabyte at a megabyte a second each way takes at least half a second."""
    data = bytes(500_000)
    async with linked() as link, calling(link) as caller:
        link.throttle(1_000_000)
        began = time.monotonic()
        assert await caller.ask(data) == data
        assert time.monotonic() - began >= 0.5 * (1 - 2 * CHUNK_BYTES / len(data))


async def test_buffers_are_bounded() -> None:
    """Behind a cut a sender is held up: the proxy takes no more than its bound, however much there is to send."""
    async with linked(buffer_bytes=CHUNK_BYTES) as link, calling(link) as caller:
        link.cut(Direction.UP)
        data = bytes(32 << 20)
        answers = asyncio.create_task(caller.reader.readexactly(len(data)))
        caller.writer.write(data)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SILENT_S):
                await caller.writer.drain()
        assert 0 < link.most_held <= link.buffer_bytes
        link.heal()
        async with asyncio.timeout(WAIT_S):
            assert await answers == data
        assert link.most_held <= link.buffer_bytes


async def test_links_are_apart_and_named() -> None:
    """A fault of one link is not one of another; a name is given once."""
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with Proxy() as proxy:
        first, second = await proxy.link("first", "127.0.0.1", port), await proxy.link("second", "127.0.0.1", port)
        with pytest.raises(ValueError, match="a link 'first' already"):
            await proxy.link("first", "127.0.0.1", port)
        proxy["first"].cut()
        async with calling(first) as cut, calling(second) as whole:
            cut.writer.write(b"held")
            assert await whole.ask() == b"ping"
            assert await cut.is_silent()
            proxy.heal()
            async with asyncio.timeout(WAIT_S):
                assert await cut.reader.readexactly(4) == b"held"
    server.close()


async def test_nobody_behind_is_a_reset() -> None:
    """Where nothing listens behind the link, a connection is made and ends with an error, as of a service that is down."""
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    async with Proxy() as proxy, calling(await proxy.link("down", "127.0.0.1", port)) as caller:
        with pytest.raises((ConnectionResetError, BrokenPipeError, asyncio.IncompleteReadError)):
            await caller.ask()


@asynccontextmanager
async def healthy(proxy: Proxy) -> AsyncIterator[tuple[Link, Any]]:
    """A link to a gRPC server, and a client that has called it, on the market's own channel."""
    server = grpc.aio.server()
    servicer = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    await servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    link = await proxy.link("health", "127.0.0.1", port)
    try:
        async with open_channel(link.address) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            assert await check(stub) == "OK"
            yield link, stub
    finally:
        await server.stop(None)


async def check(stub: Any, timeout_s: float = WAIT_S, *, wait: bool = True) -> str:
    """Name of the status with which a call ends."""
    try:
        await stub.Check(health_pb2.HealthCheckRequest(), timeout=timeout_s, wait_for_ready=wait)
    except grpc.aio.AioRpcError as error:
        return error.code().name
    return "OK"


async def answered(stub: Any) -> None:
    """Wait for a call that is answered: one that meets the end of its connection is not."""

    async def look() -> bool:
        return await check(stub) == "OK"

    await eventually(look, WAIT_S)


async def test_grpc_channel_outlives_reset_and_drop() -> None:
    """A channel connects again by itself after its connection was reset or dropped."""
    async with Proxy() as proxy, healthy(proxy) as (link, stub):
        for end in (link.reset, link.drop):
            connections = link.connections
            assert end() == 1
            await answered(stub)
            assert link.connections == connections + 1


async def test_grpc_call_over_a_half_open_link_ends_at_its_deadline() -> None:
    """A call that nobody hears ends with its deadline and no sooner; cut and healed, the next one is answered."""
    async with Proxy() as proxy, healthy(proxy) as (link, stub):
        link.half_open()
        assert await check(stub, SILENT_S) == "DEADLINE_EXCEEDED"
        link.heal()
        assert await check(stub, SILENT_S) == "DEADLINE_EXCEEDED"
        link.reset()
        await answered(stub)


async def test_grpc_call_is_unavailable_while_severed_and_late_behind_a_delay() -> None:
    """A severed link makes calls UNAVAILABLE at once; behind a delay they are late and sound."""
    async with Proxy() as proxy, healthy(proxy) as (link, stub):
        link.sever()
        assert await check(stub, wait=False) == "UNAVAILABLE"
        link.heal()
        await answered(stub)
        link.delay(0.1)
        began = time.monotonic()
        assert await check(stub) == "OK"
        assert time.monotonic() - began >= 0.2
