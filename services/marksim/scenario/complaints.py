"""What is said of a wrong scenario: one sentence a fault, with the file, the line and the field."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from marksim.core.errors import InvalidInput
from marksim.scenario.agents import plain, short, suggestion
from marksim.scenario.source import flag_below, origin_of

MOST_FAULTS: Final = 20
LOADING_KEYS: Final = ("extends", "add")
"""Of the top level; they are gone when the content is validated."""


class WrongScenario(InvalidInput):
    """A scenario that cannot be run; `faults` has one sentence for each thing that is wrong with it."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        shown = self.faults[:MOST_FAULTS]
        more = len(self.faults) - len(shown)
        super().__init__("; ".join(shown) + (f"; and {more} more" if more else ""))


def complain(error: ValidationError, content: Any, model: type[BaseModel]) -> WrongScenario:
    """The sentences of a validation error of `content`, in the order of the fields."""
    errors = error.errors()
    # A list whose only entry is wrong is called too short as well, which says nothing new.
    wrong_within = {one["loc"][:length] for one in errors for length in range(len(one["loc"]))}
    said = [one for one in errors if one["type"] != "too_short" or one["loc"] not in wrong_within]
    return WrongScenario([_sentence(one, content, model) for one in said])


def _sentence(error: ErrorDetails, content: Any, model: type[BaseModel]) -> str:
    path = error["loc"]
    words, found = _walk(path, content)
    # A fault of a whole entry is that of what was changed in it.
    origin = flag_below(found) or origin_of(content, path)
    place = ".".join(words)
    return ": ".join(part for part in (str(origin or ""), place, _said(error, model)) if part)


def _said(error: ErrorDetails, model: type[BaseModel]) -> str:
    match error["type"]:
        case "extra_forbidden":
            known = list(_fields_at(model, error["loc"][:-1]))
            if len(error["loc"]) == 1:
                known.extend(LOADING_KEYS)
            nearest = suggestion(error["loc"][-1], known)
            return f"is not a field{nearest or '; known are ' + ', '.join(known)}"
        case "model_type" | "dict_type":
            return f"must be a mapping of fields, not {short(error['input'])}"
        case "tuple_type":
            return f"must be a list, not {short(error['input'])}"
        case "literal_error":
            return f"must be {error['ctx']['expected']}, not {short(error['input'])}"
        case _:
            return plain(error)


def _walk(path: Sequence[int | str], content: Any) -> tuple[list[str], Any]:
    """The path to a field as `--set` takes it: list entries by their name or symbol where they have one."""
    words: list[str] = []
    for step in path:
        try:
            content = content[step]
        except (LookupError, TypeError):  # a field that is missing, or a branch of the schema that no file knows
            content = None
        named = names_of(content) if isinstance(step, int) and isinstance(content, dict) else []
        words.append(str(named[0] if named else step))
    return words, content


def names_of(entry: dict[Any, Any]) -> list[Any]:
    """By which a list entry is found in the path of an override."""
    # An agent or an event may have a symbol too, but is not what it trades.
    return [entry["name"]] if "name" in entry else [entry[key] for key in ("symbol",) if key in entry]


def _fields_at(model: type[BaseModel], path: Sequence[int | str]) -> Iterator[str]:
    """Names of the fields that a model has at a path, as a file writes them."""
    models = [model]
    for step in path:
        if isinstance(step, int):
            continue
        hints = [
            field.annotation for one in models for name, field in one.model_fields.items() if step in (name, field.alias)
        ]
        models = [found for hint in hints for found in _models_in(hint)]
    for one in models:
        yield from (field.alias or name for name, field in one.model_fields.items())


def _models_in(hint: Any) -> Iterator[type[BaseModel]]:
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        yield hint
    for argument in get_args(hint):
        yield from _models_in(argument)
