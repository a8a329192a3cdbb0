"""Book and agents in one process: the same windows as over gRPC, with nothing between them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from marksim.core.agents import AgentSpec
from marksim.core.book.book import OrderBook
from marksim.core.feed.ticks import TickBuilder
from marksim.core.sim.engine import AsyncTimeEngine, SymbolOutcome
from marksim.core.types import COMMAND, BookOutput, Instrument, Tick

_NO_COMMANDS: Final = np.zeros(0, COMMAND)


@dataclass(frozen=True, slots=True)
class SymbolWindow:
    """What one window did to one symbol."""

    window: int
    symbol: str
    output: BookOutput
    tick: Tick | None


class Simulation:
    """Runs a scenario's agents against its books. Windows with nothing due are skipped, which leaves the tape as it is."""

    def __init__(
        self,
        instruments: Sequence[Instrument],
        agents: Sequence[AgentSpec],
        *,
        seed: int,
        start_ns: int,
        lookahead_ns: int,
    ) -> None:
        self.engine = AsyncTimeEngine(instruments, agents, seed=seed, start_ns=start_ns, lookahead_ns=lookahead_ns)
        self.books = {instrument.symbol: OrderBook(instrument, start_ns=start_ns) for instrument in instruments}
        self.ticks = {symbol: TickBuilder(book.instrument, book.session_state) for symbol, book in self.books.items()}
        self.window = -1

    def run(self, until_ns: int) -> Iterator[SymbolWindow]:
        """Run every window that ends by `until_ns`; yield what each did to each symbol, in order."""
        engine = self.engine
        last = (until_ns - engine.start_ns) // engine.lookahead_ns - 1
        while (window := self._next_window()) is not None and window <= last:
            self.window = window
            outcomes = {}
            commands, end_ns = engine.collect(window), engine.start_ns + (window + 1) * engine.lookahead_ns
            for symbol, book in self.books.items():
                if symbol not in commands and not book.due_before(end_ns):
                    continue
                output = book.apply(commands.get(symbol, _NO_COMMANDS), end_ns)
                tick = self.ticks[symbol].update(output, book.session)
                outcomes[symbol] = SymbolOutcome(output.executions, tick)
                yield SymbolWindow(window, symbol, output, tick)
            engine.deliver(window, outcomes)
        self.window = max(self.window, last)

    def _next_window(self) -> int | None:
        due = [self.engine.next_due_ns, *(book.next_due_ns for book in self.books.values())]
        due_ns = min((time_ns for time_ns in due if time_ns is not None), default=None)
        if due_ns is None:
            return None
        return max(self.window + 1, (due_ns - self.engine.start_ns) // self.engine.lookahead_ns)
