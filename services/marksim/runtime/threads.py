"""Threads for which the end of the process does not wait."""

import asyncio
import contextlib
import threading
from collections.abc import Callable


def in_daemon_thread(function: Callable[[], object]) -> "asyncio.Future[None]":
    """Run `function` in a thread of its own; the future tells its end.

    For what may be left half done, such as compiling: unlike the loop's own pool, nobody waits for it at the end.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def tell(error: BaseException | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def run() -> None:
        failed: BaseException | None = None
        try:
            function()
        except Exception as error:  # noqa: BLE001  # raised again where the future is awaited
            failed = error
        # The loop may have ended meanwhile, and with it everyone who wanted to know.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(tell, failed)

    threading.Thread(target=run, name=getattr(function, "__name__", "daemon"), daemon=True).start()
    return done
