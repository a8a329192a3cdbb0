"""Snapshots: a JSON document and named arrays in one file, written aside and renamed, with a checksum over all of it.

    marksim snapshot 1          and a line feed: the container's own version
    8 bytes, little-endian      how long the head is
    head, squeezed              JSON: `kind`, `version`, `name` of the file, `document`, and of each array its `name`,
                                `dtype`, `shape` and how many `bytes` it has squeezed
    arrays, squeezed            one after the other
    32 bytes                    BLAKE2b of everything before

JSON is that of the standard library: floats come back exactly, and may be NaN or infinite. Nothing is pickled.
"""

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.lib.format import descr_to_dtype, dtype_to_descr
from numpy.typing import NDArray

from marksim.core.errors import Damaged, NotFound, Unreadable
from marksim.store.files import write_whole
from marksim.store.sealed import expand, squeeze

Arrays = Mapping[str, NDArray[Any]]

_MAGIC: Final = b"marksim snapshot "
_FIRST: Final = _MAGIC + b"1\n"
_DIGEST_BYTES: Final = 32
SUFFIX: Final = ".snapshot"


def snapshot_path(directory: Path, prefix: str, window: int) -> Path:
    """Where the snapshot of that kind of name, at the end of that window, lies."""
    return directory / f"{prefix}-{window:012d}{SUFFIX}"


def write_snapshot(path: Path, kind: str, version: int, document: Any, arrays: Arrays) -> int:
    """Write it: on the disk, under its name, when this returns. Returns its size in bytes.

    Raises ValueError or TypeError for what no snapshot can hold, JournalFull without room, and Damaged for what else the
    system refuses; then `path` is as it was before.
    """
    return write_whole(path, _pieces(path.name, kind, version, document, arrays))


def _pieces(name: str, kind: str, version: int, document: Any, arrays: Arrays) -> Iterator[bytes]:
    squeezed, table = [], []
    for key, array in arrays.items():
        if array.dtype.hasobject:
            raise TypeError(f"array {key} of a snapshot holds Python objects")
        data = squeeze(np.ascontiguousarray(array).tobytes())
        squeezed.append(data)
        shape = list(array.shape)
        table.append({"name": key, "dtype": dtype_to_descr(array.dtype), "shape": shape, "bytes": len(data)})
    told = {"kind": kind, "version": version, "name": name, "document": document, "arrays": table}
    head = squeeze(json.dumps(told, separators=(",", ":")).encode())
    hashed = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for piece in (_FIRST, len(head).to_bytes(8, "little"), head, *squeezed):
        hashed.update(piece)
        yield piece
    yield hashed.digest()


def read_snapshot(path: Path, kind: str, versions: Collection[int]) -> tuple[int, Any, dict[str, NDArray[Any]]]:
    """Its version, which is one of `versions`, its document, and its arrays, which may be written to.

    Raises NotFound where there is none, Unreadable for another kind or version, Damaged for one that is not whole.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise NotFound(f"there is no snapshot {path}") from None
    except OSError as error:
        raise _damaged(path, str(error)) from error
    if not data.startswith(_FIRST):
        other = re.match(_MAGIC + rb"(\d{1,9})\n", data)
        if other:
            raise Unreadable(f"{path} is in form {int(other[1])} of snapshots, and this marksim reads form 1")
        raise _damaged(path, "it does not begin as a snapshot does")
    body = memoryview(data)[:-_DIGEST_BYTES]
    if hashlib.blake2b(body, digest_size=_DIGEST_BYTES).digest() != data[-_DIGEST_BYTES:]:
        raise _damaged(path, "its checksum differs: it was cut off, or is not what was written")
    try:
        told, at = _head(body)
        _check(path, told, kind, versions)
        arrays = dict(_arrays(told["arrays"], body, at))
        return told["version"], told["document"], arrays
    except (ValueError, TypeError, KeyError) as error:
        raise _damaged(path, f"its checksum holds, and yet it cannot be read: {error}") from error


def _head(body: memoryview) -> tuple[dict[str, Any], int]:
    at = len(_FIRST) + 8
    end = at + int.from_bytes(body[at - 8 : at], "little")
    return json.loads(expand(bytes(body[at:end]))), end


def _check(path: Path, told: dict[str, Any], kind: str, versions: Collection[int]) -> None:
    if told["kind"] != kind:
        raise Unreadable(f"{path} is a snapshot of kind {told['kind']!r}, not {kind!r}")
    if told["version"] not in versions:
        reads = ", ".join(map(str, sorted(versions)))
        raise Unreadable(
            f"{path} is of version {told['version']}, and this marksim reads {reads}: "
            "use the marksim that wrote it, or remove it"
        )
    if told["name"] != path.name:
        raise _damaged(path, f"it was written as {told['name']}")


def _arrays(table: list[dict[str, Any]], body: memoryview, at: int) -> Iterator[tuple[str, NDArray[Any]]]:
    for entry in table:
        end = at + int(entry["bytes"])
        dtype: np.dtype[Any] = descr_to_dtype(_tuples(entry["dtype"]))
        flat = np.frombuffer(bytearray(expand(bytes(body[at:end]))), dtype)
        yield entry["name"], flat.reshape(entry["shape"])
        at = end
    if at != len(body):
        raise ValueError(f"{len(body) - at} bytes belong to no array")


def _tuples(told: Any) -> Any:
    """A dtype's description as NumPy gave it: JSON made lists of its tuples."""
    if isinstance(told, str):
        return told
    return [tuple(_tuples(part) if index == 1 else _shape(part) for index, part in enumerate(column)) for column in told]


def _shape(told: Any) -> Any:
    return tuple(told) if isinstance(told, list) else told


def newest_snapshots(directory: Path, prefix: str) -> list[tuple[int, Path]]:
    """Window and path of each snapshot of that prefix, the newest first; whether they are whole, nobody looked."""
    named = re.compile(re.escape(prefix) + r"-(\d{12,})" + re.escape(SUFFIX))
    found = [(int(match[1]), path) for path in directory.glob(f"*{SUFFIX}") if (match := named.fullmatch(path.name))]
    return sorted(found, reverse=True)


def prune(directory: Path, prefix: str, keep: int = 2, anchor: int | None = None) -> list[Path]:
    """Remove all but the newest `keep`, and the oldest one at window `anchor` or after it, and what was left half written.

    A journal whose first window is n can be played from a snapshot of window n - 1 or later: that is its anchor. What was
    removed is returned. Raises OSError.
    """
    found = newest_snapshots(directory, prefix)
    kept = {path for _, path in found[: max(keep, 1)]}
    if anchor is not None:
        kept.update([path for window, path in found if window >= anchor][-1:])
    gone = [path for _, path in found if path not in kept] + list(directory.glob(f".{prefix}-*{SUFFIX}.tmp"))
    for path in gone:
        path.unlink(missing_ok=True)
    return gone


def _damaged(path: Path, why: str) -> Damaged:
    return Damaged(f"{path}: {why}", metadata={"file": str(path)})
