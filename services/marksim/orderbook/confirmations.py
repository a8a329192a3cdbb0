"""What named readers have confirmed, on its way to where it is kept.

It is written in a thread, about once a second, so that nobody waits for a disk. A crash may lose the last second of it: then
a reader counts as having confirmed less than it did, and the journal keeps for it what it does not need any more. The other
way round, a confirmation that is kept before the reader has stored anything, cannot happen.
"""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from marksim.core.errors import MarksimError
from marksim.runtime.logs import get_logger

EVERY_S: Final = 1.0

Changes = Mapping[str, tuple[str, int] | None]
"""By name of the reader, the run and window that it confirmed last; None for one that was forgotten."""

log = get_logger(__name__)


class Confirmations:
    """The newest of each reader that is not written yet: a queue that never holds more than there are readers, before and
    after. `write` is called in a thread, one call at a time; it writes all or, raising MarksimError or OSError, nothing.
    """

    def __init__(self, write: Callable[[Changes], object], written: Mapping[str, tuple[str, int]]) -> None:
        """`written` is what was read at the start."""
        self._write = write
        self._written = set(written)
        """Names that are where `write` puts them, or on their way."""
        self._due: dict[str, tuple[str, int] | None] = {}
        self._some = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()
        self.failures = 0
        """Writes that failed, and were tried again."""

    @property
    def waiting(self) -> int:
        """Readers of whom something is not written yet."""
        return len(self._due)

    def confirm(self, name: str, run: str, window: int) -> None:
        """For `Readers.on_confirm`."""
        self._due[name] = (run, window)
        self._some.set()

    def forget(self, name: str) -> None:
        """For `Readers.on_forget`."""
        self._due.pop(name, None)
        if name in self._written:
            self._due[name] = None
            self._some.set()

    async def run(self) -> None:
        """Write what is new until it is cancelled; call `flush` after that."""
        while True:
            await self._some.wait()
            await self.flush()
            await asyncio.sleep(EVERY_S)

    async def flush(self) -> None:
        """Write what is new; what could not be written is told, and stays due."""
        # A write that was begun is waited for, also by whoever comes after its caller has left: they never overtake.
        await asyncio.shield(asyncio.ensure_future(self._flush()))

    async def _flush(self) -> None:
        async with self._one_at_a_time:
            changes, self._due = self._due, {}
            self._some.clear()
            if not changes:
                return
            added = changes.keys() - self._written
            self._written |= added
            try:
                await asyncio.to_thread(partial(self._write, changes))
            except (MarksimError, OSError) as error:
                self.failures += 1
                self._written -= added
                due = (changes | self._due).items()
                self._due = {name: change for name, change in due if change is not None or name in self._written}
                self._some.set()
                log.warning("confirmations could not be written", readers=sorted(changes), reason=str(error))
                return
            self._written -= {name for name, change in changes.items() if change is None}
