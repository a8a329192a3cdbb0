"""Scripted companions for tests of agents: they arrange the market in which an agent is watched."""

from collections.abc import Sequence
from typing import Any

from marksim.core.agents import AgentFunction, Market
from marksim.core.agents.spec import RestorableAgent
from marksim.core.agents.views import Order
from marksim.core.types import Side

Step = tuple[float, int, int, int, int]
"""(seconds, bid, its lots, ask, its lots)"""

DEEP = 1_000_000


def staged(*steps: Step, symbol: str | None = None) -> AgentFunction:
    """Quotes one bid and one ask, and at each step's time replaces both: the best prices are what the test says."""

    async def stage(market: Market) -> None:
        quotes: list[Order] = []
        for seconds, bid, bid_lots, ask, ask_lots in steps:
            await market.sleep(seconds - market.now)
            for order in quotes:
                market.cancel(order)
            quotes = [
                market.limit(Side.BUY, bid, bid_lots, symbol=symbol),
                market.limit(Side.SELL, ask, ask_lots, symbol=symbol),
            ]

    return stage


def a_move(sign: int) -> AgentFunction:
    """Five still minutes, then 60 ticks up or down in a minute, and the price stays there."""
    return moved([(0.1, 100_000), *((300.0 + second, 100_000 + sign * second) for second in range(61))])


def a_long_move() -> AgentFunction:
    """Half an hour of two ticks up a second."""
    return moved([(0.1 + 2.0 * step, 100_000 + 4 * step) for step in range(900)])


def moved(path: Sequence[tuple[float, int]], half: int = 1) -> AgentFunction:
    """As much as anyone wants at `half` ticks around a mid that follows this path of (seconds, mid)."""
    return staged(*((seconds, mid - half, DEEP, mid + half, DEEP) for seconds, mid in path))


def laddered(mid: int = 100_000, levels: int = 50, lots: int = 1_000, symbol: str | None = None) -> AgentFunction:
    """The same size at each of `levels` prices on both sides, once."""

    async def ladder(market: Market) -> None:
        for level in range(1, levels + 1):
            market.limit(Side.BUY, mid - level, lots, symbol=symbol)
            market.limit(Side.SELL, mid + level, lots, symbol=symbol)

    return ladder


def loaded(agent: RestorableAgent, lots: int) -> AgentFunction:
    """An agent that has bought so many lots, or sold minus so many, before it begins."""

    async def begin(market: Market, parameters: Any) -> None:
        await market.sleep(1)
        market.market(Side.BUY if lots > 0 else Side.SELL, abs(lots))
        await market.sleep(1)
        await agent(market, parameters).run()

    return begin


def taking(side: Side, lots: int, seconds: Sequence[float]) -> AgentFunction:
    """A market order at each of these times."""

    async def taker(market: Market) -> None:
        for at in seconds:
            await market.sleep(at - market.now)
            market.market(side, lots)

    return taker
