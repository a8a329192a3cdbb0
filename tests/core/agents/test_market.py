"""How a user writes an agent: short, typed (mypy reads this file in strict mode), and without parameters if it has none."""

from dataclasses import replace

from marksim.core.agents import Market
from marksim.core.agents.market_maker import MarketMaker, MarketMakerAgent
from marksim.core.agents.spec import Cast
from marksim.core.types import OrderStatus
from tests.core.sim.worlds import cast_world, run, spec


async def scalper(market: Market) -> None:
    """Buys what is offered and offers it again a little higher."""
    async for tick in market.ticks("BTC/USD"):
        if tick.ask_size and market.position() < 0.05:
            order = await market.buy(0.01, tick.ask, immediate=True)
            if order.filled:
                await market.sell(order.filled, order.price + 2.0, post_only=True)


async def making(market: Market) -> None:
    await MarketMakerAgent(market, MarketMaker()).run()


def test_an_agent_of_five_lines_trades() -> None:
    """It buys, and what it bought stands offered."""
    agents = tuple(replace(spec(n, run_.__name__, run_), parameters=None) for n, run_ in enumerate((making, scalper), 1))
    with cast_world(Cast(agents)) as simulation:
        run(simulation, 30)
        assert simulation.engine.failures == []
        (_, holding) = simulation.engine.holdings("BTC/USD")
        assert holding.position_lots > 0
        assert {order.status for order in holding.orders.values()} <= {OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED}
        assert holding.orders
