"""Many small column messages become the records of one file, column by column and never row by row."""

from collections.abc import Sequence

import numpy as np
from google.protobuf.message import Message

from marksim.core.errors import InvalidInput
from marksim.core.types import TICK, Records
from marksim.v1 import types_pb2


def join_columns(messages: Sequence[Message], dtype: np.dtype[np.void]) -> Records:
    """The rows of all messages in order; raises InvalidInput where a column's length does not fit its `count`."""
    counts: list[int] = [message.count for message in messages]  # type: ignore[attr-defined]  # every *Columns has it
    records: Records = np.zeros(sum(counts), dtype)
    for name in dtype.names or ():
        column = dtype[name]
        pieces: list[bytes] = [getattr(message, name) for message in messages]
        if not any(pieces):
            continue
        for index, (piece, count) in enumerate(zip(pieces, counts, strict=True)):
            if not piece:
                # An empty column is zero in every row.
                pieces[index] = bytes(count * column.itemsize)
            elif len(piece) != count * column.itemsize:
                raise InvalidInput(f"column {name} of a frame has {len(piece)} bytes for {count} rows")
        records[name] = np.frombuffer(b"".join(pieces), column)
    return records


def last_sequence(columns: Message) -> int:
    """Sequence of the last row; 0 where there is none."""
    data: bytes = columns.sequence  # type: ignore[attr-defined]  # every *Columns of a frame has it
    return int.from_bytes(data[-8:], "little")


def join_ticks(ticks: Sequence[types_pb2.Tick], sequences: Sequence[int]) -> Records:
    """The ticks as records of dtype TICK."""
    records: Records = np.zeros(len(ticks), TICK)
    records["sequence"] = sequences
    for name in (TICK.names or ())[1:]:
        records[name] = [getattr(tick, name) for tick in ticks]
    return records
