"""The client that waits: plain calls, and streams as plain iterators over threads that read ahead."""

import threading
from collections.abc import Iterator
from functools import partial
from types import TracebackType
from typing import Any, Final, Self, TypeVar, Unpack

import grpc

from marksim.client.control import Control
from marksim.client.cursors import Cursor, ExecutionCursor, ExecutionEvent, FeedCursor, FeedEvent, Place
from marksim.client.errors import MarketError, TimedOut, market_error
from marksim.client.newest import Newest
from marksim.client.pump import Pump, Stream
from marksim.client.session import MOST, Call, OrderName, Session, Terms
from marksim.client.units import Number
from marksim.client.values import Book, Fill, Instrument, Order, Position, Tick, Trade
from marksim.core.types import Side
from marksim.runtime.channel import CHANNEL_OPTIONS
from marksim.v1 import engine_pb2_grpc, orderbook_pb2_grpc
from marksim.v1 import orderbook_pb2 as pb

TIMEOUT_S: Final = 10.0
AWAY_S: Final = 60.0
AnswerT = TypeVar("AnswerT")
EventT = TypeVar("EventT")


class Client:
    """One account on a market, from any machine.

    with Client("localhost:50051", account="me") as market:
        order = market.buy("BTC/USD", "0.010", price="50000.00")

    `addresses` are all order books of the market: each call goes to the one that trades its symbol. With
    `cancel_on_disconnect` the account's open orders end with this client, however that ends: with its block, its process or
    its connection; `cancel_grace_s` later, unless it is back by then. `timeout` bounds each call, and `away_s` how long a
    stream tries to come back before it raises Unavailable. A client may be used by several threads.

    Calls raise MarketError. Those that changes nothing twice, orders too, are tried again for about a second where the
    market is unavailable; an order then has the same client order id, so that it is never doubled.
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
        self._channels: list[grpc.Channel] = []
        self._stubs: list[Any] = []
        self._pumps: list[Pump[Any]] = []
        self._begin: dict[int, Place] = {}
        self._lock = threading.Lock()
        self._lost: Exception | None = None
        self.control: Control
        """The market's clock, where its address was given."""

    def __enter__(self) -> Self:
        try:
            for place, address in enumerate(self._session.addresses):
                self._stubs.append(orderbook_pb2_grpc.OrderBookServiceStub(self._open(address)))
                try:
                    self._learn(place, wait=True)
                except TimedOut:
                    raise self._session.silent(place, self._timeout) from None
                run = self._answer(place, "GetRun", pb.GetRunRequest())
                self._begin[place] = Place(run.run, run.last_window if run.HasField("last_window") else -1)
            self._session.check_addresses()
            channel = self._open(self._control_address) if self._control_address else None
            self.control = Control(engine_pb2_grpc.EngineServiceStub(channel) if channel else None, self._timeout)
            if self._presence:
                self._stand()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End streams and connections; with cancel_on_disconnect the account's orders end, too."""
        for pump in self._pumps:
            pump.stop()
        for channel in self._channels:
            channel.close()
        self._pumps, self._channels, self._stubs = [], [], []

    def instruments(self) -> dict[str, Instrument]:
        """What can be traded, by symbol."""
        return dict(self._session.instruments)

    def book(self, symbol: str, depth: int = 10) -> Book:
        """The best levels of both sides."""
        return self._call(self._session.book(symbol, depth))

    def submit(
        self, side: Side, symbol: str, quantity: Number, price: Number | None = None, **terms: Unpack[Terms]
    ) -> Order:
        """Send an order, and wait for its window: the answer has its fills. Without a price it is a market order.

        An order that the book rejects is no error: its status and reason say so.
        """
        return self._order(self._session.submit(side, symbol, quantity, price, terms))

    def buy(self, symbol: str, quantity: Number, price: Number | None = None, **terms: Unpack[Terms]) -> Order:
        """As submit."""
        return self.submit(Side.BUY, symbol, quantity, price, **terms)

    def sell(self, symbol: str, quantity: Number, price: Number | None = None, **terms: Unpack[Terms]) -> Order:
        """As submit."""
        return self.submit(Side.SELL, symbol, quantity, price, **terms)

    def cancel(self, order: OrderName, queue_while_paused: bool = False) -> Order:
        """Cancel what is left of it; one that is closed already is returned as it is."""
        return self._order(self._session.cancel(order, queue_while_paused))

    def amend(
        self,
        order: OrderName,
        quantity: Number | None = None,
        price: Number | None = None,
        new_client_order_id: str = "",
        queue_while_paused: bool = False,
    ) -> Order:
        """Give it another total quantity or price. With a new name, sending it again has no second effect."""
        return self._order(self._session.amend(order, quantity, price, new_client_order_id, queue_while_paused))

    def cancel_all(
        self, symbol: str = "", side: Side = Side.UNSPECIFIED, queue_while_paused: bool = False
    ) -> tuple[Order, ...]:
        """Cancel all open orders, of one symbol or side if it is given; those that were cancelled, 1,000 a shard at most."""
        call = self._session.cancel_all(symbol, side, queue_while_paused)
        return tuple(order for place in self._places(symbol) for order in self._call(call, place))

    def order(self, order: OrderName) -> Order:
        """The order as it is now, by itself or by (symbol, client order id)."""
        return self._order(self._session.order(order))

    def orders(self, symbol: str = "", open_only: bool = True) -> tuple[Order, ...]:
        """The account's orders that the market remembers, newest first on each shard; without their fills."""
        found: list[Order] = []
        for place in self._places(symbol):
            token, more = "", True
            while more:
                page, token = self._call(self._session.orders(symbol, open_only, token), place)
                found, more = [*found, *page], bool(token)
        return tuple(found)

    def position(self, symbol: str) -> Position:
        """Sum of the account's fills in the symbol."""
        return self._call(self._session.positions(symbol)).get(symbol, Position(symbol))

    def positions(self) -> dict[str, Position]:
        """The same of all symbols in which it traded."""
        call = self._session.positions("")
        return {symbol: one for place in self._places("") for symbol, one in self._call(call, place).items()}

    def trades(self, symbol: str, limit: int = 100) -> tuple[Trade, ...]:
        """The market's latest trades, newest first."""
        return self._call(self._session.trades(symbol, limit))

    def fills(self, symbol: str, limit: int = 100) -> tuple[Fill, ...]:
        """The account's own latest trades, newest first."""
        return self._call(self._session.fills(symbol, limit))

    def ticks(self, *symbols: str) -> Iterator[Tick]:
        """The newest tick of each symbol as it comes; who is slow misses those in between. No symbol means all."""
        places = self._session.places_of(symbols).items()
        cursors = {place: FeedCursor(self._session, place, own, latest=True) for place, own in places}
        return (event for event in self._stream(cursors, Newest()) if isinstance(event, Tick))

    def feed(self, *symbols: str) -> Stream[FeedEvent]:
        """Every tick and trade from now on, also over a broken connection; what is lost is told as a Gap."""
        places = self._session.places_of(symbols).items()
        return self._stream({place: FeedCursor(self._session, place, own, latest=False) for place, own in places})

    def executions(self, *symbols: str, after: dict[int, Place] | None = None) -> Stream[ExecutionEvent]:
        """All that happens to the account's orders since this client was opened, or after the `position` of such a stream.

        Nothing is told twice, nor lost, also over a broken connection; what the market has forgotten is told as a Gap, and
        that it began anew as a NewRun.
        """
        cursors = {}
        for place, own in self._session.places_of(symbols).items():
            begin = self._begin[place] if after is None else after.get(self._session.shards[place], Place(""))
            cursors[place] = ExecutionCursor(self._session, place, own, begin)
        return self._stream(cursors)

    def _stream(self, cursors: dict[int, Any], ahead: Newest | None = None) -> Stream[Any]:
        stream: Stream[Any] = Stream(ahead)
        for place, cursor in cursors.items():
            pump = self._pump(place, cursor, self._away_s)
            stream.add(pump, self._session.shards[place], cursor.place)
        return stream

    def _pump(self, place: int, cursor: Cursor[EventT], away_s: float) -> Pump[EventT]:
        self._check_open()
        pump = Pump(self._stubs[place], cursor, lambda: self._learn(place), away_s)
        with self._lock:
            self._pumps = [*(one for one in self._pumps if one.is_alive()), pump]
        return pump

    def _stand(self) -> None:
        """A stream to each order book for which the account's orders live; wait until all of them say so."""
        for place in range(len(self._stubs)):
            standing = threading.Event()
            cursor = ExecutionCursor(self._session, place, (), self._begin[place], self._presence)
            pump = self._pump(place, cursor, float("inf"))
            pump.start(partial(_set, standing), partial(self._lose, standing=standing))
            if not standing.wait(self._timeout) or self._lost is not None:
                raise self._lost or self._session.silent(place, self._timeout)

    def _lose(self, error: Exception, standing: threading.Event) -> None:
        self._lost = error
        standing.set()

    def _order(self, call: Call[Order]) -> Order:
        order = self._call(call)
        return order if order.tells_all_fills else order.with_fills(self._call(self._session.fills(order.symbol, MOST)))

    def _places(self, symbol: str) -> tuple[int, ...]:
        return (self._session.place_of(symbol),) if symbol else tuple(range(len(self._session.addresses)))

    def _call(self, call: Call[AnswerT], place: int | None = None) -> AnswerT:
        if self._lost is not None:
            raise self._lost
        try:
            return self._try(call, place)
        except MarketError as error:
            if error.reason != "WRONG_SHARD":
                raise
        # The market was spread over its order books anew.
        for there in range(len(self._stubs)):
            self._learn(there)
        return self._try(call, place)

    def _try(self, call: Call[AnswerT], place: int | None) -> AnswerT:
        there = self._session.place_of(call.symbol) if place is None else place
        return call.read(self._answer(there, call.method, call.request, call.client_order_id))

    def _answer(self, place: int, method: str, request: Any, client_order_id: str = "", wait: bool = False) -> Any:
        self._check_open()
        try:
            return getattr(self._stubs[place], method)(request, timeout=self._timeout, wait_for_ready=wait)
        except grpc.RpcError as error:
            raise market_error(error, client_order_id) from None

    def _learn(self, place: int, wait: bool = False) -> None:
        self._session.learn(place, self._answer(place, "ListInstruments", pb.ListInstrumentsRequest(), wait=wait))

    def _check_open(self) -> None:
        if not self._stubs:
            raise RuntimeError("this client is closed: use it inside `with Client(...) as market:`")

    def _open(self, address: str) -> grpc.Channel:
        channel = grpc.insecure_channel(address, options=CHANNEL_OPTIONS)
        self._channels.append(channel)
        return channel


def _set(event: threading.Event, _item: object) -> None:
    event.set()


def presence(cancel_on_disconnect: bool, cancel_grace_s: float) -> dict[str, Any]:
    """How a stream asks for it; ValueError for a grace without it."""
    if cancel_grace_s and not cancel_on_disconnect:
        raise ValueError("cancel_grace_s is set without cancel_on_disconnect: set that, too, or leave it out")
    grace_ms = round(1_000 * cancel_grace_s)
    return {"cancel_on_disconnect": True, "cancel_grace_ms": grace_ms} if cancel_on_disconnect else {}
