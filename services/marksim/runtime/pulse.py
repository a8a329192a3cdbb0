"""The heartbeat of the event loop: what other threads may know of the service without touching it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from marksim.runtime.logs import get_logger
from marksim.runtime.metrics import Store
from marksim.runtime.service import Service

BEAT_S: Final = 0.25
DEAD_AFTER_S: Final = 5.0
BEATS_PER_STORES: Final = 4

log = get_logger(__name__)


class Pulse:
    """Written by `beat` on the event loop, read by any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = clock()
        self._ready = False
        self._draining = False
        self.lag_s = 0.0
        self.stores: Sequence[Store] = ()

    @property
    def alive(self) -> bool:
        """Whether the event loop has turned within the last 5 seconds."""
        return self._clock() - self._last <= DEAD_AFTER_S

    @property
    def ready(self) -> bool:
        """Whether the service said at the last beat that callers may be sent here."""
        return self._ready and self.alive and not self._draining

    def drain(self) -> None:
        """Not ready from now on, whatever the service says."""
        self._draining = True

    async def beat(self, service: Service, on_ready: Callable[[bool], Awaitable[None]]) -> None:
        """Beat until cancelled; `on_ready` hears of every change of readiness."""
        told: bool | None = None
        for number in range(1 << 62):
            now = self._clock()
            self.lag_s = max(0.0, now - self._last - BEAT_S) if number else 0.0
            self._last = now
            try:
                self._ready = service.ready()
                if number % BEATS_PER_STORES == 0:
                    self.stores = tuple(service.stores())
            except Exception:
                # A service that cannot tell is not ready, but the loop turns.
                self._ready = False
                log.exception("the service could not say how it is")
            if self._ready is not told:
                told = self._ready
                await on_ready(told)
            await asyncio.sleep(BEAT_S)
