"""One agent at work: its tasks, what it has, who of it waits for what, and how it ends."""

import weakref
from collections.abc import Coroutine
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final

from marksim.core.agents.restorable import Restorable
from marksim.core.agents.spec import AgentSpec
from marksim.core.sim.account import Holding
from marksim.core.sim.awaiting import ForeignAwait, Livelock, Result, no_loop
from marksim.core.sim.orders import OrderWait, OwnOrder
from marksim.core.sim.ownwaits import Condition, Fills, NextFill
from marksim.core.sim.tasks import AgentTask
from marksim.core.sim.views import OwnFill
from marksim.core.types import NS_PER_S

if TYPE_CHECKING:
    from marksim.core.sim.awaiting import Wait
    from marksim.core.sim.engine import AsyncTimeEngine
    from marksim.core.sim.market import AgentMarket

MOST_TASKS: Final = 1_024
"""Of one agent at a time, the agent itself included."""
MOST_RESUMES: Final = 100_000
"""Of one agent in one window: one that goes on so often, at one instant or in tiny steps, holds up the market."""
MOST_COMMANDS: Final = 100_000
"""That one agent may send in one window; the next is a RuntimeError there."""
RESTART_SHIFT: Final = 40
"""Of its serials each life of an agent has so many bits."""

RESTORABLE: Final = "restorable"
STATELESS: Final = "stateless"
EPHEMERAL: Final = "ephemeral"
"""Kinds of agents: with a state that can be written down, played again from what reached them, and begun afresh."""


class Agent:
    """Its own events are taken in when it wakes; it is woken by them only while one of its tasks listens."""

    __slots__ = (
        "_fired",
        "commands",
        "conditions",
        "engine",
        "fill_streams",
        "fill_waits",
        "holdings",
        "listening",
        "market",
        "name",
        "over",
        "restarts",
        "restorable",
        "resumes",
        "scheduler",
        "serial",
        "spec",
        "stateless",
        "tasks",
        "window_end_ns",
    )

    def __init__(self, engine: "AsyncTimeEngine", spec: AgentSpec) -> None:
        self.engine = engine
        self.scheduler = engine.scheduler
        self.spec = spec
        self.name = spec.name
        self.serial = 0
        self.holdings = tuple(Holding(self, engine.feed(symbol), engine.seed) for symbol in spec.symbols)
        self.tasks: dict[AgentTask, None] = {}
        self.fill_waits: dict[NextFill, None] = {}
        self.fill_streams: dict[weakref.ref[Fills], None] = {}
        self.conditions: dict[Condition, None] = {}
        self.listening = 0
        self.commands = 0
        self.over = False
        self.market: AgentMarket | None = None
        self.restorable: Restorable | None = None
        self.stateless = False
        self.restarts = 0
        self._fired: list[tuple[Wait[Any], object]] = []
        self.window_end_ns = 0
        self.resumes = 0

    @property
    def kind(self) -> str:
        """RESTORABLE, STATELESS or EPHEMERAL: how it goes on when the engine is restored."""
        if self.spec.ephemeral or (self.stateless and not self.engine.logs):
            return EPHEMERAL
        return STATELESS if self.stateless else RESTORABLE

    def begin(self, coroutine: Coroutine[Any, Any, Any], block: Any = None) -> AgentTask:
        """Let a coroutine run from this instant on. RuntimeError for one too many."""
        if not isinstance(coroutine, CoroutineType):
            raise TypeError(f"{coroutine!r} is no coroutine: call an `async def` function")
        if self.over or len(self.tasks) >= MOST_TASKS:
            coroutine.close()
            why = "it has ended" if self.over else f"it has {MOST_TASKS} tasks"
            raise RuntimeError(f"agent {self.name} can start no task: {why}")
        task = AgentTask(self, coroutine, block)
        self.tasks[task] = None
        return task

    def go_on(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Let the coroutine of one that was restored run, now, to where it waits."""
        task = AgentTask(self, coroutine, None, has_turn=False)
        self.tasks[task] = None
        task.wake(Result(None), None)

    def begin_again(self) -> None:
        """Be as at the start of the run, with nothing but an answer to all that may still be of it in the books."""
        self.close()
        self.restarts += 1
        # Beyond all that it may have sent since, which nobody here knows of.
        self.serial = self.restarts << RESTART_SHIFT
        self.over = False
        for holding in self.holdings:
            holding.forget()
            holding.cancel_all(self.own_serial())

    def count_resume(self) -> None:
        """Raise Livelock for one too many in this window."""
        self.resumes += 1
        if self.resumes > MOST_RESUMES:
            raise Livelock(
                f"agent {self.name} went on {MOST_RESUMES} times within {self.engine.lookahead_ns / NS_PER_S:g} simulated "
                "seconds: let it sleep for longer, or wait for something that is not there yet"
            )

    def own_serial(self) -> int:
        """A number that no order or command of this agent has had."""
        self.serial += 1
        return self.serial

    def next_serial(self) -> int:
        """The same for what the agent itself sends. RuntimeError for one too many in this window."""
        if self.commands >= MOST_COMMANDS:
            raise RuntimeError(f"agent {self.name} sent {MOST_COMMANDS} commands in one window: let it sleep in between")
        self.commands += 1
        # Not by a call: this is a hot path.
        self.serial += 1
        return self.serial

    # What reaches it.

    def learn(self) -> None:
        """Take in every event that is visible by now, and wake who waited for them, in the order of the events."""
        now_ns, learned = self.scheduler.now_ns, False
        for holding in self.holdings:
            if holding.inbox:
                learned = holding.learn(now_ns) or learned
        if learned and self.listening:
            self._wake_listeners()
            if self.listening:
                self.listen_on()

    def check(self, waits: list[OrderWait], order: OwnOrder) -> None:
        """An order has changed that is waited for."""
        self._fired.extend((wait, order) for wait in waits if wait.ready)

    @property
    def wants_fills(self) -> bool:
        return bool(self.fill_waits or self.fill_streams)

    def filled(self, fill: OwnFill) -> None:
        """A part of an order has traded."""
        symbol = fill.order.symbol
        self._fired.extend((wait, fill) for wait in self.fill_waits if wait.symbol in {None, symbol})
        for reference in list(self.fill_streams):
            stream = reference()
            if stream is not None and stream.symbol in {None, symbol}:
                stream.add(fill)
                if stream.waiting is not None:
                    self._fired.append((stream.waiting, fill))

    def live_streams(self) -> list[Fills]:
        """Those that somebody has, in the order in which they were made."""
        return [stream for reference in list(self.fill_streams) if (stream := reference()) is not None]

    def listen(self) -> None:
        """One more wait is for own events."""
        self.listening += 1
        self.engine.listeners += 1
        self.listen_on()

    def unlisten(self) -> None:
        self.listening -= 1
        self.engine.listeners -= 1

    def listen_on(self) -> None:
        """Be woken when the next own event is there."""
        for holding in self.holdings:
            holding.schedule()

    def _wake_listeners(self) -> None:
        fired, self._fired = self._fired, []
        for wait, value in fired:
            wait.finish(value)
        for condition in list(self.conditions):
            condition.look()

    # How it ends.

    def ended(self, task: AgentTask, error: BaseException | None) -> None:
        """The agent's own function has returned or raised: the one ends it, the other takes it out."""
        if error is not None:
            self.take_out(error)
        else:
            self.close()

    def take_out(self, error: BaseException) -> None:
        """End it for an error: its tasks, its orders; the market goes on."""
        if self.over:
            return
        if isinstance(error, RuntimeError) and not isinstance(error, ForeignAwait) and (why := no_loop(error)) is not None:
            why.__cause__ = error
            error = why
        for other in self.close():
            error.add_note(f"while its other tasks ended: {other!r}")
        for holding in self.holdings:
            if holding.orders:
                holding.cancel_all(self.own_serial())
        self.engine.failed(self, error)

    def close(self) -> list[BaseException]:
        """End all tasks, the youngest first; what they raise at that."""
        self.over = True
        errors: list[BaseException] = []
        while self.tasks:
            task, _ = self.tasks.popitem()
            errors += task.close()
        return errors
