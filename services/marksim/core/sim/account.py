"""One agent's account: its orders, position and cash, brought up to date by the events that have reached it."""

from collections import deque

from marksim.core.types import ExecutionKind, OrderStatus, Side

_TRADED, _AMENDED = int(ExecutionKind.TRADED), int(ExecutionKind.AMENDED)
_STATUS_OF_END = {
    int(ExecutionKind.CANCELLED): OrderStatus.CANCELLED,
    int(ExecutionKind.EXPIRED): OrderStatus.EXPIRED,
    int(ExecutionKind.REJECTED): OrderStatus.REJECTED,
}

Notice = tuple[int, int, int, int, int, int]
"""(visible at ns, serial, ExecutionKind, price ticks, quantity lots, leaves lots)"""


class OwnOrder:
    """An order that the agent sent; changes only when an event of it reaches the agent."""

    __slots__ = (
        "leaves_lots",
        "price_ticks",
        "quantity_lots",
        "serial",
        "side",
        "status",
    )

    def __init__(self, serial: int, side: Side, price_ticks: int, quantity_lots: int) -> None:
        self.serial = serial
        self.side = side
        self.price_ticks = price_ticks
        self.quantity_lots = quantity_lots
        self.leaves_lots = quantity_lots
        self.status = OrderStatus.PENDING

    @property
    def closed(self) -> bool:
        """True when nothing of it can trade any more."""
        return self.status >= OrderStatus.FILLED


class Account:
    """Own orders by serial (open ones only), position in lots, and cash in tick x lot."""

    __slots__ = ("cash_ticks", "inbox", "number", "orders", "position_lots", "serial")

    def __init__(self, number: int) -> None:
        self.number = number
        self.serial = 0
        self.orders: dict[int, OwnOrder] = {}
        self.inbox: deque[Notice] = deque()
        self.position_lots = 0
        self.cash_ticks = 0

    def next_serial(self) -> int:
        """A number that no order or command of this account has had."""
        self.serial += 1
        return self.serial

    def learn(self, now_ns: int) -> None:
        """Take in every event that is visible by now. Notices lie in the inbox in the order in which they become visible."""
        inbox = self.inbox
        while inbox and inbox[0][0] <= now_ns:
            _, serial, kind, price_ticks, quantity_lots, leaves_lots = inbox.popleft()
            order = self.orders.get(serial)
            if order is None:
                continue  # the refusal of a cancel that crossed with the order's end
            if kind == _TRADED:
                sign = 1 if order.side is Side.BUY else -1
                self.position_lots += sign * quantity_lots
                self.cash_ticks -= sign * quantity_lots * price_ticks
                order.leaves_lots = leaves_lots
                order.status = OrderStatus.PARTIALLY_FILLED if leaves_lots else OrderStatus.FILLED
            elif kind == _AMENDED:
                order.price_ticks, order.quantity_lots, order.leaves_lots = price_ticks, quantity_lots, leaves_lots
            elif kind in _STATUS_OF_END and leaves_lots:
                order.leaves_lots = leaves_lots  # a part of it was taken off
            elif kind in _STATUS_OF_END:
                order.status = _STATUS_OF_END[kind]
            else:
                order.status = max(order.status, OrderStatus.OPEN)
            if order.closed:
                del self.orders[serial]
