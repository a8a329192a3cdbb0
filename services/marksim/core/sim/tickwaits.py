"""The waits for what the public feed shows: ticks and trades, the next one or a stream of them."""

from typing import TYPE_CHECKING, Generic, TypeVar

from marksim.core.sim.awaiting import PARKED, Wait, Waiter
from marksim.core.sim.feed import Shown
from marksim.core.sim.scheduler import Priority
from marksim.core.sim.views import TickQuote, TickTrade
from marksim.core.types import Tick

if TYPE_CHECKING:
    from marksim.core.sim.account import Holding

R = TypeVar("R")


class TickWait(Wait[R]):
    """For a tick. What the await gives is made by `result`, from the newest that has reached the agent."""

    __slots__ = ("_holding",)

    def __init__(self, holding: "Holding") -> None:
        super().__init__()
        self._holding = holding

    @property
    def symbol(self) -> str:
        return self._holding.symbol

    def result(self, newest: Shown) -> object:
        """What the await gives; PARKED where that is not what is waited for."""
        raise NotImplementedError

    def arm(self, waiter: Waiter) -> object:
        self.claim_for(self._holding.agent, waiter)
        self._park()
        return PARKED

    def schedule(self) -> None:
        """A window has ended with a tick: fire when it reaches the agent, which may be now.

        So what has come before now is asked for: the agent itself is not to have looked at what comes now.
        """
        holding = self._holding
        scheduler = holding.feed.scheduler
        next_ns = holding.reach.next_ns(scheduler.now_ns - 1)
        scheduler.at(scheduler.now_ns if next_ns is None else next_ns, Priority.DELIVERY, self)

    def disarm(self) -> None:
        if self.waiter is not None:
            feed = self._holding.feed
            if self in feed.waiting:
                del feed.waiting[self]
            else:
                feed.scheduler.died()
        super().disarm()

    def fire(self) -> None:
        if self.waiter is None:
            return
        # Waits for own events that are there at the same time come first, and may give this one up.
        self._holding.agent.learn()
        result = self.result(self._newest())
        if result is not PARKED:
            self.finish(result)
        elif self.waiter is not None:
            self._park()

    def _park(self) -> None:
        """Wait for the next tick that is on its way or, where none is, that is published."""
        holding = self._holding
        scheduler = holding.feed.scheduler
        next_ns = holding.reach.next_ns(scheduler.now_ns)
        if next_ns is None:
            holding.feed.waiting[self] = None
        else:
            scheduler.at(next_ns, Priority.DELIVERY, self)

    def _newest(self) -> Shown:
        holding = self._holding
        return holding.reach.newest(holding.feed.scheduler.now_ns)


class NextTick(TickWait[Tick]):
    """The next tick that reaches the agent."""

    __slots__ = ()

    def result(self, newest: Shown) -> object:
        return newest[1]


class NextTrade(TickWait[TickTrade]):
    """The next trade that reaches the agent: one after those that it could know of when it began to wait."""

    __slots__ = ("_after",)

    def arm(self, waiter: Waiter) -> object:
        self._after = _trade_number(self._newest())
        return super().arm(waiter)

    def result(self, newest: Shown) -> object:
        if _trade_number(newest) <= self._after:
            return PARKED
        assert newest[2] is not None, "it has a number"
        feed = self._holding.feed
        return TickTrade(feed.symbol, feed.units, newest[2])


class Stream(Generic[R]):
    """`async for` over what is newest each time round, none twice; what came in between is passed over."""

    __slots__ = ("holding", "seen")

    def __init__(self, holding: "Holding") -> None:
        self.holding = holding
        self.seen = self.number(holding.reach.newest(holding.feed.scheduler.now_ns))

    def __aiter__(self) -> "Stream[R]":
        return self

    def __anext__(self) -> "Streamed[R]":
        return Streamed(self)

    def number(self, newest: Shown) -> int:
        """The tick number of what it would give."""
        raise NotImplementedError

    def view(self, newest: Shown) -> R:
        """What it gives."""
        raise NotImplementedError


class Streamed(TickWait[R]):
    """What the stream has not given yet."""

    __slots__ = ("_stream",)

    def __init__(self, stream: Stream[R]) -> None:
        super().__init__(stream.holding)
        self._stream = stream

    def arm(self, waiter: Waiter) -> object:
        result = self.result(self._newest())
        return super().arm(waiter) if result is PARKED else result

    def result(self, newest: Shown) -> object:
        stream, number = self._stream, self._stream.number(newest)
        if number <= stream.seen:
            return PARKED
        stream.seen = number
        return stream.view(newest)


class Ticks(Stream[TickQuote]):
    """`market.ticks()`."""

    __slots__ = ()

    def number(self, newest: Shown) -> int:
        return newest[1].tick_number

    def view(self, newest: Shown) -> TickQuote:
        feed = self.holding.feed
        return TickQuote(feed.symbol, feed.units, newest[1])


class Trades(Stream[TickTrade]):
    """`market.trades()`."""

    __slots__ = ()

    def number(self, newest: Shown) -> int:
        return _trade_number(newest)

    def view(self, newest: Shown) -> TickTrade:
        assert newest[2] is not None, "it has a number"
        feed = self.holding.feed
        return TickTrade(feed.symbol, feed.units, newest[2])


def _trade_number(newest: Shown) -> int:
    """Of the newest tick with a trade; 0 before the first."""
    return newest[2].tick_number if newest[2] is not None else 0
