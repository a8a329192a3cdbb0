"""What is slow where a clock cannot keep its speed."""

from typing import Any

import pytest

from marksim.engine.load import ENOUGH, Bottleneck, Load, Spent
from marksim.v1 import engine_pb2 as pb


def load_of(seconds: int, *, lag_s: float = 0.5, paced: bool = True, slips: int = 0, **parts: Any) -> Load:
    """So many wall seconds in each of which the parts took what is given."""
    load = Load()
    shards = parts.pop("shards", {})
    for second in range(seconds + 1):
        spent = {name: share * second for name, share in ({"cpu_s": 1.0} | parts).items()}
        shards_s = {name: share * second for name, share in shards.items()}
        load.take(Spent(wall_s=second, lag_s=lag_s, slips=slips * second, shards_s=shards_s, **spent), paced=paced)
    return load


@pytest.mark.parametrize(
    ("parts", "slow", "said"),
    [
        ({"agents_s": 0.8, "book_s": 0.1}, Bottleneck.AGENTS, "the agents: their code takes 80% of the time"),
        ({"agents_s": 0.1, "populations_s": 0.7, "book_s": 0.2}, Bottleneck.POPULATIONS, "the populations: they take 70%"),
        (
            {"agents_s": 0.2, "book_s": 0.7, "shards": {"a:1": 0.3, "b:2": 0.6}},
            Bottleneck.ORDER_BOOK,
            "the order book b:2: the engine waits for it 70% of the time",
        ),
        ({"agents_s": 0.1, "book_s": 0.4, "idle_s": 0.4}, Bottleneck.MACHINE, "the machine: the engine sleeps 40%"),
        ({"agents_s": 0.9, "cpu_s": 0.3}, Bottleneck.MACHINE, "the machine: the engine gets 30% of a processor"),
        ({"agents_s": 0.2, "book_s": 0.2}, Bottleneck.MACHINE, "the machine: windows and calls by themselves take 60%"),
    ],
)
def test_sustained_overload_names_the_slow_part(parts: dict[str, Any], slow: Bottleneck, said: str) -> None:
    """The part that takes most of the time; of several order books, the slowest."""
    found, sentence = load_of(ENOUGH, **parts).bottleneck()
    assert (found, sentence[: len(said)]) == (slow, said)


def test_slips_are_overload_too() -> None:
    """A clock that gives its lag up every second is never late for long."""
    found, _ = load_of(ENOUGH, lag_s=0.0, slips=1, agents_s=0.9).bottleneck()
    assert found is Bottleneck.AGENTS


@pytest.mark.parametrize(
    ("seconds", "how"),
    [
        (ENOUGH - 1, {}),
        (30, {"lag_s": 0.05}),
        (30, {"paced": False}),
    ],
)
def test_short_lag_and_clocks_without_a_pace_are_no_overload(seconds: int, how: dict[str, Any]) -> None:
    """A slow moment, a few milliseconds, a pause, and as fast as possible."""
    assert load_of(seconds, agents_s=0.9, **how).bottleneck() == (Bottleneck.UNSPECIFIED, "")


def test_what_was_before_a_pause_does_not_count() -> None:
    """After it the clock has its time to show that it keeps up."""
    load = load_of(8, agents_s=0.9)
    load.take(Spent(wall_s=9.0), paced=False)
    for second in range(10, 10 + ENOUGH - 1):
        load.take(Spent(wall_s=second, lag_s=0.5), paced=True)
    assert load.bottleneck() == (Bottleneck.UNSPECIFIED, "")


def test_overload_that_has_passed_is_forgotten() -> None:
    """When less than 70% of the last eight seconds were late."""
    load = load_of(8, agents_s=0.9)
    for second in range(9, 12):
        load.take(Spent(wall_s=second, agents_s=0.9 * second), paced=True)
    assert load.bottleneck() == (Bottleneck.UNSPECIFIED, "")


def test_shares_are_of_the_last_second() -> None:
    """Agents include populations; before the second sample all are 0."""
    assert load_of(0).shares == (0.0, 0.0, 0.0, 0.0)
    shares = load_of(3, agents_s=0.25, populations_s=0.25, book_s=0.25, idle_s=0.25).shares
    assert shares == (0.5, 0.25, 0.25, 0.25)


def test_the_numbers_are_those_of_the_contract() -> None:
    """So that the status needs no table of its own."""
    assert {f"BOTTLENECK_{part.name}": part.value for part in Bottleneck} == dict(pb.Bottleneck.items())
