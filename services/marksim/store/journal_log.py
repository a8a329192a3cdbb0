"""Whether a write-ahead log still has all that its index says it had.

SQLite plays a log up to its first frame that is not whole, and takes what follows for what a dying process had not finished.
Of a damaged log it so drops transactions that were answered, and says nothing. But its index, the file `-shm`, also outlives
a killed process: SQLite makes it anew at each first opening without a look at the old one, which says how many frames of
whole transactions there were. So it is looked at before. Layouts: https://www.sqlite.org/walformat.html

Where the machine ended meanwhile, either file may be the older one, and windows be lost without damage (journal_schema.py).
So a writer notes in which life of the machine it was, and the index is believed in that one alone.
"""

import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from marksim.core.errors import Damaged
from marksim.store.journal_schema import PAGE_BYTES, log_of
from marksim.store.lock import FILE as LOCK

_HEADER_BYTES: Final = 32
_HEAD_BYTES: Final = 24
"""Of a frame."""
_FRAME_BYTES: Final = _HEAD_BYTES + PAGE_BYTES
_MAGIC: Final = 0x377F0682
"""The lowest bit is set where checksums are of big-endian words."""
_VERSION: Final = 3_007_000
_INDEX_BYTES: Final = 48
_COPIED_AT: Final = 2 * _INDEX_BYTES
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_STEP: Final = 256
"""Frames that are looked at together."""


@dataclass(frozen=True, slots=True)
class _Index:
    frames: int
    """Of whole transactions."""
    copied: int
    """Of these, so many are in the file itself."""
    salts: bytes


def index_of(path: Path) -> Path:
    """The index of that file's log."""
    return path.with_name(f"{path.name}-shm")


def note_boot(directory: Path) -> None:
    """Note in which life of the machine the journal there is written to, in the file of its lock. Raises OSError."""
    path, boot = directory / LOCK, _boot()
    if _read(path) != boot.encode():
        path.write_text(boot, encoding="utf-8")


def _boot() -> str:
    """Empty on a system that does not tell."""
    return _read(_BOOT).decode()


def _read(path: Path) -> bytes:
    with suppress(FileNotFoundError):
        return path.read_bytes()
    return b""


def check_log(path: Path) -> None:
    """Raise Damaged where the log of that file has lost whole transactions. Nobody in this process may have the file open.

    Where there is no index, none that is whole, or one of before the machine's start, nothing can be said.
    """
    if not (boot := _boot()) or _read(path.parent / LOCK) != boot.encode():
        return
    index = _read_index(_read(index_of(path)))
    if index is None or index.copied >= index.frames:
        return
    log = log_of(path)
    data = _read(log)
    header = _header(data)
    if header is not None and header[1] != index.salts:
        # It began anew, which it does when all of it is in the file.
        return
    whole = 0 if header is None else _whole_frames(data, index.frames, *header)
    if whole < index.frames and _read_index(_read(index_of(path))) == index:
        # Otherwise somebody opened or closed it meanwhile, and has looked himself.
        lost = f"of {index.frames} pages that were written to it {index.frames - whole} cannot be read"
        raise Damaged(
            f"{log}: {lost}, and windows that were answered would be lost without a word: bring it back, or remove "
            f"{index_of(path)} to go on with what is before these",
            metadata={"file": str(log)},
        )


def _read_index(data: bytes) -> _Index | None:
    data = data[: _COPIED_AT + 4]
    if len(data) < _COPIED_AT + 4 or data[:_INDEX_BYTES] != data[_INDEX_BYTES:_COPIED_AT]:
        return None
    words = np.frombuffer(data, "<u4" if sys.byteorder == "little" else ">u4")
    if words[0] != _VERSION or _chained((0, 0), words[:10]) != (int(words[10]), int(words[11])):
        return None
    return _Index(int(words[4]), int(words[_COPIED_AT // 4]), data[32:40])


def _header(data: bytes) -> tuple[str, bytes, tuple[int, int]] | None:
    """Of a log: the order of bytes in its words, its salts, and the checksum that the first frame's begins with."""
    if len(data) < _HEADER_BYTES:
        return None
    told = np.frombuffer(data, ">u4", _HEADER_BYTES // 4).astype(np.uint32)
    order = ">" if told[0] & 1 else "<"
    sums = _chained((0, 0), np.frombuffer(data, f"{order}u4", 6))
    known = told[0] & ~np.uint32(1) == _MAGIC and told[1] == _VERSION and told[2] == PAGE_BYTES
    return (order, data[16:24], sums) if known and sums == (int(told[6]), int(told[7])) else None


def _whole_frames(data: bytes, most: int, order: str, salts: bytes, sums: tuple[int, int]) -> int:
    """How many of the first `most` frames are whole."""
    count = min(most, (len(data) - _HEADER_BYTES) // _FRAME_BYTES)
    for first in range(0, count, _STEP):
        at = _HEADER_BYTES + first * _FRAME_BYTES
        size = min(_STEP, count - first)
        raw = np.frombuffer(data, np.uint8, size * _FRAME_BYTES, at).reshape(size, _FRAME_BYTES)
        words = raw.view(f"{order}u4").astype(np.uint32)
        added = words[:, :2] @ _WEIGHTS[:2] + words[:, _HEAD_BYTES // 4 :] @ _WEIGHTS[2:]
        told = np.ascontiguousarray(raw[:, 16:24]).view(">u4").astype(np.uint32)
        for row in range(size):
            carried = _POWER @ np.array(sums, np.uint32) + added[row]
            sums = (int(carried[0]), int(carried[1]))
            if raw[row, 8:16].tobytes() != salts or sums != (int(told[row, 0]), int(told[row, 1])):
                return first + row
    return count


def _chained(sums: tuple[int, int], words: NDArray[np.uint32]) -> tuple[int, int]:
    """SQLite's checksum of pairs of words, which goes on from `sums`."""
    one, two = sums
    for first, second in words.reshape(-1, 2).tolist():
        one = (one + first + two) & 0xFFFFFFFF
        two = (two + second + one) & 0xFFFFFFFF
    return one, two


def _weights() -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """What the words of a frame, and the checksum before it, count in the one after it: it is linear, modulo 2^32."""
    pairs = (8 + PAGE_BYTES) // 8
    step = np.array([[1, 1], [1, 2]], np.uint32)
    power, weights = np.eye(2, dtype=np.uint32), np.zeros((2 * pairs, 2), np.uint32)
    for pair in reversed(range(pairs)):
        weights[2 * pair] = power[:, 0] + power[:, 1]
        weights[2 * pair + 1] = power[:, 1]
        power = step @ power
    return weights, power


_WEIGHTS, _POWER = _weights()
