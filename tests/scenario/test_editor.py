"""The JSON schema for editors."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from marksim.core.agents import AGENT_TYPES
from marksim.scenario.command import app
from marksim.scenario.editor import editor_schema, editor_schema_text
from marksim.scenario.loading import read_text, ready_scenarios

ROOT = Path(__file__).parents[2]
SCHEMA = editor_schema()


def test_the_committed_schema_is_fresh() -> None:
    """`make scenario-schema` makes it."""
    assert (ROOT / "docs" / "scenario.schema.json").read_text(encoding="utf-8") == editor_schema_text()
    assert CliRunner().invoke(app, ["schema"]).output == editor_schema_text()


def unknown(content: Any, schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """Paths of keys that the schema does not know."""
    options = [schema, *schema.get("anyOf", [])]
    options = [SCHEMA["$defs"][one["$ref"].rpartition("/")[2]] if "$ref" in one else one for one in options]
    if isinstance(content, list):
        items = next(one["items"] for one in options if "items" in one)
        for number, entry in enumerate(content):
            yield from unknown(entry, items, f"{path}.{number}")
    if isinstance(content, dict):
        known = {key: value for one in options for key, value in one.get("properties", {}).items()}
        open_ended = any(one.get("additionalProperties") is True for one in options)
        for key, value in content.items():
            if key in known:
                yield from unknown(value, known[key], f"{path}.{key}")
            elif not open_ended:
                yield f"{path}.{key}"


@pytest.mark.parametrize("name", ready_scenarios())
def test_it_knows_every_key_of_the_ready_scenarios(name: str) -> None:
    """An editor marks none of them as wrong."""
    assert list(unknown(yaml.safe_load(read_text(name)), SCHEMA)) == []


def test_it_knows_what_stands_before_files_are_laid_over_one_another() -> None:
    """And asks for what must be given only where nothing is extended."""
    content = {"extends": "default", "add": {"agents": [{"name": "a", "latency": {"order": {"samples_file": "x"}}}]}}
    assert list(unknown(content, SCHEMA)) == []
    assert list(unknown({"extend": 1, "add": {"seed": 1}}, SCHEMA)) == [".extend", ".add.seed"]
    assert SCHEMA["if"] == {"not": {"required": ["extends"]}}
    assert SCHEMA["then"] == {"required": ["schema", "name", "instruments"]}
    assert "required" not in SCHEMA


def test_it_has_the_parameters_of_each_type_with_their_ranges() -> None:
    """An editor completes them once the type is written."""
    agent = SCHEMA["$defs"]["AgentModel"]
    assert agent["properties"]["type"]["anyOf"][0]["enum"] == sorted(AGENT_TYPES)
    params = {one["if"]["properties"]["type"]["const"]: one["then"]["properties"]["params"] for one in agent["allOf"]}
    assert params.keys() == AGENT_TYPES.keys()
    assert params["noise"]["additionalProperties"] is False
    share = params["noise"]["properties"]["market_share"]
    assert (share["type"], share["minimum"], share["maximum"]) == ("number", 0, 1)


def test_every_field_of_a_scenario_is_described_to_the_reader() -> None:
    """docs/scenarios.md names each of them."""
    page = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
    fields = {field for part in (SCHEMA, *SCHEMA["$defs"].values()) for field in part["properties"]}
    assert sorted(field for field in fields if f"`{field}`" not in page) == []


def test_it_is_json_without_what_json_does_not_have() -> None:
    """No NaN, no infinity."""
    json.loads(editor_schema_text(), parse_constant=pytest.fail)
