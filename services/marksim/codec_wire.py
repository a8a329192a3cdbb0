"""Columns as encoded protobuf, without the message in between.

A message copies every column it is given, and again when it is embedded or serialised. What goes to many (frames) or is kept
(answers) is therefore put together as bytes; the bytes are those of the message. A field that holds a message is its header,
then the encoded message; messages of a type join by concatenation.
"""

from functools import lru_cache
from typing import Final

import numpy as np
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from marksim.core.types import Records

_LENGTH_DELIMITED: Final = 2
_ZEROS: Final = bytes(1 << 14)


def varint(number: int) -> bytes:
    """A number from 0 on, as protobuf writes it."""
    if number < 0x80:
        return bytes((number,))
    pieces = bytearray()
    while number >= 0x80:
        pieces.append(number & 0x7F | 0x80)
        number >>= 7
    pieces.append(number)
    return bytes(pieces)


def header(field: int, size: int) -> bytes:
    """What stands before the `size` bytes of a message or of bytes in the field of that number."""
    return varint(field << 3 | _LENGTH_DELIMITED) + varint(size)


def embedded(field: int, data: bytes) -> bytes:
    """A field of that number which holds the message that `data` encodes."""
    return header(field, len(data)) + data


@lru_cache(maxsize=64)
def _tags(dtype: np.dtype[np.void], columns: Descriptor) -> tuple[bytes, tuple[tuple[str, bytes, int], ...]]:
    """The tag of `count`; then name, tag and size of each field, as the column message numbers them."""
    fields, numbers = dtype.fields, columns.fields_by_name
    assert fields is not None, "a record dtype has fields"
    return varint(numbers["count"].number << 3), tuple(
        (name, varint(numbers[name].number << 3 | _LENGTH_DELIMITED), fields[name][0].itemsize) for name in dtype.names or ()
    )


def column_bytes(records: Records, columns: type[Message]) -> bytes:
    """What `encode_columns` gives, serialised: the columns, without those that are zero in every row."""
    count = len(records)
    if not count:
        return b""
    sizes = {size: varint(count * size) for size in (1, 2, 4, 8)}
    counted, fields = _tags(records.dtype, columns.DESCRIPTOR)
    pieces = [counted, varint(count)]
    for name, tag, size in fields:
        data = records[name].tobytes()
        # One memcmp: cheaper than asking numpy, and most columns of most windows are all zero.
        if not _ZEROS.startswith(data):
            pieces += (tag, sizes[size], data)
    return b"".join(pieces)
