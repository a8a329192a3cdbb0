"""An agent's own orders, and the waits for what becomes of them."""

from collections.abc import Sequence
from math import nan
from typing import TYPE_CHECKING, Final

from marksim.core.sim.awaiting import PARKED, Wait, Waiter
from marksim.core.types import OrderStatus, Reason, Side

if TYPE_CHECKING:
    from marksim.core.sim.account import Holding

# Names of this module's own: a look at an enum's member takes several times as long.
PENDING: Final = OrderStatus.PENDING
OPEN: Final = OrderStatus.OPEN
PARTIALLY_FILLED: Final = OrderStatus.PARTIALLY_FILLED
FILLED: Final = OrderStatus.FILLED
NO_REASON: Final = Reason.UNSPECIFIED


class OwnOrder:
    """An order that the agent sent; changes only when an event of it reaches the agent.

    `asked` and `answered` count its cancels and amendments; `waits` are those who wait for a change, None where nobody does.
    """

    __slots__ = (
        "_cost",
        "answered",
        "asked",
        "filled_lots",
        "holding",
        "leaves_lots",
        "price_ticks",
        "quantity_lots",
        "reason",
        "serial",
        "side",
        "status",
        "waits",
    )

    def __init__(self, holding: "Holding", serial: int, side: Side, price_ticks: int, quantity_lots: int) -> None:
        self.holding = holding
        self.serial = serial
        self.side = side
        self.price_ticks = price_ticks
        self.quantity_lots = quantity_lots
        self.leaves_lots = quantity_lots
        self.filled_lots = 0
        self.status = PENDING
        self.reason = NO_REASON
        self.asked = 0
        self.answered = 0
        self.waits: list[OrderWait] | None = None
        self._cost = 0

    @property
    def symbol(self) -> str:
        return self.holding.symbol

    @property
    def closed(self) -> bool:
        """True when nothing of it can trade any more."""
        return self.status >= FILLED

    @property
    def price(self) -> float:
        return self.holding.units.price.units(self.price_ticks)

    @property
    def quantity(self) -> float:
        return self.holding.units.quantity.units(self.quantity_lots)

    @property
    def leaves(self) -> float:
        return self.holding.units.quantity.units(self.leaves_lots)

    @property
    def filled(self) -> float:
        return self.holding.units.quantity.units(self.filled_lots)

    @property
    def average_price(self) -> float:
        """Of its fills; nan before the first."""
        return self.holding.units.price.units(self._cost) / self.filled_lots if self.filled_lots else nan

    def trade(self, price_ticks: int, quantity_lots: int, leaves_lots: int) -> None:
        """A part of it traded."""
        self.filled_lots += quantity_lots
        self._cost += price_ticks * quantity_lots
        self.leaves_lots = leaves_lots
        self.status = PARTIALLY_FILLED if leaves_lots else FILLED

    def end(self, status: OrderStatus, reason: Reason) -> None:
        """Nothing of it is left."""
        self.status = status
        self.reason = reason
        self.leaves_lots = 0

    def state(self) -> tuple[int, ...]:
        """All that it is, without who waits for it."""
        prices = (self.price_ticks, self.quantity_lots, self.leaves_lots, self.filled_lots)
        return (self.serial, self.side, *prices, self.status, self.reason, self.asked, self.answered, self._cost)

    @classmethod
    def restored(cls, holding: "Holding", state: Sequence[int]) -> "OwnOrder":
        """One of which `state` gave that."""
        serial, side, price_ticks, quantity_lots, leaves_lots, filled_lots, status, reason, asked, answered, cost = state
        order = cls(holding, serial, Side(side), price_ticks, quantity_lots)
        order.leaves_lots, order.filled_lots, order._cost = leaves_lots, filled_lots, cost
        order.status, order.reason = OrderStatus(status), Reason(reason)
        order.asked, order.answered = asked, answered
        return order

    def __repr__(self) -> str:
        what = f"{self.side.name} {self.quantity:.12g} {self.symbol} at {self.price:.12g}"
        return f"<order {self.serial}: {what}, {self.status.name}, filled {self.filled:.12g}>"


class OrderWait(Wait[OwnOrder]):
    """For a change of an order. May be awaited again after it was given up, or when it is over."""

    __slots__ = ("_order",)

    def __init__(self, order: OwnOrder) -> None:
        self.waiter = None
        self.spent = False
        self._order = order

    @property
    def order(self) -> OwnOrder:
        return self._order

    @property
    def ready(self) -> bool:
        raise NotImplementedError

    def arm(self, waiter: Waiter) -> object:
        order = self._order
        if self.ready:
            return order
        self.claim_for(order.holding.agent, waiter)
        if order.waits is None:
            order.waits = []
        order.waits.append(self)
        waiter.agent.listen()
        return PARKED

    def disarm(self) -> None:
        if self.waiter is not None:
            assert self._order.waits is not None, "an armed wait stands at its order"
            self._order.waits.remove(self)
            self.waiter.agent.unlisten()
        self.waiter = None

    def finish(self, value: object) -> None:
        waiter = self.waiter
        if waiter is not None:
            self.disarm()
            waiter.wake(self, value)


class Acknowledged(OrderWait):
    """Until it is known whether the book took it."""

    __slots__ = ()

    @property
    def ready(self) -> bool:
        return self._order.status is not PENDING


class Closed(OrderWait):
    """Until nothing of it can trade any more."""

    __slots__ = ()

    @property
    def ready(self) -> bool:
        return self._order.status >= FILLED


class Answered(OrderWait):
    """Until the last cancel or amendment that was asked for has had its answer, or the order has ended before."""

    __slots__ = ("_number",)

    def __init__(self, order: OwnOrder) -> None:
        self.waiter = None
        self.spent = False
        self._order = order
        self._number = order.asked

    @property
    def ready(self) -> bool:
        return self._order.answered >= self._number or self._order.status >= FILLED
