"""What the dashboard keeps of the whole feed."""

import pytest

from marksim.dashboard.history import History
from marksim.dashboard.series import TICK_COLUMNS
from tests.dashboard.clock import Clock
from tests.dashboard.fake_feed import START_US, text


def history(max_symbols: int = 4) -> History:
    """An open history at wall second 2,000."""
    made = History("ws://x", clock=Clock(), wall=Clock(2_000.0), max_symbols=max_symbols)
    made.opened()
    return made


def test_lag_is_the_wall_clock_minus_the_sending_time() -> None:
    """A tick sent 250 ms ago has 250 ms of lag."""
    kept = history()
    kept.receive(text(sent_at_us=2_000_000_000 - 250_000))
    assert kept.status.lag_ms == pytest.approx(250.0)


def test_a_bad_frame_is_counted_and_told_and_nothing_else_happens() -> None:
    """The reason of the newest is kept for the page; good ticks go on."""
    kept = history()
    assert not kept.receive(b"nonsense")
    assert not kept.receive(text(bid_price=None))
    assert kept.receive(text())
    assert (kept.status.bad_frames, kept.status.ticks) == (2, 1)
    assert kept.status.newest_bad_frame == "bid_price must be a number"


def test_the_newest_session_of_each_symbol_is_kept() -> None:
    """It tells a closed market from a paused one; a feed that does not tell it leaves none."""
    kept = history()
    kept.receive(text(symbol="A/B"))
    kept.receive(text(symbol="C/D", session="CONTINUOUS"))
    kept.receive(text(symbol="C/D", session="HALTED", seq=2, prev_seq=1))
    assert kept.status.sessions == {"C/D": "HALTED"}


def test_symbols_are_bounded() -> None:
    """A feed of endless names fills no memory: those past the bound are refused and counted."""
    kept = history(max_symbols=2)
    for number in range(5):
        kept.receive(text(symbol=f"S{number}"))
    assert list(kept.symbols) == ["S0", "S1"]
    assert kept.status.refused_symbols == 3


def test_a_new_run_is_counted_once_for_all_symbols() -> None:
    """Two symbols change to the same run: one change, and both series begin anew."""
    kept = history()
    for epoch in ("run-a", "run-b"):
        for symbol in ("A", "B"):
            kept.receive(text(symbol=symbol, epoch=epoch, timestamp=START_US))
    assert (kept.status.run, kept.status.run_changes) == ("run-b", 1)
    assert [symbol.series.ticks.count for symbol in kept.symbols.values()] == [1, 1]
    assert [symbol.generation for symbol in kept.symbols.values()] == [1, 1]


def test_symbols_of_two_engines_are_no_change_of_run() -> None:
    """Each engine has its own run; seeing the second one's first tick changes nothing."""
    kept = history()
    for seq in (1, 2):
        for symbol, epoch in (("A", "run-a"), ("B", "run-b")):
            kept.receive(text(symbol=symbol, epoch=epoch, seq=seq, prev_seq=seq - 1, timestamp=START_US + seq))
    assert kept.status.run_changes == 0
    assert [symbol.series.ticks.count for symbol in kept.symbols.values()] == [2, 2]


def test_a_late_tick_is_in_no_series() -> None:
    """It is counted and leaves the history as it was."""
    kept = history()
    kept.receive(text(seq=5, timestamp=START_US + 5))
    kept.receive(text(seq=4, prev_seq=3, timestamp=START_US + 4))
    assert kept.symbols["BTC/USD"].series.ticks.count == 1
    assert kept.status.gaps.late == 1


def test_a_tick_after_a_pause_says_so() -> None:
    """The first one of a new connection is marked in the series, so that a page can show where nobody saw the feed."""
    kept = history()
    for seq in (1, 2):
        kept.receive(text(seq=seq, prev_seq=seq - 1, timestamp=START_US + seq))
    # A market that stood still meanwhile greets with the tick that is known already: nothing lies between.
    for greeting in (2, 7):
        kept.opened()
        for seq in (greeting, greeting + 1):
            kept.receive(text(seq=seq, prev_seq=seq - 1, timestamp=START_US + seq))
    ticks = kept.symbols["BTC/USD"].series.ticks
    assert ticks.since(0)[:, TICK_COLUMNS.index("resumed")].tolist() == [1, 0, 0, 1, 0]
