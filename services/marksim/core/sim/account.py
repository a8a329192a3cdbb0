"""What one agent has in one symbol: orders, position and cash, brought up to date by the events that have reached it."""

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from marksim.core.agents.latency import Latency, latency_key
from marksim.core.sim.commands import command
from marksim.core.sim.feed import Reach, SymbolFeed
from marksim.core.sim.orders import OPEN, OwnOrder
from marksim.core.sim.scheduler import Priority
from marksim.core.sim.views import OwnFill
from marksim.core.types import CommandKind, ExecutionKind, OrderStatus, Reason, Side

if TYPE_CHECKING:
    from marksim.core.sim.agent import Agent

_ACCEPTED, _TRADED, _AMENDED, _CANCEL_REJECTED = (
    int(ExecutionKind.ACCEPTED),
    int(ExecutionKind.TRADED),
    int(ExecutionKind.AMENDED),
    int(ExecutionKind.CANCEL_REJECTED),
)
_STATUS_OF_END: Final = {
    int(ExecutionKind.CANCELLED): OrderStatus.CANCELLED,
    int(ExecutionKind.EXPIRED): OrderStatus.EXPIRED,
    int(ExecutionKind.REJECTED): OrderStatus.REJECTED,
}
_REASONS: Final = tuple(map(Reason, range(len(Reason))))
_MAKER: Final = 1
_BUY: Final = Side.BUY

MOST_UNREAD: Final = 1_024
"""Events that may lie unread; then those that have reached the agent are taken in, which changes nothing that it sees."""

Notice = tuple[int, int, int, int, int, int, int, int]
"""(visible at ns, serial, ExecutionKind, price ticks, quantity lots, leaves lots, Reason or maker of a trade, time ns)"""


class Holding:
    """Own orders of a symbol by serial (open ones only), position in lots, and cash in tick x lot."""

    __slots__ = (
        "_event_latency",
        "_feed_key",
        "_feed_ns",
        "_last_visible_ns",
        "_order_key",
        "_order_latency",
        "_order_ns",
        "_outbox",
        "_scheduled",
        "agent",
        "arrival_ns",
        "cash_ticks",
        "feed",
        "inbox",
        "orders",
        "position_lots",
        "reach",
        "symbol",
        "units",
        "withdrawn_until_ns",
    )

    def __init__(self, agent: "Agent", feed: SymbolFeed, seed: int) -> None:
        spec = agent.spec
        self.agent = agent
        self.feed: SymbolFeed = feed
        self.symbol: str = feed.symbol
        self.units = feed.units
        self.orders: dict[int, OwnOrder] = {}
        self.inbox: deque[Notice] = deque()
        self.position_lots = 0
        self.cash_ticks = 0
        self.arrival_ns = 0
        self.withdrawn_until_ns = 0
        self._order_latency, self._order_ns = spec.order_latency, _constant_ns(spec.order_latency)
        self._event_latency, self._feed_ns = spec.feed_latency, _constant_ns(spec.feed_latency)
        self._order_key = latency_key(seed, spec.name, "order")
        self._feed_key = latency_key(seed, spec.name, "feed")
        self.reach: Reach = Reach(feed, spec.feed_latency, self._feed_key)
        self._last_visible_ns = 0
        self._scheduled = False
        self._outbox = agent.engine.outbox(feed.symbol)

    def state(self) -> list[int]:
        """What it has and when it last sent and heard; without its orders, and what lies unread."""
        arrival = [self.arrival_ns, self.withdrawn_until_ns, self._last_visible_ns]
        return [self.position_lots, self.cash_ticks, *arrival]

    def restore(self, state: Sequence[int], *, scheduled: bool) -> None:
        """Take what `state` gave; whether the next event has an entry in the schedule already."""
        self.position_lots, self.cash_ticks, self.arrival_ns, self.withdrawn_until_ns, self._last_visible_ns = state
        self._scheduled = scheduled

    def forget(self) -> None:
        """Be as at the start of the run, but for when the last command arrives, which no later one may overtake."""
        self.orders.clear()
        self.inbox.clear()
        self.position_lots = self.cash_ticks = 0

    def arrival(self, serial: int) -> int:
        """When a command that is sent now reaches the book: never before an earlier one of this agent, so that no cancel
        overtakes its order.
        """
        delay_ns = self._order_ns
        if delay_ns < 0:
            delay_ns = self._order_latency.draw_ns(self._order_key, serial)
        arrival_ns = self.agent.scheduler.now_ns + delay_ns
        if arrival_ns < self.arrival_ns:
            return self.arrival_ns
        self.arrival_ns = arrival_ns
        return arrival_ns

    def notify(
        self,
        serial: int,
        kind: int,
        price_ticks: int,
        quantity_lots: int,
        leaves_lots: int,
        extra: int,
        time_ns: int,
        earliest_ns: int,
        sequence: int,
    ) -> None:
        """An event is on its way, and visible from `earliest_ns` on at least; in the order of their sequence."""
        delay_ns = self._feed_ns
        if delay_ns < 0:
            delay_ns = self._event_latency.draw_ns(self._feed_key, sequence)
        visible_ns = time_ns + delay_ns
        visible_ns = max(visible_ns, earliest_ns)
        visible_ns = max(visible_ns, self._last_visible_ns)
        self._last_visible_ns = visible_ns
        self.inbox.append((visible_ns, serial, kind, price_ticks, quantity_lots, leaves_lots, extra, time_ns))
        if self.agent.listening:
            self.schedule()
        elif len(self.inbox) > MOST_UNREAD:
            self.agent.learn()

    def schedule(self) -> None:
        """Wake the agent when the next event reaches it."""
        if self.inbox and not self._scheduled:
            self._scheduled = True
            self.agent.scheduler.at(self.inbox[0][0], Priority.DELIVERY, self)

    def fire(self) -> None:
        self._scheduled = False
        self.agent.learn()
        if self.agent.listening:
            # Also where there was nothing to learn, because another event of this instant came first.
            self.schedule()

    @property
    def dead(self) -> bool:
        """Never: it is in the heap once at most."""
        return False

    def send(self, row: bytes) -> None:
        """Put a command on its way to the book of this symbol."""
        self._outbox.append(row)

    def cancel_all(self, serial: int) -> None:
        """Cancel all that the agent has here: what it sent before gets there before."""
        arrival_ns, account = self.arrival(serial), self.agent.spec.account
        self.send(command(arrival_ns, account, serial, CommandKind.MASS_CANCEL))

    def refuse(self, order: OwnOrder, reason: Reason) -> None:
        """Refuse an order on its way out; the agent learns of it as it would of the book's refusal."""
        arrival_ns, rejected = self.arrival(order.serial), int(ExecutionKind.REJECTED)
        earliest_ns = self.agent.engine.window_end_after(arrival_ns + 1)
        lots, serial = order.quantity_lots, order.serial
        self.notify(serial, rejected, order.price_ticks, lots, 0, reason, arrival_ns, earliest_ns, serial)

    def learn(self, now_ns: int) -> bool:
        """Take in every event that is visible by now; whether there was one."""
        inbox = self.inbox
        if not inbox or inbox[0][0] > now_ns:
            return False
        orders = self.orders
        while inbox and inbox[0][0] <= now_ns:
            _, serial, kind, price_ticks, quantity_lots, leaves_lots, extra, time_ns = inbox.popleft()
            order = orders.get(serial)
            if order is None:
                continue  # the refusal of a cancel that crossed with the order's end
            if kind == _ACCEPTED:
                order.status = OPEN
            elif kind == _TRADED:
                self._trade(order, price_ticks, quantity_lots, leaves_lots, extra, time_ns)
            elif kind in _STATUS_OF_END:
                if leaves_lots:
                    order.leaves_lots = leaves_lots  # a part of it was taken off
                else:
                    order.end(_STATUS_OF_END[kind], _REASONS[extra])
                    del orders[serial]
            elif kind == _AMENDED:
                order.price_ticks, order.quantity_lots, order.leaves_lots = price_ticks, quantity_lots, leaves_lots
                order.answered += 1
            elif kind == _CANCEL_REJECTED:
                order.answered += 1
            if order.waits:
                self.agent.check(order.waits, order)
        return True

    def _trade(self, order: OwnOrder, price_ticks: int, lots: int, leaves_lots: int, extra: int, time_ns: int) -> None:
        signed = lots if order.side is _BUY else -lots
        self.position_lots += signed
        self.cash_ticks -= signed * price_ticks
        order.trade(price_ticks, lots, leaves_lots)
        if not leaves_lots:
            del self.orders[order.serial]
        if self.agent.wants_fills:
            self.agent.filled(OwnFill(order, self.units, time_ns, price_ticks, lots, extra == _MAKER))


def _constant_ns(latency: Latency) -> int:
    """A constant latency; -1 where it is drawn."""
    return latency.least_ns if latency.is_constant else -1
