"""The HTTP server beneath a service's pages: threads of a stated number, and connections that cannot hold them for long.

Whoever may reach the port may open connections and say nothing, and a probe that is not answered restarts the service. So:

- One thread for each connection and at most MAX_CONNECTIONS of them on each address.
- The head of a request has HEAD_TIMEOUT_S from its connection on, however it comes; the whole has WHOLE_TIMEOUT_S.
- Where all threads are taken, the oldest connection whose request has not come gives way to the new one. Only where all
  are being answered is the new one refused.
"""

import socket
import sys
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from marksim.runtime.logs import get_logger

MAX_CONNECTIONS: Final = 64
HEAD_TIMEOUT_S: Final = 1.0
WHOLE_TIMEOUT_S: Final = 5.0
_GIVE_WAY_S: Final = 0.5
"""Longest wait for the thread of a connection that gives way; it has only to see that its socket is shut."""

log = get_logger(__name__)


@dataclass(slots=True)
class _Connection:
    opened_at: float
    answering: bool = False
    """Whether the head of its request has come."""


class BoundedServer(ThreadingHTTPServer):
    """Listens on one address. Handlers call `answer` once they have a request's head."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, address: str, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._free = threading.BoundedSemaphore(MAX_CONNECTIONS)
        # Oldest first. Only a socket in here may be shut: one that has left may be closed, and its number another's.
        self._connections: dict[socket.socket, _Connection] = {}
        self._lock = threading.Lock()
        super().__init__((address, port), handler)

    def answer(self, request: socket.socket) -> None:
        """The head of the request has come: from here on it does not give way."""
        with self._lock:
            if connection := self._connections.get(request):
                connection.answering = True

    def server_bind(self) -> None:
        # The parent would ask DNS for this host's name, which can take seconds. "::" means IPv4 as well.
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(self.server_address[0] != "::"))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        free = self._free.acquire(blocking=False) or (self._give_way() and self._free.acquire(timeout=_GIVE_WAY_S))
        if not free:
            self.shutdown_request(request)
            return
        with self._lock:
            self._connections[request] = _Connection(time.monotonic())
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Shut what is over its time; called by `serve_forever` at every turn."""
        now = time.monotonic()
        with self._lock:
            for request, connection in list(self._connections.items()):
                if now - connection.opened_at > (WHOLE_TIMEOUT_S if connection.answering else HEAD_TIMEOUT_S):
                    self._shut(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("an HTTP request failed", client=str(client_address), exc_info=sys.exc_info())

    def _give_way(self) -> bool:
        with self._lock:
            waiting = (request for request, connection in self._connections.items() if not connection.answering)
            if oldest := next(waiting, None):
                self._shut(oldest)
        return oldest is not None

    def _shut(self, request: socket.socket) -> None:
        """Wake the connection's thread, which then ends and closes it. Under the lock."""
        del self._connections[request]
        try:
            request.shutdown(socket.SHUT_RDWR)
        except OSError as error:
            # The client was faster; its thread sees that as well.
            log.debug("a connection was already gone", reason=str(error))
