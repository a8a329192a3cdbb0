"""Prices and quantities as decimals, exact on an instrument's grid."""

from decimal import Decimal, InvalidOperation
from fractions import Fraction

Number = int | float | str | Decimal
"""What may be given as a price or a quantity. A float is taken as Python prints it: 0.1 is exactly a tenth."""


def decimal(value: Number, field: str) -> Decimal:
    """The number, exact; ValueError for what is none, or not finite."""
    if isinstance(value, bool):
        raise ValueError(f"{field} is {value}: give a number")
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"{field} is {value!r}: give a decimal number such as 0.010") from None
    if not number.is_finite():
        raise ValueError(f"{field} is {value}: give a finite number")
    return number


def on_grid(value: Number, step: Decimal, field: str) -> str:
    """The number as the wire wants it; ValueError off the grid, which names the nearest, and for what is not above zero."""
    number = decimal(value, field)
    if number <= 0:
        raise ValueError(f"{field} is {value}: it must be greater than zero")
    steps = Fraction(number) / Fraction(step)
    if steps.denominator != 1:
        nearest = max(round(steps), 1) * step
        raise ValueError(f"{field} is {value}, no multiple of {plain(step)}: the nearest is {plain(nearest)}")
    return plain(steps.numerator * step)


def plain(number: Decimal) -> str:
    """Digits and a point, no exponent."""
    return format(number, "f")


def read(text: str) -> Decimal | None:
    """A decimal of an answer; None where it is empty."""
    return Decimal(text) if text else None
