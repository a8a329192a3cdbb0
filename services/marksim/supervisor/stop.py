"""Ctrl-C, SIGTERM and SIGHUP: the first asks for an orderly end, a second one kills."""

import asyncio
import signal
import time
from types import FrameType

# `timeout`, `make` and some terminals deliver one press twice: to the process and to its group.
_ONE_PRESS_S = 0.5
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignals:
    """Takes the signals from `install` to the end of the process, so none of them ever ends it in the middle of its work."""

    def __init__(self) -> None:
        self.stop, self.kill = asyncio.Event(), asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._first_at: float | None = None
        self._killing = False

    def install(self) -> None:
        """Take the signals from now on; call it in the main thread."""
        for number in _SIGNALS:
            signal.signal(number, self._take)

    def ignore(self) -> None:
        """All is ended: a late signal may not spoil the exit code while Python itself ends, which takes handlers away."""
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def attach(self) -> None:
        """Set the events in the running loop: at once for a signal that came before."""
        self._loop = asyncio.get_running_loop()
        self._tell()

    def _take(self, _: int, __: FrameType | None) -> None:
        now = time.monotonic()
        if self._first_at is None:
            self._first_at = now
        elif now - self._first_at > _ONE_PRESS_S:
            self._killing = True
        if self._loop and not self._loop.is_closed():
            # A handler runs between any two steps of the loop; only this wakes it.
            self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        if self._first_at is not None:
            self.stop.set()
        if self._killing:
            self.kill.set()
