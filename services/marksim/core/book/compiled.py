"""How the book's functions are compiled."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile on first use, without the interpreter lock, kept on disk.

    Nothing is allocated in compiled code, so Numba's reference counts (atomic, one pair an array and call) are left out.
    """
    options: dict[str, Any] = {"cache": True, "nogil": True, "_nrt": False}
    return cast(F, njit(**options)(function))
