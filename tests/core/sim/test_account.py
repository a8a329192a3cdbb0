"""Latencies in both directions, and what an agent knows of its own orders."""

from collections import Counter
from typing import Any

import pytest

from marksim.core.agents import Market
from marksim.core.agents.latency import Latency, constant, empirical, latency_key, lognormal
from marksim.core.agents.spec import Cast
from marksim.core.sim.account import MOST_UNREAD
from marksim.core.sim.simulation import Simulation
from marksim.core.types import CommandKind, ExecutionKind, OrderStatus, Side
from tests.core.sim.worlds import BTC, ETH, MS, S, cast_world, run, spec, world

JITTER = lognormal(20 * MS, 1.2, 1 * MS)


@pytest.mark.parametrize("seed", range(5))
def test_no_cancel_overtakes_its_order(seed: int) -> None:
    """Under a latency that varies by more than the time between them: every cancel finds its order."""

    async def sender(market: Market, _: Any) -> None:
        for _turn in range(100):
            order = market.limit(Side.BUY, 99_000, 1)
            await market.sleep(0.001)
            market.cancel(order)
            await market.sleep(0.001)

    with cast_world(Cast((spec(1, "sender", sender, order=JITTER),)), seed=seed) as simulation:
        kinds = Counter(kind for one in run(simulation, 5) for kind in one.output.executions["kind"].tolist())
    assert kinds == {ExecutionKind.ACCEPTED: 100, ExecutionKind.CANCELLED: 100}, f"seed {seed}"


def test_an_order_arrives_by_the_draw_of_its_number() -> None:
    """The latency of the n-th command depends on seed, name and n alone, and is never shorter than those before."""
    sent: list[int] = []

    async def sender(market: Market, _: Any) -> None:
        for _turn in range(50):
            await market.sleep(0.007)
            sent.append(market.now_ns)
            market.limit(Side.BUY, 99_000, 1)

    with cast_world(Cast((spec(1, "sender", sender, order=JITTER),)), seed=7) as simulation:
        rows = [row for one in run(simulation, 5) for row in one.output.executions]
    key, expected, latest = latency_key(7, "sender", "order"), [], 0
    for number, sent_ns in enumerate(sent, start=1):
        latest = max(latest, sent_ns + JITTER.draw_ns(key, number))
        expected.append(latest)
    assert [int(row["time_ns"]) for row in rows] == expected


async def _flickering(market: Market, _: Any) -> None:
    """Some ticks a second."""
    while True:
        await market.sleep(float(market.rng.exponential(0.1)))
        order = market.limit(Side.BUY, 99_000 + int(market.rng.integers(100)), 1)
        await market.sleep(float(market.rng.exponential(0.1)))
        market.cancel(order)


def arrivals(simulation: Simulation, seconds: float, name: str, feed: Latency) -> dict[int, int]:
    """Run it; by the number of each tick when it reaches that agent: as the definition says, worked out for all of them."""
    key, latest, arrived = latency_key(simulation.engine.seed, name, "feed"), 0, {0: 0}
    for one in run(simulation, seconds):
        if one.tick is not None:
            end_ns, delay_ns = (one.window + 1) * 50 * MS, feed.draw_ns(key, one.tick.tick_number)
            arrived[one.tick.tick_number] = latest = max(latest, end_ns, one.tick.time_ns + delay_ns)
    return arrived


@pytest.mark.parametrize("pause_s", [0.003, 4.1])
@pytest.mark.parametrize("feed", [constant(80 * MS), JITTER, empirical((1 * MS, 400 * MS)), constant(20 * S)])
def test_an_agent_sees_the_newest_tick_that_has_reached_it(feed: Latency, pause_s: float) -> None:
    """Whether it asks often or seldom: each is visible at max(the one before, its time + draw, the end of its window)."""
    seen: list[tuple[int, int]] = []

    async def watcher(market: Market, _: Any) -> None:
        while True:
            await market.sleep(pause_s)
            seen.append((market.now_ns, market.tick().tick_number))

    agents = (spec(1, "maker", _flickering), spec(2, "watcher", watcher, feed=feed))
    with cast_world(Cast(agents), seed=3) as simulation:
        arrived = arrivals(simulation, 25, "watcher", feed)
        assert simulation.engine.failures == []
    assert len(seen) > 5 and len(arrived) > 90
    for now_ns, number in seen:
        assert number == max(number for number, at_ns in arrived.items() if at_ns <= now_ns)


@pytest.mark.parametrize("feed", [constant(80 * MS), JITTER, constant(20 * S)])
def test_an_agent_is_woken_by_every_tick_when_it_comes(feed: Latency) -> None:
    """Also by those that were on their way when it began to wait; by several that come at one instant, once."""
    seen: list[tuple[int, int]] = []

    async def watcher(market: Market, _: Any) -> None:
        while True:
            tick = await market.next_tick()
            seen.append((market.now_ns, tick.tick_number))

    agents = (spec(1, "maker", _flickering), spec(2, "watcher", watcher, feed=feed))
    with cast_world(Cast(agents), seed=3) as simulation:
        arrived = arrivals(simulation, 25, "watcher", feed)
        assert simulation.engine.failures == []
    del arrived[0]
    newest_at = {at_ns: number for number, at_ns in arrived.items() if at_ns < 25 * S}
    assert seen == list(newest_at.items()) and len(seen) > 20


def test_own_events_reach_the_agent_in_their_order_under_jitter() -> None:
    """A fill never comes after the end of its order, however the draws fall."""
    seen: list[tuple[OrderStatus, int, int]] = []

    async def maker(market: Market, _: Any) -> None:
        for _turn in range(60):
            await market.filled(market.limit(Side.SELL, 100_010, 2))

    async def taker(market: Market, _: Any) -> None:
        while True:
            await market.sleep(0.05)
            order = market.market(Side.BUY, 1)
            await market.filled(order)
            seen.append((order.status, order.filled_lots, market.position_lots()))

    with cast_world(Cast((spec(1, "maker", maker, feed=JITTER), spec(2, "taker", taker, feed=JITTER)))) as simulation:
        run(simulation, 30)
        assert simulation.engine.failures == []
    bought = 0
    for status, filled_lots, position_lots in seen:
        bought += filled_lots
        assert status in {OrderStatus.FILLED, OrderStatus.CANCELLED} and position_lots == bought
    assert bought == 120


def test_each_symbol_has_its_own_orders_position_and_cash() -> None:
    """An agent of two symbols: what is left out means the first."""
    seen: list[Any] = []

    async def maker(market: Market, _: Any) -> None:
        assert market.symbols == ("ETH/USD", "BTC/USD") and market.instrument().symbol == "ETH/USD"
        market.limit(Side.SELL, 200_100, 5)
        market.limit(Side.BUY, 99_900, 7, symbol="BTC/USD")
        await market.sleep(2)
        seen.append((market.position_lots(), market.position_lots("BTC/USD"), market.cash_ticks("BTC/USD")))
        assert market.open_orders("ETH/USD") == [] and len(market.open_orders()) == 1
        market.cancel_all("ETH/USD")
        market.cancel_all()
        await market.sleep(1)
        seen.append(len(market.open_orders()))

    async def taker(market: Market, _: Any) -> None:
        await market.sleep(1)
        market.market(Side.SELL, 3)
        market.market(Side.BUY, 5, symbol="ETH/USD")

    agents = (
        spec(1, "maker", maker, symbols=("ETH/USD", "BTC/USD")),
        spec(2, "taker", taker, symbols=("BTC/USD", "ETH/USD")),
    )
    with cast_world(Cast(agents), [BTC, ETH]) as simulation:
        run(simulation, 5)
        assert simulation.engine.failures == []
    assert seen == [(-5, 3, -3 * 99_900), 0]


def test_what_an_agent_does_not_read_takes_bounded_room() -> None:
    """One that sleeps while its order trades a thousand times; what it finds when it wakes is the same."""
    seen: list[Any] = []

    async def sleeper(market: Market, _: Any) -> None:
        order = market.limit(Side.SELL, 100_010, 3 * MOST_UNREAD)
        await market.sleep(100)
        seen.append((order.filled_lots, order.status, market.position_lots()))

    async def taker(market: Market, _: Any) -> None:
        while True:
            await market.sleep(0.025)
            market.market(Side.BUY, 1)

    with cast_world(Cast((spec(1, "sleeper", sleeper), spec(2, "taker", taker)))) as simulation:
        run(simulation, 60)
        (holding, _) = simulation.engine.holdings("BTC/USD")
        assert 0 < len(holding.inbox) <= MOST_UNREAD + 1
        run(simulation, 101)
        assert simulation.engine.failures == []
    assert seen == [(3 * MOST_UNREAD, OrderStatus.FILLED, -3 * MOST_UNREAD)]


def test_an_agent_that_returns_keeps_its_orders() -> None:
    """It just ends: what it left in the book trades on, and its position with it."""

    async def leaver(market: Market, _: Any) -> None:
        market.limit(Side.SELL, 100_010, 5)

    async def taker(market: Market, _: Any) -> None:
        await market.sleep(1)
        market.market(Side.BUY, 2)

    with cast_world(Cast((spec(1, "leaver", leaver), spec(2, "taker", taker)))) as simulation:
        kinds = [kind for one in run(simulation, 3) for kind in one.output.executions["kind"].tolist()]
        assert simulation.engine.failures == []
        (holding, _) = simulation.engine.holdings("BTC/USD")
        holding.learn(3 * S)
        assert holding.position_lots == -2
    assert ExecutionKind.TRADED in kinds and ExecutionKind.CANCELLED not in kinds


def test_a_command_row_has_the_order_of_merging_in_front() -> None:
    """An amendment keeps its order's name, and yet comes after it though both arrive at one time."""

    async def sender(market: Market, _: Any) -> None:
        order = market.limit(Side.BUY, 99_000, 1)
        market.amend(order, price_ticks=99_001)
        market.amend(order, quantity_lots=3)
        market.cancel(order)

    with cast_world(Cast((spec(1, "sender", sender),))) as simulation:
        rows = simulation.engine.collect(0)["BTC/USD"]
    assert rows["kind"].tolist() == [CommandKind.NEW, CommandKind.AMEND, CommandKind.AMEND, CommandKind.CANCEL]
    assert rows["serial"].tolist() == [1, 1, 1, 4] and rows["target_serial"].tolist() == [0, 1, 1, 1]


def test_a_side_is_one_of_its_names_or_numbers() -> None:
    """A plain number counts as the side that it is, in the position too; another thing is refused."""

    async def seller(market: Market, _: Any) -> None:
        market.limit(Side.SELL, 100_000, 5)

    async def buyer(market: Market, _: Any) -> None:
        await market.sleep(1)
        await market.filled(market.limit(1, 100_000, 5))  # type: ignore[arg-type]  # an int, not a Side
        assert market.position_lots() == 5
        for side in ("buy", 3, None):
            with pytest.raises(ValueError, match=r"give Side\.BUY or Side\.SELL"):
                market.market(side, 5)  # type: ignore[arg-type]  # that is the mistake

    with world([("seller", seller), ("buyer", buyer)]) as simulation:
        run(simulation, 2)
        assert simulation.engine.failures == []
