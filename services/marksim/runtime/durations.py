"""Moments of simulated time as people write them: a span from somewhere on, or a time of the calendar."""

import re
from datetime import UTC, datetime
from typing import Final

from marksim.core.durations import format_duration, parse_duration_ns
from marksim.core.errors import InvalidInput

__all__ = ["format_duration", "format_moment", "parse_duration_ns", "parse_moment_ns", "parse_until_ns"]

_NS: Final = 1_000_000_000
_FIRST, _BEFORE = datetime(1970, 1, 1, tzinfo=UTC), datetime(2262, 1, 1, tzinfo=UTC)
_FRACTION: Final = re.compile(r"(?<=:\d\d)\.(\d{1,9})(?!\d)", re.ASCII)


def parse_moment_ns(text: str, field: str = "time") -> int:
    """Nanoseconds since the Unix epoch of an ISO 8601 time; UTC where it names no zone.

    Raises InvalidInput, which names `field`.
    """
    fraction = _FRACTION.search(text)
    whole = _FRACTION.sub("", text, count=1)
    try:
        moment = datetime.fromisoformat(whole)
    except ValueError:
        raise _wrong(field, f"is {text!r}: write a time such as 2025-01-06T12:00:00 (UTC)") from None
    # Of other years no zone matters, and those at the calendar's ends cannot be moved to UTC.
    if moment.tzinfo is None or not 1969 <= moment.year <= 2262:
        moment = moment.replace(tzinfo=UTC)
    if not _FIRST <= (moment := moment.astimezone(UTC)) < _BEFORE:
        raise _wrong(field, f"is {text!r}: must be from 1970 to 2261")
    seconds = (moment - _FIRST) // (datetime.resolution * 1_000_000)
    return seconds * _NS + (int(fraction[1].ljust(9, "0")) if fraction else 0)


def parse_until_ns(text: str, start_ns: int, field: str = "until") -> int:
    """The moment that `text` names: a duration (`1d`, `+90s`) counts from `start_ns`, else it is an ISO 8601 time.

    Raises InvalidInput, which names `field`, also for a time that is not after `start_ns`.
    """
    if _is_moment(text):
        moment_ns = parse_moment_ns(text, field)
        if moment_ns <= start_ns:
            raise _wrong(field, f"is {text!r}: must be after {format_moment(start_ns)}")
        return moment_ns
    return start_ns + parse_duration_ns(text.removeprefix("+"), field)


def format_moment(time_ns: int) -> str:
    """ISO 8601 in UTC, without a fraction that is zero: `2025-01-06T12:00:00Z`."""
    seconds, rest_ns = divmod(time_ns, _NS)
    fraction = f".{rest_ns:09d}".rstrip("0") if rest_ns else ""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}{fraction}Z"


def _is_moment(text: str) -> bool:
    return re.match(r"\d{4}-", text, re.ASCII) is not None


def _wrong(field: str, problem: str) -> InvalidInput:
    return InvalidInput(f"{field} {problem}", metadata={"field": field})
