"""The clock that people steer: when the next window may begin. The only place in the engine that reads wall time."""

import asyncio
import time
from collections import deque
from dataclasses import dataclass

from marksim.core.errors import InvalidInput, NotNow
from marksim.core.sim.pacing import Pacer
from marksim.engine.until import Awaited
from marksim.runtime.durations import format_moment

NAP_S = 0.05
"""Longest sleep at a time, so that a command is obeyed soon at any speed."""
MEASURE_S = 10.0
PAUSE_WAIT_S = 2.0


@dataclass(slots=True, eq=False)
class Step:
    """So many windows of a paused market, and how many of them are done."""

    windows: int
    done: int = 0


class Clock:
    """Pacing, pause, step and run-until. `wait_for` is awaited before each window; commands come in between."""

    def __init__(self, factor: float | None) -> None:
        self.pacer = Pacer(factor)
        self.paused = False
        self.stopping = False
        self.ended_in_order = False
        """Whoever starts again then says how the clock is to be steered."""
        self.until_ns: int | None = None
        self.awaited: Awaited | None = None
        self.message = ""
        self.idle_s = 0.0
        self._is_moved = self._is_paced = self._is_bound = False
        """What was said since this process began: to pause or to go on, how fast, and up to where."""
        self._end_ns: int | None = None
        self._step: Step | None = None
        self._held = False
        self._interrupted = False
        self._interrupting: asyncio.Task[None] | None = None
        self._changed = asyncio.Condition()
        self._samples: deque[tuple[float, int]] = deque()

    @property
    def measured_speed(self) -> float:
        """Simulated seconds a wall second over the last ten wall seconds or less; 0 while paused, and once it is stopped."""
        if self.paused or self.stopping or len(self._samples) < 2:
            return 0.0
        (wall_0, sim_0), (wall_1, sim_1) = self._samples[0], self._samples[-1]
        return (sim_1 - sim_0) / 1e9 / (wall_1 - wall_0) if wall_1 > wall_0 else 0.0

    @property
    def lag_s(self) -> float:
        """How far the clock is behind where its speed would have it, also in the middle of a window that takes long."""
        if self.paused or self._end_ns is None:
            return 0.0
        return max(0.0, self.pacer.late_s(time.monotonic(), self._end_ns))

    @property
    def until(self) -> str:
        """What run-until waits for, in words; empty where it waits for nothing."""
        if self.awaited is not None:
            return str(self.awaited)
        return "" if self.until_ns is None else format_moment(self.until_ns)

    def restart(self, sim_ns: int) -> None:
        """Begin to pace from here; after a wait for the order book, or at the start of a run."""
        self.pacer.restart(time.monotonic(), sim_ns)
        self._end_ns = sim_ns
        self._samples.clear()

    def restore(self, paused: bool, factor: float | None, until_ns: int, awaited: Awaited | None = None) -> None:
        """Be steered as before a crash, as far as nobody has said otherwise meanwhile: that was answered, and holds."""
        if not self._is_paced:
            self.pacer.factor = factor
        if not self._is_moved:
            self.paused = paused
        if not self._is_bound:
            self.until_ns, self.awaited = until_ns or None, awaited

    def reaches_its_end(self, end_ns: int) -> bool:
        """True, and paused, where a window up to `end_ns` would pass the time that run-until named."""
        if self.until_ns is None or end_ns <= self.until_ns:
            return False
        self.reached(f"reached {format_moment(self.until_ns)}")
        return True

    def reached(self, what: str) -> None:
        """Pause where run-until ends; `what` says what it came to."""
        self.paused, self.until_ns, self.awaited, self.message = True, None, None, what

    async def wait_for(self, start_ns: int, end_ns: int) -> bool:
        """Wait until the window [start, end) may run; False where the engine is to stop, or to look at its books."""
        self._end_ns = end_ns
        while not self.stopping and not self._interrupted:
            if self.paused and self._step is None:
                await self._hold(start_ns)
            elif self._step is not None or await self._is_due(end_ns):
                break
        interrupted, self._interrupted = self._interrupted, False
        return not self.stopping and not interrupted

    async def done(self, end_ns: int) -> None:
        """A window is done: simulated time is now `end_ns`."""
        now = time.monotonic()
        if not self._samples or now - self._samples[-1][0] >= 0.2:
            self._samples.append((now, end_ns))
            while now - self._samples[0][0] > MEASURE_S:
                self._samples.popleft()
        if self._step is not None:
            self._step.done += 1
            if self._step.done == self._step.windows:
                self._step = None
                await self._notify()

    async def pause(self) -> None:
        """Returns once no window is running or, where the order book is away and holds one up, after two seconds.

        It ends a step that is under way and forgets a run-until.
        """
        self.paused, self.until_ns, self.awaited, self._step = True, None, None, None
        self._is_moved = self._is_bound = True
        await self._notify()
        try:
            async with asyncio.timeout(PAUSE_WAIT_S), self._changed:
                await self._changed.wait_for(lambda: self._held or self.stopping or not self.paused)
        except TimeoutError:
            return

    async def resume(self) -> None:
        """Let a paused clock go on from where it stands; it ends a step that is under way."""
        self._is_moved = True
        if self.paused:
            self.paused, self._step, self._held, self.message = False, None, False, ""
            await self._notify()

    async def step(self, windows: int) -> None:
        """Run windows of a paused market, one after the other and without pacing; returns when they are done.

        A caller that leaves ends its step. Raises NotNow where the market runs, another step does, or this one is ended
        before its time (STEP_INTERRUPTED, with what was done until then).
        """
        if not self.paused:
            raise NotNow("the market is running: pause it before stepping", reason="NOT_PAUSED")
        if self._step is not None:
            raise NotNow("another step is under way: wait for its end, or pause to end it", reason="STEP_UNDER_WAY")
        step = self._step = Step(windows)
        self._held, self.message = False, ""
        try:
            await self._notify()
            async with self._changed:
                await self._changed.wait_for(lambda: self._step is not step or self.stopping)
        finally:
            # Another may have begun since this one ended.
            if self._step is step:
                self._step = None
        if step.done < windows:
            message = (
                f"the step was ended after {step.done} of {windows} windows: by a pause, a resume or the end of the run"
            )
            raise NotNow(message, reason="STEP_INTERRUPTED", metadata={"windows_done": str(step.done)})

    async def set_factor(self, factor: float | None, sim_ns: int) -> None:
        """Change the speed; a window that waits is obeyed at the new one."""
        self._is_paced = True
        self.pacer.set_factor(factor, time.monotonic(), sim_ns, max(sim_ns, self._end_ns or 0))
        self._samples.clear()

    async def run_until(self, until_ns: int, sim_ns: int) -> None:
        """Go on to a simulated time and pause there; returns at once."""
        if until_ns <= sim_ns:
            problem = f"simulated_time_ns {until_ns} is not after the present {sim_ns}: name a later time"
            raise InvalidInput(problem, metadata={"field": "simulated_time_ns"})
        self.until_ns, self.awaited = until_ns, None
        await self.resume()

    async def run_until_event(self, awaited: Awaited) -> None:
        """Go on until the end of the window in which it happens, and pause there; returns at once."""
        self.until_ns, self.awaited = None, awaited
        await self.resume()

    async def finish(self) -> None:
        """The run is over: a step or a run-until that is under way ends here, and no window is to wait for."""
        self.reached("")
        self._step, self._held = None, True
        await self._notify()

    async def stopped(self) -> None:
        """Wait for `stop`."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.stopping)

    async def stop(self) -> None:
        """Let `wait_for` and everyone who waits return; nothing is run until any more."""
        self.stopping, self.until_ns, self.awaited = True, None, None
        await self._notify()

    def interrupt(self) -> None:
        """Let `wait_for` return, also while paused: an order book went away."""
        self._interrupted = True
        self._interrupting = asyncio.create_task(self._notify())

    async def _is_due(self, end_ns: int) -> bool:
        """Sleep until the window is due; False where the clock was paused, interrupted or stopped meanwhile."""
        begun = time.monotonic()
        while not self.stopping and not self.paused and not self._interrupted:
            delay = self.pacer.delay_s(time.monotonic(), end_ns)
            if delay <= 0:
                break
            await asyncio.sleep(min(delay, NAP_S))
        self.idle_s += time.monotonic() - begun
        return not self.stopping and not self.paused

    async def _hold(self, sim_ns: int) -> None:
        self._held = True
        await self._notify()
        async with self._changed:
            await self._changed.wait_for(
                lambda: not self.paused or self._step is not None or self.stopping or self._interrupted
            )
        self._held = False
        self.restart(sim_ns)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()
