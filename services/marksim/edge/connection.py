"""One client's WebSocket: writes ready-made frames, reads and ignores what comes, and stays within its bounds.

It builds on the library's connection for the handshake, control frames and closing, and goes around it at two places: frames
are written already framed (the library frames once per client), and incoming messages are dropped instead of queued.
"""

import asyncio
import socket
from dataclasses import dataclass
from typing import Any, Final, Protocol

from websockets.asyncio.server import Server, ServerConnection
from websockets.frames import DATA_OPCODES, Frame
from websockets.protocol import OPEN, Event
from websockets.server import ServerProtocol

from marksim.edge.fanout import TRY_AGAIN_LATER

POLICY_VIOLATION: Final = 1008

MAX_MESSAGE_BYTES: Final = 4_096
"""Largest message a client may send; a larger one is answered by close code 1009."""
INPUT_BURST_BYTES: Final = 32_768
INPUT_BYTES_PER_S: Final = 8_192
"""A feed needs no input. This leaves room for pongs, closes and a client that talks; more is a flood."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one connection may cost."""

    high_water_bytes: int
    max_buffer_bytes: int
    socket_buffer_bytes: int
    stall_s: float
    ping_s: float
    close_s: float


class Owner(Protocol):
    """Who keeps the connections."""

    limits: Limits

    def opened(self, connection: "FeedConnection") -> bool:
        """A TCP connection has come; False refuses it."""
        ...

    def closed(self, connection: "FeedConnection") -> None:
        """It is gone."""
        ...

    def heard(self, messages: int) -> None:
        """A client said something, which is ignored."""
        ...

    def cut_off(self, connection: "FeedConnection", why: str) -> None:
        """It is being closed by us for its own behaviour: `why` is one of a few words."""
        ...


class FeedConnection(ServerConnection):
    """A client of the feed; implements `fanout.Sink`."""

    def __init__(self, protocol: ServerProtocol, server: Server, owner: Owner, **options: Any) -> None:
        super().__init__(protocol, server, **options)
        self._owner = owner
        self._limits = owner.limits
        self._allowance = float(INPUT_BURST_BYTES)
        self._heard_at = self._allowed_at = self.loop.time()
        self._ping_at = 0.0
        self._closing: asyncio.Task[None] | None = None

    # What the fan-out calls.

    def offer(self, data: bytes) -> bool:
        """Write ready frames; False if the transport is above its high-water mark."""
        if self.paused:
            return False
        # A closing connection swallows them: after a close frame nothing may follow.
        if data and self.protocol.state is OPEN:
            self.transport.write(data)
        return True

    def drained(self) -> bool:
        """Whether `offer` would write."""
        return not self.paused

    def buffered(self) -> int:
        """Bytes that the transport holds."""
        return self.transport.get_write_buffer_size()

    def cut(self, code: int, reason: str) -> None:
        """Close for being stalled."""
        self.cut_for("stalled", code, reason)

    # What the server calls.

    def cut_for(self, why: str, code: int, reason: str) -> None:
        """Close with `reason`, counted under `why`; abort if even that cannot be written."""
        if self._closing is None and self.protocol.state is OPEN:
            self._owner.cut_off(self, why)
            self._closing = self.loop.create_task(self.close_within(code, reason))

    async def close_within(self, code: int, reason: str) -> None:
        """Close, and abort the transport if the client has not let it close in time."""
        try:
            # The library's close waits for the write buffer to drain, which may be never.
            async with asyncio.timeout(self._limits.close_s):
                await self.close(code, reason)
        except TimeoutError:
            self.transport.abort()

    def check(self, now: float) -> None:
        """Once a second: ping a silent client, cut one that does not answer or holds too much. `now` is the loop's time."""
        limits = self._limits
        if self.protocol.state is not OPEN:
            return
        if self.buffered() > limits.max_buffer_bytes:
            self.cut_for("buffer", TRY_AGAIN_LATER, "Too much is waiting for you: read faster, or ask for less.")
        elif self._ping_at > self._heard_at:
            if now - self._ping_at >= limits.stall_s:
                reason = f"You did not answer a ping for {limits.stall_s:g} s: read faster, or ask for less."
                self.cut_for("silent", TRY_AGAIN_LATER, reason)
        elif now - max(self._heard_at, self._ping_at) >= limits.ping_s and not self.paused:
            self._ping_at = now
            self.protocol.send_ping(b"")
            self.send_data()

    # asyncio.Protocol, before the library's own.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Set up the socket; too many connections are dropped unread."""
        super().connection_made(transport)
        raw = transport.get_extra_info("socket")
        if raw is not None and raw.family in (socket.AF_INET, socket.AF_INET6):
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # Without a bound the kernel holds megabytes for a client that does not read, all of them old prices.
            if self._limits.socket_buffer_bytes:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._limits.socket_buffer_bytes)
        if not self._owner.opened(self):
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end, from whichever side."""
        super().connection_lost(exc)
        self._owner.closed(self)

    def data_received(self, data: bytes) -> None:
        """Parse no more than the client's allowance: a flood must cost its sender, not its neighbours."""
        now = self.loop.time()
        self._heard_at = now
        self._allowance = min(INPUT_BURST_BYTES, self._allowance + (now - self._allowed_at) * INPUT_BYTES_PER_S)
        self._allowed_at = now
        flood = len(data) > self._allowance
        if flood:
            data = data[: int(self._allowance)]
        self._allowance -= len(data)
        if data:
            super().data_received(data)
        if not flood:
            return
        if self.protocol.state is not OPEN:
            self.transport.abort()
        else:
            # What was cut out of the stream can never be parsed again, so nothing more is read.
            self.transport.pause_reading()
            self.cut_for("flood", POLICY_VIOLATION, "You send too much: this feed takes no messages.")

    def process_event(self, event: Event) -> None:
        """Drop incoming messages; everything else is the library's."""
        if isinstance(event, Frame) and event.opcode in DATA_OPCODES:
            self._owner.heard(1 if event.fin else 0)
            return
        super().process_event(event)
