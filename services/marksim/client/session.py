"""What a client asks and how it reads the answers: no socket, so that the two clients are both thin over this."""

import itertools
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final, Generic, TypedDict, TypeVar

import grpc

from marksim.client.errors import Unavailable
from marksim.client.units import Number, on_grid
from marksim.client.values import Book, Fill, Instrument, Order, Position, Trade
from marksim.codec import enum_value
from marksim.core.types import OrderType, PostOnly, SelfTradePrevention, Side, TimeInForce
from marksim.v1 import orderbook_pb2 as pb

MOST: Final = 1_000
"""Rows that one answer may have."""

AnswerT = TypeVar("AnswerT")

OrderName = Order | tuple[str, str]
"""An order, or its (symbol, client order id)."""


class Terms(TypedDict, total=False):
    """What else an order may say; docs/orders.md has what each does."""

    client_order_id: str
    """Unique by itself where it is left out: a prefix of this client and a count."""
    time_in_force: TimeInForce
    stop_price: Number
    """Makes it a stop order or, with a price, a stop-limit order."""
    display_quantity: Number
    min_quantity: Number
    post_only: PostOnly
    self_trade_prevention: SelfTradePrevention
    self_trade_group: str
    expire_time_ns: int
    queue_while_paused: bool


@dataclass(frozen=True, slots=True)
class Call(Generic[AnswerT]):
    """One unary call of OrderBookService: to whom it goes is the symbol's business, or that of who makes it for all."""

    method: str
    request: Any
    read: Callable[[Any], AnswerT]
    symbol: str = ""
    client_order_id: str = ""


class Session:
    """Account, instruments and where they trade, and names for orders.

    `addresses` are the order books of one market; each is asked which shard it is (`learn`).
    """

    def __init__(self, addresses: tuple[str, ...], account: str) -> None:
        if not addresses:
            raise ValueError("give the address of an order book, such as localhost:50051")
        self.addresses = addresses
        self.account = account
        self.instruments: dict[str, Instrument] = {}
        self.shards: dict[int, int] = {}
        """Which shard each address is, by its place."""
        self._prefix = secrets.token_hex(4)
        self._count = itertools.count(1)

    def learn(self, place: int, listed: pb.ListInstrumentsResponse) -> None:
        """Take in what the order book there says of the market and of itself."""
        self.shards[place] = listed.shard
        self.instruments = {one.symbol: Instrument.of(one) for one in listed.instruments}

    def silent(self, place: int, timeout: float) -> Unavailable:
        """Nobody answers at that address."""
        message = f"the order book at {self.addresses[place]} does not answer within {timeout} s"
        return Unavailable(message, grpc.StatusCode.UNAVAILABLE)

    def check_addresses(self) -> None:
        """Raise ValueError where two addresses lead to one shard: its streams would be told twice."""
        known: dict[int, str] = {}
        for place, shard in self.shards.items():
            address = self.addresses[place]
            if shard in known:
                raise ValueError(f"{known[shard]} and {address} are both shard {shard}: give each order book once")
            known[shard] = address

    def instrument(self, symbol: str) -> Instrument:
        """The instrument; ValueError names those that there are."""
        if symbol not in self.instruments:
            known = ", ".join(self.instruments)
            raise ValueError(f"symbol {symbol!r} is not traded here: give one of {known}")
        return self.instruments[symbol]

    def place_of(self, symbol: str) -> int:
        """Which address trades the symbol; ValueError where none of those given does."""
        shard = self.instrument(symbol).shard
        for place, there in self.shards.items():
            if there == shard:
                return place
        raise ValueError(f"{symbol} trades on shard {shard}: give the address of that order book, too")

    def places_of(self, symbols: tuple[str, ...]) -> dict[int, tuple[str, ...]]:
        """Which addresses trade these symbols; all of them, with no symbols, where none is named."""
        if not symbols:
            return dict.fromkeys(range(len(self.addresses)), ())
        places: dict[int, tuple[str, ...]] = {}
        for symbol in symbols:
            place = self.place_of(symbol)
            places[place] = (*places.get(place, ()), symbol)
        return places

    def book(self, symbol: str, depth: int) -> Call[Book]:
        return Call("GetBook", pb.GetBookRequest(symbol=symbol, depth=depth), Book.of, symbol)

    def submit(
        self, side: Side, symbol: str, quantity: Number, price: Number | None, terms: Mapping[str, Any]
    ) -> Call[Order]:
        """A new order: a market order where it has no price. ValueError for a number that is off the grid."""
        instrument, given = self.instrument(symbol), dict(terms)
        unknown = given.keys() - Terms.__annotations__.keys()
        if unknown:
            raise TypeError(f"{sorted(unknown)} are no terms of an order: there are {', '.join(Terms.__annotations__)}")
        name = given.pop("client_order_id", "") or self._next_name()
        has_price, has_stop = price is not None, given.get("stop_price") is not None
        if has_stop:
            order_type = OrderType.STOP_LIMIT if has_price else OrderType.STOP
        else:
            order_type = OrderType.LIMIT if has_price else OrderType.MARKET
        steps = {
            "price": instrument.tick_size,
            "stop_price": instrument.tick_size,
            "quantity": instrument.lot_size,
            "display_quantity": instrument.lot_size,
            "min_quantity": instrument.lot_size,
        }
        for field, value in {"price": price, "quantity": quantity, **given}.items():
            if field in steps and value is not None:
                given[field] = on_grid(value, steps[field], field)
        request = pb.SubmitOrderRequest(
            account=self.account,
            symbol=symbol,
            client_order_id=name,
            side=enum_value(side),
            order_type=enum_value(order_type),
            **given,
        )
        return Call("SubmitOrder", request, _submitted, symbol, name)

    def cancel(self, order: OrderName, queue_while_paused: bool) -> Call[Order]:
        symbol, name = _name(order)
        request = pb.CancelOrderRequest(
            account=self.account, symbol=symbol, client_order_id=name, queue_while_paused=queue_while_paused
        )
        return Call("CancelOrder", request, _order, symbol, name)

    def amend(
        self,
        order: OrderName,
        quantity: Number | None,
        price: Number | None,
        new_client_order_id: str,
        queue_while_paused: bool,
    ) -> Call[Order]:
        symbol, name = _name(order)
        instrument = self.instrument(symbol)
        request = pb.AmendOrderRequest(
            account=self.account,
            symbol=symbol,
            client_order_id=name,
            new_client_order_id=new_client_order_id,
            price="" if price is None else on_grid(price, instrument.tick_size, "price"),
            quantity="" if quantity is None else on_grid(quantity, instrument.lot_size, "quantity"),
            queue_while_paused=queue_while_paused,
        )
        return Call("AmendOrder", request, _order, symbol, name)

    def cancel_all(self, symbol: str, side: Side, queue_while_paused: bool) -> Call[tuple[Order, ...]]:
        request = pb.MassCancelRequest(
            account=self.account, symbol=symbol, side=enum_value(side), queue_while_paused=queue_while_paused
        )
        return Call("MassCancel", request, _orders, symbol)

    def order(self, order: OrderName) -> Call[Order]:
        symbol, name = _name(order)
        request = pb.GetOrderRequest(account=self.account, symbol=symbol, client_order_id=name)
        return Call("GetOrder", request, _order, symbol, name)

    def orders(self, symbol: str, open_only: bool, page_token: str) -> Call[tuple[tuple[Order, ...], str]]:
        """A page of orders, and the token of the next one, empty at the end."""
        request = pb.ListOrdersRequest(
            account=self.account, symbol=symbol, open_only=open_only, limit=MOST, page_token=page_token
        )
        return Call("ListOrders", request, lambda answer: (_orders(answer), answer.next_page_token), symbol)

    def positions(self, symbol: str) -> Call[dict[str, Position]]:
        request = pb.GetPositionRequest(account=self.account, symbol=symbol)
        return Call("GetPosition", request, _positions, symbol)

    def trades(self, symbol: str, limit: int) -> Call[tuple[Trade, ...]]:
        def read(answer: pb.ListTradesResponse) -> tuple[Trade, ...]:
            return tuple(
                Trade(symbol, one.sequence, one.time_ns, Side(one.taker_side), Decimal(one.price), Decimal(one.quantity))
                for one in answer.trades
            )

        return Call("ListTrades", pb.ListTradesRequest(symbol=symbol, limit=limit), read, symbol)

    def fills(self, symbol: str, limit: int) -> Call[tuple[Fill, ...]]:
        request = pb.ListTradesRequest(account=self.account, symbol=symbol, limit=limit)
        return Call("ListTrades", request, lambda answer: tuple(Fill.of(one.fill) for one in answer.trades), symbol)

    def _next_name(self) -> str:
        return f"{self._prefix}-{next(self._count)}"


def _name(order: OrderName) -> tuple[str, str]:
    return (order.symbol, order.client_order_id) if isinstance(order, Order) else order


def _order(answer: Any) -> Order:
    return Order.of(answer.order)


def _orders(answer: Any) -> tuple[Order, ...]:
    return tuple(map(Order.of, answer.orders))


def _submitted(answer: pb.SubmitOrderResponse) -> Order:
    return replace(Order.of(answer.order), fills=tuple(map(Fill.of, answer.fills)))


def _positions(answer: pb.GetPositionResponse) -> dict[str, Position]:
    return {
        one.symbol: Position(one.symbol, Decimal(one.quantity), Decimal(one.cash), one.trades) for one in answer.positions
    }
