"""What a journal takes: bytes of a window, time of an append, and how fast its windows are read again.

The windows are those of populations: of a ready scenario, and of the busiest one, its commands taken a thousand at a time.
A book plays them again; what it made of them is then appended to journals on the disk that temporary files are on.
"""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.report import Cell, Report
from marksim.core.book.book import OrderBook
from marksim.core.feed.packing import pack
from marksim.core.feed.ticks import NO_TICKS, TickBuilder, tick_row
from marksim.core.rows import join
from marksim.core.sim.simulation import Simulation
from marksim.core.types import COMMAND, NS_PER_S, Instrument, Records
from marksim.scenario import load_scenario
from marksim.store.journal import Durability, Journal
from marksim.store.sealed import squeeze
from marksim.store.windows import RecordedWindow, RunRecord, SymbolWindow

SIZE: Final = 1_000
SECONDS: Final = 600.0
"""Simulated."""
SCENARIOS: Final = ("stress", "default")
"""The one whose orders are taken a thousand at a time, and the one whose windows are taken as they are."""
Input = tuple[int, Records]
"""The end of a window, and its commands."""


def commands_of(scenario: str, seconds: float) -> tuple[Instrument, Records, int, int]:
    """Its first instrument and all commands for that, the run's start, and the length of its windows."""
    loaded = load_scenario(scenario)
    instruments = loaded.instruments()
    times = {"start_ns": loaded.start_ns, "lookahead_ns": loaded.lookahead_ns}
    simulation = Simulation(instruments, loaded.cast(), seed=1, **times)
    pieces = [
        piece.commands.copy()
        for piece in simulation.run(loaded.start_ns + int(seconds * NS_PER_S))
        if piece.symbol == instruments[0].symbol
    ]
    return instruments[0], join(pieces, COMMAND), loaded.start_ns, loaded.lookahead_ns


def by_count(rows: Records) -> list[Input]:
    """SIZE commands a window."""
    parts = [rows[at : at + SIZE] for at in range(0, len(rows) - SIZE + 1, SIZE)]
    return [(int(part["time_ns"][-1]) + 1, part) for part in parts]


def by_time(rows: Records, start_ns: int, lookahead_ns: int) -> list[Input]:
    """As the scenario has them, those without commands too."""
    numbers = (rows["time_ns"] - start_ns) // lookahead_ns
    bounds = np.searchsorted(numbers, np.arange(int(numbers[-1]) + 1))
    ends = [*bounds[1:].tolist(), len(rows)]
    pairs = enumerate(zip(bounds.tolist(), ends, strict=True))
    return [(start_ns + (window + 1) * lookahead_ns, rows[first:last]) for window, (first, last) in pairs]


def play(instrument: Instrument, inputs: Sequence[Input], start_ns: int) -> tuple[list[RecordedWindow], float]:
    """What a book makes of them, with nothing kept; and the seconds that it took."""
    book, rng, none = OrderBook(instrument, start_ns=start_ns), np.random.default_rng(1), np.zeros(0, COMMAND)
    ticks = TickBuilder(instrument, book.session_state)
    digests = rng.integers(0, 1 << 64, len(inputs), dtype=np.uint64).tolist()
    windows, spent, previous = [], 0.0, -1
    for number, ((end_ns, rows), digest) in enumerate(zip(inputs, digests, strict=True)):
        began = time.perf_counter()
        output = book.apply(rows, end_ns)
        shown = ticks.update(output, book.session) if len(output.executions) else None
        spent += time.perf_counter() - began
        tick = tick_row(shown, int(output.executions["sequence"][-1])) if shown else NO_TICKS
        rows_out = output.executions, output.quotes, output.depth, tick
        has_part = len(rows) or any(map(len, rows_out))
        part = SymbolWindow(none, rows, *rows_out, None, previous, digest)
        windows.append(RecordedWindow(number, number, bytes(16), b"", {instrument.symbol: part} if has_part else {}))
        previous = number if has_part else previous
    return windows, spent


def sizes(windows: Sequence[RecordedWindow]) -> tuple[int, int, int]:
    """Bytes of input, of the reply (executions, quotes and tick), and of the rest of the frame, each squeezed on its own."""
    total = [0, 0, 0]
    for window in windows:
        for part in window.parts.values():
            reply = pack(part.executions) + pack(part.quotes) + pack(part.tick)
            for index, data in enumerate((pack(part.commands), reply, pack(part.depth))):
                total[index] += len(squeeze(data))
    return total[0], total[1], total[2]


def append_all(
    windows: Sequence[RecordedWindow], symbol: str, durability: Durability
) -> tuple[NDArray[np.float64], NDArray[np.float64], float, int]:
    """Microseconds to pack each window, and to write it; seconds to read the input of all again; bytes of the file."""
    run = RunRecord("bench", "bench", "", "", 1, 0, 1, 0, 1, (symbol,))
    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder), durability) as journal:
        journal.begin(run)
        packing, writing = np.zeros(len(windows)), np.zeros(len(windows))
        for index, window in enumerate(windows):
            began = time.perf_counter()
            prepared = journal.prepare(window)
            between = time.perf_counter()
            journal.commit(prepared)
            packing[index], writing[index] = between - began, time.perf_counter() - between
        began = time.perf_counter()
        read = sum(len(part.commands) for block in journal.blocks(0) for part in block.symbols.values())
        read_s = time.perf_counter() - began
        assert read == sum(len(part.commands) for window in windows for part in window.parts.values())
        return packing * 1e6, writing * 1e6, read_s, journal.info().used_bytes


def journal(report: Report, orders: int = 500_000, windows: int = 12_000, seconds: float = SECONDS) -> None:
    """The tables of bytes and of times."""
    weights: list[list[Cell]] = []
    times: list[list[Cell]] = []
    for scenario in SCENARIOS:
        instrument, rows, start_ns, lookahead_ns = commands_of(scenario, seconds)
        is_busy = scenario == "stress"
        inputs = by_count(rows[:orders]) if is_busy else by_time(rows, start_ns, lookahead_ns)[:windows]
        name = f"{SIZE:,} orders a window" if is_busy else f"windows of {scenario}"
        recorded, bare_s = play(instrument, inputs, start_ns)
        count = sum(len(rows) for _, rows in inputs)
        taken = sizes(recorded)
        weights.append([name, *(size / count for size in taken), *(size / len(recorded) for size in taken)])
        times.append([f"{name}: no journal, book and tick alone", bare_s / len(inputs) * 1e6, "", "", "", "", ""])
        for durability in (Durability.PROCESS, Durability.DISK):
            packing, writing, read_s, file_bytes = append_all(recorded, instrument.symbol, durability)
            middle, high, most = np.percentile(packing + writing, (50, 99, 100)).tolist()
            read, size = len(recorded) / read_s, file_bytes / len(recorded)
            times.append([f"{name}: {durability}", middle, float(np.median(packing)), high, most, read, size])
    report.heading("Bytes of a journal, zstd level 1, each part on its own")
    parts = ("input", "reply: executions, quotes, tick", "rest: depth")
    report.table(["", *(f"{part}, an order" for part in parts), *(f"{part}, a window" for part in parts)], weights)
    report.heading("Microseconds that an append takes, beside those of the window itself; and reading the input again")
    columns = ["", "median", "of it packing", "p99", "most", "windows/s read", "bytes of file a window"]
    report.table(columns, times)
