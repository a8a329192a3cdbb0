"""The tick of a window: when there is one, and what it sums."""

from marksim.core.book.book import OrderBook
from marksim.core.feed.ticks import RollingVolume, TickBuilder
from marksim.core.types import NS_PER_MINUTE, Side, Tick
from tests.core.book.commands import BTC, batch, buy, cancel, market, sell


def test_before_the_first_tick_all_prices_are_the_reference() -> None:
    """tick_number 0, no volume, empty sides."""
    assert TickBuilder(BTC).last == Tick(0, 0, 1_000, 1_000, 0, 1_000, 0, 0, 0, 0, 0)


def test_a_window_without_quote_or_trade_has_no_tick() -> None:
    """Rejections and changes away from the best price are not the feed's business."""
    book, ticks = OrderBook(BTC), TickBuilder(BTC)
    first = ticks.update(book.apply(batch(buy(100, 5, 1, time_ns=10))))
    assert first is not None and first.tick_number == 1
    assert ticks.update(book.apply(batch(buy(90, 5, 2), buy(0, 5, 3), cancel(77)))) is None
    assert ticks.last is first


def test_a_tick_sums_its_window_and_the_run() -> None:
    """Last price, best of both sides, counts of this window and totals since the start, time of the last change."""
    book, ticks = OrderBook(BTC), TickBuilder(BTC)
    ticks.update(book.apply(batch(sell(101, 5, 1, time_ns=1), sell(102, 5, 2, time_ns=2), buy(101, 2, 3, time_ns=3))))
    tick = ticks.update(book.apply(batch(market(Side.BUY, 6, 4, time_ns=7), cancel(99, time_ns=8))))
    assert tick == Tick(
        tick_number=2,
        time_ns=7,
        last_price_ticks=102,
        bid_price_ticks=1_000,
        bid_quantity_lots=0,
        ask_price_ticks=102,
        ask_quantity_lots=2,
        volume_24h_lots=8,
        trades_total=3,
        volume_total_lots=8,
        window_volume_lots=6,
    )


def test_a_quote_that_came_back_is_still_a_tick() -> None:
    """Something happened in the window: its quotes are in the frame, so there is a tick, with no volume."""
    book, ticks = OrderBook(BTC), TickBuilder(BTC)
    before = ticks.update(book.apply(batch(buy(100, 5, 1))))
    after = ticks.update(book.apply(batch(buy(101, 5, 2, time_ns=5), cancel(2, time_ns=6))))
    assert before is not None and after is not None
    assert (after.tick_number, after.bid_price_ticks, after.bid_quantity_lots) == (2, 100, 5)
    assert (after.time_ns, after.window_volume_lots) == (6, 0)


def test_time_never_goes_back() -> None:
    """A command stamped before the last tick gives a tick of the same time."""
    book, ticks = OrderBook(BTC), TickBuilder(BTC)
    ticks.update(book.apply(batch(buy(100, 5, 1, time_ns=100))))
    tick = ticks.update(book.apply(batch(buy(101, 5, 2, time_ns=50))))
    assert tick is not None and tick.time_ns == 100


def test_volume_of_24_hours_is_the_current_minute_and_the_1440_before_it() -> None:
    """A trade leaves when the minute 1,441 after its own begins, not a nanosecond before."""
    volume = RollingVolume()
    start = 29_000_000 * NS_PER_MINUTE
    volume.add(start + 59, 5)
    volume.add(start + NS_PER_MINUTE, 7)
    volume.advance(start + 1_441 * NS_PER_MINUTE - 1)
    assert volume.total_lots == 12
    volume.advance(start + 1_441 * NS_PER_MINUTE)
    assert volume.total_lots == 7
    volume.advance(start + 5_000 * NS_PER_MINUTE)
    assert volume.total_lots == 0


def test_a_tick_without_trades_forgets_old_volume_too() -> None:
    """The ring advances by the tick's time, whatever made the tick."""
    book, ticks = OrderBook(BTC), TickBuilder(BTC)
    ticks.update(book.apply(batch(buy(100, 5, 1), sell(100, 5, 2))))
    tick = ticks.update(book.apply(batch(buy(100, 5, 3, time_ns=1_441 * NS_PER_MINUTE))))
    assert tick is not None and (tick.volume_24h_lots, tick.volume_total_lots) == (0, 5)
