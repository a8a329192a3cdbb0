"""The same cast and seed give the same tape, whatever agents await, and in whatever steps the market is run."""

import hashlib
from typing import Any

import pytest

from marksim.core.agents import Market
from marksim.core.agents.latency import lognormal
from marksim.core.agents.spec import AgentFunction, Cast, FlashCrash, ScheduledEvent
from marksim.core.types import OrderStatus, Side
from tests.core.sim.worlds import BTC, ETH, MS, S, cast_world, run, spec


async def everything(market: Market, _: Any) -> None:
    """Uses every wait there is, with the agent's own draws."""
    rng = market.rng

    async def quote(side: Side) -> None:
        async for quoted in market.ticks(market.symbols[-1]):
            price = int(quoted.exact.last_price_ticks + (1 if side is Side.SELL else -1) * rng.integers(1, 9))
            order = market.limit(side, price, int(rng.integers(1, 5)), symbol=quoted.symbol)
            await market.first(market.filled(order), market.sleep(float(rng.exponential(0.4))))
            await market.cancel(order)

    async def take() -> None:
        async for beat in market.every(0.3):
            order = await (market.buy if rng.random() < 0.5 else market.sell)(0.002)
            if beat % 7 == 0 and order.status is OrderStatus.FILLED:
                await market.first(market.next_fill(), market.next_trade(), market.sleep(1))

    while True:
        try:
            async with market.timeout(float(rng.exponential(3))), market.tasks() as tasks:
                tasks.start(quote(Side.BUY))
                tasks.start(quote(Side.SELL))
                tasks.start(take())
                async for candle in market.candles(0.5):
                    closed = candle.close
                    await market.condition(lambda: market.quote().last != closed)  # noqa: B023 - awaited here
        except TimeoutError:
            market.cancel_all()


async def seeding(market: Market, _: Any) -> None:
    for symbol in market.symbols:
        reference = market.instrument(symbol).reference_price_ticks
        for level in range(1, 30):
            market.limit(Side.BUY, reference - level, 3, symbol=symbol)
            market.limit(Side.SELL, reference + level, 3, symbol=symbol)


def tape(seed: int, *, others: tuple[AgentFunction, ...] = (), step_s: float = 20.0, seconds: int = 20) -> str:
    jitter = lognormal(5 * MS, 0.8)
    both = ("BTC/USD", "ETH/USD")
    agents = [spec(1, "seeding", seeding, symbols=both)]
    agents += [
        spec(n, f"agent-{n}", everything, symbols=both[:: 1 - 2 * (n % 2)], order=jitter, feed=jitter) for n in (2, 3, 4)
    ]
    agents += [spec(100 + n, f"other-{n}", other, symbols=both) for n, other in enumerate(others)]
    crash = (ScheduledEvent(7 * S, FlashCrash("BTC/USD", 40, 1 * S)),)
    # Of each symbol apart: symbols come piece by piece.
    digests, taken = {symbol: hashlib.sha256() for symbol in both}, 0
    with cast_world(Cast(tuple(agents), events=crash), [BTC, ETH], seed=seed) as simulation:
        for number in range(1, int(seconds / step_s) + 1):
            for one in run(simulation, number * step_s):
                taken += len(one.output.executions)
                digests[one.symbol].update(one.output.executions.tobytes() + repr(one.tick).encode())
        assert simulation.engine.failures == []
    assert taken > 500
    return "".join(digest.hexdigest() for digest in digests.values())


@pytest.mark.parametrize("seed", [1, 2])
def test_a_seed_has_one_tape(seed: int) -> None:
    """Also where the market is run a window at a time; and another seed has another one."""
    assert tape(seed) == tape(seed) == tape(seed, step_s=0.05)
    assert tape(seed) != tape(seed + 10)


def test_agents_that_only_watch_change_nothing() -> None:
    """However they wait, give up, fail or ask: the tape of the others is what it was."""

    async def watching(market: Market, _: Any) -> None:
        async for _quote in market.ticks():
            await market.first(market.sleep(0.01), market.next_trade("ETH/USD"))
            market.value_ticks()

    async def failing(market: Market, _: Any) -> None:
        async with market.tasks() as tasks:
            tasks.start(watching(market, _))
            async for _candle in market.candles(0.5):
                pass

    assert tape(1, others=(watching, failing)) == tape(1)


def test_equal_times_keep_the_order_in_which_they_were_made() -> None:
    """What an agent learns comes before timers of that time; timers and children go in the order of their creation."""
    seen: list[str] = []

    async def agent(market: Market, _: Any) -> None:
        async def timer(name: str, seconds: float) -> None:
            await market.sleep(seconds)
            seen.append(name)

        async def tick(name: str) -> None:
            await market.next_tick()
            seen.append(name)

        async with market.tasks() as tasks:
            tasks.start(timer("first timer", 0.05))
            tasks.start(tick("first tick"))
            tasks.start(timer("second timer", 0.05))
            tasks.start(tick("second tick"))
            await market.buy(0.001, 40_000.0)
            seen.append("acknowledged")

    with cast_world(Cast((spec(1, "agent", agent),))) as simulation:
        run(simulation, 1)
        assert simulation.engine.failures == []
    assert seen == ["acknowledged", "first tick", "second tick", "first timer", "second timer"]
