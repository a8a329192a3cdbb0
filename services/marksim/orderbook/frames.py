"""A window's frames as they are sent: made once while it is live, and again, byte for byte, from what was kept of it."""

from collections.abc import Iterator, Mapping
from typing import Final

from marksim.codec import tick_to_proto
from marksim.codec_wire import column_bytes, embedded, header
from marksim.core.feed.ticks import tick_of
from marksim.core.feed.trades import trades_of
from marksim.core.types import Records
from marksim.orderbook.ring import Segment
from marksim.orderbook.tape import SymbolFrame
from marksim.store.windows import RecordedWindow, SymbolWindow
from marksim.v1 import orderbook_pb2 as pb
from marksim.v1 import types_pb2

# An empty book has a snapshot, too.
_NO_LEVELS: Final = header(pb.Frame.DEPTH_SNAPSHOT_FIELD_NUMBER, 0)


def frame_segments(
    symbol: str,
    window: int,
    previous: int | None,
    executions: bytes,
    trades: Records,
    quotes: bytes,
    depth: Records,
    tick: bytes,
    levels: Records | None,
) -> list[bytes]:
    """A frame, one encoded piece per Segment; an absent part is empty.

    `previous` is the symbol's last window before this one that had a frame. Executions, quotes and tick come as encoded
    ExecutionColumns, QuoteColumns and Tick, as the window's answer has them, too; empty bytes for none. `levels` is None
    where no snapshot is due.
    """
    head = pb.Frame(symbol=symbol, window=window, previous_window=previous)
    snapshot = column_bytes(levels, types_pb2.DepthColumns) if levels is not None else b""
    parts = {
        pb.Frame.TICK_FIELD_NUMBER: tick,
        pb.Frame.TRADES_FIELD_NUMBER: column_bytes(trades, types_pb2.TradeColumns),
        pb.Frame.QUOTES_FIELD_NUMBER: quotes,
        pb.Frame.DEPTH_FIELD_NUMBER: column_bytes(depth, types_pb2.DepthColumns),
        pb.Frame.DEPTH_SNAPSHOT_FIELD_NUMBER: snapshot,
        pb.Frame.EXECUTIONS_FIELD_NUMBER: executions,
    }
    segments = [embedded(field, data) if data else b"" for field, data in parts.items()]
    if levels is not None and not snapshot:
        segments[Segment.SNAPSHOT - 1] = _NO_LEVELS
    return [head.SerializeToString(), *segments]


def kept_frames(recorded: RecordedWindow, numbers: Mapping[str, int]) -> Iterator[SymbolFrame]:
    """The frames that a kept window had when it was live, of these symbols, each with its number, in their order."""
    for symbol, number in numbers.items():
        part = recorded.parts.get(symbol)
        if part is not None and (len(part.executions) or part.levels is not None):
            yield SymbolFrame(number, _kept_segments(symbol, recorded.window, part))


def kept_tick(tick: Records) -> types_pb2.Tick | None:
    """The one row of dtype TICK as it was sent; None for none."""
    return tick_to_proto(tick_of(tick[0].item())) if len(tick) else None


def _kept_segments(symbol: str, window: int, part: SymbolWindow) -> list[bytes]:
    tick = kept_tick(part.tick)
    return frame_segments(
        symbol,
        window,
        part.previous_window if part.previous_window >= 0 else None,
        column_bytes(part.executions, types_pb2.ExecutionColumns),
        trades_of(part.executions),
        column_bytes(part.quotes, types_pb2.QuoteColumns),
        part.depth,
        tick.SerializeToString() if tick is not None else b"",
        part.levels,
    )
