"""The event loop is the market's first: readers that catch up have half of it at most."""

import asyncio
from typing import Final

WORK_S: Final = 0.001
"""After so much work of theirs a rest as long is due: timers know no shorter one."""


class Pace:
    """One piece at a time, first come first served, with a round of the event loop between two."""

    def __init__(self) -> None:
        self._free = asyncio.Lock()
        self._worked_s = 0.0

    async def turn(self, worked_s: float) -> None:
        """Wait for it, after a piece that took so long. Then the caller puts its next one together."""
        async with self._free:
            self._worked_s += worked_s
            if self._worked_s < WORK_S:
                await asyncio.sleep(0)
            else:
                rest_s, self._worked_s = self._worked_s, 0.0
                await asyncio.sleep(rest_s)
