"""Rows of any of the record dtypes as few bytes, in a form that a general compressor makes fewer yet.

Packed rows are: a version byte, the number of columns, the number of rows (both as LEB128), then of each column a code byte
and its base, then the columns' bytes. A column is written as one of

- FRAME: each value less the smallest of them, which is the base;
- CLIMB: each value less the one before it, none of which is negative; the base is the first value;
- DELTA: the same with any sign, zigzag; the base is the first value,

whichever needs the fewest whole bytes, 0 to 8, a value. Of one width FRAME wins, as differences of what does not follow each
other are only wider. Bytes of one significance stand together ("planes"), so that those that hardly vary are next to each
other. The code is (form * 9 + bytes a value) * 9 + bytes of the base, whose sign is in its lowest bit (zigzag).

One kernel packs all dtypes, and one unpacks them: they know a row as bytes, and its columns from a table of (offset, size).
No input makes the unpacking kernel read or write beyond what it was given.
"""

from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from marksim.core.book.compiled import INTERPRETED, compiled, compiled_apart, kernel
from marksim.core.book.words import Index, int64
from marksim.core.types import Records

VERSION: Final = 1
MAX_ROWS: Final = 1 << 23
"""More in one piece are refused: no window has them, and a damaged number must not ask for all memory."""
FRAME, CLIMB, DELTA = int64(0), int64(1), int64(2)
FORMS: Final[Any] = int64(3)
WIDTHS: Final[Any] = int64(9)
MALFORMED: Final[Any] = int64(-1)
EMPTY: Final = bytes((VERSION, 0, 0))
"""No rows, of whatever dtype."""

_VERSION: Final[Any] = int64(VERSION)
_MAX_ROWS: Final[Any] = int64(MAX_ROWS)


class TooManyRows(ValueError):
    """More than MAX_ROWS."""


Bytes = NDArray[np.uint8]
Layout = NDArray[np.int64]
"""Of each column its offset in a row and its size, one after the other; then the size of a row."""

_layouts: Final[dict[np.dtype[np.void], Layout]] = {}


def layout_of(dtype: np.dtype[np.void]) -> Layout:
    """The columns of rows as the kernels know them. Raises ValueError for what has others than of 8 bytes or of one."""
    known = _layouts.get(dtype)
    if known is None:
        fields: Any = dtype.fields
        columns = [(fields[name][1], fields[name][0].itemsize) for name in dtype.names or ()]
        if not columns or {size for _, size in columns} - {1, 8} or sum(size for _, size in columns) != dtype.itemsize:
            raise ValueError(f"rows of {dtype} cannot be packed: they have columns other than of 8 bytes or of one")
        known = _layouts[dtype] = np.array([*(number for pair in columns for number in pair), dtype.itemsize], np.int64)
    return known


def bytes_of(rows: Records) -> Bytes:
    """The rows' bytes, as the kernels take them: contiguous, and of memory that may be written to."""
    whole = np.ascontiguousarray(rows)
    return (whole if whole.flags.writeable else whole.copy()).view(np.uint8)


def pack(rows: Records) -> bytes:
    """The rows as bytes. Raises TooManyRows for more than MAX_ROWS."""
    count = len(rows)
    if not count:
        return EMPTY
    if count > MAX_ROWS:
        raise TooManyRows(f"{count} rows are more than {MAX_ROWS}, the most that are packed in one piece")
    layout = layout_of(rows.dtype)
    out = np.empty(count * rows.dtype.itemsize + 9 * (len(layout) // 2) + 16, np.uint8)
    return out[: pack_rows(bytes_of(rows), count, layout, np.empty(count, np.int64), out)].tobytes()


def unpack(data: bytes, dtype: np.dtype[np.void]) -> Records:
    """What was packed. Raises ValueError for bytes that are not wholly rows of that dtype."""
    rows, end = unpack_from(np.frombuffer(data, np.uint8), 0, dtype)
    if end != len(data):
        raise ValueError(f"{len(data) - end} bytes follow the packed rows")
    return rows


def unpack_from(data: Bytes, at: int, dtype: np.dtype[np.void]) -> tuple[Records, int]:
    """Rows that are packed from there on, and where they end; `data` may not be written to, as that of bytes. Raises
    ValueError.
    """
    layout = layout_of(dtype)
    count = packed_rows(data, at, layout)
    if count < 0:
        raise ValueError("these bytes are not packed rows of that dtype, version 1")
    rows: Records = np.empty(count, dtype)
    return rows, int(unpack_rows(data, at, layout, rows.view(np.uint8), 0))


def _access(bits: int, stores: bool) -> Any:
    """An instruction that loads or stores an integer of so many bits at any byte of an array, which is within the array.

    An index as Numba compiles it may be negative, and is looked at for that: so no loop over bytes becomes one over vectors.
    """

    def place(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.bitcast(builder.gep(pointer, [arguments[1]]), ir.IntType(bits).as_pointer())

    def load(_typing: Any, array: Any, _index: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            loaded = builder.load(place(context, builder, signature, arguments), align=1)
            return loaded if bits == _WORD_BITS else builder.zext(loaded, ir.IntType(_WORD_BITS))

        return types.int64(array, types.int64), generate

    def store(_typing: Any, array: Any, _index: Any, _value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            value = arguments[2] if bits == _WORD_BITS else builder.trunc(arguments[2], ir.IntType(bits))
            builder.store(value, place(context, builder, signature, arguments), align=1)
            return context.get_dummy_value()

        return types.void(array, types.int64, types.int64), generate

    return intrinsic(store if stores else load)


_WORD_BITS: Final = 64
load_word: Any = _access(_WORD_BITS, stores=False)
load_byte: Any = _access(8, stores=False)
store_word: Any = _access(_WORD_BITS, stores=True)
store_byte: Any = _access(8, stores=True)

if INTERPRETED:
    load_word = lambda array, index: array[index : index + 8].view("<i8")[0]  # noqa: E731
    load_byte = lambda array, index: int64(array[index])  # noqa: E731

    def store_word(array: Any, index: Any, value: Any) -> None:
        array[index : index + 8].view("<i8")[0] = value

    def store_byte(array: Any, index: Any, value: Any) -> None:
        array[index] = value & 255


@compiled_apart
def width_of(bits: Index) -> Index:
    """How many bytes hold this number without a sign."""
    if bits < 0:
        return int64(8)
    width = int64(0)
    while bits > 0:
        bits >>= int64(8)
        width += int64(1)
    return width


@compiled
def zigzag(value: Index) -> Index:
    """Small numbers of any sign as small ones of none."""
    return (value << int64(1)) ^ (value >> int64(63))


@compiled
def unzigzag(bits: Index) -> Index:
    """The number whose zigzag that is."""
    return ((bits >> int64(1)) & int64(0x7FFF_FFFF_FFFF_FFFF)) ^ -(bits & int64(1))


@kernel
def pack_rows(rows: Bytes, count: Index, layout: Layout, scratch: Layout, out: Bytes) -> Index:
    """Write the first `count` rows, which are some, to the start of `out`, which is long enough; return where they end.

    `scratch` has room for a column.
    """
    columns = int64(len(layout) // 2)
    out[0] = _VERSION
    out[1] = columns
    at = _put_number(out, int64(2), int64(count))
    itemsize = int64(layout[len(layout) - 1])
    # Codes and bases come first, in as much room as they may take; the columns are moved down to them at the end.
    planes = at + columns * WIDTHS
    end = planes
    for column in range(columns):
        offset, size = int64(layout[2 * column]), int64(layout[2 * column + 1])
        _gather(rows, count, offset, size, itemsize, scratch)
        form, width, base = _form_of(scratch, count)
        base_width = width_of(base)
        out[at] = (form * WIDTHS + width) * WIDTHS + base_width
        at += int64(1)
        for byte in range(base_width):
            out[at] = (base >> (int64(8) * byte)) & int64(255)
            at += int64(1)
        _differ(scratch, count, form, unzigzag(base))
        for byte in range(width):
            shift = int64(8) * int64(byte)
            for row in range(count):
                store_byte(out, end + row, scratch[row] >> shift)
            end += count
    for index in range(end - planes):
        store_byte(out, at + index, load_byte(out, planes + index))
    return at + end - planes


@compiled_apart
def _put_number(out: Bytes, at: Index, number: Index) -> Index:
    """LEB128: seven bits a byte, the lowest first."""
    while number >= int64(128):
        out[at] = (number & int64(127)) | int64(128)
        number >>= int64(7)
        at += int64(1)
    out[at] = number
    return at + int64(1)


@compiled
def _gather(rows: Bytes, count: Index, offset: Index, size: Index, itemsize: Index, scratch: Layout) -> None:
    at = offset
    if size == int64(8):
        for row in range(count):
            scratch[row] = load_word(rows, at)
            at += itemsize
    else:
        for row in range(count):
            scratch[row] = load_byte(rows, at)
            at += itemsize


@compiled
def _form_of(values: Layout, count: Index) -> Any:
    """Form, bytes a value, and zigzag of the base of a column."""
    low = high = first = int64(values[0])
    for row in range(count):
        low = min(low, int64(values[row]))
        high = max(high, int64(values[row]))
    # As without a sign: from the lowest number to the highest are eight bytes.
    width = width_of(high - low)
    climbs = signed = int64(0)
    if width > int64(0):
        for row in range(int64(1), count):
            step = int64(values[row]) - int64(values[row - 1])
            climbs |= step
            signed |= zigzag(step)
        if width_of(climbs) < width and climbs >= int64(0):
            return CLIMB, width_of(climbs), zigzag(first)
        if width_of(signed) < width:
            return DELTA, width_of(signed), zigzag(first)
    return FRAME, width, zigzag(low)


@compiled
def _differ(values: Layout, count: Index, form: Index, base: Index) -> None:
    """Make of values what is written of them."""
    if form == FRAME:
        for row in range(count):
            values[row] -= base
        return
    for index in range(int64(1), count):
        row = count - index
        step = int64(values[row]) - int64(values[row - 1])
        values[row] = step if form == CLIMB else zigzag(step)
    values[0] = 0


@compiled_apart
def get_number(data: Bytes, at: Index, end: Index) -> Any:
    """A number that _put_number wrote, and where it ends: MALFORMED where there is none before `end`."""
    number = shift = int64(0)
    while at < end and shift < int64(63):
        byte = int64(data[at])
        at += int64(1)
        number |= (byte & int64(127)) << shift
        if byte < int64(128):
            return number, at
        shift += int64(7)
    return MALFORMED, MALFORMED


@compiled_apart
def measure(data: Bytes, at: Index, end: Index, layout: Layout) -> Any:
    """Rows that are packed from `at` on, and where they end, which is at most `end`; MALFORMED of what cannot be."""
    columns = int64(len(layout) // 2)
    if at < int64(0) or at + int64(2) > end or data[at] != _VERSION:
        return MALFORMED, MALFORMED
    said = int64(data[at + 1])
    count, at = get_number(data, at + int64(2), end)
    if count == int64(0) and said == int64(0):
        return count, at
    if count <= int64(0) or count > _MAX_ROWS or said != columns:
        return MALFORMED, MALFORMED
    planes = int64(0)
    for column in range(columns):
        if at >= end:
            return MALFORMED, MALFORMED
        code = int64(data[at])
        width, size = code // WIDTHS % WIDTHS, int64(layout[2 * column + 1])
        if code >= FORMS * WIDTHS * WIDTHS or width > size:
            return MALFORMED, MALFORMED
        at += int64(1) + code % WIDTHS
        planes += width * count
    if at + planes > end:
        return MALFORMED, MALFORMED
    return count, at + planes


@compiled_apart
def decode(data: Bytes, at: Index, layout: Layout, rows: Bytes, first: Index) -> Index:
    """Write rows that `measure` found whole to `rows` from row `first` on, where there is room; return where they end."""
    columns, itemsize = int64(len(layout) // 2), int64(layout[len(layout) - 1])
    if data[at + 1] == int64(0):
        return at + int64(3)
    count, at = get_number(data, at + int64(2), int64(len(data)))
    planes = at
    for _ in range(columns):
        planes += int64(1) + int64(data[planes]) % WIDTHS
    for column in range(columns):
        code = int64(data[at])
        form, width = code // (WIDTHS * WIDTHS), code // WIDTHS % WIDTHS
        at += int64(1)
        base = int64(0)
        for byte in range(code % WIDTHS):
            base |= int64(data[at]) << (int64(8) * byte)
            at += int64(1)
        to = first * itemsize + int64(layout[2 * column])
        _scatter(data, planes, count, form, width, unzigzag(base), rows, to, int64(layout[2 * column + 1]), itemsize)
        planes += width * count
    return planes


@compiled
def _scatter(
    data: Bytes, planes: Index, count: Index, form: Index, width: Index, base: Index, rows: Bytes, to: Index, size: Index,
    itemsize: Index,
) -> None:  # fmt: skip
    """Write one column."""
    before = base
    for row in range(count):
        bits = int64(0)
        for byte in range(width):
            bits |= load_byte(data, planes + byte * count + row) << (int64(8) * byte)
        if form == FRAME:
            value = base + bits
        else:
            value = before + (bits if form == CLIMB else unzigzag(bits))
            before = value
        if size == int64(8):
            store_word(rows, to, value)
        else:
            store_byte(rows, to, value)
        to += itemsize


@kernel
def packed_rows(data: Bytes, at: Index, layout: Layout) -> Index:
    """How many rows are packed from there on; MALFORMED where they are not whole."""
    count, _ = measure(data, int64(at), int64(len(data)), layout)
    return count


@kernel
def unpack_rows(data: Bytes, at: Index, layout: Layout, rows: Bytes, first: Index) -> Index:
    """Write rows that are packed from `at` on to `rows`, from row `first` on; return where they end.

    MALFORMED where they are not whole, or find no room: then nothing was written.
    """
    count, _ = measure(data, int64(at), int64(len(data)), layout)
    if count < int64(0) or first < int64(0) or (first + count) * layout[len(layout) - 1] > len(rows):
        return MALFORMED
    return decode(data, int64(at), layout, rows, int64(first))
