"""How long an order takes to the book, and an event from the book to its agent: seeded, and the same whoever asks first.

A draw depends on a key and a number alone (the n-th order of one agent, the n-th tick for one agent), never on what was
drawn before, so that nobody keeps a state for it, and what no agent looks at is never drawn. Every model is one table of
quantiles, which compiled populations read as well.
"""

import hashlib
import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

from marksim.core.errors import InvalidInput

BINS: Final = 1_024
MAX_LATENCY_NS: Final = 60_000_000_000
_MASK: Final = (1 << 64) - 1
_GOLDEN: Final = 0x9E3779B97F4A7C15


@dataclass(frozen=True, slots=True)
class Latency:
    """Quantiles in ns, evenly spaced from the least to the most; one alone is a constant. Draws lie between them."""

    quantiles_ns: tuple[int, ...]

    @property
    def least_ns(self) -> int:
        """No draw is shorter."""
        return self.quantiles_ns[0]

    @property
    def is_constant(self) -> bool:
        return self.quantiles_ns[0] == self.quantiles_ns[-1]

    def draw_ns(self, key: int, number: int) -> int:
        """The draw of that number under that key (see `latency_key`), in ns."""
        quantiles = self.quantiles_ns
        if len(quantiles) == 1:
            return quantiles[0]
        mixed = mix64(key + number * _GOLDEN)
        place = (mixed >> 32) * (len(quantiles) - 1)
        low, part = place >> 32, place & 0xFFFFFFFF
        return quantiles[low] + ((quantiles[low + 1] - quantiles[low]) * part >> 32)


def constant(latency_ns: int) -> Latency:
    """Always the same."""
    return _checked((latency_ns,))


def lognormal(median_ns: int, sigma: float, floor_ns: int = 0) -> Latency:
    """`floor_ns` and a lognormal variate on top; `median_ns` is that of the sum. Cut at its 0.05 % and 99.95 %.

    `sigma` is the standard deviation of its logarithm. Raises InvalidInput where the floor is not below the median.
    """
    if not 0 <= floor_ns < median_ns:
        raise InvalidInput(f"floor {floor_ns} ns must be at least 0 and below the median {median_ns} ns")
    if not 0 < sigma <= 3:
        raise InvalidInput(f"sigma {sigma:g} must be above 0 and at most 3")
    normal = NormalDist()
    levels = [min(max(step / BINS, 0.5 / BINS), 1.0 - 0.5 / BINS) for step in range(BINS + 1)]
    return _checked(
        tuple(floor_ns + round((median_ns - floor_ns) * math.exp(sigma * normal.inv_cdf(level))) for level in levels)
    )


def empirical(samples_ns: tuple[int, ...]) -> Latency:
    """Draws like measured ones: linear between the sorted samples. Raises InvalidInput where there is none."""
    if not samples_ns:
        raise InvalidInput("empirical: give at least one measured latency")
    return _checked(tuple(sorted(samples_ns)))


def latency_key(seed: int, agent: str, direction: str) -> int:
    """Of one agent's orders or feed in one run; `direction` is "order" or "feed"."""
    return int.from_bytes(hashlib.sha256(f"{seed}\0{agent}\0{direction}".encode()).digest()[:8], "little")


def mix64(word: int) -> int:
    """The finalizer of SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014)."""
    word &= _MASK
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    word = (word ^ (word >> 27)) * 0x94D049BB133111EB & _MASK
    return word ^ (word >> 31)


def _checked(quantiles_ns: tuple[int, ...]) -> Latency:
    if quantiles_ns[0] < 0 or quantiles_ns[-1] > MAX_LATENCY_NS:
        raise InvalidInput(
            f"latencies must be from 0 to {MAX_LATENCY_NS} ns: {quantiles_ns[0]} to {quantiles_ns[-1]} are not"
        )
    return Latency(quantiles_ns)
