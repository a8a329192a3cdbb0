"""A fast trader on the order-book imbalance: takes the thin side of the best quotes before it is gone.

The imbalance I = (bid size - ask size) / (bid size + ask size) says where the mid goes next: M. Gould and J. Bonart, "Queue
imbalance as a one-tick-ahead price predictor in a limit order book", 2016. Beyond `threshold` it takes up to `size_lots` of
the lighter side's best price, one order at a time; a position older than `hold_s` goes back at the market. It looks at every
tick that reaches it, so what it earns depends on its latency.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from marksim.core.agents.bounds import Count, Positive, Range, Whole
from marksim.core.agents.market import Market
from marksim.core.agents.pricing import lots_within
from marksim.core.agents.session import is_trading
from marksim.core.agents.views import Order
from marksim.core.types import NS_PER_S, Side, Tick


@dataclass(frozen=True)
class Imbalance:
    """Parameters of `imbalance`. Sizes in lots, times in simulated seconds."""

    threshold: Annotated[float, Range(0, 0.999)] = 0.6
    """Of the imbalance, from 0 (even) to 1 (one side empty)."""
    size_lots: Count = 40
    max_position_lots: Whole = 400
    hold_s: Positive = 10.0
    """So long after its last entry it gives the position back."""


class ImbalanceAgent:
    """At each tick, goes with the heavier side, or back toward flat when the position is old."""

    def __init__(self, market: Market, p: Imbalance) -> None:
        self.market = market
        self.p = p
        self.order: Order | None = None
        self.entered_ns = 0

    async def run(self) -> None:
        # The next tick is all that it ever waits for, so that one that is restored begins as any other.
        while True:
            self._look(await self.market.next_tick())

    def _look(self, tick: Tick) -> None:
        market, p = self.market, self.p
        if not is_trading(tick) or (self.order is not None and not self.order.closed):
            return
        position = market.position_lots()
        side = _heavier(tick, p.threshold)
        if side is Side.BUY and position < p.max_position_lots:
            self._take(side, tick.ask_price_ticks)
        elif side is Side.SELL and position > -p.max_position_lots:
            self._take(side, tick.bid_price_ticks)
        elif position and market.now_ns - self.entered_ns > int(p.hold_s * NS_PER_S):
            away = Side.SELL if position > 0 else Side.BUY
            self.order = market.market(away, min(lots_within(market.instrument(), p.size_lots), abs(position)))

    def _take(self, side: Side, price: int) -> None:
        market = self.market
        self.order = market.limit(side, price, lots_within(market.instrument(), self.p.size_lots), immediate=True)
        self.entered_ns = market.now_ns

    def state(self) -> dict[str, Any]:
        return {"order": self.order, "entered_ns": self.entered_ns}

    def restore(self, state: dict[str, Any]) -> None:
        self.order, self.entered_ns = state["order"], state["entered_ns"]


def _heavier(tick: Tick, threshold: float) -> Side:
    """The side with so much more behind its best price; UNSPECIFIED where neither has, or one is empty."""
    bid, ask = tick.bid_quantity_lots, tick.ask_quantity_lots
    if not bid or not ask:
        return Side.UNSPECIFIED
    lean = (bid - ask) / (bid + ask)
    if lean > threshold:
        return Side.BUY
    return Side.SELL if lean < -threshold else Side.UNSPECIFIED
