"""Latencies of a scenario file."""

from pathlib import Path

import pytest

from marksim.core.agents.latency import Latency, constant, empirical, lognormal
from marksim.core.errors import InvalidInput
from marksim.scenario import load_scenario
from tests.scenario.files import TINY, write


def both(folder: Path, latency: str) -> tuple[Latency, Latency]:
    """Of orders and of the feed."""
    path = write(folder, f"{TINY}agents:\n  - {{name: a, type: noise, latency: {latency}}}\n")
    (agent,) = load_scenario(path).cast().agents
    return agent.order_latency, agent.feed_latency


@pytest.mark.parametrize(
    ("latency", "order", "feed"),
    [
        ("{}", constant(20_000_000), constant(30_000_000)),
        ("{order_us: 500}", constant(500_000), constant(30_000_000)),
        ("{feed_us: 0.5}", constant(20_000_000), constant(500)),
        ("{order: {constant_us: 7}}", constant(7_000), constant(30_000_000)),
        ("{order: {median_us: 800, sigma: 0.5, floor_us: 300}}", lognormal(800_000, 0.5, 300_000), constant(30_000_000)),
        ("{feed: {median_us: 800}}", constant(20_000_000), lognormal(800_000, 0.4)),
        ("{feed: {samples_us: [3, 1, 2]}, order_us: 1}", constant(1_000), empirical((1_000, 2_000, 3_000))),
    ],
)
def test_each_direction_has_its_own_law(tmp_path: Path, latency: str, order: Latency, feed: Latency) -> None:
    """Constant, lognormal or measured; 20 ms and 30 ms where nothing is said."""
    assert both(tmp_path, latency) == (order, feed)


def test_measured_latencies_are_read_from_a_file_beside_the_scenario(tmp_path: Path) -> None:
    """The first column of each line; the numbers become part of the scenario and its hash."""
    latency = "{order: {samples_file: net.csv}}"
    write(tmp_path, "latency_us,host\n5,a\n3,b\n\n4.5,c\n", "net.csv")
    order, _ = both(tmp_path, latency)
    assert order == empirical((3_000, 4_500, 5_000))
    before = load_scenario(str(tmp_path / "mine.yaml"))
    write(tmp_path, "5\n3\n4\n", "net.csv")
    assert load_scenario(str(tmp_path / "mine.yaml")).hash != before.hash
    assert before.resolved()["agents"][0]["latency"]["order"] == {"samples_us": [5.0, 3.0, 4.5]}


@pytest.mark.parametrize(
    ("latency", "said"),
    [
        ("{order: {}}", "latency.order: must have exactly one of constant_us, median_us, samples_us and samples_file, such"),
        ("{order: {constant_us: 1, median_us: 2}}", "not both constant_us and median_us"),
        ("{order: {constant_us: 1, sigma: 1}}", "latency.order: sigma and floor_us belong to median_us, not to constant_us"),
        (
            "{order: {median_us: 2, floor_us: 2}}",
            "latency.order: floor 2000 ns must be at least 0 and below the median 2000 ns",
        ),
        ("{order: {samples_us: []}}", "latency.order.samples_us: "),
        ("{order: {constant_us: 1}, order_us: 1}", "latency: must have order or order_us, not both"),
        ("{order_us: -1}", "latency.order_us: input should be greater than or equal to 0, not -1"),
        ("{order_us: .nan}", "latency.order_us: "),
        ("{order_us: 1e10}", "latency.order_us: "),
        ("{order: {median_us: 30000000, sigma: 3}}", "latencies must be from 0 to 60000000000 ns"),
        ("{order_ms: 1}", "latency.order_ms: is not a field; did you mean order_us?"),
        ("{order: {samples_file: none.csv}}", "mine.yaml:6: samples_file: "),
        ("{order: {samples_file: bad.csv}}", "bad.csv:2: must begin with a latency in microseconds, not 'x'"),
        ("{order: {samples_file: empty.csv}}", "empty.csv: has 0 latencies: give 1 to 100000"),
        ("{order: {samples_file: a.csv, samples_us: [1]}}", "give samples_us or samples_file, not both"),
    ],
)
def test_a_law_that_is_none_is_refused(tmp_path: Path, latency: str, said: str) -> None:
    """With the file, the line and the field."""
    write(tmp_path, "1\nx\n", "bad.csv")
    write(tmp_path, "microseconds\n", "empty.csv")
    with pytest.raises(InvalidInput) as caught:
        both(tmp_path, latency)
    assert said in caught.value.message


@pytest.mark.parametrize(("latency", "quantised"), [("{order_us: 1, feed_us: 49998}", True), ("{}", False)])
def test_what_is_faster_than_a_window_is_called_quantised(tmp_path: Path, latency: str, quantised: bool) -> None:
    """The smallest order and feed latency together, against the 50 ms of a window."""
    path = write(tmp_path, f"{TINY}agents:\n  - {{name: a, type: noise, latency: {latency}}}\n")
    scenario = load_scenario(path)
    assert scenario.quantised is quantised
    assert scenario.smallest_latency_ns == (49_999_000 if quantised else 50_000_000)


def test_a_scenario_without_anybody_has_no_latency(tmp_path: Path) -> None:
    """And nothing in it is quantised."""
    scenario = load_scenario(write(tmp_path, TINY))
    assert (scenario.smallest_latency_ns, scenario.quantised) == (None, False)
