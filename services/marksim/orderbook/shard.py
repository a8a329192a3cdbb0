"""One run's books: windows of commands in, results and encoded frames out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from marksim.codec import tick_to_proto
from marksim.codec_wire import column_bytes
from marksim.core.book.book import OrderBook
from marksim.core.feed.digest import rows_digest
from marksim.core.feed.rerun import Played
from marksim.core.feed.tape import TapeHash
from marksim.core.feed.ticks import NO_TICKS, TickBuilder, tick_row
from marksim.core.feed.trades import trades_of
from marksim.core.rows import choose
from marksim.core.types import (
    COMMAND,
    EXECUTION,
    QUOTE,
    TRADE,
    BookOutput,
    Instrument,
    Records,
    SessionState,
)
from marksim.core.types import DEPTH as DEPTH_ROWS
from marksim.orderbook.answers import joined_result, result_head
from marksim.orderbook.frames import frame_segments
from marksim.orderbook.tape import SymbolFrame
from marksim.v1 import orderbook_pb2 as pb
from marksim.v1 import types_pb2

RECENT_TRADES: Final = 10_000
LONG_CASCADE: Final = 1_000
"""So many stops may be triggered by one trade, and each look at many orders."""
AUCTIONS: Final = (SessionState.OPENING_AUCTION, SessionState.CLOSING_AUCTION)
NOTHING: Final = BookOutput(np.zeros(0, EXECUTION), np.zeros(0, QUOTE), np.zeros(0, DEPTH_ROWS))


class TradeRing:
    """The newest trades of one symbol."""

    def __init__(self, capacity: int = RECENT_TRADES) -> None:
        self._rows: Records = np.zeros(capacity, TRADE)
        self._count = 0

    def extend(self, trades: Records) -> None:
        """Add trades, oldest first, at the cost of the oldest."""
        capacity = len(self._rows)
        newest = trades[-capacity:]
        first = (self._count + len(trades) - len(newest)) % capacity
        fits = min(len(newest), capacity - first)
        self._rows[first : first + fits] = newest[:fits]
        self._rows[: len(newest) - fits] = newest[fits:]
        self._count += len(trades)

    def newest(self, limit: int) -> Records:
        """At most `limit` trades, newest first."""
        count = min(limit, self._count, len(self._rows))
        return self._rows[(self._count - 1 - np.arange(count)) % len(self._rows)]

    def oldest_first(self) -> Records:
        """All of them, as a copy."""
        count = min(self._count, len(self._rows))
        return choose(self._rows, (self._count - count + np.arange(count)) % len(self._rows))


class SymbolBook:
    """One symbol of a run: its book, what the feed derives from it, and its latest trades."""

    def __init__(self, number: int, instrument: Instrument, max_orders: int, start_ns: int) -> None:
        self.number = number
        self.instrument = instrument
        self.max_orders = max_orders
        self.book = OrderBook(instrument, max_orders=max_orders, start_ns=start_ns)
        self.ticks = TickBuilder(instrument, self.book.session_state)
        self.tape_hash = TapeHash()
        self.trades = TradeRing()
        self.previous_window: int | None = None
        """The last one that had a frame."""
        self.last_tick_window: int | None = None
        self._symbol_result = result_head(instrument.symbol)

    def apply(self, window: int, end_ns: int, commands: Records, snapshot: bool) -> "SymbolDone":
        """Do this symbol's part of a window; with `snapshot` there is a frame even if nothing happened."""
        something = len(commands) or self.book.due_before(end_ns)
        output = self.book.apply_in_place(commands, end_ns) if something else NOTHING
        ticks = NO_TICKS
        # In an auction the session is worked out anew from the whole book: not where nothing can have changed.
        tick = self.ticks.update(output, self.book.session) if len(output.executions) else None
        if len(output.executions):
            if tick is not None:
                self.last_tick_window = window
                ticks = tick_row(tick, output.executions["sequence"].item(-1))
            self.tape_hash.update(output.executions, ticks)
        executions = column_bytes(output.executions, types_pb2.ExecutionColumns)
        quotes = column_bytes(output.quotes, types_pb2.QuoteColumns)
        shown = tick_to_proto(tick).SerializeToString() if tick is not None else b""
        result, tape = None, None
        if len(output.executions):
            result, tape = joined_result(self._symbol_result, executions, quotes, shown), self.tape()
        levels = self._snapshot(end_ns) if snapshot else None
        frame, previous = None, self.previous_window
        if result is not None or snapshot:
            frame = SymbolFrame(self.number, self._segments(window, output, shown, executions, quotes, levels))
            self.previous_window = window
        return SymbolDone(result, frame, tape, output, ticks, levels, -1 if previous is None else previous)

    def took(self, played: Played, framed: NDArray[np.int64]) -> None:
        """Windows were played again through book, ticks and tape; `framed` are those with a frame."""
        self.trades.extend(trades_of(played.executions))
        if len(framed):
            self.previous_window = int(framed[-1])
        ticked = np.flatnonzero(played.ticked)
        if len(ticked):
            self.last_tick_window = played.first_window + int(ticked[-1])

    def tape(self) -> pb.SymbolTape:
        """The tape hash as it stands."""
        return pb.SymbolTape(symbol=self.instrument.symbol, hash=self.tape_hash.hexdigest(), sequence=self.book.sequence)

    def _segments(
        self,
        window: int,
        output: BookOutput,
        tick: bytes,
        executions: bytes,
        quotes: bytes,
        levels: Records | None,
    ) -> list[bytes]:
        trades = trades_of(output.executions)
        if len(trades):
            self.trades.extend(trades)
        symbol, previous = self.instrument.symbol, self.previous_window
        return frame_segments(symbol, window, previous, executions, trades, quotes, output.depth, tick, levels)

    def _snapshot(self, end_ns: int) -> Records:
        levels = self.book.depth()
        # A level's own last change is not kept; the snapshot is true as of the end of its window.
        levels["time_ns"] = end_ns
        levels["sequence"] = self.book.sequence
        return levels


@dataclass(frozen=True, slots=True)
class SymbolDone:
    """What a window did to one symbol. No result: nothing happened. No frame: and none was due."""

    result: bytes | None
    """An encoded SymbolResult."""
    frame: SymbolFrame | None
    tape: pb.SymbolTape | None
    """The tape hash after the window, where anything happened."""
    output: BookOutput
    """It holds until the next window."""
    tick: Records
    """dtype TICK: one row, or none"""
    levels: Records | None
    """dtype DEPTH: all levels after the window, where a snapshot was due"""
    previous_window: int
    """Its last window before this one that had a frame; -1 for none"""

    @property
    def digest(self) -> int:
        """By which a re-execution knows that it came to the same."""
        return rows_digest(self.output.executions, self.output.quotes, self.output.depth, self.tick)


class Shard:
    """The books of one run, by symbol."""

    def __init__(self, instruments: Sequence[Instrument], max_orders: int, start_ns: int = 0) -> None:
        self.books = {
            instrument.symbol: SymbolBook(number, instrument, max_orders, start_ns)
            for number, instrument in enumerate(instruments)
        }

    def may_be_long(self, end_ns: int) -> bool:
        """Whether few commands may have much to do: a session that may end by itself before that time, or many stops."""
        books = [traded.book for traded in self.books.values()]
        ends = any(book.session_state != SessionState.CONTINUOUS and book.due_before(end_ns) for book in books)
        return ends or any(book.stop_count >= LONG_CASCADE for book in books)

    def auctioned_orders(self, symbols: Iterable[str]) -> int:
        """How many orders rest in those of these symbols' books that are in an auction."""
        books = (self.books[symbol].book for symbol in symbols)
        return sum(book.order_count for book in books if book.session_state in AUCTIONS)

    def apply(
        self, window: int, end_ns: int, outside: Mapping[str, Records], commands: Mapping[str, Records], snapshot: bool
    ) -> dict[str, SymbolDone]:
        """Apply a window: outside commands first, then the engine's. Symbols to which nothing happened are absent."""
        done = {}
        for symbol, book in self.books.items():
            parts = [part[symbol] for part in (outside, commands) if symbol in part]
            if not parts and not snapshot and not book.book.due_before(end_ns):
                continue
            rows = np.concatenate(parts) if len(parts) > 1 else parts[0] if parts else np.zeros(0, COMMAND)
            done[symbol] = book.apply(window, end_ns, rows, snapshot)
        return done
