"""A scalper over gRPC with asyncio: it buys at the best bid, sells what it got at the best ask, and hears of all its fills.

    make run                              in one terminal
    .venv/bin/python examples/remote_agent_async.py       in another

When it ends, in whatever way, the order book cancels what it has open.
"""

import asyncio
from contextlib import suppress

from marksim.client import AsyncClient, Execution, ExecutionKind, PostOnly

SYMBOL, SIZE = "BTC/USD", "0.010"


async def scalp(market: AsyncClient) -> None:
    step = market.instruments()[SYMBOL].tick_size
    async for tick in market.ticks(SYMBOL):
        orders = await market.orders(SYMBOL)
        if orders and orders[0].price in (tick.bid_price, tick.ask_price):
            continue
        await market.cancel_all(SYMBOL)
        held = (await market.position(SYMBOL)).quantity
        if held > 0:
            await market.sell(SYMBOL, held, tick.ask_price - step, post_only=PostOnly.SLIDE)
        else:
            await market.buy(SYMBOL, SIZE, tick.bid_price + step, post_only=PostOnly.SLIDE)


async def tell(market: AsyncClient) -> None:
    async for event in market.executions(SYMBOL):
        if not isinstance(event, Execution):
            print(f"attention: {event}", flush=True)
        elif event.kind == ExecutionKind.TRADED:
            print(f"{event.side.name} {event.quantity} at {event.price} as {event.liquidity.name}", flush=True)


async def main() -> None:
    client = AsyncClient("localhost:50051", account="scalper-py", cancel_on_disconnect=True)
    async with client as market, asyncio.TaskGroup() as tasks:
        for work in (scalp, tell):
            tasks.create_task(work(market))


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
