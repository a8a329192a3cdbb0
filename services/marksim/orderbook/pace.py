"""The event loop is the market's first: readers that catch up with what is in memory have a share of it."""

import asyncio
from typing import Final

REST_S: Final = 0.001
"""Between two pieces, whosever they are; a piece takes about half of that. The market's windows come in between."""


class Pace:
    """One piece at a time, first come first served."""

    def __init__(self) -> None:
        self._free = asyncio.Lock()

    async def turn(self) -> None:
        """Wait for it. Then the caller puts its next piece together."""
        async with self._free:
            await asyncio.sleep(REST_S)
