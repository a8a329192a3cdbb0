"""A run that goes on: what a release is before something is done to it, and the same afterwards."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import grpc

from marksim.runtime.channel import open_channel
from marksim.v1 import engine_pb2, orderbook_pb2, orderbook_pb2_grpc, types_pb2
from tests.cluster.client import Consumer, status
from tests.cluster.kube import Release, StepFailed, eventually, need, port_forward

if TYPE_CHECKING:
    from marksim.v1.orderbook_pb2_grpc import OrderBookServiceAsyncStub

T = TypeVar("T")

ACCOUNT: Final = "cluster-test"
SETTLED_WITHIN_S: Final = 90.0
FAR_BELOW: Final = "1000.00"
"""A price at which nobody sells BTC/USD: an order to buy there rests."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a market is, by its engine and by every one of its order books."""

    run: str
    term: int
    windows: int
    """That the engine has done."""
    shards: tuple[orderbook_pb2.GetRunResponse, ...]

    @property
    def tapes(self) -> dict[str, str]:
        """Tape hash by symbol, over all shards."""
        return {tape.symbol: tape.hash for shard in self.shards for tape in shard.tapes}


@asynccontextmanager
async def book_stub(release: Release, pod: str) -> AsyncIterator["OrderBookServiceAsyncStub"]:
    """Calls to the order book of one pod."""
    async with port_forward(release.namespace, f"pod/{pod}", 50051) as port, open_channel(f"127.0.0.1:{port}") as channel:
        yield orderbook_pb2_grpc.OrderBookServiceStub(channel)


async def book_pods(release: Release) -> list[str]:
    """The pods of its order books, shard 0 first."""
    names = [pod["metadata"]["name"] for pod in await release.pods("orderbook")]
    return sorted(names, key=lambda name: int(name.rpartition("-")[2]))


async def standing(release: Release) -> Standing:
    """Where it is now; StepFailed where engine and order books do not come to be in the same run."""
    found: list[Standing] = []

    async def agree() -> bool:
        try:
            engine = await status(release)
            shards = []
            for pod in await book_pods(release):
                async with book_stub(release, pod) as stub:
                    shards.append(await stub.GetRun(orderbook_pb2.GetRunRequest(), timeout=20))
        except grpc.aio.AioRpcError:
            # It starts again and plays what it recorded.
            return False
        found[:] = [Standing(engine.run, engine.term, engine.windows, tuple(shards))]
        # An engine whose run is over opens no book again.
        over = engine.state == engine_pb2.CLOCK_STATE_FINISHED
        driven = engine.state == engine_pb2.CLOCK_STATE_RUNNING and all(shard.engine_connected for shard in shards)
        return (over or driven) and {shard.run for shard in shards} == {engine.run}

    try:
        await eventually(agree, SETTLED_WITHIN_S, "")
    except StepFailed:
        raise StepFailed(f"engine and order books of {release.name} are not in one run: {found}") from None
    return found[0]


class Witness:
    """Somebody outside who trades, and holds the market to what it once answered."""

    def __init__(self, release: Release, name: str) -> None:
        self._release = release
        self._name = name
        self._answers: dict[str, orderbook_pb2.SubmitOrderResponse] = {}

    async def trade(self) -> None:
        """Two orders: one that is filled at once, and one that rests."""
        number = len(self._answers) // 2
        async with self._book() as stub:
            for kind in ("fill", "rest"):
                name = f"{self._name}-{number}-{kind}"
                self._answers[name] = await stub.SubmitOrder(_order(name), timeout=30)
        filled, resting = list(self._answers.values())[-2:]
        need(filled.order.status == types_pb2.ORDER_STATUS_FILLED, f"the order was not filled: {filled}")
        need(resting.order.status == types_pb2.ORDER_STATUS_OPEN, f"the order does not rest: {resting}")

    async def holds(self) -> None:
        """Every order, sent again under its name, gets the answer that it got before; none has a second effect."""
        async with self._book() as stub:
            for name, before in self._answers.items():
                again = await stub.SubmitOrder(_order(name), timeout=30)
                need(again == before, f"{name} was answered with {before} and now is with {again}")
            account = orderbook_pb2.ListOrdersRequest(account=ACCOUNT, limit=1_000)
            listed = [order.client_order_id for order in (await stub.ListOrders(account, timeout=30)).orders]
        mine = [name for name in listed if name.startswith(f"{self._name}-")]
        need(sorted(mine) == sorted(self._answers), f"orders {sorted(self._answers)} were sent, {sorted(mine)} are there")

    @asynccontextmanager
    async def _book(self) -> AsyncIterator["OrderBookServiceAsyncStub"]:
        async with book_stub(self._release, (await book_pods(self._release))[0]) as stub:
            yield stub


def _order(name: str) -> orderbook_pb2.SubmitOrderRequest:
    rests = name.endswith("-rest")
    return orderbook_pb2.SubmitOrderRequest(
        account=ACCOUNT,
        symbol="BTC/USD",
        client_order_id=name,
        side=types_pb2.SIDE_BUY,
        order_type=types_pb2.ORDER_TYPE_LIMIT if rests else types_pb2.ORDER_TYPE_MARKET,
        price=FAR_BELOW if rests else "",
        quantity="0.010",
    )


async def goes_on(
    release: Release, consumer: Consumer, witness: Witness, disturb: Callable[[], Awaitable[T]], *, engine_lost: bool
) -> T:
    """Disturb a market and ask of it that nothing was lost: its run goes on where it was, and outside orders stand.

    Where `engine_lost`, another engine must have claimed the books, under a higher term.
    """
    before = await standing(release)
    await witness.trade()
    result = await disturb()
    await consumer.resumes()
    after = await standing(release)
    need(after.run == before.run, f"run {before.run} was lost, {after.run} has begun")
    need(after.windows > before.windows, f"the engine had done {before.windows} windows, and now {after.windows}")
    for was, is_ in zip(before.shards, after.shards, strict=True):
        need(is_.last_window >= was.last_window, f"a shard was at window {was.last_window}, and is at {is_.last_window}")
    need(after.term >= before.term, f"term {before.term} was followed by {after.term}")
    need(after.term > before.term or not engine_lost, f"another engine came, and the term still is {before.term}")
    await witness.holds()
    return result


async def set_aside(release: Release, pod: str) -> dict[str, int]:
    """By run that the order book of a pod keeps aside in its volume, how many windows it has of it."""
    found = {}
    for run in (await release.execute(pod, "sh", "-c", "ls /journal/aside 2>/dev/null || true")).split():
        shards = (await release.execute(pod, "ls", f"/journal/aside/{run}")).split()
        need(len(shards) == 1, f"{pod} keeps {shards} of run {run}")
        told = await release.execute(
            pod, *("python", "-m", "marksim", "journal", "info", "--json", f"/journal/aside/{run}/{shards[0]}")
        )
        found[run] = json.loads(told)["last_window"] + 1
    return found
