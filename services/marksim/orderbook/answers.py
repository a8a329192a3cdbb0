"""Encoded answers to windows, from what a book just did or from what the journal has of it."""

from collections.abc import Sequence

from marksim.codec import tick_to_proto
from marksim.codec_wire import column_bytes, embedded, header
from marksim.core.feed.ticks import tick_of
from marksim.core.types import Records
from marksim.v1 import orderbook_pb2 as pb
from marksim.v1 import types_pb2


def answer_of(window: int, results: Sequence[bytes]) -> bytes:
    """An encoded TradeResponse with the result of a window; `results` are encoded SymbolResults."""
    parts = [pb.WindowResult(window=window).SerializeToString()]
    for result in results:
        parts += (header(pb.WindowResult.RESULTS_FIELD_NUMBER, len(result)), result)
    # The header also says that there is a result in which nothing happened.
    return b"".join((header(pb.TradeResponse.RESULT_FIELD_NUMBER, sum(map(len, parts))), *parts))


def encoded_result(symbol: str, executions: Records, quotes: Records, tick: Records) -> bytes:
    """An encoded SymbolResult of rows as they are recorded; `tick` is one row of TICK, or none."""
    shown = tick_to_proto(tick_of(tuple(tick[0].item()))).SerializeToString() if len(tick) else b""
    columns = column_bytes(executions, types_pb2.ExecutionColumns), column_bytes(quotes, types_pb2.QuoteColumns)
    return joined_result(result_head(symbol), *columns, shown)


def result_head(symbol: str) -> bytes:
    """What every encoded SymbolResult of a symbol begins with."""
    return pb.SymbolResult(symbol=symbol).SerializeToString()


def joined_result(head: bytes, executions: bytes, quotes: bytes, tick: bytes) -> bytes:
    """An encoded SymbolResult of encoded parts; quotes and tick may be empty."""
    parts = [head, embedded(pb.SymbolResult.EXECUTIONS_FIELD_NUMBER, executions)]
    if quotes:
        parts.append(embedded(pb.SymbolResult.QUOTES_FIELD_NUMBER, quotes))
    if tick:
        parts.append(embedded(pb.SymbolResult.TICK_FIELD_NUMBER, tick))
    return b"".join(parts)
