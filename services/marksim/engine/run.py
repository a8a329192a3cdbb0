"""One run after the other: agents, windows and shards, driven by the clock."""

import asyncio
import time
import uuid
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

from marksim.core.sim.engine import AgentFailure, AsyncTimeEngine, SymbolOutcome
from marksim.core.types import Records
from marksim.engine.clock import Clock
from marksim.engine.shard import Refused, RunLost, Shard, Unlike
from marksim.runtime.durations import format_moment
from marksim.runtime.logs import get_logger
from marksim.runtime.loopless import no_event_loop
from marksim.runtime.watchdog import DEFAULT_LIMIT_S, Stall, Stalled, Watchdog
from marksim.scenario import Scenario
from marksim.scenario.group import Group
from marksim.v1 import engine_pb2 as pb
from marksim.v1 import orderbook_pb2

T = TypeVar("T")

UNLIKE_RETRY_S = 2.0

log = get_logger(__name__)


class Driver:
    """Drives the shards through runs of a group. Without a journal, a book that was lost means a new run.

    `on_window` hears of every window done how much wall time it took, in seconds. With `end_ns` the run is over after the
    last window that ends by then. An agent that holds the clock for over `agent_limit_s` stops the market.
    """

    def __init__(
        self,
        scenario: Scenario,
        group: Group,
        clock: Clock,
        shards: list[Shard],
        on_window: Callable[[float], None],
        end_ns: int | None = None,
        agent_limit_s: float = DEFAULT_LIMIT_S,
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
        self._trades: dict[str, int] = {}
        self.engine = self._make_engine()
        for shard in shards:
            shard.on_broken = clock.interrupt

    @property
    def simulated_time_ns(self) -> int:
        """End of the last window done."""
        return self.scenario.start_ns + self.windows * self.scenario.lookahead_ns

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
        with no_event_loop():
            self.engine.close()
        await asyncio.gather(*(shard.close() for shard in self.shards))

    def _note_stall(self, stall: Stall) -> None:
        """Also called from the watchdog's thread while the loop is held: metrics are read in a thread of their own."""
        self.state, self.message = pb.CLOCK_STATE_FAILED, str(stall)

    async def _finish(self, end_ns: int) -> None:
        """The run is over: nothing more comes, and the state stays to be looked at."""
        self.state, self.message = pb.CLOCK_STATE_FINISHED, f"the run ended at {format_moment(end_ns)}"
        await self.clock.finish()
        log.info("run ends", run=self.run, windows=self.windows, simulated_time_ns=self.simulated_time_ns)
        await self.set_paused(True)
        await self.clock.stopped()

    async def _wait_for_others(self, unlike: Unlike) -> None:
        """While a cluster rolls to another scenario or sharding, old books stand beside new ones for some seconds."""
        if self.message != str(unlike):
            log.error("refused, looking again", reason=str(unlike), run=self.run)
        self.state, self.message = pb.CLOCK_STATE_FAILED, str(unlike)
        await asyncio.sleep(UNLIKE_RETRY_S)

    def _make_engine(self) -> AsyncTimeEngine:
        with no_event_loop():
            return AsyncTimeEngine(
                self.group.instruments,
                self.group.cast,
                seed=self.scenario.seed,
                start_ns=self.scenario.start_ns,
                lookahead_ns=self.scenario.lookahead_ns,
                on_failure=_log_failure,
            )

    async def _begin(self) -> None:
        terms = await asyncio.gather(*(shard.highest_term() for shard in self.shards))
        self._check_books()
        if self.runs:
            with no_event_loop():
                self.engine.close()
            self.engine = self._make_engine()
        self.run, self.term = str(uuid.uuid4()), 1 + max(terms)
        self.windows = self.trades_total = 0
        self._trades.clear()
        opening = orderbook_pb2.OpenRun(
            run=self.run,
            term=self.term,
            instance=self.instance,
            scenario_hash=self.scenario.hash,
            seed=self.scenario.seed,
            start_time_ns=self.scenario.start_ns,
            lookahead_ns=self.scenario.lookahead_ns,
        )
        await _all(shard.open(opening) for shard in self.shards)
        self.runs += 1
        await self.set_paused(self.clock.paused)
        self.clock.restart(self.simulated_time_ns)
        log.info(
            "run begins",
            run=self.run,
            term=self.term,
            scenario=self.scenario.name,
            seed=self.scenario.seed,
        )

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
            if not await self.clock.wait_for(start_ns, start_ns + lookahead_ns):
                if self.clock.stopping:
                    return
                self.message = "the order book is away"
                await _all(shard.mend() for shard in self.shards)
                continue
            happened = await self._one_window(self.windows)
            await self.clock.done(start_ns + lookahead_ns)
            if happened:
                self.clock.reached(happened)
                await self.set_paused(True)

    async def _trade(self, window: int, commands: dict[str, Records]) -> dict[str, SymbolOutcome]:
        """Send every order book its part; what they did, when all have answered."""
        if len(self.shards) == 1:
            # No task for it: a window is to cost little more than its round trip.
            return await self.shards[0].trade(window, commands)
        outcomes = {}
        for part in await _all(shard.trade(window, _part(shard, commands)) for shard in self.shards):
            outcomes.update(part)
        return outcomes

    async def _one_window(self, window: int) -> str:
        """Run it; what it had in it of what run-until waits for."""
        begun, failed = time.monotonic(), len(self.engine.failures)
        with no_event_loop(), self._watchdog.guard():
            self.engine.wake(window)
        woken = time.monotonic()
        commands = self.engine.gather(window)
        sent = time.monotonic()
        outcomes = await self._trade(window, commands)
        answered = time.monotonic()
        self.engine.tell(window, outcomes)
        told = time.monotonic()
        with no_event_loop(), self._watchdog.guard():
            self.engine.learn(window)
        for symbol, outcome in outcomes.items():
            if outcome.tick is not None:
                self.trades_total += outcome.tick.trades_total - self._trades.get(symbol, 0)
                self._trades[symbol] = outcome.tick.trades_total
        self.windows += 1
        ended = time.monotonic()
        self.agents_s += (sent - begun) + (ended - answered)
        self.populations_s += (sent - woken) + (told - answered)
        self.book_s += answered - sent
        self._on_window(ended - begun)
        awaited = self.clock.awaited
        return awaited.met(outcomes, self.engine.failures[failed:]) if awaited is not None else ""


async def _all(parts: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """All results; when one fails, the others are cancelled and awaited, and its error is raised."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


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
