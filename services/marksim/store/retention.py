"""Which windows a journal drops: the oldest, by age and size, but none that is needed while there is room.

Three bounds. *Age* and *soft size*: windows beyond them go, unless somebody wants them: a named reader that has not
confirmed them, the engine after its newest snapshot, the caller's older snapshot. *Hard size*: near it, what only a named
reader or an older snapshot wants goes too, and is noted as a gap. What is after the engine's saved window or the newest book
snapshot never goes: then there is no room, and append says so.
"""

import sqlite3
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from marksim.store.journal_reading import span_of, used_bytes
from marksim.store.journal_schema import MIB, Gap, JournalLimits

STEP_ROWS: Final = 64
STEP_BYTES: Final = MIB
"""At most about so much is dropped while the writer waits: SQLite reads every page that it gives free."""
STEP_LOG_BYTES: Final = 128 << 10
"""What a step writes into the log, about."""
PAUSE_S: Final = 0.002
"""Between steps, in which a writer that waits goes first."""
AT_HARD_CAP: Final = "the journal was at its hard cap, and a reader had not confirmed them"

Transaction = Callable[[], AbstractContextManager[sqlite3.Connection]]


@dataclass(frozen=True, slots=True)
class Wants:
    """Who wants which windows. -1 has none yet, and wants all."""

    keep_from: int
    """The caller, from here on."""
    must_keep: int
    """The caller, in any case, from here on."""
    saved: int
    """The engine has all up to this one."""
    confirmed: tuple[int, ...]
    """Each named reader has all up to this one."""

    @property
    def first_wanted(self) -> int:
        """The first window that somebody wants."""
        return min(self.keep_from, self.first_needed, self.first_unconfirmed)

    @property
    def first_unconfirmed(self) -> int:
        """The first window that a named reader wants; one that never comes where none does."""
        return min((window + 1 for window in self.confirmed), default=1 << 62)

    @property
    def first_needed(self) -> int:
        """The first window that must not go at all."""
        return min(self.must_keep, self.saved + 1)


@dataclass(frozen=True, slots=True)
class Trimmed:
    """What a trim did."""

    first_window: int
    """That is now the first."""
    windows: int
    """That were dropped"""
    gap: tuple[int, int] | None
    """The first and the last of them that a named reader wanted"""
    full: bool
    """At the hard cap, and nothing more may go."""


@dataclass(frozen=True, slots=True)
class _Row:
    first: int
    last: int
    at: int
    size: int


def trim(transaction: Transaction, wants: Wants, limits: JournalLimits, now: float) -> Trimmed:
    """Drop what may go. Raises JournalFull, Damaged and NotNow."""
    dropped, gap = 0, None
    while True:
        with transaction() as connection:
            used = used_bytes(connection)
            crowded = used > near_hard(limits)
            rows = _chosen(connection, used, wants, limits, now)
            if not rows:
                first, _ = span_of(connection)
                return Trimmed(first, dropped, gap, crowded)
            last = rows[-1].last
            connection.execute("DELETE FROM windows WHERE first <= ?", (rows[-1].first,))
            if last >= wants.first_unconfirmed:
                begun = max(rows[0].first, wants.first_unconfirmed)
                _note_gap(connection, begun, last, int(now))
                gap = (gap[0] if gap else begun, last)
        dropped += last + 1 - rows[0].first
        time.sleep(PAUSE_S)


def near_hard(limits: JournalLimits) -> int:
    """Bytes from which on there is hardly room: an eighth below the hard cap."""
    return limits.hard_mib * MIB * 7 // 8


def _chosen(connection: sqlite3.Connection, used: int, wants: Wants, limits: JournalLimits, now: float) -> list[_Row]:
    """The oldest rows that may go, in one step; never the last row of all."""
    found = connection.execute(
        "SELECT first, last, at, 64 + length(control) + ifnull(length(input), 0) + ifnull(length(output), 0)"
        " FROM windows ORDER BY first LIMIT ?",
        (STEP_ROWS + 1,),
    ).fetchall()
    rows, size = [], 0
    for row in (_Row(*each) for each in found[:-1]):
        spare = row.last < wants.first_wanted and (row.at < now - limits.max_age_s or used - size > limits.soft_mib * MIB)
        forced = row.last < wants.first_needed and used - size > near_hard(limits)
        if not (spare or forced) or size > STEP_BYTES:
            break
        rows.append(row)
        size += row.size
    return rows


def _note_gap(connection: sqlite3.Connection, first: int, last: int, at: int) -> None:
    """One gap, or more of the one that ends where it begins."""
    before = connection.execute("SELECT first FROM gaps WHERE last = ? AND reason = ?", (first - 1, AT_HARD_CAP)).fetchone()
    gap = Gap(before[0] if before else first, last, AT_HARD_CAP, at)
    row = (gap.first, gap.last, gap.reason, gap.at, gap.check)
    connection.execute("INSERT OR REPLACE INTO gaps VALUES (?, ?, ?, ?, ?)", row)
