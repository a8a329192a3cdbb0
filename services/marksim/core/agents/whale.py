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
from typing import Annotated, Final, Literal

from marksim.core.agents.bounds import Amount, Count, FewTimes, OneOf, Positive, Range, Whole
from marksim.core.agents.market import Market
from marksim.core.agents.pricing import lots_within
from marksim.core.agents.session import is_trading, takes_orders
from marksim.core.types import NS_PER_S, Side, Tick

Schedule = Annotated[Literal["twap", "pov", "iceberg"], OneOf(("twap", "pov", "iceberg"))]

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


async def whale(market: Market, p: Whale) -> None:
    """Pause, choose a side (back toward flat when it has a position), and work a parent order.

    Outside continuous trading the next child waits.
    """
    rng = market.rng
    work = _SCHEDULES[p.schedule]
    pause_s = p.first_pause_s
    while True:
        await market.sleep(pause_s * rng.standard_exponential())
        pause_s = p.pause_s
        side = Side.BUY if rng.random() < 0.5 else Side.SELL
        if abs(market.position_lots()) > p.max_position_lots:
            side = Side.SELL if market.position_lots() > 0 else Side.BUY
        await work(market, p, side)


async def _until(market: Market, holds: Callable[[Tick], bool]) -> Tick:
    tick = market.tick()
    while not holds(tick):
        tick = await market.next_tick()
    return tick


async def _twap(market: Market, p: Whale, side: Side) -> None:
    child_lots = max(1, p.parent_lots // p.children)
    for _ in range(p.children):
        await _until(market, is_trading)
        market.market(side, child_lots)
        await market.sleep(p.child_interval_s * (0.5 + market.rng.random()))


async def _pov(market: Market, p: Whale, side: Side) -> None:
    instrument = market.instrument()
    most = max(1, p.parent_lots // p.children) * _MOST_CHILDREN_AT_ONCE
    per_other_lot = p.participation / (1.0 - p.participation)
    from_volume, own = market.tick().volume_total_lots, 0
    while own < p.parent_lots:
        await market.sleep(max(_LEAST_PAUSE_S, p.child_interval_s))
        tick = await _until(market, is_trading)
        others = tick.volume_total_lots - from_volume - own
        lacking = min(int(others * per_other_lot) - own, p.parent_lots - own, most)
        if lacking >= instrument.min_quantity_lots:
            own += (await market.filled(market.market(side, lots_within(instrument, lacking)))).filled_lots


async def _iceberg(market: Market, p: Whale, side: Side) -> None:
    instrument = market.instrument()
    until_ns = market.now_ns + int(p.children * p.child_interval_s * NS_PER_S)
    left = p.parent_lots
    while left >= instrument.min_quantity_lots and market.now_ns <= until_ns:
        price = _near(await _until(market, takes_orders), side)
        quantity = lots_within(instrument, left)
        display = min(lots_within(instrument, max(p.display_lots, -(-quantity // _MOST_PARTS))), quantity)
        order = market.limit(side, price, quantity, display_lots=display)
        pause_s = max(_LEAST_PAUSE_S, p.child_interval_s)
        await market.sleep(pause_s)
        while not order.closed and market.now_ns <= until_ns and not _left_behind(market.tick(), side, price, p.chase_ticks):
            await market.sleep(pause_s)
        while not order.closed:
            await _until(market, takes_orders)
            await market.cancel(order)
        left -= order.filled_lots


def _near(tick: Tick, side: Side) -> int:
    """The best price of the own side."""
    return tick.bid_price_ticks if side is Side.BUY else tick.ask_price_ticks


def _left_behind(tick: Tick, side: Side, price: int, by_ticks: int) -> bool:
    away = _near(tick, side) - price
    return (away if side is Side.BUY else -away) > by_ticks


_SCHEDULES: Final[dict[str, Callable[[Market, Whale, Side], Awaitable[None]]]] = {
    "twap": _twap,
    "pov": _pov,
    "iceberg": _iceberg,
}
