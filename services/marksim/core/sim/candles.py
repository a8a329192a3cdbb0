"""Candles from ticks: one maker a symbol and interval, whoever reads them."""

from collections import deque
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from marksim.core.sim.awaiting import PARKED, Wait, Waiter
from marksim.core.sim.scheduler import Priority
from marksim.core.sim.units import Units
from marksim.core.types import Tick

if TYPE_CHECKING:
    from marksim.core.sim.account import Holding

CANDLES_KEPT: Final = 1_024
"""Of a symbol and interval. A reader that is further behind goes on with the oldest one kept: `start_ns` shows the gap."""


class TickCandle:
    """Of [start_ns, start_ns + interval), from ticks: each shows the last price and the whole volume of its window."""

    __slots__ = ("_lots", "_ticks", "_units", "start_ns", "symbol", "trades")

    def __init__(self, symbol: str, units: Units, start_ns: int, price_ticks: int) -> None:
        self.symbol = symbol
        self.start_ns = start_ns
        self.trades = 0
        self._units = units
        self._ticks = (price_ticks, price_ticks, price_ticks, price_ticks)
        self._lots = 0

    @property
    def open(self) -> float:
        return self._units.price.units(self._ticks[0])

    @property
    def high(self) -> float:
        return self._units.price.units(self._ticks[1])

    @property
    def low(self) -> float:
        return self._units.price.units(self._ticks[2])

    @property
    def close(self) -> float:
        return self._units.price.units(self._ticks[3])

    @property
    def volume(self) -> float:
        return self._units.quantity.units(self._lots)

    def add(self, price_ticks: int, lots: int, trades: int) -> None:
        """The trades of a window."""
        open_ticks, high_ticks, low_ticks, _ = self._ticks if self._lots else (price_ticks,) * 4
        self._ticks = (open_ticks, max(high_ticks, price_ticks), min(low_ticks, price_ticks), price_ticks)
        self._lots += lots
        self.trades += trades

    @property
    def close_ticks(self) -> int:
        return self._ticks[3]

    def state(self) -> tuple[int, ...]:
        """All of it."""
        return (self.start_ns, *self._ticks, self._lots, self.trades)

    def restore(self, state: tuple[int, ...]) -> "TickCandle":
        """Take what `state` gave."""
        self.start_ns, open_ticks, high_ticks, low_ticks, close_ticks, self._lots, self.trades = state
        self._ticks = (open_ticks, high_ticks, low_ticks, close_ticks)
        return self


class CandleMaker:
    """The candle that is being made, and those that are ready."""

    __slots__ = ("_interval_ns", "_making", "_ready", "_symbol", "_trades_total", "_units")

    def __init__(self, symbol: str, units: Units, interval_ns: int, now_ns: int, last: Tick) -> None:
        self._symbol = symbol
        self._units = units
        self._interval_ns = interval_ns
        self._making = TickCandle(symbol, units, now_ns - now_ns % interval_ns, last.last_price_ticks)
        self._ready: deque[TickCandle] = deque(maxlen=CANDLES_KEPT)
        self._trades_total = last.trades_total

    def state(self) -> NDArray[np.int64]:
        """A row for each candle that is ready, one for that which is made, and one with the count of trades."""
        rows = [*(candle.state() for candle in self._ready), self._making.state(), (self._trades_total, *(0,) * 6)]
        return np.array(rows, np.int64)

    def restore(self, state: NDArray[np.int64]) -> None:
        """Take what `state` gave; whoever reads them goes on."""
        *candles, (self._trades_total, *_) = map(tuple, state.tolist())
        restored = [TickCandle(self._symbol, self._units, 0, 0).restore(one) for one in candles]
        self._making = restored.pop()
        self._ready.clear()
        self._ready.extend(restored)

    def add(self, tick: Tick) -> None:
        """The next tick."""
        self._reach(tick.time_ns)
        if tick.window_volume_lots:
            self._making.add(tick.last_price_ticks, tick.window_volume_lots, tick.trades_total - self._trades_total)
        self._trades_total = tick.trades_total

    def candle(self, start_ns: int, done_ns: int) -> TickCandle:
        """The one that begins there, or the oldest one kept if that is later. All ticks before `done_ns` are in."""
        self._reach(done_ns)
        place = (start_ns - self._ready[0].start_ns) // self._interval_ns
        return self._ready[max(0, place)]

    def _reach(self, time_ns: int) -> None:
        """End the candles that end by then; one without a trade repeats the last close."""
        interval_ns, making = self._interval_ns, self._making
        if time_ns - making.start_ns > (CANDLES_KEPT + 2) * interval_ns:
            # Nothing of the long pause but its end would be kept.
            start_ns = time_ns - time_ns % interval_ns - CANDLES_KEPT * interval_ns
            making = TickCandle(self._symbol, self._units, start_ns, making.close_ticks)
        while making.start_ns + interval_ns <= time_ns:
            self._ready.append(making)
            making = TickCandle(self._symbol, self._units, making.start_ns + interval_ns, making.close_ticks)
        self._making = making


class Candles:
    """`market.candles()`: every full interval from now on, each once all of its ticks have reached the agent."""

    __slots__ = ("holding", "interval_ns", "maker", "next_start_ns")

    def __init__(self, holding: "Holding", interval_ns: int) -> None:
        feed, now_ns = holding.feed, holding.feed.scheduler.now_ns
        self.holding = holding
        self.interval_ns = interval_ns
        if interval_ns not in feed.candles:
            feed.candles[interval_ns] = CandleMaker(feed.symbol, feed.units, interval_ns, now_ns, feed.newest)
        self.maker = feed.candles[interval_ns]
        self.next_start_ns = -(-now_ns // interval_ns) * interval_ns

    def __aiter__(self) -> "Candles":
        return self

    def __anext__(self) -> "NextCandle":
        return NextCandle(self)

    def take(self) -> TickCandle:
        """The next one, which must be ready."""
        engine = self.holding.agent.engine
        candle = self.maker.candle(self.next_start_ns, engine.window_end_after(engine.now_ns + 1) - engine.lookahead_ns)
        self.next_start_ns = candle.start_ns + self.interval_ns
        return candle

    @property
    def ready_ns(self) -> int:
        """When the slowest of the next one's ticks has reached the agent."""
        end_ns = self.next_start_ns + self.interval_ns
        return max(
            self.holding.agent.engine.window_end_after(end_ns),
            end_ns + self.holding.agent.spec.feed_latency.quantiles_ns[-1],
        )


class NextCandle(Wait[TickCandle]):
    """Of a stream of candles."""

    __slots__ = ("_stream",)

    def __init__(self, stream: Candles) -> None:
        super().__init__()
        self._stream = stream

    def arm(self, waiter: Waiter) -> object:
        scheduler = waiter.agent.scheduler
        if self._stream.ready_ns <= scheduler.now_ns:
            return self._stream.take()
        self.claim(waiter)
        scheduler.at(self._stream.ready_ns, Priority.DELIVERY, self)
        return PARKED

    def disarm(self) -> None:
        if self.waiter is not None:
            self.waiter.agent.scheduler.died()
        super().disarm()

    def fire(self) -> None:
        if self.waiter is not None:
            self.waiter.agent.learn()
        if self.waiter is not None:
            self.finish(self._stream.take())
