"""Faults of the file system and steps of the wall clock, put into processes by a library for LD_PRELOAD (shim.c).

    with Faults(directory) as faults:                      # of files beneath the directory
        process = subprocess.Popen(..., env={**os.environ, **faults.environment()})
        faults.fail(Operation.WRITE, nth=3, error=errno.EIO, pattern="journal.sqlite-wal")
        faults.step_clock(3600)
        ...
        faults.heal()

One control file is shared by this object and all processes that were started with its environment: what is said here holds
from their next call on, and `seen` and `injected` count the calls of all of them.
"""

import errno
import hashlib
import mmap
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import Final, Self

SOURCE: Final = Path(__file__).with_name("shim.c")
BUILD: Final = Path(__file__).resolve().parents[2] / "build" / "faults"

# The layout of `struct control`: a head of five numbers, then one rule an operation.
_MAGIC: Final = b"MKSFLT01"
_HEAD: Final = struct.Struct("<8sqqqq")
_OFFSET_AT, _FULL_AT, _FULL_INJECTED_AT, _RANDOM_AT = 8, 16, 24, 32
_RULE: Final = struct.Struct("<qqqqqqqq64s")
_NUMBER: Final = struct.Struct("<q")
_PATTERN_AT: Final = 64
_ALWAYS: Final = 1 << 32


class Operation(IntEnum):
    """What can fail; relatives (openat, writev, fdatasync and so on) belong to theirs. OPEN is of opening to write."""

    OPEN = 0
    WRITE = 1
    SYNC = 2
    RENAME = 3
    TRUNCATE = 4
    UNLINK = 5


class Kind(IntEnum):
    """What happens to a call that is hit."""

    FAIL = 0
    SHORT = 1
    """A write of half of it, which says so."""
    TEAR = 2
    """The same, and the next write fails: what a crash or a full disk leaves."""


class _Field(IntEnum):
    AT = 0
    CHANCE = 8
    ERROR = 16
    KIND = 24
    MOST = 32
    SEEN = 40
    INJECTED = 48
    TORN = 56


SIZE: Final = _HEAD.size + len(Operation) * _RULE.size


class Faults:
    """The faults of all processes that run with `environment()`. At first there are none."""

    def __init__(self, directory: Path, *, seed: int = 0, process: str = "", control: Path | None = None) -> None:
        """Of files beneath `directory`, which is made where it is missing; `process` is a part of the command lines meant.

        Raises RuntimeError with a sentence where the library cannot be compiled.
        """
        self.library = compiled()
        directory.mkdir(parents=True, exist_ok=True)
        self._directory, self._process = directory.resolve(), process
        if control is None:
            file, name = tempfile.mkstemp(prefix="marksim-faults-")
            self.control = Path(name)
            os.ftruncate(file, SIZE)
        else:
            self.control = control
            file = os.open(control, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
            os.ftruncate(file, SIZE)
        self._map = mmap.mmap(file, SIZE)
        os.close(file)
        self._map[: _HEAD.size] = _HEAD.pack(_MAGIC, 0, 0, 0, seed)
        self.heal()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Remove the control file. Processes that still have it go on with what it said last."""
        self._map.close()
        self.control.unlink(missing_ok=True)

    def environment(self) -> dict[str, str]:
        """What a process needs in its environment; its children inherit it."""
        before = os.environ.get("LD_PRELOAD", "")
        return {
            "LD_PRELOAD": f"{self.library}:{before}".rstrip(":"),
            "MARKSIM_FAULTS_DIR": str(self._directory),
            "MARKSIM_FAULTS_CONTROL": str(self.control),
            "MARKSIM_FAULTS_PROCESS": self._process,
        }

    def fail(
        self,
        operation: Operation,
        *,
        nth: int = 0,
        chance: float = 0.0,
        error: int = errno.EIO,
        kind: Kind = Kind.FAIL,
        most: int = -1,
        pattern: str = "",
    ) -> None:
        """From now on the nth such call fails (1: the next), and every one with a chance of 0 to 1; `most` bounds how many.

        Only files with `pattern` in their path count. What was said of this operation before is forgotten.
        """
        encoded = pattern.encode()
        if not 0.0 <= chance <= 1.0 or nth < 0 or len(encoded) > 63:
            raise ValueError(f"nth {nth}, chance {chance} or pattern {pattern!r} is out of bounds")
        if kind != Kind.FAIL and operation != Operation.WRITE:
            raise ValueError(f"only a write can be {kind.name.lower()}, not {operation.name}")
        self.heal(operation)
        base = _base(operation)
        self._map[base + _PATTERN_AT : base + _PATTERN_AT + 64] = encoded.ljust(64, b"\0")
        for field, value in ((_Field.ERROR, error), (_Field.KIND, kind), (_Field.MOST, most)):
            self._put(base + field, value)
        # Last: with these it begins.
        self._put(base + _Field.AT, self.seen(operation) + nth if nth else 0)
        self._put(base + _Field.CHANCE, round(chance * _ALWAYS))

    def heal(self, *operations: Operation) -> None:
        """These work again; with none named all do, and there is room on the disk. The clock stays where it is."""
        for operation in operations or tuple(Operation):
            base = _base(operation)
            for field in (_Field.AT, _Field.CHANCE, _Field.TORN):
                self._put(base + field, 0)
            self._put(base + _Field.ERROR, errno.EIO)
        if not operations:
            self._put(_FULL_AT, 0)

    def fill_disk(self, full: bool = True) -> None:
        """Whatever would make a file or folder beneath the directory larger, or a new one, fails with ENOSPC."""
        self._put(_FULL_AT, int(full))

    def step_clock(self, offset_s: float) -> None:
        """The wall clock is so many seconds from the true one; negative is in the past. The monotonic one is untouched."""
        self._put(_OFFSET_AT, round(offset_s * 1_000_000_000))

    def seen(self, operation: Operation) -> int:
        """Calls so far of files that the operation's pattern fits."""
        return self._get(_base(operation) + _Field.SEEN)

    def injected(self, operation: Operation) -> int:
        """Of these, the ones that failed or were cut short."""
        return self._get(_base(operation) + _Field.INJECTED)

    @property
    def full_injected(self) -> int:
        """Calls that failed because the disk was full."""
        return self._get(_FULL_INJECTED_AT)

    @property
    def counters(self) -> dict[str, int]:
        """All that was injected, by the name of the operation in lower case, and `full`."""
        counted = {operation.name.lower(): self.injected(operation) for operation in Operation}
        return {**counted, "full": self.full_injected}

    def _put(self, offset: int, value: int) -> None:
        _NUMBER.pack_into(self._map, offset, value)

    def _get(self, offset: int) -> int:
        (value,) = _NUMBER.unpack_from(self._map, offset)
        return int(value)


def _base(operation: Operation) -> int:
    return _HEAD.size + operation * _RULE.size


def compiled(compiler: str | None = None) -> Path:
    """The library, compiled on the first use of its source; RuntimeError with a sentence where that cannot be done."""
    if sys.platform != "linux":
        raise RuntimeError(
            f"faults are put in by LD_PRELOAD as glibc has it, which {sys.platform} has not: run this on Linux"
        )
    target = BUILD / f"shim-{hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]}.so"
    if target.exists() and compiler is None:
        return target
    wanted = compiler or os.environ.get("CC", "cc")
    if (found := shutil.which(wanted)) is None:
        raise RuntimeError(f"there is no C compiler {wanted!r} to make {SOURCE.name} with: install gcc or clang, or set CC")
    BUILD.mkdir(parents=True, exist_ok=True)
    # Made aside: several test processes may do so at once.
    aside = target.with_suffix(f".{os.getpid()}.tmp")
    command = [found, "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-o", str(aside), str(SOURCE), "-ldl", "-pthread"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{found} does not compile {SOURCE}:\n{done.stderr.strip()}")
    aside.replace(target)
    return target
