"""The blocks of an agent's code that bound what happens in them: child tasks, and timeouts."""

from collections.abc import Coroutine
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from marksim.core.sim.awaiting import PARKED, Cancelled, Wait, Waiter
from marksim.core.sim.scheduler import Priority
from marksim.core.sim.tasks import AgentTask

if TYPE_CHECKING:
    from marksim.core.sim.agent import Agent


class ChildTasks:
    """`market.tasks()`: left when all children have ended. If one raises, the others and the block itself are cancelled, and
    its error is raised where the block ends, with the later ones as notes.
    """

    __slots__ = ("_aborted", "_agent", "_children", "_ending", "_errors", "_inside", "_parent", "join")

    def __init__(self, agent: "Agent") -> None:
        self._agent = agent
        self._parent: AgentTask | None = None
        self._children: dict[AgentTask, None] = {}
        self._errors: list[BaseException] = []
        self._inside = False
        self._aborted = False
        self._ending = False
        self.join: Join | None = None

    async def __aenter__(self) -> Self:
        if self._parent is not None:
            raise RuntimeError("market.tasks() was entered before: make a new one")
        self._parent = self._agent.engine.task_of(self._agent)
        self._inside = True
        return self

    async def __aexit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> bool:
        assert self._parent is not None, "entered"
        if error is not None or self._parent.doom:
            self.end()
        while self._children:
            await Join(self)
        self._inside = False
        if self._aborted:
            self._parent.doom -= 1
        self._raise(error)
        if error is None and self._parent.doom:
            raise Cancelled
        return False

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> AgentTask:
        """Let a child run from this instant on. RuntimeError outside the block, or beyond the bound of the agent."""
        if not self._inside:
            coroutine.close()
            raise RuntimeError("tasks.start() is for the inside of `async with market.tasks() as tasks`")
        child = self._agent.begin(coroutine, self)
        self._children[child] = None
        if self._ending:
            child.cancel()
        return child

    def cancel(self) -> None:
        """Cancel all children that are not done."""
        for child in list(self._children):
            child.cancel()

    def end(self) -> None:
        """The block waits only for its children to end: cancel them, and those that they may still start."""
        self._ending = True
        self.cancel()

    def child_ended(self, child: AgentTask, error: BaseException | None) -> None:
        """A child has returned, was cancelled (None) or has raised."""
        del self._children[child]
        if error is not None:
            self._errors.append(error)
            self._abort()
        if not self._children and self.join is not None:
            self.join.ready()

    def forget(self, child: AgentTask) -> None:
        """A child was ended together with its agent, whose block need not wait for it."""
        self._children.pop(child, None)

    def _abort(self) -> None:
        if self._aborted:
            return
        self._aborted = True
        self.end()
        assert self._parent is not None, "it has children"
        self._parent.interrupt()

    def _raise(self, error: BaseException | None) -> None:
        """The first error, with the others noted; nothing where that is the block's own, which goes on by itself."""
        errors = list(self._errors)
        if error is not None and not isinstance(error, Cancelled):
            errors.insert(len(errors) if self._aborted else 0, error)
        if not errors:
            return
        for other in errors[1:]:
            errors[0].add_note(f"and besides: {other!r}")
        if errors[0] is not error:
            raise errors[0]


class Join(Wait[None]):
    """For the end of all children. It cannot be given up: one who is cancelled here cancels the children and waits on."""

    __slots__ = ("_block", "_due")

    shielded: ClassVar[bool] = True

    def __init__(self, block: ChildTasks) -> None:
        super().__init__()
        self._block = block
        self._due = False

    def arm(self, waiter: Waiter) -> object:
        self.claim(waiter)
        self._block.join = self
        return PARKED

    def disarm(self) -> None:
        self._block.join = None
        super().disarm()

    def interrupt(self) -> bool:
        self._block.end()
        return False

    def ready(self) -> None:
        """The last child has ended: the parent has its turn."""
        if self.waiter is not None and not self._due:
            self._due = True
            scheduler = self.waiter.agent.scheduler
            scheduler.at(scheduler.now_ns, Priority.TIMER, self)

    def fire(self) -> None:
        if self.waiter is not None:
            self.waiter.agent.learn()
        self._block.join = None
        self.finish(None)


class Timeout:
    """`market.timeout()`: raises TimeoutError where the block still waits at its end."""

    __slots__ = ("_agent", "_deadline_ns", "_entered", "_expired", "_seconds", "_task")

    def __init__(self, agent: "Agent", seconds: float, deadline_ns: int) -> None:
        self._agent = agent
        self._seconds = seconds
        self._deadline_ns = deadline_ns
        self._entered = False
        self._expired = False
        self._task: AgentTask | None = None

    async def __aenter__(self) -> None:
        if self._entered:
            raise RuntimeError("market.timeout() was entered before: make a new one")
        scheduler = self._agent.scheduler
        self._task = self._agent.engine.task_of(self._agent)
        self._entered = True
        scheduler.at(max(self._deadline_ns, scheduler.now_ns), Priority.TIMER, self)

    async def __aexit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        task, self._task = self._task, None
        assert task is not None, "entered"
        if not self._expired:
            self._agent.scheduler.died()
            return
        task.doom -= 1
        if isinstance(error, Cancelled) and not task.doom:
            raise TimeoutError(f"not done within {self._seconds:g} simulated seconds") from error

    @property
    def agent(self) -> "Agent":
        return self._agent

    @property
    def dead(self) -> bool:
        return self._task is None

    def fire(self) -> None:
        if self._task is not None:
            self._agent.learn()
        if self._task is not None:
            self._expired = True
            self._task.interrupt()
