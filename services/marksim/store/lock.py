"""The lock of a directory: one process at a time writes to it."""

import fcntl
import os
from pathlib import Path
from typing import Final

from marksim.core.errors import NotNow

FILE: Final = ".lock"


def take(directory: Path, flag: str = "--dir", who: str = "archiver") -> int:
    """Lock the directory; closing the returned descriptor gives it back.

    Raises NotNow, with `who` writes to it and the `flag` that chooses another, where another process has it, and OSError.
    """
    descriptor = os.open(directory / FILE, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        # The system drops it with the process, however that ends.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise NotNow(f"another {who} writes to {directory}: stop it, or choose another {flag}") from None
    return descriptor


def check_free(directory: Path, flag: str) -> None:
    """Raise as `take` does where it could not be taken now."""
    os.close(take(directory, flag))
