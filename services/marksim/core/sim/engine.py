"""AsyncTimeEngine: plain `async def` agents on a virtual clock, in windows.

For window n the caller calls `collect(n)`, applies what it returns to the books (elsewhere or in this process), and calls
`deliver(n, ...)` with what happened. Nobody learns what happened in a window before it ends; nothing here knows wall time.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from marksim.core.agents.market import Market
from marksim.core.agents.spec import AgentSpec, Cast, MarketEvent, ValueSpec
from marksim.core.populations.crowd import Crowd
from marksim.core.sim.account import Holding
from marksim.core.sim.agent import Agent
from marksim.core.sim.casting import check_cast, played
from marksim.core.sim.commands import command, joined
from marksim.core.sim.events import check_event, play
from marksim.core.sim.feed import SymbolFeed
from marksim.core.sim.market import AgentMarket
from marksim.core.sim.scheduler import Scheduler
from marksim.core.sim.tasks import AgentTask
from marksim.core.types import CommandKind, ExecutionKind, Instrument, Records, Tick

_TRADED: Final = int(ExecutionKind.TRADED)
EVENTS_ACCOUNT: Final = 0


@dataclass(frozen=True, slots=True)
class SymbolOutcome:
    """What one window did to one symbol: its order events (dtype EXECUTION) and its tick, if one was due."""

    executions: Records
    tick: Tick | None


@dataclass(frozen=True, slots=True)
class AgentFailure:
    """An agent that raised and was taken out; its market goes on. The seed is that of the run."""

    name: str
    time_ns: int
    seed: int
    error: BaseException


def generator(seed: int, name: str) -> np.random.Generator:
    """The generator of one agent or process: keyed by the run's seed and its name, never by the order of creation."""
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:16], "little")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, key])))


class AsyncTimeEngine:
    """Runs a cast through windows of `lookahead_ns` from `start_ns` on.

    `wakeups` counts how often an agent went on; `running` may be read from another thread. Raises InvalidInput for a cast
    that does not fit the instruments.
    """

    def __init__(
        self,
        instruments: Sequence[Instrument],
        cast: Cast,
        *,
        seed: int,
        start_ns: int,
        lookahead_ns: int,
        on_failure: Callable[[AgentFailure], None] | None = None,
    ) -> None:
        self.start_ns = start_ns
        self.lookahead_ns = lookahead_ns
        self.seed = seed
        self.agents_orders = 0
        self.wakeups = 0
        self.listeners = 0
        self.failures: list[AgentFailure] = []
        self.current: AgentTask | None = None
        self.scheduler = Scheduler(start_ns)
        self.window_end_ns = start_ns + lookahead_ns
        self._next_window = 0
        self._on_failure = on_failure
        self._instruments = {instrument.symbol: instrument for instrument in instruments}
        self._outboxes: dict[str, list[bytes]] = {symbol: [] for symbol in self._instruments}
        self._event_serial = 0
        check_cast(cast, self._instruments)
        self._crowds = self._made_crowds(cast)
        self._feeds = {
            symbol: SymbolFeed(one, self.scheduler, self._crowds[symbol]) for symbol, one in self._instruments.items()
        }
        self._holdings: dict[str, dict[int, Holding]] = {symbol: {} for symbol in self._instruments}
        self._agents = [self._start(spec) for spec in cast.agents]
        for scheduled in cast.events:
            play(self, scheduled.event, max(scheduled.time_ns, start_ns))

    @property
    def now_ns(self) -> int:
        """Simulated time."""
        return self.scheduler.now_ns

    @property
    def running(self) -> str | None:
        """The agent whose code runs right now; None between agents."""
        task = self.current
        return None if task is None else task.agent.name

    @property
    def next_due_ns(self) -> int | None:
        """When the next agent wakes, a population acts or a command arrives; None where nothing is left to happen."""
        self._post()
        due = [self.scheduler.next_ns, *(crowd.next_due_ns for crowd in self._crowds.values())]
        return min((time_ns for time_ns in due if time_ns is not None), default=None)

    @property
    def next_wake_ns(self) -> int | None:
        """When the next agent wakes, or something happens from outside; None where nothing is scheduled."""
        return self.scheduler.next_ns

    @property
    def orders_sent(self) -> int:
        """By agents and populations, since the start of the run."""
        return self.agents_orders + self.crowd_orders

    @property
    def crowd_orders(self) -> int:
        """By populations alone."""
        return sum(crowd.orders_sent for crowd in self._crowds.values())

    @property
    def traders(self) -> int:
        """Of all populations."""
        return sum(crowd.traders for crowd in self._crowds.values())

    @property
    def agents(self) -> int:
        """How many agents there are, failed ones included."""
        return len(self._agents)

    @property
    def queued(self) -> int:
        """Events and commands that wait."""
        return len(self.scheduler) + sum(crowd.queued for crowd in self._crowds.values())

    def collect(self, window: int) -> dict[str, Records]:
        """Run agents and populations to the end of the window; the commands that arrive in it, by symbol, in their order.

        The rows hold until the next call.
        """
        self.wake(window)
        return self.gather(window)

    def deliver(self, window: int, outcomes: Mapping[str, SymbolOutcome]) -> None:
        """Let what happened in a window that was collected become visible, to each by its feed latency."""
        self.tell(window, outcomes)
        self.learn(window)

    # The same in parts: for who lets populations and books run on their own, and for who times them apart from agents.

    def wake(self, window: int) -> None:
        """Run the agents to the end of a window, and put what they send on its way; the windows before it are done."""
        self.window_end_ns = end_ns = self.start_ns + (window + 1) * self.lookahead_ns
        self._next_window = window + 1
        self.scheduler.run_until(end_ns)
        self._post()

    def gather(self, window: int) -> dict[str, Records]:
        """Run the populations to the end of a window for which the agents were woken; what `collect` returns."""
        end_ns = self.start_ns + (window + 1) * self.lookahead_ns
        collected = {symbol: crowd.collect(end_ns) for symbol, crowd in self._crowds.items()}
        return {symbol: rows for symbol, rows in collected.items() if len(rows)}

    def tell(self, window: int, outcomes: Mapping[str, SymbolOutcome]) -> None:
        """Tell the populations of what happened in a window; the agents `learn` of it next."""
        end_ns = self.start_ns + (window + 1) * self.lookahead_ns
        for symbol, outcome in outcomes.items():
            self._crowds[symbol].deliver(outcome.executions, outcome.tick, end_ns)

    def learn(self, window: int) -> None:
        """Let agents learn of what crowds were told up to the end of a window, in which none of them was still to wake."""
        self.skip_to(window + 1)
        self.scheduler.run_until(self.start_ns + (window + 1) * self.lookahead_ns)
        for symbol, crowd in self._crowds.items():
            if told := crowd.told():
                self._notify(symbol, told)
            self._feeds[symbol].catch_up()

    def watch(self) -> None:
        """Put on its way what came from outside, and tell each crowd at what its windows must stop, as an agent waits."""
        self._post()
        for symbol, crowd in self._crowds.items():
            crowd.watch(ticks=self._feeds[symbol].watched, told=self.listeners > 0)

    def skip_to(self, window: int) -> None:
        """Say that nothing was due in all windows before this one, which were not collected."""
        self._next_window = max(self._next_window, window)

    def inject(self, event: MarketEvent) -> int:
        """Let an event happen at the start of the next window to be collected, and return that window.

        Raises InvalidInput for an unknown symbol or a number out of range.
        """
        check_event(event, self._instruments)
        window = self._next_window
        play(self, event, self.start_ns + window * self.lookahead_ns)
        return window

    def close(self) -> None:
        """End all agents. The run is over, so what they raise at that is nobody's concern."""
        for agent in self._agents:
            agent.close()

    # What agents and events use.

    def feed(self, symbol: str) -> SymbolFeed:
        """The public feed of a symbol."""
        return self._feeds[symbol]

    def crowd(self, symbol: str) -> Crowd:
        """The populations of a symbol, and its fundamental value."""
        return self._crowds[symbol]

    def holdings(self, symbol: str) -> Iterable[Holding]:
        """Of all agents in a symbol, in the order of the cast."""
        return self._holdings[symbol].values()

    def window_end_after(self, time_ns: int) -> int:
        """The first end of a window at or after a time."""
        return self.start_ns - (self.start_ns - time_ns) // self.lookahead_ns * self.lookahead_ns

    def task_of(self, agent: Agent) -> AgentTask:
        """The task of that agent whose code runs right now; RuntimeError where none does."""
        task = self.current
        if task is None or task.agent is not agent:
            raise RuntimeError(f"this block is of agent {agent.name}'s market: only its own code may enter it")
        return task

    def outbox(self, symbol: str) -> list[bytes]:
        """COMMAND rows that are put on their way when the agents have run."""
        return self._outboxes[symbol]

    def command(self, symbol: str, time_ns: int, kind: CommandKind, **columns: Any) -> None:
        """A command of the events' own account, which arrives at that time."""
        self._event_serial += 1
        serial = self._event_serial
        self._outboxes[symbol].append(command(time_ns, EVENTS_ACCOUNT, serial, kind, **columns))

    def failed(self, agent: Agent, error: BaseException) -> None:
        """An agent was taken out."""
        failure = AgentFailure(agent.name, self.now_ns, self.seed, error)
        self.failures.append(failure)
        if self._on_failure is not None:
            self._on_failure(failure)

    def _post(self) -> None:
        """Put what agents and events have sent on its way."""
        for symbol, outbox in self._outboxes.items():
            if outbox:
                self._crowds[symbol].push(joined(outbox))
                outbox.clear()

    def _notify(self, symbol: str, executions: Sequence[tuple[int, ...]]) -> None:
        """Tell each party, in sequence order, so that a fill reaches its order before the order's end does."""
        holdings, start_ns, lookahead_ns = self._holdings[symbol], self.start_ns, self.lookahead_ns
        for row in executions:
            sequence, time_ns, account, serial, _, price, lots, leaves = row[:8]
            maker, maker_serial, _, maker_leaves, kind, reason, side, _ = row[8:]
            end_ns = start_ns + ((time_ns - start_ns) // lookahead_ns + 1) * lookahead_ns
            if (holding := holdings.get(account)) is not None:
                extra = 0 if kind == _TRADED else reason
                holding.notify(serial, kind, price, lots, leaves, extra, time_ns, end_ns, sequence)
            if kind == _TRADED and (holding := holdings.get(maker)) is not None:
                # An auction's trades have no side, and nobody is the maker.
                holding.notify(maker_serial, kind, price, lots, maker_leaves, int(side != 0), time_ns, end_ns, sequence)

    def _start(self, spec: AgentSpec) -> Agent:
        agent = Agent(self, spec)
        for holding in agent.holdings:
            self._holdings[holding.symbol][spec.account] = holding
        market: Market = AgentMarket(agent, generator(self.seed, spec.name))
        agent.begin(played(spec, market))
        return agent

    def _made_crowds(self, cast: Cast) -> dict[str, Crowd]:
        values = {value.symbol: value for value in cast.values}
        agents_end = 1 + max((spec.account for spec in cast.agents), default=0)
        longest_ns = max((spec.feed_latency.quantiles_ns[-1] for spec in cast.agents), default=0)
        return {
            symbol: Crowd(
                instrument,
                [spec for spec in cast.populations if spec.symbol == symbol],
                values.get(symbol, ValueSpec(symbol)),
                seed=self.seed,
                start_ns=self.start_ns,
                lookahead_ns=self.lookahead_ns,
                agents_end=agents_end,
                longest_feed_ns=longest_ns,
            )
            for symbol, instrument in self._instruments.items()
        }
