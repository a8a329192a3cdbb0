"""AsyncTimeEngine: plain `async def` agents on a virtual clock, in windows.

For window n the caller calls `collect(n)`, applies what it returns to the books (elsewhere or in this process), and calls
`deliver(n, ...)` with what happened. Nobody learns what happened in a window before it ends; nothing here knows wall time.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from marksim.core.agents.spec import AgentSpec, Cast, MarketEvent, ValueSpec
from marksim.core.errors import InvalidInput
from marksim.core.populations.crowd import Crowd
from marksim.core.sim.account import Holding
from marksim.core.sim.agent import EPHEMERAL, Agent
from marksim.core.sim.casting import check_cast, played
from marksim.core.sim.commands import command, joined
from marksim.core.sim.events import check_event, event_to_plain, play
from marksim.core.sim.feed import SymbolFeed
from marksim.core.sim.inputs import InputLog
from marksim.core.sim.keeping import Keeper
from marksim.core.sim.market import AgentMarket
from marksim.core.sim.restoring import restore
from marksim.core.sim.scheduler import Scheduler
from marksim.core.sim.state import EngineState, state_of
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

    @property
    def told(self) -> str:
        """The error as text: its type and what it says."""
        return str(self.error) if isinstance(self.error, FailedBefore) else f"{type(self.error).__name__}: {self.error}"


class FailedBefore(Exception):
    """What is left of the error of an agent that failed before the engine was restored: its text."""


def generator(seed: int, name: str) -> np.random.Generator:
    """The generator of one agent or process: keyed by the run's seed and its name, never by the order of creation."""
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:16], "little")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, key])))


class AsyncTimeEngine:
    """Runs a cast through windows of `lookahead_ns` from `start_ns` on.

    `wakeups` counts how often an agent went on; `running` may be read from another thread. Raises InvalidInput for a cast
    that does not fit the instruments. What reaches agents without a state is kept in `log`; without one they are ephemeral.
    With `leaves_out_ephemeral`, who is marked so is `absent` until `restart`, as in an engine that goes through a run again.

    With a `state` it goes on as that which gave the state would have; `log` is what had been kept until then, or later.
    Agents that are `absent` do nothing before `restart`. Raises InvalidInput for the state of another market or an
    incomplete log, CannotRestore for an agent that does not take its state, and NonDeterministic for one that, played
    again, did something else.
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
        log: InputLog | None = None,
        state: EngineState | None = None,
        leaves_out_ephemeral: bool = False,
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
        self._learned = 0
        self._on_failure: Callable[[AgentFailure], None] | None = None
        self._instruments = {instrument.symbol: instrument for instrument in instruments}
        self._outboxes: dict[str, list[bytes]] = {symbol: [] for symbol in self._instruments}
        self._keeper = Keeper(log, self.symbols)
        self._event_serial = 0
        check_cast(cast, self._instruments)
        self._crowds = self._made_crowds(cast)
        self._feeds = {
            symbol: SymbolFeed(one, self.scheduler, self._crowds[symbol]) for symbol, one in self._instruments.items()
        }
        self._holdings: dict[str, dict[int, Holding]] = {symbol: {} for symbol in self._instruments}
        self._agents = [self._make(spec) for spec in cast.agents]
        self._absent: dict[str, Agent] = {}
        if state is None:
            for agent in self._agents:
                if leaves_out_ephemeral and agent.spec.ephemeral:
                    self.leave_out(agent)
                else:
                    self.start(agent)
        for scheduled in cast.events:
            play(self, scheduled.event, max(scheduled.time_ns, start_ns))
        if state is not None:
            try:
                restore(self, state)
            except BaseException:
                self.close()
                raise
        # Not before: of an agent that fails while it is restored the error tells.
        self._on_failure = on_failure
        self._keeper.watch(self._agents)

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

    @property
    def symbols(self) -> Sequence[str]:
        """In the order of the instruments."""
        return tuple(self._instruments)

    @property
    def everyone(self) -> Sequence[Agent]:
        """All agents, in the order of the cast."""
        return self._agents

    @property
    def log(self) -> InputLog | None:
        """Of what reached agents without a state, where one was given."""
        return self._keeper.log

    @property
    def logs(self) -> bool:
        """Whether there is a log, and it is not full."""
        return self._keeper.keeps

    @property
    def ephemeral(self) -> tuple[str, ...]:
        """Agents that begin afresh when this engine is restored: those so marked, and those without a state or a log."""
        return tuple(agent.name for agent in self._agents if agent.kind == EPHEMERAL)

    @property
    def absent(self) -> tuple[str, ...]:
        """Those of them that have not begun since it was restored: they wait for `restart`."""
        return tuple(self._absent)

    @property
    def absent_accounts(self) -> tuple[int, ...]:
        """Whose commands this engine cannot repeat."""
        return tuple(agent.spec.account for agent in self._absent.values())

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
        self.run_agents(window)
        self._keeper.sent(window, self._outboxes)
        self._post()

    def run_agents(self, window: int) -> None:
        """Run them to the end of a window; what they send is still to be posted."""
        self.window_end_ns = end_ns = self.start_ns + (window + 1) * self.lookahead_ns
        self._next_window = window + 1
        self.scheduler.run_until(end_ns)

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
            if outcome.tick is not None:
                self._keeper.tick(window, symbol, outcome.tick)

    def learn(self, window: int) -> None:
        """Let agents learn of what crowds were told up to the end of a window, in which none of them was still to wake."""
        self.skip_to(window + 1)
        self.scheduler.run_until(self.start_ns + (window + 1) * self.lookahead_ns)
        for symbol, crowd in self._crowds.items():
            if told := crowd.told():
                self._keeper.executions(window, symbol, told)
                self._notify(symbol, told)
            self._feeds[symbol].catch_up()
        self._learned = window + 1

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
        self._keeper.event(window, event_to_plain(event))
        play(self, event, self.start_ns + window * self.lookahead_ns)
        return window

    @property
    def is_between_windows(self) -> bool:
        """Whether it has done a window and not begun the next one, so that its state can be taken."""
        return 0 < self._learned == self._next_window

    def state(self, reuse: EngineState | None = None) -> EngineState:
        """What it is between two windows, copied; it changes nothing. Nobody's code runs but agents' own `state()`.

        The arrays of an earlier state, which nobody may need any more, can be written to again: with a million traders that
        is several times as fast.

        Raises RuntimeError before the first window and inside of one, and CannotTell for an agent whose state is wrong.
        """
        if not self.is_between_windows:
            raise RuntimeError("an engine's state is taken between windows: after deliver(n), before collect(n + 1)")
        self._post()
        mark = self.log.mark() if self.log is not None else None
        return state_of(
            self,
            {
                "window": self._next_window - 1,
                "clock": [self.seed, self.start_ns, self.lookahead_ns],
                "counters": [self.agents_orders, self.wakeups, self._event_serial, self.scheduler.serial],
                "log": mark if self.logs else None,
            },
            reuse,
        )

    def take_up(self, window: int, counters: Sequence[int], failures: Iterable[tuple[str, int, str]]) -> None:
        """Be at the end of a window, with what `state` counted by then, and nothing that is still to be posted."""
        self.agents_orders, self.wakeups, self._event_serial, _ = counters
        self._next_window = self._learned = window + 1
        self.window_end_ns = self.start_ns + (window + 1) * self.lookahead_ns
        self.failures[:] = [AgentFailure(name, time_ns, self.seed, FailedBefore(text)) for name, time_ns, text in failures]
        self.drop_sent()

    def restart(self, names: Iterable[str]) -> None:
        """Let ephemeral agents begin afresh at the start of the next window, in which all their orders are cancelled.

        Each has a generator of its own for each life. Raises InvalidInput for a name that is not in `ephemeral`.
        """
        for agent in self._ephemeral_ones(names):
            agent.begin_again()
            self._absent.pop(agent.name, None)
            self.start(agent)

    def pass_over(self, names: Iterable[str]) -> None:
        """Where `restart` was, when windows are played again: go on without these agents, until they begin another life.

        What such an agent sent in the life that began there may be anything: whoever compares leaves it out. Raises as
        `restart` does.
        """
        for agent in self._ephemeral_ones(names):
            agent.close()
            agent.restarts += 1
            self.leave_out(agent)

    def _ephemeral_ones(self, names: Iterable[str]) -> list[Agent]:
        by_name = {agent.name: agent for agent in self._agents}
        for name in (names := list(names)):
            if name not in by_name or by_name[name].kind != EPHEMERAL:
                raise InvalidInput(f"restart: {name!r} is no ephemeral agent; there are {', '.join(self.ephemeral)}")
        return [by_name[name] for name in names]

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

    def _make(self, spec: AgentSpec) -> Agent:
        agent = Agent(self, spec)
        for holding in agent.holdings:
            self._holdings[holding.symbol][spec.account] = holding
        return agent

    def market_of(self, agent: Agent) -> AgentMarket:
        """A fresh one, with the generator of the agent's present life."""
        name = f"{agent.name}, life {agent.restarts}" if agent.restarts else agent.name
        agent.market = AgentMarket(agent, generator(self.seed, name))
        return agent.market

    def start(self, agent: Agent) -> None:
        """Let an agent begin at this instant."""
        coroutine, agent.restorable = played(agent.spec, self.market_of(agent))
        agent.stateless = agent.restorable is None
        agent.begin(coroutine)

    def leave_out(self, agent: Agent) -> None:
        """Let an agent do nothing before `restart`."""
        agent.over = True
        self._absent[agent.name] = agent

    @property
    def outboxes(self) -> Mapping[str, Sequence[bytes]]:
        """By symbol the commands that are still to be posted: after `run_agents`, those that agents have sent in it."""
        return self._outboxes

    def drop_sent(self) -> None:
        """Forget them."""
        for outbox in self._outboxes.values():
            outbox.clear()

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
