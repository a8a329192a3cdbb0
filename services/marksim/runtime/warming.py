"""What a service prepares before it is ready, off the event loop: kernels, and whatever else takes long."""

import asyncio
from collections.abc import Callable
from typing import Any

from marksim.core.warm import Kernels, compile_kernels
from marksim.runtime.logs import get_logger
from marksim.runtime.threads import in_daemon_thread

log = get_logger(__name__)


async def prepared(work: Callable[[], object], draining: asyncio.Event) -> bool:
    """Run `work` in a thread; False if draining came first. A compiler cannot be interrupted, and nothing has begun yet."""
    ending, working = asyncio.create_task(draining.wait()), in_daemon_thread(work)
    waited: set[asyncio.Future[Any]] = {ending, working}
    try:
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    finally:
        ending.cancel()
    if working.done():
        working.result()
    return working.done()


def compile_aloud(kernels: Kernels, tell: Callable[[str], object] | None = None) -> None:
    """Compile kernels, or load them from the cache, with a line in the log for each; `tell` hears the same names."""

    def progress(name: str) -> None:
        log.info("preparing kernels", kernel=name)
        if tell is not None:
            tell(name)

    compile_kernels(kernels, progress)
