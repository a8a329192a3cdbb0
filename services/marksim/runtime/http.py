"""The small HTTP server of every service: /metrics, /healthz, /readyz, and pages a service adds.

It runs in threads, so that a blocked event loop is seen from outside instead of hiding itself.
"""

import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any, Final
from urllib.parse import urlsplit

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.exposition import choose_encoder

from marksim.runtime.http_server import BoundedServer
from marksim.runtime.logs import get_logger
from marksim.runtime.ports import addresses, authority, bindable
from marksim.runtime.pulse import Pulse
from marksim.runtime.service import Page

FLAG: Final = "--http-port"
TEXT: Final = "text/plain; charset=utf-8"

log = get_logger(__name__)


class HttpServer:
    """Serves the pages on every address of `host` from `start` to `stop`."""

    def __init__(
        self, host: str, port: int, pulse: Pulse, pages: Mapping[str, Page], registry: CollectorRegistry = REGISTRY
    ) -> None:
        """Bind; raises CannotListen."""
        handler = _handler(pulse, pages, registry)
        self.port = port
        self._servers: list[BoundedServer] = []
        self._started = False
        try:
            for address in addresses(host):
                if bindable(address, self.port, FLAG):
                    self._servers.append(BoundedServer(address, self.port, handler))
                    self.port = self._servers[0].server_port
                else:
                    log.info("no such address on this machine", address=authority(address, self.port))
        except BaseException:
            self._close()
            raise

    def start(self) -> None:
        """Serve in threads."""
        self._started = True
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.1,), name="http", daemon=True).start()

    def stop(self) -> None:
        """Stop serving and free the port; requests in work are cut off with the process."""
        # `shutdown` waits for the loop of `serve_forever`, so it would wait for ever where there was none.
        for server in self._servers if self._started else ():
            server.shutdown()
        self._close()

    def _close(self) -> None:
        for server in self._servers:
            server.socket.close()


def _handler(pulse: Pulse, pages: Mapping[str, Page], registry: CollectorRegistry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        server_version = "marksim"
        sys_version = ""

        def do_GET(self) -> None:
            assert isinstance(self.server, BoundedServer)
            self.server.answer(self.connection)
            path = urlsplit(self.path).path
            if path == "/metrics":
                encode, content_type = choose_encoder(self.headers.get("Accept", ""))
                self._send(200, content_type, encode(registry))
            elif path == "/healthz":
                self._say(pulse.alive, "alive", "the event loop does not turn")
            elif path == "/readyz":
                self._say(pulse.ready, "ready", "not ready")
            elif path in pages:
                content_type, text = pages[path]()
                self._send(200, content_type, text.encode())
            else:
                known = " ".join(["/metrics", "/healthz", "/readyz", *pages])
                self._send(404, TEXT, f"not found; there is {known}\n".encode())

        def do_HEAD(self) -> None:
            self.do_GET()

        def _say(self, good: bool, yes: str, no: str) -> None:
            self._send(200 if good else 503, TEXT, f"{yes if good else no}\n".encode())

        def _send(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Probes and scrapes come every second; they are not worth a line."""

    return Handler
