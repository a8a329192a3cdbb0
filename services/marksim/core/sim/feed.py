"""What has been published of one symbol, and what of it has reached one agent."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from marksim.core.agents.latency import Latency
from marksim.core.feed.ticks import tick_of
from marksim.core.populations.crowd import Crowd
from marksim.core.populations.floor import REACH
from marksim.core.sim.candles import CandleMaker
from marksim.core.sim.scheduler import Scheduler
from marksim.core.sim.units import Units
from marksim.core.types import Instrument, Tick

if TYPE_CHECKING:
    from marksim.core.sim.tickwaits import TickWait

Shown = tuple[int, Tick, Tick | None]
"""(end of its window, tick, the newest tick with a trade by then: None before the first, and where that is long ago)"""


class SymbolFeed:
    """The ticks of a symbol, which lie in the memory of its crowd; they become objects only where somebody looks.

    `waiting` are the agents' waits for the next one; their order is that in which they began to wait.
    """

    __slots__ = (
        "_caught",
        "_last",
        "_last_number",
        "candles",
        "crowd",
        "instrument",
        "scheduler",
        "symbol",
        "units",
        "waiting",
    )

    def __init__(self, instrument: Instrument, scheduler: Scheduler, crowd: Crowd) -> None:
        self.instrument = instrument
        self.symbol = instrument.symbol
        self.units = Units(instrument)
        self.scheduler = scheduler
        self.crowd = crowd
        self.waiting: dict[TickWait[Any], None] = {}
        self.candles: dict[int, CandleMaker] = {}
        self._caught = crowd.shown_count
        self._last_number = -1
        self._last: Shown = self.at(crowd.shown_count - 1)

    @property
    def published(self) -> int:
        """Ticks so far, the opening one included: one more than the number of the newest."""
        return self.crowd.shown_count

    @property
    def watched(self) -> bool:
        """Whether something is to be done at each tick."""
        return bool(self.waiting or self.candles)

    @property
    def newest(self) -> Tick:
        """The last that was published."""
        return self.at(self.crowd.shown_count - 1)[1]

    def at(self, number: int) -> Shown:
        """The tick of a number; the oldest that is kept instead of an older one."""
        if number == self._last_number:
            return self._last
        row = self.crowd.shown(number)
        while row is None:
            number += 1
            row = self.crowd.shown(number)
        *values, end_ns, traded = row.item()
        tick = tick_of(tuple(values))
        of_trade = tick if traded == number else None
        if of_trade is None and traded >= 0 and (trade := self.crowd.shown(traded)) is not None:
            of_trade = tick_of(tuple(trade.item())[:-2])
        self._last_number, self._last = number, (end_ns, tick, of_trade)
        return self._last

    def restore(self) -> None:
        """Know that the ticks of the crowd are others, with which its candles are up to date."""
        self._caught, self._last_number = self.crowd.shown_count, -1

    def catch_up(self) -> None:
        """Windows have ended, perhaps with ticks: candles take them, and who waits is scheduled.

        What is kept of the last look is forgotten, so that what one agent sees never depends on who looked before.
        """
        published = self.crowd.shown_count
        if published == self._caught:
            return
        if self.candles:
            for number in range(self._caught, published):
                tick = self.at(number)[1]
                for maker in self.candles.values():
                    maker.add(tick)
        self._caught, self._last_number = published, -1
        if self.waiting:
            waiting, self.waiting = self.waiting, {}
            for wait in waiting:
                wait.schedule()


class Reach:
    """How far a symbol's ticks have come to one agent. One with a latency that is drawn keeps the place of the newest.

    A tick is visible from max(the tick before it, its time + latency, the end of its window) on.
    """

    __slots__ = ("_feed", "_latency_ns", "_quantiles", "_reach")

    def __init__(self, feed: SymbolFeed, latency: Latency, key: int) -> None:
        self._feed = feed
        self._latency_ns = latency.least_ns if latency.is_constant else -1
        self._quantiles = np.array(latency.quantiles_ns, np.int64)
        self._reach = np.zeros(1, REACH)
        self._reach["seen"] = 1
        self._reach["key"] = np.uint64(key).astype(np.int64)

    def newest(self, now_ns: int) -> Shown:
        """The newest that is visible now."""
        latency_ns = self._latency_ns
        if latency_ns < 0:
            self._advance(now_ns)
            return self._feed.at(int(self._reach["newest"][0]))
        return self._feed.at(self._feed.crowd.newest_shown(now_ns, latency_ns))

    def next_ns(self, now_ns: int) -> int | None:
        """When the next of those that are published becomes visible; None where all are."""
        latency_ns = self._latency_ns
        if latency_ns < 0:
            return int(self._reach["next_ns"][0]) if self._advance(now_ns) else None
        return self._feed.crowd.next_visible_ns(now_ns, latency_ns)

    def state(self) -> list[int]:
        """How far the ticks have come."""
        return list(self._reach[0].item())

    def restore(self, state: Sequence[int]) -> None:
        """Take what `state` gave."""
        self._reach[0] = tuple(state)

    def _advance(self, now_ns: int) -> bool:
        return self._feed.crowd.advance_reach(self._reach, self._quantiles, now_ns)
