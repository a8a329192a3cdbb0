"""The dashboard's HTTP server: the Dash page, and the one route that its script polls."""

import socket
from threading import Thread

from dash import Dash
from flask import Response, abort, request
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from marksim.dashboard.batch import DEFAULT_INTERVAL, BatchBuilder, Cursor
from marksim.dashboard.history import History
from marksim.dashboard.page import make_page
from marksim.runtime.ports import addresses, bindable, bound_socket, port_in_use

BATCH_PATH = "/batch"
_CALLBACK_PATH = "/_dash-update-component"
_FLAG = "--port"


def make_app(history: History) -> Dash:
    """The page and its batch route as one WSGI application."""
    app = make_page()
    batches = BatchBuilder(history)

    def batch() -> Response:
        body = batches.build(_cursor(request.args))
        return Response(body, mimetype="application/json", headers={"Cache-Control": "no-store"})

    def refuse_callback() -> None:
        if request.path == _CALLBACK_PATH:
            # None of the page's callbacks runs here, so Dash would find nothing to call and answer with an error of its own.
            abort(400)

    app.server.before_request(refuse_callback)
    app.server.add_url_rule(BATCH_PATH, view_func=batch, methods=["GET"])
    return app


def _cursor(arguments: dict[str, str]) -> Cursor:
    """The cursor in a query. What cannot be read counts as not sent: such a page starts anew."""

    def number(name: str, default: float) -> float:
        try:
            return float(arguments.get(name, default))
        except ValueError:
            return default

    try:
        return Cursor(
            symbol=arguments.get("symbol", ""),
            interval=int(number("interval", DEFAULT_INTERVAL)),
            generation=arguments.get("generation", ""),
            after=int(number("after", 0)),
            candles_from_ms=number("candles_from_ms", 0.0),
        )
    except (ValueError, OverflowError):  # nan and infinity
        return Cursor(symbol=arguments.get("symbol", ""))


def bind(host: str, port: int) -> list[socket.socket]:
    """Listening sockets on `host`, or on both loopback addresses where it is empty. Port 0 takes any free one.

    Raises CannotListen.
    """
    sockets: list[socket.socket] = []
    try:
        for address in addresses(host):
            if not bindable(address, port, _FLAG):
                continue  # a machine without IPv6
            sockets.append(bound_socket(address, port))
            sockets[-1].listen(128)
            port = sockets[-1].getsockname()[1]
    except BaseException as error:
        for listener in sockets:
            listener.close()
        if isinstance(error, OSError):
            # Taken since it was asked.
            raise port_in_use(port, _FLAG) from None
        raise
    return sockets


class _QuietHandler(WSGIRequestHandler):
    """Writes no line per request: a page polls several times a second."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


class WebServer:
    """Serves the app on sockets from `bind`, a thread per connection, until closed.

    Werkzeug's threaded server, though it calls itself a development one: the page is one team's, on loopback or behind
    a cluster's ingress, polls are small, connections are kept alive, and it needs no further dependency or process (the
    history lives in this one). Nothing of the market waits for it.
    """

    def __init__(self, history: History, sockets: list[socket.socket]) -> None:
        app = make_app(history)
        self.port = int(sockets[0].getsockname()[1])
        self._servers: list[BaseWSGIServer] = []
        for listener in sockets:
            address = listener.getsockname()[0]
            # Werkzeug duplicates the descriptor and reads the family from the address.
            server = make_server(
                address, self.port, app.server, threaded=True, request_handler=_QuietHandler, fd=listener.fileno()
            )
            server.daemon_threads = True  # type: ignore[attr-defined]
            listener.close()
            self._servers.append(server)
        self._threads = [Thread(target=server.serve_forever, name="web", daemon=True) for server in self._servers]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop accepting. Open polls are cut off with the process."""
        for server, thread in zip(self._servers, self._threads, strict=True):
            if thread.is_alive():
                server.shutdown()
            server.server_close()
