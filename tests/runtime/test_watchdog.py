"""An agent that never gives the clock back is caught."""

import threading
from collections.abc import Callable, Coroutine
from types import CodeType
from typing import Any

import pytest

from marksim.core.agents.market import Market
from marksim.core.agents.spec import AgentFunction
from marksim.runtime.watchdog import Stall, Stalled, Watchdog
from tests.core.sim.worlds import S, run, world

LIMIT_S = 0.2
START = 1_736_121_600_000_000_000


class Engine:
    """As much of an engine as a watchdog reads."""

    start_ns = START
    lookahead_ns = 50_000_000

    def __init__(self) -> None:
        self.now_ns = START + 60_010_000_000
        self.running: str | None = None

    def resume(self, agent: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Let an agent run as the engine does: its own mistakes do not pass."""
        self.running = agent.__name__
        try:
            agent().send(None)
        except (StopIteration, Exception):  # noqa: BLE001 - what an engine catches of an agent
            return
        finally:
            self.running = None


async def spins() -> None:
    while True:
        pass


async def swallows() -> None:
    while True:
        try:
            while True:
                pass
        except Exception:  # noqa: BLE001 - an agent that takes every error for its own
            pass


class Told:
    """Hears of stalls; its agent blocks in C, where nothing can be raised, until one has been told."""

    def __init__(self) -> None:
        self.stalls: list[Stall] = []
        self._heard = threading.Event()

    def __call__(self, stall: Stall) -> None:
        self.stalls.append(stall)
        self._heard.set()

    async def blocks(self) -> None:
        assert self._heard.wait(30)


async def quick() -> None:
    """Gives the clock back at once."""


@pytest.mark.parametrize("agent", [spins, swallows])
def test_an_agent_that_spins_is_ended_and_named(agent: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """With its name, the simulated time, the window and the line that it was at; `except Exception` does not keep it."""
    engine = Engine()
    with Watchdog(lambda: engine, LIMIT_S) as watchdog, pytest.raises(Stalled) as caught, watchdog.guard():
        engine.resume(agent)
    stall = caught.value.stall
    assert (stall.agent, stall.time_ns, stall.window) == (agent.__name__, engine.now_ns, 1_200)
    path, line = stall.place.split(" ")[0].rsplit(":", 1)
    code: CodeType = agent.__code__
    assert path == __file__ and code.co_firstlineno < int(line) <= code.co_firstlineno + 6
    said = str(caught.value)
    assert said.startswith(
        f"agent {agent.__name__} held the clock for over 0.2 s at 2025-01-06T00:01:00.01Z, window 1200, in "
    )


def test_a_call_that_blocks_is_told_at_once_and_stops_the_market_when_it_returns() -> None:
    """It cannot be ended; whoever asks meanwhile is told all the same, once."""
    engine, told = Engine(), Told()
    with (
        Watchdog(lambda: engine, LIMIT_S, told) as watchdog,
        pytest.raises(Stalled, match="agent blocks held the clock"),
        watchdog.guard(),
    ):
        engine.resume(told.blocks)
    assert [stall.agent for stall in told.stalls] == ["blocks"]
    assert "(blocks)" in told.stalls[0].place


def test_a_late_interrupt_does_not_leave_the_block() -> None:
    """Where the agent came back by itself in the same moment, the code behind the block is safe."""
    engine, told = Engine(), Told()
    with Watchdog(lambda: engine, LIMIT_S, told) as watchdog:
        with pytest.raises(Stalled), watchdog.guard():
            engine.resume(told.blocks)
        assert sum(range(200_000)) == 19_999_900_000
        with watchdog.guard():
            engine.resume(quick)


def test_many_quick_agents_are_not_taken_for_one_that_holds() -> None:
    """However long a block lasts, and also where one agent alone is resumed all the time: simulated time goes on."""
    engine, looked = Engine(), threading.Event()
    with Watchdog(lambda: engine, LIMIT_S) as watchdog, watchdog.guard():
        threading.Timer(3 * LIMIT_S, looked.set).start()
        while not looked.is_set():
            engine.resume(quick)
            engine.now_ns += 1_000


def test_work_outside_an_agent_may_take_its_time() -> None:
    """Compiling, or writing: only an agent can hold the clock."""
    engine, looked = Engine(), threading.Event()
    with Watchdog(lambda: engine, LIMIT_S) as watchdog, watchdog.guard():
        threading.Timer(3 * LIMIT_S, looked.set).start()
        assert looked.wait(10)


def test_a_limit_of_zero_lets_agents_hold_the_clock() -> None:
    """For a debugger: no thread watches."""
    engine = Engine()
    before = threading.active_count()
    with Watchdog(lambda: engine, 0.0) as watchdog, watchdog.guard():
        assert threading.active_count() == before
        engine.resume(quick)


async def spins_later(market: Market, _: object) -> None:
    """Takes every error for its own, and never waits again."""
    await market.sleep(7.0)
    while True:
        try:
            while True:
                pass
        except Exception:  # noqa: BLE001 - an agent that takes every error for its own
            pass


async def ticks_on(market: Market, _: object) -> None:
    while True:
        await market.sleep(0.001)


def test_a_whole_simulation_is_guarded_by_one_block() -> None:
    """In process, with what users run: the market stops at the agent, and what happened before stands."""
    agents: list[tuple[str, AgentFunction]] = [("good", ticks_on), ("bad", spins_later)]
    with (
        world(agents) as simulation,
        Watchdog(lambda: simulation.engine, LIMIT_S) as watchdog,
        pytest.raises(Stalled) as caught,
        watchdog.guard(),
    ):
        run(simulation, 60)
    stall = caught.value.stall
    assert (stall.agent, stall.time_ns, stall.window) == ("bad", 7 * S, 140)
    assert "(spins_later)" in stall.place
    assert simulation.engine.failures == []
