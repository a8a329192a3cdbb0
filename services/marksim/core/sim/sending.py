"""What an agent sends: the commands of its market."""

import struct
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Final, Unpack

from marksim.core.agents.market import Number, Terms
from marksim.core.agents.views import Order
from marksim.core.sim.awaiting import Result
from marksim.core.sim.commands import not_whole, pack
from marksim.core.sim.orders import Acknowledged, Answered, OwnOrder
from marksim.core.types import CommandKind, OrderType, PostOnly, Reason, SelfTradePrevention, Side, TimeInForce

if TYPE_CHECKING:
    from marksim.core.sim.account import Holding
    from marksim.core.sim.agent import Agent

_NEW, _CANCEL, _AMEND = map(int, (CommandKind.NEW, CommandKind.CANCEL, CommandKind.AMEND))
_REJECT: Final = int(PostOnly.REJECT)
_LIMIT, _MARKET, _STOP, _STOP_LIMIT = map(int, (OrderType.LIMIT, OrderType.MARKET, OrderType.STOP, OrderType.STOP_LIMIT))
_GTC, _IOC, _GTD = map(int, (TimeInForce.GTC, TimeInForce.IOC, TimeInForce.GTD))
_SIDES: Final = tuple(map(int, Side))
_NO_PREVENTION: Final = SelfTradePrevention.UNSPECIFIED


class Sending:
    """The part of `core.agents.market.Market` that sends."""

    __slots__ = ("_agent", "_by_symbol", "_engine", "_first", "_scheduler")

    def __init__(self, agent: "Agent") -> None:
        self._agent = agent
        self._engine = agent.engine
        self._scheduler = agent.scheduler
        self._first = agent.holdings[0]
        self._by_symbol = {holding.symbol: holding for holding in agent.holdings}

    def limit(
        self,
        side: Side,
        price_ticks: int,
        quantity_lots: int,
        *,
        symbol: str | None = None,
        immediate: bool = False,
        post_only: bool = False,
        display_lots: int = 0,
        expire_ns: int = 0,
        self_trade_prevention: SelfTradePrevention = _NO_PREVENTION,
    ) -> OwnOrder:
        holding = self._first if symbol is None else self._holding(symbol)
        life = _IOC if immediate else _GTD if expire_ns else _GTC
        refused_if_taking = _REJECT if post_only else 0
        return self._new(
            holding, side, _LIMIT, life, price_ticks, quantity_lots,
            0, display_lots, expire_ns, refused_if_taking, self_trade_prevention,
        )  # fmt: skip

    def market(self, side: Side, quantity_lots: int, *, symbol: str | None = None) -> OwnOrder:
        holding = self._first if symbol is None else self._holding(symbol)
        return self._new(holding, side, _MARKET, _IOC, 0, quantity_lots)

    def stop(
        self, side: Side, stop_price_ticks: int, quantity_lots: int, *, limit_ticks: int = 0, symbol: str | None = None
    ) -> OwnOrder:
        kind = _STOP_LIMIT if limit_ticks else _STOP
        return self._new(self._holding(symbol), side, kind, _GTC, limit_ticks, quantity_lots, stop_price_ticks)

    def cancel(self, order: Order) -> Awaitable[OwnOrder]:
        own = self._own(order)
        if own.closed:
            return Result(own)
        self._ask(own, _CANCEL)
        return Answered(own)

    def cancel_all(self, symbol: str | None = None) -> None:
        for holding in self._agent.holdings if symbol is None else (self._holding(symbol),):
            if holding.orders:
                holding.cancel_all(self._agent.next_serial())

    def amend(
        self, order: Order, *, price_ticks: int | None = None, quantity_lots: int | None = None
    ) -> Awaitable[OwnOrder]:
        own = self._own(order)
        if (price_ticks is None or price_ticks > 0) and (quantity_lots is None or quantity_lots > 0):
            if own.closed:
                return Result(own)
            self._ask(own, _AMEND, price_ticks or 0, quantity_lots or 0)
            return Answered(own)
        raise ValueError(f"amend: price_ticks {price_ticks} and quantity_lots {quantity_lots} must be above 0 where given")

    def buy(self, quantity: Number, price: Number | None = None, **terms: Unpack[Terms]) -> Awaitable[OwnOrder]:
        return Acknowledged(self._trade(Side.BUY, quantity, price, **terms))

    def sell(self, quantity: Number, price: Number | None = None, **terms: Unpack[Terms]) -> Awaitable[OwnOrder]:
        return Acknowledged(self._trade(Side.SELL, quantity, price, **terms))

    def _holding(self, symbol: str | None) -> "Holding":
        if symbol is None:
            return self._first
        holding = self._by_symbol.get(symbol)
        if holding is None:
            raise ValueError(f"{symbol!r} is not a symbol of agent {self._agent.name}: it has {', '.join(self._by_symbol)}")
        return holding

    def _own(self, order: Order) -> OwnOrder:
        if isinstance(order, OwnOrder) and order.holding.agent is self._agent:
            return order
        raise ValueError(f"{order!r} is not an order of agent {self._agent.name}")

    def _trade(
        self,
        side: Side,
        quantity: Number,
        price: Number | None,
        *,
        symbol: str | None = None,
        immediate: bool = False,
        post_only: bool = False,
        display: Number | None = None,
        stop: Number | None = None,
        expire_ns: int = 0,
        self_trade_prevention: SelfTradePrevention = _NO_PREVENTION,
    ) -> OwnOrder:
        holding = self._first if symbol is None else self._holding(symbol)
        units = holding.units
        lots = units.quantity.steps(quantity)
        price_ticks = 0 if price is None else units.price.steps(price)
        stop_ticks = 0 if stop is None else units.price.steps(stop)
        if stop is not None:
            kind = _STOP if price is None else _STOP_LIMIT
        else:
            kind = _MARKET if price is None else _LIMIT
        life = _IOC if immediate or kind == _MARKET else _GTD if expire_ns else _GTC
        display_lots = 0 if display is None else units.quantity.steps(display)
        return self._new(
            holding, side, kind, life, price_ticks, lots,
            stop_ticks, display_lots, expire_ns, _REJECT if post_only else 0, self_trade_prevention,
        )  # fmt: skip

    def _new(
        self,
        holding: "Holding",
        side: Side,
        kind: int,
        life: int,
        price_ticks: int,
        quantity_lots: int,
        stop_ticks: int = 0,
        display_lots: int = 0,
        expire_ns: int = 0,
        post_only: int = 0,
        prevention: int = 0,
    ) -> OwnOrder:
        agent = self._agent
        if type(side) is not Side:
            side = _side(side)
        serial = agent.next_serial()
        order = OwnOrder(holding, serial, side, price_ticks, quantity_lots)
        holding.orders[serial] = order
        if holding.withdrawn_until_ns > self._scheduler.now_ns:
            holding.refuse(order, Reason.OWNER_GONE)
            return order
        arrival_ns, account = holding.arrival(serial), agent.spec.account
        try:
            row = pack(
                arrival_ns, account, serial, price_ticks, stop_ticks, quantity_lots, display_lots, 0, expire_ns, 0, 0,
                _NEW, side, kind, life, post_only, prevention, 0,
            )  # fmt: skip
        except struct.error as error:
            del holding.orders[serial]
            raise not_whole(
                error, price_ticks=price_ticks, quantity_lots=quantity_lots, stop_price_ticks=stop_ticks,
                display_lots=display_lots, expire_ns=expire_ns,
            ) from None  # fmt: skip
        self._engine.agents_orders += 1
        holding.send(row)
        return order

    def _ask(self, order: OwnOrder, kind: int, price_ticks: int = 0, quantity_lots: int = 0) -> None:
        """A cancel or an amendment. An amended order keeps its name, so the row has that for a serial, and its place in the
        order of commands comes from a serial of its own.
        """
        holding, account, serial = order.holding, self._agent.spec.account, self._agent.next_serial()
        arrival_ns = holding.arrival(serial)
        try:
            row = pack(
                arrival_ns, account, order.serial if kind == _AMEND else serial, price_ticks, 0, quantity_lots, 0, 0, 0,
                order.serial, 0, kind, 0, 0, 0, 0, 0, 0,
            )  # fmt: skip
        except struct.error as error:
            raise not_whole(error, price_ticks=price_ticks, quantity_lots=quantity_lots) from None
        order.asked += 1
        holding.send(row)


def _side(side: object) -> Side:
    """Of a plain number that is one: what an order does to the position is told by the member itself."""
    if isinstance(side, int) and side in _SIDES:
        return Side(side)
    raise ValueError(f"side is {side!r}: give Side.BUY or Side.SELL")
