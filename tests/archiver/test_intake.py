"""The intake: positions, gaps and doubles, with no network and no disk."""

import pytest

from marksim.archiver.intake import Intake
from marksim.core.errors import InvalidInput
from marksim.store.archive import IN_ORDER, Gap, Progress
from marksim.v1 import orderbook_pb2 as pb
from tests.archiver.fake_book import frame, started


def message(*windows: int, last: int | None = None, symbol: int = 0) -> pb.StreamTicksResponse:
    frames = [item for window in windows if (item := frame(symbol, window))]
    return pb.StreamTicksResponse(run="run-1", frames=frames, last_window=max(windows, default=-1) if last is None else last)


def begun(stored: dict[str, Progress] | None = None) -> Intake:
    intake = Intake()
    intake.begin(started("run-1"), stored or {}, "")
    return intake


def test_a_quiet_window_moves_the_position_too() -> None:
    """The position is the last window that is done, also where no symbol had a frame."""
    intake = begun()
    intake.add(message(0, 1, last=5))
    assert intake.position == ("run-1", 5)
    assert intake.take().progress == {"BTC/USD": Progress(5, 1), "ETH/USD": Progress(5, -1)}
    assert not intake.pending and intake.bytes == 0


def test_a_shard_without_symbols_has_a_position() -> None:
    """Its windows are confirmed as any other's, or it would wait in vain when it ends."""
    intake = Intake()
    intake.begin(pb.RunStarted(run="run-1"), {}, "")
    intake.add(message(last=5))
    assert intake.position == intake.take().position == ("run-1", 5)


def test_a_frame_that_comes_again_is_left_out() -> None:
    """Frames up to the last stored one are counted, not stored."""
    intake = begun({"BTC/USD": Progress(1, 1), "ETH/USD": Progress(1, -1)})
    intake.add(message(0, 1, 2))
    assert intake.doubles == 2
    assert set(intake.take().flush().rows["trades", "BTC/USD"].windows.tolist()) == {2}


def test_a_frame_of_a_window_that_was_done_again_is_left_out() -> None:
    """Also of a symbol that had none there before: the rows of those windows are of one history."""
    intake = begun({"BTC/USD": Progress(9, 9), "ETH/USD": Progress(9, 3)})
    intake.add(message(7, 9, 10, symbol=1))
    assert intake.doubles == 2
    assert set(intake.take().flush().rows["trades", "ETH/USD"].windows.tolist()) == {10}


def test_a_missing_frame_is_recorded_as_a_gap() -> None:
    """A frame whose previous_window is not the last one says which windows are lost."""
    intake = begun()
    intake.add(message(0))
    intake.add(message(4))
    (gap,) = intake.take().gaps
    assert (gap.run, gap.symbol, gap.first_window, gap.last_window) == ("run-1", "BTC/USD", 1, 3)


def test_a_gap_that_the_book_tells_is_recorded_once() -> None:
    """What the book calls lost is one gap, not one more per symbol."""
    intake = begun()
    lost = message(5)
    lost.gap.CopyFrom(pb.Gap(first_window=0, last_window=4, reason="forgotten"))
    intake.add(lost)
    assert intake.take().gaps == [Gap("run-1", 0, 4, "forgotten")]


def test_a_lost_run_is_a_gap_without_an_end() -> None:
    """The old run's gap has no last window, and its row will say that it was lost."""
    intake = Intake()
    intake.begin(started("run-1"), {}, "run-0")
    lost = message(0)
    lost.gap.CopyFrom(pb.Gap(run="run-0", first_window=9, reason="gone"))
    intake.add(lost)
    batch = intake.take()
    assert batch.gaps == [Gap("run-0", 9, None, "gone")] and batch.ended == {"run-0": "lost: gone"}


def test_after_the_end_of_a_run_in_order_nothing_is_lost() -> None:
    """A gap that begins there is none; one that begins elsewhere is."""
    intake = begun()
    intake.add(message(4))
    intake.end_in_order({"BTC/USD": "ab"})
    batch = intake.take()
    assert (batch.ended, batch.position) == ({"run-1": IN_ORDER}, ("run-1", 4))
    assert batch.flush().tapes == {"BTC/USD": "ab"}
    intake.begin(started("run-2"), {}, "run-1")
    for first, found in ((5, []), (3, [Gap("run-1", 3, None, "gone")])):
        after = pb.StreamTicksResponse(run="run-2")
        after.gap.CopyFrom(pb.Gap(run="run-1", first_window=first, reason="gone"))
        intake.add(after)
        assert intake.take().gaps == found


def test_a_run_that_goes_on_after_its_end_in_order_has_not_ended() -> None:
    """As of a book that is started again with its journal: what it says from then on can be lost again."""
    intake = begun()
    intake.add(message(4))
    intake.end_in_order({})
    intake.take()
    intake.add(message(5))
    batch = intake.take()
    assert batch.ended == {"run-1": None} and intake.complete is None
    intake.add(message(6))
    assert intake.take().ended == {}


def test_columns_that_do_not_fit_together_are_refused() -> None:
    """A column of a wrong length never becomes a file."""
    intake = begun()
    bad = pb.StreamTicksResponse.FromString(message(0).SerializeToString())
    bad.frames[0].trades.price_ticks += b"12345678"
    intake.add(bad)
    with pytest.raises(InvalidInput, match="price_ticks"):
        intake.take().flush()


def test_a_symbol_that_the_run_did_not_name_is_refused() -> None:
    """Its steps are unknown, so its rows would have no prices."""
    stray = pb.StreamTicksResponse.FromString(message(0).SerializeToString())
    stray.frames[0].symbol = "XRP/USD"
    with pytest.raises(InvalidInput, match="XRP/USD"):
        begun().add(stray)
