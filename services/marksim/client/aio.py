"""The client for asyncio: the names of the one that waits, awaited; streams are async iterators."""

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import grpc
import grpc.aio

from marksim.client.apump import AsyncStream, pump
from marksim.client.blocking import AWAY_S, TIMEOUT_S, presence
from marksim.client.control import AsyncControl
from marksim.client.cursors import ExecutionCursor, ExecutionEvent, FeedCursor, FeedEvent, Place
from marksim.client.errors import MarketError, TimedOut, market_error
from marksim.client.newest import AsyncNewest
from marksim.client.session import MOST, Call, OrderName, Session, Terms
from marksim.client.units import Number
from marksim.client.values import Book, Fill, Instrument, Order, Position, Tick, Trade
from marksim.core.types import Side
from marksim.runtime.channel import open_channel
from marksim.v1 import engine_pb2_grpc, orderbook_pb2_grpc
from marksim.v1 import orderbook_pb2 as pb

AnswerT = TypeVar("AnswerT")


class AsyncClient:
    """One account on a market, from any machine; `Client` says what the arguments mean and what each call does.

    async with AsyncClient("localhost:50051", account="me") as market:
        order = await market.buy("BTC/USD", "0.010", price="50000.00")
    """

    def __init__(
        self,
        *addresses: str,
        account: str,
        control: str = "",
        cancel_on_disconnect: bool = False,
        cancel_grace_s: float = 0.0,
        timeout: float = TIMEOUT_S,
        away_s: float = AWAY_S,
    ) -> None:
        self._session = Session(addresses, account)
        self._control_address = control
        self._presence = presence(cancel_on_disconnect, cancel_grace_s)
        self._timeout = timeout
        self._away_s = away_s
        self._channels: list[grpc.aio.Channel] = []
        self._stubs: list[Any] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._begin: dict[int, Place] = {}
        self._lost: Exception | None = None
        self.control: AsyncControl
        """The market's clock, where its address was given."""

    async def __aenter__(self) -> Self:
        try:
            for place, address in enumerate(self._session.addresses):
                self._stubs.append(orderbook_pb2_grpc.OrderBookServiceStub(self._open(address)))
                try:
                    await self._learn(place, wait=True)
                except TimedOut:
                    raise self._session.silent(place, self._timeout) from None
                run = await self._answer(place, "GetRun", pb.GetRunRequest())
                self._begin[place] = Place(run.run, run.last_window if run.HasField("last_window") else -1)
            self._session.check_addresses()
            channel = self._open(self._control_address) if self._control_address else None
            self.control = AsyncControl(engine_pb2_grpc.EngineServiceStub(channel) if channel else None, self._timeout)
            if self._presence:
                await asyncio.gather(*(self._stand(place) for place in range(len(self._stubs))))
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """As of Client."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for channel in self._channels:
            await channel.close()
        self._channels, self._stubs = [], []

    def instruments(self) -> dict[str, Instrument]:
        """As of Client."""
        return dict(self._session.instruments)

    async def book(self, symbol: str, depth: int = 10) -> Book:
        """As of Client."""
        return await self._call(self._session.book(symbol, depth))

    async def submit(
        self, side: Side, symbol: str, quantity: Number, price: Number | None = None, **terms: Unpack[Terms]
    ) -> Order:
        """As of Client."""
        return await self._order(self._session.submit(side, symbol, quantity, price, terms))

    async def buy(self, symbol: str, quantity: Number, price: Number | None = None, **terms: Unpack[Terms]) -> Order:
        """As submit."""
        return await self.submit(Side.BUY, symbol, quantity, price, **terms)

    async def sell(self, symbol: str, quantity: Number, price: Number | None = None, **terms: Unpack[Terms]) -> Order:
        """As submit."""
        return await self.submit(Side.SELL, symbol, quantity, price, **terms)

    async def cancel(self, order: OrderName, queue_while_paused: bool = False) -> Order:
        """As of Client."""
        return await self._order(self._session.cancel(order, queue_while_paused))

    async def amend(
        self,
        order: OrderName,
        quantity: Number | None = None,
        price: Number | None = None,
        new_client_order_id: str = "",
        queue_while_paused: bool = False,
    ) -> Order:
        """As of Client."""
        call = self._session.amend(order, quantity, price, new_client_order_id, queue_while_paused)
        return await self._order(call)

    async def cancel_all(
        self, symbol: str = "", side: Side = Side.UNSPECIFIED, queue_while_paused: bool = False
    ) -> tuple[Order, ...]:
        """As of Client."""
        call = self._session.cancel_all(symbol, side, queue_while_paused)
        answers = [await self._call(call, place) for place in self._places(symbol)]
        return tuple(order for answer in answers for order in answer)

    async def order(self, order: OrderName) -> Order:
        """As of Client."""
        return await self._order(self._session.order(order))

    async def orders(self, symbol: str = "", open_only: bool = True) -> tuple[Order, ...]:
        """As of Client."""
        found: list[Order] = []
        for place in self._places(symbol):
            token, more = "", True
            while more:
                page, token = await self._call(self._session.orders(symbol, open_only, token), place)
                found, more = [*found, *page], bool(token)
        return tuple(found)

    async def position(self, symbol: str) -> Position:
        """As of Client."""
        return (await self._call(self._session.positions(symbol))).get(symbol, Position(symbol))

    async def positions(self) -> dict[str, Position]:
        """As of Client."""
        call = self._session.positions("")
        return {symbol: one for place in self._places("") for symbol, one in (await self._call(call, place)).items()}

    async def trades(self, symbol: str, limit: int = 100) -> tuple[Trade, ...]:
        """As of Client."""
        return await self._call(self._session.trades(symbol, limit))

    async def fills(self, symbol: str, limit: int = 100) -> tuple[Fill, ...]:
        """As of Client."""
        return await self._call(self._session.fills(symbol, limit))

    async def ticks(self, *symbols: str) -> AsyncIterator[Tick]:
        """As of Client."""
        stream: AsyncStream[FeedEvent] = AsyncStream(AsyncNewest())
        for place, own in self._session.places_of(symbols).items():
            self._add(stream, place, FeedCursor(self._session, place, own, latest=True))
        async with stream:
            async for event in stream:
                if isinstance(event, Tick):
                    yield event

    def feed(self, *symbols: str) -> AsyncStream[FeedEvent]:
        """As of Client."""
        stream: AsyncStream[FeedEvent] = AsyncStream()
        for place, own in self._session.places_of(symbols).items():
            self._add(stream, place, FeedCursor(self._session, place, own, latest=False))
        return stream

    def executions(self, *symbols: str, after: dict[int, Place] | None = None) -> AsyncStream[ExecutionEvent]:
        """As of Client."""
        stream: AsyncStream[ExecutionEvent] = AsyncStream()
        for place, own in self._session.places_of(symbols).items():
            begin = self._begin[place] if after is None else after.get(self._session.shards[place], Place(""))
            self._add(stream, place, ExecutionCursor(self._session, place, own, begin))
        return stream

    def _add(self, stream: AsyncStream[Any], place: int, cursor: ExecutionCursor | FeedCursor) -> None:
        self._check_open()
        shard = self._session.shards[place]
        task = stream.add(self._stubs[place], cursor, lambda: self._learn(place), self._away_s, shard, cursor.place)
        self._keep(task)

    def _keep(self, task: "asyncio.Task[None]") -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _stand(self, place: int) -> None:
        """A stream for which the account's orders live; wait until the order book says so."""
        standing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        cursor = ExecutionCursor(self._session, place, (), self._begin[place], self._presence)

        async def put(_item: object) -> None:
            if not standing.done():
                standing.set_result(None)

        async def stand() -> None:
            try:
                await pump(self._stubs[place], cursor, lambda: self._learn(place), float("inf"), put)
            except Exception as error:  # noqa: BLE001  # the next call raises it
                self._lost = error
                await put(None)

        self._keep(asyncio.get_running_loop().create_task(stand(), name="marksim-presence"))
        try:
            async with asyncio.timeout(self._timeout):
                await standing
        except TimeoutError:
            raise self._session.silent(place, self._timeout) from None
        if self._lost is not None:
            raise self._lost

    async def _order(self, call: Call[Order]) -> Order:
        order = await self._call(call)
        if order.tells_all_fills:
            return order
        return order.with_fills(await self._call(self._session.fills(order.symbol, MOST)))

    def _places(self, symbol: str) -> tuple[int, ...]:
        return (self._session.place_of(symbol),) if symbol else tuple(range(len(self._session.addresses)))

    async def _call(self, call: Call[AnswerT], place: int | None = None) -> AnswerT:
        if self._lost is not None:
            raise self._lost
        try:
            return await self._try(call, place)
        except MarketError as error:
            if error.reason != "WRONG_SHARD":
                raise
        # The market was spread over its order books anew.
        for there in range(len(self._stubs)):
            await self._learn(there)
        return await self._try(call, place)

    async def _try(self, call: Call[AnswerT], place: int | None) -> AnswerT:
        there = self._session.place_of(call.symbol) if place is None else place
        return call.read(await self._answer(there, call.method, call.request, call.client_order_id))

    async def _answer(self, place: int, method: str, request: Any, client_order_id: str = "", wait: bool = False) -> Any:
        self._check_open()
        try:
            return await getattr(self._stubs[place], method)(request, timeout=self._timeout, wait_for_ready=wait)
        except grpc.RpcError as error:
            raise market_error(error, client_order_id) from None

    async def _learn(self, place: int, wait: bool = False) -> None:
        answer = await self._answer(place, "ListInstruments", pb.ListInstrumentsRequest(), wait=wait)
        self._session.learn(place, answer)

    def _check_open(self) -> None:
        if not self._stubs:
            raise RuntimeError("this client is closed: use it inside `async with AsyncClient(...) as market:`")

    def _open(self, address: str) -> grpc.aio.Channel:
        channel = open_channel(address)
        self._channels.append(channel)
        return channel
