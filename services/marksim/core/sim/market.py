"""The market that the engine injects into an agent (the Protocol is `core.agents.market.Market`)."""

from typing import TYPE_CHECKING

import numpy as np

from marksim.core.agents.market import Order
from marksim.core.sim.account import OwnOrder
from marksim.core.sim.awaiting import NextTick, SleepUntil
from marksim.core.sim.scheduler import Scheduler
from marksim.core.types import (
    NS_PER_S,
    CommandKind,
    Instrument,
    OrderType,
    Side,
    Tick,
    TimeInForce,
)

if TYPE_CHECKING:
    from marksim.core.sim.engine import AgentTask, AsyncTimeEngine

_NEW, _CANCEL = int(CommandKind.NEW), int(CommandKind.CANCEL)
_LIMIT, _MARKET = int(OrderType.LIMIT), int(OrderType.MARKET)
_GTC, _IOC = int(TimeInForce.GTC), int(TimeInForce.IOC)


class AgentMarket:
    """One agent's view of its symbol."""

    __slots__ = (
        "_account",
        "_engine",
        "_feed",
        "_feed_latency_ns",
        "_order_latency_ns",
        "_scheduler",
        "_task",
        "rng",
    )

    def __init__(
        self,
        engine: "AsyncTimeEngine",
        task: "AgentTask",
        scheduler: Scheduler,
        rng: np.random.Generator,
    ) -> None:
        self.rng = rng
        self._engine = engine
        self._task = task
        self._scheduler = scheduler
        self._account = task.account
        self._feed = task.feed
        self._feed_latency_ns = task.spec.feed_latency_ns
        self._order_latency_ns = task.spec.order_latency_ns

    @property
    def name(self) -> str:
        return self._task.spec.name

    @property
    def now_ns(self) -> int:
        return self._scheduler.now_ns

    @property
    def instrument(self) -> Instrument:
        return self._feed.instrument

    @property
    def tick(self) -> Tick:
        now_ns, latency_ns = self._scheduler.now_ns, self._feed_latency_ns
        shown = self._feed.shown
        for end_ns, tick in reversed(shown):
            if end_ns <= now_ns and tick.time_ns + latency_ns <= now_ns:
                return tick
        return shown[0][1]

    @property
    def position_lots(self) -> int:
        return self._account.position_lots

    @property
    def cash_ticks(self) -> int:
        return self._account.cash_ticks

    def fundamental_ticks(self, sd_ticks: float, half_life_s: float) -> float:
        return self._engine.fundamental(self.instrument.symbol, sd_ticks, half_life_s)

    def limit(
        self,
        side: Side,
        price_ticks: int,
        quantity_lots: int,
        *,
        immediate: bool = False,
    ) -> OwnOrder:
        return self._send(side, _LIMIT, _IOC if immediate else _GTC, price_ticks, quantity_lots)

    def market(self, side: Side, quantity_lots: int) -> OwnOrder:
        return self._send(side, _MARKET, _IOC, 0, quantity_lots)

    def cancel(self, order: Order) -> None:
        serial = self._account.next_serial()
        arrival_ns = self._scheduler.now_ns + self._order_latency_ns
        account = self._account.number
        self._engine.send(
            self._task,
            (
                arrival_ns,
                account,
                serial,
                0,
                0,
                0,
                0,
                0,
                0,
                order.serial,
                0,
                _CANCEL,
                0,
                0,
                0,
                0,
                0,
                0,
            ),
        )

    def sleep(self, seconds: float) -> SleepUntil:
        return SleepUntil(self._scheduler.now_ns + max(0, int(seconds * NS_PER_S)))

    def sleep_until(self, time_ns: int) -> SleepUntil:
        return SleepUntil(max(time_ns, self._scheduler.now_ns))

    def next_tick(self) -> NextTick:
        return NextTick()

    def wake(self, _: object) -> None:
        """Bring the account up to date and let the agent go on."""
        self._account.learn(self._scheduler.now_ns)
        self._engine.resume(self._task)

    def wake_with(self, tick: Tick) -> None:
        """The same, with the tick it waited for."""
        self._account.learn(self._scheduler.now_ns)
        self._engine.resume(self._task, tick)

    def _send(
        self,
        side: Side,
        order_type: int,
        time_in_force: int,
        price_ticks: int,
        quantity_lots: int,
    ) -> OwnOrder:
        account = self._account
        order = OwnOrder(account.next_serial(), side, price_ticks, quantity_lots)
        account.orders[order.serial] = order
        arrival_ns = self._scheduler.now_ns + self._order_latency_ns
        row = (
            arrival_ns, account.number, order.serial, price_ticks, 0, quantity_lots, 0, 0, 0, 0, 0,
            _NEW, int(side), order_type, time_in_force, 0, 0, 0,
        )  # fmt: skip
        self._engine.send(self._task, row)
        return order
