"""The value that informed traders believe in: an Ornstein-Uhlenbeck path on a grid of one simulated second.

Nothing in the book reads it; prices move only by the orders of those who do. It is stepped along its own grid from its own
generator, so that who asks and when does not matter.
"""

import math

import numpy as np

from marksim.core.types import NS_PER_S


class Fundamental:
    """One path. `value(t)` must be asked with non-decreasing times."""

    def __init__(
        self,
        rng: np.random.Generator,
        start_ns: int,
        reference: float,
        sd: float,
        half_life_s: float,
    ) -> None:
        self._rng = rng
        self._at_ns = start_ns
        self._reference = reference
        self._value = reference
        self._sd = sd
        self._keep = 0.5 ** (1.0 / half_life_s)

    def value(self, time_ns: int) -> float:
        """The value at the last grid point up to `time_ns`."""
        while self._at_ns + NS_PER_S <= time_ns:
            self._at_ns += NS_PER_S
            shock = self._sd * float(self._rng.standard_normal())
            self._value = self._reference + (self._value - self._reference) * self._keep + shock
        if not math.isfinite(self._value):
            raise ArithmeticError("the fundamental value left the finite numbers")
        return self._value
