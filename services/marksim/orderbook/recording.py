"""What the order book keeps of its run: each window before it is answered, and now and then the books as they are.

A window is kept on the event loop where that takes microseconds: a trip to a thread and back takes several times as long. It
is kept in a thread, and the event loop goes on, where a disk takes its time: where the last window took long or failed, with
durability `disk`, and where a window is large or another thread writes just now. So are notes of clients that are there.
"""

import asyncio
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, TypeVar

from marksim.core.errors import Exhausted, MarksimError
from marksim.core.feed.packing import TooManyRows
from marksim.journal.states import KIND, VERSION
from marksim.orderbook.confirmations import Changes
from marksim.runtime.logs import get_logger
from marksim.store.files import sync_directory
from marksim.store.journal import Durability, Gap, Journal
from marksim.store.snapshots import newest_snapshots, prune, snapshot_path, write_snapshot
from marksim.store.windows import RecordedWindow, RunRecord

T = TypeVar("T")

TRIM_EVERY_S: Final = 10.0
TRIM_PART: Final = 10
"""Or earlier, once windows took that part of the cap since: it begins to drop for its cap with more room than that."""
QUICK_S: Final = 0.005
"""A window that takes longer to be kept has the next one kept in the thread."""

log = get_logger(__name__)


class Kept:
    """The journal as readers of the tape see it: they are in threads of their own, each with its connection."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    @property
    def first_window(self) -> int:
        return self._journal.first_window

    @property
    def last_window(self) -> int:
        return self._journal.last_window

    def windows(self, first: int, last: int) -> Generator[RecordedWindow, None, None]:
        """As Recorded has it."""
        with self._journal.reader() as reader:
            yield from reader.windows(first, last)

    def gaps(self) -> Sequence[Gap]:
        """As Recorded has it."""
        return self._journal.gaps()


class Recorder:
    """One shard's journal, and the snapshots beside it. `new_run` is the text under which a run begins here."""

    def __init__(self, journal: Journal, new_run: str, snapshot_windows: int) -> None:
        self.journal = journal
        self.kept = Kept(journal)
        self.folder = journal.directory
        self.new_run = new_run
        self.snapshot_windows = snapshot_windows
        self.snapshot_window = -1
        """Window of the newest snapshot that is on disk."""
        self.stood_s = 0.0
        """How long the market stood still for the last one, wall seconds."""
        self.failures = 0
        """Snapshots that could not be written, and trims that failed."""
        self.used_bytes = 0
        """Of the journal; known from the last look at what may be dropped."""
        self._taken = -1
        self._older = -1
        self._early: set[str] = set()
        """Readers that came before the run."""
        self._is_full = self._crowded = False
        """Whether the journal is near its cap, with nothing more that may go; and a snapshot would change that."""
        self._was_quick = True
        """Whether the last window or note was kept in little time."""
        self._saving: asyncio.Future[None] | None = None
        self._trimming: asyncio.Future[None] | None = None
        self._trimmed_at = time.monotonic()
        self._trimmed_bytes = 0
        """When, and at which size that windows had taken by then, it was looked at last what may be dropped."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        # A thread of its own: no window waits while megabytes are compressed and synced, or old windows dropped.
        self._aside = ThreadPoolExecutor(1, thread_name_prefix="snapshot")

    async def run(self, work: Callable[[], T]) -> T:
        """Do it in the journal's thread, after all that was asked for before."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def begin(self, run: RunRecord, notes: Mapping[str, bytes]) -> None:
        """Bind the journal to a run, with notes of before; nothing where it is bound to that already, with no windows."""
        if self.journal.run != run:
            await self.run(lambda: self._begin(run, notes))

    def _begin(self, run: RunRecord, notes: Mapping[str, bytes]) -> None:
        # Of no run that is here: with higher numbers they would drive out those of this one.
        self._remove_snapshots(after=-1)
        self.journal.begin(run, self.new_run, notes)
        for name in sorted(self._early):
            self.journal.confirm(name, -1)

    async def claim(self, term: int, instance: str) -> None:
        """Remember who may drive the books, before he is told that he may."""
        await self.run(lambda: self.journal.claim(term, instance))

    async def saved(self, window: int) -> None:
        """Remember after which window the engine could go on."""
        await self.run(lambda: self.journal.set_saved(window))

    @property
    def is_quick(self) -> bool:
        """Whether it takes microseconds now to keep a window that is not large."""
        return self._was_quick and not self.syncs and not self.journal.would_wait

    def keep_at_once(self, window: RecordedWindow, notes: Mapping[str, bytes | None]) -> None:
        """Keep a window: it is, as surely as the durability says, when this returns. Raises MarksimError."""
        began, self._was_quick = time.monotonic(), False
        try:
            self.journal.append(window, notes)
        except TooManyRows as error:
            # Nobody gets past that, so the market says why it stands.
            remedy = "begin another run with --new-run, and with shorter windows (lookahead_ms)"
            raise Exhausted(f"window {window.window} cannot be kept: {error}: {remedy}", reason="WINDOW_NOT_KEPT") from error
        self._was_quick = time.monotonic() - began < QUICK_S

    async def keep(self, window: RecordedWindow, notes: Mapping[str, bytes | None]) -> None:
        """The same in the journal's thread."""
        await self.run(partial(self.keep_at_once, window, notes))

    def confirmed(self) -> dict[str, tuple[str, int]]:
        """Run and window that each named reader confirmed last, as far as the journal knows."""
        run = self.journal.run.run if self.journal.run is not None else ""
        return {name: (run, window) for name, window in self.journal.readers().items()}

    def write_confirmed(self, changes: Changes) -> None:
        """For Confirmations: in a thread. What a reader confirmed of another run says nothing of this one."""
        for name, confirmed in changes.items():
            if confirmed is None:
                self._early.discard(name)
                self.journal.forget(name)
            elif self.journal.run is not None:
                run, window = confirmed
                self.journal.confirm(name, window if run == self.journal.run.run else -1)
            else:
                self._early.add(name)

    async def put_note(self, key: str, value: bytes | None) -> None:
        """Keep a note under its key, None takes it away: it is done, as surely as the durability says, when this returns.

        One after the other: the next of the same key only then. Without a run there is nothing to keep it in; it begins with
        what is noted by then. Raises MarksimError.
        """
        if self.journal.run is not None and self.is_quick:
            self._put_note(key, value)
        else:
            # A run that is being begun in the thread just now is there when its turn comes.
            await self.run(partial(self._put_note, key, value))

    def _put_note(self, key: str, value: bytes | None) -> None:
        if self.journal.run is not None:
            began, self._was_quick = time.monotonic(), False
            self.journal.put_note(key, value)
            self._was_quick = time.monotonic() - began < QUICK_S

    @property
    def capacity_bytes(self) -> int:
        """That the journal never passes."""
        return self.journal.limits.hard_mib << 20

    @property
    def syncs(self) -> bool:
        """Whether a window that is kept may still be lost with the machine, for a while."""
        return self.journal.durability is Durability.DISK

    async def synced(self, window: int) -> int:
        """Wait until a window survives the machine; the last one that does then. Raises Damaged."""
        await asyncio.to_thread(self.journal.wait_synced, window)
        return self.journal.synced_window

    def is_due(self, window: int) -> bool:
        """Whether a snapshot is to be taken after this window: not while one is being written, each is megabytes."""
        is_time = self._crowded or window - self._taken >= self.snapshot_windows
        return is_time and (self._saving is None or self._saving.done())

    def save(self, window: int, document: Mapping[str, Any], arrays: Mapping[str, Any]) -> "asyncio.Future[None]":
        """Write a snapshot of the books after a window, which was copied before. A failure is told, and costs no more."""
        self._taken, self._crowded = window, False
        self._saving = asyncio.get_running_loop().run_in_executor(self._aside, self._write, window, document, arrays)
        return self._saving

    def resumed(self, window: int, last: int) -> None:
        """The books were begun from the snapshot after that window, -1 for none, and have come to window `last`.

        The next snapshot is taken as soon as it is due. Raises OSError where one of windows that are lost cannot be removed:
        once others have taken their place, it would be taken for one of those.
        """
        self._remove_snapshots(after=last)
        self.snapshot_window = self._taken = window
        self._older = max((found for found, _ in newest_snapshots(self.folder, KIND) if found < window), default=-1)

    def _remove_snapshots(self, after: int) -> None:
        gone = [path for window, path in newest_snapshots(self.folder, KIND) if window > after]
        for path in gone:
            log.warning("a snapshot of windows that are not here is removed", file=str(path), last=after)
            path.unlink()
        if gone:
            sync_directory(self.folder)

    def tidy(self, *, at_once: bool = False) -> "asyncio.Future[None] | None":
        """Drop what is past its time: every ten seconds, earlier where the journal grows fast, or `at_once`.

        But not before the last time has ended.
        """
        if not (at_once or self._is_time_to_trim):
            return None
        if self._trimming is None or self._trimming.done():
            self._trimmed_at, self._trimmed_bytes = time.monotonic(), self.journal.grown_bytes
            self._trimming = asyncio.get_running_loop().run_in_executor(self._aside, self._trim)
        return self._trimming

    @property
    def _is_time_to_trim(self) -> bool:
        grown = self.journal.grown_bytes - self._trimmed_bytes
        return time.monotonic() - self._trimmed_at >= TRIM_EVERY_S or grown * TRIM_PART > self.capacity_bytes

    async def close(self) -> None:
        """After the last window."""
        await asyncio.to_thread(self._aside.shutdown)
        await self.run(self.journal.close)
        self._thread.shutdown()

    def _write(self, window: int, document: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
        path = snapshot_path(self.folder, KIND, window)
        try:
            write_snapshot(path, KIND, VERSION, document, arrays)
            prune(self.folder, KIND, keep=2, anchor=max(self.journal.first_window - 1, 0))
        except (MarksimError, OSError) as error:
            # Windows are kept all the same; a start only has more of them to play again.
            self.failures += 1
            log.error("a snapshot of the books could not be written", file=str(path), reason=str(error))
            return
        if window > self.snapshot_window:
            self._older, self.snapshot_window = self.snapshot_window, window

    def _trim(self) -> None:
        try:
            trimmed = self.journal.trim(self._older + 1, self.snapshot_window + 1)
            # A new snapshot of the books helps, unless the engine needs more than they do.
            self._crowded = trimmed.full and self.snapshot_window <= self.journal.saved_window
            told, self._is_full = self._is_full, trimmed.full
            if trimmed.full and not told:
                facts = {"first": trimmed.first_window, "snapshot": self.snapshot_window, "saved": self.journal.saved_window}
                log.warning("the journal is near its cap, and all that it has is needed for a start", **facts)
            self.used_bytes = self.journal.info().used_bytes
        except (MarksimError, OSError) as error:
            self.failures += 1
            log.error("the journal could not be trimmed", file=str(self.journal.path), reason=str(error))
