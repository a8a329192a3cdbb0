"""The market as one agent sees it: what it may read, send and wait for. The simulation injects it."""

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from marksim.core.types import Instrument, OrderStatus, Side, Tick


class Order(Protocol):
    """An agent's own order, brought up to date as the agent learns of its events."""

    @property
    def serial(self) -> int: ...
    @property
    def side(self) -> Side: ...
    @property
    def price_ticks(self) -> int: ...
    @property
    def quantity_lots(self) -> int: ...
    @property
    def leaves_lots(self) -> int: ...
    @property
    def status(self) -> OrderStatus: ...
    @property
    def closed(self) -> bool: ...


class Market(Protocol):
    """One agent's view of one symbol. Times are simulated; what it reads has reached it by its feed latency."""

    @property
    def name(self) -> str: ...
    @property
    def now_ns(self) -> int: ...
    @property
    def rng(self) -> np.random.Generator:
        """The agent's own generator, keyed by the run's seed and the agent's name."""
        ...

    @property
    def instrument(self) -> Instrument: ...
    @property
    def tick(self) -> Tick:
        """The newest tick that has reached the agent."""
        ...

    @property
    def position_lots(self) -> int: ...
    @property
    def cash_ticks(self) -> int:
        """What the agent's fills brought in, in tick x lot; negative is spent."""
        ...

    def fundamental_ticks(self, sd_ticks: float, half_life_s: float) -> float:
        """The value that informed traders believe in, now; one path a run and symbol, which reverts to the reference.

        `sd_ticks` is its change's standard deviation over a square root of a second. Nothing in the book reads it.
        """
        ...

    def limit(
        self,
        side: Side,
        price_ticks: int,
        quantity_lots: int,
        *,
        immediate: bool = False,
    ) -> Order:
        """Send a limit order, good till cancelled or, if `immediate`, immediate or cancel."""
        ...

    def market(self, side: Side, quantity_lots: int) -> Order:
        """Send a market order."""
        ...

    def cancel(self, order: Order) -> None:
        """Ask for what is left of an order to be cancelled."""
        ...

    def sleep(self, seconds: float) -> Awaitable[None]:
        """Resume after so many simulated seconds."""
        ...

    def next_tick(self) -> Awaitable[Tick]:
        """Resume when the next tick reaches the agent."""
        ...


AgentFunction = Callable[[Market, Any], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class AgentType:
    """A kind of agent: the dataclass of its parameters and the coroutine function that plays it."""

    parameters: type[Any]
    run: AgentFunction


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """One agent of a resolved scenario; `account` is its place there, from 1, also where only some of its agents run."""

    account: int
    name: str
    type: str
    symbol: str
    order_latency_ns: int
    feed_latency_ns: int
    parameters: Any
