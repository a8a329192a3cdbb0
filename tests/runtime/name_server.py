"""A DNS server on loopback, for tests of peers whose address changes behind their name."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

_NAME_ERROR = 3


class NameServer(asyncio.DatagramProtocol):
    """Answers questions for IPv4 addresses from `records`, with no time to live; other names do not exist."""

    def __init__(self) -> None:
        self.records: dict[str, list[str]] = {}
        self.asked = 0
        self.port = 0
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.asked += 1
        end = data.index(b"\0", 12) + 1
        labels, at = [], 12
        while data[at]:
            labels.append(data[at + 1 : at + 1 + data[at]].decode())
            at += 1 + data[at]
        addresses = self.records.get(".".join(labels).lower())
        (kind,) = struct.unpack_from("!H", data, end)
        answers = [
            struct.pack("!HHHIH", 0xC00C, 1, 1, 0, 4) + socket.inet_aton(address)
            for address in (addresses or ())
            if kind == 1
        ]
        flags = 0x8180 | (0 if addresses is not None else _NAME_ERROR)
        header = data[:2] + struct.pack("!HHHHH", flags, 1, len(answers), 0, 0)
        self._transport.sendto(header + data[12 : end + 4] + b"".join(answers), addr)

    def target(self, name: str, port: int) -> str:
        """What to give gRPC so that it asks this server for the name."""
        return f"dns://127.0.0.1:{self.port}/{name}:{port}"


@asynccontextmanager
async def name_server() -> AsyncIterator[NameServer]:
    """The server on a free port."""
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(NameServer, ("127.0.0.1", 0))
    try:
        yield server
    finally:
        transport.close()
