"""What the status line is read from."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from marksim.supervisor import status
from marksim.supervisor.status import CLIENTS_METRIC, SESSION_METRIC, Reading, Watcher, status_line
from marksim.v1 import engine_pb2

PAGE = f"""{CLIENTS_METRIC} 3
{SESSION_METRIC}{{symbol="BTC/USD",state="continuous"}} 1
{SESSION_METRIC}{{symbol="BTC/USD",state="halted"}} 0
{SESSION_METRIC}{{symbol="ETH/USD",state="closing_auction"}} 1
"""


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(PAGE.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name in the library)
        pass


async def test_metrics_are_read_past_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The edge is on this machine, whatever proxy leads to the world."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    with ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = f"127.0.0.1:{server.server_port}"
        watcher = Watcher({"engine": "127.0.0.1:1"}, page, page)
        try:
            reading = await watcher.read()
            assert (reading.clients, reading.sessions) == (3, {"ETH/USD": "CLOSING_AUCTION"})
        finally:
            await watcher.close()
            server.shutdown()


def test_the_status_line_has_the_begin_of_the_tape_hash() -> None:
    """Twelve digits, once there is one."""
    status = engine_pb2.EngineStatus(state=engine_pb2.CLOCK_STATE_RUNNING, measured_speed=10)
    assert "tape" not in status_line(Reading(status, 1.0, 2.0, {}))
    status.tape_hash = "0123456789abcdef" * 4
    assert "10.0x  tape 0123456789ab  2 ticks/s" in status_line(Reading(status, 1.0, 2.0, {}))


def test_a_service_that_ends_in_the_middle_of_its_metrics_is_one_that_does_not_answer() -> None:
    """It was killed; the market goes on, and with it whoever asks."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4_096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\nmarksim_")

        answering = threading.Thread(target=answer)
        answering.start()
        assert status._samples(f"http://127.0.0.1:{server.getsockname()[1]}/metrics") == []
        answering.join()
