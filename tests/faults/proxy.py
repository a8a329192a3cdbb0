"""Network faults between services: a TCP proxy on loopback, one named link a pair, each with faults of its own.

    async with Proxy(seed=7) as proxy:
        link = await proxy.link("book", "localhost", book_port)     # the engine is told `link.address`
        link.delay(0.2, jitter_s=0.1)
        link.half_open()
        link.heal()

Bytes of a direction keep their order, and at most `buffer_bytes` of each connection and direction are here: then the proxy
reads no more, and who sends feels it, as behind a slow line.
"""

import asyncio
import contextlib
import random
import socket
import struct
from collections import deque
from enum import Enum
from types import TracebackType
from typing import Final, Self

CHUNK_BYTES: Final = 16_384
BUFFER_BYTES: Final = 256 * 1024


class Direction(Enum):
    """UP is from whoever connects to the service behind the link, DOWN the way back."""

    UP = "up"
    DOWN = "down"


class Link:
    """One address whose connections lead to another."""

    def __init__(self, name: str, host: str, port: int, randomness: random.Random, buffer_bytes: int) -> None:
        self.name, self.host, self.port = name, host, port
        self.address = ""
        self.connections = 0
        """Made so far."""
        self.refused = 0
        self.carried = dict.fromkeys(Direction, 0)
        """Bytes that went through."""
        self.swallowed = 0
        """Bytes that did not, and never will."""
        self.most_held = 0
        """Most bytes that one connection and direction had here at a time."""
        self.buffer_bytes = buffer_bytes
        self._random = randomness
        self._server: asyncio.Server | None = None
        self._open: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Condition()
        self._delay_s = self._jitter_s = self._rate = 0.0
        self._cut: set[Direction] = set()
        self._half_open = self._severed = False

    @property
    def open_connections(self) -> int:
        return len(self._open)

    async def start(self) -> None:
        """Listen on a free port of 127.0.0.1."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=CHUNK_BYTES)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def end(self) -> None:
        """Close the address and all connections."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._open):
            connection.close(reset=True)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def delay(self, delay_s: float, jitter_s: float = 0.0) -> None:
        """What comes from now on arrives so much later, and up to the jitter more; 0 ends it. Order is kept."""
        self._delay_s, self._jitter_s = delay_s, jitter_s

    def throttle(self, bytes_per_s: float) -> None:
        """Each connection carries so much a second in each direction; 0 ends it."""
        self._rate = bytes_per_s

    def cut(self, *directions: Direction) -> None:
        """Nothing goes through in these directions (both where none is named) until healed; nothing is lost.

        As of a network that loses all packets for a while: TCP sends them again.
        """
        self._cut = set(directions or Direction)
        self._wake()

    def half_open(self) -> None:
        """Both sides of what is open, or is opened from now on, stay open, and what they say is lost without a word.

        As of a peer whose machine is gone. Such a connection does not come back when the link is healed; a new one works.
        """
        self._half_open = True
        for connection in self._open:
            connection.dead = True
        self._wake()

    def sever(self) -> None:
        """Reset all connections, and each that is tried, until healed."""
        self._severed = True
        self.reset()

    def drop(self) -> int:
        """Close all connections in order (FIN); new ones may be made. Returns how many there were."""
        return self._end_all(reset=False)

    def reset(self) -> int:
        """End all connections at once (RST); new ones may be made. Returns how many there were."""
        return self._end_all(reset=True)

    def heal(self) -> None:
        """All faults end but for connections that were half-open: these stay as they are."""
        self._delay_s = self._jitter_s = self._rate = 0.0
        self._cut, self._half_open, self._severed = set(), False, False
        self._wake()

    def arrives_at(self, now: float, before: float) -> float:
        """When what was read now is due, not before what was read earlier."""
        return max(before, now + self._delay_s + self._random.uniform(0.0, self._jitter_s))

    async def may_pass(self, direction: Direction, connection: "_Connection") -> None:
        """Wait while the direction is cut."""
        async with self._changed:
            await self._changed.wait_for(lambda: direction not in self._cut or connection.dead)

    @property
    def seconds_a_byte(self) -> float:
        return 1.0 / self._rate if self._rate else 0.0

    def _end_all(self, *, reset: bool) -> int:
        ended = list(self._open)
        for connection in ended:
            connection.close(reset=reset)
        return len(ended)

    def _wake(self) -> None:
        async def wake() -> None:
            async with self._changed:
                self._changed.notify_all()

        self._keep(asyncio.get_running_loop().create_task(wake()))

    def _keep(self, task: "asyncio.Task[None]") -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The server's own task: cancelling it is how the connection ends with the link.
        task = asyncio.current_task()
        assert task is not None
        self._keep(task)
        if self._severed:
            self.refused += 1
            _abort(writer)
            return
        connection = _Connection(self, reader, writer, dead=self._half_open)
        self.connections += 1
        self._open.add(connection)
        try:
            await connection.carry()
        finally:
            self._open.discard(connection)
            connection.close(reset=True)


class _Connection:
    """One accepted connection and the one that was made for it."""

    def __init__(self, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, dead: bool) -> None:
        self._link, self._reader, self._writer = link, reader, writer
        self._writers = [writer]
        self.dead = dead
        """Swallows for ever."""

    async def carry(self) -> None:
        """Until one side ends."""
        if self.dead:
            await self._swallow(self._reader)
            return
        try:
            there, back = await asyncio.open_connection(self._link.host, self._link.port, limit=CHUNK_BYTES)
        except OSError:
            # Nobody listens: as without the proxy, the connection is refused, if later.
            self.close(reset=True)
            return
        self._writers.append(back)
        up = asyncio.create_task(self._one_way(Direction.UP, self._reader, back))
        down = asyncio.create_task(self._one_way(Direction.DOWN, there, self._writer))
        try:
            # One half may be closed and the other still be used; an error ends both.
            done, _ = await asyncio.wait((up, down), return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        except (ConnectionError, TimeoutError):
            self.close(reset=True)
        finally:
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)

    def close(self, *, reset: bool) -> None:
        for writer in self._writers:
            if reset:
                _abort(writer)
            else:
                writer.close()

    async def _one_way(self, direction: Direction, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pipe = _Pipe(self._link, direction, self)
        filling = asyncio.create_task(pipe.fill(reader))
        try:
            await pipe.drain(writer)
            await filling
        except ConnectionError:
            # Of a dead connection the other side hears nothing, this neither.
            if not self.dead:
                raise
        finally:
            filling.cancel()
            await asyncio.gather(filling, return_exceptions=True)
        if self.dead:
            await self._swallow(reader)
        elif writer.can_write_eof() and not writer.is_closing():
            with contextlib.suppress(OSError):
                writer.write_eof()

    async def _swallow(self, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(CHUNK_BYTES):
            self._link.swallowed += len(data)


class _Pipe:
    """What one direction of a connection has on its way, with the moments at which it is due."""

    def __init__(self, link: Link, direction: Direction, connection: _Connection) -> None:
        self._link, self._direction, self._connection = link, direction, connection
        self._chunks: deque[tuple[float, bytes]] = deque()
        self._bytes = 0
        self._changed = asyncio.Condition()
        self._ended = False
        self._due = 0.0
        self._free_at = 0.0

    async def fill(self, reader: asyncio.StreamReader) -> None:
        """Read while there is room."""
        loop = asyncio.get_running_loop()
        try:
            while data := await reader.read(CHUNK_BYTES):
                async with self._changed:
                    self._due = self._link.arrives_at(loop.time(), self._due)
                    self._chunks.append((self._due, data))
                    self._bytes += len(data)
                    self._link.most_held = max(self._link.most_held, self._bytes)
                    self._changed.notify_all()
                    await self._changed.wait_for(lambda: self._bytes + CHUNK_BYTES <= self._link.buffer_bytes)
        finally:
            self._ended = True
            async with self._changed:
                self._changed.notify_all()

    async def drain(self, writer: asyncio.StreamWriter) -> None:
        """Write each chunk when it is due; returns at the end of what is read, or when the connection is dead."""
        loop = asyncio.get_running_loop()
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: bool(self._chunks) or self._ended)
                if not self._chunks:
                    return
                due, data = self._chunks[0]
            await asyncio.sleep(max(due, self._free_at) - loop.time())
            await self._link.may_pass(self._direction, self._connection)
            if self._connection.dead:
                self._link.swallowed += len(data)
            else:
                writer.write(data)
                await writer.drain()
                self._link.carried[self._direction] += len(data)
                self._free_at = max(loop.time(), self._free_at) + len(data) * self._link.seconds_a_byte
            async with self._changed:
                self._chunks.popleft()
                self._bytes -= len(data)
                self._changed.notify_all()


def _abort(writer: asyncio.StreamWriter) -> None:
    """End the connection with RST instead of FIN."""
    raw = writer.get_extra_info("socket")
    if raw is not None and not writer.is_closing():
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Proxy:
    """Named links. Everything of one runs in one event loop and is not for threads."""

    def __init__(self, seed: int = 0, buffer_bytes: int = BUFFER_BYTES) -> None:
        if buffer_bytes < CHUNK_BYTES:
            raise ValueError(f"buffer_bytes is {buffer_bytes}: give at least {CHUNK_BYTES}, what is read at a time")
        self.links: dict[str, Link] = {}
        self._random = random.Random(seed)
        self._buffer_bytes = buffer_bytes

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for link in self.links.values():
            await link.end()

    async def link(self, name: str, host: str, port: int) -> Link:
        """A new address that leads to `host:port`, which need not listen yet; ValueError where the name is taken."""
        if name in self.links:
            raise ValueError(f"there is a link {name!r} already: give each its own name")
        made = Link(name, host, port, random.Random(self._random.random()), self._buffer_bytes)
        await made.start()
        self.links[name] = made
        return made

    def __getitem__(self, name: str) -> Link:
        return self.links[name]

    def heal(self) -> None:
        """All links work again."""
        for link in self.links.values():
            link.heal()
