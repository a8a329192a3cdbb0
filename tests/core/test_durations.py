"""Spans of simulated time as people write them."""

import pytest

from marksim.core.durations import format_duration, parse_duration_ns
from marksim.core.errors import InvalidInput

S = 1_000_000_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", 90 * S),
        ("10m", 600 * S),
        ("6.5h", 23_400 * S),
        ("1d", 86_400 * S),
        ("1h30m", 5_400 * S),
        ("50ms", S // 20),
        ("0.1us", 100),
        ("7ns", 7),
    ],
)
def test_a_number_with_a_unit_is_exact(text: str, expected: int) -> None:
    """Fractions are read as decimals, never as floats, and parts in a row add up."""
    assert parse_duration_ns(text) == expected


@pytest.mark.parametrize("text", ["", "90", "s", "1 d", "-5s", "1d!", "1e3s", "0s", "0.5ns", "4000d", "9" * 30 + "d", "٣s"])
def test_anything_else_is_refused_by_the_name_of_its_field(text: str) -> None:
    """The sentence begins with the field, which stands in the metadata too."""
    with pytest.raises(InvalidInput, match=r"^until is '") as caught:
        parse_duration_ns(text, "until")
    assert caught.value.metadata == {"field": "until"}


@pytest.mark.parametrize("text", ["90s", "10m", "1d", "7ns", "50ms", "36h"])
def test_the_short_text_reads_back(text: str) -> None:
    """The largest unit that leaves no fraction."""
    assert format_duration(parse_duration_ns(text)) == text
