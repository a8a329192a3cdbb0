"""SIGTERM and SIGINT: the first asks for an orderly end, the second ends at once."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Final, NoReturn

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """Handlers of the main thread. They are set explicitly because PID 1 of a container has no default ones."""

    def __init__(self) -> None:
        self._on_stop: Callable[[], None] | None = None
        self._limit_s = 0.0
        self._asked = False

    def install(self) -> None:
        """Handle the signals from now on; before `arm` they end the process at once with exit code 0."""
        for number in SIGNALS:
            signal.signal(number, self._handle)

    def arm(self, on_stop: Callable[[], None], limit_s: float) -> None:
        """Call `on_stop` (from the signal handler) at the first signal; `limit_s` later the process ends in any case."""
        self._on_stop, self._limit_s = on_stop, limit_s

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._on_stop is None:
            # Nothing has begun, so nothing is lost. Raising here would unwind through half-made imports, gRPC and uvloop
            # objects; one process that was stopped that way ended with a segmentation fault.
            os._exit(0)
        if self._asked:
            os._exit(128 + number)
        self._asked = True
        watchdog = threading.Timer(self._limit_s, _give_up, (self._limit_s,))
        watchdog.daemon = True
        watchdog.start()
        self._on_stop()


def leave(code: int) -> NoReturn:
    """End the process, without Python's own way out.

    All is closed by now but threads in foreign code, such as a compiler or gRPC: Python would tear itself down beneath them,
    or wait for them.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _give_up(limit_s: float) -> None:
    sys.stderr.write(f"did not end within {limit_s:g} s of the signal; leaving now\n")
    sys.stderr.flush()
    os._exit(1)
