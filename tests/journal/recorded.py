"""Small journals as an order book writes them: books, ticks and digests of a market of two symbols, window by window."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from marksim.core.book.book import OrderBook
from marksim.core.feed.digest import rows_digest
from marksim.core.feed.tape import TapeHash
from marksim.core.feed.ticks import NO_TICKS, TickBuilder, tick_row
from marksim.core.rows import choose
from marksim.core.sim.simulation import Simulation
from marksim.core.types import COMMAND, NS_PER_MINUTE, OUTSIDE_ACCOUNTS_FROM, TRADE, BookOutput, Records
from marksim.journal.states import BookState
from marksim.scenario import Scenario, load_scenario
from marksim.store.journal import Journal
from marksim.store.snapshots import snapshot_path
from marksim.store.windows import RecordedWindow, RunRecord, SymbolWindow

BTC, ETH = "BTC/USD", "ETH/USD"
RUN = "5b7a3c52-0000-4000-8000-000000000001"
WINDOWS = 400
CONTROLLED = 17
"""A window with an outside order in each symbol, and an input of the engine's own."""
NO_COMMANDS: Records = np.zeros(0, COMMAND)


@cache
def scenario() -> Scenario:
    """Two symbols, which nobody trades both."""
    return load_scenario("two-symbols")


@cache
def commands() -> dict[str, dict[int, Records]]:
    """By symbol and window, what the agents of the scenario send."""
    market = scenario()
    simulation = Simulation(
        market.instruments(), market.cast(), seed=1, start_ns=market.start_ns, lookahead_ns=market.lookahead_ns
    )
    found: dict[str, dict[int, list[Records]]] = {BTC: {}, ETH: {}}
    for piece in simulation.run(market.start_ns + WINDOWS * market.lookahead_ns):
        windows = (piece.commands["time_ns"] - market.start_ns) // market.lookahead_ns
        for window in np.unique(windows).tolist():
            found[piece.symbol].setdefault(window, []).append(choose(piece.commands, windows == window))
    simulation.engine.close()
    return {symbol: {window: np.concatenate(parts) for window, parts in by.items()} for symbol, by in found.items()}


@cache
def outside(symbol: str, window: int) -> Records:
    """In every seventh window, an order of an outside client."""
    rows: Records = np.zeros(1 if window % 7 == 3 else 0, COMMAND)
    known = {instrument.symbol: instrument for instrument in scenario().instruments()}
    begin_ns = scenario().start_ns + window * scenario().lookahead_ns
    rows["time_ns"], rows["account"], rows["serial"] = begin_ns, OUTSIDE_ACCOUNTS_FROM + 5, window + 1
    rows["price_ticks"] = known[symbol].reference_price_ticks + window % 3 - 1
    rows["quantity_lots"], rows["kind"], rows["side"], rows["order_type"], rows["time_in_force"] = 3, 1, 1 + window % 2, 1, 1
    return rows


def record(shard: int = 0, shards: int = 1, symbols: tuple[str, ...] = (BTC, ETH)) -> RunRecord:
    """The run, as a shard knows it."""
    market = scenario()
    return RunRecord(
        run=RUN,
        scenario=market.name,
        scenario_hash=market.hash,
        scenario_text=json.dumps(market.resolved()),
        seed=1,
        start_time_ns=market.start_ns,
        lookahead_ns=market.lookahead_ns,
        shard=shard,
        shards=shards,
        symbols=symbols,
    )


@dataclass
class Traded:
    """One symbol on its way."""

    symbol: str
    book: OrderBook = field(init=False)
    ticks: TickBuilder = field(init=False)
    tape: TapeHash = field(default_factory=TapeHash)
    previous: int = -1

    def __post_init__(self) -> None:
        (instrument,) = (one for one in scenario().instruments() if one.symbol == self.symbol)
        self.book = OrderBook(instrument, start_ns=scenario().start_ns)
        self.ticks = TickBuilder(instrument, self.book.session_state)

    def apply(self, window: int, *, levels: bool) -> SymbolWindow | None:
        """What the service does to one symbol in one window."""
        end_ns = scenario().start_ns + (window + 1) * scenario().lookahead_ns
        own, from_outside = commands()[self.symbol].get(window, NO_COMMANDS), outside(self.symbol, window)
        if not len(own) and not len(from_outside) and not levels and not self.book.due_before(end_ns):
            return None
        output = self.book.apply(np.concatenate([from_outside, own]), end_ns)
        tick = self.ticks.update(output, self.book.session) if len(output.executions) else None
        row = NO_TICKS if tick is None else tick_row(tick, output.executions["sequence"].item(-1))
        self.tape.update(output.executions, row)
        previous, self.previous = self.previous, window
        return _part(from_outside, own, output, row, self.book.depth() if levels else None, previous)

    def saved(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """As the order book's snapshots have it."""
        tape, symbol = self.tape.state(), self.symbol
        facts = {
            "previous_window": self.previous,
            "last_tick_window": self.previous,
            "tape_minute": tape.minute,
            "tape_link": tape.link.hex(),
        }
        arrays: dict[str, Any] = {f"{symbol}|book|{name}": array for name, array in self.book.state().items()}
        arrays |= {f"{symbol}|ticks|{name}": array for name, array in self.ticks.state().items()}
        arrays[f"{symbol}|tape"] = np.frombuffer(b"".join(tape.records), np.uint8)
        arrays[f"{symbol}|trades"] = np.zeros(0, TRADE)
        return facts, arrays


def _part(
    from_outside: Records, own: Records, output: BookOutput, row: Records, levels: Records | None, previous: int
) -> SymbolWindow:
    digest = rows_digest(output.executions, output.quotes, output.depth, row)
    tables = {"executions": output.executions, "quotes": output.quotes, "depth": output.depth, "tick": row}
    return SymbolWindow(outside=from_outside, commands=own, **tables, levels=levels, previous_window=previous, digest=digest)


def play(traded: Mapping[str, Traded], windows: range) -> Iterator[RecordedWindow]:
    """The windows of a shard with these symbols."""
    for window in windows:
        begin_ns = scenario().start_ns + window * scenario().lookahead_ns
        levels = begin_ns % NS_PER_MINUTE == 0
        parts = {symbol: part for symbol, one in traded.items() if (part := one.apply(window, levels=levels)) is not None}
        control = b'{"events":[]}' if window == CONTROLLED else b""
        yield RecordedWindow(window, window, window.to_bytes(16, "little"), control, parts)


def write(
    directory: Path,
    shards: tuple[tuple[str, ...], ...] = ((BTC, ETH),),
    windows: int = WINDOWS,
    snapshots: tuple[int, ...] = (),
) -> dict[str, str]:
    """Record a run; the tape hash of each symbol after its last window."""
    tapes: dict[str, str] = {}
    for shard, symbols in enumerate(shards):
        traded = {symbol: Traded(symbol) for symbol in symbols}
        folder = directory / f"shard-{shard}"
        with Journal(folder) as journal:
            journal.begin(record(shard, len(shards), symbols), "token")
            journal.claim(3, "an engine")
            for window in play(traded, range(windows)):
                journal.append(window)
                if window.window in snapshots:
                    state_of(traded, window.window).write(snapshot_path(folder, "book", window.window))
        tapes |= {symbol: one.tape.hexdigest() for symbol, one in traded.items()}
    return tapes


def state_of(traded: Mapping[str, Traded], window: int) -> BookState:
    """The books as they are after a window."""
    document: dict[str, Any] = {"run": RUN, "window": window, "symbols": {}}
    arrays: dict[str, Any] = {}
    for symbol, one in traded.items():
        document["symbols"][symbol], made = one.saved()
        arrays |= made
    return BookState(document, arrays)
