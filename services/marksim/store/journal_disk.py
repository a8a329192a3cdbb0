"""Two threads of a journal: one empties its log into its file, one has the disk keep what is in the log.

SQLite's automatic checkpoint runs within the commit that crosses its bound, and stalls that one for milliseconds. Here the
log is copied into the file beside the commits; only its last frames, so that it can begin anew, are copied under the
writer's lock.
"""

import os
import sqlite3
import threading
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from marksim.core.errors import Damaged, JournalFull, MarksimError
from marksim.store.journal_schema import MIB, PAGE_BYTES, connect, log_of, naming_errors

BEGIN_BYTES: Final = 16 * MIB
"""The log is emptied when it has got so long."""
LAST_BYTES: Final = 256 << 10
"""At most about so much is copied while the writer waits."""
PASSES: Final = 8
"""After so many the rest is copied while the writer waits, however much came meanwhile."""
WAIT_S: Final = 1.0
"""How long a commit waits for a log that is at its bound."""


class LogKeeper:
    """Empties the log, in a thread of its own, whenever it has got long."""

    def __init__(self, path: Path, writing: threading.Lock, bound_bytes: int, *, syncs: bool) -> None:
        """`writing` is the writer's lock; with `syncs` the disk has what is in the file before the log begins anew."""
        self._path, self._writing, self._syncs = path, writing, syncs
        self._bound = bound_bytes
        self._begin = min(BEGIN_BYTES, max(bound_bytes // 2, 1))
        log = log_of(path)
        self._written = log.stat().st_size if log.exists() else 0
        """Bytes that went into the log, about, since it began."""
        # It is closed last: with any descriptor of a file that a process closes, it loses its locks there.
        self._file = os.open(path, os.O_RDONLY)
        self._wanted = threading.Event()
        self._changed = threading.Condition()
        self._closing = False
        self.failed: MarksimError | None = None
        """Why the log could not be emptied the last time."""
        self._lost: MarksimError | None = None
        """Why nobody can say any more what of the file the disk has."""
        self._thread = threading.Thread(target=self._run, name="journal-log", daemon=True)
        self._thread.start()

    def wrote(self, size: int) -> None:
        """Say that a commit wrote so many bytes; the caller holds the writer's lock."""
        self._written += size
        if self._written >= self._begin:
            self._wanted.set()

    @property
    def has_room(self) -> bool:
        """Whether the log is below its bound."""
        return self._written < self._bound

    @property
    def is_lost(self) -> bool:
        """Whether a sync of the file failed; then all that comes is refused."""
        return self._lost is not None

    def wait_for_room(self) -> None:
        """Return at once unless the log is at its bound; the caller does not hold the writer's lock. Raises why not."""
        if self._lost is not None:
            raise self._lost
        if self.has_room:
            return
        self._wanted.set()
        with self._changed:
            if not self._changed.wait_for(lambda: self.has_room or self._closing, WAIT_S):
                raise self.failed or JournalFull(
                    f"{log_of(self._path)} is at its bound of {self._bound // MIB} MiB, and cannot be emptied: "
                    "another program has been reading from it all the time"
                )
        if self._lost is not None:
            raise self._lost

    def close(self) -> None:
        """End the thread."""
        self._closing = True
        self._wanted.set()
        self._thread.join()

    def release(self) -> None:
        """Close its file, after all connections of this process."""
        os.close(self._file)

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            if self._closing:
                return
            try:
                with naming_errors(self._path):
                    self._empty()
                self.failed = None
            except OSError as error:
                facts = {"file": str(self._path)}
                self.failed = Damaged(f"{self._path} cannot be synced to the disk: {error}", metadata=facts)
            except MarksimError as error:
                # Tried again after the next commits; who waits for room is told.
                self.failed = error
            if self._syncs and isinstance(self.failed, Damaged):
                # The system may have dropped what it could not write. A log that begins anew would drop the rest.
                self._lost = self.failed
                self._closing = True
            with self._changed:
                self._changed.notify_all()

    def _empty(self) -> None:
        with closing(connect(self._path, synchronous="NORMAL" if self._syncs else "OFF")) as connection:
            for _ in range(PASSES):
                before = self._written
                frames, _ = _checkpoint(connection)
                if self._written - before <= LAST_BYTES or self._closing:
                    break
            with self._writing:
                # Somebody who reads keeps the log from beginning anew; then it is longer than it seems.
                self._written = max(self._written, frames * PAGE_BYTES)
            if self._syncs:
                os.fsync(self._file)
            with self._writing:
                frames, copied = _checkpoint(connection)
                if frames == copied:
                    # The next commit begins the log anew, unless somebody reads from it just now.
                    self._written = 0


def _checkpoint(connection: sqlite3.Connection) -> tuple[int, int]:
    """Copy what can be copied while others go on; how many frames the log has, and how many of them are in the file."""
    _, frames, copied = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return frames, copied


class Syncer:
    """Has the disk keep the log, some windows at a time."""

    def __init__(self, path: Path, delay_s: float, synced: int) -> None:
        self._path, self._delay_s = path, delay_s
        self._log = log_of(path)
        self._state = threading.Condition()
        self._written = self._synced = synced
        self._first_s: float | None = None
        """When the first window came that is not synced."""
        self._closing = self._is_named = False
        self._failed: Damaged | None = None
        self._thread = threading.Thread(target=self._run, name="journal-sync", daemon=True)
        self._thread.start()

    @property
    def synced(self) -> int:
        """The last window that a power cut does not take."""
        return self._synced

    def wrote(self, window: int) -> None:
        """Say that this window is in the log."""
        with self._state:
            self._written = window
            if self._first_s is None:
                self._first_s = time.monotonic()
                self._state.notify_all()

    @property
    def has_failed(self) -> bool:
        """Whether a sync failed; then `check` says why."""
        return self._failed is not None

    def check(self) -> None:
        """Raise Damaged if a sync failed: what it was of may be lost, and no later one can tell."""
        if self._failed is not None:
            raise self._failed

    def wait(self, window: int, timeout_s: float | None = None) -> bool:
        """Wait until that window is synced; False if it was not in time. Raises Damaged if a sync failed."""
        with self._state:
            done = self._state.wait_for(lambda: self._synced >= window or self._failed is not None, timeout_s)
            self.check()
            return done

    def sync_now(self) -> None:
        """Have the disk keep all that is written. Raises Damaged."""
        self.check()
        with self._state:
            window = self._written
            self._first_s = None
        try:
            self._sync()
        except OSError as error:
            # The system may have dropped what it could not write: a second try that succeeds would say nothing of it.
            failed = Damaged(f"{self._log} cannot be synced to the disk: {error}", metadata={"file": str(self._log)})
            with self._state:
                self._failed = failed
                self._state.notify_all()
            raise failed from error
        with self._state:
            self._synced = max(self._synced, window)
            self._state.notify_all()

    def close(self) -> None:
        """Sync what is left, and end the thread. Raises Damaged."""
        with self._state:
            self._closing = True
            self._state.notify_all()
        self._thread.join()
        self.sync_now()

    def _run(self) -> None:
        while self._wait_until_due():
            # What fails is kept, and raised by whatever comes next.
            with suppress(Damaged):
                self.sync_now()

    def _wait_until_due(self) -> bool:
        """Wait until the first window that is not synced has waited long enough; False where nothing more will come."""
        with self._state:
            self._state.wait_for(lambda: self._first_s is not None or self._closing)
            begun = self._first_s
            if begun is not None:
                self._state.wait_for(lambda: self._closing, max(0.0, begun + self._delay_s - time.monotonic()))
            return not self._closing

    def _sync(self) -> None:
        paths = [self._log]
        if not self._is_named:
            # The first time also the names of files that this process made.
            paths.append(self._path.parent)
        for path in paths:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        self._is_named = True
