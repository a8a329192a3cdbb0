"""What docs/scenarios.md and the README show can be copied."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from marksim.core.agents import AGENT_TYPES
from marksim.core.errors import InvalidInput
from marksim.core.populations import POPULATION_TYPES
from marksim.core.sim.simulation import Simulation
from marksim.core.types import NS_PER_S, ExecutionKind
from marksim.scenario import Scenario, load_scenario
from marksim.scenario.checks import warnings_of
from tests.scenario.files import write

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(text: str, heading: str) -> list[str]:
    """The blocks of code of a section."""
    section = text.split(f"\n## {heading}\n")[1].split("\n## ", maxsplit=1)[0]
    return re.findall(r"```\w+\n(.*?)```", section, re.DOTALL)


def written(folder: Path, heading: str, name: str) -> str:
    """The agent and the scenario of a section as files; the scenario's path."""
    agent, scenario, *_ = blocks(PAGE, heading)
    write(folder, agent, f"{name.removeprefix('with-')}.py")
    return write(folder, scenario, f"{name}.yaml")


def sound(path: str) -> Scenario:
    """The scenario, which has nothing that a check would find fault with."""
    scenario = load_scenario(path)
    assert warnings_of(scenario, scenario.cast()) == []
    return scenario


def test_the_first_agent_takes_less_than_fifteen_lines_and_joins_the_default_market(tmp_path: Path) -> None:
    """Beside all who are there."""
    assert len(blocks(PAGE, "Your own agent")[0].splitlines()) < 15
    agents = sound(written(tmp_path, "Your own agent", "with-scalper")).cast().agents
    assert [agent.name for agent in agents[:-1]] == [agent.name for agent in load_scenario("default").cast().agents]
    assert (agents[-1].name, agents[-1].order_latency.least_ns) == ("scalper", 500_000)


def test_the_readme_shows_the_same() -> None:
    """Agent, scenario and commands."""
    assert blocks(README, "Your own agent") == blocks(PAGE, "Your own agent")


def test_the_complete_file_is_one(tmp_path: Path) -> None:
    """Two symbols, an agent with parameters on both, and each kind of event."""
    cast = sound(written(tmp_path, "A complete file", "pairs")).cast()
    assert cast.agents[-1].symbols == ("BTC/USD", "ETH/USD")
    assert cast.agents[-1].parameters.threshold == 0.003
    assert len({type(event.event) for event in cast.events}) == 5


def test_the_fault_shown_is_what_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the letter."""
    shown = re.findall(r"```text\n(with-scalper.*?)\n```", PAGE)
    path = Path(written(tmp_path, "Your own agent", "with-scalper"))
    path.write_text(path.read_text().replace("order_us", "order_ms"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidInput) as caught:
        load_scenario(path.name)
    assert [caught.value.message] == shown


@pytest.mark.parametrize(("heading", "types"), [("Agents", AGENT_TYPES), ("Populations", POPULATION_TYPES)])
def test_every_type_is_named(heading: str, types: Mapping[str, object]) -> None:
    """In the section of its kind, and none that is not there."""
    section = PAGE.split(f"\n### {heading}\n")[1].split("\n### ")[0]
    listed = re.findall(r"`(\w+)`", section.split("Types are ")[1].split(". ")[0])
    assert listed == sorted(types)


def test_the_population_shown_is_one(tmp_path: Path) -> None:
    """A hundred thousand traders beside all of the default market."""
    shown = PAGE.split("\n### Populations\n")[1].split("```yaml\n")[1].split("```")[0]
    *others, population = sound(write(tmp_path, shown)).cast().populations
    default = load_scenario("default")
    assert [one.name for one in others] == [one.name for one in default.cast().populations]
    assert (population.traders, population.account) == (100_000, 1 + default.accounts)


def traded_by(path: str, name: str, seconds: int, *overrides: str) -> set[str]:
    """The symbols that an agent trades in so many simulated seconds; nobody fails."""
    scenario = load_scenario(path, overrides, seed=3)
    account = next(agent.account for agent in scenario.cast().agents if agent.name == name)
    window = {"start_ns": scenario.start_ns, "lookahead_ns": scenario.lookahead_ns}
    simulation = Simulation(scenario.instruments(), scenario.cast(), seed=scenario.seed, **window)
    symbols = set()
    for piece in simulation.run(scenario.start_ns + seconds * NS_PER_S):
        fills = piece.executions[piece.executions["kind"] == ExecutionKind.TRADED]
        if account in fills["account"] or account in fills["maker_account"]:
            symbols.add(piece.symbol)
    assert [(failure.name, failure.error) for failure in simulation.engine.failures] == []
    return symbols


def test_the_first_agent_trades(tmp_path: Path) -> None:
    """Within a simulated minute of the default market, which it leaves whole."""
    assert traded_by(written(tmp_path, "Your own agent", "with-scalper"), "scalper", 60) == {"BTC/USD"}


def test_the_agent_of_the_complete_file_trades_both_symbols(tmp_path: Path) -> None:
    """Where their ratio is off by what its parameters ask."""
    path = written(tmp_path, "A complete file", "pairs")
    assert traded_by(path, "pairs", 60, "agents.pairs.params.threshold=0.0001") == {"BTC/USD", "ETH/USD"}
