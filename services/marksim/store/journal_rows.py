"""A window as the columns of its row in the journal, and back; journal_schema.py says what they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from marksim.core.errors import Damaged
from marksim.core.feed.inputs import (
    HAS_LEVELS,
    HAS_OUTPUT,
    PartInput,
    SymbolInputs,
    pack_inputs,
    unpack_inputs,
    unpack_windows,
)
from marksim.core.feed.packing import Bytes, pack, unpack_from
from marksim.core.types import COMMAND, DEPTH, EXECUTION, QUOTE, TICK, Records
from marksim.store.sealed import checksum, expand, place, squeeze
from marksim.store.windows import RecordedWindow, SymbolWindow

COLUMNS: Final = "first, last, at, digest, checks, control, input, output"
Row = tuple[int, int, int, bytes, bytes, bytes, bytes | None, bytes | None]

_NONE: Final[Mapping[np.dtype[np.void], Records]] = {dtype: np.zeros(0, dtype) for dtype in (EXECUTION, QUOTE, DEPTH, TICK)}
_NOTHING: Final = squeeze(b"")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A window packed and compressed, ready to be written."""

    window: int
    last: int
    digest: bytes
    control: bytes
    input: bytes | None
    output: bytes | None
    checks: bytes
    """Of input and of output."""

    @property
    def is_empty(self) -> bool:
        """Nothing went in, and nothing came out."""
        return self.input is None and self.control == _NOTHING

    @property
    def size(self) -> int:
        """Bytes, about."""
        return len(self.control) + len(self.input or b"") + len(self.output or b"") + 64


@dataclass(frozen=True, slots=True)
class Block:
    """What went into the windows from `first` to `last`, by symbol: all symbols of the shard."""

    first: int
    last: int
    symbols: Mapping[str, SymbolInputs]


class RowCodec:
    """Makes rows of one run's windows, and windows of rows."""

    def __init__(self, path: Path, run: str, symbols: Sequence[str]) -> None:
        self._path, self._run, self._symbols = path, run, tuple(symbols)
        self._numbers = {symbol: number for number, symbol in enumerate(self._symbols)}

    def prepare(self, window: RecordedWindow) -> Prepared:
        """Pack and compress; any thread may. Raises ValueError for what is no window of this run."""
        if window.last < window.window or window.window < 0:
            raise ValueError(f"window {window.window} ends before it begins, with {window.last}")
        if window.last > window.window and (window.parts or window.control):
            raise ValueError(f"windows {window.window} to {window.last} are one row, and not empty")
        given = [(self._number(symbol), part) for symbol, part in window.parts.items()]
        given.sort(key=lambda pair: pair[0])
        inputs, outputs = [], []
        for number, part in given:
            flags = _flags(part)
            inputs.append(PartInput(number, flags, part.previous_window, part.digest, part.outside, part.commands))
            if flags & HAS_OUTPUT:
                outputs += [pack(part.executions), pack(part.quotes), pack(part.depth), pack(part.tick)]
            if part.levels is not None:
                outputs.append(pack(part.levels))
        packed = squeeze(pack_inputs(inputs)) if inputs else None
        output = squeeze(b"".join(outputs)) if outputs else None
        checks = self._check(window.window, "input", packed) + self._check(window.window, "output", output)
        return Prepared(window.window, window.last, window.digest, squeeze(window.control), packed, output, checks)

    def row(self, prepared: Prepared, at: int) -> Row:
        """The columns, written at that wall time."""
        head = self.head(prepared.window, prepared.last, at, prepared.digest, prepared.control, prepared.checks)
        columns = (prepared.window, prepared.last, at, prepared.digest, head + prepared.checks, prepared.control)
        return *columns, prepared.input, prepared.output

    def head(self, first: int, last: int, at: int, digest: bytes, control: bytes, checks: bytes) -> bytes:
        """The check of a row."""
        start = place(self._run, first, last, at, len(digest))
        return checksum(checks, checksum(control, checksum(digest, start))).to_bytes(4, "little")

    def empty(self, first: int, last: int, at: int) -> tuple[bytes, bytes]:
        """Digest and checks of a row of windows in which nothing happened."""
        checks = self._check(first, "input", None) + self._check(first, "output", None)
        return b"", self.head(first, last, at, b"", _NOTHING, checks) + checks

    def window(self, row: Row) -> RecordedWindow:
        """The window of a row, whose checks must hold. Raises Damaged."""
        first, last, _, digest, _, control, _, output = row
        data = self.input_of(row)
        part = "control"
        try:
            told = expand(control)
            part = "input"
            inputs = list(unpack_inputs(data))
            part = "output"
            self._verify(row, "output", output, row[4][8:])
            parts = self._parts(inputs, b"" if output is None else expand(output))
        except ValueError as error:
            self._damaged(first, part, str(error))
        return RecordedWindow(first, last, digest, told, parts)

    def input_of(self, row: Row) -> bytes:
        """What went into the window of a row, packed; the checks of the row and of its input must hold. Raises Damaged."""
        first, last, at, digest, checks, control, given, _ = row
        kinds = (isinstance(digest, bytes), isinstance(checks, bytes), isinstance(control, bytes))
        if not all(kinds) or len(checks) != 12 or self.head(first, last, at, digest, control, checks[4:]) != checks[:4]:
            self._damaged(first, "row", "its checksum differs: it is not what was written there")
        self._verify(row, "input", given, checks[4:8])
        try:
            return b"" if given is None else expand(given)
        except ValueError as error:
            self._damaged(first, "input", str(error))

    def block(self, first: int, last: int, windows: NDArray[np.int64], pieces: Sequence[bytes]) -> Block:
        """What went into these windows, some of those from `first` to `last`. Raises Damaged."""
        try:
            taken = unpack_windows(pieces, windows, len(self._symbols))
        except ValueError as error:
            raise Damaged(f"{self._path}: {error}", metadata={"file": str(self._path)}) from None
        return Block(first, last, dict(zip(self._symbols, taken, strict=True)))

    def _parts(self, inputs: Sequence[PartInput], output: bytes) -> dict[str, SymbolWindow]:
        view, at = np.frombuffer(output, np.uint8), 0
        parts = {}
        for given in inputs:
            if given.symbol >= len(self._symbols):
                raise ValueError(f"there is no symbol {given.symbol}")
            made = {name: _NONE[dtype] for name, dtype in _TABLES.items()}
            if given.flags & HAS_OUTPUT:
                for name, dtype in _TABLES.items():
                    made[name], at = unpack_from(view, at, dtype)
            levels, at = unpack_from(view, at, DEPTH) if given.flags & HAS_LEVELS else (None, at)
            parts[self._symbols[given.symbol]] = SymbolWindow(
                outside=given.outside,
                commands=given.commands,
                **made,
                levels=levels,
                previous_window=given.previous_window,
                digest=given.digest,
            )
        if at != len(output):
            raise ValueError(f"{len(output) - at} bytes belong to no part")
        return parts

    def _number(self, symbol: str) -> int:
        number = self._numbers.get(symbol)
        if number is None:
            raise ValueError(f"{symbol} is not one of this run's symbols: {', '.join(self._symbols)}")
        return number

    def _check(self, window: int, part: str, data: bytes | None) -> bytes:
        start = place(self._run, window, part, "none" if data is None else "some")
        return checksum(data or b"", start).to_bytes(4, "little")

    def _verify(self, row: Row, part: str, data: object, check: bytes) -> None:
        if not (data is None or isinstance(data, bytes)) or self._check(row[0], part, data) != check:
            self._damaged(row[0], part, "its checksum differs: it is not what was written there")

    def _damaged(self, window: int, part: str, why: str) -> NoReturn:
        facts = {"file": str(self._path), "window": str(window), "part": part}
        raise Damaged(f"{self._path}: window {window}, {part}: {why}", metadata=facts)


_TABLES: Final[Mapping[str, Any]] = {"executions": EXECUTION, "quotes": QUOTE, "depth": DEPTH, "tick": TICK}


def _flags(part: SymbolWindow) -> int:
    rows = (part.executions, part.quotes, part.depth, part.tick)
    return (HAS_OUTPUT if any(map(len, rows)) else 0) | (HAS_LEVELS if part.levels is not None else 0)


__all__ = ["COLUMNS", "COMMAND", "Block", "Bytes", "Prepared", "Row", "RowCodec"]
