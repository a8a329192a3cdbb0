"""The compiled part of a re-execution: many windows of one symbol, one after the other, without coming back to Python.

For each window the book is applied where commands came or something is due, its tick is made, and of all rows a digest. The
loop comes back where Python has to do something, and goes on from exactly there.
"""

from typing import Any, Final

import numpy as np

from marksim.core.book.compiled import kernel
from marksim.core.book.handle import book_at
from marksim.core.book.kernel import apply_rows, book_due
from marksim.core.book.words import Table, int64
from marksim.core.feed.digest import digest_rows
from marksim.core.feed.ticker import advance_with, ticker_at

DONE: Final = 0
"""All windows are done."""
BOOK_ROOM: Final = 1
"""The book needs room; `quotes` says what OrderBook has to know."""
ROWS_FULL: Final = 2
"""There is no room for the executions or the tick of the window that is under way."""

_DONE, _BOOK_ROOM, _ROWS_FULL = int64(DONE), int64(BOOK_ROOM), int64(ROWS_FULL)
_BEGIN, _UNDER_WAY, _APPLIED = int64(0), int64(1), int64(2)

COUNTERS: Final = np.dtype(
    [
        (name, "<i8")
        for name in (
            *("book", "ticker", "start_ns", "lookahead_ns"),
            *("first_window", "window", "phase", "applied", "quotes", "event_rows", "tick_rows"),
        )
    ]
)
"""Addresses of the counters of book and ticker, the times, and how far it is: `window` is under way or comes next."""

OUTCOME: Final = np.dtype([("digest", "<u8"), ("events", "<i8"), ("ticks", "<i8")])
"""Of one window: the digest of its rows, how many executions it has, and whether it has a tick."""


@kernel
def play_windows(
    counters: Table, last: int, commands: Table, bounds: Any, outcomes: Table, executions: Table, ticks: Table
) -> int:
    """Play windows up to `last`; returns DONE, or why not.

    The commands of window `first_window + i` are commands[bounds[i]:bounds[i + 1]], and outcomes[i] is what became of it.
    """
    state = counters[0]
    book, ticker = book_at(state.book), ticker_at(state.ticker)
    while state.window <= last:
        number = state.window - state.first_window
        end_ns = state.start_ns + (state.window + 1) * state.lookahead_ns
        begin, end = bounds[number], bounds[number + 1]
        if state.phase == _BEGIN:
            state.phase, state.applied = _UNDER_WAY, -1
            if begin == end and book_due(book) >= end_ns:
                # Nothing happens; what the last window did is not to be seen again.
                book.state.executions = book.state.quotes = book.state.depth = 0
                state.phase = _APPLIED
        if state.phase == _UNDER_WAY:
            applied, finished, _, quotes, _ = apply_rows(book, commands[begin:end], int64(state.applied), end_ns - 1)
            state.applied, state.quotes = applied, quotes
            if not finished:
                return _BOOK_ROOM
            state.phase = _APPLIED
        events = int64(book.state.executions)
        if state.event_rows + events > len(executions) or state.tick_rows == len(ticks):
            return _ROWS_FULL
        for index in range(events):
            executions[state.event_rows + index] = book.executions[index]
        state.event_rows += events
        shown = int64(0)
        if events > 0 and advance_with(ticker, book):
            ticks[state.tick_rows] = ticker.last[0]
            state.tick_rows += 1
            shown = int64(1)
        outcome, changes, levels = outcomes[number], int64(book.state.quotes), int64(book.state.depth)
        outcome.digest = digest_rows(book.executions, events, book.quotes, changes, book.depth, levels, ticker.last, shown)
        outcome.events, outcome.ticks = events, shown
        state.window += 1
        state.phase = _BEGIN
    return _DONE
