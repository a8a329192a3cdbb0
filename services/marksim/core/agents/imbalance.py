"""A fast trader on the order-book imbalance: takes the thin side of the best quotes before it is gone.

The imbalance I = (bid size - ask size) / (bid size + ask size) says where the mid goes next: M. Gould and J. Bonart, "Queue
imbalance as a one-tick-ahead price predictor in a limit order book", 2016. Beyond `threshold` it takes up to `size_lots` of
the lighter side's best price, one order at a time; a position older than `hold_s` goes back at the market. It looks at every
tick that reaches it, so what it earns depends on its latency.
"""

from dataclasses import dataclass
from typing import Annotated

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


@dataclass(slots=True)
class _State:
    order: Order | None = None
    entered_ns: int = 0


async def imbalance(market: Market, p: Imbalance) -> None:
    """At each tick, go with the heavier side, or back toward flat when the position is old."""
    state = _State()
    hold_ns = int(p.hold_s * NS_PER_S)
    while True:
        tick = await market.next_tick()
        if not is_trading(tick) or (state.order is not None and not state.order.closed):
            continue
        position = market.position_lots()
        side = _heavier(tick, p.threshold)
        if side is Side.BUY and position < p.max_position_lots:
            _take(market, state, side, tick.ask_price_ticks, p.size_lots)
        elif side is Side.SELL and position > -p.max_position_lots:
            _take(market, state, side, tick.bid_price_ticks, p.size_lots)
        elif position and market.now_ns - state.entered_ns > hold_ns:
            away = Side.SELL if position > 0 else Side.BUY
            state.order = market.market(away, min(lots_within(market.instrument(), p.size_lots), abs(position)))


def _heavier(tick: Tick, threshold: float) -> Side:
    """The side with so much more behind its best price; UNSPECIFIED where neither has, or one is empty."""
    bid, ask = tick.bid_quantity_lots, tick.ask_quantity_lots
    if not bid or not ask:
        return Side.UNSPECIFIED
    lean = (bid - ask) / (bid + ask)
    if lean > threshold:
        return Side.BUY
    return Side.SELL if lean < -threshold else Side.UNSPECIFIED


def _take(market: Market, state: _State, side: Side, price: int, lots: int) -> None:
    state.order = market.limit(side, price, lots_within(market.instrument(), lots), immediate=True)
    state.entered_ns = market.now_ns
