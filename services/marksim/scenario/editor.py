"""The JSON schema of a scenario file, by which an editor completes and checks it."""

import json
from dataclasses import MISSING, fields
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints

from marksim.core.agents import AGENT_TYPES
from marksim.core.agents.bounds import OneOf, Range
from marksim.core.populations import POPULATION_TYPES
from marksim.scenario.loading import ADDED
from marksim.scenario.schema import Scenario

_WORDS: Final = {int: "integer", float: "number", bool: "boolean", str: "string"}


def editor_schema() -> dict[str, Any]:
    """A schema of draft 2020-12, with what a file may hold before it is laid over what it extends."""
    schema = Scenario.model_json_schema(by_alias=True)
    parts, top = schema["$defs"], schema["properties"]
    for model, table in (
        ("AgentModel", {name: kind.parameters for name, kind in AGENT_TYPES.items()}),
        ("PopulationModel", {name: kind.parameters for name, kind in POPULATION_TYPES.items()}),
    ):
        own = [{"pattern": ":"}] if model == "AgentModel" else []
        parts[model]["properties"]["type"] |= {"anyOf": [{"enum": sorted(table)}, *own]}
        parts[model]["allOf"] = [_params_of(name, parameters) for name, parameters in sorted(table.items())]
    parts["LatencyModel"]["properties"]["samples_file"] = {
        "type": "string",
        "description": "A file of measured ones beside this file, one a line, in microseconds; read as samples_us.",
    }
    top["extends"] = {
        "type": "string",
        "description": "A ready scenario or a file beside this one; what is here lies over it.",
    }
    top["add"] = {
        "type": "object",
        "description": "What is added to the lists of the scenario that is extended; without it a list replaces the other.",
        "properties": {key: {"type": "array", "items": top[key]["items"]} for key in ADDED},
        "additionalProperties": False,
    }
    required = schema.pop("required")
    schema |= {"if": {"not": {"required": ["extends"]}}, "then": {"required": required}}
    cleaned: dict[str, Any] = _without_titles(schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "marksim scenario", **cleaned}


def editor_schema_text() -> str:
    """The same as text, as it is committed."""
    return json.dumps(editor_schema(), indent=1) + "\n"


def _params_of(name: str, parameters: type[Any]) -> dict[str, Any]:
    properties = {"properties": _fields_of(parameters), "additionalProperties": False}
    return {
        "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
        "then": {"properties": {"params": properties}},
    }


def _fields_of(parameters: type[Any]) -> dict[str, Any]:
    hints = get_type_hints(parameters, include_extras=True)
    return {field.name: _field(hints[field.name], field.default) for field in fields(parameters)}


def _field(hint: Any, default: Any) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if get_origin(hint) is Annotated:
        hint, *more = get_args(hint)
        for allowed in more:
            if isinstance(allowed, Range):
                content |= {"minimum": allowed.least, "maximum": allowed.most}
            elif isinstance(allowed, OneOf):
                content["enum"] = list(allowed.names)
    if hint in _WORDS:
        content["type"] = _WORDS[hint]
    if default is not MISSING:
        content["default"] = default
    return content


def _without_titles(content: Any) -> Any:
    """Those that pydantic makes of the names say nothing more."""
    if isinstance(content, list):
        return [_without_titles(one) for one in content]
    if not isinstance(content, dict):
        return content
    return {key: _without_titles(one) for key, one in content.items() if key != "title" or not isinstance(one, str)}
