"""A market maker that runs anywhere and trades over gRPC: it quotes around the last price and leans against its position.

    make run                              in one terminal
    .venv/bin/python examples/remote_agent.py       in another

When it ends, in whatever way, the order book cancels what it has open.
"""

from contextlib import suppress

from marksim.client import Client, PostOnly

SYMBOL, SIZE, EDGE = "BTC/USD", "0.010", 4


def run(market: Client) -> None:
    step, last = market.instruments()[SYMBOL].tick_size, None
    for tick in market.ticks(SYMBOL):
        if tick.last_price == last:
            continue
        last = tick.last_price
        market.cancel_all(SYMBOL)
        position = market.position(SYMBOL)
        fair = last - step * int(100 * position.quantity)
        market.buy(SYMBOL, SIZE, fair - EDGE * step, post_only=PostOnly.SLIDE)
        market.sell(SYMBOL, SIZE, fair + EDGE * step, post_only=PostOnly.SLIDE)
        print(f"quoting around {fair}: {position.trades} trades so far, holding {position.quantity}", flush=True)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt), Client("localhost:50051", account="maker-py", cancel_on_disconnect=True) as client:
        run(client)
