"""Agents that do everything at random: nothing breaks, nothing is left behind, and nothing is lost between accounts."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from marksim.core.agents import Market
from marksim.core.agents.latency import constant, lognormal
from marksim.core.agents.spec import Cast, Halt, LiquidityWithdrawal, ScheduledEvent
from marksim.core.types import Side
from tests.core.sim.worlds import BTC, ETH, MS, S, cast_world, run, spec

BOTH = ("BTC/USD", "ETH/USD")
JITTER = lognormal(8 * MS, 1.0)


class Boom(Exception):
    """Raised by children at random."""


def some_order(market: Market, symbol: str) -> Any:
    rng, price = market.rng, market.tick(symbol).last_price_ticks
    side = Side.BUY if rng.random() < 0.5 else Side.SELL
    lots, immediate = int(rng.integers(1, 5)), bool(rng.random() < 0.3)
    return market.limit(side, price + int(rng.integers(-6, 7)), lots, symbol=symbol, immediate=immediate)


def some_wait(market: Market, depth: int = 0) -> Awaitable[Any]:
    """One of all the things that an agent can wait for."""
    rng, seen = market.rng, market.tick().tick_number
    symbol = market.symbols[int(rng.integers(2))]
    orders = market.open_orders()
    waits: list[Callable[[], Awaitable[Any]]] = [
        lambda: market.sleep(float(rng.exponential(0.2))),
        lambda: market.next_tick(symbol),
        lambda: market.next_trade(symbol),
        market.next_fill,
        lambda: market.filled(some_order(market, symbol)),
        lambda: market.buy(0.002, symbol=symbol),
        lambda: market.cancel(orders[int(rng.integers(len(orders)))]) if orders else market.sleep(0.01),
        lambda: market.condition(lambda: market.tick().tick_number > seen + 2),
        lambda: market.first(some_wait(market, depth + 1), some_wait(market, depth + 1), market.sleep(0.5)),
    ]
    return waits[int(rng.integers(len(waits) - (depth > 1)))]()


async def block(market: Market, depth: int) -> None:
    """Children and a timeout around them; some are cancelled."""
    rng = market.rng
    try:
        async with market.timeout(float(rng.exponential(1.0))), market.tasks() as tasks:
            children = [tasks.start(anything(market, depth + 1)) for _child in range(int(rng.integers(1, 4)))]
            await market.sleep(float(rng.exponential(0.4)))
            if rng.random() < 0.5:
                children[0].cancel()
            if rng.random() < 0.3:
                tasks.cancel()
    except (TimeoutError, Boom):
        pass


async def anything(market: Market, depth: int) -> None:
    """One thing after the other."""
    rng = market.rng
    while True:
        chance = rng.random()
        if chance < 0.7 or depth >= 3:
            await market.first(some_wait(market), market.sleep(0.25))
        elif chance < 0.93:
            await block(market, depth)
        elif chance < 0.96 and depth:
            raise Boom
        elif chance < 0.98 and depth:
            return
        else:
            async for _quote in market.ticks():
                await market.sleep(0.05)
                if rng.random() < 0.3:
                    break
        if len(market.open_orders()) > 20:
            market.cancel_all()


async def _anything(market: Market, _: Any) -> None:
    await anything(market, 0)


async def _liquidity(market: Market, _: Any) -> None:
    async for _beat in market.every(2):
        market.cancel_all()
        for symbol in market.symbols:
            price = market.tick(symbol).last_price_ticks
            for level in range(1, 15):
                market.limit(Side.BUY, price - level, 3, symbol=symbol)
                market.limit(Side.SELL, price + level, 3, symbol=symbol)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_agents_do_the_engine_stays_sound(seed: int) -> None:
    """No agent fails; when all have ended no wait stands anywhere, and positions and cash of each symbol add up to zero."""
    agents = [spec(1, "liquidity", _liquidity, symbols=BOTH, provides_liquidity=True)]
    for number in range(2, 7):
        order, feed = JITTER if number % 2 else constant(3 * MS), JITTER if number % 3 else constant(70 * MS)
        symbols = BOTH[:: (-1) ** number]
        agents.append(spec(number, f"agent-{number}", _anything, symbols=symbols, order=order, feed=feed))
    events = (ScheduledEvent(4 * S, Halt("ETH/USD", 1 * S)), ScheduledEvent(7 * S, LiquidityWithdrawal("BTC/USD", 2 * S)))
    with cast_world(Cast(tuple(agents), events=events), [BTC, ETH], seed=seed) as simulation:
        run(simulation, 12)
        engine = simulation.engine
        assert engine.failures == [], f"seed {seed}"
        assert engine.wakeups > 300 and engine.orders_sent > 300
        engine.close()
        for symbol in BOTH:
            assert not engine.feed(symbol).waiting
            holdings = list(engine.holdings(symbol))
            for holding in holdings:
                holding.learn(1 << 62)
                assert (holding.agent.listening, len(holding.agent.tasks)) == (0, 0)
                assert not any(order.waits for order in holding.orders.values())
            assert sum(holding.position_lots for holding in holdings) == 0 == sum(one.cash_ticks for one in holdings)
