"""The run that would have been: the same scenario, seed and outside orders, in this process, and nothing ever ends.

Of what was recorded only the outside orders are used. What agents send is compared with what was recorded of them, so that
the first difference has a window and a symbol; the tape hash at the end says that all of it is equal.
"""

import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from marksim.core.book.book import OrderBook
from marksim.core.feed.tape import TapeHash, run_hash
from marksim.core.feed.ticks import NO_TICKS, TickBuilder, tick_row
from marksim.core.sim.engine import AsyncTimeEngine, SymbolOutcome
from marksim.core.types import COMMAND, Instrument, Records
from marksim.scenario import Scenario
from marksim.store.windows import RecordedWindow, SymbolWindow
from tests.faults.market import Market
from tests.faults.rows import journal_of

NOTHING: Final = np.zeros(0, COMMAND)
HASH_LINE: Final = "tape hash: "


@dataclass(frozen=True)
class Undisturbed:
    """How the run ends that nothing disturbed."""

    tape_hash: str
    windows: int
    difference: str
    """Where what agents sent is first another than what was recorded; empty where it is all equal."""


class _SymbolBook:
    """One symbol's book and tape, as the order book service drives them."""

    def __init__(self, instrument: Instrument, start_ns: int) -> None:
        self._book = OrderBook(instrument, start_ns=start_ns)
        self._ticks = TickBuilder(instrument, self._book.session_state)
        self.tape = TapeHash()

    def apply(self, commands: Records, end_ns: int) -> SymbolOutcome | None:
        """Do a window; None where nothing happened."""
        if not len(commands) and not self._book.due_before(end_ns):
            return None
        output = self._book.apply(commands, end_ns)
        if not len(output.executions):
            return None
        tick = self._ticks.update(output, self._book.session)
        ticks = NO_TICKS if tick is None else tick_row(tick, output.executions["sequence"].item(-1))
        self.tape.update(output.executions, ticks)
        return SymbolOutcome(output.executions, tick)


def engine_of(scenario: Scenario) -> AsyncTimeEngine:
    """All its agents at its start."""
    return AsyncTimeEngine(
        scenario.instruments(),
        scenario.cast(),
        seed=scenario.seed,
        start_ns=scenario.start_ns,
        lookahead_ns=scenario.lookahead_ns,
    )


def play(scenario: Scenario, recorded: Iterable[RecordedWindow], last: int) -> Undisturbed:
    """Play a scenario from its start up to and with window `last`, with the outside orders of the recorded windows.

    These are all from window 0 to `last`, in order. ValueError where one has control, which is not played here.
    """
    engine = engine_of(scenario)
    books = {instrument.symbol: _SymbolBook(instrument, scenario.start_ns) for instrument in scenario.instruments()}
    difference, window = "", 0
    try:
        for one in recorded:
            if one.window != window:
                raise ValueError(f"window {window} is not recorded: the next that is there is {one.window}")
            if one.control:
                raise ValueError(f"window {window} has inputs of the engine's own, which are not played here")
            for window in range(one.window, one.last + 1):
                told = _window(engine, books, window, one.parts)
                difference = difference or told
            window += 1
    finally:
        engine.close()
    if window != last + 1:
        raise ValueError(f"windows are recorded up to {window - 1}, not {last}")
    return Undisturbed(run_hash({symbol: book.tape.hexdigest() for symbol, book in books.items()}), window, difference)


def _window(
    engine: AsyncTimeEngine, books: Mapping[str, _SymbolBook], window: int, parts: Mapping[str, SymbolWindow]
) -> str:
    """Play one; where its commands are others than those recorded, a sentence."""
    end_ns = engine.start_ns + (window + 1) * engine.lookahead_ns
    sent, outcomes, difference = engine.collect(window), {}, ""
    for symbol, book in books.items():
        part, ours = parts.get(symbol), sent.get(symbol, NOTHING)
        theirs = NOTHING if part is None else part.commands
        if not difference and not np.array_equal(ours, theirs):
            difference = f"window {window}, {symbol}: {_difference(ours, theirs)}"
        outside = NOTHING if part is None else part.outside
        outcome = book.apply(np.concatenate([outside, ours]), end_ns)
        if outcome is not None:
            outcomes[symbol] = outcome
    engine.deliver(window, outcomes)
    return difference


def _difference(ours: Records, theirs: Records) -> str:
    for row, (our, their) in enumerate(zip(ours, theirs, strict=False)):
        if our != their:
            return f"agents send {our} as command {row}, recorded is {their}"
    return f"agents send {len(ours)} commands, {len(theirs)} are recorded"


def play_journal(scenario: Scenario, directory: Path) -> Undisturbed:
    """The same of the journal of a market with one shard, which must have all windows of its run."""
    with journal_of(directory) as journal:
        first, last = journal.span()
        return play(scenario, journal.windows(first, last), last)


def verified_hash(journal: Path, environment: Mapping[str, str]) -> str:
    """The tape hash that `marksim verify` finds when it executes a journal again that nobody writes to.

    Raises ValueError with what it says where it finds a difference, or no hash.
    """
    command = [sys.executable, "-m", "marksim", "verify", str(journal)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(environment))
    hashes = [line.partition(HASH_LINE)[2].split()[0] for line in done.stdout.splitlines() if HASH_LINE in line]
    if done.returncode or not hashes:
        raise ValueError(f"marksim verify ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-2000:]}")
    return hashes[-1]


def undisturbed_hash(market: Market) -> str:
    """The same of the journals of a market that has ended."""
    return verified_hash(market.data_dir / "journal", market.environment)
