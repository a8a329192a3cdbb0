"""One engine, one run, windows in lock step: who may drive the books, and what each window's answer was."""

import asyncio
import hashlib
import time
import uuid
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, Final, TypeVar

from marksim.codec import decode_columns
from marksim.core.errors import Away, Exhausted, InvalidInput, MarksimError, NotNow
from marksim.core.types import COMMAND, NS_PER_MINUTE, OUTSIDE_ACCOUNTS_FROM, Instrument, Records
from marksim.orderbook.answers import answer_of, encoded_result
from marksim.orderbook.listing import Listing
from marksim.orderbook.recording import Recorder
from marksim.orderbook.recovery import Recovered
from marksim.orderbook.replaying import Beginning
from marksim.orderbook.run_facts import record_of, started_of, without_opener
from marksim.orderbook.shard import Shard
from marksim.orderbook.snapshot import state_of
from marksim.orderbook.tape import RunFacts, SymbolFrame, Tape
from marksim.orderbook.window import ASIDE_COMMANDS, DoneWindow, EngineSession, Limits, Recorded, Totals, WindowInput
from marksim.runtime.logs import get_logger
from marksim.v1 import orderbook_pb2 as pb

T = TypeVar("T")

UNSYNCED_BYTES: Final = 64 << 20
"""Of frames that wait to be synced: beyond it the engine waits, too."""
UNSYNCED_WINDOW: Final = 128
"""Bytes, about, that a window takes there without its frames."""

log = get_logger(__name__)


class Sequencer:
    """Binds the books to a run and applies its windows, each exactly once."""

    def __init__(
        self, listing: Listing, scenario_hash: str, tape: Tape, limits: Limits, recorder: Recorder | None = None
    ) -> None:
        self.listing = listing
        self.instruments = {instrument.symbol: instrument for instrument in listing.own}
        self.scenario_hash = scenario_hash
        self.tape = tape
        self.limits = limits
        self.recorder = recorder
        """Where the run is kept; None where it lives as long as this process."""
        self.beginning: Beginning | None = None
        """What each run begins with, where it is part of a recorded session; None for fresh books."""
        self.held = ""
        """Why the last window is not answered although it is done; empty where it is."""
        self.opened: pb.OpenRun | None = None
        """What the present run is bound to."""
        self.last_window = -1
        """The last one that is done, and kept where there is a journal; readers may hear of it a little later."""
        self.saved_window = -1
        """After this one an engine that lost its memory can go on."""
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
        self._unkept: DoneWindow | None = None
        self._unsynced: deque[tuple[int, list[SymbolFrame], int]] = deque()
        """Done and not published: those of the time between two syncs, and at most UNSYNCED_BYTES."""
        self._unsynced_bytes = 0
        self._publishing: asyncio.Task[None] | None = None
        self.failed = asyncio.Event()
        """Set where nothing can be kept any more by this process: only another one sees what the disk really has."""
        self.noted: Callable[[], Mapping[str, bytes]] = dict
        """What is noted of clients that are there, whatever the run."""
        self.books = asyncio.Lock()
        """Held while a window is applied, and by whoever reads a book or begins a run: none sees half a window."""

    @property
    def run(self) -> RunFacts | None:
        return self.tape.current

    @property
    def recorded_count(self) -> int:
        return len(self._recorded)

    def describe(self) -> pb.GetRunResponse:
        """What everybody may know of the run."""
        run, recorder, session = self.run, self.recorder, self.session
        described = pb.GetRunResponse(
            run=run.run if run else "",
            term=self.term,
            instance=self.instance,
            last_window=self.last_window if self.last_window >= 0 else None,
            scenario_hash=self.scenario_hash,
            engine_connected=session is not None,
            paused=session is not None and session.paused,
            ended=self.tape.ended.is_set(),
            tapes=self.tapes.values(),
            durability=str(recorder.journal.durability) if recorder else "none",
            held=self.held,
        )
        if (opened := self.opened) is not None:
            described.scenario, described.replay, described.seed = opened.scenario, opened.replay, opened.seed
            described.start_time_ns, described.lookahead_ns = opened.start_time_ns, opened.lookahead_ns
        if recorder is not None and recorder.journal.first_window >= 0:
            described.first_window = recorder.journal.first_window
        if self.saved_window >= 0:
            described.saved_window = self.saved_window
        return described

    async def open(self, opened: pb.OpenRun) -> tuple[EngineSession, pb.RunOpened]:
        """Let an engine in; the one before is out. Raises InvalidInput, or NotNow with FENCED, RUN_EXISTS, RUN_MISMATCH or
        SCENARIO_MISMATCH, and Exhausted while a window of the one before is held. The caller holds `books`.
        """
        self._check_open(opened)
        try:
            return await finished(self._open(opened))
        except asyncio.CancelledError:
            # It left before it was told that it is in.
            self.end_session(self.session, "its stream ended")
            raise

    async def _open(self, opened: pb.OpenRun) -> tuple[EngineSession, pb.RunOpened]:
        if self._unkept is not None and (opened.term, opened.instance) != (self.term, self.instance):
            # Sent by the one before, when it had the right to. This one may have something else for it.
            await self._keep(self._unkept)
            self.check_not_held()
        run = self.run
        if run is None or run.run != opened.run:
            if self.recorder is not None:
                record = record_of(opened, self.listing, self.limits.max_orders)
                await self._noted(self.recorder, self.recorder.begin(record, self.noted()))
            run = self._begin(opened)
        if self.recorder is not None:
            # Before the engine is told: whoever comes with a lower term after a crash is fenced off as before it.
            await self._noted(self.recorder, self.recorder.claim(opened.term, opened.instance))
        self.end_session(self.session, "a newer engine stream took over")
        self.term, self.instance = opened.term, opened.instance
        self.session = EngineSession(opened.instance)
        last = self.last_window if self.last_window >= 0 else None
        return self.session, pb.RunOpened(run=run.run, last_window=last)

    async def _noted(self, recorder: Recorder, work: Coroutine[Any, Any, None]) -> None:
        """Wait for it. Where another program has the journal, an engine is told to come again: it is not refused."""
        try:
            await work
        except NotNow as error:
            if error.reason != "JOURNAL_HELD":
                raise
            raise Away(error.message, reason=error.reason) from error
        except MarksimError as error:
            if recorder.journal.is_lost:
                self._fail(error)
            raise

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

    async def saved(self, window: int) -> None:
        """The engine has a snapshot of its own after that window."""
        run = self.run
        if run is None or not 0 <= window <= self.last_window:
            raise InvalidInput(f"saved.window is {window}: name a window that is done", metadata={"field": "saved.window"})
        self.saved_window = max(self.saved_window, window)
        if self.recorder is not None:
            try:
                await self.recorder.saved(self.saved_window)
            except MarksimError as error:
                # The journal keeps more than is needed until it is told anew, with the engine's next snapshot.
                log.warning("the engine's saved window is not kept", window=window, reason=error.message)

    def resume(self, recovered: Recovered, term: int, instance: str) -> None:
        """Go on with what the journal had: before the first call is answered."""
        self.shard, self.outside, self.opened = recovered.shard, recovered.outside, recovered.opened
        self.term, self.instance, self.saved_window = term, instance, recovered.saved_window
        self.tapes = {symbol: traded.tape() for symbol, traded in self.shard.books.items()}
        self._snapshot_minute, self.last_window = recovered.minute, recovered.last_window
        assert self.recorder is not None, "it was recovered from somewhere"
        started = started_of(recovered.opened, self.listing.own)
        self.tape.resume_run(started, recovered.last_window, recovered.last_ticks, self.recorder.kept)

    @property
    def replays(self) -> bool:
        """Whether the present run is a recorded session that is played again."""
        return self.opened is not None and self.opened.replay

    def check_open_for_outside(self, queue_while_paused: bool) -> None:
        """Raise Exhausted while a window is held, Away without an engine, NotNow while it is paused or plays a recording."""
        self.check_not_held()
        if self.replays or self.beginning is not None:
            message = "a recorded session is played again: its orders are those that it had, and no others"
            raise NotNow(message, reason="REPLAY")
        if self.session is None:
            raise Away("no engine is connected, so no window is coming: try again later", reason="ENGINE_AWAY")
        if self.session.paused and not queue_while_paused:
            raise paused_error()

    def check_not_held(self) -> None:
        """Raise Exhausted with JOURNAL_FULL while a window is held: nothing is acknowledged that is not kept."""
        if self.held:
            message = f"the market waits until the journal can be written ({self.held}): try again later"
            raise Exhausted(message, reason="JOURNAL_FULL")

    async def window(self, message: pb.WindowCommands, session: EngineSession | None = None) -> pb.TradeResponse:
        """Apply a window, keep it and answer it; a window that was answered before has its recorded answer.

        The answer is `held` where the window is done and cannot be kept for now: the same call again tries again. Raises
        NotNow with WINDOW_MISMATCH or WINDOW_OUT_OF_ORDER, and with FENCED for a session that ended meanwhile.
        """
        tapes = message.tapes
        message.ClearField("tapes")
        async with self.books:
            if session is not None and session.ended:
                # While it waited for the books, or for room in the journal.
                raise fenced()
            run = self.run
            assert run is not None, "a session has a run"
            digest = hashlib.blake2b(message.SerializeToString(deterministic=True), digest_size=16).digest()
            if self._unkept is not None and message.window == self._unkept.input.window:
                if digest != self._unkept.digest:
                    raise _mismatch(run, message.window, self.last_window + 1)
                return await finished(self._keep(self._unkept))
            if message.window != self.last_window + 1:
                return await self._again(run, message.window, digest)
            input_ = self._seal(message, self._decode(message, run), run)
            if input_.size >= ASIDE_COMMANDS or self.shard.may_be_long(input_.end_ns):
                return await finished(self._do_aside(input_, digest, tapes))
            done = DoneWindow(input_, digest, tapes, self.shard.apply(*input_.parts))
            if self.recorder is None:
                return self._conclude(done)
            if self.recorder.is_quick:
                return self._keep_at_once(self.recorder, done)
            return await finished(self._keep(done))

    async def _do_aside(self, input_: WindowInput, digest: bytes, tapes: bool) -> pb.TradeResponse:
        """Apply a window in a thread, and keep it."""
        done = DoneWindow(input_, digest, tapes, await asyncio.to_thread(self.shard.apply, *input_.parts))
        return self._conclude(done) if self.recorder is None else await self._keep(done)

    def _keep_at_once(self, recorder: Recorder, done: DoneWindow) -> pb.TradeResponse:
        """Keep a window that is done, without leaving the event loop."""
        self._close(done)
        try:
            recorder.keep_at_once(done.recorded, done.notes)
        except MarksimError as error:
            return self._hold(recorder, done, error)
        return self._kept(done)

    async def _keep(self, done: DoneWindow) -> pb.TradeResponse:
        """Keep a window that is done, and tell what it did; where it cannot be kept, it waits, and the market with it."""
        recorder = self.recorder
        assert recorder is not None, "there is something to keep it in"
        if self._unkept is not done:
            self._close(done)
        try:
            await recorder.keep(done.recorded, done.notes)
        except MarksimError as error:
            return self._hold(recorder, done, error)
        response = self._kept(done)
        if self._unsynced_bytes > UNSYNCED_BYTES:
            await self.published()
        return response

    def _close(self, done: DoneWindow) -> None:
        """A window is in the books: whatever goes wrong from here on, it is not applied when it comes again."""
        self._settle(done)
        done.notes = self.outside.changes()
        self._unkept = done

    def _hold(self, recorder: Recorder, done: DoneWindow, error: MarksimError) -> pb.TradeResponse:
        """The journal is full, damaged, or in the hands of another program: as long as it is, the market waits."""
        if not self.held:
            log.error("windows are held", window=done.input.window, reason=error.message)
        self.held = error.message
        if recorder.journal.is_lost:
            self._fail(error)
        else:
            # There may be something to drop by now, and nobody else would: no window goes on.
            recorder.tidy(at_once=True)
        return pb.TradeResponse(held=pb.Held(reason=self.held))

    def _kept(self, done: DoneWindow) -> pb.TradeResponse:
        """A window cannot be lost any more."""
        if self.held:
            log.info("windows go on", window=done.input.window)
        self._unkept, self.held = None, ""
        return self._conclude(done)

    def _seal(self, message: pb.WindowCommands, commands: dict[str, Records], run: RunFacts) -> WindowInput:
        """What waits outside belongs to this window from now on."""
        window = message.window
        start_ns = run.end_ns(window - 1) if window else run.started.start_time_ns
        minute = start_ns // NS_PER_MINUTE
        snapshot, self._snapshot_minute = minute != self._snapshot_minute, minute
        outside = self.outside.seal(window, start_ns)
        auctioned = self.shard.auctioned_orders(outside.keys() | commands.keys())
        return WindowInput(window, run.end_ns(window), outside, commands, snapshot, auctioned, message.control)

    def _settle(self, done: DoneWindow) -> None:
        """Let outside orders be what the window made of them; whoever waits for one hears of it later."""
        self.outside.settle(done.input.window, {symbol: part.output.executions for symbol, part in done.parts.items()})

    def _conclude(self, done: DoneWindow) -> pb.TradeResponse:
        """Tell everyone what the window did: readers, outside clients, and the engine, whose answer is kept."""
        window, parts = done.input.window, done.parts
        self.tapes.update((symbol, part.tape) for symbol, part in parts.items() if part.tape is not None)
        if self.recorder is None:
            self._settle(done)
            self.outside.drop_changes()
        self.last_window = window
        frames = [part.frame for part in parts.values() if part.frame is not None]
        if self.recorder is None or not self.recorder.syncs:
            self._publish(window, frames)
        else:
            size = UNSYNCED_WINDOW + sum(len(part) for frame in frames for part in frame.segments)
            self._unsynced.append((window, frames, size))
            self._unsynced_bytes += size
            if self._publishing is None or self._publishing.done():
                self._publishing = asyncio.create_task(self._publish_synced(self.recorder))
        executions = [part.output.executions for part in parts.values()]
        self.totals.window(done.input.commands.values(), done.input.outside.values(), executions)
        self._record(window, Recorded(done.digest, done.answer))
        if self.recorder is not None:
            if self.recorder.is_due(window):
                self.save()
            self.recorder.tidy()
        if done.tapes:
            done.response.result.tapes.extend(self.tapes.values())
        return done.response

    def _publish(self, window: int, frames: list[SymbolFrame]) -> None:
        """Readers and outside clients hear of what cannot be lost any more."""
        self.tape.publish(window, frames)
        self.outside.answer(window)

    async def _publish_synced(self, recorder: Recorder) -> None:
        """Publish windows as they are synced: the engine goes on meanwhile, everyone else waits so long."""
        while self._unsynced:
            try:
                synced = await recorder.synced(self._unsynced[0][0])
            except MarksimError as error:
                log.error("windows cannot be synced", window=self._unsynced[0][0], reason=error.message)
                self._fail(error)
                return
            while self._unsynced and self._unsynced[0][0] <= synced:
                window, frames, size = self._unsynced.popleft()
                self._unsynced_bytes -= size
                self._publish(window, frames)

    def _fail(self, error: MarksimError) -> None:
        """No sync can make up for one that failed, and the journal takes nothing more: a new start has what the disk has."""
        self.held = error.message
        message = f"the journal cannot be synced ({error.message}): the order is known after a restart, or never was"
        self.outside.end(Away(message, reason="JOURNAL_FAILED"))
        self.failed.set()

    async def published(self) -> None:
        """Wait until readers have heard of all windows that are done, or never will. The caller holds `books`."""
        if self._publishing is not None:
            await asyncio.wait({self._publishing})

    def save(self) -> "asyncio.Future[None] | None":
        """Take a snapshot after the last window; written when the result is done. The caller holds `books`."""
        run, recorder = self.run, self.recorder
        if recorder is None or run is None or self.last_window < 0 or self._unkept is not None:
            return None
        begun = time.monotonic()
        document, arrays = state_of(self.shard, run.run, self.last_window)
        recorder.stood_s = time.monotonic() - begun
        return recorder.save(self.last_window, document, arrays)

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
            # What a recorded session has of outside clients, its engine sends.
            if accounts.min() < 0 or (accounts.max() >= OUTSIDE_ACCOUNTS_FROM and not self.replays):
                raise InvalidInput("column account: an engine's accounts lie from 0 up to 2^62")
            if times.min() < begin_ns or times.max() >= end_ns:
                raise InvalidInput(f"column time_ns: window {message.window} is from {begin_ns} up to {end_ns}")
            commands[part.symbol] = rows
        return commands

    def instrument(self, symbol: str, field: str = "symbol") -> Instrument:
        """The instrument of that symbol; raises as `Listing.instrument` does where it is not this shard's."""
        return self.instruments.get(symbol) or self.listing.instrument(symbol, field)

    async def _again(self, run: RunFacts, window: int, digest: bytes) -> pb.TradeResponse:
        recorded = self._recorded.get(window)
        if recorded is None and self.recorder is not None and 0 <= window <= self.last_window:
            recorded = await self.recorder.run(lambda: self._find(window, digest))
        expected = self.last_window + 1
        if recorded is None:
            message = f"window {window} of run {run.run}: the next one is {expected}"
            raise NotNow(message, reason="WINDOW_OUT_OF_ORDER", metadata={"expected": str(expected)})
        if recorded.digest != digest:
            raise _mismatch(run, window, expected)
        self.totals.resent += 1
        return pb.TradeResponse.FromString(recorded.answer)

    def _find(self, window: int, digest: bytes) -> Recorded | None:
        """In the journal's thread: the answer that it has. In a row of empty windows none is told from another."""
        assert self.recorder is not None
        found = self.recorder.journal.find(window)
        if found is None:
            return None
        if not found.digest:
            empty = pb.WindowCommands(window=window).SerializeToString(deterministic=True)
            return Recorded(hashlib.blake2b(empty, digest_size=16).digest(), answer_of(window, []))
        results = [
            encoded_result(symbol, part.executions, part.quotes, part.tick)
            for symbol, part in found.parts.items()
            if len(part.executions)
        ]
        return Recorded(found.digest, answer_of(window, results))

    def _record(self, window: int, recorded: Recorded) -> None:
        self._recorded[window] = recorded
        self._oldest_recorded.append(window)
        self.reply_bytes += len(recorded.answer)
        # Those before the newest are found in the journal, where there is one.
        if len(self._oldest_recorded) > (1 if self.recorder is not None else self.limits.recorded_windows):
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
        if opened.replay and self.recorder is not None:
            message = "this book keeps a journal, and a recorded session is not recorded again: start it with --replay"
            raise NotNow(message, reason="RUN_MISMATCH", metadata=known)
        if self.beginning is not None and not opened.replay:
            message = "this book begins within a recorded session: start the engine with the same --replay"
            raise NotNow(message, reason="RUN_MISMATCH", metadata=known)
        if run is None:
            return
        if run.run != opened.run:
            if opened.term == self.term:
                raise NotNow(f"a new run needs a term above {self.term}", reason="FENCED", metadata=known)
            if self.recorder is not None:
                message = f"the journal has run {run.run} (seed {run.started.seed}): go on with it, or start with --new-run"
                raise NotNow(message, reason="RUN_EXISTS", metadata=known)
        elif _facts(run.started) != _facts(opened):
            message = f"run {opened.run} has another seed, start or lookahead: give a new run a new UUID"
            raise NotNow(message, reason="RUN_MISMATCH", metadata=known)

    def _begin(self, opened: pb.OpenRun) -> RunFacts:
        """Fresh books, or those with which a recorded session begins; what waited belonged to the old ones."""
        self.outside.end(Away("a new run began; the order did not reach the book", reason="ENGINE_AWAY"))
        self.shard = Shard(self.listing.own, self.limits.max_orders, opened.start_time_ns)
        self.outside = self.limits.outside()
        self.opened, self.saved_window, self.last_window = without_opener(opened), -1, -1
        if self.beginning is not None:
            self.beginning.restore(self.shard)
            self.last_window = self.beginning.window
        self.tapes = {symbol: traded.tape() for symbol, traded in self.shard.books.items()}
        self._recorded.clear()
        self._oldest_recorded.clear()
        self.reply_bytes = 0
        self._snapshot_minute = -1
        recorded = self.recorder.kept if self.recorder is not None else None
        return self.tape.begin_run(started_of(opened, self.listing.own), recorded, self.last_window)


def fenced() -> NotNow:
    """What an engine is told whose place another has taken."""
    return NotNow("a newer engine stream took over", reason="FENCED")


def paused_error() -> NotNow:
    """What an order is told while the market is paused."""
    message = "the market is paused: resume or step it, or set queue_while_paused to wait for the next window"
    return NotNow(message, reason="MARKET_PAUSED")


def _facts(opened: pb.OpenRun | pb.RunStarted) -> tuple[int, int, int]:
    return opened.seed, opened.start_time_ns, opened.lookahead_ns


def _mismatch(run: RunFacts, window: int, expected: int) -> NotNow:
    message = f"window {window} of run {run.run} was answered with other contents"
    return NotNow(message, reason="WINDOW_MISMATCH", metadata={"expected": str(expected)})


async def finished(work: Coroutine[Any, Any, T]) -> T:
    """The result of what must not be left half done: if the caller leaves, it is finished all the same.

    A window in the books and not on the tape would be applied again when it is sent again.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait({task})
        task.result()
        raise
