"""The order book in plain Python: slow, readable, and the specification of the compiled one.

Price-time priority. A batch of commands is applied row by row; every row gives at least one execution, so nothing is lost.

NEW is checked in this order, and the first that fails is the reason of the REJECTED row:

1. UNSUPPORTED: order_type is not LIMIT or MARKET; time_in_force is not UNSPECIFIED, IOC or, for limit orders, GTC; or
   any of post_only, self_trade_prevention, stop_price_ticks, display_lots, min_quantity_lots, expire_time_ns is not 0.
2. INVALID_SIDE: neither BUY nor SELL.
3. INVALID_QUANTITY: below the instrument's smallest order or above its largest.
4. INVALID_PRICE: a limit price that is not positive, a market order with a price.
5. PRICE_BAND: a limit price outside the instrument's bands.
6. BELOW_MIN_NOTIONAL: limit price times quantity is below the instrument's smallest notional.
7. DUPLICATE_ORDER_ID: an order of this account with this serial is resting.
8. BOOK_FULL: a limit order that may rest, while `max_orders` are resting; asked before it trades, also if it would fill.

An accepted order gets the next order_id and an ACCEPTED row with its whole quantity as leaves, then one TRADED row a maker
at the maker's price, then, for what is left of an IOC or market order, a CANCELLED row (IOC_REMAINDER, NO_LIQUIDITY). What
is left of a GTC order rests. A NEW's target_serial is not looked at.

CANCEL looks at account and target_serial only: CANCELLED/REQUESTED with the order's own columns and leaves 0, or
CANCEL_REJECTED/UNKNOWN_ORDER with target_serial as serial. Every other kind is REJECTED/UNSUPPORTED. A REJECTED row repeats
the command's price and quantity; its side is UNSPECIFIED if the command's was none, its leaves and order_id are 0.

Time is copied from the command and never looked at: windows order the commands, not the book.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from marksim.core.book.resting import DEFAULT_MAX_ORDERS, RESTING, OpenOrder, hash_state, open_orders
from marksim.core.book.rules import rules_of
from marksim.core.errors import InvalidInput
from marksim.core.types import (
    COMMAND,
    DEPTH,
    EXECUTION,
    QUOTE,
    BookOutput,
    CommandKind,
    ExecutionKind,
    Instrument,
    OrderType,
    Reason,
    Records,
    Side,
    TimeInForce,
)

NOT_YET = (
    "post_only",
    "self_trade_prevention",
    "stop_price_ticks",
    "display_lots",
    "min_quantity_lots",
    "expire_time_ns",
)


@dataclass(slots=True, eq=False)
class RestingOrder:
    account: int
    serial: int
    order_id: int
    price: int
    quantity: int
    leaves: int
    side: int


@dataclass(slots=True)
class Rows:
    """Output of one batch, as tuples in the order of the dtypes."""

    executions: list[tuple[int, ...]] = field(default_factory=list)
    quotes: list[tuple[int, ...]] = field(default_factory=list)
    depth: list[tuple[int, ...]] = field(default_factory=list)

    def to_output(self) -> BookOutput:
        return BookOutput(
            np.array(self.executions, dtype=EXECUTION),
            np.array(self.quotes, dtype=QUOTE),
            np.array(self.depth, dtype=DEPTH),
        )


class ReferenceBook:
    """Same interface and same answers as `OrderBook`. Raises InvalidInput for an instrument with impossible limits."""

    def __init__(self, instrument: Instrument, max_orders: int = DEFAULT_MAX_ORDERS) -> None:
        self.instrument = instrument
        self._rules = rules_of(instrument, max_orders)
        self._sides: dict[int, dict[int, deque[RestingOrder]]] = {Side.BUY: {}, Side.SELL: {}}
        self._orders: dict[tuple[int, int], RestingOrder] = {}
        self._sequence = 0
        self._last_order_id = 0
        self._time_ns = 0
        self._quote = (instrument.reference_price_ticks, 0, instrument.reference_price_ticks, 0)

    @property
    def sequence(self) -> int:
        """Of the last execution; 0 before the first."""
        return self._sequence

    @property
    def order_count(self) -> int:
        return len(self._orders)

    @property
    def capacity(self) -> int:
        return self._rules.max_orders

    @property
    def memory_bytes(self) -> int:
        """Not counted in the reference: 0."""
        return 0

    def apply(self, commands: Records) -> BookOutput:
        """Apply COMMAND rows in order."""
        if commands.dtype != COMMAND:
            raise InvalidInput("commands: expected records of dtype COMMAND")
        rows = Rows()
        names = COMMAND.names or ()
        for values in commands.tolist():
            command = dict(zip(names, values, strict=True))
            self._time_ns = command["time_ns"]
            if command["kind"] == CommandKind.NEW:
                self._new(command, rows)
            elif command["kind"] == CommandKind.CANCEL:
                self._cancel(command, rows)
            else:
                self._reject(command, Reason.UNSUPPORTED, rows)
            self._add_quote(rows)
        return rows.to_output()

    def depth(self, levels: int | None = None) -> Records:
        """DEPTH rows of the best `levels` (None: all) of each side, bids best first, then asks best first."""
        rows = [self._depth_row(side, price) for side in (Side.BUY, Side.SELL) for price in self._prices(side)[:levels]]
        return np.array(rows, dtype=DEPTH)

    def find(self, account: int, serial: int) -> OpenOrder | None:
        """The resting order of that name, if there is one."""
        order = self._orders.get((account, serial))
        return open_orders(_resting_rows([order]))[0] if order else None

    def open_orders(self, account: int) -> list[OpenOrder]:
        """All resting orders of an account, oldest first."""
        return open_orders(_resting_rows([order for order in self._orders.values() if order.account == account]))

    def resting(self) -> Records:
        """RESTING rows in priority order."""
        return _resting_rows(
            [order for side in (Side.BUY, Side.SELL) for price in self._prices(side) for order in self._sides[side][price]]
        )

    def state_hash(self) -> str:
        """Hex; equal in two books exactly when they will answer alike for ever."""
        counters = (self._sequence, self._last_order_id, self._time_ns, self._quote[0], self._quote[2])
        return hash_state(self.resting(), counters)

    def _new(self, command: dict[str, int], rows: Rows) -> None:
        reason = self._why_not(command)
        if reason:
            self._reject(command, reason, rows)
            return
        self._last_order_id += 1
        order = RestingOrder(
            account=command["account"],
            serial=command["serial"],
            order_id=self._last_order_id,
            price=command["price_ticks"],
            quantity=command["quantity_lots"],
            leaves=command["quantity_lots"],
            side=command["side"],
        )
        market = command["order_type"] == OrderType.MARKET
        self._add_execution(rows, ExecutionKind.ACCEPTED, Reason.UNSPECIFIED, order, order.quantity)
        self._match(order, market, rows)
        if not order.leaves:
            return
        if market or command["time_in_force"] == TimeInForce.IOC:
            cancelled, order.leaves = order.leaves, 0
            reason = Reason.NO_LIQUIDITY if market else Reason.IOC_REMAINDER
            self._add_execution(rows, ExecutionKind.CANCELLED, reason, order, cancelled)
            return
        self._orders[order.account, order.serial] = order
        self._sides[order.side].setdefault(order.price, deque()).append(order)
        rows.depth.append(self._depth_row(order.side, order.price))

    def _why_not(self, command: dict[str, int]) -> Reason:
        """The first check that fails, or UNSPECIFIED."""
        rules = self._rules
        market = command["order_type"] == OrderType.MARKET
        price, quantity = command["price_ticks"], command["quantity_lots"]
        lives = {TimeInForce.UNSPECIFIED, TimeInForce.IOC} | (set() if market else {TimeInForce.GTC})
        may_rest = not market and command["time_in_force"] != TimeInForce.IOC
        checks = (
            (command["order_type"] not in {OrderType.LIMIT, OrderType.MARKET}, Reason.UNSUPPORTED),
            (command["time_in_force"] not in lives, Reason.UNSUPPORTED),
            (any(command[name] for name in NOT_YET), Reason.UNSUPPORTED),
            (command["side"] not in {Side.BUY, Side.SELL}, Reason.INVALID_SIDE),
            (not rules.min_quantity_lots <= quantity <= rules.max_quantity_lots, Reason.INVALID_QUANTITY),
            (price != 0 if market else price <= 0, Reason.INVALID_PRICE),
            (not market and not rules.min_price_ticks <= price <= rules.max_price_ticks, Reason.PRICE_BAND),
            (not market and price * quantity < rules.min_notional, Reason.BELOW_MIN_NOTIONAL),
            ((command["account"], command["serial"]) in self._orders, Reason.DUPLICATE_ORDER_ID),
            (may_rest and len(self._orders) >= rules.max_orders, Reason.BOOK_FULL),
        )
        return next((reason for failed, reason in checks if failed), Reason.UNSPECIFIED)

    def _match(self, taker: RestingOrder, market: bool, rows: Rows) -> None:
        """Trade against the other side, best price first, oldest first; one depth row for each level touched."""
        makers = Side(taker.side).opposite
        for price in self._prices(makers):
            beyond = price > taker.price if taker.side == Side.BUY else price < taker.price
            if not taker.leaves or (beyond and not market):
                return
            queue = self._sides[makers][price]
            while queue and taker.leaves:
                maker = queue[0]
                traded = min(taker.leaves, maker.leaves)
                taker.leaves -= traded
                maker.leaves -= traded
                self._add_execution(rows, ExecutionKind.TRADED, Reason.UNSPECIFIED, taker, traded, maker)
                if not maker.leaves:
                    self._remove(maker)
            rows.depth.append(self._depth_row(makers, price))

    def _cancel(self, command: dict[str, int], rows: Rows) -> None:
        order = self._orders.get((command["account"], command["target_serial"]))
        if order is None:
            nothing = RestingOrder(command["account"], command["target_serial"], 0, 0, 0, 0, Side.UNSPECIFIED)
            self._add_execution(rows, ExecutionKind.CANCEL_REJECTED, Reason.UNKNOWN_ORDER, nothing, 0)
            return
        cancelled, order.leaves = order.leaves, 0
        self._remove(order)
        self._add_execution(rows, ExecutionKind.CANCELLED, Reason.REQUESTED, order, cancelled)
        rows.depth.append(self._depth_row(order.side, order.price))

    def _reject(self, command: dict[str, int], reason: Reason, rows: Rows) -> None:
        side = command["side"] if command["side"] in {Side.BUY, Side.SELL} else Side.UNSPECIFIED
        order = RestingOrder(command["account"], command["serial"], 0, command["price_ticks"], 0, 0, side)
        self._add_execution(rows, ExecutionKind.REJECTED, reason, order, command["quantity_lots"])

    def _remove(self, order: RestingOrder) -> None:
        queue = self._sides[order.side][order.price]
        queue.remove(order)
        if not queue:
            del self._sides[order.side][order.price]
        del self._orders[order.account, order.serial]

    def _prices(self, side: int) -> list[int]:
        return sorted(self._sides[side], reverse=side == Side.BUY)

    def _add_execution(
        self,
        rows: Rows,
        kind: ExecutionKind,
        reason: Reason,
        order: RestingOrder,
        quantity: int,
        maker: RestingOrder | None = None,
    ) -> None:
        self._sequence += 1
        price = maker.price if maker else order.price
        of_maker = (maker.account, maker.serial, maker.order_id, maker.leaves) if maker else (0, 0, 0, 0)
        of_order = (order.account, order.serial, order.order_id, price, quantity, order.leaves)
        rows.executions.append((self._sequence, self._time_ns, *of_order, *of_maker, kind, reason, order.side))

    def _depth_row(self, side: int, price: int) -> tuple[int, ...]:
        """The level as it is now, with the last execution there was."""
        queue = self._sides[side].get(price, ())
        return (self._sequence, self._time_ns, price, sum(order.leaves for order in queue), len(queue), side)

    def _add_quote(self, rows: Rows) -> None:
        """A row if best price or size differ from the last ones quoted; an empty side keeps its last quoted price."""
        quote: list[int] = []
        for side, last_price in ((Side.BUY, self._quote[0]), (Side.SELL, self._quote[2])):
            price = next(iter(self._prices(side)), last_price)
            quote += [price, sum(order.leaves for order in self._sides[side].get(price, ()))]
        if tuple(quote) != self._quote:
            self._quote = (quote[0], quote[1], quote[2], quote[3])
            rows.quotes.append((self._sequence, self._time_ns, *self._quote))


def _resting_rows(orders: list[RestingOrder]) -> Records:
    rows: list[tuple[Any, ...]] = [
        (order.account, order.serial, order.order_id, order.price, order.quantity, order.leaves, order.side)
        for order in orders
    ]
    return np.array(rows, dtype=RESTING)
