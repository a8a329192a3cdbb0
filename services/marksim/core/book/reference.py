"""The order book in plain Python: slow, readable, and the specification of the compiled one.

What follows is of CONTINUOUS trading. Sessions, auctions and price bands each have a page of their own, which are as much
of the specification: plain_sessions.py, plain_auction.py, plain_bands.py.

Price-time priority. A batch of commands is applied row by row; every row gives at least one execution, so nothing is lost.

NEW is checked in this order, and the first that fails is the reason of the REJECTED row:

1. UNSUPPORTED: order_type is none of the enum.
2. INVALID_TERMS: time_in_force, post_only or self_trade_prevention is no value of its enum; an expire_time_ns without GTD,
   or GTD without one; a market order that is GTC or GTD, a STOP that is IOC or FOK; an AT_THE_OPEN order that is a STOP or
   STOP_LIMIT, displays a part, is post-only or has a min_quantity; an order that displays a part, or is post-only, and is
   not a LIMIT order, or IOC or FOK; a post-only, STOP or STOP_LIMIT order with a min_quantity; a stop_price_ticks of
   another order.
3. MARKET_CLOSED: the session does not take the order.
4. INVALID_SIDE: neither BUY nor SELL.
5. INVALID_QUANTITY: below the instrument's smallest order or above its largest; a min_quantity or a part to display below 0
   or above it; a quantity of more than 100 times what it displays.
6. INVALID_PRICE: a limit price that is not positive, a market or STOP order with a price; after 9, a stop price that is not
   positive.
7. PRICE_BAND: a limit price outside the instrument's limits, or of a LIMIT order beyond a price band that rejects it; after
   9, a stop price outside the instrument's limits.
8. WOULD_TAKE: a post-only order that would trade at once. One that may slide gets the price one tick away from the best
   price of the other side instead; where that is outside the limits it is rejected as well.
9. BELOW_MIN_NOTIONAL: limit price, after the slide, times quantity is below the instrument's smallest notional.
10. EXPIRED: the expire_time_ns of a GTD order is not after the command's time.
11. DUPLICATE_ORDER_ID: an order of this account with this serial is resting.
12. BOOK_FULL: an iceberg with which more than 100,000 refills could be to come in the book; an order that may rest, while
   `max_orders` are resting; asked before it trades, also if it would fill.

An accepted order gets the next order_id and an ACCEPTED row with its whole quantity as leaves. A FOK order that cannot trade
whole at once is then CANCELLED/FOK_NOT_FILLED, any order that cannot trade its min_quantity at once CANCELLED/MIN_QUANTITY,
and neither touches another order. The rest have one TRADED row a maker, at the maker's price, best price first and oldest
first, down to their limit price; a market order trades down to the limits or, where the instrument has
market_protection_ticks, to so many ticks from the best price at its arrival. What is left of an IOC order is
CANCELLED/IOC_REMAINDER, of a market order NO_LIQUIDITY, or PRICE_BAND where its protection stopped it. What is left
of others rests. A NEW's target_serial is not looked at.

An order with display_lots rests as an iceberg: it shows so much, and hides the rest. Depth and quotes have what is shown.
When that has traded, the next part is shown, at the end of its level's queue, with a REFILLED row: its quantity is the part,
its leaves all that is left. A taker meets all parts of a level before the next level. What an amendment or self-trade
prevention takes off goes from the hidden part first; an order that comes anew shows its full part.

A STOP or STOP_LIMIT order is accepted and waits, in no queue. A buy order is triggered once the last trade, or where the
instrument's stop_trigger is QUOTE the best ask, is at or above its stop price; a sell order once the last trade, or the
best bid, is at or below it. Before the first trade, or with that side empty, nothing is. After each command, expiry,
triggered order and change of the session those whose turn it is are triggered one by one: buy orders before sell orders,
the stop price that is reached first before those beyond it, then the oldest. Each has a TRIGGERED row with its limit price
and all it has left, and then trades as a market or limit order that comes now would, with the time in force and self-trade
prevention that it was sent with; what rests keeps its order_id. Those that wait count towards `max_orders`, and GTD orders
expire while they wait.

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
3. MARKET_CLOSED: the session does not take it.
4. INVALID_QUANTITY, INVALID_PRICE, PRICE_BAND, WOULD_TAKE, BELOW_MIN_NOTIONAL: as of a new order, for what it would be; no
   price band is beyond the price that it has.
5. BOOK_FULL: as of a new iceberg in its place.
6. DUPLICATE_ORDER_ID: another order has the name serial.

If the quantity is no more than what has traded, the order is CANCELLED/REQUESTED. Otherwise there is an AMENDED row with
the new price, quantity, leaves and name. At the same price with no more quantity it keeps its place; in all other cases it
leaves its queue and comes as a new order would, with its order_id, and with post_only and self_trade_prevention of the
command. It slides where a new one would. Side, order_type and self_trade_group of the command are not looked at. An order
that waits for its stop price is amended where it is; a STOP has no price (INVALID_PRICE), and neither kind is post-only
(INVALID_TERMS).

MASS_CANCEL cancels all orders of the account that rest or wait, of one side if side says so, in priority order: bids, asks,
then stops, oldest first. If there are none it is CANCEL_REJECTED/UNKNOWN_ORDER, if side is none of the enum
CANCEL_REJECTED/INVALID_SIDE, each with the command's serial. It looks at account and side only. OWNER_GONE is the same, but
for the reason of the cancels, which is OWNER_GONE.

SET_SESSION changes the session (plain_sessions.py). Every other kind is REJECTED/UNSUPPORTED. A REJECTED row repeats the
command's price and quantity; its side is UNSPECIFIED if the command's was none, its leaves and order_id are 0.

Time is copied from the command; it is looked at for what is due by itself, expiries and session changes, and for nothing
else: windows order the commands, not the book.
"""

from dataclasses import replace

from marksim.core.book.plain import RestingOrder, Rows
from marksim.core.book.plain_checks import STOPS
from marksim.core.book.plain_sessions import COLLECTING, end_after, uncrosses
from marksim.core.book.plain_taking import PlainTaking
from marksim.core.book.resting import DEFAULT_MAX_ORDERS
from marksim.core.book.rules import check_start, rules_of
from marksim.core.errors import InvalidInput
from marksim.core.types import (
    COMMAND,
    BookOutput,
    CommandKind,
    ExecutionKind,
    Instrument,
    OrderType,
    Reason,
    Records,
    SessionState,
    Side,
    StopTrigger,
    TimeInForce,
)


class ReferenceBook(PlainTaking):
    """Same interface and same answers as `OrderBook`. Raises InvalidInput for an instrument with impossible limits.

    Each step of what it does has a file, from the queues up: plain_book.py, plain_checks.py, plain_taking.py.
    """

    def __init__(self, instrument: Instrument, max_orders: int = DEFAULT_MAX_ORDERS, start_ns: int = 0) -> None:
        check_start(start_ns)
        super().__init__(rules_of(instrument, max_orders), start_ns)
        self.instrument = instrument

    def apply(self, commands: Records, end_ns: int | None = None) -> BookOutput:
        """Apply COMMAND rows in order, each after what is due by its time, and then do what is due before `end_ns`."""
        if commands.dtype != COMMAND:
            raise InvalidInput("commands: expected records of dtype COMMAND")
        rows = Rows()
        names = COMMAND.names or ()
        for values in commands.tolist():
            command = dict(zip(names, values, strict=True))
            self._do_due(command["time_ns"], rows)
            self._time_ns = command["time_ns"]
            if command["kind"] == CommandKind.NEW:
                self._new(command, rows)
            elif command["kind"] == CommandKind.CANCEL:
                self._cancel(command, rows)
            elif command["kind"] == CommandKind.AMEND:
                self._amend(command, rows)
            elif command["kind"] in {CommandKind.MASS_CANCEL, CommandKind.OWNER_GONE}:
                self._mass_cancel(command, rows)
            elif command["kind"] == CommandKind.SET_SESSION:
                self._set_session(command, rows)
            else:
                self._reject(command, Reason.UNSUPPORTED, rows)
            self._add_quote(rows)
            self._trigger(rows)
        if end_ns is not None:
            self._do_due(end_ns - 1, rows)
        return rows.to_output()

    def _do_due(self, until_ns: int, rows: Rows) -> None:
        """Let orders expire and the session change, one after the other."""
        while (due_ns := self.next_due_ns) is not None and due_ns <= until_ns:
            self._time_ns = max(self._time_ns, due_ns)
            order = self._next_expiring()
            if order and order.expire_ns == due_ns:
                self._end(order, ExecutionKind.EXPIRED, Reason.EXPIRED, rows)
            else:
                state, end_ns = self._sessions.take_due()
                self._change_session(state, Reason.SCHEDULED, end_ns, rows)
            self._add_quote(rows)
            self._trigger(rows)

    def _set_session(self, command: dict[str, int], rows: Rows) -> None:
        if reason := self._why_not_session(command):
            self._reject(command, reason, rows)
            return
        state, owner = SessionState(command["session_state"]), (command["account"], command["serial"])
        self._change_session(state, Reason.REQUESTED, command["expire_time_ns"], rows, owner)

    def _change_session(
        self, state: SessionState, reason: Reason, end_ns: int, rows: Rows, owner: tuple[int, int] = (0, 0)
    ) -> None:
        self._sessions.leave_for(state)
        price, volume = self._uncross(rows) if uncrosses(self.session_state, state) else (0, 0)
        self._sessions.change(state, end_ns)
        self._sequence += 1
        what = (ExecutionKind.SESSION_CHANGED, reason, Side.UNSPECIFIED, state)
        rows.executions.append((self._sequence, self._time_ns, *owner, 0, price, volume, 0, 0, 0, 0, 0, *what))

    def _trigger(self, rows: Rows) -> None:
        """Let the stops whose turn it is trade, one after the other, as long as trading goes on."""
        while self.session_state == SessionState.CONTINUOUS and (stop := self._next_triggered()):
            self._stops.remove(stop)
            del self._orders[stop.account, stop.serial]
            self._add_execution(rows, ExecutionKind.TRIGGERED, Reason.UNSPECIFIED, stop, stop.leaves)
            life, prevention = stop.life, stop.prevention
            stop.order_type, stop.life, stop.prevention, stop.stop_price = OrderType.LIMIT, 0, 0, 0
            self._come(stop, life, prevention, 0, rows)
            self._add_quote(rows)

    def _next_triggered(self) -> RestingOrder | None:
        prices = {Side.BUY: self._last_price, Side.SELL: self._last_price}
        if self._rules.stop_trigger == StopTrigger.QUOTE:
            prices = {side: self._best(side.opposite) for side in (Side.BUY, Side.SELL)}
        for side, sign in ((Side.BUY, 1), (Side.SELL, -1)):
            price = prices[side]
            reached = [
                stop for stop in self._stops if stop.side == side and price and sign * stop.stop_price <= sign * price
            ]
            if reached:
                return min(reached, key=lambda stop: (sign * stop.stop_price, stop.order_id))
        return None

    def _new(self, command: dict[str, int], rows: Rows) -> None:
        if reason := self._why_not(command):
            self._reject(command, reason, rows)
            return
        life, prevention = command["time_in_force"], command["self_trade_prevention"]
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
            order.life, order.prevention = life, prevention
            self._orders[order.account, order.serial] = order
            self._stops.append(order)
            return
        if life == TimeInForce.AT_THE_OPEN:
            order.life, order.order_type = life, command["order_type"]
            edge = self._rules.max_price_ticks if order.side == Side.BUY else self._rules.min_price_ticks
            order.price = order.price or edge
        self._come(order, life, prevention, command["min_quantity_lots"], rows)

    def _come(self, order: RestingOrder, life: int, prevention: int, smallest: int, rows: Rows) -> None:
        """Let an order trade, where there is trading, and what is left of it rest, or cancel that."""
        reason, halts = Reason.UNSPECIFIED, False
        if self.session_state not in COLLECTING:
            reason, halts = self._take(order, life, prevention, smallest, rows)
        if order.leaves and reason:
            self._take_off(order, order.leaves, reason, rows)
        elif order.leaves:
            self._rest(order, rows)
        if halts:
            end_ns = end_after(self._time_ns, self._rules.halt_ns)
            self._change_session(SessionState.HALTED, Reason.PRICE_BAND, end_ns, rows)

    def _cancel(self, command: dict[str, int], rows: Rows) -> None:
        name = (command["account"], command["target_serial"])
        if name in self._orders:
            self._end(self._orders[name], ExecutionKind.CANCELLED, Reason.REQUESTED, rows)
        else:
            self._refuse(name, Reason.UNKNOWN_ORDER, rows)

    def _amend(self, command: dict[str, int], rows: Rows) -> None:
        name = (command["account"], command["target_serial"])
        order = self._orders.get(name)
        if order is None:
            self._refuse(name, Reason.UNKNOWN_ORDER, rows, command["price_ticks"], command["quantity_lots"])
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
            self._come(order, 0, command["self_trade_prevention"], 0, rows)

    def _mass_cancel(self, command: dict[str, int], rows: Rows) -> None:
        account, side = command["account"], command["side"]
        if side not in set(Side):
            self._refuse((account, command["serial"]), Reason.INVALID_SIDE, rows)
            return
        reason = Reason.OWNER_GONE if command["kind"] == CommandKind.OWNER_GONE else Reason.REQUESTED
        found = False
        for named in (Side.BUY, Side.SELL):
            if side in {Side.UNSPECIFIED, named}:
                found |= self._cancel_level_by_level(named, lambda order: order.account == account, reason, rows)
        for stop in [stop for stop in self._stops if stop.account == account and side in {Side.UNSPECIFIED, stop.side}]:
            self._end(stop, ExecutionKind.CANCELLED, reason, rows)
            found = True
        if not found:
            self._refuse((account, command["serial"]), Reason.UNKNOWN_ORDER, rows)
