"""The order book in plain Python: slow, readable, and the specification of the compiled one.

Price-time priority. A batch of commands is applied row by row; every row gives at least one execution, so nothing is lost.

NEW is checked in this order, and the first that fails is the reason of the REJECTED row:

1. UNSUPPORTED: order_type is none of the enum; time_in_force is AT_THE_OPEN.
2. INVALID_TERMS: time_in_force, post_only or self_trade_prevention is no value of its enum; an expire_time_ns without GTD,
   or GTD without one; a market order that is GTC or GTD, a STOP that is IOC or FOK; an order that displays a part, or is
   post-only, and is not a LIMIT order, or IOC or FOK; a post-only, STOP or STOP_LIMIT order with a min_quantity; a
   stop_price_ticks of another order.
3. INVALID_SIDE: neither BUY nor SELL.
4. INVALID_QUANTITY: below the instrument's smallest order or above its largest; a min_quantity or a part to display below 0
   or above it; a quantity of more than 100 times what it displays.
5. INVALID_PRICE: a limit price that is not positive, a market or STOP order with a price; after 8, a stop price that is not
   positive.
6. PRICE_BAND: a limit price outside the instrument's bands; after 8, a stop price.
7. WOULD_TAKE: a post-only order that would trade at once. One that may slide gets the price one tick away from the best
   price of the other side instead; where that is outside the bands it is rejected as well.
8. BELOW_MIN_NOTIONAL: limit price, after the slide, times quantity is below the instrument's smallest notional.
9. EXPIRED: the expire_time_ns of a GTD order is not after the command's time.
10. DUPLICATE_ORDER_ID: an order of this account with this serial is resting.
11. BOOK_FULL: an iceberg with which more than 100,000 refills could be to come in the book; an order that may rest, while
   `max_orders` are resting; asked before it trades, also if it would fill.

An accepted order gets the next order_id and an ACCEPTED row with its whole quantity as leaves. A FOK order that cannot trade
whole at once is then CANCELLED/FOK_NOT_FILLED, any order that cannot trade its min_quantity at once CANCELLED/MIN_QUANTITY,
and neither touches another order. The rest have one TRADED row a maker, at the maker's price, best price first and oldest
first, down to their limit price; a market order trades down to the bands or, where the instrument has
market_protection_ticks, to so many ticks from the best price at its arrival. What is left of an IOC order is
CANCELLED/IOC_REMAINDER, of a market order NO_LIQUIDITY, or PRICE_BAND where its protection stopped it. What is left
of others rests. A NEW's target_serial is not looked at.

An order with display_lots rests as an iceberg: it shows so much, and hides the rest. Depth and quotes have what is shown.
When that has traded, the next part is shown, at the end of its level's queue, with a REFILLED row: its quantity is the part,
its leaves all that is left. A taker meets all parts of a level before the next level. What an amendment or self-trade
prevention takes off goes from the hidden part first; an order that comes anew shows its full part.

A STOP or STOP_LIMIT order is accepted and waits, in no queue. A buy order is triggered once the last trade, or where the
instrument's stop_trigger is QUOTE the best ask, is at or above its stop price; a sell order once the last trade, or the best
bid, is at or below it. Before the first trade, or with that side empty, nothing is. After each command, expiry and triggered
order those whose turn it is are triggered one by one: buy orders before sell orders, the stop price that is reached first
before those beyond it, then the oldest. Each has a TRIGGERED row with its limit price and all it has left, and then trades
as a market or limit order that comes now would, with the time in force and self-trade prevention that it was sent with; what
rests keeps its order_id. Those that wait count towards `max_orders`, and GTD orders expire while they wait.

A GTD order rests until expire_time_ns: it is EXPIRED, at that time, before the first command of that time or later, and at
the end of a window that lasts beyond it; several by time and then order_id.

A maker of the same account or group as a taker with self-trade prevention does not trade with it. The group is
self_trade_group, or else the account. CANCEL_NEWEST: what is left of the taker is CANCELLED. CANCEL_OLDEST: the maker is,
and the taker goes on. CANCEL_BOTH: both are, the maker first. DECREMENT: the smaller of what is left of both is taken off
both, the maker first, and off the quantity that they were sent with; each has a CANCELLED row, and is open where leaves is
not 0. The reason of all of these rows is SELF_TRADE. For FOK and min_quantity only what stands before the own order counts,
of its level only what is shown; with CANCEL_OLDEST everything but the own orders.

CANCEL looks at account and target_serial only: CANCELLED/REQUESTED with the order's own columns and leaves 0, or
CANCEL_REJECTED/UNKNOWN_ORDER with target_serial as serial.

AMEND gives the resting order of that account and target_serial another price, another total quantity (what has traded
counts towards it) and the name serial; 0 leaves price or quantity as it is, serial equal to target_serial the name. It is
CANCEL_REJECTED, with the order's own columns and the command's price and quantity, by the first check that fails:

1. UNKNOWN_ORDER: there is none; order_id, side and leaves are 0.
2. INVALID_TERMS: any of time_in_force, min_quantity, stop_price_ticks, display_lots, expire_time_ns is not 0; post_only or
   self_trade_prevention is no value of its enum.
3. INVALID_QUANTITY, INVALID_PRICE, PRICE_BAND, WOULD_TAKE, BELOW_MIN_NOTIONAL: as of a new order, for what it would be.
4. BOOK_FULL: as of a new iceberg.
5. DUPLICATE_ORDER_ID: another order has the name serial.

If the quantity is no more than what has traded, the order is CANCELLED/REQUESTED. Otherwise there is an AMENDED row with
the new price, quantity, leaves and name. At the same price with no more quantity it keeps its place; in all other cases it
leaves its queue and comes as a new order would, with its order_id, and with post_only and self_trade_prevention of the
command. It slides where a new one would. Side, order_type and self_trade_group of the command are not looked at. An order
that waits for its stop price is amended where it is; a STOP has no price (INVALID_PRICE), and neither kind is post-only
(INVALID_TERMS).

MASS_CANCEL cancels all orders of the account that rest or wait, of one side if side says so, in priority order: bids, asks,
then stops, oldest first. If there are none it is CANCEL_REJECTED/UNKNOWN_ORDER, if side is none of the enum
CANCEL_REJECTED/INVALID_SIDE, each with the command's serial. It looks at account and side only.

Every other kind is REJECTED/UNSUPPORTED. A REJECTED row repeats
the command's price and quantity; its side is UNSPECIFIED if the command's was none, its leaves and order_id are 0.

Time is copied from the command; beside expiry it is never looked at: windows order the commands, not the book.
"""

from collections import deque
from dataclasses import replace
from itertools import takewhile

import numpy as np

from marksim.core.book.plain import RestingOrder, Rows, can_display, resting_rows
from marksim.core.book.resting import DEFAULT_MAX_ORDERS, OpenOrder, hash_state, open_orders
from marksim.core.book.rules import MAX_REFILLS, rules_of
from marksim.core.errors import InvalidInput
from marksim.core.types import (
    COMMAND,
    DEPTH,
    BookOutput,
    CommandKind,
    ExecutionKind,
    Instrument,
    OrderType,
    PostOnly,
    Reason,
    Records,
    SelfTradePrevention,
    Side,
    StopTrigger,
    TimeInForce,
)

NEVER_AMENDED = ("time_in_force", "min_quantity_lots", "stop_price_ticks", "display_lots", "expire_time_ns")
STOPS = (OrderType.STOP, OrderType.STOP_LIMIT)
IMMEDIATE = (TimeInForce.IOC, TimeInForce.FOK)


class ReferenceBook:
    """Same interface and same answers as `OrderBook`. Raises InvalidInput for an instrument with impossible limits."""

    def __init__(self, instrument: Instrument, max_orders: int = DEFAULT_MAX_ORDERS) -> None:
        self.instrument = instrument
        self._rules = rules_of(instrument, max_orders)
        self._sides: dict[int, dict[int, deque[RestingOrder]]] = {Side.BUY: {}, Side.SELL: {}}
        self._orders: dict[tuple[int, int], RestingOrder] = {}
        self._stops: list[RestingOrder] = []
        self._any_expire = False
        """Whether an order that expires ever came; it only saves looking."""
        self._last_price = 0
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
        """Resting orders, without the stops that wait."""
        return len(self._orders) - len(self._stops)

    @property
    def stop_count(self) -> int:
        """Stops that wait to be triggered."""
        return len(self._stops)

    @property
    def capacity(self) -> int:
        return self._rules.max_orders

    @property
    def memory_bytes(self) -> int:
        """Not counted in the reference: 0."""
        return 0

    @property
    def next_expiry_ns(self) -> int | None:
        """When the next resting order expires; None where none does."""
        return min((order.expire_ns for order in self._orders.values() if order.expire_ns), default=None)

    def apply(self, commands: Records, end_ns: int | None = None) -> BookOutput:
        """Apply COMMAND rows in order, and let expire what is due before them, or before `end_ns`."""
        if commands.dtype != COMMAND:
            raise InvalidInput("commands: expected records of dtype COMMAND")
        rows = Rows()
        names = COMMAND.names or ()
        for values in commands.tolist():
            command = dict(zip(names, values, strict=True))
            self._expire(command["time_ns"], rows)
            self._time_ns = command["time_ns"]
            if command["kind"] == CommandKind.NEW:
                self._new(command, rows)
            elif command["kind"] == CommandKind.CANCEL:
                self._cancel(command, rows)
            elif command["kind"] == CommandKind.AMEND:
                self._amend(command, rows)
            elif command["kind"] == CommandKind.MASS_CANCEL:
                self._mass_cancel(command, rows)
            else:
                self._reject(command, Reason.UNSUPPORTED, rows)
            self._add_quote(rows)
            self._trigger(rows)
        if end_ns is not None:
            self._expire(end_ns - 1, rows)
        return rows.to_output()

    def depth(self, levels: int | None = None) -> Records:
        """DEPTH rows of the best `levels` (None: all) of each side, bids best first, then asks best first."""
        rows = [self._depth_row(side, price) for side in (Side.BUY, Side.SELL) for price in self._prices(side)[:levels]]
        return np.array(rows, dtype=DEPTH)

    def find(self, account: int, serial: int) -> OpenOrder | None:
        """The resting order of that name, if there is one."""
        order = self._orders.get((account, serial))
        return open_orders(resting_rows([order]))[0] if order else None

    def open_orders(self, account: int) -> list[OpenOrder]:
        """All resting orders of an account, oldest first."""
        return open_orders(resting_rows([order for order in self._orders.values() if order.account == account]))

    def resting(self) -> Records:
        """RESTING rows in priority order, stops included."""
        resting = [
            order for side in (Side.BUY, Side.SELL) for price in self._prices(side) for order in self._sides[side][price]
        ]
        return resting_rows(resting + self._stops)

    def state_hash(self) -> str:
        """Hex; equal in two books exactly when they will answer alike for ever."""
        counters = (self._sequence, self._last_order_id, self._time_ns, self._quote[0], self._quote[2], self._last_price)
        return hash_state(self.resting(), counters)

    def _expire(self, until_ns: int, rows: Rows) -> None:
        while self._any_expire and (due := [order for order in self._orders.values() if 0 < order.expire_ns <= until_ns]):
            order = min(due, key=lambda order: (order.expire_ns, order.order_id))
            self._time_ns = max(self._time_ns, order.expire_ns)
            self._end(order, ExecutionKind.EXPIRED, Reason.EXPIRED, rows)
            self._add_quote(rows)
            self._trigger(rows)

    def _trigger(self, rows: Rows) -> None:
        """Let the stops whose turn it is trade, one after the other."""
        while stop := self._next_triggered():
            self._stops.remove(stop)
            del self._orders[stop.account, stop.serial]
            self._add_execution(rows, ExecutionKind.TRIGGERED, Reason.UNSPECIFIED, stop, stop.leaves)
            reason = self._take(stop, stop.life, stop.prevention, 0, rows)
            stop.order_type, stop.life, stop.prevention, stop.stop_price = OrderType.LIMIT, 0, 0, 0
            self._finish(stop, reason, rows)
            self._add_quote(rows)

    def _next_triggered(self) -> RestingOrder | None:
        prices = {Side.BUY: self._last_price, Side.SELL: self._last_price}
        if self._rules.stop_trigger == StopTrigger.QUOTE:
            prices = {side: next(iter(self._prices(side.opposite)), 0) for side in (Side.BUY, Side.SELL)}
        for side, sign in ((Side.BUY, 1), (Side.SELL, -1)):
            price = prices[side]
            reached = [
                stop for stop in self._stops if stop.side == side and price and sign * stop.stop_price <= sign * price
            ]
            if reached:
                return min(reached, key=lambda stop: (sign * stop.stop_price, stop.order_id))
        return None

    def _new(self, command: dict[str, int], rows: Rows) -> None:
        reason = self._why_not(command)
        if reason:
            self._reject(command, reason, rows)
            return
        self._last_order_id += 1
        self._any_expire = self._any_expire or command["expire_time_ns"] != 0
        order = RestingOrder(
            account=command["account"],
            serial=command["serial"],
            order_id=self._last_order_id,
            price=self._price_after_slide(command["side"], command["price_ticks"], command["post_only"]),
            quantity=command["quantity_lots"],
            leaves=command["quantity_lots"],
            side=command["side"],
            group=command["self_trade_group"] or command["account"],
            display=command["display_lots"],
            expire_ns=command["expire_time_ns"],
        )
        self._add_execution(rows, ExecutionKind.ACCEPTED, Reason.UNSPECIFIED, order, order.quantity)
        if command["order_type"] in STOPS:
            order.stop_price, order.order_type = command["stop_price_ticks"], command["order_type"]
            order.life, order.prevention = command["time_in_force"], command["self_trade_prevention"]
            self._orders[order.account, order.serial] = order
            self._stops.append(order)
            return
        terms = (command["time_in_force"], command["self_trade_prevention"], command["min_quantity_lots"])
        self._finish(order, self._take(order, *terms, rows), rows)

    def _take(self, order: RestingOrder, life: int, prevention: int, smallest: int, rows: Rows) -> Reason:
        """Trade what the order may; why what it has left is cancelled, or UNSPECIFIED where that rests or there is none."""
        last_price = order.price or self._last_market_price(order.side)
        could_trade = self._could_trade(order, last_price, prevention)
        if life == TimeInForce.FOK and could_trade < order.leaves:
            return Reason.FOK_NOT_FILLED
        if could_trade < smallest:
            return Reason.MIN_QUANTITY
        if self._match(order, last_price, prevention, rows):
            return Reason.SELF_TRADE
        if not order.price:
            return Reason.PRICE_BAND if self._prices(Side(order.side).opposite) else Reason.NO_LIQUIDITY
        return Reason.IOC_REMAINDER if life == TimeInForce.IOC else Reason.UNSPECIFIED

    def _finish(self, order: RestingOrder, reason: Reason, rows: Rows) -> None:
        """Cancel what an order has left, or let it rest."""
        if order.leaves and reason:
            self._take_off(order, order.leaves, reason, rows)
        elif order.leaves:
            self._rest(order, rows)

    def _rest(self, order: RestingOrder, rows: Rows) -> None:
        order.hidden = max(0, order.leaves - order.display) if order.display else 0
        self._orders[order.account, order.serial] = order
        self._sides[order.side].setdefault(order.price, deque()).append(order)
        rows.depth.append(self._depth_row(order.side, order.price))

    def _why_not(self, command: dict[str, int]) -> Reason:
        """The first check that fails, or UNSPECIFIED."""
        rules = self._rules
        life, post_only = command["time_in_force"], command["post_only"]
        kind, stop = command["order_type"], command["order_type"] in STOPS
        priced, immediate = kind in {OrderType.LIMIT, OrderType.STOP_LIMIT}, life in IMMEDIATE
        price, quantity, stop_price = command["price_ticks"], command["quantity_lots"], command["stop_price_ticks"]
        checks = (
            (not OrderType.LIMIT <= kind <= OrderType.STOP_LIMIT or life == TimeInForce.AT_THE_OPEN, Reason.UNSUPPORTED),
            (life > max(TimeInForce) or post_only > max(PostOnly), Reason.INVALID_TERMS),
            (command["self_trade_prevention"] > max(SelfTradePrevention), Reason.INVALID_TERMS),
            (kind == OrderType.MARKET and life in {TimeInForce.GTC, TimeInForce.GTD}, Reason.INVALID_TERMS),
            (kind == OrderType.STOP and immediate, Reason.INVALID_TERMS),
            (command["display_lots"] and (immediate or kind != OrderType.LIMIT), Reason.INVALID_TERMS),
            (post_only and (immediate or kind != OrderType.LIMIT), Reason.INVALID_TERMS),
            ((post_only or stop) and command["min_quantity_lots"], Reason.INVALID_TERMS),
            (stop_price and not stop, Reason.INVALID_TERMS),
            ((life == TimeInForce.GTD) != (command["expire_time_ns"] > 0), Reason.INVALID_TERMS),
            (command["expire_time_ns"] < 0, Reason.INVALID_TERMS),
            (command["side"] not in {Side.BUY, Side.SELL}, Reason.INVALID_SIDE),
            (not rules.min_quantity_lots <= quantity <= rules.max_quantity_lots, Reason.INVALID_QUANTITY),
            (not 0 <= command["min_quantity_lots"] <= quantity, Reason.INVALID_QUANTITY),
            (not can_display(quantity, command["display_lots"]), Reason.INVALID_QUANTITY),
            (not priced and price != 0, Reason.INVALID_PRICE),
            *(self._price_checks(command["side"], price, quantity, post_only) if priced else ()),
            (stop and stop_price <= 0, Reason.INVALID_PRICE),
            (stop and not rules.min_price_ticks <= stop_price <= rules.max_price_ticks, Reason.PRICE_BAND),
            (life == TimeInForce.GTD and command["expire_time_ns"] <= command["time_ns"], Reason.EXPIRED),
            ((command["account"], command["serial"]) in self._orders, Reason.DUPLICATE_ORDER_ID),
            (self._too_many_refills(command["display_lots"], quantity), Reason.BOOK_FULL),
            ((stop or (priced and not immediate)) and len(self._orders) >= rules.max_orders, Reason.BOOK_FULL),
        )
        return next((reason for failed, reason in checks if failed), Reason.UNSPECIFIED)

    def _price_checks(self, side: int, price: int, quantity: int, post_only: int) -> tuple[tuple[bool, Reason], ...]:
        slid = self._price_after_slide(side, price, post_only)
        return (
            (price <= 0, Reason.INVALID_PRICE),
            (not self._rules.min_price_ticks <= price <= self._rules.max_price_ticks, Reason.PRICE_BAND),
            (post_only != 0 and self._takes_at(side, slid), Reason.WOULD_TAKE),
            (slid * quantity < self._rules.min_notional, Reason.BELOW_MIN_NOTIONAL),
        )

    def _too_many_refills(self, display: int, quantity: int) -> bool:
        """Whether an iceberg more could make a sweep too long; counted without what of it is shown at first."""
        if not display:
            return False
        to_come = sum(-(-order.hidden // order.display) for order in self._orders.values() if order.hidden)
        return to_come + quantity // display > MAX_REFILLS

    def _takes_at(self, side: int, price: int) -> bool:
        """Whether an order at that price would trade at once."""
        best = self._prices(Side.SELL if side == Side.BUY else Side.BUY)[:1]
        return any(other <= price if side == Side.BUY else other >= price for other in best)

    def _price_after_slide(self, side: int, price: int, post_only: int) -> int:
        """Where the order would rest: at its price, or one tick off the other side if it slides and the bands let it."""
        if post_only != PostOnly.SLIDE or not self._takes_at(side, price):
            return price
        slid = self._prices(Side.SELL)[0] - 1 if side == Side.BUY else self._prices(Side.BUY)[0] + 1
        return slid if self._rules.min_price_ticks <= slid <= self._rules.max_price_ticks else price

    def _last_market_price(self, side: int) -> int:
        """How far a market order trades."""
        buy = side == Side.BUY
        far = self._rules.max_price_ticks if buy else self._rules.min_price_ticks
        best = next(iter(self._prices(Side(side).opposite)), far)
        protection = self._rules.market_protection_ticks
        if not protection:
            return far
        return min(far, best + protection) if buy else max(far, best - protection)

    def _within(self, taker: RestingOrder, last_price: int) -> list[int]:
        """Prices of the other side at which the taker may trade, best first."""
        prices = self._prices(Side(taker.side).opposite)
        return [price for price in prices if (price <= last_price if taker.side == Side.BUY else price >= last_price)]

    def _could_trade(self, taker: RestingOrder, last_price: int, prevention: int) -> int:
        """What the other side has for FOK and min_quantity."""
        found, goes_on = 0, prevention in {SelfTradePrevention.UNSPECIFIED, SelfTradePrevention.CANCEL_OLDEST}
        for price in self._within(taker, last_price):
            queue = self._sides[Side(taker.side).opposite][price]
            others = [order for order in queue if not prevention or order.group != taker.group]
            if len(others) == len(queue) or goes_on:
                found += sum(order.leaves for order in others)
            else:
                before = takewhile(lambda order: order.group != taker.group, queue)
                found += sum(order.shown for order in before)
                break
        return found

    def _match(self, taker: RestingOrder, last_price: int, prevention: int, rows: Rows) -> bool:
        """Trade down to the last price; one depth row for each level that changed. True if the taker met its own order."""
        makers = Side(taker.side).opposite
        for price in self._within(taker, last_price):
            queue, sequence, stopped = self._sides[makers][price], self._sequence, False
            while queue and taker.leaves and not stopped:
                maker = queue[0]
                if prevention and maker.group == taker.group:
                    stopped = self._prevent(taker, maker, prevention, rows)
                    continue
                traded = min(taker.leaves, maker.shown)
                taker.leaves -= traded
                maker.leaves -= traded
                self._add_execution(rows, ExecutionKind.TRADED, Reason.UNSPECIFIED, taker, traded, maker)
                self._last_price = price
                if not maker.leaves:
                    self._remove(maker)
                elif not maker.shown:
                    self._refill(maker, rows)
            if self._sequence > sequence:
                rows.depth.append(self._depth_row(makers, price))
            if stopped or not taker.leaves:
                return stopped
        return False

    def _refill(self, order: RestingOrder, rows: Rows) -> None:
        part = min(order.display, order.hidden)
        order.hidden -= part
        queue = self._sides[order.side][order.price]
        queue.remove(order)
        queue.append(order)
        self._add_execution(rows, ExecutionKind.REFILLED, Reason.UNSPECIFIED, order, part)

    def _prevent(self, taker: RestingOrder, maker: RestingOrder, prevention: int, rows: Rows) -> bool:
        """Do what the taker says of a self-trade; True if the taker stops there."""
        if prevention == SelfTradePrevention.DECREMENT:
            both = min(taker.leaves, maker.leaves)
            maker.quantity -= both
            taker.quantity -= both
            self._take_off(maker, both, Reason.SELF_TRADE, rows)
            self._take_off(taker, both, Reason.SELF_TRADE, rows)
        elif prevention != SelfTradePrevention.CANCEL_NEWEST:
            self._take_off(maker, maker.leaves, Reason.SELF_TRADE, rows)
        if not maker.leaves:
            self._remove(maker)
        return prevention in {SelfTradePrevention.CANCEL_NEWEST, SelfTradePrevention.CANCEL_BOTH}

    def _take_off(self, order: RestingOrder, quantity: int, reason: Reason, rows: Rows) -> None:
        order.leaves -= quantity
        order.hidden = max(0, order.hidden - quantity)
        self._add_execution(rows, ExecutionKind.CANCELLED, reason, order, quantity)

    def _cancel(self, command: dict[str, int], rows: Rows) -> None:
        order = self._orders.get((command["account"], command["target_serial"]))
        if order is None:
            nothing = RestingOrder(command["account"], command["target_serial"], 0, 0, 0, 0, Side.UNSPECIFIED)
            self._add_execution(rows, ExecutionKind.CANCEL_REJECTED, Reason.UNKNOWN_ORDER, nothing, 0)
            return
        self._end(order, ExecutionKind.CANCELLED, Reason.REQUESTED, rows)

    def _end(self, order: RestingOrder, kind: ExecutionKind, reason: Reason, rows: Rows) -> None:
        """End an order that rests or waits, and tell of it and its level."""
        rests = order not in self._stops
        self._remove(order)
        quantity, order.leaves, order.hidden = order.leaves, 0, 0
        self._add_execution(rows, kind, reason, order, quantity)
        if rests:
            rows.depth.append(self._depth_row(order.side, order.price))

    def _amend(self, command: dict[str, int], rows: Rows) -> None:
        name = (command["account"], command["target_serial"])
        order = self._orders.get(name)
        if order is None:
            nothing = RestingOrder(*name, 0, command["price_ticks"], 0, 0, Side.UNSPECIFIED)
            self._add_execution(rows, ExecutionKind.CANCEL_REJECTED, Reason.UNKNOWN_ORDER, nothing, command["quantity_lots"])
            return
        price, quantity = command["price_ticks"] or order.price, command["quantity_lots"] or order.quantity
        if reason := self._why_not_amend(command, order, price, quantity):
            asked = replace(order, price=command["price_ticks"])
            self._add_execution(rows, ExecutionKind.CANCEL_REJECTED, reason, asked, command["quantity_lots"])
            return
        leaves = order.leaves - (order.quantity - quantity)
        if leaves <= 0:
            self._cancel(command, rows)
            return
        price = self._price_after_slide(order.side, price, command["post_only"])
        waits = order in self._stops
        stays = waits or (price == order.price and leaves <= order.leaves)
        changed = not waits and (price != order.price or (stays and leaves < order.leaves))
        old_price = order.price
        del self._orders[name]
        order.serial = command["serial"]
        self._orders[order.account, order.serial] = order
        if not stays:
            self._leave(order)
        order.hidden = max(0, order.hidden - (order.leaves - leaves)) if stays and not waits else 0
        order.price, order.quantity, order.leaves = price, quantity, leaves
        self._add_execution(rows, ExecutionKind.AMENDED, Reason.UNSPECIFIED, order, quantity)
        if changed:
            rows.depth.append(self._depth_row(order.side, old_price))
        if not stays:
            del self._orders[order.account, order.serial]
            self._finish(order, self._take(order, 0, command["self_trade_prevention"], 0, rows), rows)

    def _why_not_amend(self, command: dict[str, int], order: RestingOrder, price: int, quantity: int) -> Reason:
        """The first check that fails, or UNSPECIFIED."""
        rules, post_only, renamed = self._rules, command["post_only"], (command["account"], command["serial"])
        checks = (
            (any(command[name] for name in NEVER_AMENDED), Reason.INVALID_TERMS),
            (post_only > max(PostOnly), Reason.INVALID_TERMS),
            (command["self_trade_prevention"] > max(SelfTradePrevention), Reason.INVALID_TERMS),
            (post_only and order.order_type in STOPS, Reason.INVALID_TERMS),
            (not rules.min_quantity_lots <= quantity <= rules.max_quantity_lots, Reason.INVALID_QUANTITY),
            (not can_display(quantity, min(order.display, quantity)), Reason.INVALID_QUANTITY),
            *(
                ((command["price_ticks"] != 0, Reason.INVALID_PRICE),)
                if order.order_type == OrderType.STOP
                else self._price_checks(order.side, price, quantity, post_only)
            ),
            (self._too_many_refills(order.display, quantity), Reason.BOOK_FULL),
            (self._orders.get(renamed, order) is not order, Reason.DUPLICATE_ORDER_ID),
        )
        return next((reason for failed, reason in checks if failed), Reason.UNSPECIFIED)

    def _mass_cancel(self, command: dict[str, int], rows: Rows) -> None:
        account, side = command["account"], command["side"]
        reason = Reason.UNKNOWN_ORDER if side in set(Side) else Reason.INVALID_SIDE
        for named in (Side.BUY, Side.SELL):
            if reason == Reason.INVALID_SIDE or side not in {Side.UNSPECIFIED, named}:
                continue
            for price in self._prices(named):
                orders = [order for order in self._sides[named][price] if order.account == account]
                for order in orders:
                    self._remove(order)
                    self._take_off(order, order.leaves, Reason.REQUESTED, rows)
                if orders:
                    rows.depth.append(self._depth_row(named, price))
                    reason = Reason.UNSPECIFIED
        stops = [stop for stop in self._stops if stop.account == account and side in {Side.UNSPECIFIED, stop.side}]
        for stop in stops if reason != Reason.INVALID_SIDE else []:
            self._end(stop, ExecutionKind.CANCELLED, Reason.REQUESTED, rows)
            reason = Reason.UNSPECIFIED
        if reason:
            nothing = RestingOrder(account, command["serial"], 0, 0, 0, 0, Side.UNSPECIFIED)
            self._add_execution(rows, ExecutionKind.CANCEL_REJECTED, reason, nothing, 0)

    def _reject(self, command: dict[str, int], reason: Reason, rows: Rows) -> None:
        side = command["side"] if command["side"] in {Side.BUY, Side.SELL} else Side.UNSPECIFIED
        order = RestingOrder(command["account"], command["serial"], 0, command["price_ticks"], 0, 0, side)
        self._add_execution(rows, ExecutionKind.REJECTED, reason, order, command["quantity_lots"])

    def _remove(self, order: RestingOrder) -> None:
        if order in self._stops:
            self._stops.remove(order)
        else:
            self._leave(order)
        del self._orders[order.account, order.serial]

    def _leave(self, order: RestingOrder) -> None:
        queue = self._sides[order.side][order.price]
        queue.remove(order)
        if not queue:
            del self._sides[order.side][order.price]

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
        return (self._sequence, self._time_ns, price, sum(order.shown for order in queue), len(queue), side)

    def _add_quote(self, rows: Rows) -> None:
        """A row if best price or size differ from the last ones quoted; an empty side keeps its last quoted price."""
        quote: list[int] = []
        for side, last_price in ((Side.BUY, self._quote[0]), (Side.SELL, self._quote[2])):
            price = next(iter(self._prices(side)), last_price)
            quote += [price, sum(order.shown for order in self._sides[side].get(price, ()))]
        if tuple(quote) != self._quote:
            self._quote = (quote[0], quote[1], quote[2], quote[3])
            rows.quotes.append((self._sequence, self._time_ns, *self._quote))
