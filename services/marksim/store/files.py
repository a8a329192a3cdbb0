"""Files that are there whole or not at all, whatever moment the process or the machine dies at."""

import errno
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from marksim.core.errors import Damaged, JournalFull

Buffer = bytes | memoryview

_FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def write_whole(path: Path, pieces: Iterable[Buffer]) -> int:
    """Write the pieces aside, sync them, rename them to `path`, and sync the folder; how many bytes.

    Raises JournalFull without room, and Damaged for what else the system refuses; then `path` is as it was before.
    """
    aside = path.with_name(f".{path.name}.tmp")
    try:
        try:
            size = _write(aside, pieces)
            aside.replace(path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
        sync_directory(path.parent)
    except OSError as error:
        facts = {"file": str(path)}
        if error.errno in _FULL:
            raise JournalFull(f"{path} cannot be written: there is no room: {error.strerror}", metadata=facts) from error
        raise Damaged(f"{path} cannot be written: {error}", metadata=facts) from error
    return size


def _write(path: Path, pieces: Iterable[Buffer]) -> int:
    size = 0
    with path.open("wb") as file:
        for piece in pieces:
            size += file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    return size


def document_check(document: Mapping[str, Any]) -> str:
    """A BLAKE2b of a JSON document, to stand beside it in its file; the same after it was written and read again."""
    return hashlib.blake2b(json.dumps(document).encode(), digest_size=16).hexdigest()


def sync_directory(path: Path) -> None:
    """Have the disk keep the names in a folder. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
