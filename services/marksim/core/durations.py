"""Spans of simulated time as people write them: `90s`, `10m`, `6.5h`, `1d`."""

import re
from fractions import Fraction
from typing import Final

from marksim.core.errors import InvalidInput

UNITS_NS: Final = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
}
"""Nanoseconds of each unit, smallest first."""

MAX_DURATION_NS: Final = 3650 * UNITS_NS["d"]
"""Ten years: far above any run, and far from the end of an int64."""

_PART: Final = re.compile(r"(\d{1,18}(?:\.\d{1,9})?)(ns|us|ms|s|m|h|d)", re.ASCII)


def parse_duration_ns(text: str, field: str = "duration") -> int:
    """Nanoseconds of `90s`, `1.5h` or parts in a row such as `1h30m`, exactly.

    Raises InvalidInput, which names `field`, for anything else: no unit, zero, below a nanosecond, above ten years.
    """
    total, position = Fraction(0), 0
    while found := _PART.match(text, position):
        total += Fraction(found[1]) * UNITS_NS[found[2]]
        position = found.end()
    if position != len(text) or not text:
        raise _wrong(field, f"is {text!r}: write a number and a unit (ns, us, ms, s, m, h, d), such as 90s, 6.5h or 1d")
    if total.denominator != 1:
        raise _wrong(field, f"is {text!r}: the smallest part of time is 1ns")
    if not 0 < total <= MAX_DURATION_NS:
        raise _wrong(field, f"is {text!r}: must be above 0 and at most {format_duration(MAX_DURATION_NS)}")
    return int(total)


def format_duration(duration_ns: int) -> str:
    """The shortest text of it in one unit without a fraction: `90s`, `1d`."""
    unit = next(name for name in reversed(UNITS_NS) if duration_ns % UNITS_NS[name] == 0)
    return f"{duration_ns // UNITS_NS[unit]}{unit}" if duration_ns else "0s"


def _wrong(field: str, problem: str) -> InvalidInput:
    return InvalidInput(f"{field} {problem}", metadata={"field": field})
