"""The tick of a window: when there is one, and what it sums."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from marksim.core.book.book import OrderBook
from marksim.core.errors import InvalidInput
from marksim.core.feed.ticks import TickBuilder, opening_tick
from marksim.core.types import NS_PER_MINUTE, NS_PER_S, SessionState, Side, Tick
from tests.core.book.commands import BTC, batch, buy, cancel, market, sell, set_session
from tests.core.book.streams import EVERYTHING, stream, traded_in
from tests.core.feed.plain_ticks import RollingVolume
from tests.core.feed.plain_ticks import TickBuilder as PlainTickBuilder


def update(ticks: TickBuilder, book: OrderBook, *commands: dict[str, int]) -> Tick | None:
    """The tick of a window with these commands."""
    return ticks.update(book.apply(batch(*commands)), book.session)


def test_before_the_first_tick_all_prices_are_the_reference() -> None:
    """tick_number 0, no volume, empty sides."""
    assert TickBuilder(BTC).last == Tick(0, 0, 1_000, 1_000, 0, 1_000, 0, 0, 0, 0, 0)


def test_a_window_without_quote_or_trade_has_no_tick() -> None:
    """Rejections and changes away from the best price are not the feed's business."""
    book, ticks = OrderBook(BTC), TickBuilder(BTC)
    first = update(ticks, book, buy(100, 5, 1, time_ns=10))
    assert first is not None and first.tick_number == 1
    assert update(ticks, book, buy(90, 5, 2), buy(0, 5, 3), cancel(77)) is None
    assert ticks.last is first


def test_a_tick_sums_its_window_and_the_run() -> None:
    """Last price, best of both sides, counts of this window and totals since the start, time of the last change."""
    book, ticks = OrderBook(BTC), TickBuilder(BTC)
    update(ticks, book, sell(101, 5, 1, time_ns=1), sell(102, 5, 2, time_ns=2), buy(101, 2, 3, time_ns=3))
    tick = update(ticks, book, market(Side.BUY, 6, 4, time_ns=7), cancel(99, time_ns=8))
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
        session_volume_lots=8,
    )


def test_a_quote_that_came_back_is_still_a_tick() -> None:
    """Something happened in the window: its quotes are in the frame, so there is a tick, with no volume."""
    book, ticks = OrderBook(BTC), TickBuilder(BTC)
    before = update(ticks, book, buy(100, 5, 1))
    after = update(ticks, book, buy(101, 5, 2, time_ns=5), cancel(2, time_ns=6))
    assert before is not None and after is not None
    assert (after.tick_number, after.bid_price_ticks, after.bid_quantity_lots) == (2, 100, 5)
    assert (after.time_ns, after.window_volume_lots) == (6, 0)


def test_time_never_goes_back() -> None:
    """A command stamped before the last tick gives a tick of the same time."""
    book, ticks = OrderBook(BTC), TickBuilder(BTC)
    update(ticks, book, buy(100, 5, 1, time_ns=100))
    tick = update(ticks, book, buy(101, 5, 2, time_ns=50))
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
    update(ticks, book, buy(100, 5, 1), sell(100, 5, 2))
    tick = update(ticks, book, buy(100, 5, 3, time_ns=1_441 * NS_PER_MINUTE))
    assert tick is not None and (tick.volume_24h_lots, tick.volume_total_lots) == (0, 5)


def test_an_auction_shows_what_it_would_come_to() -> None:
    """Each window that changes the indicative price, volume or surplus has a tick, of the time of its last execution."""
    book, ticks = OrderBook(BTC), TickBuilder(BTC)
    update(ticks, book, sell(1_000, 2, 1, time_ns=1), buy(1_000, 2, 2, time_ns=1), buy(990, 4, 3, time_ns=1))
    called = update(ticks, book, set_session(SessionState.OPENING_AUCTION, time_ns=5))
    assert called is not None
    assert (called.session_state, called.time_ns, called.bid_quantity_lots) == (SessionState.OPENING_AUCTION, 5, 0)
    crossed = update(ticks, book, sell(990, 3, 5, time_ns=7), buy(980, 1, 6, time_ns=8))
    shown = ("indicative_price_ticks", "indicative_volume_lots", "indicative_surplus_lots", "time_ns", "trades_total")
    assert crossed is not None and [getattr(crossed, name) for name in shown] == [990, 3, 1, 8, 1]
    assert update(ticks, book, buy(900, 1, 7, time_ns=9)) is None
    opened = update(ticks, book, set_session(SessionState.CONTINUOUS, time_ns=10))
    assert opened is not None and [getattr(opened, name) for name in shown] == [0, 0, 0, 10, 2]
    assert (opened.session_state, opened.window_volume_lots) == (SessionState.CONTINUOUS, 3)
    assert (opened.last_price_ticks, opened.session_volume_lots, opened.bid_quantity_lots) == (990, 5, 1)


def test_a_session_that_comes_again_is_no_tick() -> None:
    """A halt of a halted market changes nothing that a tick shows."""
    book, ticks = OrderBook(BTC), TickBuilder(BTC)
    first = update(ticks, book, set_session(SessionState.HALTED, time_ns=5))
    assert first is not None and (first.tick_number, first.session_state) == (1, SessionState.HALTED)
    assert update(ticks, book, set_session(SessionState.HALTED, time_ns=6)) is None


def test_the_sessions_volume_begins_anew_after_the_close() -> None:
    """What the closing auction trades is in the volume of the run, and the next day's is 0 at first."""
    book, ticks = OrderBook(BTC), TickBuilder(BTC)
    update(
        ticks,
        book,
        set_session(SessionState.CLOSING_AUCTION, time_ns=1),
        buy(1_000, 5, 2, time_ns=2),
        sell(1_000, 5, 3, time_ns=2),
    )
    update(ticks, book, set_session(SessionState.CLOSED, time_ns=3))
    tick = update(ticks, book, set_session(SessionState.PRE_OPEN, time_ns=4))
    assert tick is not None
    assert (tick.session_state, tick.session_volume_lots, tick.volume_total_lots) == (SessionState.PRE_OPEN, 0, 5)


def test_a_volume_that_began_anew_is_a_tick_though_the_state_is_the_same() -> None:
    """A halt that becomes a halt by way of the close, within one window."""
    book, ticks = OrderBook(BTC), TickBuilder(BTC)
    update(ticks, book, buy(100, 5, 1, time_ns=1), sell(100, 5, 2, time_ns=1), set_session(SessionState.HALTED, time_ns=2))
    assert ticks.last.session_volume_lots == 5
    closed, halted = set_session(SessionState.CLOSED, time_ns=3), set_session(SessionState.HALTED, time_ns=4)
    tick = update(ticks, book, closed, halted)
    assert tick is not None
    assert (tick.session_state, tick.session_volume_lots, tick.time_ns) == (SessionState.HALTED, 0, 4)


HOUR_NS = 60 * NS_PER_MINUTE
DAY = ((8, SessionState.PRE_OPEN), (9, SessionState.CONTINUOUS), (17, SessionState.CLOSED))


@pytest.mark.parametrize(
    ("hour", "state"),
    [(0, "CLOSED"), (7, "CLOSED"), (8, "PRE_OPEN"), (10, "CONTINUOUS"), (17, "CLOSED"), (24 + 8, "PRE_OPEN")],
)
def test_the_opening_is_in_the_session_of_its_time_of_day(hour: int, state: str) -> None:
    """As the book is; before the first change of a day the last one of the day before holds."""
    instrument = replace(BTC, sessions=tuple((at * HOUR_NS, entry) for at, entry in DAY))
    opening = opening_tick(instrument, hour * HOUR_NS)
    assert opening.session_state == SessionState[state]
    assert OrderBook(instrument, start_ns=hour * HOUR_NS).session_state == opening.session_state


def test_the_opening_without_sessions_is_continuous() -> None:
    """Everything at the reference, at the start of the run."""
    assert opening_tick(BTC, 7) == Tick(0, 7, 1_000, 1_000, 0, 1_000, 0, 0, 0, 0, 0, SessionState.CONTINUOUS)


@pytest.mark.parametrize("seed", range(6))
def test_compiled_ticks_are_those_of_the_specification(seed: int) -> None:
    """Over streams of all kinds of commands, sessions and auctions among them, with hours between some windows."""
    rng, gaps_ns = np.random.default_rng(seed), 0
    traded = traded_in(EVERYTHING)
    book, ticks, plain = OrderBook(traded), TickBuilder(traded), PlainTickBuilder(traded)
    commands = stream(rng, EVERYTHING, 3_000)
    for window in np.array_split(commands, 150):
        window["time_ns"] += gaps_ns
        output, session = book.apply(np.ascontiguousarray(window)), book.session
        assert ticks.update(output, session) == plain.update(output, session), f"seed {seed}"
        gaps_ns += int(rng.random() < 0.1) * int(rng.integers(0, 30 * 3_600)) * NS_PER_S
    assert ticks.last.trades_total > 100


def test_restored_ticks_go_on_as_the_original() -> None:
    """From any window on, with hours between some of them; what one does the other does not see."""
    rng, gaps_ns = np.random.default_rng(11), 0
    traded = traded_in(EVERYTHING)
    book, ticks = OrderBook(traded), TickBuilder(traded)
    other = TickBuilder.restored(traded, ticks.state())
    for window in np.array_split(stream(rng, EVERYTHING, 1_000), 100):
        window["time_ns"] += gaps_ns
        output, session = book.apply(np.ascontiguousarray(window)), book.session
        assert ticks.update(output, session) == other.update(output, session)
        assert ticks.last == other.last
        if rng.random() < 0.3:
            other = TickBuilder.restored(traded, other.state())
            assert other.last == ticks.last
        gaps_ns += int(rng.random() < 0.1) * int(rng.integers(0, 30 * 3_600)) * NS_PER_S


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: state.pop("minutes"), "saved by another version"),
        (lambda state: state.update(last=state["counters"]), "last has the layout of another version"),
        (lambda state: state.update(minutes=state["minutes"][1:]), "minutes has 1440 rows, not 1441"),
        (lambda state: state["minutes"].__setitem__(7, 5), "is not the sum of its minutes"),
        (lambda state: state["last"]["session_state"].__setitem__(0, 99), "session_state is 99"),
    ],
)
def test_a_broken_state_of_ticks_is_refused(change: Callable[[dict[str, Any]], object], said: str) -> None:
    """Of another version, or damaged; it says what."""
    state = TickBuilder(BTC).state()
    change(state)
    with pytest.raises(InvalidInput, match=f"state of the ticks of BTC/USD: .*{said}"):
        TickBuilder.restored(BTC, state)
