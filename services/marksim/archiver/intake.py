"""What arrived from one order book and is not yet stored: rows, positions, gaps. No I/O here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from marksim.archiver.columns import join_columns, join_ticks, last_sequence
from marksim.codec import instrument_from_proto
from marksim.core.errors import InvalidInput
from marksim.store.archive import IN_ORDER, Flush, Gap, Progress, RunFacts
from marksim.store.parquet import TABLES, Rows
from marksim.v1 import orderbook_pb2 as pb

_FRAME_BYTES: Final = 600
"""What Python holds for one frame beside its bytes."""


@dataclass(slots=True)
class _Pieces:
    """What frames brought for one table and symbol; `extra` is the sequence of a tick, or whether depth is a snapshot."""

    windows: list[int] = field(default_factory=list)
    messages: list[Any] = field(default_factory=list)
    extra: list[int] = field(default_factory=list)

    def add(self, window: int, message: Any, extra: int = 0) -> None:
        self.windows.append(window)
        self.messages.append(message)
        self.extra.append(extra)

    def rows(self, table: str) -> Rows:
        if table == "ticks":
            return Rows(join_ticks(self.messages, self.extra), np.array(self.windows, np.int64))
        counts = [message.count for message in self.messages]
        windows = np.repeat(np.array(self.windows, np.int64), counts)
        snapshot = np.repeat(np.array(self.extra, np.bool_), counts) if table == "depth" else None
        return Rows(join_columns(self.messages, TABLES[table]), windows, snapshot)


@dataclass(slots=True)
class Batch:
    """All that one flush stores. `flush` costs time and is for a thread."""

    facts: RunFacts
    progress: Mapping[str, Progress]
    gaps: Sequence[Gap]
    ended: Mapping[str, str | None]
    pieces: Mapping[tuple[str, str], _Pieces]
    position: tuple[str, int]
    tapes: Mapping[str, str] = field(default_factory=dict)
    committed: bool = False

    def flush(self) -> Flush:
        """The batch as columns; raises InvalidInput if the book sent columns that do not fit together."""
        rows = {key: pieces.rows(key[0]) for key, pieces in self.pieces.items()}
        return Flush(self.facts, rows, self.progress, self.gaps, self.ended, self.tapes)


class Intake:
    """Takes the messages of one book in order. The caller bounds it: it takes the batch when `bytes` is large enough."""

    def __init__(self) -> None:
        self._facts: RunFacts | None = None
        self._progress: dict[str, Progress] = {}
        self._pieces: dict[tuple[str, str], _Pieces] = {}
        self._gaps: list[Gap] = []
        self._ended: dict[str, str | None] = {}
        self._tapes: dict[str, str] = {}
        self._told_lost = -1
        self._last_window = -1
        self.complete: tuple[str, int] | None = None
        """(run, window) where a run ended in order, so that nothing of it can be lost after that."""
        self._taken: tuple[str, int] | None = None
        self.bytes = 0
        self.frames = 0
        self.doubles = 0
        """Frames that came again and were left out."""

    @property
    def run(self) -> str:
        """The run whose rows are gathered; empty before the first."""
        return self._facts.run if self._facts else ""

    @property
    def position(self) -> tuple[str, int] | None:
        """(run, window) up to which everything arrived; None before the first run."""
        if self._facts is None:
            return None
        return self._facts.run, self._through()

    @property
    def pending(self) -> bool:
        """Whether there is anything to store, be it only that time went on."""
        return self._facts is not None and bool(self._gaps or self._ended or self.position != self._taken)

    def begin(self, started: pb.RunStarted, stored: Mapping[str, Progress], before: str) -> None:
        """Rows of this run follow, of which `stored` is in the archive; `before` is the run that was read last, if any.

        The caller has taken the batch of the run before.
        """
        instruments = tuple(instrument_from_proto(item) for item in started.instruments)
        self._facts = RunFacts(
            started.run, started.scenario_hash, started.seed, started.start_time_ns, started.lookahead_ns, instruments
        )
        self._progress = {item.symbol: stored.get(item.symbol, Progress()) for item in instruments}
        self._told_lost = self._last_window = -1
        self._taken = self.position if stored else None
        if before and before != started.run:
            self._ended[before] = f"followed by run {started.run}"

    def add(self, message: pb.StreamTicksResponse) -> None:
        """Take what a message of the current run brings; raises InvalidInput for a symbol that the run does not have."""
        if self.lost(message):
            self.note_gap(message.gap)
        for frame in message.frames:
            self._add_frame(frame)
        if message.HasField("last_window"):
            last = self._last_window = message.last_window
            if self.complete is not None and self.complete[0] == self.run and last > self.complete[1]:
                # The book was started again, and its run goes on.
                self.complete, self._ended[self.run], self._tapes = None, None, {}
            for symbol, item in self._progress.items():
                if last > item.through:
                    self._progress[symbol] = replace(item, through=last)
        self.bytes += message.ByteSize()

    def end_in_order(self, tapes: Mapping[str, str]) -> None:
        """The book shuts down, and all that its run has until it is started again arrived; `tapes` are the tape hashes by
        symbol, as far as they are known.
        """
        if self._facts is not None and self.complete != self.position:
            self.complete = self.position
            self._ended[self._facts.run] = IN_ORDER
            self._tapes = dict(tapes)

    def lost(self, message: pb.StreamTicksResponse) -> bool:
        """Whether the message tells of windows that are lost: after the end of a run in order there are none."""
        gap = message.gap
        return message.HasField("gap") and (gap.HasField("last_window") or self.complete != (gap.run, gap.first_window - 1))

    def note_gap(self, gap: pb.Gap) -> None:
        """Windows are lost."""
        run = gap.run or self.run
        last = gap.last_window if gap.HasField("last_window") else None
        if run == self.run and last is not None:
            self._told_lost = max(self._told_lost, last)
        if run != self.run and last is None:
            self._ended[run] = f"lost: {gap.reason}"
        self._record(Gap(run, gap.first_window, last, gap.reason))

    def take(self) -> Batch:
        """All that is to be stored; the intake is empty afterwards and goes on from here."""
        assert self._facts is not None, "there is something only after `begin`"
        position = self._facts.run, self._through()
        batch = Batch(self._facts, dict(self._progress), self._gaps, self._ended, self._pieces, position, self._tapes)
        self._pieces, self._gaps, self._ended, self._tapes = {}, [], {}, {}
        self.bytes = self.frames = 0
        self._taken = self.position
        return batch

    def _add_frame(self, frame: pb.Frame) -> None:
        symbol, window = frame.symbol, frame.window
        known = self._progress.get(symbol)
        if known is None:
            raise InvalidInput(f"a frame of {symbol!r} arrived, which run {self.run} did not name")
        # Also one that the book did in the place of a window that it lost, where this symbol had none.
        if window <= known.through:
            self.doubles += 1
            return
        previous = frame.previous_window if frame.HasField("previous_window") else -1
        # What the book itself called lost is recorded already.
        if previous > max(known.frame, self._told_lost):
            self._record(Gap(self.run, known.frame + 1, previous, "frames are missing before the next one", symbol))
        self._progress[symbol] = Progress(window, window)
        sequence = 0
        for table, columns in (
            ("trades", frame.trades),
            ("quotes", frame.quotes),
            ("depth", frame.depth),
            ("executions", frame.executions),
        ):
            if columns.count:
                self._of(table, symbol).add(window, columns)
                sequence = max(sequence, last_sequence(columns))
        if frame.depth_snapshot.count:
            self._of("depth", symbol).add(window, frame.depth_snapshot, 1)
        if frame.HasField("tick"):
            self._of("ticks", symbol).add(window, frame.tick, sequence)
        self.frames += 1
        self.bytes += _FRAME_BYTES

    def _through(self) -> int:
        # A book without symbols has windows all the same.
        return min((item.through for item in self._progress.values()), default=self._last_window)

    def _of(self, table: str, symbol: str) -> _Pieces:
        return self._pieces.setdefault((table, symbol), _Pieces())

    def _record(self, gap: Gap) -> None:
        # A stream that broke right after it told of a gap tells of it again.
        if gap not in self._gaps:
            self._gaps.append(gap)
