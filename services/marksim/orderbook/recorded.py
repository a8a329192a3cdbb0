"""What readers of the tape need of the journal, and whose turn it is to read it."""

import asyncio
from collections.abc import Callable, Generator, Sequence
from typing import Final, Protocol, TypeVar

from marksim.store.windows import RecordedWindow

AT_ONCE: Final = 2
"""So many readers read a journal at the same time: their threads share the interpreter, and the machine, with the market."""

T = TypeVar("T")


TRIMMED: Final = "TRIMMED"
FIRST_WINDOW: Final = "first_window"


class Dropped(Protocol):
    """Windows that were dropped although somebody wanted them."""

    @property
    def first(self) -> int:
        """The first of them."""

    @property
    def last(self) -> int:
        """The last."""

    @property
    def reason(self) -> str:
        """Why, for people."""


class Recorded(Protocol):
    """All windows of one run that are still kept. A window is here before it is on the tape."""

    @property
    def first_window(self) -> int:
        """The oldest one kept, or one that was just dropped; -1 before there is any."""

    @property
    def last_window(self) -> int:
        """The newest one; -1 before there is any."""

    def windows(self, first: int, last: int) -> Generator[RecordedWindow, None, None]:
        """Those from `first` to `last`, both included, in order and none left out; rows of empty windows are cut to that.

        For a thread: it blocks, with memory for some windows only, and what it holds open ends with it. Raises NotFound with
        reason TRIMMED, and the first window kept as FIRST_WINDOW in its metadata, where the next one due is no longer kept,
        and Damaged, with a sentence that says where.
        """

    def gaps(self) -> Sequence[Dropped]:
        """What was dropped although somebody wanted it, in order. For a thread; raises Damaged."""


class Turns:
    """Runs work on a journal in threads, AT_ONCE at a time; others wait, first come first served."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._free = asyncio.Semaphore(at_once)

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises. A caller may leave; a thread cannot be stopped, and keeps its turn to its end."""
        await self._free.acquire()
        working = asyncio.ensure_future(asyncio.to_thread(work))
        working.add_done_callback(self._done)
        return await asyncio.shield(working)

    def _done(self, working: "asyncio.Task[T]") -> None:
        self._free.release()
        # Whoever asked for it is told of a failure, or has left and has no use for it; the event loop need not complain.
        if not working.cancelled():
            working.exception()
