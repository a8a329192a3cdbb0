"""Drops the oldest windows of a journal that nobody writes to."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from marksim.core.errors import InvalidInput, NotNow
from marksim.journal.describing import needs_of
from marksim.journal.session import Session, ShardPart
from marksim.store.journal import Journal, JournalLimits
from marksim.store.retention import Trimmed

FORCED: Final = "they were dropped by `marksim journal trim --force`"
_NO_BOUND: Final = JournalLimits(soft_mib=1 << 22, hard_mib=1 << 22)


@dataclass(frozen=True, slots=True)
class ShardTrimmed:
    """What was dropped of one shard."""

    name: str
    trimmed: Trimmed
    freed_bytes: int


def window_of(session: Session, before_ns: int) -> int:
    """The first window that does not end by that simulated time."""
    run = session.run
    return max(0, (before_ns - run.start_time_ns) // run.lookahead_ns)


def trim(session: Session, before: int, *, force: bool) -> list[ShardTrimmed]:
    """Drop all windows before that one, in all shards or in none.

    Never those after the newest snapshot of the books; those that others need only with `force`, and then as a gap. Raises
    NotNow where some are needed, or an order book has the journal open.
    """
    parts = [part for part in session.parts if isinstance(part, ShardPart)]
    if not parts:
        raise InvalidInput(f"{session.path} is an exported file, of which nothing can be dropped: export a shorter one")
    needs = {part.name: needs_of(part) for part in parts}
    for part in parts:
        newest = needs[part.name].newest_books
        if before > newest:
            raise NotNow(
                f"{part.name}: the books can only be started from windows {newest} on, those before {before} must stay: "
                "name an earlier time, or let the order book take a snapshot (it does when it ends in order)"
            )
        if before > needs[part.name].first and not force:
            who = "; ".join(needs[part.name].who(before - 1))
            raise NotNow(f"{part.name}: windows before {before} are needed by {who}: name an earlier time, or --force it")
    folders = {part.name: part.path.parent for part in parts}
    for part in parts:
        part.close()
    return [_trim(name, folder, before, needs[name].first) for name, folder in folders.items()]


def _trim(name: str, folder: Path, before: int, wanted_from: int) -> ShardTrimmed:
    with Journal(folder, limits=_NO_BOUND) as journal:
        size = journal.path.stat().st_size
        trimmed = journal.drop(before, wanted_from, FORCED)
        if trimmed.windows:
            journal.compact()
        return ShardTrimmed(name, trimmed, size - journal.path.stat().st_size)
