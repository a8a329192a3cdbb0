"""A whale: now and then works a large order through the book, by one of three schedules.

`twap` trades equal children evenly in time, which costs least where impact is linear and the price a random walk (D.
Bertsimas and A. Lo, "Optimal control of execution costs", 1998). `pov` keeps its own trades at the share `participation` of
all that trades (R. Kissell and M. Glantz, "Optimal Trading Strategies", 2003): where others trade V, it has traded
V * participation / (1 - participation). `iceberg` rests at its own side's best price and shows `display_lots` at a time (A.
Esser and B. Monch, "The navigation of an iceberg", 2007); it moves after the best price once that is more than
`chase_ticks` away.

A parent of `parent_lots` is `children` orders of equal size, `child_interval_s` apart on average. For `pov` a child is what
the share lacks, looked at so often, at most four times that size. `iceberg` ends after that time with what has traded.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from marksim.core.agents.bounds import Amount, Count, FewTimes, OneOf, Positive, Range, Whole
from marksim.core.agents.market import Market
from marksim.core.agents.pricing import lots_within
from marksim.core.agents.session import is_trading, takes_orders
from marksim.core.agents.views import Order
from marksim.core.types import NS_PER_S, Side, Tick

Schedule = Annotated[Literal["twap", "pov", "iceberg"], OneOf(("twap", "pov", "iceberg"))]
_Wait = Literal["time", "tick", "end", "answer"]
"""The end of a pause, the next tick, the end of its order, the answer to a cancel."""

_LEAST_PAUSE_S: Final = 0.05
_MOST_CHILDREN_AT_ONCE: Final = 4
_MOST_PARTS: Final = 100
"""A book takes no iceberg that shows less than a hundredth of itself."""


@dataclass(frozen=True)
class Whale:
    """Parameters of `whale`. Prices in ticks, sizes in lots, times in simulated seconds."""

    pause_s: Positive = 1_800.0
    first_pause_s: Amount = 300.0
    parent_lots: Count = 12_000
    children: FewTimes = 60
    child_interval_s: Amount = 2.0
    max_position_lots: Whole = 11_000
    """Holding more, it goes back toward flat; otherwise a side is as likely as the other."""
    schedule: Schedule = "twap"
    participation: Annotated[float, Range(0.001, 0.9)] = 0.1
    """`pov`: its share of all that trades, its own included."""
    display_lots: Count = 200
    """`iceberg`: how much of it shows; at least a hundredth of what is left."""
    chase_ticks: Whole = 3


class WhaleAgent:
    """Pauses, chooses a side (back toward flat when it has a position), and works a parent order.

    Outside continuous trading the next child waits. Each step of a schedule ends in one wait and names the step that
    follows it, so that a whale that is restored inside a parent goes on from there.
    """

    def __init__(self, market: Market, p: Whale) -> None:
        self.market = market
        self.p = p
        self.rng = market.rng
        self.child_lots = max(1, p.parent_lots // p.children)
        self.wait: _Wait | None = None
        """What it waits for; None before it has begun."""
        self.then: Callable[[], None] = self._parent
        """What it does after that."""
        self.wake_ns = 0
        """End of the pause that it is in, or was in last."""
        self.order: Order | None = None
        """The child that it waits for or watches."""
        self.side = Side.UNSPECIFIED
        self.left = 0
        """`twap`: children still to be sent; `pov` and `iceberg`: lots still to be traded."""
        self.volume_lots = 0
        """`pov`: the session's volume when the parent began."""
        self.until_ns = 0
        """`iceberg`: when it ends with what has traded."""

    async def run(self) -> None:
        if self.wait is None:
            self._pause(self.p.first_pause_s * self.rng.standard_exponential(), self._parent)
        while True:
            await self._awaited()
            self.then()

    def _awaited(self) -> Awaitable[object]:
        market = self.market
        if self.wait == "time":
            return market.sleep_until(self.wake_ns)
        if self.wait == "tick":
            return market.next_tick()
        assert self.order is not None, "else it waits for an order"
        return market.filled(self.order) if self.wait == "end" else market.answered(self.order)

    def _pause(self, seconds: float, then: Callable[[], None]) -> None:
        self.wake_ns = self.market.now_ns + int(seconds * NS_PER_S)
        self.wait, self.then = "time", then

    def _tick_for(self, step: Callable[[], None], can_go: Callable[[Tick], bool]) -> Tick | None:
        """The newest tick where the session allows a step; None where that is tried again at the next tick."""
        tick = self.market.tick()
        if can_go(tick):
            return tick
        self.wait, self.then = "tick", step
        return None

    def _parent(self) -> None:
        """A pause is over."""
        market, p = self.market, self.p
        self.side = Side.BUY if self.rng.random() < 0.5 else Side.SELL
        if abs(market.position_lots()) > p.max_position_lots:
            self.side = Side.SELL if market.position_lots() > 0 else Side.BUY
        if p.schedule == "twap":
            self.left = p.children
            self._twap()
        elif p.schedule == "pov":
            self.left, self.volume_lots = p.parent_lots, market.tick().volume_total_lots
            self._pov()
        else:
            self.left = p.parent_lots
            self.until_ns = market.now_ns + int(p.children * p.child_interval_s * NS_PER_S)
            self._iceberg()

    def _done(self) -> None:
        """A parent is."""
        self.order = None
        self._pause(self.p.pause_s * self.rng.standard_exponential(), self._parent)

    def _twap(self) -> None:
        """The next child, or the end after the last one's pause."""
        if not self.left:
            self._done()
        elif self._tick_for(self._twap, is_trading):
            self.market.market(self.side, self.child_lots)
            self.left -= 1
            self._pause(self.p.child_interval_s * (0.5 + self.rng.random()), self._twap)

    def _pov(self) -> None:
        if self.left > 0:
            self._pause(max(_LEAST_PAUSE_S, self.p.child_interval_s), self._share)
        else:
            self._done()

    def _share(self) -> None:
        """Trade what the share lacks."""
        market, p = self.market, self.p
        if tick := self._tick_for(self._share, is_trading):
            own = p.parent_lots - self.left
            others = tick.volume_total_lots - self.volume_lots - own
            wanted = int(others * (p.participation / (1.0 - p.participation))) - own
            lacking = min(wanted, self.left, self.child_lots * _MOST_CHILDREN_AT_ONCE)
            if lacking >= market.instrument().min_quantity_lots:
                self.order = market.market(self.side, lots_within(market.instrument(), lacking))
                self.wait, self.then = "end", self._traded
            else:
                self._pov()

    def _traded(self) -> None:
        """`pov`: a child has ended."""
        assert self.order is not None, "it waited for its end"
        self.left -= self.order.filled_lots
        self._pov()

    def _iceberg(self) -> None:
        market = self.market
        if self.left >= market.instrument().min_quantity_lots and market.now_ns <= self.until_ns:
            self._rest()
        else:
            self._done()

    def _rest(self) -> None:
        """Place what is left at the own side's best price."""
        market, instrument = self.market, self.market.instrument()
        if tick := self._tick_for(self._rest, takes_orders):
            quantity = lots_within(instrument, self.left)
            display = min(lots_within(instrument, max(self.p.display_lots, -(-quantity // _MOST_PARTS))), quantity)
            self.order = market.limit(self.side, _near(tick, self.side), quantity, display_lots=display)
            self._pause(max(_LEAST_PAUSE_S, self.p.child_interval_s), self._watch)

    def _watch(self) -> None:
        """Leave it where it is, unless it has ended, the time is up, or the price has gone away."""
        market, order = self.market, self.order
        assert order is not None, "it rests"
        late = market.now_ns > self.until_ns
        if order.closed or late or _left_behind(market.tick(), self.side, order.price_ticks, self.p.chase_ticks):
            self._take_back()
        else:
            self._pause(max(_LEAST_PAUSE_S, self.p.child_interval_s), self._watch)

    def _take_back(self) -> None:
        """Cancel it, as often as it takes, and go on with what is left."""
        assert self.order is not None, "it rests, or has ended"
        if self.order.closed:
            self.left -= self.order.filled_lots
            self._iceberg()
        elif self._tick_for(self._take_back, takes_orders):
            self.market.cancel(self.order)
            self.wait, self.then = "answer", self._take_back

    def state(self) -> dict[str, Any]:
        waits = {"wait": self.wait, "then": self.then.__name__, "wake_ns": self.wake_ns, "order": self.order}
        parent = {"left": self.left, "volume_lots": self.volume_lots, "until_ns": self.until_ns}
        return {**waits, "side": int(self.side), **parent}

    def restore(self, state: dict[str, Any]) -> None:
        self.wait, self.then, self.wake_ns = state["wait"], getattr(self, state["then"]), state["wake_ns"]
        self.order, self.side = state["order"], Side(state["side"])
        self.left, self.volume_lots, self.until_ns = state["left"], state["volume_lots"], state["until_ns"]


def _near(tick: Tick, side: Side) -> int:
    """The best price of the own side."""
    return tick.bid_price_ticks if side is Side.BUY else tick.ask_price_ticks


def _left_behind(tick: Tick, side: Side, price: int, by_ticks: int) -> bool:
    away = _near(tick, side) - price
    return (away if side is Side.BUY else -away) > by_ticks
