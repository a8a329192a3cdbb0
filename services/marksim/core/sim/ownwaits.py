"""The waits for own fills, for a condition, and for the beats of a timer."""

import weakref
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from marksim.core.sim.awaiting import PARKED, Raised, Wait, Waiter
from marksim.core.sim.feed import Shown
from marksim.core.sim.scheduler import Priority
from marksim.core.sim.tickwaits import TickWait
from marksim.core.sim.views import OwnFill

if TYPE_CHECKING:
    from marksim.core.sim.agent import Agent

FILLS_KEPT: Final = 4_096
"""That may wait in one stream; a reader that lets more of them wait gets a RuntimeError."""


class NextFill(Wait[OwnFill]):
    """The next own execution that reaches the agent, of a symbol or of any."""

    __slots__ = ("_agent", "symbol")

    def __init__(self, agent: "Agent", symbol: str | None) -> None:
        super().__init__()
        self._agent = agent
        self.symbol = symbol

    def arm(self, waiter: Waiter) -> object:
        self.claim_for(self._agent, waiter)
        self._agent.fill_waits[self] = None
        self._agent.listen()
        return PARKED

    def disarm(self) -> None:
        if self.waiter is not None:
            del self._agent.fill_waits[self]
            self._agent.unlisten()
        super().disarm()

    def finish(self, value: object) -> None:
        waiter = self.waiter
        if waiter is not None:
            self.disarm()
            waiter.wake(self, value)


class Fills:
    """`market.fills()`: every own execution from now on. It is kept by whoever iterates over it, and by nobody else."""

    __slots__ = ("__weakref__", "_agent", "buffer", "overflowed", "symbol", "waiting")

    def __init__(self, agent: "Agent", symbol: str | None) -> None:
        self._agent = agent
        self.symbol = symbol
        self.buffer: deque[OwnFill] = deque()
        self.waiting: StreamedFill | None = None
        self.overflowed = False
        agent.fill_streams[weakref.ref(self, agent.fill_streams.pop)] = None

    def __aiter__(self) -> "Fills":
        return self

    def __anext__(self) -> "StreamedFill":
        return StreamedFill(self._agent, self)

    def add(self, fill: OwnFill) -> None:
        """Keep a fill until it is read."""
        if len(self.buffer) < FILLS_KEPT:
            self.buffer.append(fill)
        else:
            self.overflowed = True

    def take(self) -> object:
        """The next fill, PARKED where there is none, or the error of a stream that was not read in time."""
        if self.overflowed:
            return Raised(RuntimeError(f"fills(): {FILLS_KEPT} fills waited to be read, and another one came"))
        return self.buffer.popleft() if self.buffer else PARKED


class StreamedFill(Wait[OwnFill]):
    """The next fill of a stream."""

    __slots__ = ("_agent", "_stream")

    def __init__(self, agent: "Agent", stream: Fills) -> None:
        super().__init__()
        self._agent = agent
        self._stream = stream

    def arm(self, waiter: Waiter) -> object:
        result = self._stream.take()
        if result is not PARKED:
            return result
        if self._stream.waiting is not None:
            raise RuntimeError("two tasks may not read one fills(): let each have its own")
        self.claim_for(self._agent, waiter)
        self._stream.waiting = self
        self._agent.listen()
        return PARKED

    def disarm(self) -> None:
        if self.waiter is not None:
            self._stream.waiting = None
            self._agent.unlisten()
        super().disarm()

    def finish(self, value: object) -> None:
        """What is given was kept before, together with what came after it."""
        waiter = self.waiter
        if waiter is not None:
            self.disarm()
            waiter.wake(self, self._stream.take())


class Condition(Wait[None]):
    """Until a predicate holds. It is looked at now, and whenever a tick or an own event reaches the agent.

    What it raises is raised at the await.
    """

    __slots__ = ("_agent", "_predicate", "_ticks")

    def __init__(self, agent: "Agent", predicate: Callable[[], bool]) -> None:
        super().__init__()
        self._agent = agent
        self._predicate = predicate
        self._ticks: list[AnyTick] = []

    @property
    def agent(self) -> "Agent":
        return self._agent

    @property
    def ticks(self) -> "list[AnyTick]":
        """Its waits for the next tick of each symbol, while it waits."""
        return self._ticks

    def arm(self, waiter: Waiter) -> object:
        self.claim_for(self._agent, waiter)
        try:
            holds = self._predicate()
        except BaseException:
            self.waiter = None
            raise
        if holds:
            self.waiter = None
            return None
        self._agent.conditions[self] = None
        self._agent.listen()
        self._ticks = [AnyTick(holding) for holding in self._agent.holdings]
        for wait in self._ticks:
            wait.arm(self)
        return PARKED

    def disarm(self) -> None:
        if self.waiter is not None:
            del self._agent.conditions[self]
            self._agent.unlisten()
            for wait in self._ticks:
                wait.disarm()
            self._ticks = []
        super().disarm()

    def wake(self, wait: Wait[Any], value: object) -> None:
        """A tick came: look, and wait for the next one of that symbol."""
        self.look()
        if self.waiter is not None:
            place = next(place for place, one in enumerate(self._ticks) if one is wait)
            self._ticks[place] = again = AnyTick(self._ticks[place].holding)
            again.arm(self)

    def look(self) -> None:
        """Wake the waiter if it holds now, or has failed."""
        waiter, result = self.waiter, None
        if waiter is None:
            return
        try:
            if not self._predicate():
                return
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - the agent's own mistake, of any kind: raised where it waits
            result = Raised(error)
        self.disarm()
        waiter.wake(self, result)


class AnyTick(TickWait[None]):
    """A tick as an occasion to look."""

    __slots__ = ()

    @property
    def holding(self) -> Any:
        return self._holding

    def result(self, newest: Shown) -> object:
        return None


class Beats:
    """`market.every()`: 0 now, then one number an interval, without drift; beats that were slept through are left out."""

    __slots__ = ("interval_ns", "next_number", "start_ns")

    def __init__(self, start_ns: int, interval_ns: int) -> None:
        self.start_ns = start_ns
        self.interval_ns = interval_ns
        self.next_number = 0

    def __aiter__(self) -> "Beats":
        return self

    def __anext__(self) -> "Beat":
        return Beat(self)


class Beat(Wait[int]):
    """The next beat."""

    __slots__ = ("_beats", "_number")

    def __init__(self, beats: Beats) -> None:
        super().__init__()
        self._beats = beats

    def arm(self, waiter: Waiter) -> object:
        beats, scheduler = self._beats, waiter.agent.scheduler
        number = max(beats.next_number, -((beats.start_ns - scheduler.now_ns) // beats.interval_ns))
        beats.next_number = number + 1
        time_ns = beats.start_ns + number * beats.interval_ns
        if time_ns == scheduler.now_ns:
            return number
        self.claim(waiter)
        self._number = number
        scheduler.at(time_ns, Priority.TIMER, self)
        return PARKED

    def disarm(self) -> None:
        if self.waiter is not None:
            self.waiter.agent.scheduler.died()
            self._beats.next_number = self._number
        super().disarm()

    def fire(self) -> None:
        if self.waiter is not None:
            self.waiter.agent.learn()
        self.finish(self._number)
