"""The market as one agent sees it: what it may read, send and wait for. The simulation injects it.

Everything is in the units of the instrument: prices and quantities go in as int, float, Decimal or text and must lie on its
grid of ticks and lots; what comes out is a float, and beside it, as `*_ticks` and `*_lots`, the exact number. Times are
simulated; what an agent reads has reached it by its feed latency, and what it sends arrives by its order latency.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from typing import Any, Protocol, TypedDict, Unpack

import numpy as np

from marksim.core.agents.views import Candle, Fill, Order, Pause, Quote, Trade
from marksim.core.types import Instrument, SelfTradePrevention, Side, Tick

Number = int | float | Decimal | str
"""A price or quantity in units: 100.5, 100, Decimal("100.5") or "100.5"."""


class Terms(TypedDict, total=False):
    """What `buy` and `sell` take besides quantity and price; the same as of `limit` and `stop`."""

    symbol: str
    immediate: bool
    post_only: bool
    display: Number
    """How much of it shows at a time (an iceberg)."""
    stop: Number
    """Wait until the market trades there; then a market order or, with a price, a limit order."""
    expire_ns: int
    self_trade_prevention: SelfTradePrevention


class Task(Protocol):
    """A child task of an agent."""

    def cancel(self) -> None:
        """Raise Cancelled where it waits, or where it waits next."""
        ...

    @property
    def done(self) -> bool:
        """Whether it has returned, raised or been cancelled."""
        ...


class Tasks(Protocol):
    """Child tasks of an agent, whose block is left only when all have ended. See `Market.tasks`."""

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> Task:
        """Let a child run beside the others, from this simulated instant on. RuntimeError beyond 1,024 an agent."""
        ...

    def cancel(self) -> None:
        """Cancel all children that are not done."""
        ...


class Market(Protocol):
    """One agent's market. Where a method takes `symbol`, the agent's first symbol is meant if it is left out.

    A symbol that is not one of the agent's is a ValueError, as is a price or quantity off the grid.
    """

    # Who and when.

    @property
    def name(self) -> str: ...
    @property
    def rng(self) -> np.random.Generator:
        """The agent's own generator, keyed by the run's seed and the agent's name."""
        ...

    @property
    def now_ns(self) -> int: ...
    @property
    def now(self) -> float:
        """Simulated seconds since the start of the run."""
        ...

    @property
    def symbols(self) -> tuple[str, ...]: ...
    def instrument(self, symbol: str | None = None) -> Instrument: ...

    # What it knows.

    def tick(self, symbol: str | None = None) -> Tick:
        """The newest that has reached the agent, exact."""
        ...

    def quote(self, symbol: str | None = None) -> Quote:
        """The same in units."""
        ...

    def value_ticks(self, symbol: str | None = None) -> float:
        """The fundamental value now, which informed traders believe in. Nothing in the book reads it."""
        ...

    def position_lots(self, symbol: str | None = None) -> int: ...
    def position(self, symbol: str | None = None) -> float: ...
    def cash_ticks(self, symbol: str | None = None) -> int:
        """What the agent's fills of that symbol brought in, in tick x lot; negative is spent."""
        ...

    def cash(self, symbol: str | None = None) -> float:
        """The same in the quote asset."""
        ...

    def open_orders(self, symbol: str | None = None) -> Sequence[Order]:
        """Those that may still trade as far as the agent knows, oldest first; without a symbol those of all its symbols."""
        ...

    # What it sends, exact, without waiting. Each returns at once; the order changes when the agent learns of its events.

    def limit(
        self,
        side: Side,
        price_ticks: int,
        quantity_lots: int,
        *,
        symbol: str | None = None,
        immediate: bool = False,
        post_only: bool = False,
        display_lots: int = 0,
        expire_ns: int = 0,
        self_trade_prevention: SelfTradePrevention = SelfTradePrevention.UNSPECIFIED,
    ) -> Order:
        """Send a limit order: good till cancelled, until `expire_ns` if given, or immediate or cancel if `immediate`."""
        ...

    def market(self, side: Side, quantity_lots: int, *, symbol: str | None = None) -> Order:
        """Send a market order."""
        ...

    def stop(
        self,
        side: Side,
        stop_price_ticks: int,
        quantity_lots: int,
        *,
        limit_ticks: int = 0,
        symbol: str | None = None,
    ) -> Order:
        """Send a stop: once the market trades there, a market order or, with `limit_ticks`, a limit order."""
        ...

    def cancel(self, order: Order) -> Awaitable[Order]:
        """Ask for what is left of an order to be cancelled; awaited, resume when the answer has reached the agent."""
        ...

    def cancel_all(self, symbol: str | None = None) -> None:
        """Cancel every open order, without waiting; without a symbol those of all the agent's symbols."""
        ...

    def amend(self, order: Order, *, price_ticks: int | None = None, quantity_lots: int | None = None) -> Awaitable[Order]:
        """Ask for a new price or quantity; what is left out stays. To be awaited or not, as `cancel`."""
        ...

    # What it sends, in units; the order goes out at once. Awaited, they resume with it once the acknowledgement has
    # reached the agent. A price or quantity off the grid is a ValueError that names the nearest one on it.

    def buy(self, quantity: Number, price: Number | None = None, **terms: Unpack[Terms]) -> Awaitable[Order]:
        """Send a limit order or, without a price, a market order. `terms` are those of `Terms`."""
        ...

    def sell(self, quantity: Number, price: Number | None = None, **terms: Unpack[Terms]) -> Awaitable[Order]: ...

    # What it waits for.

    def sleep(self, seconds: float) -> Pause: ...
    def sleep_until(self, time_ns: int) -> Pause: ...
    def next_tick(self, symbol: str | None = None) -> Awaitable[Tick]: ...
    def next_trade(self, symbol: str | None = None) -> Awaitable[Trade]: ...
    def next_fill(self, symbol: str | None = None) -> Awaitable[Fill]:
        """The next own execution; without a symbol, in any of the agent's."""
        ...

    def filled(self, order: Order) -> Awaitable[Order]:
        """Resume when an order is closed: filled, cancelled, refused or expired."""
        ...

    def acknowledged(self, order: Order) -> Awaitable[Order]:
        """Resume when it is known whether the book took an order: what `buy` and `sell` wait for."""
        ...

    def answered(self, order: Order) -> Awaitable[Order]:
        """Resume when the last cancel or amendment of an order has had its answer: what those wait for."""
        ...

    def condition(self, predicate: Callable[[], bool]) -> Awaitable[None]:
        """Resume when it holds; it is looked at now and whenever something reaches the agent."""
        ...

    def first(self, *awaitables: Awaitable[Any]) -> Awaitable[tuple[int, Any]]:
        """Resume when the first of several is there: which one it is, and its result. The others are given up."""
        ...

    # `async for` over these.

    def ticks(self, symbol: str | None = None) -> AsyncIterator[Quote]:
        """The newest tick each time round, none twice: what came while the agent was busy is passed over."""
        ...

    def trades(self, symbol: str | None = None) -> AsyncIterator[Trade]:
        """The newest trade each time round, none twice."""
        ...

    def fills(self, symbol: str | None = None) -> AsyncIterator[Fill]:
        """Every own execution from now on. An agent that lets more than 4,096 wait gets a RuntimeError there."""
        ...

    def candles(self, seconds: float, symbol: str | None = None) -> AsyncIterator[Candle]:
        """One for each full interval of simulated time, aligned to it; one without a trade repeats the last close."""
        ...

    def every(self, seconds: float) -> AsyncIterator[int]:
        """A timer without drift: 0 now, 1 after one interval, ...; beats that were slept through are left out."""
        ...

    # `async with` these.

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[None]:
        """Raise TimeoutError where the block still waits after so many simulated seconds, as asyncio.timeout does."""
        ...

    def tasks(self) -> AbstractAsyncContextManager[Tasks]:
        """A block that is left when all its child tasks have ended; if one raises, the others are cancelled."""
        ...
