"""What recovery costs: how fast recorded commands are played again, tape hash and digests included, and how long a book is
held for a snapshot of its state.

Windows of 1,000 orders are of the mix `churn`; those of a ready scenario are what its simulation has sent. A re-execution
must end with the tape hash and the book of the first execution, or the run ends.
"""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.memory import BATCH, resting_orders
from bench.mixes import BTC, MIXES, stream_of
from bench.report import Report
from marksim.core.book.book import OrderBook
from marksim.core.book.resting import DEFAULT_MAX_ORDERS
from marksim.core.feed.rerun import Rerun
from marksim.core.feed.tape import TapeHash
from marksim.core.feed.ticks import TickBuilder
from marksim.core.rows import join
from marksim.core.sim.simulation import Simulation
from marksim.core.types import COMMAND, Instrument, Records
from marksim.orderbook.recovery import Playing
from marksim.orderbook.shard import Shard
from marksim.scenario import load_scenario
from marksim.store.journal import Journal
from marksim.store.windows import RecordedWindow, RunRecord, SymbolWindow

BLOCK: Final = 1_024
"""Windows that a journal gives at a time."""
WINDOW: Final = 1_000
START_NS: Final = 1_736_121_600 * 10**9
LOOKAHEAD_NS: Final = 50_000_000


@dataclass(frozen=True)
class Recorded:
    """One symbol's windows as a journal has them."""

    what: str
    instrument: Instrument
    before: list[Records]
    """Commands that bring the book into its state, which are not measured."""
    commands: Records
    bounds: NDArray[np.int64]
    start_ns: int
    lookahead_ns: int
    book_hash: str
    tape_hash: str | None
    """None where nobody has seen the first execution's."""

    @property
    def windows(self) -> int:
        return len(self.bounds) - 1


def churned(orders: int) -> Recorded:
    """Windows of the mix, whose times are spread over each of them."""
    stream = stream_of(MIXES["churn"], orders, 1)
    before = [part.commands for part in stream.parts if not part.timed]
    commands = join([part.commands for part in stream.parts if part.timed], COMMAND)
    commands["time_ns"] = START_NS + np.arange(orders) * (LOOKAHEAD_NS // WINDOW)
    book = OrderBook(BTC, start_ns=START_NS)
    for part in (*before, commands):
        book.apply_in_place(part)
    bounds = np.append(np.arange(0, orders, WINDOW), orders)
    what = f"churn, {WINDOW:,} orders a window"
    return Recorded(what, BTC, before, commands, bounds, START_NS, LOOKAHEAD_NS, book.state_hash(), None)


def simulated(name: str, seconds: int) -> Recorded:
    """The first symbol of a ready scenario."""
    scenario = load_scenario(name)
    start_ns, lookahead_ns = scenario.start_ns, scenario.lookahead_ns
    instrument = scenario.instruments()[0]
    simulation = Simulation(scenario.instruments(), scenario.cast(), seed=1, start_ns=start_ns, lookahead_ns=lookahead_ns)
    parts, hashed = [], TapeHash()
    for piece in simulation.run(start_ns + seconds * 10**9):
        if piece.symbol == instrument.symbol:
            parts.append(piece.commands.copy())
            hashed.update(piece.executions, piece.ticks)
    commands = join(parts, COMMAND)
    window = (commands["time_ns"] - start_ns) // lookahead_ns
    bounds = np.searchsorted(window, np.arange(simulation.window + 2))
    book_hash = simulation.books[instrument.symbol].state_hash()
    return Recorded(name, instrument, [], commands, bounds, start_ns, lookahead_ns, book_hash, hashed.hexdigest())


def replayed(recorded: Recorded) -> tuple[float, int]:
    """Wall seconds of a re-execution, and how many windows had output."""
    book = OrderBook(recorded.instrument, start_ns=recorded.start_ns)
    for part in recorded.before:
        book.apply_in_place(part)
    ticks, tape_hash = TickBuilder(recorded.instrument, book.session_state), TapeHash()
    rerun = Rerun(book, ticks, tape_hash, recorded.start_ns, recorded.lookahead_ns)
    bounds, outputs = recorded.bounds, 0
    began = time.perf_counter()
    for first in range(0, recorded.windows, BLOCK):
        last = min(first + BLOCK, recorded.windows) - 1
        begin = bounds[first]
        commands = recorded.commands[begin : bounds[last + 1]]
        outputs += len(rerun.play(first, last, commands, bounds[first : last + 2] - begin).windows)
    took = time.perf_counter() - began
    if book.state_hash() != recorded.book_hash or recorded.tape_hash not in (None, tape_hash.hexdigest()):
        raise SystemExit(f"{recorded.what}: the re-execution has come to another end")
    return took, outputs


def shard_of(recorded: Recorded) -> Shard:
    """An order book's shard before the first of these windows."""
    shard = Shard([recorded.instrument], DEFAULT_MAX_ORDERS, recorded.start_ns)
    for part in recorded.before:
        shard.books[recorded.instrument.symbol].book.apply_in_place(part)
    return shard


def write_journal(recorded: Recorded, run: RunRecord, journal: Journal) -> None:
    """What an order book that does these windows keeps of them."""
    symbol, none = recorded.instrument.symbol, np.zeros(0, COMMAND)
    traded, bounds = shard_of(recorded).books[symbol], recorded.bounds.tolist()
    journal.begin(run)
    for window in range(recorded.windows):
        commands = recorded.commands[bounds[window] : bounds[window + 1]]
        done = traded.apply(window, run.end_ns(window), commands, snapshot=False)
        output, parts = done.output, {}
        if len(commands) or len(output.executions):
            rows = output.executions, output.quotes, output.depth, done.tick
            parts[symbol] = SymbolWindow(none, commands, *rows, None, done.previous_window, done.digest)
        journal.append(RecordedWindow(window, window, bytes(16), b"", parts))


def from_journal(recorded: Recorded, rounds: int) -> list[float]:
    """Wall seconds in which an order book gets to the end of a journal of these windows: read, checked, played, compared."""
    symbols, seconds = (recorded.instrument.symbol,), []
    run = RunRecord("bench", "bench", "", "", 1, recorded.start_ns, recorded.lookahead_ns, 0, 1, symbols)
    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder)) as journal:
        write_journal(recorded, run, journal)
        for _ in range(rounds):
            playing = Playing(shard_of(recorded), run)
            began = time.perf_counter()
            for block in journal.blocks(0, None, BLOCK):
                if (window := playing.play(block)) is not None:
                    raise SystemExit(f"{recorded.what}: window {window} comes out otherwise than it was recorded")
            seconds.append(time.perf_counter() - began)
    return seconds


def held(orders: int, terms: bool, rounds: int) -> tuple[float, float, float, float]:
    """MiB of a state, and milliseconds: of taking it, the median and the longest, and of making a book of it, the median."""
    book = OrderBook(BTC)
    for at in range(0, orders, BATCH):
        book.apply_in_place(resting_orders(min(BATCH, orders - at), at + 1, terms))
    states, restored = [], []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        state = book.state()
        between = time.perf_counter()
        other = OrderBook.restored(BTC, int(book.memory.counters["max_orders"][0]), state)
        states.append(1e3 * (between - began))
        restored.append(1e3 * (time.perf_counter() - between))
    if other.state_hash() != book.state_hash():
        raise SystemExit("a book from a state is another one")
    size = sum(array.nbytes for array in state.values()) / 2**20
    return size, median(states[1:]), max(states), median(restored[1:])


def recovery(
    report: Report,
    orders: int = 1_000_000,
    scenarios: tuple[tuple[str, int], ...] = (("default", 3_600), ("stress", 600), ("million", 600)),
    rounds: int = 5,
    resting: int = 100_000,
) -> None:
    """Both tables."""
    rows: list[list[str | float]] = []
    for recorded in (churned(orders), *(simulated(name, seconds) for name, seconds in scenarios)):
        times, outputs = zip(*(replayed(recorded) for _ in range(rounds)), strict=True)
        took, count = median(times), len(recorded.commands)
        whole = median(from_journal(recorded, rounds))
        rates = [f"{count / took / 1e6:.3g}", recorded.windows / took, outputs[0] / took]
        rates += [f"{count / whole / 1e6:.3g}", recorded.windows / whole]
        rows.append([recorded.what, count / recorded.windows, *rates])
    report.heading("Re-execution: windows of one symbol once more, with ticks, digests and tape hash")
    columns = ["windows", "orders a window", "million orders/s", "windows/s", "windows with output/s"]
    report.table([*columns, "from a journal, million orders/s", "from a journal, windows/s"], rows)
    kinds = (("plain", False), ("icebergs, GTD, stops", True))
    report.heading(f"State of a book with {resting:,} open orders, in milliseconds")
    cells: list[list[str | float]] = [[name, *held(resting, terms, max(rounds, 2))] for name, terms in kinds]
    report.table(["orders", "MiB", "state, median", "longest", "book from a state, median"], cells)
