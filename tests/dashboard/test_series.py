"""Rings, candles and the volume of a candle."""

import numpy as np
import pytest

from marksim.dashboard.frames import FeedTick, parse_frame
from marksim.dashboard.series import Candles, Ring, SymbolSeries
from tests.dashboard.fake_feed import START_US, text

SECOND = 1_000_000
START_MS = START_US / 1_000


def tick(time_us: int, volume: float, price: float = 100.0, trades: int = 1) -> FeedTick:
    """A tick `time_us` after the start."""
    return parse_frame(text(timestamp=START_US + time_us, last_price=price, volume_24h=volume, trade_count=trades))


def test_a_ring_keeps_the_newest_rows_under_their_numbers() -> None:
    """Of ten rows in a ring of four the last four are left, and since() counts from the very first."""
    ring = Ring(4, 1)
    for number in range(10):
        ring.append((float(number),))
    assert (ring.count, ring.oldest) == (10, 6)
    assert ring.since(8)[:, 0].tolist() == [8.0, 9.0]
    assert ring.since(0)[:, 0].tolist() == [6.0, 7.0, 8.0, 9.0]
    assert (ring.oldest_row()[0], ring.newest()[0]) == (6.0, 9.0)
    assert ring.since(10).size == 0


def test_what_a_ring_gives_is_a_copy() -> None:
    """A reader's rows stay as they were while the ring moves on."""
    ring = Ring(2, 1)
    ring.append((1.0,))
    rows = ring.since(0)
    ring.newest()[0] = 5.0
    assert rows[0, 0] == 1.0


def test_a_candle_has_the_first_highest_lowest_and_last_trade() -> None:
    """Open, high, low and close of the trades in one bucket; volume and trades are sums."""
    candles = Candles(1, 8)
    for offset, price in enumerate((10.0, 12.0, 9.0, 11.0)):
        candles.update(START_US + offset, price, 0.5, 2)
    assert candles.ring.since(0).tolist() == [[START_MS, 10.0, 12.0, 9.0, 11.0, 2.0, 8.0]]


def test_a_candle_opens_with_its_first_trade_not_with_the_price_before() -> None:
    """A tick without a trade carries the last price of before; it does not stretch the candle."""
    candles = Candles(1, 8)
    candles.update(START_US, 50.0, 0.0, 0)
    candles.update(START_US + 1, 60.0, 1.0, 1)
    candles.update(START_US + 2, 60.0, 0.0, 0)
    assert candles.ring.newest().tolist() == [START_MS, 60.0, 60.0, 60.0, 60.0, 1.0, 1.0]


def test_a_bucket_without_trades_is_flat() -> None:
    """Only quotes moved: a flat candle at the price that stands, with no volume."""
    candles = Candles(10, 8)
    candles.update(START_US, 50.0, 0.0, 0)
    candles.update(START_US + 1, 50.0, 0.0, 0)
    assert candles.ring.newest().tolist() == [START_MS, 50.0, 50.0, 50.0, 50.0, 0.0, 0.0]


def test_candles_begin_at_whole_multiples_of_their_width() -> None:
    """A 10 s candle of second 25 begins at second 20, and the next at 30."""
    candles = Candles(10, 8)
    candles.update(START_US + 25 * SECOND, 1.0, 0.0, 1)
    candles.update(START_US + 30 * SECOND, 1.0, 0.0, 1)
    assert candles.since_time(0)[:, 0].tolist() == [START_MS + 20_000, START_MS + 30_000]
    assert candles.since_time(START_MS + 30_000)[:, 0].tolist() == [START_MS + 30_000]


def test_candles_are_bounded() -> None:
    """The oldest give way."""
    candles = Candles(1, 3)
    for second in range(10):
        candles.update(START_US + second * SECOND, 1.0, 0.0, 1)
    assert candles.since_time(0)[:, 0].tolist() == [START_MS + 1_000 * second for second in (7, 8, 9)]


def test_volume_is_the_growth_of_the_day_volume() -> None:
    """The first tick has no known volume; each later one has what was added, without the noise of doubles."""
    series = SymbolSeries(16, {1: 4, 60: 4})
    for step, total in enumerate((0.1, 0.3, 0.6)):
        series.append(tick(step, total), resumed=step == 0)
    assert series.candles[1].ring.newest()[5] == pytest.approx(0.5, abs=1e-12)


def test_volume_traded_while_away_belongs_to_no_candle() -> None:
    """After a pause the day volume has jumped; a spike would be a lie about this second."""
    series = SymbolSeries(16, {1: 4, 60: 4})
    series.append(tick(0, 10.0), resumed=True)
    series.append(tick(1, 900.0), resumed=True)
    series.append(tick(2, 901.0), resumed=False)
    assert series.candles[1].ring.newest()[5] == 1.0


def test_a_minute_that_leaves_the_day_is_added_back() -> None:
    """The day volume shrinks by the minute that fell out of it; a candle's volume is still what traded."""
    series = SymbolSeries(8, {60: 1_500})
    total = 0.0
    for minute in range(1_441):
        total += 2.0
        series.append(tick(minute * 60 * SECOND, total), resumed=minute == 0)
    # Minute 1,441: the first minute leaves. It traded 2.0, of which this reader saw nothing (its first tick).
    series.append(tick(1_441 * 60 * SECOND, total - 2.0 + 3.0), resumed=False)
    assert series.candles[60].ring.newest()[5] == 1.0
    # Minute 1,442: the second minute leaves, and that one was seen.
    series.append(tick(1_442 * 60 * SECOND, total - 4.0 + 6.0), resumed=False)
    assert series.candles[60].ring.newest()[5] == 3.0


def test_volume_is_never_negative() -> None:
    """A minute that nobody saw leaves the day: too little is counted, never less than nothing."""
    series = SymbolSeries(8, {60: 8})
    series.append(tick(0, 100.0), resumed=True)
    series.append(tick(60 * SECOND, 40.0), resumed=False)
    assert series.candles[60].ring.newest()[5] == 0.0


def test_memory_does_not_grow() -> None:
    """A series holds all its memory from the start."""
    series = SymbolSeries(64, {1: 8, 60: 8})
    before = series.memory_bytes
    for step in range(1_000):
        series.append(tick(step * SECOND, step), resumed=False)
    assert series.memory_bytes == before
    assert series.ticks.since(0).shape == (64, 8)
    assert np.all(np.diff(series.ticks.since(0)[:, 0]) > 0)
