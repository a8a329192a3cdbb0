"""An order book service with a journal, which a test may leave without a word and start again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from marksim.runtime.service import Lifecycle
from tests.orderbook.market import Market, served


@asynccontextmanager
async def recorded(folder: Path, *, in_order: bool = True, **settings: Any) -> AsyncIterator[Market]:
    """The service over the journal in that folder. Not `in_order`, it ends without a snapshot or a word, as if killed."""
    settings = {"durability": "process", "journal": folder, "snapshot_windows": 1_000_000, **settings}
    async with served(**settings) as market:
        lifecycle = Lifecycle(service="orderbook", grace_s=1.0)
        service = market.service
        market.running = running = asyncio.create_task(service.run(lifecycle))
        async with asyncio.timeout(30):
            while service.servicer.recovering or service.sequencer.recorder is None:
                if running.done():
                    # It raises why it could not begin.
                    running.result()
                await asyncio.sleep(0.005)
        try:
            yield market
        finally:
            if in_order:
                lifecycle.draining.set()
            else:
                running.cancel()
            await asyncio.gather(running, return_exceptions=True)
