"""A recorded session in the place of agents: its windows are sent again, and what comes back is compared with the record."""

import asyncio
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

import numpy as np

from marksim.core.agents.spec import MarketEvent
from marksim.core.errors import InvalidInput, MarksimError, NotNow
from marksim.core.feed.rerun import Output, first_difference
from marksim.core.feed.ticks import NO_TICKS, tick_row
from marksim.core.sim.engine import AgentFailure, SymbolOutcome
from marksim.core.types import DEPTH, EXECUTION, QUOTE, CommandKind, Records
from marksim.engine.clock import Clock
from marksim.engine.run import Driver
from marksim.engine.shard import Refused, Shard
from marksim.journal.merging import merged
from marksim.journal.replaying import Replay
from marksim.journal.session import open_session
from marksim.runtime.durations import format_moment
from marksim.runtime.logs import get_logger
from marksim.scenario.group import Group
from marksim.store.windows import RecordedWindow
from marksim.v1 import engine_pb2 as pb
from marksim.v1 import orderbook_pb2

PIECE_WINDOWS: Final = 512
PIECE_ROWS: Final = 1 << 16
"""So many windows or rows are read at a time; one such piece is played while the next one is read."""
_NOTHING: Final = Output(np.zeros(0, EXECUTION), np.zeros(0, QUOTE), np.zeros(0, DEPTH), NO_TICKS)

Piece = list[RecordedWindow]

log = get_logger(__name__)


class Different(MarksimError):
    """A window that was played again did something else than what is recorded; the message names the first difference."""

    reason = "DIFFERENT"


class Reading:
    """Reads the windows of a session in a thread of its own, one piece ahead of whoever takes them."""

    def __init__(self, replay: Replay, first: int) -> None:
        self._pieces = _pieces(replay, first)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="replay")
        self._next: Future[Piece] | None = None

    async def piece(self) -> Piece:
        """The next windows; none at the end. Raises Damaged, NotFound where windows are gone, OSError."""
        piece = await asyncio.wrap_future(self._next or self._thread.submit(next, self._pieces, []))
        self._next = self._thread.submit(next, self._pieces, [])
        return piece

    def close(self) -> None:
        """Wait for the piece that is being read, and let go of the files."""
        if self._next is not None:
            self._next.cancel()
        self._thread.submit(self._pieces.close)
        self._thread.shutdown()


def _pieces(replay: Replay, first: int) -> Generator[Piece, None, None]:
    """A generator of pieces. It opens the files when it is first asked: in the thread that reads them."""
    with open_session(replay.path) as session:
        if session.run.run != replay.run.run:
            raise InvalidInput(f"{replay.path} has another run now than when it was opened: {session.run.run}")
        piece: Piece = []
        rows = 0
        for window in merged(session.parts, first, replay.last):
            piece.append(window)
            rows += sum(len(part.outside) + len(part.commands) + len(part.executions) for part in window.parts.values())
            if len(piece) >= PIECE_WINDOWS or rows >= PIECE_ROWS:
                yield piece
                piece, rows = [], 0
        yield piece


class Replayed:
    """What is recorded from a window on, as a Market. `fetch` comes before `gather`."""

    running: str | None = None
    agents = traders = crowd_orders = queued = 0
    failures: Sequence[AgentFailure] = ()
    ephemeral: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    is_between_windows: bool = True

    def __init__(self, replay: Replay, first: int) -> None:
        self.start_ns, self.lookahead_ns = replay.run.start_time_ns, replay.run.lookahead_ns
        self.symbols: Sequence[str] = replay.run.symbols
        self.orders_sent = 0
        self._compares = replay.keeps_output
        self._next = first
        self._reading = Reading(replay, first)
        self._rows: Iterator[RecordedWindow] = iter(())
        self._row = RecordedWindow(first - 1, first - 1, b"", b"", {})

    @property
    def now_ns(self) -> int:
        """End of the last window that was sent."""
        return self.start_ns + self._next * self.lookahead_ns

    async def fetch(self, window: int) -> None:
        """Have that window, which is the next one. Raises as Reading.piece does."""
        while self._row.last < window:
            row = next(self._rows, None)
            if row is None:
                piece = await self._reading.piece()
                if not piece:
                    raise InvalidInput(f"window {window} is not recorded")
                self._rows = iter(piece)
            else:
                self._row = row

    def wake(self, window: int) -> None:
        """Nobody is there."""

    def gather(self, window: int) -> dict[str, Records]:
        """What went in then, from outside first, as the books took it."""
        assert self._row.window <= window <= self._row.last, "it was fetched"
        self._next = window + 1
        commands = {}
        for symbol, part in self._row.parts.items():
            rows = np.concatenate((part.outside, part.commands)) if len(part.outside) else part.commands
            if len(rows):
                commands[symbol] = rows
                own = part.commands
                self.orders_sent += int(np.count_nonzero(own["kind"] == CommandKind.NEW))
        return commands

    def tell(self, window: int, outcomes: Mapping[str, SymbolOutcome]) -> None:
        """Compare it with what happened then. Raises Different."""
        if not self._compares:
            return
        for symbol in self.symbols:
            recorded: Any = self._row.parts.get(symbol, _NOTHING)
            outcome = outcomes.get(symbol)
            executions = outcome.executions if outcome is not None else _NOTHING.executions
            tick = NO_TICKS
            if outcome is not None and outcome.tick is not None:
                tick = tick_row(outcome.tick, executions["sequence"].item(-1))
            same = recorded.executions.tobytes() == executions.tobytes() and recorded.tick.tobytes() == tick.tobytes()
            if not same:
                # Quotes and depth do not come back: they follow from the executions.
                other = first_difference(recorded, Output(executions, recorded.quotes, recorded.depth, tick))
                raise Different(f"window {window}, {symbol} comes out otherwise than it is recorded: {other}")

    def learn(self, window: int) -> None:
        """Nobody is there."""

    def inject(self, event: MarketEvent) -> int:
        """Raises NotNow."""
        raise _no_others()

    def restart(self, names: Iterable[str]) -> None:
        """Raises NotNow: what began afresh then did so on the tape."""
        raise _no_others()

    def close(self) -> None:
        """Let go of the files."""
        self._reading.close()


class ReplayDriver(Driver):
    """Drives order books through what is recorded. They say from which window on: they were told where to begin."""

    replays = True

    def __init__(
        self,
        replay: Replay,
        group: Group,
        clock: Clock,
        shards: list[Shard],
        on_window: Callable[[float], None],
        end_ns: int | None,
    ) -> None:
        self._replay = replay
        super().__init__(replay.scenario, group, clock, shards, on_window, end_ns)

    async def _drive(self) -> None:
        try:
            await super()._drive()
        except (MarksimError, OSError) as error:
            self.state, self.message = pb.CLOCK_STATE_FAILED, str(error)
            log.error("the recorded session cannot be played on", reason=str(error), run=self.run, window=self.windows)
            await self.set_paused(True)
            await self.clock.stop()

    def _first_engine(self) -> Replayed:
        return Replayed(self._replay, self._replay.first)

    def _run_to_resume(self, present: Sequence[orderbook_pb2.GetRunResponse]) -> str:
        if any(book.durability not in ("", "none") for book in present):
            raise Refused("a recorded session is played again on order books without a journal: start them with --replay")
        return ""

    async def _rebuild(self, lasts: Sequence[int], kept: bool) -> None:
        self.engine.close()
        replay, first = self._replay, min(lasts) + 1
        if not replay.first <= first <= replay.last + 1:
            there = f"windows {replay.first} to {replay.last} of {replay.path} can be played"
            raise Refused(f"the order books begin with window {first}, and {there}: start them with the same --replay")
        self.engine = Replayed(replay, first)
        self.windows = first
        self._trades, self.trades_total = {}, 0

    async def _one_window(self, window: int) -> str:
        assert isinstance(self.engine, Replayed), "it makes no others"
        await self.engine.fetch(window)
        return await super()._one_window(window)

    def _ended_at(self, end_ns: int) -> str:
        ended = "the recording" if end_ns == self._replay.end_ns else "the run"
        came = "all came out as recorded" if self._replay.keeps_output else "it has no rows of what came out to compare with"
        return f"{ended} ended at {format_moment(end_ns)}; {came}"


def _no_others() -> NotNow:
    message = "a recorded session is played again: what happens in it is what happened then, and nothing else"
    return NotNow(message, reason="REPLAY")
