"""Whatever stands in a scenario file, the answer is a scenario or a sentence."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marksim.core.errors import InvalidInput
from marksim.scenario import load_scenario
from tests.scenario.files import write

PAGE = (Path(__file__).parents[2] / "docs" / "scenarios.md").read_text(encoding="utf-8")
COMPLETE = next(block.split("```")[0] for block in PAGE.split("```yaml\n") if "schema: 1" in block)
CODE = "from dataclasses import dataclass\n@dataclass\nclass Pairs: ...\nasync def pairs(market, p: Pairs): ...\n"

WORDS = st.sampled_from(
    [
        "name",
        "agents",
        "schema",
        "extends",
        "add",
        "params",
        "latency",
        "order",
        "samples_us",
        "at",
        "BTC/USD",
        "-2%",
        "max",
        "now",
    ]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 70), 1 << 70),
    st.floats(),
    st.dates(),
    st.datetimes(),
    st.text(max_size=8),
    WORDS,
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SCALARS, inner, max_size=3), max_leaves=6
)


def places(content: Any) -> list[tuple[Any, Any]]:
    """All (container, key) in some content."""
    keys = content.keys() if isinstance(content, dict) else range(len(content)) if isinstance(content, list) else ()
    found = [(content, key) for key in keys]
    return found + [one for key in keys for one in places(content[key])]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(number=st.integers(0, 10_000), value=VALUES, key=SCALARS, how=st.sampled_from(["replace", "remove", "add"]))
def test_a_file_with_anything_in_it_is_a_scenario_or_refused(
    tmp_path: Path, number: int, value: Any, key: Any, how: str
) -> None:
    """No exception but the domain's own comes out, and it names the file."""
    content = yaml.safe_load(COMPLETE)
    everywhere = places(content)
    container, place = everywhere[number % len(everywhere)]
    if how == "replace":
        container[place] = value
    elif how == "remove":
        del container[place]
    elif isinstance(container, dict):
        container[key] = value
    write(tmp_path, CODE, "pairs.py")
    path = write(tmp_path, yaml.safe_dump(content, allow_unicode=True))
    try:
        scenario = load_scenario(path)
        scenario.cast()
        said = scenario.hash
    except InvalidInput as error:
        said = error.message
    assert "mine.yaml" in said or len(said) == 64


@pytest.mark.parametrize("text", ["1: x", "on: x", "null: x", "? {a: 1}\n: 2", "- a", "3", "''"])
def test_keys_that_are_no_words_are_refused(tmp_path: Path, text: str) -> None:
    """YAML takes `on` for a truth value."""
    with pytest.raises(InvalidInput, match=r"mine\.yaml"):
        load_scenario(write(tmp_path, f"{text}\n"))
