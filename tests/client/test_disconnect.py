"""With cancel_on_disconnect, an account's orders live as long as its client, over all order books of the market."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from marksim.client import Denied, ExecutionKind, MarketError, OrderStatus, Reason
from marksim.core.errors import Denied as Refusal
from marksim.orderbook import servicer
from marksim.runtime.identity import Action, Principal
from tests.client.live import Connect, Live, live, some
from tests.client.test_shards import FACTS
from tests.orderbook.market import SYMBOL, WAIT_S
from tests.orderbook.relay import relayed

ROOT = Path(__file__).resolve().parents[2]
GONE = (OrderStatus.CANCELLED, Reason.OWNER_GONE)

AGENT = """
import sys
from marksim.client import Client

with Client(sys.argv[1], account="me", cancel_on_disconnect=True) as market:
    print(market.buy("BTC/USD", "0.010", "40000").client_order_id, flush=True)
    sys.stdin.read()
"""


async def ends(market: Live, connect: Connect, name: str) -> None:
    """Wait until the order is gone, and for that reason."""
    async with connect(market.market.address, account="me") as client, asyncio.timeout(WAIT_S):
        while (order := await client.order((SYMBOL, name))).is_open:
            await asyncio.sleep(0.01)
    assert (order.status, order.reason) == GONE


async def test_orders_end_with_their_client(market: Live, connect: Connect) -> None:
    """Others of the same market stay; a client that did not ask for it leaves its orders."""
    async with connect(market.market.address, account="me", cancel_on_disconnect=True) as client:
        gone = await client.buy(SYMBOL, "0.010", "40000")
    async with connect(market.market.address, account="you") as client:
        stays = await client.buy(SYMBOL, "0.010", "40000")
    await ends(market, connect, gone.client_order_id)
    async with connect(market.market.address, account="you") as client:
        assert (await client.order(stays)).is_open


async def test_a_second_client_of_the_account_keeps_them(market: Live, connect: Connect) -> None:
    """Until it goes, too."""
    async with connect(market.market.address, account="me", cancel_on_disconnect=True) as first:
        async with connect(market.market.address, account="me", cancel_on_disconnect=True) as second:
            order = await second.buy(SYMBOL, "0.010", "40000")
        for at in range(3):
            await first.buy(SYMBOL, "0.001", 30_000 + at)
        assert (await first.order(order)).is_open
    await ends(market, connect, order.client_order_id)


async def test_orders_end_with_a_process_that_is_killed(market: Live, connect: Connect) -> None:
    """It could not say goodbye."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", AGENT, market.market.address, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(30):
        name = (await process.stdout.readline()).decode().strip()
    process.send_signal(signal.SIGKILL)
    await process.wait()
    await ends(market, connect, name)


async def test_a_broken_line_ends_them_and_the_client_stands_again(market: Live, connect: Connect) -> None:
    """Without a grace; the client is told why, and its next orders live on."""
    async with (
        relayed(market.market.port) as relay,
        connect(relay.address, account="me", cancel_on_disconnect=True) as client,
    ):
        stream = client.executions()
        order = await client.buy(SYMBOL, "0.010", "40000")
        await some(stream, 1)
        relay.cut()
        (event,) = await some(stream, 1, within_s=20)
        assert (event.kind, event.reason) == (ExecutionKind.CANCELLED, Reason.OWNER_GONE)
        assert event.client_order_id == order.client_order_id
        await standing(market)
        await client.buy(SYMBOL, "0.010", "41000")
        assert len(await client.orders()) == 1


async def standing(market: Live) -> None:
    """Until the book has a stream again that stands for the account."""
    async with asyncio.timeout(20):
        while not market.market.service.servicer.presence._streams:
            await asyncio.sleep(0.01)


async def test_a_grace_outlasts_a_broken_line(market: Live, connect: Connect) -> None:
    """The client is back in time, and nothing is cancelled."""
    async with (
        relayed(market.market.port) as relay,
        connect(relay.address, account="me", cancel_on_disconnect=True, cancel_grace_s=30) as client,
    ):
        order = await client.buy(SYMBOL, "0.010", "40000")
        before = relay.connections
        relay.cut()
        async with asyncio.timeout(20):
            while relay.connections == before:
                await asyncio.sleep(0.01)
        await standing(market)
        await market.make_market(serial=101)
        assert (await client.order(order)).is_open


async def test_a_pause_does_not_lose_it(market: Live, connect: Connect) -> None:
    """The client goes while the market stands still; its orders go in the first window after."""
    async with connect(market.market.address, account="me", cancel_on_disconnect=True) as client:
        order = await client.buy(SYMBOL, "0.010", "40000")
        await market.pause()
    await market.market.queued(1)
    await market.step()
    await ends(market, connect, order.client_order_id)


async def test_who_may_not_ask_for_it_is_told_when_it_opens(
    market: Live, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a command, so that reading alone is not enough."""

    def authorize(_principal: Principal, account: str, action: Action) -> None:
        if action == Action.TRADE:
            raise Refusal(f"you may only read {account}")

    monkeypatch.setattr(servicer, "authorize", authorize)
    with pytest.raises(Denied, match="only read me"):
        async with connect(market.market.address, account="me", cancel_on_disconnect=True):
            raise AssertionError("it opened")


async def test_a_grace_that_is_too_long_is_told_when_it_opens(market: Live, connect: Connect) -> None:
    """With what can be given."""
    with pytest.raises(MarketError, match="at most 60000"):
        async with connect(market.market.address, account="me", cancel_on_disconnect=True, cancel_grace_s=61):
            raise AssertionError("it opened")


async def test_it_stands_on_all_order_books(connect: Connect) -> None:
    """One client, several shards: the orders of each end."""
    async with live(**FACTS, shard="0") as first, live(**FACTS, shard="1") as second:
        addresses = (second.market.address, first.market.address)
        async with connect(*addresses, account="me", cancel_on_disconnect=True) as client:
            for symbol, price in (("BTC/USD", "40000"), ("ETH/USD", "2000")):
                await client.buy(symbol, "1", price)
            assert {order.symbol for order in await client.orders()} == {"BTC/USD", "ETH/USD"}
        async with connect(*addresses, account="me") as client, asyncio.timeout(WAIT_S):
            while await client.orders():
                await asyncio.sleep(0.01)
            assert {(one.status, one.reason) for one in await client.orders(open_only=False)} == {GONE}
