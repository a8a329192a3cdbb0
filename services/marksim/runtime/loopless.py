"""Agents run in the thread of an event loop that they must not see."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_event_loop() -> Iterator[None]:
    """A block that sees no running event loop, as a thread without one does.

    What reaches for a loop in it (`asyncio.sleep`, `create_task`, `timeout`) fails at once, instead of acting on the loop
    that serves, and async generators that begin in it are not that loop's to end. It takes four microseconds.
    """
    loop, hooks = asyncio._get_running_loop(), sys.get_asyncgen_hooks()  # noqa: SLF001 - a loop may not be hidden otherwise
    asyncio._set_running_loop(None)  # noqa: SLF001
    sys.set_asyncgen_hooks(None, None)
    try:
        yield
    finally:
        sys.set_asyncgen_hooks(*hooks)
        asyncio._set_running_loop(loop)  # noqa: SLF001
