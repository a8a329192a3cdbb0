"""Engines in lock step with books in this process, what happened in each window, and engines that are restored from it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from marksim.core.agents.spec import Cast, MarketEvent
from marksim.core.book.book import OrderBook
from marksim.core.feed.ticks import TickBuilder
from marksim.core.sim.engine import AsyncTimeEngine, SymbolOutcome
from marksim.core.sim.inputs import InputLog
from marksim.core.sim.state import EngineState
from marksim.core.types import COMMAND, Instrument, Records
from tests.core.sim.worlds import BTC, MS

LOOKAHEAD_NS = 50 * MS


@dataclass
class Taken:
    """A state, as it comes back from JSON, and the input log of then in pieces."""

    state: EngineState
    pieces: list[Mapping[str, Any]]


@dataclass
class Market:
    """An engine and its books. What it did is kept: commands and outcomes of each window."""

    cast: Cast
    instruments: Sequence[Instrument] = (BTC,)
    seed: int = 1
    limit_bytes: int = 1 << 24
    controls: dict[int, list[MarketEvent]] = field(default_factory=dict)
    """Events to be injected at the start of a window."""

    def __post_init__(self) -> None:
        self.log = InputLog(self.limit_bytes)
        self.engine = AsyncTimeEngine(self.instruments, self.cast, log=self.log, **self.clock)
        self.books = {one.symbol: OrderBook(one) for one in self.instruments}
        self.ticks = {symbol: TickBuilder(book.instrument) for symbol, book in self.books.items()}
        self.commands: list[dict[str, bytes]] = []
        self.outcomes: list[dict[str, SymbolOutcome]] = []
        self.taken: dict[int, Taken] = {}
        self._pieces: list[Mapping[str, Any]] = []
        self._mark = self.log.mark()

    @property
    def clock(self) -> dict[str, Any]:
        return {"seed": self.seed, "start_ns": 0, "lookahead_ns": LOOKAHEAD_NS}

    def run(self, windows: int, take_every: int = 0) -> "Market":
        """Play so many more windows; take the state after each so many."""
        for window in range(len(self.outcomes), len(self.outcomes) + windows):
            for event in self.controls.get(window, []):
                assert self.engine.inject(event) == window
            commands = self.engine.collect(window)
            self.commands.append(as_bytes(commands))
            self.outcomes.append(self.applied(window, commands))
            self.engine.deliver(window, self.outcomes[-1])
            if take_every and window % take_every == take_every - 1:
                self.take(window)
        return self

    def applied(self, window: int, commands: Mapping[str, Records]) -> dict[str, SymbolOutcome]:
        """What the books do of it."""
        outcomes = {}
        for symbol, book in self.books.items():
            rows = commands.get(symbol)
            output = book.apply(np.zeros(0, COMMAND) if rows is None else rows, (window + 1) * LOOKAHEAD_NS - 1)
            if len(output.executions):
                tick = self.ticks[symbol].update(output, book.session)
                outcomes[symbol] = SymbolOutcome(output.executions, tick)
        return outcomes

    def take(self, window: int) -> None:
        state = self.engine.state()
        self._pieces.append(self.log.since(self._mark))
        self._mark = self.log.mark()
        self.taken[window] = Taken(through_json(state), list(self._pieces))

    def restored(self, window: int, **changed: Any) -> AsyncTimeEngine:
        """An engine from the state that was taken after that window; `cast` may be another one."""
        taken = self.taken[window]
        terms = {"cast": self.cast, "log": InputLog.joined(taken.pieces, self.limit_bytes), **self.clock, **changed}
        return AsyncTimeEngine(self.instruments, state=taken.state, **terms)

    def follow(self, engine: AsyncTimeEngine, first: int, last: int) -> None:
        """Let another engine play windows that were played; it must send the same."""
        for window in range(first, last + 1):
            for event in self.controls.get(window, []):
                assert engine.inject(event) == window
            assert as_bytes(engine.collect(window)) == self.commands[window], f"window {window}"
            engine.deliver(window, self.outcomes[window])

    def check(self) -> None:
        """From each state that was taken an engine goes on to the present, and is then all that this one is."""
        now = through_json(self.engine.state())
        assert self.taken
        for window in self.taken:
            engine = self.restored(window)
            self.follow(engine, window + 1, len(self.outcomes) - 1)
            assert_equal(through_json(engine.state()), now)
            engine.close()
        self.engine.close()


def as_bytes(commands: Mapping[str, Records]) -> dict[str, bytes]:
    return {symbol: rows.tobytes() for symbol, rows in commands.items()}


def through_json(state: EngineState) -> EngineState:
    """The state as a file gives it back."""
    return EngineState(json.loads(json.dumps(state.document)), state.arrays)


def assert_equal(left: EngineState, right: EngineState) -> None:
    """Both are the same in everything that counts: addresses, and rows that nobody reads, do not."""
    assert left.document == right.document
    assert left.arrays.keys() == right.arrays.keys()
    for name, array in left.arrays.items():
        other = right.arrays[name]
        if name.endswith("counters"):
            names = [one for one in array.dtype.names or () if not one.endswith(("_address", "_length"))]
            assert {one: array[one].item() for one in names} == {one: other[one].item() for one in names}
        else:
            assert array.tobytes() == other.tobytes(), name
