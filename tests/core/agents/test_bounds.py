"""Ranges of agents' parameters."""

import math
from dataclasses import fields, replace
from typing import get_type_hints

import pytest

from marksim.core.agents import AGENT_TYPES
from marksim.core.agents.bounds import OneOf, Range, faults
from marksim.core.agents.noise import Noise
from marksim.core.agents.whale import Whale


@pytest.mark.parametrize("kind", AGENT_TYPES)
def test_every_parameter_has_a_range_and_a_default_within(kind: str) -> None:
    """An agent without one would fail in the running market."""
    parameters = AGENT_TYPES[kind].parameters
    hints = get_type_hints(parameters, include_extras=True)
    for field in fields(parameters):
        assert isinstance(hints[field.name].__metadata__[0], Range | OneOf), field.name
    assert not list(faults(parameters()))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -0.1])
def test_what_is_no_finite_number_lies_in_no_range(value: float) -> None:
    """It is told with the field's name."""
    assert [field for field, _ in faults(replace(Noise(), distance_ticks=value))] == ["distance_ticks"]


def test_a_choice_is_one_of_its_names() -> None:
    """The complaint lists what there is to choose from."""
    assert list(faults(replace(Whale(), schedule="vwap"))) == [("schedule", "must be one of twap, pov, iceberg, not 'vwap'")]  # type: ignore[arg-type]
