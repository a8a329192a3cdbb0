"""Moments of simulated time as people write them."""

import pytest

from marksim.core.errors import InvalidInput
from marksim.runtime.durations import format_moment, parse_moment_ns, parse_until_ns

S = 1_000_000_000
NOON = 1_736_164_800 * S


@pytest.mark.parametrize(
    "text", ["2025-01-06T12:00:00", "2025-01-06T12:00:00Z", "2025-01-06 12:00", "2025-01-06T13:00:00+01:00"]
)
def test_a_time_without_a_zone_is_utc(text: str) -> None:
    """Four ways to write one moment."""
    assert parse_moment_ns(text) == NOON


def test_nanoseconds_are_kept() -> None:
    """The calendar of the standard library knows microseconds only."""
    assert parse_moment_ns("2025-01-06T12:00:00.000000007Z") == NOON + 7
    assert format_moment(NOON + 7) == "2025-01-06T12:00:00.000000007Z"
    assert format_moment(NOON) == "2025-01-06T12:00:00Z"


def test_a_duration_counts_from_the_start_and_a_time_stands_for_itself() -> None:
    """With or without a plus."""
    assert parse_until_ns("90s", NOON) == parse_until_ns("+90s", NOON) == NOON + 90 * S
    assert parse_until_ns("2025-01-06T12:01:30", NOON) == NOON + 90 * S


ENDS = ("9999-12-31T23:59:59-10:00", "0001-01-01T00:00:00+10:00")
"""Of the calendar: no datetime can be what they are in UTC."""


@pytest.mark.parametrize(
    "text", ["2025-02-30", "2025-01-06T25:00", "1969-12-31", "2300-01-01", "2025-01-06T12:00:00", "x", *ENDS]
)
def test_what_names_no_later_moment_is_refused_by_the_name_of_its_flag(text: str) -> None:
    """Days that are none, years outside an int64, and a time that is not after the start."""
    with pytest.raises(InvalidInput, match=r"^--until is '"):
        parse_until_ns(text, NOON, "--until")
