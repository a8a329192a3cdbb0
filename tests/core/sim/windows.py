"""A simulation window by window, as most tests look at it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from marksim.core.feed.ticks import tick_of
from marksim.core.sim.simulation import Piece, Simulation
from marksim.core.types import BookOutput, Records, Tick


@dataclass(frozen=True, slots=True)
class SymbolWindow:
    """What one window did to one symbol."""

    window: int
    symbol: str
    output: BookOutput
    tick: Tick | None


def windows(simulation: Simulation, until_ns: int) -> Iterator[SymbolWindow]:
    """Run every window that ends by then; those in which something happened, symbol by symbol within a piece."""
    for piece in simulation.run(until_ns):
        yield from split(piece, simulation.engine.start_ns, simulation.engine.lookahead_ns)


def one_by_one(simulation: Simulation, until_ns: int) -> Iterator[SymbolWindow]:
    """The same, and after each the books stand as it left them."""
    while (end_ns := simulation.now_ns + simulation.engine.lookahead_ns) <= until_ns:
        yield from windows(simulation, end_ns)


def split(piece: Piece, start_ns: int, lookahead_ns: int) -> Iterator[SymbolWindow]:
    """The windows of a piece."""

    def of(rows: Records, window: int) -> Records:
        begin_ns = start_ns + window * lookahead_ns
        first, last = np.searchsorted(rows["time_ns"], (begin_ns, begin_ns + lookahead_ns))
        return rows[first:last].copy()

    for window in np.unique((piece.executions["time_ns"] - start_ns) // lookahead_ns).tolist():
        output = BookOutput(of(piece.executions, window), of(piece.quotes, window), of(piece.depth, window))
        ticks = of(piece.ticks, window)
        yield SymbolWindow(window, piece.symbol, output, tick_of(ticks[0].item()) if len(ticks) else None)
