"""One engine, one run, windows in lock step: who may drive the books, and what each window's answer was."""

import asyncio
import hashlib
import uuid
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from marksim.codec import decode_columns, instrument_to_proto
from marksim.codec_wire import header
from marksim.core.errors import Away, InvalidInput, NotNow
from marksim.core.types import (
    COMMAND,
    NS_PER_MINUTE,
    OUTSIDE_ACCOUNTS_FROM,
    CommandKind,
    ExecutionKind,
    Instrument,
    Records,
    TimeInForce,
)
from marksim.orderbook.listing import Listing
from marksim.orderbook.outside import Outside
from marksim.orderbook.shard import Shard, SymbolDone
from marksim.orderbook.tape import RunFacts, Tape
from marksim.v1 import orderbook_pb2 as pb

ASIDE_COMMANDS: Final = 4_096
"""From so many commands on a window is applied in a thread, so that the event loop goes on: docs/decisions/0012."""
WHOLE_BOOK: Final = 1_024
"""Commands that take as long as one look at 100,000 orders does, some milliseconds."""
PRICED_ORDERS: Final = 16
"""So many orders at prices of their own take as long to price for an auction, after each window, as a command does."""


# Plain numbers: an enum's members are slow to reach and to compare with.
_NEW, _SET_SESSION, _FOK = int(CommandKind.NEW), int(CommandKind.SET_SESSION), int(TimeInForce.FOK)
_MASS_CANCEL, _OWNER_GONE = int(CommandKind.MASS_CANCEL), int(CommandKind.OWNER_GONE)
_REJECTED, _CANCEL_REJECTED = int(ExecutionKind.REJECTED), int(ExecutionKind.CANCEL_REJECTED)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of what is kept; see the settings of the same names."""

    max_orders: int
    recorded_windows: int = 1_024
    outside_queue: int = 1_024
    outside_accounts: int = 256
    outside_orders: int = 100_000

    def outside(self) -> Outside:
        """No outside accounts yet."""
        return Outside(self.outside_queue, self.outside_accounts, self.outside_orders)


@dataclass(frozen=True, slots=True)
class WindowInput:
    """All that one window does to the books, by symbol."""

    window: int
    end_ns: int
    outside: dict[str, Records]
    commands: dict[str, Records]
    snapshot: bool
    auctioned_orders: int = 0
    """That rest in those of its books that are in an auction: their price is worked out anew after the window."""

    @property
    def parts(self) -> tuple[int, int, dict[str, Records], dict[str, Records], bool]:
        """As `Shard.apply` takes it."""
        return self.window, self.end_ns, self.outside, self.commands, self.snapshot

    @property
    def size(self) -> int:
        """Commands in it, each that may have to look at a whole book counted as WHOLE_BOOK of them, or trade it as more;
        and what the pricing of auctions takes.
        """
        parts = [*self.commands.values(), *self.outside.values()]
        sessions = sum(int(np.count_nonzero(part["kind"] == _SET_SESSION)) for part in parts)
        whole = WHOLE_BOOK * sum(map(_looks_at_all, parts)) + ASIDE_COMMANDS * sessions
        return sum(map(len, parts)) + whole + self.auctioned_orders // PRICED_ORDERS


@dataclass(frozen=True, slots=True)
class Recorded:
    """The answer to a window, by the digest of its input."""

    digest: bytes
    answer: bytes


Counts = NDArray[np.int64]
"""Indexed by a number of one byte, so that whatever stands in a column can be counted."""


class Totals:
    """Counts since the service started; those by kind or reason are indexed by the numbers of the contract."""

    def __init__(self) -> None:
        self.windows = 0
        self.resent = 0
        self.commands: Counts = np.zeros(256, np.int64)
        self.outside_commands: Counts = np.zeros(256, np.int64)
        self.executions: Counts = np.zeros(256, np.int64)
        self.rejects: Counts = np.zeros(256, np.int64)

    def window(self, commands: Iterable[Records], outside: Iterable[Records], executions: Iterable[Records]) -> None:
        """Count a window that was applied."""
        self.windows += 1
        for rows in commands:
            self.commands += np.bincount(rows["kind"], minlength=256)
        for rows in outside:
            self.outside_commands += np.bincount(rows["kind"], minlength=256)
        for rows in executions:
            kinds = np.bincount(rows["kind"], minlength=256)
            self.executions += kinds
            if kinds[_REJECTED] or kinds[_CANCEL_REJECTED]:
                refused = (rows["kind"] == _REJECTED) | (rows["kind"] == _CANCEL_REJECTED)
                self.rejects += np.bincount(rows["reason"][refused], minlength=256)


@dataclass(slots=True, eq=False)
class EngineSession:
    """One open Trade stream."""

    instance: str
    paused: bool = False
    ended: bool = field(default=False)


class Sequencer:
    """Binds the books to a run and applies its windows, each exactly once."""

    def __init__(self, listing: Listing, scenario_hash: str, tape: Tape, limits: Limits) -> None:
        self.listing = listing
        self.instruments = {instrument.symbol: instrument for instrument in listing.own}
        self.scenario_hash = scenario_hash
        self.tape = tape
        self.limits = limits
        self.shard = Shard(listing.own, limits.max_orders)
        self.outside = limits.outside()
        self.tapes: dict[str, pb.SymbolTape] = {}
        """By symbol, after the last window that is done: the books themselves may be within the next one."""
        self.term = 0
        self.instance = ""
        self.session: EngineSession | None = None
        self.totals = Totals()
        self.reply_bytes = 0
        self._recorded: dict[int, Recorded] = {}
        self._oldest_recorded: deque[int] = deque()
        self._snapshot_minute = -1
        self.books = asyncio.Lock()
        """Held while a window is applied, and by whoever reads a book or begins a run: none sees half a window."""

    @property
    def run(self) -> RunFacts | None:
        return self.tape.current

    @property
    def recorded_count(self) -> int:
        return len(self._recorded)

    def open(self, opened: pb.OpenRun) -> tuple[EngineSession, pb.RunOpened]:
        """Let an engine in; the one before is out. Raises InvalidInput, or NotNow with FENCED or SCENARIO_MISMATCH."""
        self._check_open(opened)
        run = self.run
        if run is None or run.run != opened.run:
            run = self._begin(opened)
        self.end_session(self.session, "a newer engine stream took over")
        self.term, self.instance = opened.term, opened.instance
        self.session = EngineSession(opened.instance)
        last = run.last_window if run.last_window >= 0 else None
        return self.session, pb.RunOpened(run=run.run, last_window=last)

    def end_session(self, session: EngineSession | None, why: str) -> None:
        """The engine is away, and with it all hope of what waits."""
        if session is None or session is not self.session:
            return
        session.ended = True
        self.session = None
        self.outside.fail(Away(f"the engine went away ({why}); the order did not reach the book", reason="ENGINE_AWAY"))

    def pace(self, session: EngineSession, pace: pb.Pace) -> None:
        """Windows will come, or not for now."""
        session.paused = pace.paused
        if pace.paused:
            self.outside.fail(paused_error(), paused_only=True)

    def check_open_for_outside(self, queue_while_paused: bool) -> None:
        """Raise Away without an engine, NotNow while it is paused."""
        if self.session is None:
            raise Away("no engine is connected, so no window is coming: try again later", reason="ENGINE_AWAY")
        if self.session.paused and not queue_while_paused:
            raise paused_error()

    async def window(self, message: pb.WindowCommands) -> pb.TradeResponse:
        """Apply a window, or return its recorded answer. Raises NotNow with WINDOW_MISMATCH or WINDOW_OUT_OF_ORDER."""
        async with self.books:
            run = self.run
            assert run is not None, "a session has a run"
            digest = hashlib.blake2b(message.SerializeToString(deterministic=True), digest_size=16).digest()
            if message.window != run.last_window + 1:
                return self._again(run, message.window, digest)
            input_ = self._seal(message.window, self._decode(message, run), run)
            if input_.size < ASIDE_COMMANDS and not self.shard.may_be_long(input_.end_ns):
                return self._conclude(input_, digest, self.shard.apply(*input_.parts))
            applying = asyncio.create_task(asyncio.to_thread(self.shard.apply, *input_.parts))
            try:
                return self._conclude(input_, digest, await asyncio.shield(applying))
            except asyncio.CancelledError:
                # The caller leaves; what was begun is finished all the same, however often it is told to leave: a window in
                # the books and not on the tape would be applied again when it is sent again.
                while not applying.done():
                    with suppress(asyncio.CancelledError):
                        await asyncio.wait({applying})
                self._conclude(input_, digest, applying.result())
                raise

    def _seal(self, window: int, commands: dict[str, Records], run: RunFacts) -> "WindowInput":
        """What waits outside belongs to this window from now on."""
        start_ns = run.end_ns(window - 1) if window else run.started.start_time_ns
        minute = start_ns // NS_PER_MINUTE
        snapshot, self._snapshot_minute = minute != self._snapshot_minute, minute
        outside = self.outside.seal(window, start_ns)
        auctioned = self.shard.auctioned_orders(outside.keys() | commands.keys())
        return WindowInput(window, run.end_ns(window), outside, commands, snapshot, auctioned)

    def _conclude(self, input_: "WindowInput", digest: bytes, done: dict[str, SymbolDone]) -> pb.TradeResponse:
        """Tell everyone what the window did: readers, outside clients, and the engine, whose answer is kept."""
        results = [pb.WindowResult(window=input_.window).SerializeToString()]
        for part in done.values():
            if part.result is not None:
                results += (header(pb.WindowResult.RESULTS_FIELD_NUMBER, len(part.result)), part.result)
        # The header also says that there is a result in which nothing happened.
        size = sum(map(len, results))
        answer = b"".join((header(pb.TradeResponse.RESULT_FIELD_NUMBER, size), *results))
        self.tape.publish(input_.window, [part.frame for part in done.values() if part.frame is not None])
        self.tapes.update((symbol, part.tape) for symbol, part in done.items() if part.tape is not None)
        executions = {symbol: part.executions for symbol, part in done.items()}
        self.outside.settle(input_.window, executions)
        self.totals.window(input_.commands.values(), input_.outside.values(), executions.values())
        self._record(input_.window, Recorded(digest, answer))
        return pb.TradeResponse.FromString(answer)

    def _decode(self, message: pb.WindowCommands, run: RunFacts) -> dict[str, Records]:
        """Everything that can be wrong with a window is found here, before any of it is applied."""
        end_ns = run.end_ns(message.window)
        begin_ns = end_ns - run.started.lookahead_ns
        commands: dict[str, Records] = {}
        empty: set[str] = set()
        for part in message.commands:
            self.instrument(part.symbol)
            if part.symbol in commands or part.symbol in empty:
                raise InvalidInput(f"symbol {part.symbol} stands twice in window {message.window}: send its rows as one")
            rows = decode_columns(part.commands, COMMAND)
            if not len(rows):
                empty.add(part.symbol)
                continue
            accounts, times = rows["account"], rows["time_ns"]
            if accounts.max() >= OUTSIDE_ACCOUNTS_FROM or accounts.min() < 0:
                raise InvalidInput("column account: an engine's accounts lie from 0 up to 2^62")
            if times.min() < begin_ns or times.max() >= end_ns:
                raise InvalidInput(f"column time_ns: window {message.window} is from {begin_ns} up to {end_ns}")
            commands[part.symbol] = rows
        return commands

    def instrument(self, symbol: str, field: str = "symbol") -> Instrument:
        """The instrument of that symbol; raises as `Listing.instrument` does where it is not this shard's."""
        return self.instruments.get(symbol) or self.listing.instrument(symbol, field)

    def _again(self, run: RunFacts, window: int, digest: bytes) -> pb.TradeResponse:
        recorded = self._recorded.get(window)
        expected = run.last_window + 1
        if recorded is None:
            message = f"window {window} of run {run.run}: the next one is {expected}"
            raise NotNow(message, reason="WINDOW_OUT_OF_ORDER", metadata={"expected": str(expected)})
        if recorded.digest != digest:
            message = f"window {window} of run {run.run} was answered with other contents"
            raise NotNow(message, reason="WINDOW_MISMATCH", metadata={"expected": str(expected)})
        self.totals.resent += 1
        return pb.TradeResponse.FromString(recorded.answer)

    def _record(self, window: int, recorded: Recorded) -> None:
        self._recorded[window] = recorded
        self._oldest_recorded.append(window)
        self.reply_bytes += len(recorded.answer)
        if len(self._oldest_recorded) > self.limits.recorded_windows:
            self.reply_bytes -= len(self._recorded.pop(self._oldest_recorded.popleft()).answer)

    def _check_open(self, opened: pb.OpenRun) -> None:
        try:
            uuid.UUID(opened.run)
        except ValueError:
            raise InvalidInput(f"run is {opened.run[:40]!r}: give a UUID", metadata={"field": "run"}) from None
        if opened.term < 1 or opened.start_time_ns < 0 or opened.lookahead_ns < 1 or not opened.instance:
            raise InvalidInput(
                "open needs term (1 or more), instance, start_time_ns (0 or more) and lookahead_ns (1 or more)"
            )
        run = self.run
        known = {"term": str(self.term), "instance": self.instance, "run": run.run if run else ""}
        if opened.term < self.term or (opened.term == self.term and opened.instance != self.instance):
            message = f"term {opened.term} of {opened.instance} is fenced off by term {self.term} of {self.instance}"
            raise NotNow(message, reason="FENCED", metadata=known)
        if opened.scenario_hash != self.scenario_hash:
            message = (
                f"this book trades scenario {self.scenario_hash}, the engine {opened.scenario_hash!r}: start both alike"
            )
            raise NotNow(message, reason="SCENARIO_MISMATCH", metadata=known)
        if run is None:
            return
        if run.run != opened.run:
            if opened.term == self.term:
                raise NotNow(f"a new run needs a term above {self.term}", reason="FENCED", metadata=known)
        elif _facts(run.started) != _facts(opened):
            message = f"run {opened.run} has another seed, start or lookahead: give a new run a new UUID"
            raise NotNow(message, reason="RUN_MISMATCH", metadata=known)

    def _begin(self, opened: pb.OpenRun) -> RunFacts:
        """Fresh books; what waited belonged to the old ones."""
        self.outside.fail(Away("a new run began; the order did not reach the book", reason="ENGINE_AWAY"))
        self.shard = Shard(self.listing.own, self.limits.max_orders, opened.start_time_ns)
        self.outside = self.limits.outside()
        self.tapes = {symbol: traded.tape() for symbol, traded in self.shard.books.items()}
        self._recorded.clear()
        self._oldest_recorded.clear()
        self.reply_bytes = 0
        self._snapshot_minute = -1
        return self.tape.begin_run(
            pb.RunStarted(
                run=opened.run,
                scenario_hash=opened.scenario_hash,
                seed=opened.seed,
                start_time_ns=opened.start_time_ns,
                lookahead_ns=opened.lookahead_ns,
                instruments=[instrument_to_proto(instrument) for instrument in self.instruments.values()],
            )
        )


def paused_error() -> NotNow:
    """What an order is told while the market is paused."""
    message = "the market is paused: resume or step it, or set queue_while_paused to wait for the next window"
    return NotNow(message, reason="MARKET_PAUSED")


def _facts(opened: pb.OpenRun | pb.RunStarted) -> tuple[int, int, int]:
    return opened.seed, opened.start_time_ns, opened.lookahead_ns


def _looks_at_all(commands: Records) -> int:
    """How many mass cancels, and orders that look for their own before they trade, are among them."""
    kinds = commands["kind"]
    looks = int(np.count_nonzero((kinds == _MASS_CANCEL) | (kinds == _OWNER_GONE)))
    preventing = commands["self_trade_prevention"] != 0
    # Seldom any: most windows are spared the rest.
    if preventing.any():
        whole = (commands["time_in_force"] == _FOK) | (commands["min_quantity_lots"] != 0)
        looks += int(np.count_nonzero((kinds == _NEW) & preventing & whole))
    return looks
