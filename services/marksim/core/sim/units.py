"""From units to ticks and lots and back, exactly: what is not on the grid is refused, not rounded."""

from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Final

from marksim.core.agents.market import Number
from marksim.core.types import Instrument

_TOLERANCE: Final = 1e-6
"""Of a step: what a few sums of floats may be off. Above 10^9 steps a float is coarser than that."""


class Grid:
    """Multiples of one step: a tick, a lot, or a tick times a lot."""

    __slots__ = ("_denominator", "_float_step", "_name", "_numerator")

    def __init__(self, step: Fraction, name: str) -> None:
        self._numerator, self._denominator = step.numerator, step.denominator
        self._float_step = float(step)
        self._name = name

    def units(self, steps: int) -> float:
        """The double nearest to steps * step."""
        return steps * self._numerator / self._denominator

    def steps(self, value: Number) -> int:
        """How many steps a number is. ValueError, with the nearest on the grid, for one that is between two of them."""
        if type(value) is float:
            ratio = value / self._float_step
            try:
                steps = round(ratio)
            except (ValueError, OverflowError):
                raise ValueError(f"{self._name}: {value} is not a number of it") from None
            if abs(ratio - steps) <= _TOLERANCE + 1e-15 * abs(steps):
                return steps
            raise self._off_grid(value, steps)
        exact = self._fraction(value) * Fraction(self._denominator, self._numerator)
        if exact.denominator != 1:
            raise self._off_grid(value, round(exact))
        return exact.numerator

    def _fraction(self, value: Number) -> Fraction:
        try:
            return Fraction(Decimal(value) if isinstance(value, str) else value)
        except (ValueError, OverflowError, InvalidOperation, TypeError):
            hint = f"; a symbol is given by name: symbol={value!r}" if isinstance(value, str) and "/" in value else ""
            raise ValueError(f"{self._name}: {value!r} is not a number of it{hint}") from None

    def _off_grid(self, value: Number, nearest: int) -> ValueError:
        step = Fraction(self._numerator, self._denominator)
        return ValueError(
            f"{self._name}: {value} is between two steps of {float(step):.12g}; the nearest is {self.units(nearest):.12g}"
        )


class Units:
    """The three grids of an instrument."""

    __slots__ = ("cash", "price", "quantity")

    def __init__(self, instrument: Instrument) -> None:
        self.price = Grid(instrument.tick_size, f"price of {instrument.symbol}")
        self.quantity = Grid(instrument.lot_size, f"quantity of {instrument.symbol}")
        self.cash = Grid(instrument.tick_size * instrument.lot_size, f"cash of {instrument.symbol}")
