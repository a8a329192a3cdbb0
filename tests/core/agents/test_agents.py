"""Each agent does what it is named for, against a market that the test arranges."""

from collections.abc import Sequence
from typing import Any

from marksim.core.agents import Market
from marksim.core.agents.informed import Informed, informed
from marksim.core.agents.market_maker import MarketMaker, market_maker
from marksim.core.agents.momentum import Momentum, momentum
from marksim.core.agents.noise import Noise, noise
from marksim.core.agents.whale import Whale, whale
from marksim.core.sim.simulation import SymbolWindow
from marksim.core.types import EXECUTION, ExecutionKind, Records, Side
from tests.core.sim.worlds import run, world


def _of(account: int, kind: ExecutionKind, events: Sequence[SymbolWindow]) -> list[Any]:
    rows: list[Records] = [one.output.executions for one in events]
    return [row for part in rows for row in part if row["account"] == account and row["kind"] == kind]


async def _liquidity(market: Market, _: Any) -> None:
    """Deep quotes of 1,000 lots at each of 50 levels around 100,000 ticks."""
    for level in range(1, 51):
        market.limit(Side.BUY, 100_000 - level, 1_000)
        market.limit(Side.SELL, 100_000 + level, 1_000)
    await market.sleep(3_600)


def test_a_maker_quotes_both_sides_and_never_crosses_itself() -> None:
    """Alone in the market: a bid below an ask, levels on both sides, no trade."""

    async def maker(market: Market, _: Any) -> None:
        await market_maker(market, MarketMaker())

    with world([("maker", maker)]) as simulation:
        events = run(simulation, 30)
        depth = simulation.books["BTC/USD"].depth()
    assert not any(_of(1, ExecutionKind.TRADED, [one]) for one in events)
    assert set(depth["side"].tolist()) == {Side.BUY, Side.SELL}
    assert len(depth) >= 4


def test_a_maker_leans_against_its_inventory() -> None:
    """After it was sold to, its quotes stand lower than before."""

    async def maker(market: Market, _: Any) -> None:
        await market_maker(market, MarketMaker())

    async def seller(market: Market, _: Any) -> None:
        await market.sleep(10)
        for _turn in range(10):
            market.market(Side.SELL, 200)
            await market.sleep(1)

    with world([("maker", maker), ("seller", seller)]) as simulation:
        ticks = [one.tick for one in run(simulation, 30) if one.tick]
    early = [tick for tick in ticks if tick.time_ns < 10 * 10**9 and tick.ask_quantity_lots]
    assert ticks[-1].ask_price_ticks < early[-1].ask_price_ticks


def test_noise_trades_both_ways_and_forgets_old_orders() -> None:
    """Its resting orders never exceed its bound by more than those on their way."""

    async def noisy(market: Market, _: Any) -> None:
        await noise(market, Noise(interval_s=0.2, max_open=10))

    with world([("liquidity", _liquidity), ("noise", noisy)]) as simulation:
        events = run(simulation, 120)
        resting = len(simulation.books["BTC/USD"].open_orders(2))
    sides = {int(row["side"]) for row in _of(2, ExecutionKind.ACCEPTED, events)}
    assert sides == {Side.BUY, Side.SELL}
    assert resting <= 12
    assert _of(2, ExecutionKind.CANCELLED, events)


def test_the_informed_bring_the_price_to_the_value() -> None:
    """The value wanders off; the book's best prices follow it, because the informed take what is wrong."""
    gaps: list[float] = []

    async def knower(market: Market, _: Any) -> None:
        await informed(
            market,
            Informed(interval_s=0.5, noise_ticks=0.0, value_sd_ticks=5.0, size_lots=4_000),
        )

    async def maker(market: Market, _: Any) -> None:
        await market_maker(market, MarketMaker())

    async def judge(market: Market, _: Any) -> None:
        await market.sleep(30)
        while True:
            await market.sleep(5)
            gaps.append(abs(market.fundamental_ticks(5.0, 14_400.0) - market.tick.bid_price_ticks))

    with world([("knower", knower), ("maker", maker), ("judge", judge)]) as simulation:
        run(simulation, 300)
        value_moved = abs(simulation.engine.fundamental("BTC/USD", 5.0, 14_400.0) - 100_000)
    assert sorted(gaps)[len(gaps) // 2] < 25, f"value moved {value_moved} ticks"


def test_momentum_buys_a_rise() -> None:
    """A price that is pushed up makes it buy, not sell."""

    async def follower(market: Market, _: Any) -> None:
        await momentum(market, Momentum(interval_s=1.0))

    async def pusher(market: Market, _: Any) -> None:
        await market.sleep(60)
        for level in range(1, 46):
            market.limit(Side.BUY, 100_000 + level, 1_000, immediate=True)
            market.limit(Side.BUY, 100_000 + level, 1)
            await market.sleep(0.5)

    with world([("liquidity", _liquidity), ("follower", follower), ("pusher", pusher)]) as simulation:
        events = run(simulation, 100)
    sides = [int(row["side"]) for row in _of(2, ExecutionKind.ACCEPTED, events)]
    assert sides
    assert sides.count(Side.BUY) > 3 * sides.count(Side.SELL)


def test_a_whale_works_its_parent_in_equal_children() -> None:
    """All on one side, spread over time, adding up to the parent."""

    async def large(market: Market, _: Any) -> None:
        await whale(
            market,
            Whale(
                first_pause_s=0.1,
                pause_s=1e6,
                parent_lots=600,
                children=30,
                child_interval_s=1.0,
            ),
        )

    with world([("liquidity", _liquidity), ("whale", large)]) as simulation:
        children = _of(2, ExecutionKind.ACCEPTED, run(simulation, 120))
    assert [int(row["quantity_lots"]) for row in children] == [20] * 30
    assert len({int(row["side"]) for row in children}) == 1
    assert children[-1]["time_ns"] - children[0]["time_ns"] > 15 * 10**9
    assert children[0].dtype == EXECUTION
