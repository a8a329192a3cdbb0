"""The page and its batch route over HTTP."""

import os
import re
import socket
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection

import orjson
import pytest

from marksim.dashboard.history import History
from marksim.dashboard.web import WebServer, bind, make_app
from marksim.runtime.ports import CannotListen
from tests.dashboard.fake_feed import text


@pytest.fixture
def server() -> Iterator[WebServer]:
    """A running server with one tick."""
    history = History("ws://x")
    history.receive(text())
    web = WebServer(history, bind("", 0))
    web.start()
    yield web
    web.close()


def get(port: int, path: str, host: str = "127.0.0.1") -> tuple[int, bytes]:
    """Status and body of one request."""
    with closing(HTTPConnection(host, port, timeout=10)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()


def test_the_batch_route_answers_a_poll(server: WebServer) -> None:
    """JSON with the tick, on the page's own port."""
    status, body = get(server.port, "/batch?symbol=BTC%2FUSD&interval=1")
    assert status == 200
    assert orjson.loads(body)["ticks"]["last"] == [50_000.5]


@pytest.mark.parametrize("query", ["after=x", "interval=nan", "after=inf", "candles_from_ms=nan", "interval=1e999&after=-1"])
def test_a_cursor_that_cannot_be_read_starts_anew(server: WebServer, query: str) -> None:
    """No query makes the route fail."""
    status, body = get(server.port, f"/batch?{query}")
    assert (status, orjson.loads(body)["reset"]) == (200, True)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"output": "x.y"}', b'{"output": "selection.data", "inputs": []}'])
def test_nobody_can_call_a_callback(server: WebServer, body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """They run in the browser; what is sent to Dash's route is refused, and no error of ours in the log."""
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=10)) as connection:
        connection.request("POST", "/_dash-update-component", body, {"Content-Type": "application/json"})
        assert connection.getresponse().status == 400
    assert caplog.records == []


def test_both_loopback_addresses_serve() -> None:
    """`localhost` means either; both show the same page."""
    if not socket.has_ipv6:
        pytest.fail("this test needs a machine with IPv6 loopback")
    web = WebServer(History("ws://x"), bind("", 0))
    web.start()
    try:
        assert get(web.port, "/", "127.0.0.1")[0] == get(web.port, "/", "::1")[0] == 200
    finally:
        web.close()


@pytest.mark.parametrize(("host", "reached"), [("0.0.0.0", ["127.0.0.1"]), ("::", ["127.0.0.1", "::1"])])
def test_a_pod_serves_on_all_addresses(host: str, reached: list[str]) -> None:
    """`::` means IPv4 as well."""
    web = WebServer(History("ws://x"), bind(host, 0))
    web.start()
    try:
        assert [get(web.port, "/", address)[0] for address in reached] == [200] * len(reached)
    finally:
        web.close()


def test_a_port_in_use_is_a_sentence() -> None:
    """It names the port, who has it and the flag, as for every service."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            CannotListen, match=rf"port {port} is in use by process {os.getpid()} \(.*\); --port chooses another"
        ):
            bind("", port)


def test_nothing_on_the_page_comes_from_a_network() -> None:
    """Every script, style and icon has an address on this server."""
    client = make_app(History("ws://x")).server.test_client()
    page = client.get("/").get_data(as_text=True)
    sources = re.findall(r"""(?:src|href)=["']([^"']+)["']""", page)
    assert any("plotly.min.js" in source for source in sources)
    assert [source for source in sources if not source.startswith("/") or source.startswith("//")] == []
    assert [source for source in sources if client.get(source, buffered=True).status_code != 200] == []
