"""Reads a scenario by name or path, lays it over what it extends, and applies overrides."""

import math
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from marksim.core.errors import InvalidInput
from marksim.scenario.code import is_file_reference
from marksim.scenario.complaints import complain, names_of
from marksim.scenario.latency import MAX_SAMPLES
from marksim.scenario.schema import Scenario
from marksim.scenario.source import Entries, Items, Origin, append, merge, origin_of, read_yaml

MAX_EXTENDS: Final = 8
MAX_FILE_BYTES: Final = 4 << 20
ADDED: Final = ("instruments", "agents", "populations", "events")
"""Lists that a file may add to."""


def ready_scenarios() -> list[str]:
    """Names of the scenarios that come with the package."""
    return sorted(entry.name.removesuffix(".yaml") for entry in _ready().iterdir() if entry.name.endswith(".yaml"))


def load_scenario(reference: str, overrides: Sequence[str] = (), seed: int | None = None) -> Scenario:
    """Resolve a scenario.

    `reference` is the name of a ready scenario or the path of a YAML file; each override is `path=value`, where the path
    walks keys by dots and list entries by their name, symbol or number from 0 (`agents.maker.count=2`), and the value is
    YAML. Nothing of a user's agents is run. Raises InvalidInput, which names the file, the line and the field.
    """
    content = _read(reference, Path(), depth=0)
    for override in overrides:
        _apply(content, override)
    if seed is not None:
        content["seed"], content.origins["seed"] = seed, Origin("--seed")
    try:
        scenario = Scenario.model_validate(content)
    except ValidationError as error:
        raise complain(error, content, Scenario) from None
    scenario._content = content  # noqa: SLF001 - faults that show when the agents are made have a place as well
    return scenario


def read_text(reference: str, folder: Path = Path()) -> str:
    """The text of a scenario as it was written. Raises InvalidInput where there is none."""
    return _text(reference, folder)[0]


def _ready() -> Any:
    return files("marksim.scenario") / "ready"


def _read(reference: str, folder: Path, depth: int) -> Entries:
    if depth > MAX_EXTENDS:
        raise InvalidInput(f"scenario {reference}: extends more than {MAX_EXTENDS} others; is it a circle?")
    text, name, folder = _text(reference, folder)
    content = read_yaml(text, name)
    if not isinstance(content, Entries):
        raise InvalidInput(f"{name}: must be a mapping that begins with `schema: 1`")
    _resolve_paths(content, folder)
    base, more = content.pop("extends", None), content.pop("add", None)
    if base is not None:
        if not isinstance(base, str):
            raise InvalidInput(f"{content.origins['extends']}: extends: must be one name or path, not {base!r}")
        try:
            content = merge(_read(base, folder, depth + 1), content)
        except InvalidInput as error:
            raise _extended(error, content, base) from None
    if more is not None:
        _add(content, more, name)
    return content


def _extended(error: InvalidInput, content: Entries, base: str) -> InvalidInput:
    """A file that is not there says who wants it."""
    if not error.message.startswith(f"scenario {base}:"):
        return error
    return InvalidInput(f"{content.origins['extends']}: extends: {error.message}")


def _add(content: Entries, more: Any, name: str) -> None:
    """What stands below `add` goes to the end of the lists that are extended."""
    if not isinstance(more, Entries):
        raise InvalidInput(f"{name}: add: must be a mapping of lists, such as `add: {{agents: [...]}}`")
    for key, items in more.items():
        origin = more.origins[key]
        if key not in ADDED:
            raise InvalidInput(f"{origin}: add.{key}: is not a list of a scenario; known are {', '.join(ADDED)}")
        if not isinstance(items, Items):
            raise InvalidInput(f"{origin}: add.{key}: must be a list")
        content[key], content.origins[key] = append(content.get(key), items), origin


def _text(reference: str, folder: Path) -> tuple[str, str, Path]:
    """Text, name for messages, and the folder that paths in it are relative to."""
    if reference in ready_scenarios():
        return (_ready() / f"{reference}.yaml").read_text(encoding="utf-8"), f"{reference}.yaml", Path()
    path = folder / reference
    if path.is_dir():
        raise InvalidInput(f"scenario {reference}: is a directory; give a YAML file in it")
    if not path.is_file():
        known = ", ".join(ready_scenarios())
        raise InvalidInput(f"scenario {reference}: there is no such file, and the ready scenarios are {known}")
    try:
        return _read_bounded(path), str(path), path.parent
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"scenario {reference}: cannot be read: {error}") from None


def _read_bounded(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise OSError(f"it has more than {MAX_FILE_BYTES} bytes")
    return content.decode("utf-8-sig")


def _apply(content: Entries, override: str) -> None:
    path, equals, text = override.partition("=")
    flag = Origin(f"--set {override}")
    if not equals or not path:
        raise InvalidInput(f"{flag}: must be path=value, such as agents.maker.count=2; quote a value with a comma")
    value = read_yaml(text, str(flag), flag)
    *walk, last = path.split(".")
    place: Any = content
    for key in walk:
        place = _enter(place, key, flag)
    if isinstance(place, Items):
        place[_index(place, last, flag)] = value
        place.origins[_index(place, last, flag)] = flag
    elif isinstance(place, Entries):
        place[last], place.origins[last] = value, flag
    else:
        raise InvalidInput(f"{flag}: {'.'.join(walk)} is not a mapping")
    _resolve_paths(content, Path())


def _enter(place: Any, key: str, flag: Origin) -> Any:
    if isinstance(place, Entries):
        if place.get(key) is None:
            place[key], place.origins[key] = Entries(flag), flag
        return place[key]
    if not isinstance(place, Items):
        raise InvalidInput(f"{flag}: {key} does not lie below a mapping or a list")
    return place[_index(place, key, flag)]


def _index(place: Items, key: str, flag: Origin) -> int:
    named = [number for number, entry in enumerate(place) if isinstance(entry, dict) and key in map(str, names_of(entry))]
    if named:
        return named[0]
    if key.isdecimal() and int(key) < len(place):
        return int(key)
    known = [str(names_of(entry)[0]) for entry in place if isinstance(entry, dict) and names_of(entry)]
    there = f"; there are {', '.join(known)}" if known else f"; there are {len(place)}, from 0"
    raise InvalidInput(f"{flag}: there is no entry named {key}{there if place else ''}")


def _resolve_paths(content: Entries, folder: Path) -> None:
    """Paths are relative to the file that names them, which is forgotten once files are merged. Samples are read here."""
    for entry in _entries_of(content):
        kind = entry.get("type")
        if isinstance(kind, str) and is_file_reference(kind):
            place, _, function = kind.rpartition(":")
            entry["type"] = f"{(folder / place).absolute()}:{function}"
        latency = entry.get("latency")
        for direction in ("order", "feed"):
            model = latency.get(direction) if isinstance(latency, Entries) else None
            if isinstance(model, Entries) and isinstance(model.get("samples_file"), str):
                _read_samples(model, folder)


def _entries_of(content: Entries) -> Iterator[Entries]:
    lists = [content.get(key) for key in ("agents", "populations")]
    if isinstance(more := content.get("add"), Entries):
        lists += [more.get(key) for key in ("agents", "populations")]
    for entries in lists:
        if isinstance(entries, list):
            yield from (entry for entry in entries if isinstance(entry, Entries))


def _read_samples(model: Entries, folder: Path) -> None:
    """Put the file's numbers in its place: they are part of the scenario and of its hash."""
    origin = origin_of(model, ("samples_file",))
    path = folder / model.pop("samples_file")
    if "samples_us" in model:
        raise InvalidInput(f"{origin}: samples_file: give samples_us or samples_file, not both")
    try:
        text = _read_bounded(path)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{origin}: samples_file: {path} cannot be read: {error}") from None
    samples: list[float] = []
    for number, line in enumerate(text.splitlines(), start=1):
        word = line.split(",")[0].strip()
        try:
            sample = float(word)
        except ValueError:
            if number > 1 and word:  # the first line may be the column's name
                raise InvalidInput(f"{path}:{number}: must begin with a latency in microseconds, not {word!r}") from None
            continue
        if not math.isfinite(sample):
            raise InvalidInput(f"{path}:{number}: must begin with a latency in microseconds, not {word!r}")
        samples.append(sample)
    if not 1 <= len(samples) <= MAX_SAMPLES:
        raise InvalidInput(f"{path}: has {len(samples)} latencies: give 1 to {MAX_SAMPLES}, one a line")
    model["samples_us"] = samples
    model.origins["samples_us"] = origin or Origin(str(path))
