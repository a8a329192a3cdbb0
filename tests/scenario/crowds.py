"""A type of population for tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from unittest.mock import patch

from marksim.core.agents.bounds import Positive
from marksim.core.populations import POPULATION_TYPES, PopulationType


@dataclass(frozen=True, slots=True)
class Crowd:
    """Parameters of `crowd`."""

    interval_s: Positive = 10.0


@contextmanager
def crowd_type() -> Iterator[None]:
    """The type `crowd` is known inside."""
    with patch.dict(POPULATION_TYPES, {"crowd": PopulationType(Crowd, behaviour=0)}):
        yield
