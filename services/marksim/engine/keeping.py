"""What an engine leaves behind for the case that it dies: its agents as they are, and how its clock was steered.

<state>/engine-<window>.snapshot    agents, populations and what is under way after that window; the newest two
<state>/inputs-<window>.snapshot    inputs, since the piece before, of agents that have no state; all of the run
<state>/clock.json                  pause, speed, and events that were accepted and have not happened yet, under `clock`;
                                    under `check` a BLAKE2b of them
"""

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from marksim.core.errors import Damaged, MarksimError
from marksim.runtime.logs import get_logger
from marksim.store.files import document_check, write_whole
from marksim.store.lock import take
from marksim.store.snapshots import newest_snapshots, prune, read_snapshot, snapshot_path, write_snapshot

SNAPSHOT: Final = "engine"
INPUTS: Final = "inputs"
CLOCK: Final = "clock.json"
VERSION: Final = 1

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Saved:
    """An engine after a window, with the inputs of those of its agents that have no state."""

    window: int
    document: Mapping[str, Any]
    arrays: Mapping[str, Any]
    inputs: Sequence[Mapping[str, Any]] = ()
    """Pieces of their log, oldest first; of one that is written, the newest alone."""
    pieces: Sequence[int] = ()
    """With which windows' snapshots all pieces were written."""


@dataclass(slots=True)
class ClockState:
    """How the clock was steered when the engine ended."""

    run: str = ""
    paused: bool = False
    speed: str = ""
    """A factor, or max; empty where it is what the engine is started with."""
    until_ns: int = 0
    """Where it was to pause; 0 for nowhere."""
    awaited: dict[str, Any] | None = None
    """The event at which it was to pause, and the window from which on it is looked for."""
    events: list[dict[str, Any]] = field(default_factory=list)
    """Those that wait, each with its `window`."""


class Keeping:
    """The state directory of one engine; without one, nothing is kept and nothing found. Files are written in one thread."""

    def __init__(self, folder: Path | None, snapshot_windows: int) -> None:
        """Raises NotNow where another engine has the directory, and OSError."""
        self.folder = folder
        self.snapshot_windows = snapshot_windows
        self.window: int | None = None
        """Of the newest snapshot on disk."""
        self.stood_s = 0.0
        """How long the market stood still for the last one, wall seconds."""
        self.failures = 0
        self._lock = -1
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = take(folder, "--state", "engine")
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="state")

    def newest(self, run: str, last: int) -> Saved | None:
        """The newest whole snapshot of the run after a window up to `last`. Damaged ones are told of and passed over."""
        if self.folder is None:
            return None
        for window, path in newest_snapshots(self.folder, SNAPSHOT):
            if window > last:
                continue
            try:
                _, document, arrays = read_snapshot(path, SNAPSHOT, (VERSION,))
                if document["run"] != run:
                    continue
                inputs = [read_snapshot(self._path(INPUTS, piece), INPUTS, (VERSION,))[2] for piece in document["pieces"]]
            except (MarksimError, OSError) as error:
                log.error("a snapshot is passed over", file=str(path), reason=str(error))
                continue
            self.window = window
            return Saved(window, document["engine"], arrays, inputs, document["pieces"])
        return None

    def forget_after(self, window: int) -> None:
        """Remove what is of later windows, or of another run: the engine goes on from there. -1 removes all."""
        if self.folder is None:
            return
        for kind in (SNAPSHOT, INPUTS):
            for found, path in newest_snapshots(self.folder, kind):
                if found > window:
                    path.unlink(missing_ok=True)
        if window < 0:
            self.window = None

    async def save(self, run: str, saved: Saved) -> bool:
        """Write a snapshot, and before it the newest piece of inputs. False where that failed."""
        if self.folder is None:
            return False
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._write, run, saved)

    def clock(self) -> ClockState:
        """What was remembered last; nothing where nothing was.

        Raises Damaged where it cannot be known: events in it were promised to somebody, and a pause was asked for.
        """
        if self.folder is None:
            return ClockState()
        path = self.folder / CLOCK
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            if "clock" not in told:
                # As it was written before it had a checksum; one that has it and is damaged has other names.
                return ClockState(**told)
            if told["check"] != document_check(told["clock"]):
                raise ValueError("its checksum differs: it is not what was written there")
            return ClockState(**told["clock"])
        except FileNotFoundError:
            return ClockState()
        except (OSError, ValueError, TypeError, KeyError) as error:
            why = f"it has no {error}" if isinstance(error, KeyError) else str(error)
            what = "pause, speed and run-until, and events that were accepted and have not happened"
            message = f"{path}: {why}; in it are {what}: bring it back, or remove it to go on without these"
            raise Damaged(message, metadata={"file": str(path)}) from error

    async def remember(self, clock: ClockState) -> None:
        """Keep how the clock is steered, whole or not at all. Raises JournalFull and Damaged."""
        if self.folder is not None:
            told = asdict(clock)
            text = json.dumps({"check": document_check(told), "clock": told})
            pieces = [text.encode()]
            await asyncio.get_running_loop().run_in_executor(self._thread, write_whole, self.folder / CLOCK, pieces)

    async def close(self) -> None:
        """After the last snapshot."""
        await asyncio.to_thread(self._thread.shutdown)
        if self._lock >= 0:
            os.close(self._lock)

    def _path(self, kind: str, window: int) -> Path:
        assert self.folder is not None
        return snapshot_path(self.folder, kind, window)

    def _write(self, run: str, saved: Saved) -> bool:
        assert self.folder is not None
        document = {"run": run, "pieces": list(saved.pieces), "engine": saved.document}
        try:
            for piece in saved.inputs:
                write_snapshot(self._path(INPUTS, saved.window), INPUTS, VERSION, {"run": run}, piece)
            write_snapshot(self._path(SNAPSHOT, saved.window), SNAPSHOT, VERSION, document, saved.arrays)
            prune(self.folder, SNAPSHOT, keep=2)
        except (MarksimError, OSError) as error:
            self.failures += 1
            log.error("the engine's snapshot could not be written", folder=str(self.folder), reason=str(error))
            return False
        self.window = saved.window
        return True
