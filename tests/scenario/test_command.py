"""`marksim scenario`."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from marksim.scenario import load_scenario
from marksim.scenario.command import app
from marksim.scenario.loading import ready_scenarios
from tests.scenario.files import TINY, write


def marksim_scenario(*arguments: str) -> Result:
    """Its result, on a wide screen."""
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})


def test_list_has_each_ready_scenario_in_a_row() -> None:
    """With how many take part, and its description on the line below."""
    result = marksim_scenario("list")
    assert result.exit_code == 0
    rows = {line.split()[0]: line for line in result.output.splitlines()[1:] if not line.startswith(" ")}
    assert list(rows) == ready_scenarios()
    scenario = load_scenario("two-symbols")
    assert "BTC/USD, ETH/USD" in rows["two-symbols"] and f"\n  {scenario.description}\n" in result.output
    traders = sum(population.traders for population in scenario.populations)
    assert rows["two-symbols"].split()[1:3] == [f"{scenario.accounts - traders:,}", f"{traders:,}"]


def test_show_prints_what_was_written(tmp_path: Path) -> None:
    """Comments and all."""
    path = write(tmp_path, f"# mine\n{TINY}")
    assert marksim_scenario("show", path).output == f"# mine\n{TINY}"


def test_what_show_resolves_is_the_same_scenario(tmp_path: Path) -> None:
    """A file of its own, with the same hash, whatever was extended and overridden."""
    write(tmp_path, "async def f(market): ...\n", "my.py")
    added = "add:\n  agents: [{name: a, type: 'my.py:f', latency: {order: {median_us: 800}}}]\n"
    events = "events: [{at: 2025-01-06T01:00:00Z, news: {change: -2%}}, {at: 1h, halt: {duration: 5m}}]\n"
    path = write(tmp_path, f"extends: two-symbols\n{added}{events}")
    resolved = marksim_scenario("show", path, "--resolved", "--set", "agents.maker.count=2", "--seed", "9").output
    again = load_scenario(write(tmp_path, resolved, "resolved.yaml"))
    assert again.seed == 9
    assert again.hash == load_scenario(path, ["agents.maker.count=2"]).hash
    assert f"# hash: {again.hash}" in resolved
    as_json = json.loads(marksim_scenario("show", path, "--json").output)
    assert as_json["hash"] == load_scenario(path).hash
    assert as_json["scenario"]["agents"][0]["params"]["levels"] == 2


def test_check_says_what_to_expect(tmp_path: Path) -> None:
    """Hash, accounts, load, whose latency is quantised, and what is likely a mistake."""
    path = write(
        tmp_path, f"{TINY}agents:\n  - {{name: a, type: noise, count: 2, latency: {{order_us: 500, feed_us: 500}}}}\n"
    )
    result = marksim_scenario("check", path, "default", "--set", "duration=1h")
    assert result.exit_code == 0
    for said in (
        f"{path}: can be run",
        load_scenario(path).hash,
        "accounts  2: 2 agents, 0 traders",
        "duration  1h",
        "numbers   a 1-2",
        "load      about 2.5 actions a simulated second, of the 2 of 2 that say so",
        "latency   quantised to 50 ms: a (1 ms)",
        "default: can be run",
    ):
        assert said in result.output


def test_check_tells_every_fault_on_a_line_and_fails(tmp_path: Path) -> None:
    """Of all files, also those that show only when a user's code is imported; what is sound is described nevertheless."""
    wrong = write(tmp_path, f"{TINY}speed: 0\nseed: -1\n", "wrong.yaml")
    write(tmp_path, "import nothing_like_it\n", "my.py")
    code = write(tmp_path, f"{TINY}agents: [{{name: a, type: 'my.py:f'}}]\n", "code.yaml")
    result = marksim_scenario("check", wrong, code, "default")
    assert result.exit_code == 1
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert [error.split(": ")[1] for error in errors] == [f"{wrong}:6", f"{wrong}:5", f"{code}:5"]
    assert "default: can be run" in result.stdout


@pytest.mark.parametrize("arguments", [("show", "nothing"), ("check", "nothing"), ("show", "nothing", "--json")])
def test_a_scenario_that_is_not_there_is_told(arguments: tuple[str, ...]) -> None:
    """On stderr, with exit code 1."""
    result = marksim_scenario(*arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: scenario nothing: there is no such file, and the ready scenarios are arb")


def test_accounts_are_told_by_name() -> None:
    """One range an entry, one behind the other, as the cast has them."""
    scenario = load_scenario("default")
    ranges = scenario.account_ranges
    cast = scenario.cast()
    assert ranges["noise"] == range(2, 4) and [one.account for one in cast.agents if one.type == "noise"] == [2, 3]
    assert {one.name: range(one.account, one.account + one.traders) for one in cast.populations}.items() <= ranges.items()
    assert sum(map(len, ranges.values())) == scenario.accounts
