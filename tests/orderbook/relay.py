"""A line between a client and a server that a test can cut, or make silent."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Relay:
    """Passes on all that comes, between whoever connects to `address` and a port of this machine."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._tasks = set[asyncio.Task[None]]()
        self._writers: list[asyncio.StreamWriter] = []
        self.address = ""
        self.silent = False
        """As of a cable that is pulled: connections stay open, and nothing comes through."""
        self.connections = 0
        """That were made so far."""

    async def start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return server

    def cut(self) -> None:
        """Close all connections; new ones may be made."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers = []

    async def end(self) -> None:
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        self.connections += 1
        self._writers += [writer, back]
        for pair in ((reader, back), (there, writer)):
            task = asyncio.create_task(self._copy(*pair))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                if not self.silent:
                    writer.write(data)
        if not self.silent:
            writer.close()


@asynccontextmanager
async def relayed(port: int) -> AsyncIterator[Relay]:
    relay = Relay(port)
    server = await relay.start()
    try:
        yield relay
    finally:
        server.close()
        await relay.end()
