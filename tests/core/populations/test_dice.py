"""Random numbers of compiled code: the sequence of the paper, and laws that hold."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from marksim.core.agents.latency import Latency, constant, empirical, lognormal, mix64
from marksim.core.book.compiled import kernel
from marksim.core.book.words import int64
from marksim.core.populations.dice import below, drawn, exponential, mixed, next_word, normal, pareto, trait, uniform

Table = Any
"""An array, whose rows have attributes in compiled code."""

MASK = (1 << 64) - 1
STATE = np.dtype([(f"dice{cell}", "<u8") for cell in range(4)])
FEW = 20_000


@kernel
def fill_words(states: Table, out: Table) -> None:
    for index in range(len(out)):
        out[index] = next_word(states[0])


@kernel
def fill_laws(states: Table, out: Table) -> None:
    """Columns: uniform, exponential, normal, pareto of tail 1.5, below 10, a trait."""
    state = states[0]
    for index in range(len(out)):
        row = out[index]
        row[0], row[1], row[2] = uniform(state), exponential(state), normal(state)
        row[3], row[4] = pareto(state, 1.5), below(state, int64(10))
        row[5] = trait(state.dice0, int64(index), int64(1))


@kernel
def fill_drawn(quantiles: Table, keys: Table, numbers: Table, out: Table) -> None:
    for index in range(len(out)):
        out[index] = drawn(quantiles, int64(0), int64(len(quantiles)), keys[index], numbers[index])


@kernel
def fill_mixed(words: Table, out: Table) -> None:
    for index in range(len(out)):
        out[index] = mixed(words[index])


def state_of(*words: int) -> Table:
    return np.array([tuple(words)], STATE)


def plain_words(state: list[int]) -> Iterator[int]:
    """xoshiro256++ with Python's integers."""

    def turned(word: int, by: int) -> int:
        return (word << by | word >> (64 - by)) & MASK

    while True:
        yield (turned((state[0] + state[3]) & MASK, 23) + state[0]) & MASK
        shifted = (state[1] << 17) & MASK
        state[2] ^= state[0]
        state[3] ^= state[1]
        state[1] ^= state[2]
        state[0] ^= state[3]
        state[2] ^= shifted
        state[3] = turned(state[3], 45)


@pytest.mark.parametrize("words", [(1, 2, 3, 4), (MASK, MASK - 1, 1 << 63, 0x9E3779B97F4A7C15)])
def test_words_are_those_of_the_algorithm(words: tuple[int, ...]) -> None:
    """From a known state, the first of (1, 2, 3, 4) being 41,943,041."""
    out = np.zeros(100, np.uint64)
    fill_words(state_of(*words), out)
    plain = plain_words(list(words))
    assert out.tolist() == [next(plain) for _ in range(100)]
    if words == (1, 2, 3, 4):
        assert out[0] == 41_943_041


@pytest.fixture(scope="module")
def laws() -> Any:
    out = np.zeros((FEW, 6))
    fill_laws(state_of(*(mix64(word) for word in range(1, 5))), out)
    return out


def near(values: Any, mean: float, sd: float) -> bool:
    """Whether the mean of values is what it should be, within five of its errors."""
    return bool(abs(values.mean() - mean) < 5 * sd / math.sqrt(len(values)))


def test_uniform_numbers_fill_their_range_evenly(laws: Any) -> None:
    """From 0 to below 1, each tenth alike, and neighbours do not depend on each other."""
    for column in (0, 5):
        values = laws[:, column]
        assert values.min() >= 0
        assert values.max() < 1
        counts = np.histogram(values, 10, (0, 1))[0]
        assert ((counts - FEW / 10) ** 2 / (FEW / 10)).sum() < 30
        assert abs(np.corrcoef(values[1:], values[:-1])[0, 1]) < 5 / math.sqrt(FEW)


def test_moments_of_the_laws(laws: Any) -> None:
    """Means, variances and tails."""
    assert near(laws[:, 1], 1.0, 1.0)
    assert near(laws[:, 1] ** 2, 2.0, math.sqrt(20))
    assert near(laws[:, 2], 0.0, 1.0)
    assert near(laws[:, 2] ** 2, 1.0, math.sqrt(2))
    assert near(laws[:, 2] ** 4, 3.0, math.sqrt(96))
    for least in (0.5, 2.0, 10.0):
        chance = (1 + least) ** -1.5
        assert near(laws[:, 3] > least, chance, math.sqrt(chance * (1 - chance)))
    assert laws[:, 3].min() >= 0


def test_whole_numbers_below_are_alike(laws: Any) -> None:
    """All of them come, none is the bound."""
    counts = np.bincount(laws[:, 4].astype(int), minlength=10)
    assert len(counts) == 10
    assert ((counts - FEW / 10) ** 2 / (FEW / 10)).sum() < 30


def test_mixed_is_mix64() -> None:
    """To the last bit."""
    words = np.array([0, 1, MASK, 1 << 63, *(mix64(word) for word in range(50))], np.uint64)
    out = np.zeros(len(words), np.uint64)
    fill_mixed(words, out)
    assert out.tolist() == [mix64(int(word)) for word in words]


@pytest.mark.parametrize(
    "latency", [constant(5), lognormal(20_000_000, 1.5), lognormal(50_000, 0.3, 40_000), empirical((7, 1, 60_000_000_000))]
)
def test_drawn_is_a_draw_of_the_latency(latency: Latency) -> None:
    """For orders, whose numbers are positive, and events, whose are negative."""
    numbers = np.array([*range(-300, 300), 1 << 40], np.int64)
    keys = np.array([mix64(int(number) * 77) for number in numbers], np.uint64)
    out = np.zeros(len(numbers), np.int64)
    fill_drawn(np.array(latency.quantiles_ns, np.int64), keys, numbers, out)
    expected = [latency.draw_ns(int(key), int(number)) for key, number in zip(keys, numbers, strict=True)]
    assert out.tolist() == expected
