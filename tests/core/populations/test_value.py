"""The fundamental value: one path a seed, whoever asks and when."""

import numpy as np
import pytest

from marksim.core.agents.spec import ValueSpec
from marksim.core.populations.crowd import Crowd
from marksim.core.populations.memory import VALUES
from tests.core.sim.worlds import BTC, MS, S

WILD = ValueSpec("BTC/USD", sd_ticks=5.0, half_life_s=600.0, jumps_per_s=0.02, jump_ticks=100.0)


KEPT = VALUES - 1


class Path:
    """The value of a symbol without populations."""

    def __init__(self, spec: ValueSpec, seed: int) -> None:
        self._crowd = Crowd(BTC, (), spec, seed=seed, start_ns=0, lookahead_ns=50 * MS)

    def value(self, time_ns: int) -> float:
        return self._crowd.value_ticks(time_ns)

    def shock(self, time_ns: int, change_ppm: int) -> None:
        self._crowd.shock(time_ns, change_ppm)


def path(spec: ValueSpec = WILD, seed: int = 1) -> Path:
    return Path(spec, seed)


def test_who_asks_and_when_does_not_matter() -> None:
    """Asked every second, now and then, or back by some seconds: the same values."""
    every, seldom = path(), path()
    values = [every.value(second * S) for second in range(500)]
    assert [seldom.value(second * S + 5) for second in range(0, 500, 37)] == values[::37]
    back = path()
    assert back.value(400 * S) == values[400]
    assert [back.value((400 - n) * S) for n in range(KEPT + 1)] == [values[400 - n] for n in range(KEPT + 1)]
    assert back.value(0) == values[400 - KEPT]


@pytest.mark.parametrize("seed", range(3))
def test_it_reverts_to_its_reference_with_its_half_life(seed: int) -> None:
    """Long after the start it lies around the reference, as far as an Ornstein-Uhlenbeck process of those numbers does."""
    value = path(ValueSpec("BTC/USD", sd_ticks=5.0, half_life_s=60.0), seed)
    values = np.array([value.value(second * S) for second in range(40_000)])
    keep = 0.5 ** (1 / 60.0)
    spread = 5.0 / (1 - keep**2) ** 0.5
    assert values.std() == pytest.approx(spread, rel=0.15), f"seed {seed}"
    assert values.mean() == pytest.approx(100_000, abs=spread), f"seed {seed}"


def test_jumps_come_on_top_of_the_same_path() -> None:
    """Without them the steps are those of the diffusion; with them some are far beyond."""
    quiet = path(ValueSpec("BTC/USD", sd_ticks=5.0, half_life_s=1e9))
    wild = path(ValueSpec("BTC/USD", sd_ticks=5.0, half_life_s=1e9, jumps_per_s=0.02, jump_ticks=100.0))
    differences = np.diff([wild.value(n * S) - quiet.value(n * S) for n in range(5_000)])
    jumps = differences[np.abs(differences) > 0.01]
    assert 60 < len(jumps) < 140
    assert np.median(np.abs(jumps)) == pytest.approx(76.5, rel=0.3)  # of Student's t with 3 degrees of freedom: 0.765


def test_shocks_multiply_everything_from_their_time_on() -> None:
    """Whatever the order in which they were made known, between grid points too, and before anybody asked for later."""
    plain, one, other = path(), path(), path()
    one.shock(100 * S + 500, 10_000)
    one.shock(50 * S, -20_000)
    other.shock(50 * S, -20_000)
    assert other.value(70 * S) == one.value(70 * S)
    other.shock(100 * S + 500, 10_000)
    both = 0.98 * 1.01
    expected = ((49 * S, 1.0), (50 * S, 0.98), (100 * S + 499, 0.98), (100 * S + 500, both), (900 * S, both))
    for time_ns, factor in expected:
        assert one.value(time_ns) == other.value(time_ns) == pytest.approx(plain.value(time_ns) * factor, rel=1e-12)
