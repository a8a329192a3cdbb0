"""Drops the oldest windows of a journal because a person says so, whoever wants them."""

import sqlite3
from typing import Final

from marksim.store.journal_reading import span_of
from marksim.store.journal_schema import Gap
from marksim.store.retention import Transaction, Trimmed

STEP_ROWS: Final = 256


def drop(transaction: Transaction, before: int, wanted_from: int, reason: str, now: float) -> Trimmed:
    """Drop the windows before that one, but never the last row of all; those from `wanted_from` on are noted as a gap.

    A row of empty windows goes whole or not at all. Raises JournalFull, Damaged and NotNow.
    """
    dropped, gap = 0, None
    while True:
        with transaction() as connection:
            rows = connection.execute(
                "SELECT first, last FROM windows WHERE first < ? AND first < (SELECT max(first) FROM windows)"
                " ORDER BY first LIMIT ?",
                (before, STEP_ROWS),
            ).fetchall()
            rows = [row for row in rows if row[1] < before]
            if not rows:
                first, _ = span_of(connection)
                return Trimmed(first, dropped, gap, full=False)
            last = rows[-1][1]
            connection.execute("DELETE FROM windows WHERE first <= ?", (rows[-1][0],))
            if last >= wanted_from:
                gap = (gap[0] if gap else max(rows[0][0], wanted_from), last)
                _note(connection, Gap(*gap, reason, int(now)))
        dropped += last + 1 - rows[0][0]


def _note(connection: sqlite3.Connection, gap: Gap) -> None:
    """Write a gap, over a shorter one that begins with it."""
    row = (gap.first, gap.last, gap.reason, gap.at, gap.check)
    connection.execute("INSERT OR REPLACE INTO gaps VALUES (?, ?, ?, ?, ?)", row)
