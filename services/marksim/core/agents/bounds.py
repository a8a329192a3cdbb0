"""What each parameter of an agent may be: its range stands beside it, and is checked before a market starts."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, get_type_hints


@dataclass(frozen=True, slots=True)
class Range:
    """Ends included; nothing outside the finite numbers lies in it. `most` keeps sizes and prices within int64."""

    least: float
    most: float = 1e9

    def fault(self, value: Any) -> str | None:
        """What is wrong with a value; None where it lies within."""
        return None if self.least <= value <= self.most else f"must be from {self.least:g} to {self.most:g}, not {value:g}"


@dataclass(frozen=True, slots=True)
class OneOf:
    """A choice by name."""

    names: tuple[str, ...]

    def fault(self, value: Any) -> str | None:
        """What is wrong with a value; None where it is one of the names."""
        return None if value in self.names else f"must be one of {', '.join(self.names)}, not {value!r}"


Positive = Annotated[float, Range(0.001)]
"""What is divided by, or must pass: an agent that sleeps for no time at all would stop the clock."""
Amount = Annotated[float, Range(0)]
Share = Annotated[float, Range(0, 1)]
Rate = Annotated[float, Range(0.0001, 100)]
"""How often something happens in a simulated second, on average."""
Whole = Annotated[int, Range(0)]
Count = Annotated[int, Range(1)]
FewTimes = Annotated[int, Range(1, 10_000)]
"""How often something is done at one moment, or how many are kept in mind."""


def faults(parameters: Any) -> Iterator[tuple[str, str]]:
    """(field, what is wrong with it) for each parameter outside its range; one without a range may be anything."""
    for field, hint in get_type_hints(type(parameters), include_extras=True).items():
        value = getattr(parameters, field)
        for allowed in getattr(hint, "__metadata__", ()):
            if isinstance(allowed, Range | OneOf) and (said := allowed.fault(value)) is not None:
                yield field, said
