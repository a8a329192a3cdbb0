"""Catches an agent that never gives the clock back: core has no wall clock, so what has one watches it from a thread.

    with Watchdog(lambda: simulation.engine) as watchdog, watchdog.guard():
        for window in simulation.run(until_ns): ...

Python code is ended where it is (`while True: pass`). A call into C that blocks (`time.sleep`) cannot be: it is logged at
once, and the market is stopped when it comes back.
"""

import ctypes
import inspect
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Final, Protocol, Self

from marksim.runtime.durations import format_moment
from marksim.runtime.logs import get_logger

DEFAULT_LIMIT_S: Final = 5.0
_LOOKS: Final = 10
"""How often it looks within the limit; no look is further from the next than half a second."""
_JOIN_S: Final = 1.0

log = get_logger(__name__)


class Watched(Protocol):
    """The engine, as far as a watchdog reads it from another thread."""

    @property
    def start_ns(self) -> int: ...
    @property
    def lookahead_ns(self) -> int: ...
    @property
    def now_ns(self) -> int: ...
    @property
    def running(self) -> str | None:
        """Name of the agent that is being resumed; None where none is."""
        ...


@dataclass(frozen=True, slots=True)
class Stall:
    """An agent that held the clock for longer than it may."""

    agent: str
    time_ns: int
    window: int
    limit_s: float
    place: str
    """`file:line` that it was at, with the function."""

    def __str__(self) -> str:
        where = f"at {format_moment(self.time_ns)}, window {self.window}"
        return (
            f"agent {self.agent} held the clock for over {self.limit_s:g} s {where}, in {self.place}: "
            "an agent must await something for time to pass"
        )


class Stalled(Exception):
    """The market cannot go on: an agent did not give the clock back. The message names it."""

    def __init__(self, stall: Stall) -> None:
        super().__init__(str(stall))
        self.stall = stall


class _Interrupt(KeyboardInterrupt):
    """What is raised in the agent: no `except Exception` stops it, and an engine takes it for no mistake of the agent.
    It never leaves a guard.
    """


class Watchdog:
    """Watches guarded blocks of one thread at a time. A context manager: its own thread lives while it is entered.

    `engine` gives the engine of the moment. A limit of 0 means that agents may hold the clock, as under a debugger.
    `on_stall` is called from the watchdog's thread, as soon as a stall is seen and whether or not it can be ended; it may
    only set what others read.
    """

    def __init__(
        self,
        engine: Callable[[], Watched],
        limit_s: float = DEFAULT_LIMIT_S,
        on_stall: Callable[[Stall], None] | None = None,
    ) -> None:
        self._engine = engine
        self._limit_s = limit_s
        self._on_stall = on_stall
        self._lock = threading.Lock()
        self._guarded: tuple[int, FrameType] | None = None
        self._stall: Stall | None = None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> Self:
        if self._limit_s > 0:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        if self._limit_s > 0:
            self._thread.join(_JOIN_S)

    @contextmanager
    def guard(self) -> Iterator[None]:
        """A block in which agents run. Raises Stalled where one held the clock, also where it came back by itself."""
        thread = threading.get_ident()
        # The block's own frame: what lies deeper belongs to whoever holds the clock.
        self._guarded = (thread, sys._getframe(2))  # noqa: SLF001 - the one way to name a frame
        try:
            try:
                yield
            finally:
                self._leave(thread)
        except _Interrupt:
            # It may have come in the middle of leaving.
            self._leave(thread)
        stall, self._stall = self._stall, None
        if stall is not None:
            raise Stalled(stall)

    def _leave(self, thread: int) -> None:
        with self._lock:
            self._guarded = None
            if self._stall is not None:
                # One that is on its way and has not arrived may not reach the code after the block.
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), None)

    def _watch(self) -> None:
        look_s = min(self._limit_s / _LOOKS, 0.5)
        seen: object = None
        held_s, wall_s, cpu_s = 0.0, time.monotonic(), time.process_time()
        while not self._end.wait(look_s):
            before_s, before_cpu_s, wall_s, cpu_s = wall_s, cpu_s, time.monotonic(), time.process_time()
            # While the whole process was stopped (a debugger, a laptop asleep) nobody held anything.
            passed_s = max(min(wall_s - before_s, 2 * look_s), min(wall_s - before_s, cpu_s - before_cpu_s))
            present = self._present()
            held_s = held_s + passed_s if present is not None and present == seen else 0.0
            seen = present
            if present is not None and held_s > self._limit_s:
                held_s = 0.0
                self._interrupt(present)

    def _present(self) -> tuple[str, int] | None:
        """Who runs at which simulated time; both are the same for as long as an agent holds the clock."""
        if self._guarded is None:
            return None
        engine = self._engine()
        agent = engine.running
        return None if agent is None else (agent, engine.now_ns)

    def _interrupt(self, seen: tuple[str, int]) -> None:
        with self._lock:
            if self._guarded is None or self._present() != seen:
                return
            thread, block = self._guarded
            engine = self._engine()
            first = self._stall is None
            if self._stall is None:
                agent, now_ns = seen
                window = (now_ns - engine.start_ns) // engine.lookahead_ns
                place = _place(sys._current_frames().get(thread), block)  # noqa: SLF001 - the same
                self._stall = Stall(agent, now_ns, window, self._limit_s, place)
            stall = self._stall
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(_Interrupt))
        if first:
            log.error("an agent holds the clock", agent=stall.agent, simulated_time_ns=stall.time_ns, window=stall.window,
                      place=stall.place)  # fmt: skip
            if self._on_stall is not None:
                self._on_stall(stall)


def _place(frame: FrameType | None, block: FrameType) -> str:
    """Where the innermost coroutine inside the block is: an agent's own line, and not the library that it called."""
    innermost = frame
    while frame is not None and frame is not block:
        if frame.f_code.co_flags & inspect.CO_COROUTINE:
            return _text(frame)
        frame = frame.f_back
    return _text(innermost) if innermost is not None else "an unknown place"


def _text(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename}:{frame.f_lineno} ({frame.f_code.co_name})"
