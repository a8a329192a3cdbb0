"""Encoded by hand or by protobuf, a message is the same."""

import numpy as np
import pytest
from google.protobuf.message import Message

from marksim.codec import decode_columns, encode_columns
from marksim.codec_wire import column_bytes, embedded, header, varint
from marksim.core.types import COMMAND, DEPTH, EXECUTION, QUOTE, TRADE
from marksim.v1 import orderbook_pb2 as pb
from marksim.v1 import types_pb2

COLUMNS = {
    types_pb2.CommandColumns: COMMAND,
    types_pb2.ExecutionColumns: EXECUTION,
    types_pb2.QuoteColumns: QUOTE,
    types_pb2.DepthColumns: DEPTH,
    types_pb2.TradeColumns: TRADE,
}


@pytest.mark.parametrize("count", [0, 1, 15, 16, 127, 128, 3_000])
@pytest.mark.parametrize("columns", COLUMNS, ids=lambda columns: columns.__name__)
def test_column_bytes_are_the_column_message(columns: type[Message], count: int) -> None:
    """Lengths of one to three bytes, random values, and columns that are zero in every row."""
    dtype = COLUMNS[columns]
    rng = np.random.default_rng(count)
    rows = np.frombuffer(rng.bytes(count * dtype.itemsize), dtype).copy()
    for name in rng.choice(dtype.names or (), 3, replace=False):
        rows[name] = 0
    message = columns.FromString(column_bytes(rows, columns))
    assert message == encode_columns(rows, columns)
    assert np.array_equal(decode_columns(message, dtype), rows)


@pytest.mark.parametrize("number", [0, 1, 127, 128, 300, 1 << 14, (1 << 35) + 5])
def test_a_varint_is_what_protobuf_reads(number: int) -> None:
    """Of one byte and of more."""
    read = pb.WindowResult.FromString(varint(pb.WindowResult.WINDOW_FIELD_NUMBER << 3) + varint(number))
    assert read.window == number


def test_embedded_messages_join_by_concatenation() -> None:
    """One behind the other they are the items of a repeated field; a header alone says that an empty message is there."""
    field = pb.WindowResult.RESULTS_FIELD_NUMBER
    results = [pb.SymbolResult(symbol=symbol * 100) for symbol in ("A", "BC")]
    encoded = b"".join(embedded(field, result.SerializeToString()) for result in results)
    assert list(pb.WindowResult.FromString(encoded).results) == results
    empty = pb.TradeResponse.FromString(header(pb.TradeResponse.RESULT_FIELD_NUMBER, 0))
    assert empty.WhichOneof("message") == "result"
