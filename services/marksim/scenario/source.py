"""YAML that remembers where each entry stands: mappings and lists with the file and line of every key and item."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml
from yaml.constructor import ConstructorError

from marksim.core.errors import InvalidInput

_TAG: Final = "tag:yaml.org,2002:"
_TAGS: Final = tuple(_TAG + name for name in ("null", "bool", "int", "float", "str", "timestamp", "map", "seq"))


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an entry was written: a line of a file, or a flag, whose line is 0."""

    name: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.name}:{self.line}" if self.line else self.name


class Entries(dict[Any, Any]):
    """A mapping, and where each of its keys stands."""

    def __init__(self, origin: Origin, entries: Mapping[Any, Any] | None = None) -> None:
        super().__init__(entries or {})
        self.origin = origin
        self.origins: dict[Any, Origin] = {}


class Items(list[Any]):
    """A list, and where each of its items begins."""

    def __init__(self, origin: Origin) -> None:
        super().__init__()
        self.origin = origin
        self.origins: list[Origin] = []


def read_yaml(text: str, name: str, flag: Origin | None = None) -> Any:
    """The content of YAML text, with places as `name` and line; all in `flag` where that is given.

    Raises InvalidInput with a sentence, also for a key that stands twice in a mapping.
    """
    try:
        return _Loader(text, name, flag).get_single_data()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = flag or Origin(name, mark.line + 1 if mark else 0)
        raise InvalidInput(f"{place}: is not valid YAML: {' '.join(str(error.problem or error.context).split())}") from None
    except yaml.YAMLError as error:
        raise InvalidInput(f"{flag or name}: is not valid YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise InvalidInput(f"{flag or name}: is nested too deep") from None


def merge(base: Entries, over: Entries) -> Entries:
    """`over` laid over `base`: mappings are merged, all else is replaced."""
    merged = Entries(over.origin, base)
    merged.origins = dict(base.origins)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, Entries) and isinstance(value, Entries) else value
        merged.origins[key] = over.origins[key]
    return merged


def append(base: Any, more: Any) -> Items:
    """A list with the items of both."""
    joined = Items(more.origin)
    for part in (base, more):
        if isinstance(part, Items):
            joined.extend(part)
            joined.origins.extend(part.origins)
    return joined


def origin_of(content: Any, path: tuple[int | str, ...]) -> Origin | None:
    """Where the entry at `path` stands or, where there is none, the nearest above it; None where nothing is known."""
    found = content.origin if isinstance(content, Entries | Items) else None
    for step in path:
        if not isinstance(content, Entries | Items):
            break
        try:
            origin = content.origins[step]  # type: ignore[index]  # a wrong kind of step is a TypeError below
            content = content[step]  # type: ignore[index]
        except (LookupError, TypeError):
            break
        found = origin
    return found


def flag_below(content: Any) -> Origin | None:
    """The flag that gave some part of a mapping or list; None where all of it stands in files."""
    if not isinstance(content, Entries | Items):
        return None
    origins = content.origins.values() if isinstance(content, Entries) else content.origins
    own = next((origin for origin in origins if not origin.line), None)
    parts = content.values() if isinstance(content, Entries) else content
    return own or next((found for part in parts if (found := flag_below(part))), None)


class _Loader(yaml.SafeLoader):
    """Plain YAML: no tags beyond the common ones, no key twice."""

    def __init__(self, text: str, name: str, flag: Origin | None) -> None:
        super().__init__(text)
        self.file = name
        self.flag = flag

    def place(self, line: int) -> Origin:
        return self.flag or Origin(self.file, line + 1)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        if node.tag not in _TAGS:
            raise ConstructorError(None, None, f"{node.tag.replace(_TAG, '!!')} is not used here", node.start_mark)
        try:
            return super().construct_object(node, deep=deep)
        except ValueError as error:  # of a date that is none, such as 2025-02-30
            raise ConstructorError(None, None, str(error), node.start_mark) from None

    def entries(self, node: yaml.MappingNode) -> Entries:
        self._refuse_twins(node)
        self.flatten_mapping(node)
        entries = Entries(self.place(node.start_mark.line))
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise ConstructorError(None, None, "a key must be a word", key_node.start_mark)
            entries[key] = self.construct_object(value_node, deep=True)
            entries.origins[key] = self.place(key_node.start_mark.line)
        return entries

    def items(self, node: yaml.SequenceNode) -> Items:
        items = Items(self.place(node.start_mark.line))
        for one in node.value:
            items.append(self.construct_object(one, deep=True))
            items.origins.append(self.place(one.start_mark.line))
        return items

    def _refuse_twins(self, node: yaml.MappingNode) -> None:
        """PyYAML takes the last of several and says nothing. Merged ones (`<<`) may be overridden."""
        first: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == f"{_TAG}merge":
                continue
            word = (key.tag, key.value)
            if word in first:
                raise ConstructorError(None, None, f"{key.value} stands in line {first[word]} already", key.start_mark)
            first[word] = key.start_mark.line + 1


_Loader.add_constructor(f"{_TAG}map", _Loader.entries)
_Loader.add_constructor(f"{_TAG}seq", _Loader.items)
