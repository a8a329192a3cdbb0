"""What a page gets for its cursor."""

from dataclasses import replace
from typing import Any

import orjson

from marksim.dashboard.batch import CANDLES_SHOWN, TICKS_SHOWN, BatchBuilder, Cursor
from marksim.dashboard.history import History
from tests.dashboard.clock import Clock
from tests.dashboard.fake_feed import START_US, text


class Page:
    """A page's side of the exchange: asks with its cursor and remembers what it is told."""

    def __init__(self, history: History) -> None:
        self._batches = BatchBuilder(history)
        self.cursor = Cursor()

    def poll(self) -> dict[str, Any]:
        batch: dict[str, Any] = orjson.loads(self._batches.build(self.cursor))
        if batch["symbol"] is not None:
            newest = batch["candles"]["time_ms"][-1] if batch["candles"]["time_ms"] else self.cursor.candles_from_ms
            self.cursor = replace(self.cursor, generation=batch["generation"], after=batch["next"], candles_from_ms=newest)
        return batch


def filled(first: int = 0, count: int = 0, history: History | None = None, epoch: str = "run-a") -> History:
    """A history with ticks `first` to `first + count - 1`, a simulated second apart."""
    kept = history or History("ws://x", clock=Clock(), wall=Clock())
    for seq in range(first, first + count):
        kept.receive(
            text(seq=seq, prev_seq=max(0, seq - 1), timestamp=START_US + seq * 1_000_000, trade_count=1, epoch=epoch)
        )
    return kept


def test_nothing_seen_yet_is_a_batch_without_series() -> None:
    """Before the first tick the page gets the feed's state and an empty list."""
    batch = Page(History("ws://x")).poll()
    assert (batch["symbol"], batch["symbols"]) == (None, [])
    assert batch["status"]["sentence"] == "Connecting to ws://x."


def test_the_first_batch_is_the_recent_past_and_the_next_only_what_is_new() -> None:
    """A page gets each tick once; the open candle comes again, because it has grown."""
    history = filled(0, 5)
    page = Page(history)
    first = page.poll()
    assert (first["reset"], first["next"], len(first["ticks"]["time_ms"])) == (True, 5, 5)
    filled(5, 2, history)
    second = page.poll()
    assert (second["reset"], second["next"]) == (False, 7)
    assert second["ticks"]["time_ms"] == [START_US / 1e3 + 5_000, START_US / 1e3 + 6_000]
    assert second["candles"]["time_ms"] == [START_US / 1e3 + 4_000, START_US / 1e3 + 5_000, START_US / 1e3 + 6_000]


def test_a_page_that_is_up_to_date_gets_no_ticks() -> None:
    """Polling twice in one instant sends nothing twice."""
    page = Page(filled(0, 5))
    page.poll()
    batch = page.poll()
    assert (batch["reset"], batch["ticks"]["time_ms"]) == (False, [])


def test_a_slow_page_skips_to_the_present() -> None:
    """More than a screenful behind: it begins anew with the newest screenful, not with what it missed."""
    history = filled(0, 5)
    page = Page(history)
    page.poll()
    filled(5, TICKS_SHOWN + 50, history)
    batch = page.poll()
    assert batch["reset"]
    assert len(batch["ticks"]["time_ms"]) == TICKS_SHOWN
    assert batch["ticks"]["time_ms"][-1] == START_US / 1e3 + (TICKS_SHOWN + 54) * 1e3
    assert len(batch["candles"]["time_ms"]) == CANDLES_SHOWN


def test_pages_do_not_disturb_each_other() -> None:
    """Two tabs with their own cursors each get everything."""
    history = filled(0, 5)
    one, other = Page(history), Page(history)
    one.poll()
    filled(5, 3, history)
    assert len(one.poll()["ticks"]["time_ms"]) == 3
    assert len(other.poll()["ticks"]["time_ms"]) == 8


def test_another_symbol_or_interval_begins_anew() -> None:
    """A cursor counts in one symbol's series and one width of candle."""
    history = filled(0, 25)
    history.receive(text(symbol="ETH/USD"))
    page = Page(history)
    page.poll()
    page.cursor = replace(page.cursor, interval=10)
    batch = page.poll()
    assert (batch["reset"], batch["interval"], len(batch["candles"]["time_ms"])) == (True, 10, 3)
    page.cursor = replace(page.cursor, symbol="ETH/USD")
    batch = page.poll()
    assert (batch["reset"], batch["symbol"], batch["next"]) == (True, "ETH/USD", 1)


def test_a_new_run_begins_anew() -> None:
    """The series of the old run are not mixed with those of the new one."""
    history = filled(0, 5)
    page = Page(history)
    page.poll()
    filled(0, 2, history, epoch="run-b")
    batch = page.poll()
    assert (batch["reset"], batch["next"], batch["status"]["run_changes"]) == (True, 2, 1)


def test_a_cursor_of_another_process_begins_anew() -> None:
    """After a restart of the dashboard equal numbers mean other ticks."""
    page = Page(filled(0, 5))
    page.poll()
    restarted = Page(filled(0, 9))
    restarted.cursor = page.cursor
    assert restarted.poll()["reset"]


def test_unknown_choices_fall_back() -> None:
    """A symbol or interval that does not exist is answered with the first of each."""
    page = Page(filled(0, 5))
    page.cursor = Cursor(symbol="NONE", interval=7, after=-3)
    batch = page.poll()
    assert (batch["symbol"], batch["interval"], batch["next"]) == ("BTC/USD", 1, 5)


def test_the_overview_has_every_symbol() -> None:
    """One line a symbol, sorted, with the change since the oldest minute."""
    history = filled(0, 2)
    history.receive(text(symbol="AAA", last_price=10.0))
    history.receive(text(symbol="AAA", last_price=11.0, seq=2, prev_seq=1, trade_count=1, timestamp=START_US + 90_000_000))
    rows = Page(history).poll()["symbols"]
    assert [row["symbol"] for row in rows] == ["AAA", "BTC/USD"]
    assert round(rows[0]["change"], 12) == 0.1
