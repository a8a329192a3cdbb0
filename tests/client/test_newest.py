"""Of each symbol one tick waits, the newest; what is no tick is not replaced by one."""

import queue
from decimal import Decimal
from typing import Any

import pytest

from marksim.client import NewRun, Place, Tick
from marksim.client.newest import AsyncNewest, Newest
from marksim.core.types import SessionState


def tick(symbol: str, number: int) -> tuple[int, Tick, Place]:
    zero = Decimal(0)
    values = (zero, zero, zero, zero, zero, zero)
    return 0, Tick(symbol, "run", 0, number, 0, *values, 0, SessionState.CONTINUOUS), Place("run", number)


@pytest.fixture(params=[Newest, AsyncNewest])
async def waiting(request: pytest.FixtureRequest) -> Any:
    return request.param()


async def test_a_newer_tick_takes_the_place_of_the_older(waiting: Any) -> None:
    """Symbols keep their turn, so that a busy one does not hold up a quiet one."""
    for item in (tick("A", 1), tick("B", 1), tick("A", 2), tick("A", 3)):
        waiting.put_nowait(item)
    assert waiting.qsize() == 2 and not waiting.full()
    assert [waiting.get_nowait() for _ in range(2)] == [tick("A", 3), tick("B", 1)] and waiting.empty()


async def test_an_error_and_a_new_run_stay(waiting: Any) -> None:
    """They are no state that a newer one replaces."""
    error, turn = ValueError("wrong"), (0, NewRun(0, "new", "old"), Place("old"))
    for item in (tick("A", 1), error, turn, tick("A", 2)):
        waiting.put_nowait(item)
    assert [waiting.get_nowait() for _ in range(3)] == [tick("A", 2), error, turn]
    assert repr(waiting)


def test_nothing_is_waited_for_in_vain() -> None:
    """As of any queue."""
    with pytest.raises(queue.Empty):
        Newest().get(timeout=0.01)
