"""A journal of some shards becomes that of others: each symbol's part of a window goes to the shard that has it now."""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from marksim.codec import encode_columns
from marksim.core.errors import Damaged, InvalidInput, NotFound, NotNow
from marksim.journal.merging import merged
from marksim.journal.regrouping import regroup
from marksim.journal.session import Session, ShardPart, shard_folders
from marksim.journal.states import KIND, BookState, joined
from marksim.scenario.sharding import assign_shards
from marksim.store import lock, moving
from marksim.store.journal import Journal, JournalLimits
from marksim.store.snapshots import snapshot_path
from marksim.store.windows import RecordedWindow, RunRecord, SymbolWindow
from marksim.v1 import orderbook_pb2 as pb
from marksim.v1 import types_pb2

_NO_BOUND: Final = JournalLimits(soft_mib=1 << 22, hard_mib=1 << 22)

Progress = Callable[[int, int], object]


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of a journal."""

    symbols: Mapping[str, tuple[str, ...]]
    """By shard."""
    windows: int
    snapshots: tuple[int, ...]
    aside: Path
    """Where the old shards are."""


def move(
    session: Session, shards: int, assigned: Mapping[str, int], progress: Progress = lambda _, __: None
) -> Moved | None:
    """Rewrite the journal of a directory for so many shards; None where it is that already.

    Raises NotNow where an order book has it open, or the shards are not all there at one window, Damaged, and InvalidInput
    for an assignment that cannot be. Until it is done the directory has the old ones.
    """
    parts = [part for part in session.parts if isinstance(part, ShardPart)]
    if not parts or session.path == parts[0].path.parent:
        raise InvalidInput(f"{session.path} is not a directory with shard-0: name that of the whole journal")
    _check_whole(session, parts)
    places = assign_shards(list(session.run.symbols), shards, assigned)
    wanted = [tuple(symbol for symbol in session.run.symbols if places[symbol] == shard) for shard in range(shards)]
    if [set(part.run.symbols) for part in parts] == [set(symbols) for symbols in wanted]:
        return None
    first, states = _beginning(parts)
    # Also of those in which nothing is yet.
    folders = shard_folders(session.path)
    with ExitStack() as held:
        for old in folders:
            held.callback(os.close, lock.take(old, "--journal", "order book"))
        try:
            _write(session, parts, moving.begin(session.path), wanted, first, states, progress)
        except BaseException:
            moving.abandon(session.path)
            raise
        aside = moving.commit(session.path, session.run.run, [old.name for old in folders])
    named = {f"shard-{shard}": symbols for shard, symbols in enumerate(wanted)}
    return Moved(named, session.common_window + 1 - first, tuple(sorted(states)), aside)


def _write(
    session: Session,
    parts: Sequence[ShardPart],
    folder: Path,
    wanted: Sequence[tuple[str, ...]],
    first: int,
    states: Mapping[int, BookState],
    progress: Progress,
) -> None:
    """Write the new shards, each with the symbols that are wanted of it, on the disk when this returns."""
    with ExitStack() as opened:
        targets = []
        for shard, symbols in enumerate(wanted):
            run = replace(session.run, shard=shard, shards=len(wanted), symbols=symbols)
            targets.append(_Target(folder / f"shard-{shard}", run, parts))
            opened.enter_context(targets[-1].journal)
        for window in merged(parts, first, session.common_window):
            for target in targets:
                target.append(window)
            progress(window.last + 1 - first, session.common_window + 1 - first)
        for target in targets:
            target.finish(parts, states)


def _check_whole(session: Session, parts: Sequence[ShardPart]) -> None:
    if not session.is_whole:
        there = ", ".join(part.name for part in parts)
        raise InvalidInput(
            f"{session.path} has {there} of {parts[0].run.shards} shards: bring all of them into one directory"
        )
    ends = {part.name: part.last_window for part in parts}
    if len(set(ends.values())) > 1:
        told = ", ".join(f"{name} at window {window}" for name, window in ends.items())
        raise NotNow(
            f"{session.path}: the shards are not at one window ({told}): start the market once as it was and end it in "
            "order, then move it"
        )


def _beginning(parts: Sequence[ShardPart]) -> tuple[int, dict[int, BookState]]:
    """The first window that all have, and the snapshots of all books together, by window. NotNow where none would do."""
    first = max(0, *(part.first_window for part in parts))
    common = set.intersection(*(set(part.snapshots()) for part in parts))
    states = {}
    for window in sorted(window for window in common if window >= first - 1):
        # One that cannot be read is no loss where another can.
        with suppress(Damaged, NotNow, NotFound):
            states[window] = joined([part.state(window) for part in parts])
    if first > 0 and not states:
        raise NotNow(
            "the journal does not begin with the run, and there are no snapshots of all books after one window: start the "
            "market once as it was and end it in order, then move it"
        )
    return first, states


class _Target:
    """One of the new shards."""

    def __init__(self, folder: Path, run: RunRecord, parts: Sequence[ShardPart]) -> None:
        self._folder, self._symbols = folder, frozenset(run.symbols)
        self.journal = Journal(folder, limits=_NO_BOUND)
        try:
            infos = [part.reader.info() for part in parts]
            self.journal.begin(run, parts[0].reader.new_run)
            newest = max(infos, key=lambda info: info.term)
            self.journal.claim(newest.term, newest.instance)
            # Each reads every shard; what one shard has confirmed to it another may not have.
            readers: dict[str, int] = {}
            for info in infos:
                for name, window in info.readers.items():
                    readers[name] = min(window, readers.get(name, window))
            for name, window in readers.items():
                self.journal.confirm(name, window)
            if (saved := min(info.saved for info in infos)) >= 0:
                self.journal.set_saved(saved)
        except BaseException:
            self.journal.close()
            raise

    def append(self, window: RecordedWindow) -> None:
        """Take this shard's part of a window, or of a row of empty ones."""
        mine = {symbol: part for symbol, part in window.parts.items() if symbol in self._symbols}
        if window.last > window.window:
            self.journal.append(window)
            return
        digest = hashlib.blake2b(digest_size=16)
        digest.update(_message(window, mine).SerializeToString(deterministic=True))
        self.journal.append(RecordedWindow(window.window, window.last, digest.digest(), window.control, mine))

    def finish(self, parts: Sequence[ShardPart], states: Mapping[int, BookState]) -> None:
        """After the last window: what is kept of outside orders, and the snapshots; all on the disk."""
        for key, value in regroup([dict(part.reader.notes()) for part in parts], self._symbols).items():
            self.journal.put_note(key, value)
        self.journal.close()
        for window, state in states.items():
            state.of(self._symbols).write(snapshot_path(self._folder, KIND, window))
        with self.journal.path.open("rb") as file:
            os.fsync(file.fileno())


def _message(window: RecordedWindow, mine: Mapping[str, SymbolWindow]) -> pb.WindowCommands:
    """What the engine would have sent to this shard."""
    commands = [
        pb.SymbolCommands(symbol=symbol, commands=encode_columns(part.commands, types_pb2.CommandColumns))
        for symbol, part in mine.items()
        if len(part.commands)
    ]
    return pb.WindowCommands(window=window.window, commands=commands, control=window.control)
