"""What outside clients ask: check, queue for the next window, and say what became of it."""

import re
from dataclasses import dataclass
from typing import Final, Protocol

from marksim.codec import (
    average_price_text,
    enum_number,
    enum_value,
    notional_text,
    parse_lots,
    parse_price,
    parse_quantity,
    price_text,
    quantity_text,
)
from marksim.core.book.rules import MAX_ICEBERG_PARTS
from marksim.core.errors import InvalidInput, NotFound, NotNow
from marksim.core.types import Instrument, OrderType, PostOnly, Reason, SelfTradePrevention, SessionState, Side, TimeInForce
from marksim.orderbook.accounts import Account, OutsideOrder, OwnFill
from marksim.orderbook.sequencing import Sequencer
from marksim.orderbook.waiting import Waiting
from marksim.v1 import orderbook_pb2 as pb
from marksim.v1 import types_pb2

WITH_END: Final = (SessionState.HALTED, SessionState.OPENING_AUCTION, SessionState.CLOSING_AUCTION)
"""What ends at a time that is given."""
STOPS: Final = (OrderType.STOP, OrderType.STOP_LIMIT)
NAME: Final = re.compile(r"[A-Za-z0-9._:/-]{1,36}", re.ASCII)


class NamesAnOrder(Protocol):
    """A request with the three words that name an order."""

    @property
    def account(self) -> str: ...
    @property
    def symbol(self) -> str: ...
    @property
    def client_order_id(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """An order after its command's window."""

    order: OutsideOrder
    run: str
    window: int


class OrderEntry:
    """Outside commands on the sequencer's books."""

    def __init__(self, sequencer: Sequencer) -> None:
        self._sequencer = sequencer

    async def submit(self, request: pb.SubmitOrderRequest) -> Outcome:
        """Send a new order and wait for its window; a known client order id returns that order with no second effect."""
        check_name(request.account, "account")
        check_name(request.client_order_id, "client_order_id")
        instrument = self._sequencer.instrument(request.symbol)
        known = self._sequencer.outside.find(request.account, request.symbol, request.client_order_id)
        if known is not None:
            await self.told()
            return await self._as_it_is(known)
        _check_terms(request)
        side = Side(enum_number(request.side, dict(types_pb2.Side.items()), "side"))
        if side == Side.UNSPECIFIED:
            raise _invalid("side", "is missing: give SIDE_BUY or SIDE_SELL")
        order_type = OrderType(request.order_type)
        lots = parse_quantity(request.quantity, instrument)
        if order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT):
            ticks = parse_price(request.price, instrument)
        else:
            ticks = _no_price(request)
        stop_ticks = parse_price(request.stop_price, instrument, "stop_price") if order_type in STOPS else 0
        smallest = _part(request, "min_quantity", lots, instrument)
        shown = _part(request, "display_quantity", lots, instrument)
        if shown and lots > MAX_ICEBERG_PARTS * shown:
            least = quantity_text(-(-lots // MAX_ICEBERG_PARTS), instrument)
            raise _invalid(
                "display_quantity", f"is {request.display_quantity}: give at least a hundredth of the quantity, {least}"
            )
        self._sequencer.check_open_for_outside(request.queue_while_paused)
        outside = self._sequencer.outside
        outside.check_room()
        order = OutsideOrder(
            account=outside.claim_account(request.account),
            instrument=instrument,
            names=[request.client_order_id],
            side=side,
            order_type=order_type,
            time_in_force=TimeInForce(request.time_in_force),
            price_ticks=ticks,
            quantity_lots=lots,
            leaves_lots=lots,
            display_lots=shown,
            min_quantity_lots=smallest,
            expire_time_ns=request.expire_time_ns,
            stop_price_ticks=stop_ticks,
            post_only=PostOnly(request.post_only),
            self_trade_prevention=SelfTradePrevention(request.self_trade_prevention),
            self_trade_group=request.self_trade_group,
        )
        outside.enqueue(order, request.queue_while_paused)
        return await self._as_it_is(order)

    async def cancel(self, request: pb.CancelOrderRequest) -> Outcome:
        """Cancel what is left of an order; one that is closed already is returned as it is."""
        await self.told()
        order = self.find(request)
        if not order.is_open:
            return await self._as_it_is(order)
        self._sequencer.check_open_for_outside(request.queue_while_paused)
        run = self._run()
        # A caller that hangs up does not take its command back: nothing is half done.
        waiting = self._sequencer.outside.enqueue_cancel(order, request.queue_while_paused)
        return Outcome(order, run, await waiting.told())

    async def amend(self, request: pb.AmendOrderRequest) -> tuple[Outcome, list[OwnFill]]:
        """Change an open order and wait for the window; the outcome, and what the change traded in that window.

        Raises NotNow where the order has closed (ORDER_CLOSED) or the book refuses the change (AMEND_REJECTED).
        """
        await self.told()
        order, name = self.find(request), request.new_client_order_id
        price = parse_price(request.price, order.instrument) if request.price else 0
        quantity = parse_quantity(request.quantity, order.instrument) if request.quantity else 0
        if name:
            check_name(name, "new_client_order_id")
        if not (price or quantity or name):
            raise _invalid("price", "is empty, like quantity and new_client_order_id: give at least one of them")
        before = order.amendments.get(name)
        if before is not None and (before.price_ticks, before.quantity_lots) == (price, quantity):
            # Sent again: it has no second effect.
            return await self._amended(order, before)
        if name and self._sequencer.outside.find(request.account, request.symbol, name) is not None:
            raise _invalid("new_client_order_id", f"is {name!r}: the account has used it before, give another")
        if not order.is_open:
            raise _closed(order)
        self._sequencer.check_open_for_outside(request.queue_while_paused)
        waiting = self._sequencer.outside.enqueue_amend(order, price, quantity, name, request.queue_while_paused)
        return await self._amended(order, waiting)

    async def _amended(self, order: OutsideOrder, waiting: Waiting) -> tuple[Outcome, list[OwnFill]]:
        run, fills = self._run(), waiting.fills
        window = await waiting.told()
        if waiting.refused == Reason.UNKNOWN_ORDER:
            raise _closed(order)
        if waiting.refused:
            problem = f"the order book refuses the change: {waiting.refused.name}; the order stays as it was"
            raise NotNow(problem, reason="AMEND_REJECTED", metadata={"reason": waiting.refused.name})
        return Outcome(order, run, window), fills

    async def mass_cancel(self, request: pb.MassCancelRequest) -> tuple[list[OutsideOrder], str, int]:
        """Cancel an account's open orders; those that were cancelled, run and window (-1 where nothing was open)."""
        await self.told()
        side = Side(enum_number(request.side, dict(types_pb2.Side.items()), "side"))
        account = self.account(request.account, request.symbol)
        symbols = (request.symbol,) if request.symbol else tuple(self._sequencer.instruments)
        run = self._run()
        opened = {order.instrument.symbol for order in account.orders.values() if order.is_open} if account else set()
        symbols = tuple(symbol for symbol in symbols if symbol in opened)
        if account is None or not symbols:
            return [], run, -1
        self._sequencer.check_open_for_outside(request.queue_while_paused)
        outside = self._sequencer.outside
        waiting = outside.enqueue_mass_cancel(account, symbols, side, request.queue_while_paused)
        window = await waiting.told()
        return waiting.cancelled, run, window

    async def set_session(self, request: pb.SetSessionRequest) -> tuple[SessionState, str, int]:
        """Change a symbol's session and wait for the window; the state after it, run and window."""
        self._sequencer.instrument(request.symbol)
        names = {name: number for name, number in types_pb2.SessionState.items() if number}
        state, until_ns = SessionState(enum_number(request.state, names, "state")), request.until_time_ns
        if until_ns < 0:
            raise _invalid("until_time_ns", f"is {until_ns}: give nanoseconds since 1970 of simulated time, or 0")
        if until_ns and state not in WITH_END:
            raise _invalid("until_time_ns", f"is set: {state.name} has no end of its own, leave it out")
        self._sequencer.check_open_for_outside(request.queue_while_paused)
        run = self._sequencer.run
        assert run is not None, "an engine brings a run"
        waiting = self._sequencer.outside.enqueue_session(request.symbol, state, until_ns, request.queue_while_paused)
        window = await waiting.told()
        if waiting.refused == Reason.EXPIRED:
            begun_ns = run.end_ns(window) - run.started.lookahead_ns
            raise _invalid("until_time_ns", f"is {until_ns}: give a time after {begun_ns}, when the change came, or 0")
        if waiting.refused:
            problem = f"the order book refuses the change: {waiting.refused.name}; the session stays as it was"
            raise NotNow(problem, reason="SESSION_REJECTED", metadata={"reason": waiting.refused.name})
        return waiting.session_state, run.run, window

    async def told(self) -> None:
        """Wait until what orders tell is kept, for until then it may yet be undone; raises Exhausted while it cannot be."""
        self._sequencer.check_not_held()
        await self._sequencer.outside.told.wait()

    def find(self, request: NamesAnOrder) -> OutsideOrder:
        """The order that a request names; raises NotFound."""
        check_name(request.account, "account")
        check_name(request.client_order_id, "client_order_id")
        self._sequencer.instrument(request.symbol)
        order = self._sequencer.outside.find(request.account, request.symbol, request.client_order_id)
        if order is None:
            name = f"{request.client_order_id!r} of account {request.account!r} in {request.symbol}"
            raise NotFound(f"there is no order {name} in this run, or it closed too long ago", reason="UNKNOWN_ORDER")
        return order

    def account(self, name: str, symbol: str) -> Account | None:
        """The account, or None if it has done nothing yet; an empty symbol means all."""
        check_name(name, "account")
        if symbol:
            self._sequencer.instrument(symbol)
        return self._sequencer.outside.account(name)

    async def _as_it_is(self, order: OutsideOrder) -> Outcome:
        run = self._run()
        if order.waiting is not None:
            await order.waiting.told()
        return Outcome(order, run, order.window)

    def _run(self) -> str:
        return self._sequencer.run.run if self._sequencer.run else ""


def check_name(name: str, field: str) -> None:
    """Raise InvalidInput unless `name` is 1 to 36 of the allowed characters."""
    if not NAME.fullmatch(name):
        raise _invalid(field, f"is {name[:40]!r}: give 1 to 36 characters of A-Za-z0-9._:/-")


def order_to_proto(order: OutsideOrder) -> types_pb2.Order:
    """The order as its owner sees it now."""
    instrument = order.instrument
    return types_pb2.Order(
        account=order.account.name,
        symbol=instrument.symbol,
        client_order_id=order.client_order_id,
        order_id=order.order_id,
        side=enum_value(order.side),
        order_type=enum_value(order.order_type),
        time_in_force=enum_value(order.time_in_force),
        status=enum_value(order.status),
        price=price_text(order.price_ticks, instrument) if order.price_ticks else "",
        quantity=quantity_text(order.quantity_lots, instrument),
        leaves_quantity=quantity_text(order.leaves_lots, instrument),
        filled_quantity=quantity_text(order.filled_lots, instrument),
        average_price=average_price_text(order.notional, order.filled_lots, instrument),
        reason=enum_value(order.reason),
        accepted_time_ns=order.accepted_ns,
        updated_time_ns=order.updated_ns,
        stop_price=price_text(order.stop_price_ticks, instrument) if order.stop_price_ticks else "",
        display_quantity=quantity_text(order.display_lots, instrument) if order.display_lots else "",
        min_quantity=quantity_text(order.min_quantity_lots, instrument) if order.min_quantity_lots else "",
        post_only=enum_value(order.post_only),
        self_trade_prevention=enum_value(order.self_trade_prevention),
        self_trade_group=order.self_trade_group,
        expire_time_ns=order.expire_time_ns,
    )


def fill_to_proto(fill: OwnFill) -> types_pb2.Fill:
    """The fill as its owner sees it."""
    order = fill.order
    return types_pb2.Fill(
        symbol=order.instrument.symbol,
        sequence=fill.sequence,
        time_ns=fill.time_ns,
        client_order_id=order.client_order_id,
        order_id=order.order_id,
        side=enum_value(order.side),
        price=price_text(fill.price_ticks, order.instrument),
        quantity=quantity_text(fill.quantity_lots, order.instrument),
        liquidity=enum_value(fill.liquidity),
    )


def positions_to_proto(account: Account, symbol: str, sequencer: Sequencer) -> list[pb.Position]:
    """Sums of the account's own fills; an empty symbol means all."""
    return [
        pb.Position(
            symbol=traded,
            quantity=quantity_text(position.lots, sequencer.instruments[traded]),
            cash=notional_text(position.notional, sequencer.instruments[traded]),
            trades=position.trades,
        )
        for traded, position in account.positions.items()
        if symbol in ("", traded)
    ]


def _check_terms(request: pb.SubmitOrderRequest) -> None:
    """Raise InvalidInput for terms that nobody knows or that exclude each other."""
    order_type = enum_number(request.order_type, dict(types_pb2.OrderType.items()), "order_type")
    force = enum_number(request.time_in_force, dict(types_pb2.TimeInForce.items()), "time_in_force")
    post_only = enum_number(request.post_only, dict(types_pb2.PostOnly.items()), "post_only")
    prevention = enum_number(
        request.self_trade_prevention, dict(types_pb2.SelfTradePrevention.items()), "self_trade_prevention"
    )
    if order_type == OrderType.UNSPECIFIED:
        raise _invalid("order_type", "is missing: give ORDER_TYPE_LIMIT, MARKET, STOP or STOP_LIMIT")
    if request.self_trade_group:
        check_name(request.self_trade_group, "self_trade_group")
        if not prevention:
            raise _invalid("self_trade_group", "is set without self_trade_prevention: say what is to happen in a self-trade")
    _check_time_in_force(request, OrderType(order_type), TimeInForce(force))
    if request.stop_price and order_type not in STOPS:
        raise _invalid("stop_price", "is set: only a STOP or STOP_LIMIT order waits for a price, leave it out")
    if request.min_quantity and order_type in STOPS:
        raise _invalid("min_quantity", "is set: a stop trades nothing when it comes, leave it out")
    immediate = force in (TimeInForce.IOC, TimeInForce.FOK)
    if request.display_quantity and (order_type != OrderType.LIMIT or immediate):
        raise _invalid("display_quantity", "is set: only a limit order that rests shows a part, leave it out")
    if post_only and order_type != OrderType.LIMIT:
        raise _invalid("post_only", f"is set: a {OrderType(order_type).name} order takes, leave it out")
    if post_only and immediate:
        raise _invalid("post_only", "is set: an IOC or FOK order only takes, leave it out or give TIME_IN_FORCE_GTC")
    if post_only and request.min_quantity:
        raise _invalid("min_quantity", "is set: a post-only order trades nothing at once, leave it out")


def _check_time_in_force(request: pb.SubmitOrderRequest, order_type: OrderType, force: TimeInForce) -> None:
    """Raise InvalidInput where it does not go with the order type or with the time of the end."""
    if force == TimeInForce.GTD and request.expire_time_ns <= 0:
        problem = f"is {request.expire_time_ns}: say when, in nanoseconds since 1970 of simulated time"
        raise _invalid("expire_time_ns", problem)
    if force != TimeInForce.GTD and request.expire_time_ns:
        raise _invalid("expire_time_ns", "is set: only TIME_IN_FORCE_GTD has an end, give that or leave it out")
    name = force.name
    if force == TimeInForce.AT_THE_OPEN:
        if order_type in STOPS:
            raise _invalid("time_in_force", f"is {name}: only a limit or market order goes into the auction")
        for field in ("display_quantity", "min_quantity", "post_only"):
            if getattr(request, field):
                raise _invalid(field, f"is set: an order that is {name} trades in the auction or not at all, leave it out")
    if order_type == OrderType.MARKET and force in (TimeInForce.GTC, TimeInForce.GTD):
        raise _invalid("time_in_force", f"is {name}: a market order never rests, leave it out or give TIME_IN_FORCE_IOC")
    if order_type == OrderType.STOP and force in (TimeInForce.IOC, TimeInForce.FOK):
        raise _invalid("time_in_force", f"is {name}: a stop waits for its price, leave it out or give TIME_IN_FORCE_GTD")


def _part(request: pb.SubmitOrderRequest, field: str, whole: int, instrument: Instrument) -> int:
    """A part of the order in lots, 0 where the field is empty."""
    text: str = getattr(request, field)
    lots = parse_lots(text, instrument, field) if text else 0
    if lots > whole:
        raise _invalid(field, f"is {text}: give at most the quantity, {request.quantity}")
    return lots


def _no_price(request: pb.SubmitOrderRequest) -> int:
    if request.price:
        raise _invalid("price", f"is {request.price[:40]!r}: leave it empty, a market or stop order has none")
    return 0


def _closed(order: OutsideOrder) -> NotNow:
    name, status = order.client_order_id, order.status.name
    return NotNow(f"order {name!r} is {status}: only an open one can be amended", reason="ORDER_CLOSED")


def _invalid(field: str, problem: str) -> InvalidInput:
    return InvalidInput(f"{field} {problem}", metadata={"field": field})
