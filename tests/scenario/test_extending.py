"""Scenarios that lie over others."""

from pathlib import Path

import pytest

from marksim.core.errors import InvalidInput
from marksim.scenario import load_scenario
from tests.scenario.files import TINY, write


def test_what_is_added_stands_after_what_was_there(tmp_path: Path) -> None:
    """Where a list itself would replace the other."""
    write(tmp_path, f"{TINY}agents:\n  - {{name: a, type: noise}}\n", "base.yaml")
    added = write(tmp_path, "extends: base.yaml\nadd: {agents: [{name: b, type: noise}], events: []}\n", "added.yaml")
    replaced = write(tmp_path, "extends: base.yaml\nagents: [{name: b, type: noise}]\n", "replaced.yaml")
    assert [agent.name for agent in load_scenario(added).agents] == ["a", "b"]
    assert [agent.name for agent in load_scenario(replaced).agents] == ["b"]


def test_each_file_keeps_its_own_lines_and_folder(tmp_path: Path) -> None:
    """A path is relative to the file that names it, a fault has the line of the file that it stands in."""
    inner = tmp_path / "inner"
    inner.mkdir()
    write(inner, "async def f(market): ...\n", "agent.py")
    write(inner, f"{TINY}agents:\n  - {{name: a, type: agent.py:f, count: 1}}\n", "base.yaml")
    path = write(tmp_path, "extends: inner/base.yaml\nseed: 3\nspeed: 0\n")
    with pytest.raises(InvalidInput) as caught:
        load_scenario(path, ["agents.a.count=-1"])
    assert f"{path}:3: speed" in caught.value.message
    assert "--set agents.a.count=-1: agents.a.count: " in caught.value.message
    assert load_scenario(path, ["speed=1"]).cast().agents[0].type == "agent.py:f"
    with pytest.raises(InvalidInput) as caught:
        load_scenario(path, ["speed=1", "instruments.ETH/USD.lot_size=0", "instruments.ETH/USD.tick_sizes=1"])
    assert caught.value.message.startswith("--set instruments.ETH/USD.lot_size=0: instruments.ETH/USD.lot_size: must be")
    with pytest.raises(InvalidInput) as caught:
        load_scenario(write(tmp_path, "extends: inner/base.yaml\nadd: {agents: [{name: a, type: noise}]}\n"))
    assert caught.value.message == f"{path}:2: agents.a.name: a stands there twice"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("extends: nowhere.yaml", "mine.yaml:1: extends: scenario nowhere.yaml: there is no such file"),
        ("extends: [a]", "mine.yaml:1: extends: must be one name or path, not ['a']"),
        ("extends: mine.yaml", "extends more than 8 others; is it a circle?"),
        ("extends: default\nadd: [1]", "add: must be a mapping of lists"),
        (
            "extends: default\nadd: {agent: []}",
            "mine.yaml:2: add.agent: is not a list of a scenario; known are instruments,",
        ),
        ("extends: default\nadd: {agents: 3}", "mine.yaml:2: add.agents: must be a list"),
    ],
)
def test_what_cannot_be_extended_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """With the file and line that wants it."""
    with pytest.raises(InvalidInput) as caught:
        load_scenario(write(tmp_path, text))
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("seed", "--set seed: must be path=value"),
        ("seed=[", "--set seed=[: is not valid YAML"),
        ("agents.nobody.count=1", "there is no entry named nobody; there are maker, noise, "),
        ("seed.below=1", "--set seed.below=1: seed is not a mapping"),
        ("agents.noise.count.x.y=1", "x does not lie below a mapping or a list"),
        ("agents.maker.kount=1", "--set agents.maker.kount=1: agents.maker.kount: is not a field; did you mean count?"),
        ("agents.maker.type=my.py:f", "agents.maker.type: there is no file "),
    ],
)
def test_an_override_that_fits_nowhere_is_refused(override: str, said: str) -> None:
    """By its own text."""
    with pytest.raises(InvalidInput) as caught:
        load_scenario("default", [override])
    assert said in caught.value.message


def test_an_override_may_replace_an_entry_and_make_a_mapping() -> None:
    """By number, or below what was not there."""
    scenario = load_scenario("default", ["agents.0={name: x, type: noise}", "agents.hawkes.latency.order.constant_us=5"])
    assert scenario.agents[0].name == "x"
    hawkes = next(agent for agent in scenario.agents if agent.name == "hawkes")
    assert hawkes.latency.order_latency().least_ns == 5_000


def test_many_faults_are_counted() -> None:
    """Twenty are shown."""
    overrides = [f"unknown{number}=1" for number in range(23)]
    with pytest.raises(InvalidInput, match="; and 3 more$"):
        load_scenario("default", overrides)
