"""Agents that a user writes: found, read, imported, and told what is wrong with them."""

import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from marksim.core.errors import InvalidInput
from marksim.core.sim.engine import AsyncTimeEngine
from marksim.scenario import load_scenario
from marksim.scenario.code import import_function, read_code
from tests.scenario.files import TINY, write

PLAIN = "async def f(market):\n    await market.sleep(1)\n"
WITH_PARAMETERS = """from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from marksim.core.agents.bounds import Range

if TYPE_CHECKING:
    from marksim.core.agents import Market


@dataclass
class P:
    size: Annotated[float, Range(0, 5)]
    label: str = "x"


async def f(market: Market, parameters: P) -> None:
    await market.sleep(parameters.size)
"""

MAKER = "\n    def __init__"
RUN = "\n    async def run(self):\n        await self.market.sleep(1)\n"
STATE = "    def state(self):\n        return {}\n"
RESTORE = "    def restore(self, state):\n        pass\n"
INHERITED = "from marksim.core.agents import Restorable\n\nclass f(Restorable):"
CLASS = f"""from dataclasses import dataclass

@dataclass
class P:
    size: int = 2

class f:{MAKER}(self, market, parameters: 'P'):
        self.market, self.p = market, parameters
{RUN}{STATE}{RESTORE}"""


def scenario_with(folder: Path, source: str, agent: str = "type: my.py:f") -> str:
    """Path of a scenario with an agent of that source."""
    write(folder, source, "my.py")
    return write(folder, f"{TINY}agents:\n  - {{name: mine, {agent}}}\n")


def fault(folder: Path, source: str, agent: str = "type: my.py:f") -> str:
    """What is said when its agents are made."""
    scenario = load_scenario(scenario_with(folder, source, agent))
    with pytest.raises(InvalidInput) as caught:
        scenario.cast()
    return caught.value.message


def test_an_agent_of_a_file_beside_the_scenario_takes_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The path is relative to the scenario's file, wherever it is started; its type's name has no path in it."""
    path = scenario_with(tmp_path, PLAIN)
    monkeypatch.chdir("/")
    (spec,) = load_scenario(path).cast().agents
    assert (spec.name, spec.type, spec.parameters, spec.run.__name__) == ("mine", "my.py:f", None, "f")
    assert not spec.provides_liquidity


def test_parameters_are_those_of_the_annotation(tmp_path: Path) -> None:
    """A dataclass, also where the market's annotation is for a type checker only; ranges are held."""
    agent = "type: my.py:f, params: {size: 2}, provides_liquidity: true"
    (spec,) = load_scenario(scenario_with(tmp_path, WITH_PARAMETERS, agent)).cast().agents
    assert (spec.parameters.size, spec.parameters.label, spec.provides_liquidity) == (2.0, "x", True)


def test_a_restorable_class_takes_part_as_a_function_does(tmp_path: Path) -> None:
    """With its parameters; it plays, and what it is called is its name."""
    path = scenario_with(tmp_path, CLASS, "type: my.py:f, params: {size: 5}, ephemeral: true")
    scenario = load_scenario(path)
    (spec,) = scenario.cast().agents
    assert (spec.type, spec.parameters.size, spec.ephemeral) == ("my.py:f", 5, True)
    window: dict[str, Any] = {"start_ns": scenario.start_ns, "lookahead_ns": scenario.lookahead_ns}
    engine = AsyncTimeEngine(scenario.instruments(), scenario.cast(), seed=1, **window)
    with closing(engine):
        engine.collect(0)
        assert engine.agents - len(engine.failures) == 1
        assert engine.wakeups == 1


def test_a_class_made_by_dataclass_is_an_agent(tmp_path: Path) -> None:
    """Its fields are the market and the parameters."""
    made = "@dataclass\nclass f:\n    market: object\n    p: P\n"
    source = CLASS.split("class f:", maxsplit=1)[0] + made + RUN + STATE + RESTORE
    (spec,) = load_scenario(scenario_with(tmp_path, source)).cast().agents
    assert spec.parameters.size == 2


def test_what_becomes_of_an_agent_after_a_crash_is_not_in_the_hash(tmp_path: Path) -> None:
    """One that cannot be re-run may be marked in a run that goes on."""
    plain = load_scenario(scenario_with(tmp_path, PLAIN)).hash
    assert load_scenario(scenario_with(tmp_path, PLAIN, "type: my.py:f, ephemeral: true")).hash == plain


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ("{}", "agents.mine.params.size: is missing"),
        ("{size: 9}", "agents.mine.params.size: must be from 0 to 5, not 9"),
        (
            "{size: big}",
            "agents.mine.params.size: input should be a valid number, unable to parse string as a number, not 'big'",
        ),
        ("{size: 1, lable: y}", "agents.mine.params.lable: unknown to my.py:f; did you mean label?; it takes size, label"),
    ],
)
def test_wrong_parameters_are_named_with_their_line(tmp_path: Path, params: str, said: str) -> None:
    """As of any type of the package."""
    message = fault(tmp_path, WITH_PARAMETERS, f"type: my.py:f, params: {params}")
    assert f"mine.yaml:6: {said}" in message


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("async def f(market:\n    pass\n", "my.py:1: is not valid Python: '(' was never closed"),
        ("x = 1\n\nraise OSError('no\\nway')\n", "my.py:3: raises OSError when imported: no way"),
        ("import nowhere_to_be_found\n", "my.py:1: raises ModuleNotFoundError when imported: No module named"),
        ("import sys\nsys.exit(3)\n", "my.py:2: raises SystemExit when imported: 3"),
        ("async def g(market): ...\n", "my.py: there is no f; its async functions are g"),
        ("f = 3\n", "my.py: f is not a function, but int"),
        ("\n\ndef f(market): ...\n", "my.py:3: f must be `async def f(market)`"),
        ("async def f(): ...\n", "my.py:1: f must be `async def f(market)` or `(market, parameters: SomeDataclass)`"),
        ("async def f(a, b, c): ...\n", "my.py:1: f must be"),
        ("async def f(market, *, size): ...\n", "my.py:1: f must be"),
        ("async def f(market, p): ...\n", "my.py:1: the annotation of p must be a dataclass"),
        ("async def f(market, p: int): ...\n", "my.py:1: the annotation of p must be a dataclass"),
        ("async def f(market, p: 'Missing'): ...\n", "my.py:1: the annotation of p cannot be resolved: name 'Missing'"),
        ("\nclass f: ...\n", "my.py:2: f is a class, and must have `async def run(self)`, `def state(self)`, `def restore"),
        (
            f"class f:{RUN}{STATE}",
            "my.py:1: f is a class, and must have `def restore(self, state)`: an agent without a state",
        ),
        (f"{INHERITED}{RUN}{STATE}", "my.py:3: f is a class, and must have `def restore(self, state)`: an agent without"),
        (
            f"class f:{RUN.replace('async ', '').replace('await ', '')}{STATE}{RESTORE}",
            "my.py:1: f is a class, and must have run as `async def run",
        ),
        (f"class f:{RUN}    state = 3\n{RESTORE}", "my.py:1: f is a class, and must have state as `def state(self)`"),
        (f"class f:{RUN}{STATE}{RESTORE}", "my.py:1: f must have `__init__(self, market)` or `(self, market, parameters:"),
        (
            f"class f:{MAKER}(self, market, p):\n        pass{RUN}{STATE}{RESTORE}",
            "my.py:1: the annotation of p must be a data",
        ),
        (
            f"class f:{MAKER}(self, m, p, q):\n        pass{RUN}{STATE}{RESTORE}",
            "my.py:1: f must have `__init__(self, market)`",
        ),
    ],
)
def test_code_that_is_no_agent_is_told_with_file_and_line(tmp_path: Path, source: str, said: str) -> None:
    """One sentence with the scenario's place and the code's, no traceback."""
    message = fault(tmp_path, source)
    assert message.startswith(f"{tmp_path / 'mine.yaml'}:6: agents.mine.type: {tmp_path}/{said}")
    assert "\n" not in message


def test_a_function_without_parameters_takes_none(tmp_path: Path) -> None:
    """And says how to have some."""
    message = fault(tmp_path, PLAIN, "type: my.py:f, params: {size: 1}")
    assert "agents.mine.params: " in message
    assert "takes no parameters: give it a second argument whose annotation is a dataclass" in message


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("other.py:f", "there is no file"),
        ("my.py:", "must be a type, file.py:function or package.module:function"),
        ("no.such.module:f", "there is no module no.such.module; install it, or name its folder in PYTHONPATH"),
        ("my-module:f", "must be file.py:function or package.module:function"),
        ("math.deeper:f", "there is no module math.deeper"),
        ("sys:f", "module sys has no Python source"),
    ],
)
def test_code_that_is_not_there_is_refused_when_the_scenario_is_read(tmp_path: Path, kind: str, said: str) -> None:
    """Also by an order book, which runs no agents."""
    with pytest.raises(InvalidInput) as caught:
        load_scenario(scenario_with(tmp_path, PLAIN, f'type: "{kind}"'))
    assert "mine.yaml:6: agents.mine.type: " in caught.value.message
    assert said in caught.value.message


def test_reading_a_scenario_runs_nothing_of_the_user(tmp_path: Path) -> None:
    """The hash needs the file's text alone; nor is the package of a module run."""
    path = scenario_with(tmp_path, "raise RuntimeError('ran')\n")
    assert len(load_scenario(path).hash) == 64


def test_a_module_is_read_without_running_its_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only when its agents are made is it imported, as Python does."""
    package = tmp_path / "seeded_strategies"
    package.mkdir()
    write(package, "", "__init__.py")
    write(package, PLAIN, "quick.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    path = write(tmp_path, f"{TINY}agents:\n  - {{name: mine, type: 'seeded_strategies.quick:f'}}\n")
    scenario = load_scenario(path)
    assert len(scenario.hash) == 64
    assert not any(name.startswith("seeded_strategies") for name in sys.modules)
    (spec,) = scenario.cast().agents
    assert spec.run is sys.modules["seeded_strategies.quick"].f
    for name in ("seeded_strategies", "seeded_strategies.quick"):
        monkeypatch.delitem(sys.modules, name)


def test_the_hash_has_the_text_of_the_code_in_it_and_no_path(tmp_path: Path) -> None:
    """The same files in another folder are the same scenario; another text is another one."""
    folders = [tmp_path / name for name in ("a", "b", "c")]
    for folder in folders:
        folder.mkdir()
    hashes = [load_scenario(scenario_with(folder, PLAIN)).hash for folder in folders[:2]]
    assert hashes[0] == hashes[1]
    assert load_scenario(scenario_with(folders[2], PLAIN + "# changed\n")).hash != hashes[0]


def test_what_runs_is_what_was_hashed(tmp_path: Path) -> None:
    """A file that is changed after the scenario was read changes neither."""
    scenario = load_scenario(scenario_with(tmp_path, PLAIN))
    write(tmp_path, "broken", "my.py")
    assert len(scenario.hash) == 64
    assert len(scenario.cast().agents) == 1


def test_two_functions_of_a_file_share_its_globals(tmp_path: Path) -> None:
    """The file is run once."""
    path = write(tmp_path, f"shared = []\n{PLAIN}{PLAIN.replace('f(', 'g(')}", "my.py")
    first, second = (import_function(read_code(f"{path}:{name}")).run for name in ("f", "g"))
    assert first.__globals__ is second.__globals__
