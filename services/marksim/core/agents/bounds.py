"""What each parameter of an agent may be: its range stands beside it, and is checked before a market starts."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, get_type_hints


@dataclass(frozen=True, slots=True)
class Range:
    """Ends included; nothing outside the finite numbers lies in it. `most` keeps sizes and prices within int64."""

    least: float
    most: float = 1e9


Positive = Annotated[float, Range(0.001)]
"""What is divided by, or must pass: an agent that sleeps for no time at all would stop the clock."""
Amount = Annotated[float, Range(0)]
Share = Annotated[float, Range(0, 1)]
Whole = Annotated[int, Range(0)]
Count = Annotated[int, Range(1)]
FewTimes = Annotated[int, Range(1, 10_000)]
"""How often something is done at one moment."""


def faults(parameters: Any) -> Iterator[tuple[str, str]]:
    """(field, what is wrong with it) for each parameter outside its range."""
    for field, hint in get_type_hints(type(parameters), include_extras=True).items():
        value = getattr(parameters, field)
        for allowed in hint.__metadata__:
            if not allowed.least <= value <= allowed.most:
                yield field, f"must be from {allowed.least:g} to {allowed.most:g}, not {value:g}"
