"""What the journal costs a window: the same windows to two order book processes over gRPC, one that keeps them and one that
does not, in turns. Round trips as the engine's side of the wire sees them (`engine.shard.Shard`).
"""

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import uvloop

from bench.engine_to_book import SCENARIO, cut, trading, windows_of, written
from bench.grpc_unary import order_book
from bench.mixes import BTC, MIXES, stream_of
from bench.report import Cell, Report
from marksim.core.types import Records
from marksim.engine.shard import Shard

SIZES: Final = (1_000, 100, 3)
TURNS: Final = 8
MODES: Final = ("none", "process", "disk")


@dataclass
class Times:
    """Seconds of each window, by durability."""

    of: dict[str, list[float]] = field(default_factory=lambda: {mode: [] for mode in MODES})

    def rate(self, mode: str) -> float:
        """Windows a second."""
        return len(self.of[mode]) / sum(self.of[mode])

    def at(self, mode: str, percentile: float) -> float:
        """Milliseconds that so many percent of the windows stay below."""
        return float(np.percentile(self.of[mode], percentile)) * 1e3


async def timed(shard: Shard, first: int, windows: Sequence[Records]) -> list[float]:
    """Seconds of each window."""
    seconds = []
    for number, rows in enumerate(windows):
        began = time.perf_counter()
        await shard.trade(first + number, {BTC.symbol: rows})
        seconds.append(time.perf_counter() - began)
    return seconds


async def measure(size: int, count: int, turns: int = TURNS) -> Times:
    """So many windows of so many orders a turn, to each book in its turn."""
    times = Times()
    with written(SCENARIO) as file, tempfile.TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            shards: dict[str, Shard] = {}
            for mode in MODES:
                flags = ("--scenario", file, "--durability", mode, "--journal", str(Path(folder, mode)))
                port = await stack.enter_async_context(order_book(*flags))
                shards[mode] = await stack.enter_async_context(trading(port))
            streams = {mode: _commands(size, count * (turns + 1)) for mode in MODES}
            for turn in range(turns + 1):
                for mode, shard in shards.items():
                    first = turn * count
                    seconds = await timed(shard, first, windows_of(size, count, first, streams[mode]))
                    # The first turn fills the book.
                    if turn:
                        times.of[mode] += seconds
    return times


def _commands(size: int, count: int) -> Iterator[Records]:
    stream = stream_of(MIXES["churn"], size * count, 1)
    return (window for part in stream.parts for window in cut(part.commands, size))


def journal_cost(report: Report, sizes: Sequence[int] = SIZES, windows: int = 250, turns: int = TURNS) -> None:
    """Windows a second and their times, with each durability and without a journal."""
    rows: list[list[Cell]] = []
    for size in sizes:
        times = uvloop.run(measure(size, windows, turns))
        none = times.rate("none")
        for mode in MODES:
            rate, p99 = times.rate(mode), times.at(mode, 99)
            more = p99 - times.at("none", 99)
            rows.append([f"{size:,}, {mode}", rate, rate / none, times.at(mode, 50), p99, more])
    report.heading("Windows of orders over gRPC, with the journal and without it, in turns")
    report.table(["orders in a window, durability", "windows/s", "of none", "median ms", "p99 ms", "p99 more, ms"], rows)
