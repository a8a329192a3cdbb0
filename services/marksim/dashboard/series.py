"""Bounded history of one symbol: a ring of ticks, and rings of candles made from them."""

import numpy as np
import numpy.typing as npt

from marksim.dashboard.frames import FeedTick

Matrix = npt.NDArray[np.float64]

# `resumed` is 1 where this reader had just come (back) to the feed: what lies before that tick was not seen.
TICK_COLUMNS = ("time_ms", "last", "bid", "ask", "bid_size", "ask_size", "trades", "resumed")
CANDLE_COLUMNS = ("time_ms", "open", "high", "low", "close", "volume", "trades")
_MINUTE_US = 60_000_000
# volume_24h covers the current simulated minute and this many before it.
_VOLUME_MINUTES = 1_440


class Ring:
    """The newest rows of doubles, at most `capacity`. Rows are numbered from 0 since the start and never renumbered."""

    def __init__(self, capacity: int, columns: int) -> None:
        self._rows: Matrix = np.zeros((capacity, columns))
        self.count = 0

    @property
    def capacity(self) -> int:
        return len(self._rows)

    @property
    def oldest(self) -> int:
        """The number of the oldest row that is still here."""
        return max(0, self.count - self.capacity)

    @property
    def memory_bytes(self) -> int:
        return self._rows.nbytes

    def append(self, row: tuple[float, ...]) -> None:
        self._rows[self.count % self.capacity] = row
        self.count += 1

    def newest(self) -> Matrix:
        """The last row, as a view that may be written to."""
        row: Matrix = self._rows[(self.count - 1) % self.capacity]
        return row

    def oldest_row(self) -> Matrix:
        """The oldest row that is kept."""
        row: Matrix = self._rows[self.oldest % self.capacity]
        return row

    def since(self, number: int) -> Matrix:
        """A copy of the rows from `number` on, oldest first."""
        numbers = np.arange(max(number, self.oldest), self.count)
        rows: Matrix = self._rows[numbers % self.capacity]
        return rows


class Candles:
    """Candles of `seconds` of simulated time each, from ticks in order.

    A tick tells the last price of its window and how many trades it had, so highs and lows between two trades of one
    window are not seen. A candle in which nothing traded is flat at the price that stood.
    """

    def __init__(self, seconds: int, capacity: int) -> None:
        self.seconds = seconds
        self.ring = Ring(capacity, len(CANDLE_COLUMNS))

    def update(self, time_us: int, price: float, volume: float, trades: int) -> None:
        width_ms = self.seconds * 1_000
        start_ms = time_us // 1_000 // width_ms * width_ms
        if not self.ring.count or self.ring.newest()[0] != start_ms:
            self.ring.append((start_ms, price, price, price, price, volume, trades))
            return
        candle = self.ring.newest()
        if trades:
            # The opening is the first trade; until then the candle only held the price that stood.
            if not candle[6]:
                candle[1:4] = price
            candle[2] = max(candle[2], price)
            candle[3] = min(candle[3], price)
            candle[4] = price
            candle[6] += trades
        candle[5] += volume

    def since_time(self, start_ms: float) -> Matrix:
        """The candles that begin at `start_ms` or later, the open one included."""
        rows = self.ring.since(0)
        return rows[np.searchsorted(rows[:, 0], start_ms) :]

    def volume_between(self, first_ms: float, end_ms: float) -> float:
        """What traded in the candles that begin in [first_ms, end_ms), as far as they are kept."""
        rows = self.ring.since(0)
        return float(rows[(rows[:, 0] >= first_ms) & (rows[:, 0] < end_ms), 5].sum())


class SymbolSeries:
    """Everything that is kept of one symbol in one run."""

    def __init__(self, tick_capacity: int, candle_capacities: dict[int, int]) -> None:
        self.ticks = Ring(tick_capacity, len(TICK_COLUMNS))
        self.candles = {seconds: Candles(seconds, capacity) for seconds, capacity in candle_capacities.items()}
        self.newest: FeedTick | None = None

    @property
    def memory_bytes(self) -> int:
        return self.ticks.memory_bytes + sum(candles.ring.memory_bytes for candles in self.candles.values())

    def append(self, tick: FeedTick, resumed: bool) -> None:
        """Add a tick. After a pause (`resumed`) what traded meanwhile is nobody's: no candle gets it."""
        volume = 0.0 if resumed or self.newest is None else self._volume_since(self.newest, tick)
        time_ms = tick.time_us / 1_000
        self.ticks.append((time_ms, tick.last, tick.bid, tick.ask, tick.bid_size, tick.ask_size, tick.trades, resumed))
        for candles in self.candles.values():
            candles.update(tick.time_us, tick.last, volume, tick.trades)
        self.newest = tick

    def _volume_since(self, before: FeedTick, tick: FeedTick) -> float:
        """Lots traded between two ticks: the growth of volume_24h and what fell out of its window meanwhile.

        What falls out is known where this dashboard saw that minute a day ago; else the first tick of a minute counts
        too little, never too much.
        """
        grown = tick.volume_24h - before.volume_24h
        minute, minute_before = tick.time_us // _MINUTE_US, before.time_us // _MINUTE_US
        if minute != minute_before and 60 in self.candles:
            gone = ((start - _VOLUME_MINUTES) * 60_000 for start in (minute_before, minute))
            grown += self.candles[60].volume_between(*gone)
        # The difference of two rounded doubles carries noise in its last digits.
        return max(0.0, round(grown, 9))
