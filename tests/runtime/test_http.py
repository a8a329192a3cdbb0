"""The pages of a service while somebody holds connections to its port."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from urllib.request import urlopen

import pytest

from marksim.runtime import http_server
from marksim.runtime.http import HttpServer
from marksim.runtime.http_server import MAX_CONNECTIONS
from marksim.runtime.pulse import Pulse
from marksim.runtime.service import Page

PATIENCE_S = 10.0


@contextmanager
def pages(**more: Page) -> Iterator[int]:
    """A server on the loopback; yields its port."""
    server = HttpServer("127.0.0.1", 0, Pulse(clock=lambda: 0.0), {f"/{name}": page for name, page in more.items()})
    server.start()
    try:
        yield server.port
    finally:
        server.stop()


def connected(port: int) -> socket.socket:
    """A connection that has said nothing yet."""
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)


def probe(port: int) -> int:
    """Status of /healthz, as a probe asks for it."""
    with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=PATIENCE_S) as answer:
        return int(answer.status)


def threads() -> int:
    """How many threads serve a connection now."""
    return sum("process_request_thread" in thread.name for thread in threading.enumerate())


@pytest.mark.parametrize("idle", [8, MAX_CONNECTIONS, 3 * MAX_CONNECTIONS])
def test_idle_connections_do_not_keep_probes_out(idle: int) -> None:
    """However many say nothing, each probe is answered, and no more threads than stated are at work."""
    with pages() as port, ExitStack() as stack:
        for _ in range(idle):
            stack.enter_context(connected(port))
        for _ in range(4):
            assert probe(port) == 200
            assert threads() <= MAX_CONNECTIONS


def test_the_oldest_idle_connection_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """With all threads taken, one more connection ends the first and no other."""
    monkeypatch.setattr(http_server, "HEAD_TIMEOUT_S", 60.0)
    with pages() as port, ExitStack() as stack:
        idle = [stack.enter_context(connected(port)) for _ in range(MAX_CONNECTIONS)]
        assert probe(port) == 200
        assert idle[0].recv(1) == b""
        for other in idle[1:]:
            other.setblocking(False)
            with pytest.raises(BlockingIOError):
                other.recv(1)


def test_a_head_that_comes_in_drops_is_cut() -> None:
    """The time is for the whole head: a byte now and then does not prolong it."""
    with pages() as port, connected(port) as slow:
        began = time.monotonic()
        slow.settimeout(0.05)
        while time.monotonic() - began < PATIENCE_S:
            try:
                slow.sendall(b"G")
                if slow.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        assert time.monotonic() - began < PATIENCE_S


def test_clients_that_do_not_read_their_page_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where every thread writes to one of those, probes are answered again once their time is over."""
    monkeypatch.setattr(http_server, "WHOLE_TIMEOUT_S", 0.5)
    monkeypatch.setattr(http_server, "MAX_CONNECTIONS", 4)
    body = "x" * 16_000_000
    with pages(large=lambda: ("text/plain", body)) as port, ExitStack() as stack:
        for _ in range(4):
            reader = socket.socket()
            stack.enter_context(reader)
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            reader.connect(("127.0.0.1", port))
            reader.sendall(b"GET /large HTTP/1.0\r\n\r\n")
        give_up = time.monotonic() + PATIENCE_S
        status = 0
        while not status and time.monotonic() < give_up:
            with suppress(OSError):
                status = probe(port)
        assert status == 200
