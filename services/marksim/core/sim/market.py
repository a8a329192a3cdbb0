"""The market that the engine injects into an agent (the Protocol is `core.agents.market.Market`)."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from operator import index
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from marksim.core.agents.views import Order
from marksim.core.sim.awaiting import First, Sleep
from marksim.core.sim.blocks import ChildTasks, Timeout
from marksim.core.sim.candles import Candles
from marksim.core.sim.orders import Acknowledged, Answered, Closed, OwnOrder
from marksim.core.sim.ownwaits import Beats, Condition, Fills, NextFill
from marksim.core.sim.sending import Sending
from marksim.core.sim.tickwaits import NextTick, NextTrade, Ticks, Trades
from marksim.core.sim.views import TickQuote
from marksim.core.types import NS_PER_S, Instrument, Tick

if TYPE_CHECKING:
    from marksim.core.sim.agent import Agent

MOST_INTERVALS: Final = 64
"""Of candles of one agent: each is made at every tick from its first use on."""


class AgentMarket(Sending):
    """One agent's view."""

    __slots__ = ("_intervals", "rng")

    def __init__(self, agent: "Agent", rng: np.random.Generator) -> None:
        super().__init__(agent)
        self.rng = rng
        self._intervals: set[tuple[str, int]] = set()

    def state(self) -> dict[str, Any]:
        """Of its generator, and for which candles were asked."""
        return {"rng": self.rng.bit_generator.state, "intervals": [list(one) for one in sorted(self._intervals)]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take what `state` gave."""
        self.rng.bit_generator.state = state["rng"]
        self._intervals = {(symbol, interval_ns) for symbol, interval_ns in state["intervals"]}

    @property
    def name(self) -> str:
        return self._agent.name

    @property
    def now_ns(self) -> int:
        return self._scheduler.now_ns

    @property
    def now(self) -> float:
        return (self._scheduler.now_ns - self._engine.start_ns) / NS_PER_S

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(self._by_symbol)

    def instrument(self, symbol: str | None = None) -> Instrument:
        return self._holding(symbol).feed.instrument

    # What it knows.

    def tick(self, symbol: str | None = None) -> Tick:
        holding = self._first if symbol is None else self._holding(symbol)
        return holding.reach.newest(self._scheduler.now_ns)[1]

    def quote(self, symbol: str | None = None) -> TickQuote:
        holding = self._holding(symbol)
        return TickQuote(holding.symbol, holding.units, holding.reach.newest(self._scheduler.now_ns)[1])

    def value_ticks(self, symbol: str | None = None) -> float:
        return self._engine.crowd(self._holding(symbol).symbol).value_ticks(self._scheduler.now_ns)

    def position_lots(self, symbol: str | None = None) -> int:
        return self._holding(symbol).position_lots

    def position(self, symbol: str | None = None) -> float:
        holding = self._holding(symbol)
        return holding.units.quantity.units(holding.position_lots)

    def cash_ticks(self, symbol: str | None = None) -> int:
        return self._holding(symbol).cash_ticks

    def cash(self, symbol: str | None = None) -> float:
        holding = self._holding(symbol)
        return holding.units.cash.units(holding.cash_ticks)

    def open_orders(self, symbol: str | None = None) -> Sequence[OwnOrder]:
        holdings = self._agent.holdings if symbol is None else (self._holding(symbol),)
        return sorted((order for one in holdings for order in one.orders.values()), key=lambda order: order.serial)

    # What it waits for.

    def sleep(self, seconds: float) -> Sleep:
        now_ns = self._scheduler.now_ns
        try:
            return Sleep(now_ns if seconds <= 0 else now_ns + int(seconds * NS_PER_S))
        except (ValueError, OverflowError):
            raise ValueError(f"sleep: {seconds} is no number of seconds; give a finite one") from None

    def sleep_until(self, time_ns: int) -> Sleep:
        try:
            return Sleep(max(index(time_ns), self._scheduler.now_ns))
        except TypeError:
            # A float would be the time of all that happens then.
            raise ValueError(
                f"sleep_until: {time_ns!r} is no whole number of ns; "
                "give market.now_ns + int(seconds * 1e9), or sleep(seconds)"
            ) from None

    def next_tick(self, symbol: str | None = None) -> NextTick:
        return NextTick(self._holding(symbol))

    def next_trade(self, symbol: str | None = None) -> NextTrade:
        return NextTrade(self._holding(symbol))

    def next_fill(self, symbol: str | None = None) -> NextFill:
        return NextFill(self._agent, None if symbol is None else self._holding(symbol).symbol)

    def filled(self, order: Order) -> Closed:
        return Closed(self._own(order))

    def acknowledged(self, order: Order) -> Acknowledged:
        return Acknowledged(self._own(order))

    def answered(self, order: Order) -> Answered:
        return Answered(self._own(order))

    def condition(self, predicate: Callable[[], bool]) -> Condition:
        return Condition(self._agent, predicate)

    def first(self, *awaitables: Awaitable[Any]) -> First:
        return First(awaitables)

    def ticks(self, symbol: str | None = None) -> Ticks:
        return Ticks(self._holding(symbol))

    def trades(self, symbol: str | None = None) -> Trades:
        return Trades(self._holding(symbol))

    def fills(self, symbol: str | None = None) -> Fills:
        return Fills(self._agent, None if symbol is None else self._holding(symbol).symbol)

    def candles(self, seconds: float, symbol: str | None = None) -> Candles:
        holding, interval_ns = self._holding(symbol), _interval_ns("candles", seconds)
        if interval_ns < self._engine.lookahead_ns:
            raise ValueError(f"candles: {seconds} s is shorter than a window, and one has no more than one tick")
        self._intervals.add((holding.symbol, interval_ns))
        if len(self._intervals) > MOST_INTERVALS:
            raise RuntimeError(f"candles: agent {self.name} has asked for {MOST_INTERVALS} other intervals before")
        return Candles(holding, interval_ns)

    def every(self, seconds: float) -> Beats:
        return Beats(self._scheduler.now_ns, _interval_ns("every", seconds))

    def timeout(self, seconds: float) -> Timeout:
        return Timeout(self._agent, seconds, self.sleep(seconds).time_ns)

    def tasks(self) -> ChildTasks:
        return ChildTasks(self._agent)


def _interval_ns(what: str, seconds: float) -> int:
    try:
        interval_ns = int(seconds * NS_PER_S)
    except (ValueError, OverflowError):
        interval_ns = 0
    if interval_ns < 1:
        raise ValueError(f"{what}: {seconds} is no interval in seconds; give one above 0")
    return interval_ns
