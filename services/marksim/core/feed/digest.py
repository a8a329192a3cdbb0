"""A number over what a window did to a symbol, by which a re-execution is compared with what was recorded.

It is over the raw bytes of the rows, read as little-endian words of eight bytes that go to four lanes in turn. Each step of
a lane, and each by which lanes and parts become one, can be undone: so rows that differ within one word have different
digests for certain, and others but for one time in 2^64. It guards against faults, not against who wants to deceive.
"""

import ctypes
from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from marksim.core.book.compiled import INTERPRETED, compiled, compiled_apart, kernel
from marksim.core.book.words import Table, int64
from marksim.core.types import DEPTH, EXECUTION, QUOTE, TICK, Records

_SEED: Final = np.uint64(0x9E3779B97F4A7C15)
_FIRST: Final = np.uint64(0xBF58476D1CE4E5B9)
_SECOND: Final = np.uint64(0x94D049BB133111EB)
_LANE: Final = np.uint64(0xD6E8FEB86659FD93)
"""Odd numbers: to multiply by one can be undone."""
_HALF: Final = np.uint64(32)
_BYTE: Final = np.uint64(8)
_ZERO: Final = np.uint64(0)

Word = Any
"""Eight bytes, without a sign."""


def _load(bits: int) -> Any:
    """A function that reads so many bits at an address, wherever that is."""

    def load(_typing: Any, address: Any) -> Any:
        def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            pointer = builder.inttoptr(arguments[0], ir.IntType(bits).as_pointer())
            return builder.load(pointer, align=1)

        return (types.uint64 if bits == 64 else types.uint8)(address), generate

    return load


def _address(_typing: Any, array: Any) -> Any:
    """Where an array begins."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.ptrtoint(data, ir.IntType(64))

    return types.int64(array), generate


word_at: Any = intrinsic(_load(64))
byte_at: Any = intrinsic(_load(8))
address_of: Any = intrinsic(_address)

if INTERPRETED:
    word_at = lambda address: np.uint64(int.from_bytes(ctypes.string_at(int(address), 8), "little"))  # noqa: E731
    byte_at = lambda address: ctypes.string_at(int(address), 1)[0]  # noqa: E731
    address_of = lambda array: array.ctypes.data  # noqa: E731


@compiled
def mixed(word: Word, with_: Word) -> Word:
    """Both as one; another one of either gives another result."""
    word = (word ^ with_) * _LANE
    return word ^ (word >> _HALF)


@compiled
def finished(word: Word) -> Word:
    """All bits spread over all others, by the finalizer of SplitMix64 (Steele, Lea, Flood 2014)."""
    word = (word ^ (word >> np.uint64(30))) * _FIRST
    word = (word ^ (word >> np.uint64(27))) * _SECOND
    return word ^ (word >> np.uint64(31))


@compiled_apart
def digest_bytes(seed: Word, address: int, size: int) -> Word:
    """The digest of so many bytes at an address, behind a digest of what came before; of none, that one itself."""
    at, end = int64(address), int64(address + size)
    if end - at >= 32:
        # One lane alone begins with what came before, or it could cancel out.
        first, second, third, fourth = seed, _FIRST, _SECOND, _SEED
        while end - at >= 32:
            first = mixed(first, word_at(at))
            second = mixed(second, word_at(at + 8))
            third = mixed(third, word_at(at + 16))
            fourth = mixed(fourth, word_at(at + 24))
            at += 32
        seed = mixed(mixed(mixed(finished(first), second) * _SECOND, third) * _SECOND, fourth)
    while end - at >= 8:
        seed = mixed(seed, word_at(at))
        at += 8
    if at < end:
        last = _ZERO
        while end > at:
            end -= 1
            last = (last << _BYTE) | np.uint64(byte_at(end))
        seed = mixed(seed, last)
    return finished(seed) if size > 0 else seed


_EXECUTION_BYTES: Final[Any] = int64(EXECUTION.itemsize)
_QUOTE_BYTES: Final[Any] = int64(QUOTE.itemsize)
_DEPTH_BYTES: Final[Any] = int64(DEPTH.itemsize)
_TICK_BYTES: Final[Any] = int64(TICK.itemsize)


@compiled
def digest_rows(
    executions: Table, events: int, quotes: Table, changes: int, depth: Table, levels: int, ticks: Table, shown: int
) -> Word:
    """The digest of the first rows of arrays: so many of each."""
    seed = mixed(mixed(mixed(mixed(_SEED, np.uint64(events)), np.uint64(changes)), np.uint64(levels)), np.uint64(shown))
    seed = digest_bytes(seed, address_of(executions), events * _EXECUTION_BYTES)
    seed = digest_bytes(seed, address_of(quotes), changes * _QUOTE_BYTES)
    seed = digest_bytes(seed, address_of(depth), levels * _DEPTH_BYTES)
    return digest_bytes(seed, address_of(ticks), shown * _TICK_BYTES)


@kernel
def digest_window(executions: Table, quotes: Table, depth: Table, ticks: Table) -> Word:
    """The digest of all rows of what a window did."""
    events, changes, levels, shown = int64(len(executions)), int64(len(quotes)), int64(len(depth)), int64(len(ticks))
    return digest_rows(executions, events, quotes, changes, depth, levels, ticks, shown)


def rows_digest(executions: Records, quotes: Records, depth: Records, ticks: Records) -> int:
    """The digest of EXECUTION, QUOTE, DEPTH and TICK rows, an unsigned 64-bit number: of their order, count and every bit.

    Raises ValueError for rows of other dtypes.
    """
    # One window is a few rows: this is called for each of them, and takes longer than the kernel if it is not written out.
    if executions.dtype != EXECUTION or quotes.dtype != QUOTE or depth.dtype != DEPTH or ticks.dtype != TICK:
        raise ValueError(f"rows of {executions.dtype}, {quotes.dtype}, {depth.dtype}, {ticks.dtype} are no output of a book")
    # Of arrays that are not in a row, or may not be written to, the kernel would be compiled again.
    return int(
        digest_window(
            executions if executions.flags.carray else executions.copy(),
            quotes if quotes.flags.carray else quotes.copy(),
            depth if depth.flags.carray else depth.copy(),
            ticks if ticks.flags.carray else ticks.copy(),
        )
    )
