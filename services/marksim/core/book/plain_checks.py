"""Which of the plain book's checks a command fails; reference.py says in which order they come."""

from marksim.core.book.plain import RestingOrder, can_display
from marksim.core.book.plain_bands import edges
from marksim.core.book.plain_book import PlainBook
from marksim.core.book.plain_sessions import BEFORE_THE_OPEN, COLLECTING, SHUT, may_have_end
from marksim.core.book.rules import MAX_REFILLS
from marksim.core.types import (
    BandAction,
    OrderType,
    PostOnly,
    Reason,
    SelfTradePrevention,
    SessionState,
    Side,
    TimeInForce,
)

NEVER_AMENDED = ("time_in_force", "min_quantity_lots", "stop_price_ticks", "display_lots", "expire_time_ns")
STOPS = (OrderType.STOP, OrderType.STOP_LIMIT)
IMMEDIATE = (TimeInForce.IOC, TimeInForce.FOK)
Checks = tuple[tuple[bool, Reason], ...]


class PlainChecks(PlainBook):
    """Says of a command why it cannot be done."""

    def _why_not(self, command: dict[str, int]) -> Reason:
        """The first check that a new order fails, or UNSPECIFIED."""
        rules = self._rules
        life, post_only = command["time_in_force"], command["post_only"]
        kind, stop = command["order_type"], command["order_type"] in STOPS
        priced, immediate = kind in {OrderType.LIMIT, OrderType.STOP_LIMIT}, life in IMMEDIATE
        price, quantity, stop_price = command["price_ticks"], command["quantity_lots"], command["stop_price_ticks"]
        rests = stop or life == TimeInForce.AT_THE_OPEN or (priced and not immediate)
        checks = (
            (not OrderType.LIMIT <= kind <= OrderType.STOP_LIMIT, Reason.UNSUPPORTED),
            *((failed, Reason.INVALID_TERMS) for failed in self._wrong_terms(command)),
            (self._is_closed_to(command), Reason.MARKET_CLOSED),
            (command["side"] not in {Side.BUY, Side.SELL}, Reason.INVALID_SIDE),
            (not rules.min_quantity_lots <= quantity <= rules.max_quantity_lots, Reason.INVALID_QUANTITY),
            (not 0 <= command["min_quantity_lots"] <= quantity, Reason.INVALID_QUANTITY),
            (not can_display(quantity, command["display_lots"]), Reason.INVALID_QUANTITY),
            (not priced and price != 0, Reason.INVALID_PRICE),
            *(self._price_checks(command["side"], price, quantity, post_only, banded=not stop) if priced else ()),
            (stop and stop_price <= 0, Reason.INVALID_PRICE),
            (stop and not rules.min_price_ticks <= stop_price <= rules.max_price_ticks, Reason.PRICE_BAND),
            (life == TimeInForce.GTD and command["expire_time_ns"] <= command["time_ns"], Reason.EXPIRED),
            ((command["account"], command["serial"]) in self._orders, Reason.DUPLICATE_ORDER_ID),
            (self._too_many_refills(command["display_lots"], quantity, None), Reason.BOOK_FULL),
            (rests and len(self._orders) >= rules.max_orders, Reason.BOOK_FULL),
        )
        return next((reason for failed, reason in checks if failed), Reason.UNSPECIFIED)

    def _wrong_terms(self, command: dict[str, int]) -> tuple[bool, ...]:
        life, post_only, kind = command["time_in_force"], command["post_only"], command["order_type"]
        display, min_quantity = command["display_lots"], command["min_quantity_lots"]
        stop, immediate, at_the_open = kind in STOPS, life in IMMEDIATE, life == TimeInForce.AT_THE_OPEN
        return (
            life > max(TimeInForce) or post_only > max(PostOnly),
            command["self_trade_prevention"] > max(SelfTradePrevention),
            kind == OrderType.MARKET and life in {TimeInForce.GTC, TimeInForce.GTD},
            kind == OrderType.STOP and immediate,
            at_the_open and (stop or display != 0 or post_only != 0 or min_quantity != 0),
            display != 0 and (immediate or kind != OrderType.LIMIT),
            post_only != 0 and (immediate or kind != OrderType.LIMIT),
            (post_only != 0 or stop) and min_quantity != 0,
            command["stop_price_ticks"] != 0 and not stop,
            (life == TimeInForce.GTD) != (command["expire_time_ns"] > 0),
            command["expire_time_ns"] < 0,
        )

    def _is_closed_to(self, command: dict[str, int]) -> bool:
        """Whether the session does not take a new order."""
        life, kind = command["time_in_force"], command["order_type"]
        if life == TimeInForce.AT_THE_OPEN:
            return self.session_state not in BEFORE_THE_OPEN
        if self.session_state not in COLLECTING:
            return self.session_state in SHUT
        trades_at_once = kind == OrderType.MARKET or (kind == OrderType.LIMIT and life in IMMEDIATE)
        return trades_at_once or command["post_only"] != 0 or command["min_quantity_lots"] != 0

    def _why_not_amend(self, command: dict[str, int], order: RestingOrder, price: int, quantity: int) -> Reason:
        """The first check that an amendment fails, or UNSPECIFIED."""
        rules, post_only, renamed = self._rules, command["post_only"], (command["account"], command["serial"])
        closed = self.session_state in SHUT or (self.session_state in COLLECTING and post_only != 0)
        checks = (
            (any(command[name] for name in NEVER_AMENDED), Reason.INVALID_TERMS),
            (post_only > max(PostOnly), Reason.INVALID_TERMS),
            (command["self_trade_prevention"] > max(SelfTradePrevention), Reason.INVALID_TERMS),
            (post_only != 0 and order.order_type in STOPS, Reason.INVALID_TERMS),
            (closed, Reason.MARKET_CLOSED),
            (not rules.min_quantity_lots <= quantity <= rules.max_quantity_lots, Reason.INVALID_QUANTITY),
            (not can_display(quantity, min(order.display, quantity)), Reason.INVALID_QUANTITY),
            *(
                ((command["price_ticks"] != 0, Reason.INVALID_PRICE),)
                if order.order_type in {OrderType.STOP, OrderType.MARKET}
                else self._price_checks(
                    order.side,
                    price,
                    quantity,
                    post_only,
                    banded=order.order_type not in STOPS and price != order.price,
                )
            ),
            (self._too_many_refills(order.display, quantity, order), Reason.BOOK_FULL),
            (self._orders.get(renamed, order) is not order, Reason.DUPLICATE_ORDER_ID),
        )
        return next((reason for failed, reason in checks if failed), Reason.UNSPECIFIED)

    def _why_not_session(self, command: dict[str, int]) -> Reason:
        """The first check that a change of the session fails, or UNSPECIFIED."""
        state, end_ns = command["session_state"], command["expire_time_ns"]
        if state not in set(SessionState) - {SessionState.UNSPECIFIED} or end_ns < 0 or (end_ns and not may_have_end(state)):
            return Reason.INVALID_TERMS
        return Reason.EXPIRED if end_ns and end_ns <= command["time_ns"] else Reason.UNSPECIFIED

    def _price_checks(self, side: int, price: int, quantity: int, post_only: int, banded: bool) -> Checks:
        slid = self._price_after_slide(side, price, post_only)
        return (
            (price <= 0, Reason.INVALID_PRICE),
            (not self._rules.min_price_ticks <= price <= self._rules.max_price_ticks, Reason.PRICE_BAND),
            (banded and self._is_beyond_band(side, price), Reason.PRICE_BAND),
            (post_only != 0 and self._takes_at(side, slid), Reason.WOULD_TAKE),
            (slid * quantity < self._rules.min_notional, Reason.BELOW_MIN_NOTIONAL),
        )

    def _is_beyond_band(self, side: int, price: int) -> bool:
        """Whether a limit price is rejected for a band."""
        if self.session_state != SessionState.CONTINUOUS or self._rules.band_action == BandAction.HALT:
            return False
        return self._inside_band(side, price) != price

    def _inside_band(self, side: int, price: int) -> int:
        """A price, or the edge of the band that an order of that side meets before it."""
        lower, upper = edges(self._rules, self._reference, self._last_price)
        return min(price, upper) if side == Side.BUY else max(price, lower)

    def _price_after_slide(self, side: int, price: int, post_only: int) -> int:
        """Where the order would rest: at its price, or one tick off the other side if it slides and the bands let it."""
        if post_only != PostOnly.SLIDE or not self._takes_at(side, price):
            return price
        slid = self._best(Side.SELL) - 1 if side == Side.BUY else self._best(Side.BUY) + 1
        return slid if self._rules.min_price_ticks <= slid <= self._rules.max_price_ticks else price

    def _too_many_refills(self, display: int, quantity: int, amended: RestingOrder | None) -> bool:
        """Whether an iceberg more could make a sweep too long; counted without what of it is shown at first.

        One that is amended comes in the place of what it was.
        """
        if not display:
            return False
        others = [order for order in self._orders.values() if order.hidden and order is not amended]
        to_come = sum(-(-order.hidden // order.display) for order in others)
        return to_come + quantity // display > MAX_REFILLS
