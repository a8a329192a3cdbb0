"""Random numbers in compiled code: xoshiro256++ (Blackman and Vigna, "Scrambled linear pseudorandom number generators",
2021).

Each generator is four words of a record, so that a snapshot of the record is one of the generator. Only `math` is used on
the way, whose results do not depend on the CPU; NumPy's own generator would have to be handed in from Python at each
call.
"""

import math
from typing import Any

import numpy as np

from marksim.core.book.compiled import INTERPRETED, compiled
from marksim.core.book.words import Row, int64

U = np.uint64
float64: Any = np.float64
_GOLDEN = U(0x9E3779B97F4A7C15)
_FIRST, _SECOND = U(0xBF58476D1CE4E5B9), U(0x94D049BB133111EB)
_LOW = U(0xFFFFFFFF)
_UNIT = 2.0**-53
_LARGEST = 700.0


@compiled
def next_word(row: Row) -> Any:
    """64 random bits."""
    first, second, third, fourth = U(row.dice0), U(row.dice1), U(row.dice2), U(row.dice3)
    total = first + fourth
    result = ((total << U(23)) | (total >> U(41))) + first
    shifted = second << U(17)
    third ^= first
    fourth ^= second
    second ^= third
    first ^= fourth
    third ^= shifted
    fourth = (fourth << U(45)) | (fourth >> U(19))
    row.dice0, row.dice1, row.dice2, row.dice3 = first, second, third, fourth
    return result


@compiled
def uniform(row: Row) -> float:
    """From 0 to below 1."""
    return float64(next_word(row) >> U(11)) * _UNIT


@compiled
def below(row: Row, count: int) -> int:
    """A whole number from 0 to below `count`, at most 2^32; each alike but for one part in 2^32."""
    return int64(((next_word(row) >> U(32)) * U(count)) >> U(32))


@compiled
def exponential(row: Row) -> float:
    """Of mean 1."""
    return -math.log(1.0 - uniform(row))


@compiled
def pareto(row: Row, tail: float) -> float:
    """Of the law P(x > a) = (1 + a)^-tail."""
    return math.exp(min(-math.log(1.0 - uniform(row)) / tail, _LARGEST)) - 1.0


@compiled
def normal(row: Row) -> float:
    """Of mean 0 and variance 1 (Box and Muller, 1958)."""
    radius = math.sqrt(-2.0 * math.log(1.0 - uniform(row)))
    return radius * math.cos(2.0 * math.pi * uniform(row))


@compiled
def mixed(word: Any) -> Any:
    """The same as `core.agents.latency.mix64`."""
    word = (word ^ (word >> U(30))) * _FIRST
    word = (word ^ (word >> U(27))) * _SECOND
    return word ^ (word >> U(31))


@compiled
def trait(key: Any, trader: int, number: int) -> float:
    """A number from 0 to below 1 that a trader always has: nobody keeps it."""
    word = mixed(U(key) + U(trader) * _GOLDEN + U(number) * _FIRST)
    return float64(word >> U(11)) * _UNIT


@compiled
def drawn(quantiles: Any, first: int, count: int, key: Any, number: int) -> int:
    """The same as `Latency.draw_ns` of these quantiles."""
    if count == 1:
        return int64(quantiles[first])
    word = mixed(U(key) + U(number) * _GOLDEN)
    place = (word >> U(32)) * U(count - 1)
    low, part = first + int64(place >> U(32)), int64(place & _LOW)
    step = int64(quantiles[low + 1] - quantiles[low])
    # step * part >> 32, in halves: a step of more than two seconds would leave 64 bits.
    return int64(quantiles[low] + ((step >> 16) * part + ((step & 0xFFFF) * part >> 16) >> 16))


if INTERPRETED:
    np.seterr(over="ignore")
