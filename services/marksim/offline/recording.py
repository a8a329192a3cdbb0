"""What a simulation does becomes hashes and tables, in a thread of its own, so that simulating and writing overlap."""

import queue
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from marksim.core.feed.orders import OrderTable
from marksim.core.feed.positions import PositionTable
from marksim.core.feed.tape import TapeHash
from marksim.core.feed.trades import trades_of
from marksim.core.rows import choose, join
from marksim.core.sim.simulation import Piece
from marksim.core.types import COMMAND, DEPTH, EXECUTION, QUOTE, TICK, ExecutionKind, Records
from marksim.store.archive import Archive, Flush, Progress, RunFacts
from marksim.store.parquet import DERIVED, TABLES, Rows

ALL_TABLES: Final = (*TABLES, *DERIVED)
WAITING_PIECES: Final = 8
"""So many pieces wait for the writer; then the simulation waits for it."""
FLUSH_BYTES: Final = 64 << 20
"""Rows of so many bytes become files."""

TAKEN_EVENTS: Final = 1 << 15
"""So many events of a symbol are worked on at a time, and what belongs to them; each time has its own cost."""
_PARTS: Final = {
    "executions": EXECUTION,
    "quotes": QUOTE,
    "depth": DEPTH,
    "ticks": TICK,
    "commands": COMMAND,
    "snapshots": DEPTH,
}

Key = tuple[str, str]
"""(table, symbol)"""


@dataclass(slots=True)
class Counts:
    """What happened so far."""

    events: int = 0
    orders: int = 0
    trades: int = 0
    ticks: int = 0


class Recorder:
    """Takes the pieces of one run between `begin` and `finish`; without an archive `rows` has everything at the end.

    The queue between the threads is bounded; at its bound `put` waits. After an error of the writer, `put` and `finish`
    raise it. The archive stays open.
    """

    def __init__(self, facts: RunFacts, tables: Collection[str], archive: Archive | None) -> None:
        self.facts = facts
        self.counts = Counts()
        self.rows: dict[Key, Rows] = {}
        self._archive = archive
        self._symbols = {item.symbol: _SymbolRecorder(facts, tables) for item in facts.instruments}
        self._gathered: dict[Key, list[Rows]] = {}
        self._bytes = 0
        self._error: BaseException | None = None
        self._queue: queue.Queue[Piece | None] = queue.Queue(WAITING_PIECES)
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)

    def begin(self) -> None:
        """Start, and let the archive know of the run at once, lest a crash hide that there was one. Raises OSError."""
        self._thread.start()
        if self._archive is not None:
            self._flush(self._archive, -1)

    @property
    def tapes(self) -> dict[str, str]:
        """The tape hash of each symbol; after `finish`."""
        return {symbol: recorder.tape.hexdigest() for symbol, recorder in self._symbols.items()}

    def put(self, piece: Piece) -> None:
        """Take a piece; it is copied."""
        self._raise()
        self._queue.put(_join_pieces([piece]))

    def finish(self, end_ns: int | None, how: str) -> None:
        """All pieces were put and the run went on to `end_ns`, the end of its last window; `how` says how it ended.

        None: it was cut off, so nobody knows of a window after those of the pieces, and it has no tape hash.
        """
        self._stop()
        self._raise()
        for symbol in self._symbols:
            self._take(symbol)
        tapes = {} if end_ns is None else self.tapes
        if end_ns is None:
            last = max(recorder.last_window for recorder in self._symbols.values())
            end_ns = self.facts.start_time_ns + (last + 1) * self.facts.lookahead_ns
        for symbol, recorder in self._symbols.items():
            self._gather(symbol, recorder.finish(end_ns))
        if self._archive is None:
            self.rows = {key: join_rows(parts) for key, parts in self._gathered.items()}
            return
        # Of a run that was cut off another symbol may not be as far as this one.
        last = (end_ns - self.facts.start_time_ns) // self.facts.lookahead_ns - 1 if tapes else -1
        self._flush(self._archive, last, ended={self.facts.run: how}, tapes=tapes)

    def abandon(self) -> None:
        """Nothing more will come, and what is not stored yet is not wanted."""
        self._error = self._error or RuntimeError("the recording was abandoned")
        self._stop()

    def _stop(self) -> None:
        if self._thread.ident is not None:
            self._queue.put(None)
            self._thread.join()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        while (piece := self._queue.get()) is not None:
            if self._error is not None:
                # Whoever puts shall not wait for a writer that failed.
                continue
            try:
                waiting = self._symbols[piece.symbol].waiting
                waiting.append(piece)
                if sum(len(one.executions) for one in waiting) >= TAKEN_EVENTS:
                    self._take(piece.symbol)
            except BaseException as error:  # noqa: BLE001 - it is raised where the pieces come from
                self._error = error

    def _take(self, symbol: str) -> None:
        """Work on the pieces of a symbol that wait."""
        recorder = self._symbols[symbol]
        if not recorder.waiting:
            return
        piece = _join_pieces(recorder.waiting)
        recorder.waiting.clear()
        self._gather(piece.symbol, recorder.take(piece))
        kinds = np.bincount(piece.executions["kind"], minlength=len(ExecutionKind))
        counts = self.counts
        counts.events += len(piece.executions)
        counts.orders += int(kinds[ExecutionKind.ACCEPTED] + kinds[ExecutionKind.REJECTED])
        counts.trades += int(kinds[ExecutionKind.TRADED])
        counts.ticks += len(piece.ticks)
        if self._archive is not None and self._bytes >= FLUSH_BYTES:
            # Another symbol may not be as far; what a run stored is only said when it has ended.
            self._flush(self._archive, -1)

    def _gather(self, symbol: str, rows: Mapping[str, Rows]) -> None:
        for table, part in rows.items():
            if len(part.records):
                self._gathered.setdefault((table, symbol), []).append(part)
                self._bytes += part.records.nbytes + part.windows.nbytes

    def _flush(
        self, archive: Archive, through: int, ended: Mapping[str, str] | None = None, tapes: Mapping[str, str] | None = None
    ) -> None:
        rows = {key: join_rows(parts) for key, parts in self._gathered.items()}
        self._gathered, self._bytes = {}, 0
        progress = {
            symbol: Progress(max(through, recorder.last_window), recorder.last_window)
            for symbol, recorder in self._symbols.items()
        }
        archive.write(Flush(self.facts, rows, progress, ended=ended or {}, tapes=tapes or {}))
        archive.settle()


@dataclass(slots=True)
class _SymbolRecorder:
    """One symbol: its tape, and the rows of its tables."""

    facts: RunFacts
    tables: Collection[str]
    tape: TapeHash = field(default_factory=TapeHash)
    waiting: list[Piece] = field(default_factory=list)
    last_window: int = -1
    orders: OrderTable = field(init=False)
    positions: PositionTable = field(default_factory=PositionTable)

    def __post_init__(self) -> None:
        self.orders = OrderTable(self.facts.start_time_ns, self.facts.lookahead_ns)

    def take(self, piece: Piece) -> dict[str, Rows]:
        """The piece's rows of every table that is wanted."""
        executions, tables = piece.executions, self.tables
        self.tape.update(executions, piece.ticks)
        made: dict[str, Records] = {"executions": executions, "quotes": piece.quotes, "ticks": piece.ticks}
        if "trades" in tables:
            made["trades"] = trades_of(executions)
        if "orders" in tables:
            made["orders"] = self.orders.update(piece.commands, executions)
        rows = {table: Rows(records, self._windows(records)) for table, records in made.items() if table in tables}
        if "positions" in tables:
            rows["positions"] = self._positions(self.positions.update(executions))
        if "depth" in tables:
            rows["depth"] = self._depth(piece)
        for times, end in ((executions["time_ns"], 0), (piece.snapshots["time_ns"], 1)):
            if len(times):
                self.last_window = max(self.last_window, int(self._window(times[-1:] - end)[0]))
        return rows

    def finish(self, end_ns: int) -> dict[str, Rows]:
        """The rows that only the end of the run makes."""
        rows = {}
        if "orders" in self.tables:
            orders = self.orders.finish(end_ns)
            rows["orders"] = Rows(orders, self._window(orders["time_ns"] - 1))
        if "positions" in self.tables:
            rows["positions"] = self._positions(self.positions.finish(end_ns))
        return rows

    def _window(self, times_ns: NDArray[np.int64]) -> NDArray[np.int64]:
        return (times_ns - self.facts.start_time_ns) // self.facts.lookahead_ns

    def _windows(self, records: Records) -> NDArray[np.int64]:
        return self._window(records["time_ns"])

    def _positions(self, records: Records) -> Rows:
        # They stand as of a moment that the window ends at or holds.
        return Rows(records, self._window(records["time_ns"] - 1))

    def _depth(self, piece: Piece) -> Rows:
        """Changes, and after those of its window a snapshot, as the order book's frames bring them."""
        records = join((piece.depth, piece.snapshots), DEPTH)
        snapshot = np.arange(len(records)) >= len(piece.depth)
        windows = self._window(records["time_ns"] - snapshot)
        if len(piece.snapshots):
            order = np.argsort(windows, kind="stable")
            records, windows, snapshot = choose(records, order), windows[order], snapshot[order]
        return Rows(records, windows, snapshot)


def _join_pieces(pieces: list[Piece]) -> Piece:
    """A copy of all pieces of a symbol as one."""
    return Piece(
        pieces[0].symbol, **{name: join([getattr(one, name) for one in pieces], dtype) for name, dtype in _PARTS.items()}
    )


def join_rows(parts: list[Rows]) -> Rows:
    """The rows of all parts, in order."""
    if len(parts) == 1:
        return parts[0]
    snapshots = [part.snapshot for part in parts if part.snapshot is not None]
    return Rows(
        join([part.records for part in parts], parts[0].records.dtype),
        np.concatenate([part.windows for part in parts]),
        np.concatenate(snapshots) if snapshots else None,
    )
