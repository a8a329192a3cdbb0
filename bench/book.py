"""Commands a second of the order book, beside a limit-and-cancel book and the plain twin, over mixes and sizes of batch."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Final

import numpy as np

from bench.limit_cancel import LimitCancelBook
from bench.mixes import BTC, MIXES, Part, Stream, stream_of
from bench.report import Report
from marksim.core.book.book import OrderBook
from marksim.core.book.reference import ReferenceBook
from marksim.core.types import CommandKind, OrderType, Records, TimeInForce

BATCHES: Final = (1, 16, 256, 4_096)
BUILT_IN: Final = 4_096
"""What is not timed is applied in batches of this size."""


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    commands: int = 500_000
    """Of a round in the largest batches; a smaller batch gets as many as take about as long."""
    rounds: int = 15
    twin: int = 2_000
    twin_resting: int = 5_000
    """At most so many resting orders has the twin, which would take minutes to get those of the deep book."""
    resting: int | None = None
    """Instead of the mix's own number."""

    def of(self, batch: int) -> int:
        """Commands in batches of that size."""
        return max(self.commands * batch // (batch + 64), 1) if batch < BATCHES[-1] else self.commands


@dataclass(frozen=True)
class Figure:
    """Commands a second of one book."""

    rate: float
    spread: float
    """Slowest to fastest round, as a share of the median."""


def first(parts: list[Part], timed: int) -> list[Part]:
    """As much of a stream as has so many commands that are timed."""
    short = []
    for part in parts:
        commands = part.commands[:timed] if part.timed else part.commands
        timed -= len(commands) if part.timed else 0
        short.append(Part(commands, part.timed))
        if timed == 0:
            break
    return short


def plain_of(parts: list[Part], serials: int) -> list[Part]:
    """Of a stream the limit orders without terms, and their cancels."""
    plain = np.zeros(serials, np.bool_)
    kept = []
    for part in parts:
        commands = part.commands
        orders = (commands["kind"] == CommandKind.NEW) & (commands["order_type"] == OrderType.LIMIT)
        orders &= commands["time_in_force"] == TimeInForce.GTC
        for name in ("display_lots", "post_only", "min_quantity_lots", "self_trade_prevention"):
            orders &= commands[name] == 0
        plain[commands["serial"][orders]] = True
        cancels = (commands["kind"] == CommandKind.CANCEL) & plain[commands["target_serial"]]
        kept.append(Part(commands[orders | cancels], part.timed))
    return kept


def seconds(apply: Callable[[Records], object], parts: list[Part], batch: int) -> float:
    """Wall time of what is timed, in batches of that size."""
    total = 0.0
    for part in parts:
        size = batch if part.timed else BUILT_IN
        slices = [part.commands[at : at + size] for at in range(0, len(part.commands), size)]
        began = time.perf_counter()
        for commands in slices:
            apply(commands)
        if part.timed:
            total += time.perf_counter() - began
    return total


def figure(times: list[float], commands: int) -> Figure:
    middle = median(times)
    return Figure(commands / middle, (max(times) - min(times)) / middle)


def timed_in(parts: list[Part]) -> int:
    return sum(len(part.commands) for part in parts if part.timed)


def measure(stream: Stream, batch: int, sizes: Sizes) -> tuple[Figure, Figure]:
    """The order book and the limit-and-cancel book, in turns; each round on a new book that was brought into its state."""
    parts = first(stream.parts, sizes.of(batch))
    plain = plain_of(parts, stream.serials)
    ours, theirs = [], []
    for _ in range(sizes.rounds):
        book = OrderBook(BTC)
        ours.append(seconds(book.apply_in_place, parts, batch))
        peer = LimitCancelBook(BTC, stream.serials, stream.serials)
        theirs.append(seconds(peer.apply, plain, batch))
    if timed_in(parts) == stream.timed and book.state_hash() != stream.state_hash:
        raise SystemExit(f"batch {batch}: the book is not in the state in which it was when the stream was made")
    return figure(ours, timed_in(parts)), figure(theirs, timed_in(plain))


def twin_rate(stream: Stream) -> float:
    """Commands a second of the plain twin, whose state must be the book's."""
    twin = ReferenceBook(BTC)
    rate = stream.timed / seconds(twin.apply, stream.parts, BUILT_IN)
    if twin.state_hash() != stream.state_hash:
        raise SystemExit("the order book and its twin differ")
    return rate


def throughput(report: Report, sizes: Sizes, mixes: list[str], batches: tuple[int, ...] = BATCHES) -> None:
    """The table of all mixes."""
    rows: list[list[str | float]] = []
    shapes: list[list[str | int | float]] = []
    for name in mixes:
        mix = MIXES[name]
        stream = stream_of(mix, sizes.commands, seed=1, resting=sizes.resting)
        figures = [measure(stream, batch, sizes) for batch in sorted(batches)]
        twin = twin_rate(stream_of(mix, sizes.twin, seed=1, resting=min(mix.resting, sizes.twin_resting), warm=0))
        cells = [f"{ours.rate / 1e6:.3g} ({ours.rate / peer.rate:.2f})" for ours, peer in figures]
        ours, peer = figures[-1]
        rows.append([name, *cells, f"{ours.spread:.0%}", peer.rate / 1e6, f"{peer.spread:.0%}", f"{twin / 1e6:.4f}"])
        trades = stream.trades / stream.timed
        shapes.append([name, stream.resting, stream.levels, trades, stream.swept, f"{stream.vain:.2%}"])
    report.heading("Million commands a second by size of batch (and as a share of the limit-and-cancel book's)")
    sizes_of_batch = [f"{batch:,}" for batch in sorted(batches)]
    report.table(["mix", *sizes_of_batch, "spread", "limit and cancel", "spread", "twin"], rows)
    report.note("What the books had at the end, and what the commands did:")
    report.table(["mix", "open orders", "levels", "trades a command", "levels a taker", "named in vain"], shapes)
