"""Where the engine's wall time goes, and what is slow when its clock cannot keep its speed."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

HORIZON: Final = 8
"""How many samples back it looks; one is taken a wall second."""
ENOUGH: Final = 6
"""Fewer samples since the clock last began to pace say nothing: a slow second is no overload."""
LATE_SHARE: Final = 0.7
LATE_S: Final = 0.1
SPARE_SHARE: Final = 0.2
"""Who sleeps for that share of the time has no part that is too slow for it."""
STARVED_SHARE: Final = 0.6
"""Whose own work gets the processor for less than that share of its time waits for the processor."""


class Bottleneck(IntEnum):
    """What keeps a clock from its speed; the numbers are those of the contract."""

    UNSPECIFIED = 0
    AGENTS = 1
    POPULATIONS = 2
    ORDER_BOOK = 3
    MACHINE = 4


@dataclass(frozen=True, slots=True)
class Spent:
    """What a wall clock, a processor clock and the sums of the parts show at one moment, in seconds."""

    wall_s: float
    cpu_s: float = 0.0
    agents_s: float = 0.0
    populations_s: float = 0.0
    book_s: float = 0.0
    idle_s: float = 0.0
    shards_s: Mapping[str, float] = field(default_factory=dict)
    """By address: how long each order book took to answer."""
    lag_s: float = 0.0
    slips: int = 0


class Load:
    """Takes a sample a wall second; knows the shares of the last, and what is slow over the last eight."""

    def __init__(self) -> None:
        self._samples: deque[Spent] = deque(maxlen=HORIZON + 1)
        self._late: deque[bool] = deque(maxlen=HORIZON)

    def take(self, sample: Spent, *, paced: bool) -> None:
        """`paced` is false where the clock has no speed to keep: while paused, or as fast as the machine goes."""
        if self._samples:
            self._late.append(paced and (sample.lag_s > LATE_S or sample.slips > self._samples[-1].slips))
        self._samples.append(sample)
        if not paced:
            self._late.clear()

    @property
    def shares(self) -> tuple[float, float, float, float]:
        """Of the last second: agents with populations, populations, order book, idle."""
        if len(self._samples) < 2:
            return 0.0, 0.0, 0.0, 0.0
        last = _between(self._samples[-2], self._samples[-1])
        agents = last.agents_s + last.populations_s
        parts = (agents, last.populations_s, last.book_s, last.idle_s)
        a, b, c, d = (min(part / last.wall_s, 1.0) if last.wall_s > 0 else 0.0 for part in parts)
        return a, b, c, d

    def bottleneck(self) -> tuple[Bottleneck, str]:
        """What is slow, and the same as a sentence; (UNSPECIFIED, "") where the clock keeps its speed."""
        if len(self._late) < ENOUGH or sum(self._late) < LATE_SHARE * len(self._late):
            return Bottleneck.UNSPECIFIED, ""
        return _slowest(_between(self._samples[-1 - len(self._late)], self._samples[-1]))


def _between(first: Spent, last: Spent) -> Spent:
    return Spent(
        wall_s=last.wall_s - first.wall_s,
        cpu_s=last.cpu_s - first.cpu_s,
        agents_s=last.agents_s - first.agents_s,
        populations_s=last.populations_s - first.populations_s,
        book_s=last.book_s - first.book_s,
        idle_s=last.idle_s - first.idle_s,
        shards_s={name: spent - first.shards_s.get(name, 0.0) for name, spent in last.shards_s.items()},
    )


def _slowest(spent: Spent) -> tuple[Bottleneck, str]:
    wall_s = spent.wall_s
    if spent.idle_s > SPARE_SHARE * wall_s:
        spare = f"the engine sleeps {spent.idle_s / wall_s:.0%} of the time and still wakes late"
        return Bottleneck.MACHINE, f"the machine: {spare}; it stops or stalls the process"
    own_s = spent.agents_s + spent.populations_s
    rest_s = wall_s - own_s - spent.book_s - spent.idle_s
    if spent.book_s >= max(own_s, rest_s):
        slowest = max(spent.shards_s, key=lambda name: spent.shards_s[name], default="")
        share = f"the engine waits for it {spent.book_s / wall_s:.0%} of the time"
        return Bottleneck.ORDER_BOOK, f"the order book {slowest}: {share}"
    if spent.cpu_s < STARVED_SHARE * (own_s + rest_s):
        given = f"the engine gets {spent.cpu_s / wall_s:.0%} of a processor and could use more"
        return Bottleneck.MACHINE, f"the machine: {given}; another program or a limit takes the rest"
    if rest_s > own_s:
        return Bottleneck.MACHINE, f"the machine: windows and calls by themselves take {rest_s / wall_s:.0%} of the time"
    if spent.populations_s > spent.agents_s:
        return Bottleneck.POPULATIONS, f"the populations: they take {spent.populations_s / wall_s:.0%} of the time"
    return Bottleneck.AGENTS, f"the agents: their code takes {spent.agents_s / wall_s:.0%} of the time"
