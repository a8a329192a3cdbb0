"""Whether a book in its steady state allocates: its arrays stay the same ones, and neither Python's memory nor the
process grows. What a batch gives its caller is the caller's, and is let go of at once.
"""

import gc
import tracemalloc
from dataclasses import dataclass

import psutil

from bench.memory import own_processes
from bench.mixes import BTC, MIXES, stream_of
from bench.report import Report
from marksim.core.book.book import OrderBook

BATCH = 4_096


@dataclass(frozen=True)
class Steady:
    commands: int
    arrays_replaced: int
    traced: int
    """Bytes by which what Python holds grew."""
    resident: int
    """Bytes by which the process grew."""


def watch(mix: str, commands: int, resting: int | None = None) -> Steady:
    """Run a long stream on a book that was brought into its state, and look before and after."""
    stream = stream_of(MIXES[mix], commands, seed=3, resting=resting)
    book = OrderBook(BTC)
    warm = [part.commands for part in stream.parts if not part.timed]
    (timed,) = (part.commands for part in stream.parts if part.timed)
    batches = [timed[at : at + BATCH] for at in range(0, len(timed), BATCH)]
    # The first half sees the largest batch and the fullest book, about.
    for part in (*warm, *batches[: len(batches) // 2]):
        book.apply(part)
    rest = batches[len(batches) // 2 :]
    process = psutil.Process()
    arrays = identities(book)
    gc.collect()
    tracemalloc.start()
    resident, (traced, _) = process.memory_info().rss, tracemalloc.get_traced_memory()
    for part in rest:
        book.apply(part)
    grown = process.memory_info().rss - resident
    held = tracemalloc.get_traced_memory()[0] - traced
    tracemalloc.stop()
    after = identities(book)
    replaced = sum(after[name] != array for name, array in arrays.items())
    return Steady(sum(map(len, rest)), replaced, held, grown)


def identities(book: OrderBook) -> dict[str, tuple[int, int]]:
    """Where each array of a book is, and how large; output included."""
    memory = book.memory
    arrays = {name: getattr(memory, name) for name in memory.__slots__}
    return {name: (array.ctypes.data, array.nbytes) for name, array in arrays.items() if hasattr(array, "ctypes")}


def steady(report: Report, commands: int = 1_000_000, resting: int | None = None) -> None:
    """The table of two mixes."""
    rows: list[list[str | int]] = []
    with own_processes() as pool:
        for mix in ("churn", "full"):
            seen = pool.apply(watch, (mix, commands, resting))
            rows.append([mix, seen.commands, seen.arrays_replaced, seen.traced, seen.resident >> 10])
    report.heading("A long run in the steady state")
    report.table(["mix", "commands", "arrays replaced", "Python's growth, bytes", "process growth, KiB"], rows)
