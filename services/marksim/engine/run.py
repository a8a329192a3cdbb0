"""One run after the other: agents, windows and shards, driven by the clock."""

import asyncio
import json
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from marksim.core.agents.spec import MarketEvent
from marksim.core.errors import Damaged, Exhausted, InvalidInput, MarksimError
from marksim.core.feed.tape import run_hash
from marksim.core.sim.engine import AgentFailure, AsyncTimeEngine, SymbolOutcome
from marksim.core.sim.events import event_from_plain, event_to_plain
from marksim.core.sim.inputs import LIMIT_BYTES, InputLog
from marksim.core.sim.inputs import NonDeterministic as AgentDiffers
from marksim.core.sim.restoring import CannotRestore
from marksim.core.sim.state import CannotTell, EngineState
from marksim.core.types import Records
from marksim.engine.clock import Clock
from marksim.engine.control import Controls
from marksim.engine.keeping import ClockState, Keeping, Saved
from marksim.engine.market import Market
from marksim.engine.recovery import NonDeterministic, catch_up, level
from marksim.engine.resuming import look_again, run_to_resume
from marksim.engine.settings import parse_speed
from marksim.engine.shard import Behind, Refused, RunLost, Shard, Unlike
from marksim.engine.together import all_of
from marksim.engine.until import Awaited
from marksim.runtime.durations import format_moment
from marksim.runtime.logs import get_logger
from marksim.runtime.loopless import no_event_loop
from marksim.runtime.watchdog import DEFAULT_LIMIT_S, Stall, Stalled, Watchdog
from marksim.scenario import Scenario
from marksim.scenario.group import Group
from marksim.v1 import engine_pb2 as pb
from marksim.v1 import orderbook_pb2

T = TypeVar("T")

_IN_ORDER = (pb.CLOCK_STATE_RUNNING, pb.CLOCK_STATE_PAUSED, pb.CLOCK_STATE_FINISHED)

UNLIKE_RETRY_S = 2.0
TAPES_EVERY_S = 1.0
"""Wall time from one look at the tape hash to the next."""

log = get_logger(__name__)


class Driver:
    """Drives the shards through a run of a group, and goes on with it after a crash of its own or of a book.

    Where books keep no journal, a book or an engine that was lost means a new run.

    `on_window` hears of every window done how much wall time it took, in seconds. With `end_ns` the run is over after the
    last window that ends by then. An agent that holds the clock for over `agent_limit_s` stops the market.
    """

    replays = False
    """Whether it plays a recorded session again: there are no agents, and nobody else may trade."""

    def __init__(
        self,
        scenario: Scenario,
        group: Group,
        clock: Clock,
        shards: list[Shard],
        on_window: Callable[[float], None],
        end_ns: int | None = None,
        agent_limit_s: float = DEFAULT_LIMIT_S,
        keeping: Keeping | None = None,
        log_bytes: int = LIMIT_BYTES,
    ) -> None:
        self.scenario = scenario
        self.group = group
        self.clock = clock
        self.shards = shards
        self.end_ns = end_ns
        self._on_window = on_window
        self._watchdog = Watchdog(lambda: self.engine, agent_limit_s, self._note_stall)
        self.instance = str(uuid.uuid4())
        self.run = ""
        self.term = 0
        self.runs = 0
        self.state = pb.CLOCK_STATE_STARTING
        self.message = "waiting for the order book"
        self.windows = 0
        self.trades_total = 0
        self.agents_s = 0.0
        self.book_s = 0.0
        self.populations_s = 0.0
        self.tape_hash = ""
        self.tape_window = -1
        """After which the tape hash is so."""
        self._trades: dict[str, int] = {}
        self._instruments = {instrument.symbol: instrument for instrument in group.instruments}
        self._keeping = keeping if keeping is not None else Keeping(None, 0)
        self._kept = False
        """Whether the books keep what the run does, so that it can go on."""
        self._controls = Controls()
        self._steered = ClockState()
        """What was written down of the run that goes on: how the clock was steered, and which events are to come."""
        self._is_steered = False
        """Whether the clock of this process knows how it is to go on: from the first beginning on."""
        self._pieces: list[int] = []
        self._log_bytes = log_bytes
        self._log_mark: list[int] = []
        self._saving: asyncio.Task[None] | None = None
        self._saved_at = -1
        self._written: EngineState | None = None
        self._tapes_at = time.monotonic()
        self.engine = self._first_engine()
        for shard in shards:
            shard.on_broken = clock.interrupt

    @property
    def simulated_time_ns(self) -> int:
        """End of the last window done."""
        return self.scenario.start_ns + self.windows * self.scenario.lookahead_ns

    @property
    def keeps(self) -> bool:
        """Whether the books keep the run, and this engine is where they are: it can go on after a crash."""
        return self._kept

    @property
    def saved_window(self) -> int | None:
        """Last window of the newest snapshot; None where there is none."""
        return self._keeping.window

    @property
    def snapshot_failures(self) -> int:
        return self._keeping.failures

    @property
    def snapshot_stop_s(self) -> float:
        """How long the market stood still for the last one, wall seconds."""
        return self._keeping.stood_s

    async def drive(self) -> None:
        """Run until the clock is stopped; a refused engine, or a stalled one, stays and says why until a person looks."""
        with self._watchdog:
            await self._drive()

    async def _drive(self) -> None:
        try:
            while not self.clock.stopping:
                try:
                    await self._begin()
                    await self._windows()
                except Unlike as unlike:
                    await self._wait_for_others(unlike)
                except Behind as behind:
                    self.state, self.message = pb.CLOCK_STATE_STARTING, f"going back: {behind}"
                    log.warning("an order book lost windows, the engine goes back to it", run=self.run, reason=str(behind))
                except RunLost as lost:
                    self.state, self.message = (
                        pb.CLOCK_STATE_STARTING,
                        f"beginning a new run: {lost}",
                    )
                    log.warning(
                        "run lost, beginning a new one",
                        run=self.run,
                        windows=self.windows,
                        reason=str(lost),
                    )
        except Refused as refused:
            self.state, self.message = pb.CLOCK_STATE_FAILED, str(refused)
            log.error("refused", reason=str(refused), run=self.run)
            await self.clock.stop()
        except (NonDeterministic, AgentDiffers) as difference:
            self.state = pb.CLOCK_STATE_FAILED
            self.message = f"NONDETERMINISTIC: {difference}; the recorded run cannot go on, --new-run begins another"
            log.error("the engine went another way than the recorded run", reason=str(difference), run=self.run)
            await self.clock.stop()
        except Stalled as stalled:
            self._note_stall(stalled.stall)
            log.error("the market stops", reason=str(stalled), run=self.run)
            await self.set_paused(True)
            await self.clock.stop()

    async def set_paused(self, paused: bool) -> None:
        """Tell the books, so that outside orders get their answer at once."""
        await asyncio.gather(*(shard.set_pace(paused) for shard in self.shards))

    async def close(self) -> None:
        """End the agents and the streams."""
        await self._written_down()
        # Inside of a window, held for a book that is away, there is no state to take; the journal has all before it.
        between = self.engine.is_between_windows
        if self._kept and between and self.windows > self._saved_at + 1 and self.state in _IN_ORDER:
            try:
                self._saving = self._save()
            except Stalled as stalled:
                log.error("no snapshot at the end", reason=str(stalled), run=self.run)
            await self._written_down()
        await self.remember()
        with no_event_loop():
            self.engine.close()
        await asyncio.gather(*(shard.close() for shard in self.shards))
        await self._keeping.close()

    def _note_stall(self, stall: Stall) -> None:
        """Also called from the watchdog's thread while the loop is held: metrics are read in a thread of their own."""
        self.state, self.message = pb.CLOCK_STATE_FAILED, str(stall)

    async def _finish(self, end_ns: int) -> None:
        """The run is over: nothing more comes, and the state stays to be looked at, with the hash of the whole tape."""
        if self.tape_window != self.windows - 1:
            await self._look_at_tapes()
        self.message = self._ended_at(end_ns)
        self.state = pb.CLOCK_STATE_FINISHED
        await self.clock.finish()
        log.info("run ends", run=self.run, windows=self.windows, simulated_time_ns=self.simulated_time_ns)
        await self.set_paused(True)
        await self.clock.stopped()

    def _ended_at(self, end_ns: int) -> str:
        """For people: how the run came to its end."""
        present_ns = self.simulated_time_ns
        past = f"; it had gone on to {format_moment(present_ns)} before" if present_ns > end_ns else ""
        return f"the run ended at {format_moment(end_ns)}{past}"

    async def _wait_for_others(self, unlike: Unlike) -> None:
        """While a cluster rolls to another scenario or sharding, old books stand beside new ones for some seconds."""
        if self.message != str(unlike):
            log.error("refused, looking again", reason=str(unlike), run=self.run)
        self.state, self.message = pb.CLOCK_STATE_FAILED, str(unlike)
        await asyncio.sleep(UNLIKE_RETRY_S)

    def _first_engine(self) -> Market:
        """What is driven until the books say from where on."""
        return self._make_engine()

    def _make_engine(self, saved: Saved | None = None, *, goes_on: bool = False) -> AsyncTimeEngine:
        """One that stands after a snapshot or else at the start; `goes_on` where windows of the run are recorded."""
        log = InputLog.joined(saved.inputs if saved is not None else (), self._log_bytes)
        self._log_mark = log.mark()
        state = None if saved is None else EngineState(dict(saved.document), dict(saved.arrays))
        with self._agents_code():
            return AsyncTimeEngine(
                self.group.instruments,
                self.group.cast,
                seed=self.scenario.seed,
                start_ns=self.scenario.start_ns,
                lookahead_ns=self.scenario.lookahead_ns,
                on_failure=_log_failure,
                log=log,
                state=state,
                leaves_out_ephemeral=goes_on,
            )

    async def inject(self, event: MarketEvent) -> int:
        """Let an event happen in the next window that has not begun, whatever becomes of this process; that window.

        Raises Exhausted where that cannot be promised: it may happen all the same.
        """
        window = self._inject(event_to_plain(event))
        try:
            await self._remember()
        except MarksimError as error:
            message = f"the event happens in window {window} if this engine gets there, and cannot be kept for another"
            raise Exhausted(f"{message}: {error.message}", reason="NOT_KEPT", metadata={"window": str(window)}) from error
        return window

    def _inject(self, event: dict[str, Any]) -> int:
        window = self.engine.inject(event_from_plain(event))
        self._controls.of(window).events.append(event)
        return window

    async def remember(self) -> None:
        """Keep how the clock is steered and what waits, for the case that this process ends without a word.

        Where it cannot be kept the clock is steered all the same: a full disk must not keep anyone from pausing the market.
        """
        try:
            await self._remember()
        except MarksimError as error:
            log.error("how the clock is steered could not be kept", reason=error.message)

    async def _remember(self) -> None:
        """Raises JournalFull and Damaged."""
        if not self._kept:
            return
        clock, factor = self.clock, self.clock.pacer.factor
        speed = "" if clock.ended_in_order else "max" if factor is None else repr(factor)
        paused = clock.paused and not clock.ended_in_order
        until_ns = 0 if clock.ended_in_order else clock.until_ns or 0
        awaited = clock.awaited.plain(self.windows) if clock.awaited is not None else None
        await self._keeping.remember(ClockState(self.run, paused, speed, until_ns, awaited, self._controls.remembered()))

    async def _begin(self) -> None:
        present = await asyncio.gather(*(shard.present() for shard in self.shards))
        self._check_books()
        kept = all(book.durability not in ("", "none") for book in present)
        self._controls.are_late = any(book.durability == "disk" for book in present)
        resumed = self._run_to_resume(present)
        self.run, self.term = resumed or str(uuid.uuid4()), 1 + max(book.term for book in present)
        opening = orderbook_pb2.OpenRun(
            run=self.run,
            term=self.term,
            instance=self.instance,
            scenario_hash=self.scenario.hash,
            seed=self.scenario.seed,
            start_time_ns=self.scenario.start_ns,
            lookahead_ns=self.scenario.lookahead_ns,
            scenario=self.scenario.name,
            scenario_text=json.dumps(self.scenario.resolved()),
            replay=self.replays,
        )
        # Before another engine is driven out: this one may not be able to go on.
        steered = self._find_steered() if resumed else ClockState()
        # From here on no other engine adds a window.
        lasts = await all_of(shard.open(opening) for shard in self.shards)
        # Until it is where the books are: what would be kept now would be less than what is kept from before.
        self._kept = False
        self._steered = steered
        self._restore_clock()
        await self._rebuild(lasts, kept)
        self._kept = kept
        await self.remember()
        self.runs += not resumed
        await self.set_paused(self.clock.paused)
        self.clock.restart(self.simulated_time_ns)
        log.info(
            "run goes on" if resumed else "run begins",
            run=self.run,
            term=self.term,
            scenario=self.scenario.name,
            seed=self.scenario.seed,
            windows=self.windows,
        )

    def _run_to_resume(self, present: Sequence[orderbook_pb2.GetRunResponse]) -> str:
        """The run that goes on, empty for a new one. Raises Unlike."""
        return run_to_resume(present, self.scenario)

    async def _rebuild(self, lasts: Sequence[int], kept: bool) -> None:
        """Be where the books are after their last windows, each -1 before the first."""
        last = min(lasts)
        self.state = pb.CLOCK_STATE_STARTING
        with no_event_loop():
            self.engine.close()
        # Or one of a later window would be written after it was looked for.
        await self._written_down()
        saved = await asyncio.to_thread(self._keeping.newest, self.run, last)
        first = 0 if saved is None else saved.window + 1
        if kept:
            # Else they are another run's, which somebody may go on with.
            self._keeping.forget_after(first - 1)
        self._pieces = [] if saved is None else list(saved.pieces)
        self._saved_at = first - 1
        try:
            engine = self.engine = self._make_engine(saved, goes_on=last >= 0)
        except (CannotRestore, InvalidInput) as error:
            raise Refused(f"the engine's snapshot after window {first - 1} cannot be used: {error.message}") from error
        if first <= last:
            log.info("engine goes through recorded windows again", run=self.run, first=first, last=last)
            streams = [shard.recorded(self.run, first, last) for shard in self.shards]
            told = partial(self._say_progress, last)
            asked = self._steered.awaited
            seen = look_again(self.clock, asked["window"] if asked is not None else 0, engine.failures)
            try:
                await catch_up(engine, streams, first, last, self._agents_code, told, seen)
            except InvalidInput as error:
                raise Refused(f"the recorded windows from {first} on cannot be played again: {error.message}") from error
        self.windows = last + 1
        await self._level(engine, lasts)
        self._trades = {symbol: engine.feed(symbol).newest.trades_total for symbol in engine.symbols}
        self.trades_total = sum(self._trades.values())
        self._restore_events()
        if names := engine.absent:
            log.warning("agents begin afresh: they are ephemeral, or their log of inputs is full", agents=names)
            self._controls.of(self.windows).restarted.extend(names)

    async def _level(self, engine: AsyncTimeEngine, lasts: Sequence[int]) -> None:
        """Do what some books have done, by their last windows, and others not: an engine died while it sent a window."""
        for window in range(min(lasts) + 1, max(lasts) + 1):
            done = [shard for shard, last in zip(self.shards, lasts, strict=True) if last >= window]
            parts = [part for shard in done async for part in shard.recorded(self.run, window, window)]
            trade = partial(self._trade_with, [shard for shard in self.shards if shard not in done])
            await level(engine, window, parts, {one for shard in done for one in shard.symbols}, trade, self._agents_code)
            self.windows = window + 1

    @contextmanager
    def _agents_code(self) -> Iterator[None]:
        """Code of agents runs: they find no event loop, and may not hold the clock for too long."""
        with no_event_loop(), self._watchdog.guard():
            yield

    def _say_progress(self, last: int, window: int) -> None:
        self.message = f"going through recorded windows again: {window} of {last}"

    def _find_steered(self) -> ClockState:
        """Raises Refused where it was written down and cannot be read: nobody knows what was asked for and promised."""
        try:
            return self._keeping.clock()
        except Damaged as error:
            raise Refused(f"how the clock was steered is lost: {error.message}") from error

    def _restore_clock(self) -> None:
        """Pause and speed as they were before this process, where the one before did not end in order, and as far as nobody
        has said otherwise since; from here on people steer them.
        """
        clock, known, self._is_steered = self._steered, self._is_steered, True
        if clock.run == self.run and not known:
            factor = parse_speed(clock.speed) if clock.speed else self.clock.pacer.factor
            awaited = Awaited.of(clock.awaited, self._instruments) if clock.awaited is not None else None
            self.clock.restore(clock.paused, factor, clock.until_ns, awaited)

    def _restore_events(self) -> None:
        """Those that were accepted and have not happened in the run that goes on; none in a new one."""
        self._controls.begin(self.windows, self._steered.events if self._steered.run == self.run else ())
        self._keep_promises(self.windows)

    def _keep_promises(self, window: int) -> None:
        """Let events happen in that window, the next one, as it was told to whoever injected them."""
        for event in self._controls.take_promised(window):
            self._inject(event)

    def _check_books(self) -> None:
        """Before any of them is opened: a run that begins on some books only would be one that readers see for nothing."""
        for shard in self.shards:
            if shard.scenario_hash not in ("", self.scenario.hash):
                hashes = f"{shard.address} trades scenario {shard.scenario_hash}, this engine {self.scenario.hash}"
                raise Unlike(f"{hashes}: start both alike")
        offered = sorted(symbol for shard in self.shards for symbol in shard.symbols)
        wanted = sorted(instrument.symbol for instrument in self.group.instruments)
        if offered != wanted:
            symbols = f"the order books trade {offered} but this engine needs {wanted}"
            raise Unlike(f"{symbols}: --orderbook must name the shards of its symbols, each once; see --symbols, --scenario")

    async def _windows(self) -> None:
        lookahead_ns = self.scenario.lookahead_ns
        while True:
            start_ns = self.simulated_time_ns
            if self.end_ns is not None and start_ns + lookahead_ns > self.end_ns:
                await self._finish(self.end_ns)
                return
            self.state = pb.CLOCK_STATE_PAUSED if self.clock.paused else pb.CLOCK_STATE_RUNNING
            self.message = ""
            if self.clock.reaches_its_end(start_ns + lookahead_ns):
                await self.set_paused(self.clock.paused)
                await self.remember()
            if self.clock.paused and self.tape_window != self.windows - 1:
                await self._look_at_tapes()
            if not await self.clock.wait_for(start_ns, start_ns + lookahead_ns):
                if self.clock.stopping:
                    return
                self.message = "the order book is away"
                await all_of(shard.mend() for shard in self.shards)
                continue
            happened = await self._one_window(self.windows)
            await self.clock.done(start_ns + lookahead_ns)
            if happened:
                self.clock.reached(happened)
                await self.set_paused(True)
                await self.remember()
            if self._kept and self.windows - 1 - self._saved_at >= self._keeping.snapshot_windows:
                self._saving = self._save()

    async def _trade(
        self, window: int, commands: dict[str, Records], control: bytes, tapes: bool
    ) -> dict[str, SymbolOutcome]:
        """Send every order book its part; what they did, when all have answered."""
        if len(self.shards) == 1:
            # No task for it: a window is to cost little more than its round trip.
            return await self.shards[0].trade(window, commands, control, tapes)
        return await self._trade_with(self.shards, window, commands, control, tapes)

    async def _trade_with(
        self, shards: Iterable[Shard], window: int, commands: dict[str, Records], control: bytes, tapes: bool = False
    ) -> dict[str, SymbolOutcome]:
        outcomes = {}
        trading = (shard.trade(window, _part(shard, commands), control, tapes) for shard in shards)
        for part in await all_of(trading):
            outcomes.update(part)
        return outcomes

    async def _look_at_tapes(self) -> None:
        """Ask the books for the tape hash after the last window, while no other is under way."""
        if self.windows and all(shard.connected for shard in self.shards):
            for shard, book in zip(self.shards, await all_of(shard.present() for shard in self.shards), strict=True):
                shard.tapes = {tape.symbol: tape.hash for tape in book.tapes}
            self._join_tapes()

    def _join_tapes(self) -> None:
        hashes = {symbol: hash_ for shard in self.shards for symbol, hash_ in shard.tapes.items()}
        if len(hashes) == len(self.engine.symbols):
            self.tape_hash, self.tape_window = run_hash(hashes), self.windows - 1

    async def _written_down(self) -> None:
        """Wait until the snapshot that is being written is."""
        if self._saving is not None:
            await asyncio.wait({self._saving})

    def _save(self) -> "asyncio.Task[None] | None":
        """Take a snapshot after the last window; it is written, and the books hear of it, while the market goes on.

        None where an agent cannot say its state: the market goes on, and the next one is tried at its time.
        """
        if self._saving is not None and not self._saving.done():
            # The disk is slow; the next one comes when this is written.
            return self._saving
        begun, engine = time.monotonic(), self.engine
        assert isinstance(engine, AsyncTimeEngine), "only agents are kept"
        # Memory that was written once is written again in microseconds; fresh memory takes the system many times as long.
        reused, self._written = self._written, None
        window = self._saved_at = self.windows - 1
        try:
            with self._agents_code():
                state = engine.state(reused)
        except CannotTell as error:
            self._keeping.failures += 1
            log.error("no snapshot can be taken", reason=error.message, window=window, run=self.run)
            return None
        inputs: dict[str, Any] = {}
        mark = self._log_mark
        if (kept := engine.log) is not None and (mark := kept.mark()) != self._log_mark:
            inputs = kept.since(self._log_mark)
        self._keeping.stood_s = time.monotonic() - begun
        pieces = (*self._pieces, window) if inputs else tuple(self._pieces)
        saved = Saved(window, state.document, state.arrays, (inputs,) if inputs else (), pieces)
        return asyncio.create_task(self._write(self.run, saved, state, mark))

    async def _write(self, run: str, saved: Saved, state: EngineState, mark: list[int]) -> None:
        """`mark` is how far the log of inputs is then; where it cannot be written, the next piece begins where this did."""
        kept = await self._keeping.save(run, saved)
        self._written = state
        if kept:
            self._pieces, self._log_mark = list(saved.pieces), mark
            await asyncio.gather(*(shard.tell_saved(saved.window) for shard in self.shards))

    async def _one_window(self, window: int) -> str:
        """Run it; what it had in it of what run-until waits for."""
        begun, failed = time.monotonic(), len(self.engine.failures)
        if names := self._controls.sent(window).restarted:
            self.engine.restart(names)
        with self._agents_code():
            self.engine.wake(window)
        woken = time.monotonic()
        commands = self.engine.gather(window)
        sent = time.monotonic()
        # Whatever is injected from here on happens in the next one.
        control = self._controls.sent(window)
        self._keep_promises(window + 1)
        if tapes := sent - self._tapes_at >= TAPES_EVERY_S:
            self._tapes_at = sent
        outcomes = await self._trade(window, commands, control.encoded(), tapes)
        answered = time.monotonic()
        self._controls.done(window)
        self.engine.tell(window, outcomes)
        told = time.monotonic()
        with self._agents_code():
            self.engine.learn(window)
        for symbol, outcome in outcomes.items():
            if outcome.tick is not None:
                self.trades_total += outcome.tick.trades_total - self._trades.get(symbol, 0)
                self._trades[symbol] = outcome.tick.trades_total
        self.windows += 1
        if tapes:
            self._join_tapes()
        ended = time.monotonic()
        self.agents_s += (sent - begun) + (ended - answered)
        self.populations_s += (sent - woken) + (told - answered)
        self.book_s += answered - sent
        self._on_window(ended - begun)
        awaited = self.clock.awaited
        return awaited.met(outcomes, self.engine.failures[failed:]) if awaited is not None else ""


def _part(shard: Shard, commands: dict[str, Records]) -> dict[str, Records]:
    return {symbol: rows for symbol, rows in commands.items() if symbol in shard.symbols}


def _log_failure(failure: AgentFailure) -> None:
    log.error(
        "agent taken out",
        agent=failure.name,
        simulated_time_ns=failure.time_ns,
        seed=failure.seed,
        exc_info=failure.error,
    )
