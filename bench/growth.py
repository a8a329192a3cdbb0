"""What a command costs as the book grows: time, and slots and levels that it looks at.

Half of the commands cancel orders at random, the other half bring new ones, 20 a level, so that the book stays as large as
it is. The time of the limit-and-cancel book beside it grows by what reading farther memory costs any book.
"""

from statistics import median
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.book import seconds
from bench.limit_cancel import LimitCancelBook
from bench.mixes import BTC, Mix, Stream, stream_of
from bench.report import Report
from marksim.core.book.book import OrderBook

SIZES: Final = (100, 1_000, 10_000, 100_000, 1_000_000)
BASE: Final = 1_000
"""What the others are held against."""
ORDERS_A_LEVEL: Final = 20
BATCH: Final = 4_096


def churning(resting: int) -> Mix:
    """Random cancels and as many new orders, on so many levels that each has 20."""
    a_side = max(resting // ORDERS_A_LEVEL // 2, 1)

    def anywhere(rng: np.random.Generator, count: int) -> NDArray[np.int64]:
        return rng.integers(1, a_side + 1, count)

    return Mix("random cancels and as many new orders", resting, 0.5, 0.0, anywhere)


def touched_by(stream: Stream) -> tuple[float, float]:
    """Slots and levels that a command looks at."""
    book = OrderBook(BTC)
    before = (0, 0)
    for part in stream.parts:
        if part.timed:
            before = book.touched
        for at in range(0, len(part.commands), BATCH):
            book.apply(part.commands[at : at + BATCH])
    slots, levels = (after - earlier for after, earlier in zip(book.touched, before, strict=True))
    return slots / stream.timed, levels / stream.timed


def growth(report: Report, sizes: tuple[int, ...] = SIZES, commands: int = 200_000, rounds: int = 7) -> None:
    """The table over sizes of book."""
    figures: dict[int, tuple[float, ...]] = {}
    for resting in sizes:
        stream = stream_of(churning(resting), commands, seed=2)
        ours, theirs = [], []
        for _ in range(rounds):
            ours.append(seconds(OrderBook(BTC).apply_in_place, stream.parts, BATCH))
            peer = LimitCancelBook(BTC, stream.serials, stream.serials)
            theirs.append(seconds(peer.apply, stream.parts, BATCH))
        times = (median(times) / commands * 1e9 for times in (ours, theirs))
        figures[resting] = (*times, *touched_by(stream))
    base = figures[BASE if BASE in figures else sizes[0]]
    rows = []
    for resting, own in figures.items():
        cells = [f"{value:.3g} ({value / held:.2f})" for value, held in zip(own, base, strict=True)]
        rows.append([f"{resting:,}", *cells])
    report.heading("A command as the book grows, in batches of 4,096 (and as a multiple of that with 1,000 resting orders)")
    report.table(["resting orders", "ns", "ns, limit and cancel", "slots", "levels"], rows)
