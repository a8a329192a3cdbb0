"""What an agent's coroutine may await: the engine's own awaitables and nothing else."""

from collections.abc import Generator
from typing import Any, Generic, TypeVar

from marksim.core.types import Tick

T = TypeVar("T")


class ForeignAwait(TypeError):
    """An agent awaited something that does not belong to simulated time."""


class Wait(Generic[T]):
    """Base of the awaitables: yields itself to the engine, which resumes the coroutine with the result."""

    __slots__ = ()

    def __await__(self) -> Generator["Wait[T]", Any, T]:
        result: T = yield self
        return result


class SleepUntil(Wait[None]):
    """Resume at a simulated time."""

    __slots__ = ("time_ns",)

    def __init__(self, time_ns: int) -> None:
        self.time_ns = time_ns


class NextTick(Wait[Tick]):
    """Resume when the next tick of the agent's symbol reaches it."""

    __slots__ = ()


def foreign(awaited: object) -> ForeignAwait:
    """The error for an await of something else, which says what to await instead."""
    return ForeignAwait(
        f"an agent may not await {type(awaited).__module__}.{type(awaited).__qualname__}: it lives on simulated time; "
        "await market.sleep(seconds) or market.next_tick() instead"
    )
