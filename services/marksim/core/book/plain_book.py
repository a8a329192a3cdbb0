"""What the plain book holds, what it can be asked, and the rows that tell of a change."""

from collections import deque
from collections.abc import Callable

import numpy as np

from marksim.core.book.plain import RestingOrder, Rows, resting_rows
from marksim.core.book.plain_auction import NOTHING, Uncrossing, uncrossing
from marksim.core.book.plain_sessions import Sessions
from marksim.core.book.resting import OpenOrder, hash_state, open_orders
from marksim.core.book.rules import Rules
from marksim.core.types import DEPTH, ExecutionKind, Reason, Records, Session, SessionState, Side

INDICATIVE = (SessionState.OPENING_AUCTION, SessionState.CLOSING_AUCTION)


class PlainBook:
    """Two sides of queues by price, the stops that wait, and counters."""

    def __init__(self, rules: Rules, start_ns: int) -> None:
        self._rules = rules
        self._sides: dict[int, dict[int, deque[RestingOrder]]] = {Side.BUY: {}, Side.SELL: {}}
        self._orders: dict[tuple[int, int], RestingOrder] = {}
        self._stops: list[RestingOrder] = []
        self._any_expire = False
        """Whether an order that expires ever came; it only saves looking."""
        self._sessions = Sessions(rules, start_ns)
        self._reference = rules.reference_price_ticks
        self._last_price = 0
        self._sequence = 0
        self._last_order_id = 0
        self._time_ns = 0
        self._quote = (rules.reference_price_ticks, 0, rules.reference_price_ticks, 0)

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
    def session_state(self) -> SessionState:
        return self._sessions.state

    @property
    def session(self) -> Session:
        """Where the book stands in its day; in an auction, with what that comes to as the book is now."""
        at = self._uncrossing() if self.session_state in INDICATIVE else NOTHING
        return Session(self.session_state, self._sessions.volume, at.price, at.volume, at.surplus)

    @property
    def next_due_ns(self) -> int | None:
        """When something next happens by itself, an expiry or a change of the session; None where nothing does."""
        expiring = self._next_expiring()
        due = (expiring.expire_ns if expiring else None, self._sessions.due_ns)
        return min((at_ns for at_ns in due if at_ns is not None), default=None)

    def due_before(self, time_ns: int) -> bool:
        """Whether something happens by itself before that time."""
        due_ns = self.next_due_ns
        return due_ns is not None and due_ns < time_ns

    def depth(self, levels: int | None = None) -> Records:
        """DEPTH rows of the best `levels` (None: all) of each side, bids best first, then asks best first."""
        rows = [
            self._depth_row(side, price) for side in (Side.BUY, Side.SELL) for price in self._prices(side)[: _most(levels)]
        ]
        return np.array(rows, dtype=DEPTH)

    def by_order(self, levels: int, most: int) -> Records:
        """RESTING rows of the best `levels` of each side, bids first, at most the `most` oldest orders of a level."""
        best = [(side, price) for side in (Side.BUY, Side.SELL) for price in self._prices(side)[: _most(levels)]]
        return resting_rows([order for side, price in best for order in list(self._sides[side][price])[: _most(most)]])

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
        counters = (
            *(self._sequence, self._last_order_id, self._time_ns, self._quote[0], self._quote[2], self._last_price),
            *(self._sessions.state, self._sessions.end_ns, self._sessions.volume),
            *(self._reference, self._sessions.scheduled_ns),
        )
        return hash_state(self.resting(), counters)

    def _next_expiring(self) -> RestingOrder | None:
        expiring = [order for order in self._orders.values() if order.expire_ns] if self._any_expire else []
        return min(expiring, key=lambda order: (order.expire_ns, order.order_id), default=None)

    def _prices(self, side: int) -> list[int]:
        return sorted(self._sides[side], reverse=side == Side.BUY)

    def _best(self, side: int) -> int:
        """The best price of a side; 0 where that is empty."""
        prices = self._sides[side]
        return (max(prices) if side == Side.BUY else min(prices)) if prices else 0

    def _takes_at(self, side: int, price: int) -> bool:
        """Whether an order at that price would trade at once."""
        best = self._best(Side.SELL if side == Side.BUY else Side.BUY)
        return best != 0 and (best <= price if side == Side.BUY else best >= price)

    def _uncrossing(self) -> Uncrossing:
        """What an auction would come to now. Orders that cross none of the other side's have no part in it."""
        bid, ask = self._best(Side.BUY), self._best(Side.SELL)
        quantities = {
            side: {
                price: sum(order.leaves for order in queue)
                for price, queue in self._sides[side].items()
                if ask <= price <= bid
            }
            for side in (Side.BUY, Side.SELL)
        }
        return uncrossing(quantities[Side.BUY], quantities[Side.SELL], self._reference)

    def _rest(self, order: RestingOrder, rows: Rows) -> None:
        order.hidden = max(0, order.leaves - order.display) if order.display else 0
        self._orders[order.account, order.serial] = order
        self._sides[order.side].setdefault(order.price, deque()).append(order)
        rows.depth.append(self._depth_row(order.side, order.price))

    def _leave(self, order: RestingOrder) -> None:
        queue = self._sides[order.side][order.price]
        queue.remove(order)
        if not queue:
            del self._sides[order.side][order.price]

    def _remove(self, order: RestingOrder) -> None:
        if order in self._stops:
            self._stops.remove(order)
        else:
            self._leave(order)
        del self._orders[order.account, order.serial]

    def _end(self, order: RestingOrder, kind: ExecutionKind, reason: Reason, rows: Rows) -> None:
        """End an order that rests or waits, and tell of it and its level."""
        rests = order not in self._stops
        self._remove(order)
        quantity, order.leaves, order.hidden = order.leaves, 0, 0
        self._add_execution(rows, kind, reason, order, quantity)
        if rests:
            rows.depth.append(self._depth_row(order.side, order.price))

    def _cancel_level_by_level(self, side: Side, wanted: Callable[[RestingOrder], bool], reason: Reason, rows: Rows) -> bool:
        """Cancel what rests on a side and is wanted, in priority order, one row of depth a level. Whether there was any."""
        found = False
        for price in self._prices(side):
            orders = [order for order in self._sides[side][price] if wanted(order)]
            for order in orders:
                self._remove(order)
                self._take_off(order, order.leaves, reason, rows)
            if orders:
                rows.depth.append(self._depth_row(side, price))
                found = True
        return found

    def _has_traded(self, order: RestingOrder, rows: Rows) -> None:
        """A resting order that has nothing left is gone; one that shows nothing shows its next part."""
        if not order.leaves:
            self._remove(order)
        elif not order.shown:
            part = min(order.display, order.hidden)
            order.hidden -= part
            queue = self._sides[order.side][order.price]
            queue.remove(order)
            queue.append(order)
            self._add_execution(rows, ExecutionKind.REFILLED, Reason.UNSPECIFIED, order, part)

    def _take_off(self, order: RestingOrder, quantity: int, reason: Reason, rows: Rows) -> None:
        order.leaves -= quantity
        order.hidden = max(0, order.hidden - quantity)
        self._add_execution(rows, ExecutionKind.CANCELLED, reason, order, quantity)

    def _reject(self, command: dict[str, int], reason: Reason, rows: Rows) -> None:
        side = command["side"] if command["side"] in {Side.BUY, Side.SELL} else Side.UNSPECIFIED
        order = RestingOrder(command["account"], command["serial"], 0, command["price_ticks"], 0, 0, side)
        self._add_execution(rows, ExecutionKind.REJECTED, reason, order, command["quantity_lots"])

    def _refuse(self, name: tuple[int, int], reason: Reason, rows: Rows, price: int = 0, quantity: int = 0) -> None:
        """Say that a cancel or an amendment found nothing."""
        nothing = RestingOrder(*name, 0, price, 0, 0, Side.UNSPECIFIED)
        self._add_execution(rows, ExecutionKind.CANCEL_REJECTED, reason, nothing, quantity)

    def _add_execution(self, rows: Rows, kind: ExecutionKind, reason: Reason, order: RestingOrder, quantity: int) -> None:
        """The next row, of an order as it is now."""
        self._sequence += 1
        of_order = (order.account, order.serial, order.order_id, order.price, quantity, order.leaves)
        rows.executions.append((self._sequence, self._time_ns, *of_order, 0, 0, 0, 0, kind, reason, order.side, 0))

    def _add_trade(self, rows: Rows, taker: RestingOrder, maker: RestingOrder, price: int, quantity: int, side: int) -> None:
        """The row of a trade; in an auction the taker is the buyer, and side is UNSPECIFIED."""
        self._last_price = price
        self._sessions.volume += quantity
        self._sequence += 1
        of_taker = (taker.account, taker.serial, taker.order_id, price, quantity, taker.leaves)
        of_maker = (maker.account, maker.serial, maker.order_id, maker.leaves)
        what = (ExecutionKind.TRADED, Reason.UNSPECIFIED, side, 0)
        rows.executions.append((self._sequence, self._time_ns, *of_taker, *of_maker, *what))

    def _depth_row(self, side: int, price: int) -> tuple[int, ...]:
        """The level as it is now, with the last execution there was."""
        queue = self._sides[side].get(price, ())
        return (self._sequence, self._time_ns, price, sum(order.shown for order in queue), len(queue), side)

    def _add_quote(self, rows: Rows) -> None:
        """A row if best price or size differ from the last ones quoted.

        An empty side keeps its last quoted price, and so do both where the session is not CONTINUOUS.
        """
        quote: list[int] = []
        for side, last_price in ((Side.BUY, self._quote[0]), (Side.SELL, self._quote[2])):
            best = self._best(side) if self.session_state == SessionState.CONTINUOUS else 0
            quote += [best or last_price, sum(order.shown for order in self._sides[side].get(best, ()))]
        if tuple(quote) != self._quote:
            self._quote = (quote[0], quote[1], quote[2], quote[3])
            rows.quotes.append((self._sequence, self._time_ns, *self._quote))


def _most(count: int | None) -> int | None:
    """The end of a slice of so many; None is all."""
    return None if count is None else max(count, 0)
