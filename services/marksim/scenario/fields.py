"""What the fields of a scenario file may hold: exact decimals, parts of a price, times of day, durations, moments."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema
from pydantic_core import InitErrorDetails, PydanticCustomError

from marksim.core.durations import parse_duration_ns
from marksim.core.errors import InvalidInput
from marksim.core.types import NS_PER_S, NS_PER_US

FIRST_START: Final = datetime(1970, 1, 1, tzinfo=UTC)
START_BEFORE: Final = datetime(2201, 1, 1, tzinfo=UTC)
PPM: Final = 1_000_000
TIME_OF_DAY: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9](?:\.[0-9]{1,9})?))?", re.ASCII)
_DECIMAL: Final = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{0,30})?([eE][+-]?[0-9]{1,2})?", re.ASCII)
_LARGEST_CHANGE: Final = 10
_FASTEST: Final = 1e6


class Model(BaseModel):
    """Part of a scenario: no field that the schema does not know, and nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, populate_by_name=False)


def wrong_fields(model: str, faults: Mapping[tuple[int | str, ...], str]) -> ValidationError:
    """The error of a model that has faults in some of its fields: path below the model to what is wrong with it."""
    details = [
        InitErrorDetails(type=PydanticCustomError("value", "{said}", {"said": said}), loc=path, input=None)
        for path, said in faults.items()
    ]
    return ValidationError.from_exception_data(model, details)


def moment_ns(moment: datetime) -> int:
    """Nanoseconds since the Unix epoch; a moment that names no zone is UTC."""
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    since = moment - FIRST_START
    return (since.days * 86_400 + since.seconds) * NS_PER_S + since.microseconds * NS_PER_US


def nanoseconds(seconds: float) -> int:
    """Of the decimal that was written, not of the double nearest to it."""
    return int(Fraction(str(seconds)) * NS_PER_S)


def _number(value: object) -> tuple[str, Fraction]:
    text = str(value)
    if isinstance(value, bool) or not _DECIMAL.fullmatch(text):
        raise ValueError(f"must be a decimal number such as 0.50, not {text!r}")
    return text, Fraction(text)


def _decimal(value: object) -> str:
    """Exact text of a positive decimal number; floats are read by their shortest text, as YAML wrote them."""
    text, number = _number(value)
    if number <= 0:
        raise ValueError(f"must be a decimal number above 0, not {text!r}")
    return text


def _decimal_or_zero(value: object) -> str:
    text, number = _number(value)
    if number < 0:
        raise ValueError(f"must be a decimal number of at least 0, not {text!r}")
    return text


def _fraction(value: object) -> str:
    """The text of a decimal number above 0, at most 1, in whole millionths."""
    text = _decimal(value)
    if Fraction(text) > 1:
        raise ValueError(f"must be a part of the price such as 0.05, at most 1, not {text}")
    _whole_millionths(Fraction(text), text)
    return text


def _change(value: object) -> str:
    """`-2%` and -0.02 are the same change of a price, in whole millionths."""
    text = str(value)
    digits, percent, rest = text.partition("%")
    try:
        if rest:
            raise ValueError
        number = _number(digits.strip() if percent else value)[1]
    except ValueError:
        raise ValueError(f"must be a change such as -2% or -0.02, not {text!r}") from None
    number = number / 100 if percent else number
    if not -1 < number <= _LARGEST_CHANGE or not number:
        raise ValueError(f"must be above -100%, at most {_LARGEST_CHANGE * 100}%, and not 0, not {text}")
    _whole_millionths(number, text)
    return text


def _whole_millionths(number: Fraction, text: str) -> None:
    if (number * PPM).denominator != 1:
        raise ValueError(f"must be a multiple of 0.000001, not {text}")


def change_ppm(text: str) -> int:
    """Millionths of a validated change."""
    digits, percent, _ = text.partition("%")
    return int(Fraction(digits.strip()) * PPM / (100 if percent else 1))


def _time_of_day(value: object) -> str:
    """Hours, minutes and perhaps seconds; YAML takes 17:00 without quotes for a number in base 60."""
    if not isinstance(value, str) or not TIME_OF_DAY.fullmatch(value):
        raise ValueError(f'must be a time of day such as "08:00" or "08:00:30", in quotes, not {value!r}')
    return value


def _duration(value: object) -> str:
    try:
        parse_duration_ns(str(value), "")
    except InvalidInput:
        raise ValueError(f"must be a duration such as 90s, 500ms, 6.5h or 1d, not {value!r}") from None
    return str(value)


def _speed(value: object) -> object:
    """`max` or a number; a union would tell of both, whichever was meant."""
    if value == "max":
        return value
    try:
        factor = float(str(value))
    except ValueError:
        factor = 0.0
    if isinstance(value, bool) or not 0 < factor <= _FASTEST:
        raise ValueError(f"must be `max` or a number above 0, at most {_FASTEST:g}, not {value!r}")
    return factor


def _now(value: object) -> object:
    """`now` becomes the present second: a value like any other from here on, so that the scenario has one hash."""
    return datetime.now(UTC).replace(microsecond=0) if value == "now" else value


def _when(value: object) -> object:
    """A duration since the start stays text, a moment of the calendar becomes one."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    text = str(value)
    if text in {"0", "0s"}:
        return "0s"
    if re.match(r"\d{4}-", text, re.ASCII):
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(f"must be a time such as 2025-01-06T12:00:00Z, not {text!r}") from None
    try:
        return _duration(value)
    except ValueError:
        raise ValueError(
            f"must be a time since the start such as 90s or 1h, or 2025-01-06T12:00:00Z, not {value!r}"
        ) from None


def _text_or_number(**more: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": ["string", "number"], **more})


DecimalText = Annotated[str, BeforeValidator(_decimal), _text_or_number()]
DecimalOrZero = Annotated[str, BeforeValidator(_decimal_or_zero), _text_or_number()]
PartOfPrice = Annotated[str, BeforeValidator(_fraction), _text_or_number()]
Change = Annotated[str, BeforeValidator(_change), _text_or_number(examples=["-2%", -0.02])]
TimeOfDay = Annotated[str, BeforeValidator(_time_of_day), WithJsonSchema({"type": "string", "pattern": TIME_OF_DAY.pattern})]
DurationText = Annotated[
    str, BeforeValidator(_duration), WithJsonSchema({"type": "string", "examples": ["90s", "500ms", "6.5h", "1d", "1h30m"]})
]
Moment = Annotated[
    datetime,
    BeforeValidator(_now),
    WithJsonSchema({"type": "string", "examples": ["2025-01-06T00:00:00Z", "now"]}),
]
When = Annotated[
    str | datetime,
    BeforeValidator(_when),
    WithJsonSchema({"type": "string", "examples": ["90s", "1h", "2025-01-06T12:00:00Z"]}),
]
Speed = Annotated[Annotated[float, Field(gt=0, le=_FASTEST)] | Literal["max"], BeforeValidator(_speed)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,47}$")]
Symbol = Annotated[str, Field(pattern=r"^[A-Z0-9]{1,12}/[A-Z0-9]{1,12}$")]
