"""AsyncTimeEngine: plain `async def` agents on a virtual clock, in windows.

For window n the caller calls `collect(n)`, applies what it returns to the books (elsewhere or in this process), and calls
`deliver(n, ...)` with what happened. Nobody learns what happened in a window before it ends; nothing here knows wall time.
"""

import hashlib
import heapq
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from marksim.core.agents import AGENT_TYPES, AgentSpec
from marksim.core.feed.ticks import opening_tick
from marksim.core.sim.account import Account
from marksim.core.sim.awaiting import NextTick, SleepUntil, foreign
from marksim.core.sim.fundamental import Fundamental
from marksim.core.sim.market import AgentMarket
from marksim.core.sim.scheduler import Priority, Scheduler
from marksim.core.types import (
    COMMAND,
    CommandKind,
    ExecutionKind,
    Instrument,
    Records,
    Tick,
)

Command = tuple[int, ...]
"""A COMMAND record as a tuple: it begins with (arrival, account, serial), which is the order of merging."""

_SHOWN_TICKS = 256
_TRADED = int(ExecutionKind.TRADED)
_NEW = int(CommandKind.NEW)
_KIND = (COMMAND.names or ()).index("kind")
_COLUMNS = (
    *("kind", "time_ns", "price_ticks", "quantity_lots"),
    *("account", "serial", "leaves_lots"),
    *("maker_account", "maker_serial", "maker_leaves_lots"),
)


@dataclass(frozen=True, slots=True)
class SymbolOutcome:
    """What one window did to one symbol: its order events (dtype EXECUTION) and its tick, if one was due."""

    executions: Records
    tick: Tick | None


@dataclass(frozen=True, slots=True)
class AgentFailure:
    """An agent that raised and was taken out; its market goes on."""

    name: str
    time_ns: int
    error: BaseException


class SymbolFeed:
    """What has been published of one symbol: (visible from, time of the change, tick), oldest first."""

    __slots__ = ("instrument", "shown", "waiting")

    def __init__(self, instrument: Instrument, first: Tick, start_ns: int) -> None:
        self.instrument = instrument
        self.shown: deque[tuple[int, Tick]] = deque([(start_ns, first)], maxlen=_SHOWN_TICKS)
        self.waiting: list[AgentTask] = []


class AgentTask:
    """One agent: its coroutine, its market, and where its events go."""

    __slots__ = ("account", "coroutine", "feed", "market", "spec")

    def __init__(self, spec: AgentSpec, account: Account, feed: SymbolFeed) -> None:
        self.spec = spec
        self.account = account
        self.feed = feed
        self.market: AgentMarket
        self.coroutine: Coroutine[Any, Any, None]


def generator(seed: int, name: str) -> np.random.Generator:
    """The generator of one agent or process: keyed by the run's seed and its name, never by the order of creation."""
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:16], "little")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, key])))


class AsyncTimeEngine:
    """Runs agents through windows of `lookahead_ns` from `start_ns` on."""

    def __init__(
        self,
        instruments: Sequence[Instrument],
        agents: Sequence[AgentSpec],
        *,
        seed: int,
        start_ns: int,
        lookahead_ns: int,
        on_failure: Callable[[AgentFailure], None] | None = None,
    ) -> None:
        self.start_ns = start_ns
        self.lookahead_ns = lookahead_ns
        self.seed = seed
        self.orders_sent = 0
        self.failures: list[AgentFailure] = []
        self._on_failure = on_failure
        self._scheduler = Scheduler(start_ns)
        self._feeds = {i.symbol: SymbolFeed(i, opening_tick(i, start_ns), start_ns) for i in instruments}
        self._pending: dict[str, list[Command]] = {i.symbol: [] for i in instruments}
        self._fundamentals: dict[str, Fundamental] = {}
        self._tasks = {spec.account: self._start(spec) for spec in agents}

    @property
    def now_ns(self) -> int:
        """Simulated time."""
        return self._scheduler.now_ns

    @property
    def next_due_ns(self) -> int | None:
        """When the next agent wakes or the next command arrives; None where nothing is left to happen."""
        due = [commands[0][0] for commands in self._pending.values() if commands]
        if self._scheduler.next_ns is not None:
            due.append(self._scheduler.next_ns)
        return min(due, default=None)

    @property
    def agents(self) -> int:
        """How many agents there are, failed ones included."""
        return len(self._tasks)

    @property
    def queued(self) -> int:
        """Events and commands that wait."""
        return len(self._scheduler) + sum(map(len, self._pending.values()))

    def collect(self, window: int) -> dict[str, Records]:
        """Run the agents to the end of the window; the commands that arrive in it, by symbol, in their order."""
        end_ns = self.start_ns + (window + 1) * self.lookahead_ns
        self._scheduler.run_until(end_ns)
        collected = {}
        for symbol, pending in self._pending.items():
            if pending and pending[0][0] < end_ns:
                rows = []
                while pending and pending[0][0] < end_ns:
                    rows.append(heapq.heappop(pending))
                collected[symbol] = np.array(rows, dtype=COMMAND)
        return collected

    def deliver(self, window: int, outcomes: Mapping[str, SymbolOutcome]) -> None:
        """Let what happened in a window that was collected become visible, each agent by its feed latency."""
        end_ns = self.start_ns + (window + 1) * self.lookahead_ns
        for symbol, outcome in outcomes.items():
            if len(outcome.executions):
                self._notify(outcome.executions, end_ns)
            if outcome.tick is not None:
                self._publish(self._feeds[symbol], outcome.tick, end_ns)

    def send(self, task: AgentTask, row: Command) -> None:
        """Put a command of an agent on its way; the arrival stands in the row."""
        self.orders_sent += row[_KIND] == _NEW
        heapq.heappush(self._pending[task.spec.symbol], row)

    def fundamental(self, symbol: str, sd_ticks: float, half_life_s: float) -> float:
        """The value of a symbol now, on the path of the first (sd, half-life) that was asked for."""
        path = self._fundamentals.get(symbol)
        if path is None:
            rng = generator(self.seed, f"fundamental:{symbol}")
            reference = float(self._feeds[symbol].instrument.reference_price_ticks)
            path = self._fundamentals[symbol] = Fundamental(rng, self.start_ns, reference, sd_ticks, half_life_s)
        return path.value(self._scheduler.now_ns)

    def close(self) -> None:
        """End all agents."""
        for task in self._tasks.values():
            task.coroutine.close()

    def _start(self, spec: AgentSpec) -> AgentTask:
        task = AgentTask(spec, Account(spec.account), self._feeds[spec.symbol])
        task.market = AgentMarket(self, task, self._scheduler, generator(self.seed, spec.name))
        task.coroutine = AGENT_TYPES[spec.type].run(task.market, spec.parameters)
        self._scheduler.at(self.start_ns, Priority.TIMER, lambda _: self.resume(task))
        return task

    def resume(self, task: AgentTask, value: object = None) -> None:
        """Let an agent go on; called by its market when it is woken."""
        try:
            awaited = task.coroutine.send(value)
            while type(awaited) is not SleepUntil and type(awaited) is not NextTick:
                awaited = task.coroutine.throw(foreign(awaited))
            if type(awaited) is SleepUntil:
                self._scheduler.at(awaited.time_ns, Priority.TIMER, task.market.wake)
            else:
                task.feed.waiting.append(task)
        except StopIteration:
            return
        except Exception as error:  # noqa: BLE001 - an agent's own mistake, of any kind: it alone is taken out
            self._take_out(task, error)

    def _take_out(self, task: AgentTask, error: Exception) -> None:
        failure = AgentFailure(task.spec.name, self.now_ns, error)
        self.failures.append(failure)
        task.coroutine.close()
        for order in list(task.account.orders.values()):
            task.market.cancel(order)
        if self._on_failure is not None:
            self._on_failure(failure)

    def _notify(self, executions: Records, end_ns: int) -> None:
        tasks = self._tasks
        # In sequence order, so that a fill reaches its order before the order's end does.
        for kind, time_ns, price, quantity, *parties in zip(*(executions[name].tolist() for name in _COLUMNS), strict=True):
            account, serial, leaves = parties[:3]
            if (task := tasks.get(account)) is not None:
                visible = max(time_ns + task.spec.feed_latency_ns, end_ns)
                task.account.inbox.append((visible, serial, kind, price, quantity, leaves))
            if kind == _TRADED and (task := tasks.get(parties[3])) is not None:
                serial, leaves = parties[4:]
                visible = max(time_ns + task.spec.feed_latency_ns, end_ns)
                task.account.inbox.append((visible, serial, kind, price, quantity, leaves))

    def _publish(self, feed: SymbolFeed, tick: Tick, end_ns: int) -> None:
        feed.shown.append((end_ns, tick))
        waiting, feed.waiting = feed.waiting, []
        for task in waiting:
            visible = max(tick.time_ns + task.spec.feed_latency_ns, end_ns)
            self._scheduler.at(visible, Priority.DELIVERY, task.market.wake_with, tick)
