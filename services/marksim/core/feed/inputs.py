"""What went into one window of a shard as one piece of bytes, and many of them taken apart in one call.

Of each symbol that takes part, in order: its number in the shard, a byte of flags, its last window before this one that had
a frame plus one (numbers as LEB128), the digest of what came out (eight bytes, little-endian), and packed rows of COMMAND:
those from outside, then the engine's.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from marksim.core.book.compiled import kernel
from marksim.core.book.words import Index, int64
from marksim.core.feed.packing import (
    MALFORMED,
    Bytes,
    Layout,
    decode,
    get_number,
    layout_of,
    load_word,
    measure,
    pack,
    unpack_from,
)
from marksim.core.types import COMMAND, Records

HAS_OUTPUT: Final = 1
"""Executions, quotes, changes of depth, or a tick."""
HAS_LEVELS: Final = 2
"""All levels after the window."""
_HAS_OUTPUT: Final[Any] = int64(HAS_OUTPUT)

MARK: Final = np.dtype([("window", "<i8"), ("end", "<i8"), ("digest", "<u8"), ("previous", "<i8"), ("flags", "<i8")])
"""One window of one symbol; `end` is where its commands end."""


@dataclass(frozen=True, slots=True)
class PartInput:
    """What went into one window of one symbol, and what is known of that which came out."""

    symbol: int
    flags: int
    previous_window: int
    digest: int
    outside: Records
    commands: Records


@dataclass(frozen=True, slots=True)
class SymbolInputs:
    """What went into many windows of one symbol; all but `commands` have one entry a window, and `bounds` one more."""

    windows: NDArray[np.int64]
    """Numbers of those in which the symbol took part"""
    commands: Records
    """dtype COMMAND: of a window those from outside first, then the engine's"""
    bounds: NDArray[np.int64]
    """Where the commands of each window begin; last, where they end."""
    digests: NDArray[np.uint64]
    """As it was recorded of what came out: core.feed.digest.rows_digest."""
    has_output: NDArray[np.bool_]
    has_levels: NDArray[np.bool_]
    """Where all levels of the book were recorded, too"""


def pack_inputs(parts: Sequence[PartInput]) -> bytes:
    """The piece of one window."""
    pieces = []
    for part in parts:
        pieces.append(_number(part.symbol) + bytes((part.flags,)) + _number(part.previous_window + 1))
        pieces += (part.digest.to_bytes(8, "little"), pack(part.outside), pack(part.commands))
    return b"".join(pieces)


def unpack_inputs(data: bytes) -> Iterator[PartInput]:
    """The parts of one window. Raises ValueError for what is no such piece."""
    view, at = np.frombuffer(data, np.uint8), 0
    while at < len(data):
        symbol, at = _read_number(data, at)
        flags = data[at] if at < len(data) else 0
        previous, at = _read_number(data, at + 1)
        digest = int.from_bytes(data[at : at + 8], "little")
        outside, at = unpack_from(view, at + 8, COMMAND)
        commands, at = unpack_from(view, at, COMMAND)
        yield PartInput(symbol, flags, previous - 1, digest, outside, commands)


def unpack_windows(pieces: Sequence[bytes], windows: NDArray[np.int64], symbols: int) -> list[SymbolInputs]:
    """The pieces of these windows, by the number of the symbol. Raises ValueError that names the first that is no such
    piece.
    """
    data = np.frombuffer(b"".join(pieces), np.uint8)
    bounds = np.zeros(len(pieces) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, pieces), np.int64, len(pieces)), out=bounds[1:])
    counts = np.zeros(2 * symbols, np.int64)
    layout = layout_of(COMMAND)
    wrong = count_inputs(data, bounds, layout, counts)
    if wrong >= 0:
        raise ValueError(f"what went into window {windows[wrong]} cannot be read")
    if not symbols:
        # A shard may have none: there are more shards than symbols.
        return []
    ends = np.cumsum(counts.reshape(symbols, 2), axis=0)
    begins = ends - counts.reshape(symbols, 2)
    marks = np.empty(int(ends[-1, 0]), MARK)
    rows: Records = np.empty(int(ends[-1, 1]), COMMAND)
    take_inputs(data, bounds, windows, layout, begins.reshape(-1).copy(), marks, rows.view(np.uint8))
    return [
        _of_symbol(marks[begin[0] : end[0]], rows[begin[1] : end[1]], int(begin[1]))
        for begin, end in zip(begins, ends, strict=True)
    ]


def _of_symbol(marks: Records, commands: Records, first: int) -> SymbolInputs:
    bounds = np.zeros(len(marks) + 1, np.int64)
    bounds[1:] = marks["end"] - first
    has_output, has_levels = ((marks["flags"] & flag) != 0 for flag in (HAS_OUTPUT, HAS_LEVELS))
    return SymbolInputs(marks["window"].copy(), commands, bounds, marks["digest"].copy(), has_output, has_levels)


def _number(number: int) -> bytes:
    out = bytearray()
    while number >= 128:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _read_number(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while at < len(data) and shift < 63:
        number |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if data[at - 1] < 128:
            return number, at
    raise ValueError("the bytes end within a number")


@kernel
def count_inputs(data: Bytes, bounds: Layout, layout: Layout, counts: Layout) -> Index:
    """Add to `counts`, for each symbol, its windows and its commands; return the first piece that is malformed, else -1."""
    for piece in range(len(bounds) - 1):
        at, end = int64(bounds[piece]), int64(bounds[piece + 1])
        while at < end:
            symbol, at = get_number(data, at, end)
            if symbol < int64(0) or 2 * symbol >= len(counts) or at >= end:
                return int64(piece)
            previous, at = get_number(data, at + int64(1), end)
            if previous < int64(0) or at + int64(8) > end:
                return int64(piece)
            outside, at = measure(data, at + int64(8), end, layout)
            if outside < int64(0):
                return int64(piece)
            commands, at = measure(data, at, end, layout)
            if commands < int64(0):
                return int64(piece)
            counts[2 * symbol] += int64(1)
            counts[2 * symbol + 1] += outside + commands
    return MALFORMED


@kernel
def take_inputs(
    data: Bytes, bounds: Layout, windows: Layout, layout: Layout, cursors: Layout, marks: Records, rows: Bytes
) -> None:  # fmt: skip
    """Write what `count_inputs` found whole: marks and commands of each symbol from where its two cursors are."""
    for piece in range(len(bounds) - 1):
        at, end = int64(bounds[piece]), int64(bounds[piece + 1])
        while at < end:
            symbol, at = get_number(data, at, end)
            flags = int64(data[at])
            previous, at = get_number(data, at + int64(1), end)
            digest = load_word(data, at)
            at += int64(8)
            for _ in range(2):
                count, _end = measure(data, at, end, layout)
                decode(data, at, layout, rows, int64(cursors[2 * symbol + 1]))
                cursors[2 * symbol + 1] += count
                at = _end
            mark = marks[cursors[2 * symbol]]
            mark.window, mark.end, mark.digest = windows[piece], cursors[2 * symbol + 1], digest
            mark.previous, mark.flags = previous - int64(1), flags
            cursors[2 * symbol] += int64(1)
