"""A session as one small file that stands for itself: the scenario, all that went in, and the digest of what came out.

    16 bytes    `MARKSIM SESSION` and a line feed
    frames      one byte of kind, the size of the payload (8 bytes), CRC-32 of these nine bytes and the payload (4), and the
                payload, a zstd frame of
        H       JSON: `version`, `run` as store/windows.py has it, `first`, `last`, `made_by`
        S       the file of a snapshot of the books, `book-<window>.snapshot`, where the session does not begin with the run
        B       windows: the size of a JSON document (4 bytes), that document with `first`, `last`, `symbols` and `control`
                (by window, base64), and then, of each of its symbols, packed rows of MARK and of COMMAND, outside ones first
        E       JSON: `windows`, `orders`; nothing follows

Numbers are little-endian.
"""

import base64
import json
import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, Final, NoReturn

import numpy as np
import zstandard

from marksim.core.errors import Damaged, Unreadable
from marksim.core.feed.inputs import SymbolInputs
from marksim.core.feed.packing import pack, unpack_from
from marksim.core.rows import join
from marksim.core.types import COMMAND, DEPTH, EXECUTION, QUOTE, TICK, CommandKind, Records
from marksim.journal.session import Part
from marksim.journal.states import KIND, BookState, read_state
from marksim.runtime.process import installed_version
from marksim.store.journal_rows import Block
from marksim.store.snapshots import snapshot_path
from marksim.store.windows import RecordedWindow, RunRecord, SymbolWindow

MAGIC: Final = b"MARKSIM SESSION\n"
VERSION: Final = 1
HEAD, SNAPSHOT, WINDOWS, END = b"H", b"S", b"B", b"E"
LEVEL: Final = 12
BLOCK_ROWS: Final = 1 << 16
BLOCK_WINDOWS: Final = 1 << 13
"""A block ends with so many commands or windows: more compress better, fewer are read faster from the middle."""
MAX_FRAME: Final = 1 << 30
MARK: Final = np.dtype([("window", "<i8"), ("outside", "<i8"), ("commands", "<i8"), ("digest", "<u8"), ("has_output", "u1")])
"""One window of one symbol: how many of its commands are from outside, and how many the engine's."""
_PREFIX: Final = 9
_NO_OUTPUT: Final[dict[str, Any]] = {
    name: np.zeros(0, dtype)
    for name, dtype in (("executions", EXECUTION), ("quotes", QUOTE), ("depth", DEPTH), ("tick", TICK))
}


@dataclass(slots=True)
class _Gathered:
    """What goes into the next block."""

    marks: dict[str, list[tuple[int, int, int, int, int]]] = field(default_factory=dict)
    commands: dict[str, list[Records]] = field(default_factory=dict)
    control: dict[int, bytes] = field(default_factory=dict)
    rows: int = 0

    def add(self, window: RecordedWindow) -> None:
        if window.control:
            self.control[window.window] = window.control
        for symbol, part in window.parts.items():
            has_output = any(map(len, (part.executions, part.quotes, part.depth, part.tick)))
            mark = (window.window, len(part.outside), len(part.commands), part.digest, int(has_output))
            self.marks.setdefault(symbol, []).append(mark)
            self.commands.setdefault(symbol, []).extend((part.outside, part.commands))
            self.rows += len(part.outside) + len(part.commands)

    def encoded(self, first: int, last: int) -> bytes:
        """The payload of the block, not compressed yet."""
        control = {str(window): base64.b64encode(data).decode() for window, data in self.control.items()}
        head = json.dumps({"first": first, "last": last, "symbols": sorted(self.marks), "control": control}).encode()
        pieces = [len(head).to_bytes(4, "little"), head]
        for symbol in sorted(self.marks):
            pieces += (pack(np.array(self.marks[symbol], MARK)), pack(join(self.commands[symbol], COMMAND)))
        return b"".join(pieces)


def write_export(
    target: Path,
    run: RunRecord,
    windows: Iterator[RecordedWindow],
    first: int,
    last: int,
    state: BookState | None = None,
    progress: Callable[[int], object] = lambda _: None,
) -> tuple[int, int]:
    """Write the windows from `first` to `last` as a file, whole or not at all; how many windows and new orders are in it.

    `state` are the books before them, where they do not begin the run.

    Raises OSError, and what reading them raises.
    """
    aside = target.with_name(f".{target.name}.tmp")
    try:
        with aside.open("wb") as file:
            file.write(MAGIC)
            about = {"version": VERSION, "run": asdict(run), "first": first, "last": last, "made_by": installed_version()}
            _write(file, HEAD, json.dumps(about).encode())
            if state is not None:
                _write(file, SNAPSHOT, _file_of(state))
            orders = _write_windows(file, windows, first, progress)
            _write(file, END, json.dumps({"windows": last + 1 - first, "orders": orders}).encode())
            file.flush()
            os.fsync(file.fileno())
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)
    return last + 1 - first, orders


def _file_of(state: BookState) -> bytes:
    with TemporaryDirectory(prefix="marksim-") as folder:
        path = snapshot_path(Path(folder), KIND, state.window)
        state.write(path)
        return path.read_bytes()


def _write_windows(file: BinaryIO, windows: Iterator[RecordedWindow], first: int, progress: Callable[[int], object]) -> int:
    gathered, begin, at, orders = _Gathered(), first, first - 1, 0
    for window in windows:
        gathered.add(window)
        at = window.last
        orders += sum(_orders(part.outside) + _orders(part.commands) for part in window.parts.values())
        if gathered.rows >= BLOCK_ROWS or at + 1 - begin >= BLOCK_WINDOWS:
            _write(file, WINDOWS, gathered.encoded(begin, at))
            gathered, begin = _Gathered(), at + 1
            progress(at)
    if at >= begin:
        _write(file, WINDOWS, gathered.encoded(begin, at))
    progress(at)
    return orders


def _orders(commands: Records) -> int:
    return int(np.count_nonzero(commands["kind"] == CommandKind.NEW))


def _write(file: BinaryIO, kind: bytes, data: bytes) -> None:
    payload = zstandard.ZstdCompressor(level=LEVEL).compress(data)
    prefix = kind + len(payload).to_bytes(8, "little")
    file.write(prefix + zlib.crc32(payload, zlib.crc32(prefix)).to_bytes(4, "little"))
    file.write(payload)


@dataclass(frozen=True, slots=True)
class _Frame:
    kind: bytes
    at: int
    size: int


class ExportedPart(Part):
    """An exported file. Its frames are found at once, and read when they are wanted."""

    keeps_output = False

    def __init__(self, path: Path) -> None:
        """Raises Unreadable for another file or version, Damaged for one that is not whole, OSError."""
        self.name, self.path = path.name, path
        self._file = path.open("rb")
        try:
            if self._file.read(len(MAGIC)) != MAGIC:
                raise Unreadable(f"{path} is no exported session of marksim, nor a journal")
            self._frames = self._find_frames()
            about = self._json(self._frames[0])
            if about.get("version") != VERSION:
                raise Unreadable(
                    f"{path} is an exported session of version {about.get('version')}, and this marksim reads {VERSION}; "
                    "use the marksim that wrote it"
                )
            self.run = RunRecord(**{**about["run"], "symbols": tuple(about["run"]["symbols"])})
            self.first_window, self.last_window = int(about["first"]), int(about["last"])
            self.about: Mapping[str, Any] = {**about, **self._json(self._frames[-1])}
        except (KeyError, TypeError) as error:
            self._file.close()
            raise Damaged(f"{path}: its head is not complete: {error}", metadata={"file": str(path)}) from None
        except BaseException:
            self._file.close()
            raise

    def blocks(self, first: int, last: int) -> Iterator[Block]:
        for head, marks, commands in self._blocks(first, last):
            begin, end = max(first, head["first"]), min(last, head["last"])
            symbols = {}
            for symbol in self.run.symbols:
                mark = marks.get(symbol, np.zeros(0, MARK))
                bounds = np.zeros(len(mark) + 1, np.int64)
                np.cumsum(mark["outside"] + mark["commands"], out=bounds[1:])
                low, high = np.searchsorted(mark["window"], (begin, end + 1))
                chosen = commands.get(symbol, np.zeros(0, COMMAND))[bounds[low] : bounds[high]]
                mark = mark[low:high]
                windows, digests = mark["window"].copy(), mark["digest"].copy()
                has_output = mark["has_output"] != 0
                places = bounds[low : high + 1] - bounds[low]
                # Levels are no input: nobody sends frames of an exported session again.
                has_levels = np.zeros(len(mark), np.bool_)
                symbols[symbol] = SymbolInputs(windows, chosen, places, digests, has_output, has_levels)
            yield Block(begin, end, symbols)

    def windows(self, first: int, last: int) -> Iterator[RecordedWindow]:
        for head, marks, commands in self._blocks(first, last):
            control = {int(window): base64.b64decode(data) for window, data in head["control"].items()}
            parts: dict[int, dict[str, SymbolWindow]] = {window: {} for window in control}
            for symbol, mark in marks.items():
                _take(parts, symbol, mark, commands[symbol])
            at, end = max(first, head["first"]), min(last, head["last"])
            for window in sorted(window for window in parts if at <= window <= end):
                if window > at:
                    yield RecordedWindow(at, window - 1, b"", b"", {})
                yield RecordedWindow(window, window, b"", control.get(window, b""), parts[window])
                at = window + 1
            if at <= end:
                yield RecordedWindow(at, end, b"", b"", {})

    def snapshots(self) -> Sequence[int]:
        return [self.first_window - 1 for frame in self._frames if frame.kind == SNAPSHOT]

    def state(self, window: int) -> BookState:
        (frame,) = (frame for frame in self._frames if frame.kind == SNAPSHOT)
        with TemporaryDirectory(prefix="marksim-") as folder:
            path = snapshot_path(Path(folder), KIND, window)
            path.write_bytes(self._payload(frame))
            return read_state(path)

    def close(self) -> None:
        self._file.close()

    def _blocks(self, first: int, last: int) -> Iterator[tuple[dict[str, Any], dict[str, Records], dict[str, Records]]]:
        for frame in self._frames:
            if frame.kind != WINDOWS:
                continue
            data = self._payload(frame)
            try:
                size = int.from_bytes(data[:4], "little")
                head = json.loads(data[4 : 4 + size])
                if head["last"] < first:
                    continue
                if head["first"] > last:
                    return
                view, at = np.frombuffer(data, np.uint8), 4 + size
                marks, commands = {}, {}
                for symbol in head["symbols"]:
                    marks[symbol], at = unpack_from(view, at, MARK)
                    commands[symbol], at = unpack_from(view, at, COMMAND)
            except (ValueError, KeyError, TypeError) as error:
                self._damaged(frame.at, str(error))
            yield head, marks, commands

    def _find_frames(self) -> list[_Frame]:
        end, at, frames = self.path.stat().st_size, len(MAGIC), list[_Frame]()
        while at < end:
            self._file.seek(at)
            prefix = self._file.read(_PREFIX)
            size = int.from_bytes(prefix[1:], "little")
            frame = _Frame(prefix[:1], at, size)
            at += _PREFIX + 4 + size
            if len(prefix) < _PREFIX or size > MAX_FRAME or at > end or (frames and frames[-1].kind == END):
                self._damaged(frame.at, "it ends within a frame, or goes on after its end: it was cut off, or changed")
            frames.append(frame)
        if not frames or (frames[0].kind, frames[-1].kind) != (HEAD, END):
            self._damaged(at, "it has no end: it was cut off")
        return frames

    def _json(self, frame: _Frame) -> dict[str, Any]:
        try:
            read: dict[str, Any] = json.loads(self._payload(frame))
        except ValueError as error:
            self._damaged(frame.at, str(error))
        return read

    def _payload(self, frame: _Frame) -> bytes:
        self._file.seek(frame.at)
        whole = self._file.read(_PREFIX + 4 + frame.size)
        prefix, check, payload = whole[:_PREFIX], whole[_PREFIX : _PREFIX + 4], whole[_PREFIX + 4 :]
        if zlib.crc32(payload, zlib.crc32(prefix)).to_bytes(4, "little") != check:
            self._damaged(frame.at, "its checksum differs: it is not what was written there")
        try:
            return zstandard.ZstdDecompressor().decompress(payload)
        except zstandard.ZstdError as error:
            self._damaged(frame.at, str(error))

    def _damaged(self, at: int, why: str) -> NoReturn:
        raise Damaged(f"{self.path}: byte {at}: {why}", metadata={"file": str(self.path), "byte": str(at)})


def _take(parts: dict[int, dict[str, SymbolWindow]], symbol: str, marks: Records, commands: Records) -> None:
    """Give each window its commands."""
    at = 0
    for window, outside, own, digest, _ in marks.tolist():
        middle, end = at + outside, at + outside + own
        sent = {"outside": commands[at:middle], "commands": commands[middle:end]}
        part = SymbolWindow(**sent, **_NO_OUTPUT, levels=None, previous_window=-1, digest=digest)
        parts.setdefault(window, {})[symbol] = part
        at = end
