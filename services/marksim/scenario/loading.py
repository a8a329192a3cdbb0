"""Reads a scenario by name or path, lays it over what it extends, and applies overrides."""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from marksim.core.errors import InvalidInput
from marksim.scenario.schema import Scenario

MAX_EXTENDS = 8


def ready_scenarios() -> list[str]:
    """Names of the scenarios that come with the package."""
    return sorted(entry.name.removesuffix(".yaml") for entry in _ready().iterdir() if entry.name.endswith(".yaml"))


def load_scenario(reference: str, overrides: Sequence[str] = (), seed: int | None = None) -> Scenario:
    """Resolve a scenario.

    `reference` is the name of a ready scenario or the path of a YAML file; each override is `path=value`, where the path
    walks keys by dots and list entries by their name or symbol (`agents.maker.count=2`) and the value is YAML.
    Raises InvalidInput with a sentence that names the file and the field.
    """
    content = _read(reference, depth=0)
    for override in overrides:
        _apply(content, override)
    if seed is not None:
        content["seed"] = seed
    try:
        return Scenario.model_validate(content)
    except ValidationError as error:
        raise InvalidInput(f"scenario {reference}: {_sentence(error, content)}") from None


def _ready() -> Any:
    return files("marksim.scenario") / "ready"


def _read(reference: str, depth: int) -> dict[str, Any]:
    if depth > MAX_EXTENDS:
        raise InvalidInput(f"scenario {reference}: extends more than {MAX_EXTENDS} others; is it a circle?")
    try:
        content = yaml.safe_load(_text(reference))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"scenario {reference}: cannot be read: {error}") from None
    except (yaml.YAMLError, ValueError) as error:  # a ValueError is of a date that is none, such as 2025-02-30
        raise InvalidInput(f"scenario {reference}: is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise InvalidInput(f"scenario {reference}: must be a mapping that begins with `schema: 1`")
    base = content.pop("extends", None)
    return content if base is None else _merge(_read(str(base), depth + 1), content)


def _text(reference: str) -> str:
    if reference in ready_scenarios():
        return str((_ready() / f"{reference}.yaml").read_text(encoding="utf-8"))
    path = Path(reference)
    if path.is_dir():
        raise InvalidInput(f"scenario {reference}: is a directory; give a YAML file in it")
    if not path.is_file():
        raise InvalidInput(
            f"scenario {reference}: there is no such file, and the ready scenarios are {', '.join(ready_scenarios())}"
        )
    return path.read_text(encoding="utf-8")


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = _merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _apply(content: dict[str, Any], override: str) -> None:
    path, equals, text = override.partition("=")
    if not equals or not path:
        raise InvalidInput(f"--set {override}: must be path=value, such as agents.maker.count=2; quote a value with a comma")
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        raise InvalidInput(f"--set {override}: the value is not valid YAML") from None
    *walk, last = path.split(".")
    place: Any = content
    for key in walk:
        place = _enter(place, key, override)
    if not isinstance(place, dict):
        raise InvalidInput(f"--set {override}: {'.'.join(walk)} is not a mapping")
    place[last] = value


def _enter(place: Any, key: str, override: str) -> Any:
    if isinstance(place, dict):
        return place.setdefault(key, {})
    if not isinstance(place, list):
        raise InvalidInput(f"--set {override}: {key} does not lie below a mapping or a list")
    entries = [entry for entry in place if isinstance(entry, dict) and key in _names(entry)]
    if not entries:
        raise InvalidInput(f"--set {override}: there is no entry named {key}")
    return entries[0]


def _names(entry: dict[str, Any]) -> list[Any]:
    return [entry[key] for key in ("name", "symbol") if key in entry]


def _sentence(error: ValidationError, content: dict[str, Any]) -> str:
    errors = error.errors()
    # A list whose only entry is wrong is called too short as well, which says nothing new.
    wrong_within = {one["loc"][:length] for one in errors for length in range(len(one["loc"]))}
    said = [one for one in errors if one["type"] != "too_short" or one["loc"] not in wrong_within]
    return "; ".join(f"{_place(one['loc'], content) or 'file'}: {one['msg']}" for one in said)


def _place(location: Sequence[int | str], content: Any) -> str:
    """The path to a field as `--set` takes it: list entries by their name or symbol where they have one."""
    words: list[str] = []
    for step in location:
        try:
            content = content[step]
        except (LookupError, TypeError):  # a field that is missing, or a branch of the schema that no file knows
            content = None
        named = _names(content) if isinstance(step, int) and isinstance(content, dict) else []
        words.append(str(named[0] if named else step))
    return ".".join(words)
