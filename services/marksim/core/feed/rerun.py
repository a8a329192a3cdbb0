"""Re-execution: the recorded commands of one symbol once more through book, ticks and tape hash, many windows in one call.

It does what the order book service does with them window by window: the book is applied where commands came or something is
due before the window's end, a tick may be where there are executions, and the tape takes both. What comes out is compared by
digests; where one differs, the window is played again by itself and the first row that is another is named.
"""

from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from marksim.core.book.book import OrderBook
from marksim.core.errors import InvalidInput
from marksim.core.feed.digest import rows_digest
from marksim.core.feed.playing import BOOK_ROOM, COUNTERS, DONE, OUTCOME, play_windows
from marksim.core.feed.tape import TapeHash
from marksim.core.feed.ticks import NO_TICKS, TickBuilder, tick_row
from marksim.core.types import COMMAND, DEPTH, EXECUTION, QUOTE, TICK, ExecutionKind, Reason, Records

FIRST_ROWS: Final = 1 << 12
NO_COMMANDS: Final[Records] = np.zeros(0, COMMAND)


class WindowRows(Protocol):
    """What a window did to one symbol; the parts of a recorded window have these names, too."""

    @property
    def executions(self) -> Records: ...
    @property
    def quotes(self) -> Records: ...
    @property
    def depth(self) -> Records: ...
    @property
    def tick(self) -> Records: ...


@dataclass(frozen=True, slots=True)
class Output:
    """What a window did to one symbol; the arrays are its own."""

    executions: Records
    """dtype EXECUTION"""
    quotes: Records
    """dtype QUOTE"""
    depth: Records
    """dtype DEPTH: changes"""
    tick: Records
    """dtype TICK: one row, or none"""

    @property
    def digest(self) -> int:
        """By which it is compared."""
        return rows_digest(self.executions, self.quotes, self.depth, self.tick)


@dataclass(frozen=True, slots=True)
class Played:
    """What a row of windows did to one symbol. `executions` and `ticks` hold until the next call."""

    first_window: int
    digests: NDArray[np.uint64]
    """Of each window, `rows_digest` of what it did; that of no rows where nothing happened."""
    events: NDArray[np.int64]
    """Of each window, how many executions it has."""
    ticked: NDArray[np.bool_]
    """Of each window, whether it has a tick."""
    executions: Records
    """dtype EXECUTION: of all windows"""
    ticks: Records
    """dtype TICK: of all windows; `sequence` is that of the last event of its window"""

    @property
    def windows(self) -> NDArray[np.int64]:
        """Those in which anything happened, which have a frame each."""
        return self.first_window + np.flatnonzero(self.events)

    @property
    def last_output(self) -> int | None:
        """The last of them; None where nothing happened at all."""
        windows = self.windows
        return int(windows[-1]) if len(windows) else None


class Rerun:
    """Plays windows of one symbol through these objects, which are as after the window before the first that is played.

    It keeps room for the executions of the busiest call so far, until it is let go itself.
    """

    def __init__(self, book: OrderBook, ticks: TickBuilder, tape_hash: TapeHash, start_ns: int, lookahead_ns: int) -> None:
        self.book = book
        self.ticks = ticks
        self.tape_hash = tape_hash
        self._start_ns, self._lookahead_ns = start_ns, lookahead_ns
        self._executions: Records = np.zeros(FIRST_ROWS, EXECUTION)
        self._ticks: Records = np.zeros(FIRST_ROWS, TICK)

    def play(self, first_window: int, last_window: int, commands: Records, bounds: NDArray[np.int64]) -> Played:
        """Play the windows from first to last, both included, empty ones, too.

        Args:
            first_window: The one after the last that was played.
            last_window: Not below it.
            commands: COMMAND rows of all of them, in the order in which they were applied: of a window outside ones first.
            bounds: One number more than there are windows: those of window first_window + i are
                commands[bounds[i]:bounds[i + 1]].

        Raises:
            InvalidInput: Bounds and commands do not fit together; nothing was played.
        """
        commands, bounds = _checked(last_window - first_window + 1, commands, bounds)
        outcomes = np.zeros(last_window - first_window + 1, OUTCOME)
        if len(self._executions) < len(commands):
            # About as many as there will be: to grow step by step copies all of them again and again.
            self._executions = np.zeros(len(commands) + len(commands) // 4, EXECUTION)
        counters = np.zeros(1, COUNTERS)
        memories = (("book", self.book.memory), ("ticker", self.ticks.memory))
        for name, address in ((name, memory.counters.ctypes.data) for name, memory in memories):
            counters[name] = address
        counters["start_ns"], counters["lookahead_ns"] = self._start_ns, self._lookahead_ns
        counters["first_window"] = counters["window"] = first_window
        while True:
            answer = play_windows(counters, last_window, commands, bounds, outcomes, self._executions, self._ticks)
            if answer == DONE:
                break
            if answer == BOOK_ROOM:
                self.book.make_room(int(counters["quotes"][0]))
            else:
                self._grow(counters, len(outcomes))
        self.ticks.refresh()
        executions = self._executions[: int(counters["event_rows"][0])]
        ticks = self._ticks[: int(counters["tick_rows"][0])]
        self.tape_hash.update(executions, ticks)
        digests, events = outcomes["digest"].copy(), outcomes["events"].copy()
        return Played(first_window, digests, events, outcomes["ticks"] != 0, executions, ticks)

    def play_one(self, window: int, commands: Records) -> Output:
        """Play one window as the service does; slowly, and with all its rows."""
        output = self.book.apply(commands, self._start_ns + (window + 1) * self._lookahead_ns)
        tick = self.ticks.update(output, self.book.session) if len(output.executions) else None
        rows = NO_TICKS if tick is None else tick_row(tick, output.executions["sequence"].item(-1))
        self.tape_hash.update(output.executions, rows)
        return Output(output.executions, output.quotes, output.depth, rows)

    def _grow(self, counters: Records, windows: int) -> None:
        """Make room for the rows of the window that is under way, and of about as many more as came before it."""
        needed = int(counters["event_rows"][0]) + int(self.book.memory.counters["executions"][0])
        if needed > len(self._executions):
            longer = np.zeros(max(2 * len(self._executions), needed), EXECUTION)
            _bytes_of(longer)[: self._executions.nbytes] = _bytes_of(self._executions)
            self._executions = longer
        if counters["tick_rows"][0] == len(self._ticks):
            more = np.zeros(max(2 * len(self._ticks), windows), TICK)
            _bytes_of(more)[: self._ticks.nbytes] = _bytes_of(self._ticks)
            self._ticks = more


def _bytes_of(rows: Records) -> NDArray[np.uint8]:
    """To be copied as such: NumPy copies records field by field."""
    return rows.view(np.uint8)


def _checked(windows: int, commands: Records, bounds: NDArray[np.int64]) -> tuple[Records, NDArray[np.int64]]:
    """Both as compiled code knows them; raises InvalidInput if they do not fit together."""
    if commands.dtype != COMMAND:
        raise InvalidInput("commands: expected records of dtype COMMAND")
    if windows < 1 or bounds.shape != (windows + 1,):
        raise InvalidInput(f"bounds: {bounds.size} of them do not go with {windows} windows; give one more than windows")
    bounds = np.array(bounds, np.int64)
    if bounds[0] != 0 or bounds[-1] != len(commands) or np.any(bounds[1:] < bounds[:-1]):
        raise InvalidInput(f"bounds: they do not go from 0 to {len(commands)}, the number of commands, in steps forward")
    return commands if commands.flags.carray else commands.copy(), bounds


_KINDS: Final = (("executions", "execution"), ("quotes", "quote"), ("depth", "depth"), ("tick", "tick"))
_WORDS: Final[dict[tuple[str, str], Any]] = {("executions", "kind"): ExecutionKind, ("executions", "reason"): Reason}
_DTYPES: Final = {"executions": EXECUTION, "quotes": QUOTE, "depth": DEPTH, "tick": TICK}


def first_difference(recorded: WindowRows, rebuilt: WindowRows) -> str | None:
    """The first row, by sequence, that is not the same in both, in words; None where all are the same."""
    found = []
    for order, (name, kind) in enumerate(_KINDS):
        left, right = getattr(recorded, name), getattr(rebuilt, name)
        for part, rows in (("recorded", left), ("rebuilt", right)):
            if rows.dtype != _DTYPES[name]:
                raise ValueError(f"{part}: {name} has rows of {rows.dtype}")
        number = _first_other(left, right)
        if number is None:
            continue
        rows = left if number < len(left) else right
        found.append((int(rows["sequence"][number]), order, _said(name, kind, number, left, right)))
    return min(found)[2] if found else None


def _first_other(left: Records, right: Records) -> int | None:
    """The number of the first row that is not the same, or is in one of them alone."""
    size, shorter = left.dtype.itemsize, min(len(left), len(right))
    first, second = (np.frombuffer(rows.tobytes(), np.uint8).reshape(len(rows), size)[:shorter] for rows in (left, right))
    others = np.flatnonzero((first != second).any(axis=1))
    if len(others):
        return int(others[0])
    return shorter if len(left) != len(right) else None


def _said(name: str, kind: str, number: int, left: Records, right: Records) -> str:
    """What differs in that row: each field with both values, or the row that one of them does not have."""
    fields = left.dtype.names or ()
    if number >= min(len(left), len(right)):
        rows, absent = (left, "rebuilt") if len(left) > len(right) else (right, "recorded")
        values = ", ".join(f"{field} {_word(name, field, rows, number)}" for field in fields[1:] if rows[field][number])
        return f"{kind} {number} (sequence {rows['sequence'][number]}) is not {absent}: {values}"
    others = [
        f"{field} {_word(name, field, left, number)} recorded, {_word(name, field, right, number)} rebuilt"
        for field in fields
        if left[field][number] != right[field][number]
    ]
    return f"{kind} {number} (sequence {left['sequence'][number]}): {'; '.join(others)}"


def _word(name: str, field: str, rows: Records, number: int) -> str:
    """A value, with its name where it has one."""
    value, words = int(rows[field][number]), _WORDS.get((name, field))
    return words(value).name if words is not None and value in set(words) else str(value)
