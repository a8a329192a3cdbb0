"""The state of an engine at the end of a window: whoever goes on from it does what the original does."""

from typing import Any

import pytest

from marksim.core.agents import Market as AgentMarket
from marksim.core.agents.latency import constant, lognormal
from marksim.core.agents.spec import (
    AgentSpec,
    Cast,
    FatFinger,
    FlashCrash,
    Halt,
    LiquidityWithdrawal,
    MarketEvent,
    NewsShock,
    PopulationSpec,
    ScheduledEvent,
)
from marksim.core.populations import POPULATION_TYPES
from marksim.core.types import Side
from tests.core.sim.lockstep import Market, assert_equal, through_json
from tests.core.sim.test_chaos import _anything, _liquidity
from tests.core.sim.test_determinism import everything
from tests.core.sim.worlds import BTC, ETH, MS, S, spec

BOTH = ("BTC/USD", "ETH/USD")
JITTER = lognormal(8 * MS, 1.0)


def populations(*kinds: str, traders: int = 200, first: int = 1_000, symbol: str = "BTC/USD") -> tuple[PopulationSpec, ...]:
    made = []
    for number, kind in enumerate(kinds):
        latency = JITTER if number % 2 else constant(10 * MS)
        name = f"{kind}-{symbol[:3]}"
        parameters = POPULATION_TYPES[kind].parameters(interval_s=20.0)
        made.append(PopulationSpec(first + number * traders, name, kind, traders, symbol, latency, latency, parameters))
    return tuple(made)


class Quoter:
    """Quotes both sides, and waits for each in another way, with numbers of its own."""

    def __init__(self, market: AgentMarket, _: Any) -> None:
        self.market = market
        self.orders: list[Any] = []
        self.step = 0
        self.until_ns = 0
        self.weights = {"mean": 0.1, "$order": 1e300}

    async def run(self) -> None:
        market = self.market
        while True:
            await self.pause()
            self.step += 1
            tick, rng = market.tick(), market.rng
            self.weights["mean"] += 0.1 * rng.standard_exponential()
            symbol = market.symbols[int(rng.integers(len(market.symbols)))]
            price = market.tick(symbol).last_price_ticks
            for side, away in ((Side.BUY, -1), (Side.SELL, 1)):
                order = market.limit(side, price + away * int(rng.integers(0, 4)), int(rng.integers(1, 6)), symbol=symbol)
                self.orders.append(order)
            if len(self.orders) > 8:
                market.cancel(self.orders[0])
                self.orders = self.orders[1:]
            self.until_ns = market.now_ns + int(rng.integers(1, 400)) * MS + tick.tick_number % 2
            if self.step % 5 == 3:
                market.cancel(self.orders[-2])

    async def pause(self) -> None:
        market = self.market
        if not self.orders or self.step % 5 == 0:
            await market.sleep_until(self.until_ns)
        elif self.step % 5 == 1:
            await market.next_tick(market.symbols[-1])
        elif self.step % 5 == 2:
            await market.first(
                market.filled(self.orders[-1]), market.next_fill(), market.next_trade(), market.sleep_until(self.until_ns)
            )
        elif self.step % 5 == 3:
            await market.first(market.filled(self.orders[-2]), market.sleep_until(self.until_ns + 100 * MS))
        else:
            await market.first(market.next_tick(), market.sleep_until(self.until_ns))

    def state(self) -> dict[str, Any]:
        return {"orders": self.orders, "step": self.step, "until_ns": self.until_ns, "weights": dict(self.weights)}

    def restore(self, state: dict[str, Any]) -> None:
        self.orders, self.step, self.until_ns = state["orders"], state["step"], state["until_ns"]
        self.weights = state["weights"]


class Canceller(Quoter):
    """The same, which waits for the answers to its cancels. What was asked is asked once: it waits for what comes of it."""

    async def pause(self) -> None:
        market = self.market
        if not self.orders:
            await market.sleep_until(self.until_ns)
        else:
            await market.first(market.filled(self.orders[0]), market.sleep_until(self.until_ns + 300 * MS))


class Reader:
    """Reads a stream of its fills, more slowly than they come."""

    def __init__(self, market: AgentMarket, _: Any) -> None:
        self.market = market
        self.seen: list[list[int]] = []
        self.until_ns = 0

    async def run(self) -> None:
        market, fills = self.market, self.market.fills()
        while True:
            await market.sleep_until(self.until_ns)
            price = market.tick().last_price_ticks
            for side in Side.BUY, Side.SELL:
                for away in range(3):
                    market.limit(side, price + (away if side is Side.BUY else -away), 1 + away)
            if fills.buffer:  # type: ignore[attr-defined]  # the engine's own stream
                fill = await anext(fills)
                self.seen.append([fill.order.serial, fill.price_ticks, fill.quantity_lots, int(fill.is_maker), fill.time_ns])
            self.until_ns = market.now_ns + 130 * MS

    def state(self) -> dict[str, Any]:
        return {"seen": self.seen[-5:], "until_ns": self.until_ns}

    def restore(self, state: dict[str, Any]) -> None:
        self.seen, self.until_ns = state["seen"], state["until_ns"]


class Ending:
    """Ends, or raises, after a while."""

    def __init__(self, market: AgentMarket, _: Any) -> None:
        self.market = market
        self.order: Any = None

    async def run(self) -> None:
        if self.order is None:
            self.order = self.market.limit(Side.BUY, 99_999, 2)
        await self.market.sleep_until(1_234 * MS)
        if self.market.name == "failing":
            raise ZeroDivisionError("by zero")

    def state(self) -> dict[str, Any]:
        return {"order": self.order}

    def restore(self, state: dict[str, Any]) -> None:
        self.order = state["order"]


async def knower(market: AgentMarket, _: Any) -> None:
    """Trades on the value, candles and conditions, with children that come and go."""
    rng, seen = market.rng, [0]

    async def follow() -> None:
        async for quote in market.ticks():
            seen[0] = quote.exact.tick_number
            if rng.random() < 0.3:
                side = Side.BUY if market.value_ticks() > quote.exact.last_price_ticks else Side.SELL
                market.limit(side, quote.exact.last_price_ticks, int(rng.integers(1, 4)), immediate=True)

    async def wait() -> None:
        while True:
            before = seen[0]
            await market.condition(lambda: seen[0] > before + 3)  # noqa: B023 - awaited here
            await market.first(market.sleep(0.2), market.next_fill())

    while True:
        try:
            async with market.timeout(float(1 + rng.exponential(2))), market.tasks() as tasks:
                tasks.start(follow())
                tasks.start(wait())
                async for candle in market.candles(0.25):
                    if candle.trades > 1:
                        await market.buy(0.001, candle.low)
        except TimeoutError:
            market.cancel_all()


def restorables() -> list[AgentSpec]:
    return [
        spec(2, "quoter", Quoter, symbols=BOTH, provides_liquidity=True),
        spec(3, "jittery", Quoter, symbols=BOTH[::-1], order=JITTER, feed=JITTER, provides_liquidity=True),
        spec(4, "slow", Canceller, feed=constant(170 * MS)),
        spec(5, "instant", Quoter, order=constant(0), feed=constant(0)),
        spec(6, "canceller", Canceller, order=JITTER, feed=JITTER),
        spec(7, "reader", Reader, feed=JITTER),
        spec(8, "ending", Ending),
        spec(9, "failing", Ending),
    ]


EVENTS = (
    ScheduledEvent(1 * S + 7, LiquidityWithdrawal("BTC/USD", 1 * S)),
    ScheduledEvent(2 * S, FlashCrash("ETH/USD", 60, 2 * S)),
    ScheduledEvent(3 * S, Halt("BTC/USD", 700 * MS)),
    ScheduledEvent(4 * S, NewsShock("BTC/USD", 20_000)),
    ScheduledEvent(9 * S, FatFinger("BTC/USD", sell=True, quantity_lots=9)),
)


def test_an_empty_market_goes_on() -> None:
    """Nobody there, nothing to do: the clock and the numbers are kept."""
    Market(Cast()).run(5, take_every=2).check()


@pytest.mark.parametrize("seed", [1, 2])
def test_populations_go_on(seed: int) -> None:
    """Of all types, with commands on their way and notices unread, in the midst of withdrawals."""
    kinds = tuple(POPULATION_TYPES)
    both = (*populations(*kinds), *populations(*kinds[::-1], first=100_000, symbol="ETH/USD"))
    market = Market(Cast(populations=both, events=EVENTS), [BTC, ETH], seed=seed)
    market.run(120, take_every=17)
    assert sum(map(len, (rows for one in market.commands for rows in one.values()))) > 10_000
    market.check()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_agents_with_a_state_go_on(seed: int) -> None:
    """Whatever they wait for and however long their events take; also those that have ended or failed."""
    seeding = spec(1, "liquidity", Quoter, symbols=BOTH)
    agents = (seeding, *restorables())
    market = Market(Cast(agents, populations("noise", "market_maker"), events=EVENTS), [BTC, ETH], seed=seed)
    market.run(150, take_every=3)
    assert [failure.name for failure in market.engine.failures] == ["failing"]
    assert market.engine.ephemeral == ()
    restored = market.restored(149)
    assert [(one.name, one.time_ns, one.told) for one in restored.failures] == [
        (one.name, one.time_ns, one.told) for one in market.engine.failures
    ]
    restored.close()
    market.check()


@pytest.mark.parametrize("seed", [1, 2])
def test_agents_without_a_state_are_played_again(seed: int) -> None:
    """With everything that the market offers, beside agents with a state, populations, events and drawn latencies."""
    agents = [
        spec(1, "liquidity", _liquidity, symbols=BOTH, provides_liquidity=True),
        *restorables(),
        spec(10, "everything", everything, symbols=BOTH, order=JITTER, feed=JITTER),
        spec(11, "chaos", _anything, symbols=BOTH, feed=constant(70 * MS)),
        spec(12, "knower", knower),
    ]
    controls: dict[int, list[MarketEvent]] = {
        20: [NewsShock("BTC/USD", -30_000)],
        33: [Halt("ETH/USD", 300 * MS), FatFinger("BTC/USD", True, 5)],
    }
    cast = Cast(tuple(agents), populations("noise", "informed"), events=EVENTS)
    market = Market(cast, [BTC, ETH], seed=seed, controls=controls).run(150, take_every=13)
    assert [failure.name for failure in market.engine.failures] == ["failing"]
    assert market.log.mark()[1] > 100
    market.check()


def test_the_arrays_of_an_earlier_state_are_used_again() -> None:
    """And what is in them is what a fresh state has."""
    market = Market(Cast(populations=populations("noise", "momentum"), events=EVENTS[3:4])).run(40)
    earlier = market.engine.state()
    market.run(20)
    later = market.engine.state(reuse=earlier)
    assert later.arrays["crowd.0.traders"] is earlier.arrays["crowd.0.traders"]
    assert_equal(through_json(later), through_json(market.engine.state()))
