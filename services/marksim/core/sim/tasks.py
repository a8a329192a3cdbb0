"""One coroutine of an agent: the agent's own function, or a child of it."""

import heapq
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

from marksim.core.sim.awaiting import PARKED, Cancelled, Livelock, Raised, Sleep, Wait, foreign
from marksim.core.sim.scheduler import PRIORITY_SHIFT, Priority

if TYPE_CHECKING:
    from marksim.core.sim.agent import Agent
    from marksim.core.sim.blocks import ChildTasks

_TIMER: Final = Priority.TIMER << PRIORITY_SHIFT
_MOST_CLOSES: Final = 3


class Turn(Wait[None]):
    """A task's turn at this instant, behind what is already due: to begin, or to hear that it is cancelled."""

    __slots__ = ()

    def __init__(self, task: "AgentTask") -> None:
        self.waiter = task
        self.spent = False
        scheduler = task.agent.scheduler
        scheduler.at(scheduler.now_ns, Priority.TIMER, self)

    def disarm(self) -> None:
        if self.waiter is not None:
            self.waiter.agent.scheduler.died()
        super().disarm()

    def fire(self) -> None:
        if self.waiter is not None:
            self.waiter.agent.learn()
        self.finish(None)


class AgentTask:
    """Resumed by what it waits for. `doom` counts the reasons for which it is cancelled: while there is one, every await
    raises Cancelled.
    """

    __slots__ = ("_block", "_cancelled", "_send", "agent", "coroutine", "done", "doom", "wait")

    def __init__(
        self, agent: "Agent", coroutine: Coroutine[Any, Any, Any], block: "ChildTasks | None", *, has_turn: bool = True
    ) -> None:
        self.agent = agent
        self.coroutine = coroutine
        self.doom = 0
        self.done = False
        self._block = block
        self._cancelled = False
        self._send: Callable[[Any], Any] = coroutine.send
        self.wait: Wait[Any] | None = Turn(self) if has_turn else None

    def cancel(self) -> None:
        """Raise Cancelled where it waits, or where it waits next."""
        if not self._cancelled and not self.done:
            self._cancelled = True
            self.interrupt()

    def interrupt(self) -> None:
        """There is one more reason to end. Whoever calls it takes it back, or the task ends."""
        self.doom += 1
        # One that runs, or has its turn at this instant, hears of it then.
        if self.wait is not None and type(self.wait) is not Turn and self.wait.interrupt():
            self.wait = Turn(self)

    def wake(self, wait: Wait[Any], value: object) -> None:
        """Go on with what the wait brought."""
        if self.doom and not wait.shielded:
            value = Raised(Cancelled())
        agent = self.agent
        engine = agent.engine
        engine.wakeups += 1
        engine.current = self
        self.wait = None
        if agent.window_end_ns != engine.window_end_ns:
            agent.window_end_ns = engine.window_end_ns
            agent.resumes = agent.commands = 0
        try:
            agent.count_resume()
            awaited = self.coroutine.throw(value.error) if type(value) is Raised else self._send(value)
            while True:
                if type(awaited) is Sleep and not self.doom and awaited.waiter is None and not awaited.spent:
                    # The hottest path: what `Sleep.arm` does, without a call.
                    awaited.waiter = self
                    self.wait = awaited
                    scheduler = agent.scheduler
                    scheduler.serial += 1
                    time_ns = max(scheduler.now_ns, awaited.time_ns)
                    heapq.heappush(scheduler.heap, (time_ns, _TIMER | scheduler.serial, awaited))
                    break
                value = self._await(awaited)
                if value is PARKED:
                    break
                agent.count_resume()
                awaited = self.coroutine.throw(value.error) if type(value) is Raised else self._send(value)
        except StopIteration:
            engine.current = None
            self._end(None)
        except Livelock as error:
            engine.current = None
            agent.take_out(error)
        except KeyboardInterrupt:
            engine.current = None
            raise
        except BaseException as error:  # noqa: BLE001 - an agent's own mistake, of any kind: it alone is taken out
            engine.current = None
            self._end(error)
        else:
            engine.current = None

    def close(self) -> list[BaseException]:
        """End it at once; what it raises at that."""
        self.done = True
        if self._block is not None:
            self._block.forget(self)
        if self.wait is not None:
            self.wait.disarm()
            self.wait = None
        errors: list[BaseException] = []
        for _ in range(_MOST_CLOSES):
            try:
                self.coroutine.close()
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001 - handed to the caller
                errors.append(error)  # it may have awaited instead of ending: once more
            else:
                break
        return errors[:1]

    def _await(self, awaited: object) -> object:
        """Arm what it awaits; the result where it is there at once, PARKED where not."""
        if not isinstance(awaited, Wait):
            return Raised(foreign(awaited))
        if self.doom and not awaited.shielded:
            return Raised(Cancelled())
        try:
            result = awaited.arm(self)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - of a predicate or a wait that may not be awaited: raised at the await
            return Raised(error)
        if result is PARKED:
            self.wait = awaited
        return result

    def _end(self, error: BaseException | None) -> None:
        self.done = True
        self.agent.tasks.pop(self, None)
        if self._block is None:
            self.agent.ended(self, error)
        else:
            self._block.child_ended(self, None if isinstance(error, Cancelled) else error)
