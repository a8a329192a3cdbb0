"""What was kept of a window gives the very frames that were sent."""

import random

import numpy as np

from marksim.core.types import DEPTH
from marksim.orderbook.frames import frame_segments, kept_frames
from marksim.orderbook.tape import SymbolFrame
from marksim.store.windows import RecordedWindow
from marksim.v1 import orderbook_pb2 as pb
from tests.orderbook.kept import part_of
from tests.orderbook.played import Played


def test_frames_of_a_recorded_window_are_those_that_were_sent() -> None:
    """Byte for byte, part by part: trades, ticks and snapshots included, those of empty books, too."""
    market = Played(random.Random(3))
    market.windows(200)
    numbers = {symbol: number for number, symbol in enumerate(market.symbols)}
    rebuilt = [list(kept_frames(window, numbers)) for window in market.kept.windows(0, 199) if window.parts]
    sent = [frames for frames in market.published if frames]
    assert rebuilt == sent and len(sent) > 100
    shown = [pb.Frame.FromString(b"".join(frame.segments)) for frames in rebuilt for frame in frames]
    assert {frame.HasField("depth_snapshot") for frame in shown} == {True, False}
    assert any(frame.trades.count for frame in shown) and any(frame.HasField("tick") for frame in shown)


def test_snapshot_of_an_empty_book_is_rebuilt() -> None:
    """A frame that says that there is no level is another thing than no frame."""
    segments = frame_segments("BTC/USD", 12, 3, b"", np.zeros(0, np.int64), b"", np.zeros(0, DEPTH), b"", np.zeros(0, DEPTH))
    part = part_of(SymbolFrame(0, segments))
    assert part.levels is not None and not len(part.levels) and part.previous_window == 3
    (frame,) = kept_frames(RecordedWindow(12, 12, b"", b"", {"BTC/USD": part}), {"BTC/USD": 4})
    assert frame == SymbolFrame(4, segments)
    assert pb.Frame.FromString(b"".join(segments)).HasField("depth_snapshot")


def test_only_asked_symbols_are_rebuilt() -> None:
    """In the order of the shard, whatever order they were kept in; input without output has no frame."""
    market = Played(random.Random(4))
    market.windows(1)
    (window,) = market.kept.windows(0, 0)
    turned = RecordedWindow(0, 0, b"", b"", {symbol: window.parts[symbol] for symbol in reversed(market.symbols)})
    numbers = {symbol: number for number, symbol in enumerate(market.symbols)}
    assert [frame.symbol for frame in kept_frames(turned, numbers)] == [0, 1]
    assert [frame.symbol for frame in kept_frames(turned, {market.symbols[1]: 1})] == [1]
