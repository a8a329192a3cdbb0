"""The clock that people steer: when the next window may begin. The only place in the engine that reads wall time."""

import asyncio
import time
from collections import deque

from marksim.core.errors import InvalidInput, NotNow
from marksim.core.sim.pacing import Pacer

NAP_S = 0.05
"""Longest sleep at a time, so that a command is obeyed soon at any speed."""
MEASURE_S = 10.0
PAUSE_WAIT_S = 2.0


class Clock:
    """Pacing, pause, step and run-until. `wait_for` is awaited before each window; commands come in between."""

    def __init__(self, factor: float | None) -> None:
        self.pacer = Pacer(factor)
        self.paused = False
        self.stopping = False
        self.until_ns: int | None = None
        self.idle_s = 0.0
        self._steps = 0
        self._held = False
        self._changed = asyncio.Condition()
        self._samples: deque[tuple[float, int]] = deque()

    @property
    def measured_speed(self) -> float:
        """Simulated seconds a wall second over the last ten wall seconds or less; 0 while paused."""
        if self.paused or len(self._samples) < 2:
            return 0.0
        (wall_0, sim_0), (wall_1, sim_1) = self._samples[0], self._samples[-1]
        return (sim_1 - sim_0) / 1e9 / (wall_1 - wall_0) if wall_1 > wall_0 else 0.0

    def restart(self, sim_ns: int) -> None:
        """Begin to pace from here; after a wait for the order book, or at the start of a run."""
        self.pacer.restart(time.monotonic(), sim_ns)
        self._samples.clear()

    async def wait_for(self, start_ns: int, end_ns: int) -> bool:
        """Wait until the window [start, end) may run; False where the engine is to stop."""
        if self.until_ns is not None and end_ns > self.until_ns:
            self.paused, self.until_ns = True, None
        if self.paused and not self._steps and not self.stopping:
            await self._hold(start_ns)
        if self._steps:
            return not self.stopping
        begun = time.monotonic()
        while not self.stopping and not self.paused:
            delay = self.pacer.delay_s(time.monotonic(), end_ns)
            if delay <= 0:
                break
            await asyncio.sleep(min(delay, NAP_S))
        self.idle_s += time.monotonic() - begun
        if self.paused and not self.stopping:
            return await self.wait_for(start_ns, end_ns)
        return not self.stopping

    async def done(self, end_ns: int) -> None:
        """A window is done: simulated time is now `end_ns`."""
        now = time.monotonic()
        if not self._samples or now - self._samples[-1][0] >= 0.2:
            self._samples.append((now, end_ns))
            while now - self._samples[0][0] > MEASURE_S:
                self._samples.popleft()
        if self._steps:
            self._steps -= 1
            await self._notify()

    async def pause(self) -> None:
        """Returns once no window is running."""
        if self.paused:
            return
        self.paused = True
        await self._notify()
        async with self._changed:
            await self._changed.wait_for(lambda: self._held or self.stopping or not self.paused)

    async def resume(self) -> None:
        self.paused = False
        await self._notify()

    async def step(self, windows: int) -> None:
        """Run windows of a paused market, one after the other and without pacing; returns when they are done."""
        if not self.paused:
            raise NotNow("the market is running: pause it before stepping", reason="NOT_PAUSED")
        self._steps += windows
        await self._notify()
        async with self._changed:
            await self._changed.wait_for(lambda: not self._steps or self.stopping)

    async def set_factor(self, factor: float | None, sim_ns: int) -> None:
        self.pacer.set_factor(factor, time.monotonic(), sim_ns)
        self._samples.clear()

    async def run_until(self, until_ns: int, sim_ns: int) -> None:
        if until_ns <= sim_ns:
            raise InvalidInput(f"simulated_time_ns {until_ns} is not after the present {sim_ns}: name a later time")
        self.until_ns = until_ns
        await self.resume()

    async def stop(self) -> None:
        """Let `wait_for` and everyone who waits return."""
        self.stopping = True
        await self._notify()

    async def _hold(self, sim_ns: int) -> None:
        self._held = True
        await self._notify()
        async with self._changed:
            await self._changed.wait_for(lambda: not self.paused or self._steps > 0 or self.stopping)
        self._held = False
        self.restart(sim_ns)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()
