"""The clock that people steer."""

import asyncio

import pytest

from marksim.core.errors import InvalidInput, NotNow
from marksim.engine.clock import Clock
from marksim.engine.until import Awaited, Kind

L = 50_000_000


class Loop:
    """Runs windows under a clock until it is stopped, and counts them."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.windows = 0
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        self.clock.restart(0)
        while True:
            end_ns = (self.windows + 1) * L
            self.clock.reaches_its_end(end_ns)
            if not await self.clock.wait_for(self.windows * L, end_ns):
                return
            self.windows += 1
            await self.clock.done(self.windows * L)
            await asyncio.sleep(0)

    async def until(self, windows: int) -> None:
        while self.windows < windows:
            await asyncio.sleep(0.001)

    async def end(self) -> None:
        await self.clock.stop()
        await self.task


async def turns() -> None:
    """As many turns of the event loop as a running clock would need for dozens of windows."""
    for _ in range(200):
        await asyncio.sleep(0)


async def test_a_paused_clock_runs_no_window_and_resumes() -> None:
    """Pause returns when no window runs; nothing comes until resume."""
    clock = Clock(None)
    loop = Loop(clock)
    await loop.until(10)
    await clock.pause()
    before = loop.windows
    await turns()
    assert loop.windows == before
    await clock.resume()
    await loop.until(before + 10)
    await loop.end()


async def test_step_runs_exactly_so_many_windows() -> None:
    """And returns when they are done, at any speed."""
    clock = Clock(0.01)
    clock.paused = True
    loop = Loop(clock)
    await asyncio.sleep(0)
    await clock.step(7)
    assert loop.windows == 7
    await clock.step(1)
    assert loop.windows == 8
    await loop.end()


async def test_step_of_a_running_market_is_refused() -> None:
    """With the sentence that says what to do first."""
    with pytest.raises(NotNow, match="pause it before stepping") as caught:
        await Clock(10.0).step(1)
    assert caught.value.reason == "NOT_PAUSED"


async def test_run_until_pauses_at_the_named_time() -> None:
    """The last window done ends there."""
    clock = Clock(None)
    clock.paused = True
    loop = Loop(clock)
    await clock.run_until(20 * L, 0)
    await loop.until(20)
    await turns()
    assert (loop.windows, clock.paused) == (20, True)
    await loop.end()


async def test_run_until_the_past_is_refused() -> None:
    """A time that has been."""
    with pytest.raises(InvalidInput, match="not after the present"):
        await Clock(None).run_until(5, 5)


async def test_a_change_of_speed_is_obeyed_at_once() -> None:
    """Even while the clock waits for a window that would be due in hours."""
    clock = Clock(0.001)
    loop = Loop(clock)
    await turns()
    assert loop.windows == 0
    await clock.set_factor(None, 0)
    await loop.until(5)
    await loop.end()


async def test_stop_ends_a_paused_clock() -> None:
    """Shutdown does not hang on a market that was paused."""
    clock = Clock(10.0)
    clock.paused = True
    loop = Loop(clock)
    await asyncio.sleep(0)
    await asyncio.wait_for(loop.end(), 1)


async def test_resume_ends_a_step_and_paces_from_where_it_stands() -> None:
    """A step of an hour does not run on, and the market does not freeze for the hour after it."""
    clock = Clock(20.0)
    clock.paused = True
    loop = Loop(clock)
    await asyncio.sleep(0)
    stepping = asyncio.create_task(clock.step(72_000))
    await loop.until(50)
    await clock.resume()
    with pytest.raises(NotNow, match="of 72000 windows"):
        await asyncio.wait_for(stepping, 1)
    present = loop.windows
    assert present < 72_000
    await asyncio.wait_for(loop.until(present + 20), 5)
    await loop.end()


async def test_pause_ends_a_step_and_a_second_step_is_refused_meanwhile() -> None:
    """One step at a time."""
    clock = Clock(None)
    clock.paused = True
    loop = Loop(clock)
    await asyncio.sleep(0)
    stepping = asyncio.create_task(clock.step(10_000_000))
    await loop.until(5)
    with pytest.raises(NotNow, match="another step is under way"):
        await clock.step(1)
    await clock.pause()
    with pytest.raises(NotNow, match="the step was ended after") as caught:
        await asyncio.wait_for(stepping, 1)
    present = loop.windows
    assert (caught.value.reason, caught.value.metadata) == ("STEP_INTERRUPTED", {"windows_done": str(present)})
    await turns()
    assert loop.windows == present
    await loop.end()


async def test_a_step_that_was_ended_does_not_end_the_next() -> None:
    """Even if that one begins before the caller of the first has heard."""
    clock = Clock(None)
    clock.paused = True
    loop = Loop(clock)
    await asyncio.sleep(0)
    first = asyncio.create_task(clock.step(10_000_000))
    await loop.until(5)
    # Both begin before the first step's caller has its turn.
    pausing, second = asyncio.create_task(clock.pause()), asyncio.create_task(clock.step(3))
    await asyncio.wait_for(second, 1)
    with pytest.raises(NotNow, match="the step was ended") as caught:
        await first
    assert loop.windows == int(caught.value.metadata["windows_done"]) + 3
    await pausing
    await loop.end()


async def test_a_step_whose_caller_leaves_ends() -> None:
    """Cancelling the call stops the windows."""
    clock = Clock(None)
    clock.paused = True
    loop = Loop(clock)
    await asyncio.sleep(0)
    stepping = asyncio.create_task(clock.step(10_000_000))
    await loop.until(5)
    stepping.cancel()
    await asyncio.gather(stepping, return_exceptions=True)
    await clock.pause()
    present = loop.windows
    await turns()
    assert loop.windows == present
    await loop.end()


async def test_pause_does_not_wait_for_an_absent_order_book() -> None:
    """Where no window loop turns, it returns after its bound."""
    clock = Clock(None)
    await asyncio.wait_for(clock.pause(), 4)
    assert clock.paused


async def test_run_until_says_what_it_waits_for_and_what_it_came_to() -> None:
    """Until then in words of its own, afterwards as the message, which the next command takes away."""
    clock = Clock(None)
    clock.paused = True
    loop = Loop(clock)
    await clock.run_until(20 * L, 0)
    assert clock.until == "1970-01-01T00:00:01Z"
    await loop.until(20)
    await turns()
    assert (clock.until, clock.message) == ("", "reached 1970-01-01T00:00:01Z")
    await clock.step(1)
    assert clock.message == ""
    await loop.end()


async def test_run_until_an_event_takes_the_place_of_a_time_and_a_pause_forgets_it() -> None:
    """One thing is waited for at a time."""
    clock = Clock(None)
    await clock.run_until(20 * L, 0)
    await clock.run_until_event(Awaited(Kind.TRADE, {}))
    assert (clock.until_ns, clock.until) == (None, "a trade in any symbol")
    await clock.pause()
    assert (clock.until, clock.paused) == ("", True)
    await clock.run_until_event(Awaited(Kind.TRADE, {}))
    assert not clock.paused
    clock.reached("it traded")
    assert (clock.until, clock.message, clock.paused) == ("", "it traded", True)


async def test_lag_shows_in_the_middle_of_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """A window that takes a minute is a minute late before its end, and a paused clock is never late."""
    wall_s = [100.0]
    monkeypatch.setattr("marksim.engine.clock.time.monotonic", lambda: wall_s[0])
    clock = Clock(1.0)
    assert clock.lag_s == 0.0
    clock.restart(0)
    wall_s[0] += L / 1e9
    assert await clock.wait_for(0, L)
    wall_s[0] += 60.0
    assert round(clock.lag_s, 3) == 60.0
    clock.paused = True
    assert clock.lag_s == 0.0
