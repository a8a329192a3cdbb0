"""A session is re-executed, window by window: it is what was recorded, or differs first at one row."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from marksim.core.book.book import OrderBook
from marksim.core.book.resting import DEFAULT_MAX_ORDERS
from marksim.core.book.saved import Arrays
from marksim.core.errors import Damaged, NotFound, NotNow
from marksim.core.feed.digest import rows_digest
from marksim.core.feed.inputs import SymbolInputs
from marksim.core.feed.rerun import Rerun, first_difference
from marksim.core.feed.tape import TapeHash, run_hash
from marksim.core.feed.ticks import TickBuilder
from marksim.core.types import CommandKind
from marksim.journal.session import Part, Session, instruments_of
from marksim.journal.states import BookState, fresh, resumed
from marksim.store.journal_rows import Block

Progress = Callable[[int, int], object]
"""Is told how many windows are done, and of how many."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a re-execution first went another way than the recording."""

    part: str
    window: int
    symbol: str
    what: str
    """The first row that is another, each field with both values; or why there is no row to show."""

    def __str__(self) -> str:
        return f"{self.part}, window {self.window}, {self.symbol}: {self.what}"


@dataclass(frozen=True, slots=True)
class Verified:
    """What was compared, and how it ended."""

    windows: int
    """As many as the part has that has most."""
    orders: int
    """New orders, whoever sent them."""
    difference: Difference | None
    starts: Mapping[str, int]
    """By part: the window after which the re-execution began, -1 for the start of the run."""
    window: int
    """The last one that all parts have."""
    tapes: Mapping[str, str] = field(default_factory=dict)
    """The tape hash of each symbol after that window; none where there is a difference."""

    @property
    def run_hash(self) -> str:
        return run_hash(self.tapes)


class _Differs(Exception):
    def __init__(self, difference: Difference) -> None:
        super().__init__(str(difference))
        self.difference = difference


@dataclass(frozen=True, slots=True)
class Start:
    """From where a part is re-executed."""

    window: int
    """After this one; -1 for the start of the run."""
    state: BookState | None
    max_orders: int


def verify(session: Session, max_orders: int | None = None, progress: Progress = lambda _, __: None) -> Verified:
    """Re-execute all of a session and compare each window; where it is kept, what came out is looked at as well.

    `max_orders` is that of the order books' setting; None takes it from a snapshot, or is what it is by default.
    Raises Damaged for what cannot be read, NotFound where the beginning is gone, InvalidInput and Unreadable.
    """
    starts = {part.name: start_of(part, max_orders) for part in session.parts}
    windows = {part.name: part.last_window - starts[part.name].window for part in session.parts}
    common, begun = session.common_window, {name: start.window for name, start in starts.items()}
    done = orders = 0
    tapes: dict[str, str] = {}
    try:
        for part in session.parts:
            playing = _Playing(part, starts[part.name])
            # The tape hash of a run is that after one window of all its symbols.
            for last in (common, part.last_window):
                for block in part.blocks(playing.window + 1, last) if last > playing.window else ():
                    orders += playing.play(block)
                    done += block.last + 1 - block.first
                    progress(done, sum(windows.values()))
                if playing.window == common:
                    tapes.update(playing.tapes())
    except _Differs as differs:
        return Verified(max(windows.values()), orders, differs.difference, begun, common)
    return Verified(max(windows.values()), orders, None, begun, common, tapes)


def start_of(part: Part, max_orders: int | None) -> Start:
    """The start of the run where all of it is there, else the oldest snapshot from which on all is. Raises NotFound."""
    if part.first_window <= 0:
        return Start(-1, None, max_orders or _bound_of(part))
    why = ""
    for window in reversed(part.snapshots()):
        if part.first_window - 1 <= window <= part.last_window:
            try:
                state = part.state(window)
            except (Damaged, NotNow) as error:
                why = f" ({error.message})"
                continue
            return Start(window, state, state.max_orders)
    raise NotFound(
        f"{part.path} begins with window {part.first_window}, and no snapshot of the books is there to begin with{why}: "
        "nothing can be re-executed"
    )


def _bound_of(part: Part) -> int:
    """The bound of resting orders that the books were given, as far as anything says it."""
    if part.run.max_orders:
        return part.run.max_orders
    for window in part.snapshots():
        try:
            return part.state(window).max_orders
        except (Damaged, NotFound, NotNow):
            continue
    return DEFAULT_MAX_ORDERS


class _Playing:
    """The books of one part, on their way."""

    def __init__(self, part: Part, start: Start) -> None:
        self._part, self.window = part, start.window
        self._reruns: dict[str, Rerun] = {}
        for symbol, instrument in instruments_of(part.run).items():
            if start.state is None:
                self._reruns[symbol] = fresh(instrument, start.max_orders, part.run)
            else:
                self._reruns[symbol] = resumed(start.state, instrument, part.run)
        self._max_orders = start.max_orders

    def tapes(self) -> dict[str, str]:
        """The tape hash of each symbol."""
        return {symbol: rerun.tape_hash.hexdigest() for symbol, rerun in self._reruns.items()}

    def play(self, block: Block) -> int:
        """Play a block; how many new orders it has. Raises _Differs."""
        wrong = self._unlike_their_digest(block) if self._part.keeps_output else {}
        before = {symbol: (rerun.book.state(), rerun.ticks.state()) for symbol, rerun in self._reruns.items()}
        orders = 0
        for symbol, inputs in block.symbols.items():
            played = self._reruns[symbol].play(block.first, block.last, inputs.commands, _bounds(block, inputs))
            others, recorded = played.events != 0, inputs.windows - block.first
            others[recorded] = played.digests[recorded] != inputs.digests
            if others.any():
                wrong[symbol] = min(wrong.get(symbol, block.last), block.first + int(np.argmax(others)))
            orders += int(np.count_nonzero(inputs.commands["kind"] == CommandKind.NEW))
        if wrong:
            symbol = min(wrong, key=lambda one: (wrong[one], one))
            what = self._difference(self._again(symbol, *before[symbol]), block, symbol, wrong[symbol])
            raise _Differs(Difference(self._part.name, wrong[symbol], symbol, what))
        self.window = block.last
        return orders

    def _unlike_their_digest(self, block: Block) -> dict[str, int]:
        """By symbol, the first window whose rows are not those of which the digest was taken. Raises Damaged."""
        wrong: dict[str, int] = {}
        for window in self._part.windows(block.first, block.last):
            for symbol, part in window.parts.items():
                if rows_digest(part.executions, part.quotes, part.depth, part.tick) != part.digest:
                    wrong.setdefault(symbol, window.window)
        return wrong

    def _again(self, symbol: str, book: Arrays, ticks: Arrays) -> Rerun:
        """A symbol as it was; its tape begins anew."""
        instrument, run = self._reruns[symbol].book.instrument, self._part.run
        restored = OrderBook.restored(instrument, self._max_orders, book)
        return Rerun(restored, TickBuilder.restored(instrument, ticks), TapeHash(), run.start_time_ns, run.lookahead_ns)

    def _difference(self, rerun: Rerun, block: Block, symbol: str, window: int) -> str:
        """What is another in that window, with books as they were before the block."""
        inputs = block.symbols[symbol]
        bounds = _bounds(block, inputs)
        at = window - block.first
        if at:
            rerun.play(block.first, window - 1, inputs.commands[: bounds[at]].copy(), bounds[: at + 1])
        rebuilt = rerun.play_one(window, inputs.commands[bounds[at] : bounds[at + 1]].copy())
        if not self._part.keeps_output:
            return (
                f"what comes out ({len(rebuilt.executions)} executions) has another digest than what was recorded, and an "
                "exported file has no rows of that: verify the journal itself to see the first that differs"
            )
        recorded = next(iter(self._part.windows(window, window))).parts.get(symbol)
        if recorded is None:
            return f"{len(rebuilt.executions)} executions come out, and nothing was recorded"
        return first_difference(recorded, rebuilt) or "all rows are the same, and the recorded digest is not theirs"


def _bounds(block: Block, inputs: SymbolInputs) -> NDArray[np.int64]:
    """Where the commands of each window of the block begin, of those without any as well; last, where they end."""
    places = np.searchsorted(inputs.windows, np.arange(block.first, block.last + 2))
    return inputs.bounds[places]
