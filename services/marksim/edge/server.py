"""The WebSocket server of the feed: admits clients, gives them to the fan-out, closes them at the end."""

import asyncio
import logging
import time
from collections.abc import Collection
from http import HTTPStatus
from typing import Final

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from marksim.core.errors import Away, Denied, InvalidInput, MarksimError, NotFound
from marksim.edge import metrics
from marksim.edge.board import Board
from marksim.edge.connection import MAX_MESSAGE_BYTES, FeedConnection, Limits
from marksim.edge.fanout import Client, Fanout
from marksim.edge.room import Room, room_for, wanted_files
from marksim.edge.settings import EdgeSettings
from marksim.edge.subscription import Subscription, parse_target
from marksim.runtime.files import open_files, raise_file_limit
from marksim.runtime.identity import Action, authorize, principal_of
from marksim.runtime.logs import get_logger
from marksim.runtime.ports import CannotListen, addresses, bindable, bound_socket, port_in_use

SERVICE_RESTART: Final = 1012
OPEN_TIMEOUT_S: Final = 5.0
CHECK_S: Final = 1.0
KIB: Final = 1_024

log = get_logger(__name__)

_STATUS: Final = {
    InvalidInput: HTTPStatus.BAD_REQUEST,
    Denied: HTTPStatus.FORBIDDEN,
    NotFound: HTTPStatus.NOT_FOUND,
    Away: HTTPStatus.SERVICE_UNAVAILABLE,
}

# A line for every client that comes, goes or fails its handshake would let strangers fill the log.
_LIBRARY_LOG: Final = logging.getLogger("marksim.edge.websockets")
_LIBRARY_LOG.setLevel(logging.CRITICAL)


def limits_of(settings: EdgeSettings) -> Limits:
    """What a connection may cost by the settings."""
    return Limits(
        high_water_bytes=settings.high_water_kib * KIB,
        max_buffer_bytes=settings.max_buffer_kib * KIB,
        socket_buffer_bytes=settings.socket_buffer_kib * KIB,
        stall_s=settings.stall_s,
        ping_s=settings.ping_s,
        close_s=settings.close_s,
    )


class FeedServer:
    """All sockets of the feed. `start`, then `flush` and `check` regularly, then `stop`."""

    def __init__(self, settings: EdgeSettings, board: Board) -> None:
        self.limits = limits_of(settings)
        self.fanout = Fanout(board, settings.stall_s, lambda: time.time_ns() // 1_000)
        self.port = 0
        self.room = Room(settings.max_clients)
        """Lowered by `start` to what the system lets."""
        self._settings = settings
        self._board = board
        self._servers: list[Server] = []
        self._connections: set[FeedConnection] = set()
        self._admitted: dict[FeedConnection, Subscription] = {}
        self._clients: dict[FeedConnection, Client] = {}
        self.cut = 0
        """Clients cut off or refused at a bound since the start."""

    @property
    def clients(self) -> int:
        """Clients that get the feed."""
        return len(self._clients)

    @property
    def open_connections(self) -> Collection[FeedConnection]:
        """Their connections, a live view."""
        return self._clients.keys()

    def buffered(self) -> int:
        """Bytes on their way to all clients."""
        return sum(connection.buffered() for connection in self._clients)

    async def start(self) -> None:
        """Listen; raises CannotListen."""
        self._make_room()
        port = self._settings.port
        for address in addresses(self._settings.host):
            if not bindable(address, port, "--port"):
                continue
            try:
                server = await self._serve(address, port)
            except OSError as error:
                if port:
                    raise port_in_use(port, "--port") from None
                raise CannotListen(f"cannot listen on {address} ({error}); --host changes it") from None
            self._servers.append(server)
            port = server.sockets[0].getsockname()[1]
        self.port = port

    def _make_room(self) -> None:
        most, open_now = self._settings.max_clients, open_files()
        limit = raise_file_limit(wanted_files(most, open_now))
        self.room = room_for(most, limit, open_now)
        if self.room.clients < most:
            log.warning(
                "the limit of open files (ulimit -Hn) lets this edge serve fewer clients than --max-clients: "
                "raise the one or lower the other",
                open_files=limit,
                clients=self.room.clients,
                max_clients=most,
            )

    async def _serve(self, address: str, port: int) -> Server:
        def create(protocol: ServerProtocol, server: Server, **options: object) -> FeedConnection:
            return FeedConnection(protocol, server, self, **options)

        high = self.limits.high_water_bytes
        # No `subprotocols`: naming any would refuse the clients that offer none. No `origins`: every page may read the feed.
        return await serve(
            self._handle,
            sock=bound_socket(address, port),
            compression=None,
            process_request=self._admit,
            server_header="marksim",
            open_timeout=OPEN_TIMEOUT_S,
            ping_interval=None,
            close_timeout=self.limits.close_s,
            max_size=MAX_MESSAGE_BYTES,
            write_limit=(high, high // 4),
            logger=_LIBRARY_LOG,
            create_connection=create,  # type: ignore[arg-type]  # it takes any callable that makes one
            backlog=1_024,
        )

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse what cannot be served, with a sentence."""
        assert isinstance(connection, FeedConnection)
        try:
            authorize(principal_of(request.headers.raw_items()), "", Action.WATCH)
            subscription = parse_target(request.path, self._board.symbols)
        except (InvalidInput, Denied, NotFound, Away) as error:
            metrics.REFUSED.labels(reason="request").inc()
            return self._refuse(connection, error)
        bound = self.room.clients
        if len(self._admitted) >= bound:
            self.cut += 1
            metrics.REFUSED.labels(reason="full").inc()
            return connection.respond(503, f"This edge serves {bound} clients and has them: try again later or elsewhere.\n")
        self._admitted[connection] = subscription
        return None

    @staticmethod
    def _refuse(connection: ServerConnection, error: MarksimError) -> Response:
        return connection.respond(_STATUS[type(error)], error.message + "\n")

    async def _handle(self, connection: ServerConnection) -> None:
        assert isinstance(connection, FeedConnection)
        subscription = self._admitted.get(connection)
        # It may have gone since the handshake.
        if subscription is None:
            return
        self._clients[connection] = self.fanout.join(subscription, connection)
        metrics.CONNECTS.inc()
        await connection.wait_closed()

    def opened(self, connection: FeedConnection) -> bool:
        """A TCP connection has come; False if there are too many."""
        self._connections.add(connection)
        if len(self._connections) <= self.room.clients + self.room.unadmitted:
            return True
        self.cut += 1
        metrics.REFUSED.labels(reason="connections").inc()
        return False

    def closed(self, connection: FeedConnection) -> None:
        """It is gone."""
        self._connections.discard(connection)
        self._admitted.pop(connection, None)
        client = self._clients.pop(connection, None)
        if client is not None:
            self.fanout.leave(client)

    def heard(self, messages: int) -> None:
        """A client said something; nothing answers."""
        metrics.IGNORED.inc(messages)

    def cut_off(self, connection: FeedConnection, why: str) -> None:
        """A client is being cut off: nothing more is sent to it."""
        self.cut += 1
        metrics.CUT_OFF.labels(reason=why).inc()
        client = self._clients.get(connection)
        if client is not None:
            self.fanout.leave(client)

    async def check_forever(self) -> None:
        """Once a second look for clients that are silent or hold too much; sliced, so that many do not delay a flush."""
        while True:
            await asyncio.sleep(CHECK_S)
            for index, connection in enumerate(list(self._clients)):
                connection.check(asyncio.get_running_loop().time())
                if index % 500 == 499:
                    await asyncio.sleep(0)

    async def stop(self) -> None:
        """Take no more clients and close those there are with 1012; returns within about `close_s`."""
        for server in self._servers:
            server.close(close_connections=False)
        reason = "The edge restarts: connect again."
        open_ones = list(self._clients)
        await asyncio.gather(*(connection.close_within(SERVICE_RESTART, reason) for connection in open_ones))
        for connection in list(self._connections):
            connection.transport.abort()
        waits = [asyncio.create_task(server.wait_closed()) for server in self._servers]
        if waits:
            await asyncio.wait(waits, timeout=1.0)
            for wait in waits:
                wait.cancel()
