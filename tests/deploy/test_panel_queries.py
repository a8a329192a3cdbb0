"""The script that asks a Prometheus every panel's queries."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from tools.dashboards.__main__ import FOLDERS
from tools.panel_queries import Panel, faults_of, panels_of, parse, run, substituted

OWN = 'sum(marksim_edge_clients{release="local"})'


class FakePrometheus:
    """Answers every query with one sample; `value` says which."""

    def __init__(self) -> None:
        self.numbers = count()
        self.starting = 0
        self.asked: list[str] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if fake.starting:
                    fake.starting -= 1
                    self.send_error(503)
                    return
                fake.asked += parse_qs(urlsplit(self.path).query)["query"]
                sample = {"metric": {"pod": "edge"}, "value": [0, fake.value(fake.asked[-1])]}
                body = json.dumps({"status": "success", "data": {"result": [sample]}}).encode()
                self.send_response(200)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def value(self, query: str) -> str:
        """A number that is never the same twice."""
        return str(next(self.numbers))


@pytest.fixture
def prometheus() -> Iterator[FakePrometheus]:
    fake = FakePrometheus()
    thread = threading.Thread(target=fake.server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield fake
    fake.server.shutdown()
    fake.server.server_close()


@pytest.mark.parametrize(
    ("expression", "answers", "fault"),
    [
        pytest.param(OWN, [{"a": 1.0}, {"a": 1.0}], "", id="good"),
        pytest.param(OWN, [{"a": 1.0}, {}], "no samples", id="empty the second time"),
        pytest.param(OWN, [{"a": float("nan")}, {"a": 1.0}], "not finite for a", id="no number"),
        pytest.param("node_load1{}", [{"a": 1.0}, {"a": 1.0}], "node_load1 is not marksim's own", id="a stranger"),
        pytest.param("vector(1)", [{"a": 1.0}, {"a": 1.0}], "no metric is named", id="nothing"),
    ],
)
def test_what_is_wrong_with_a_query_is_said(expression: str, answers: list[dict[str, float]], fault: str) -> None:
    """Twice finite samples of our own metrics, or the reason why not."""
    assert faults_of(expression, answers) == ([fault] if fault else [])


def test_a_panel_that_stands_still_must_be_declared() -> None:
    """Equal answers are a fault, but for a panel that is called constant; one change is enough."""
    same, other = [{"a": 1.0}], [{"a": 2.0}]
    assert not Panel("gaps", [OWN], constant=True, rounds=[same, same]).faults
    assert Panel("trades", [OWN], constant=False, rounds=[same, same]).faults
    assert not Panel("trades", [OWN], constant=False, rounds=[same, other, other]).faults
    assert Panel("trades", [OWN], constant=False, rounds=[same]).faults


def test_a_variable_that_nobody_knows_is_an_error() -> None:
    """Else the query would ask for its name, and find nothing."""
    assert substituted('m{release="$release"}[$__rate_interval]', {"release": "r", "__rate_interval": "1m"}) == (
        'm{release="r"}[1m]'
    )
    with pytest.raises(ValueError, match=r"\$zone"):
        substituted('m{zone="$zone"}', {"release": "r"})


def test_every_panel_is_asked_of_the_named_release(prometheus: FakePrometheus, capsys: pytest.CaptureFixture[str]) -> None:
    """All queries of the shipped dashboards go out, their variables replaced; the last line counts the panels."""
    arguments = parse([prometheus.address, "--namespace", "trading", "--release", "one", "--pause-s", "0"])
    assert run(arguments) == 0
    variables = {"namespace": "trading", "release": "one", "symbol": ".+", "__rate_interval": "1m"}
    panels = panels_of(FOLDERS[0], variables)
    assert set(prometheus.asked) == {query for panel in panels for query in panel.expressions}
    assert all('{namespace="trading",release="one"' in query for query in prometheus.asked)
    assert capsys.readouterr().out.splitlines()[-1] == f"{len(panels)} passed, 0 failed"


def test_a_server_that_still_starts_is_asked_again(prometheus: FakePrometheus) -> None:
    """Until it has read its log Prometheus answers with 503."""
    prometheus.starting = 10
    assert run(parse([prometheus.address, "--pause-s", "0"])) == 0
    assert not prometheus.starting


def test_a_panel_without_numbers_fails_the_run(
    prometheus: FakePrometheus, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """When time is over the panel and its query are named, and the exit code is 1."""
    monkeypatch.setattr(prometheus, "value", lambda query: "NaN" if "window_duration" in query else "1")
    arguments = parse([prometheus.address, "--pause-s", "0", "--within-s", "2"])
    assert run(arguments) == 1
    out = capsys.readouterr().out
    assert "FAILED orders: Window in the engine" in out and "ok     archive: Gaps" in out
    assert run(parse([prometheus.address, "--dashboards", str(tmp_path)])) == 1
