"""What an agent's coroutine may await: the engine's own awaitables and nothing else.

A `Wait` yields itself to its task. The task arms it: either its result is there at once, or it is parked and later wakes
its waiter, once, with the result. A wait that is given up (a timeout, a cancellation, another was first) is disarmed, and
whatever still names it finds it dead.
"""

from collections.abc import Awaitable, Generator
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Protocol, TypeVar

from marksim.core.sim.scheduler import Priority

if TYPE_CHECKING:
    from marksim.core.sim.agent import Agent

T = TypeVar("T")


class ForeignAwait(TypeError):
    """An agent awaited something that does not belong to simulated time."""


class Livelock(RuntimeError):
    """An agent went on and on while no simulated time passed, or next to none."""


class Cancelled(BaseException):
    """A task is told to end. Raised at its await, and again at every further one: a task cannot stay by catching it."""


class Parked:
    """The one value PARKED: no result yet."""

    __slots__ = ()


PARKED: Final = Parked()


class Raised:
    """A result that is an error: it is raised at the await."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


class Waiter(Protocol):
    """Who is woken: a task, or a wait that is made of others."""

    @property
    def agent(self) -> "Agent": ...

    def wake(self, wait: "Wait[Any]", value: object) -> None:
        """The wait has its result, and is spent."""
        ...


class Wait(Generic[T]):
    """Base of the awaitables."""

    __slots__ = ("spent", "waiter")

    shielded: ClassVar[bool] = False
    """Whether a task that is being cancelled may still await it."""

    def __init__(self) -> None:
        self.waiter: Waiter | None = None
        self.spent = False

    def __await__(self) -> Generator["Wait[T]", Any, T]:
        result: T = yield self
        return result

    def arm(self, waiter: Waiter) -> object:
        """PARKED, or the result where it is there at once. Raises RuntimeError for one that was awaited before."""
        self.claim(waiter)
        return PARKED

    def disarm(self) -> None:
        """Give it up; does nothing to one that is not armed."""
        self.waiter = None
        self.spent = True

    def interrupt(self) -> bool:
        """Give it up because its task is cancelled. False where the task must go on waiting for it."""
        self.disarm()
        return True

    @property
    def dead(self) -> bool:
        """Whether nobody waits for it any more."""
        return self.waiter is None

    def claim_for(self, agent: "Agent", waiter: Waiter) -> None:
        """The same for a wait that is bound to an agent. Raises ValueError where another one waits."""
        if waiter.agent is not agent:
            raise ValueError(f"a wait of agent {agent.name}'s market is for that agent only")
        self.claim(waiter)

    def claim(self, waiter: Waiter) -> None:
        """Note who waits. Raises RuntimeError where somebody does, or did."""
        if self.waiter is not None or self.spent:
            raise RuntimeError(f"this {type(self).__name__} was awaited before: ask the market for a new one")
        self.waiter = waiter

    def finish(self, value: object) -> None:
        """Wake the waiter with the result, if there still is one."""
        waiter = self.waiter
        if waiter is not None:
            self.waiter = None
            self.spent = True
            waiter.wake(self, value)


class Sleep(Wait[None]):
    """Resume at a simulated time."""

    __slots__ = ("time_ns",)

    def __init__(self, time_ns: int) -> None:
        self.waiter = None
        self.spent = False
        self.time_ns = time_ns

    def arm(self, waiter: Waiter) -> object:
        self.claim(waiter)
        scheduler = waiter.agent.scheduler
        # One that was made a while ago and is awaited only now may be over.
        scheduler.at(max(self.time_ns, scheduler.now_ns), Priority.TIMER, self)
        return PARKED

    def disarm(self) -> None:
        if self.waiter is not None:
            self.waiter.agent.scheduler.died()
        self.waiter = None
        self.spent = True

    def fire(self) -> None:
        waiter = self.waiter
        if waiter is None:
            return
        # Waits for own events that are there at the same time come first, and may give this one up.
        waiter.agent.learn()
        if self.waiter is not None:
            self.waiter = None
            self.spent = True
            waiter.wake(self, None)


class Result(Wait[T]):
    """A value that is there at once."""

    __slots__ = ("_value",)

    def __init__(self, value: T) -> None:
        super().__init__()
        self._value = value

    def arm(self, waiter: Waiter) -> object:
        return self._value


class First(Wait[tuple[int, Any]]):
    """Resume with (which, its result) when the first of several is there; the others are given up.

    Where several are there at once, the first in order is it. Raises ForeignAwait for what is no wait of the market.
    """

    __slots__ = ("_waits",)

    def __init__(self, awaitables: tuple[Awaitable[Any], ...]) -> None:
        super().__init__()
        if not awaitables:
            raise ValueError("first: give at least one thing to wait for")
        waits = []
        for awaited in awaitables:
            if not isinstance(awaited, Wait):
                raise _not_for_first(awaitables, awaited)
            waits.append(awaited)
        self._waits: list[Wait[Any]] = waits

    @property
    def waits(self) -> list[Wait[Any]]:
        return self._waits

    @property
    def agent(self) -> "Agent":
        assert self.waiter is not None, "only an armed wait is asked"
        return self.waiter.agent

    def arm(self, waiter: Waiter) -> object:
        self.claim(waiter)
        armed = 0
        try:
            for index, wait in enumerate(self._waits):
                result = wait.arm(self)
                if result is not PARKED:
                    self.disarm()
                    return result if isinstance(result, Raised) else (index, result)
                armed += 1
        except BaseException:
            # Those behind it were never armed, and may be in use elsewhere.
            del self._waits[armed:]
            self.disarm()
            raise
        return PARKED

    def disarm(self) -> None:
        if self.waiter is not None:
            for wait in self._waits:
                if wait.waiter is self:
                    wait.disarm()
        self.waiter = None
        self.spent = True

    def wake(self, wait: Wait[Any], value: object) -> None:
        """One of them is there."""
        index = next(place for place, one in enumerate(self._waits) if one is wait)
        waiter = self.waiter
        self.disarm()
        if waiter is not None:
            waiter.wake(self, value if isinstance(value, Raised) else (index, value))


def foreign(awaited: object) -> ForeignAwait:
    """The error for an await of something else, which says what to await instead."""
    kind = type(awaited)
    name = "nothing (a bare yield, as asyncio.sleep(0) is)" if awaited is None else f"{kind.__module__}.{kind.__qualname__}"
    return ForeignAwait(
        f"an agent may not await {name}: it lives on simulated time; await market.sleep(seconds), market.next_tick() or "
        "another wait of the market, and start children with `async with market.tasks() as tasks`"
    )


def no_loop(error: RuntimeError) -> ForeignAwait | None:
    """The same error for what asyncio itself says to an agent, which runs in no event loop; None for any other error."""
    if "event loop" not in str(error):
        return None
    return ForeignAwait(
        f"an agent may not use asyncio ({error}): it lives on simulated time; await market.sleep(seconds)"
        " or another wait of the market, and start children with `async with market.tasks() as tasks`"
    )


def _not_for_first(awaitables: tuple[Awaitable[Any], ...], awaited: object) -> ForeignAwait:
    for one in awaitables:
        # A coroutine that nobody will await warns when it is collected.
        if (close := getattr(one, "close", None)) is not None:
            close()
    kind = type(awaited)
    return ForeignAwait(
        f"first: {kind.__module__}.{kind.__qualname__} is no wait of the market; give market.sleep(...), "
        "market.next_tick(), market.filled(order), ...; what takes more than one await is a child task of market.tasks()"
    )
