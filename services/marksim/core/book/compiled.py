"""How the book's functions are compiled, and kept on disk.

They call each other across the files of this folder, and Numba compiles what is called into its caller. So what is kept
belongs to the content of all files here; Numba's own stamp is of the caller's file alone.

With NUMBA_DISABLE_JIT=1 they run as the Python that they are, so that the tests judge the source without the compiler.
"""

import hashlib
from collections.abc import Callable
from functools import lru_cache, wraps
from inspect import signature
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import numpy as np
from numba import config, njit
from numba.core.caching import (
    CompileResultCacheImpl,
    FunctionCache,
    InTreeCacheLocator,
    UserProvidedCacheLocator,
    UserWideCacheLocator,
)

F = TypeVar("F", bound=Callable[..., Any])

INTERPRETED: Final = bool(config.DISABLE_JIT)  # type: ignore[attr-defined]  # set from the environment

if INTERPRETED:
    # Compiled integers wrap without a word; so must NumPy's.
    np.seterr(over="ignore")


@lru_cache
def stamp_of(folder: Path) -> tuple[tuple[str, str], ...]:
    """Name and SHA-256 of each Python file in a folder."""
    return tuple((path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in sorted(folder.glob("*.py")))


class FolderStamp:
    """Mixed into one of Numba's locators: valid for this content of the whole folder."""

    _py_file: str

    def get_source_stamp(self) -> object:
        return stamp_of(Path(self._py_file).parent)


class _Named(FolderStamp, UserProvidedCacheLocator):
    """In NUMBA_CACHE_DIR, where that is set."""


class _InTree(FolderStamp, InTreeCacheLocator):
    """Beside the source, where that can be written to."""


class _OfUser(FolderStamp, UserWideCacheLocator):
    """In the user's own cache."""


class _Kept(CompileResultCacheImpl):
    _locator_classes = [_Named, _InTree, _OfUser]  # noqa: RUF012  as it stands in Numba's own


class _Cache(FunctionCache):
    _impl_class = _Kept


def compiled(function: F) -> F:
    """Compile on first use, without the interpreter lock, kept on disk.

    Nothing is allocated in compiled code, so Numba's reference counts (atomic, one pair an array and call) are left out.
    """
    if INTERPRETED:
        return _interpreted(function)
    options: dict[str, Any] = {"nogil": True, "_nrt": False}
    dispatcher = njit(**options)(function)
    # What cache=True does, with our stamp.
    dispatcher._cache = _Cache(function)  # type: ignore[no-untyped-call]  # noqa: SLF001
    return cast(F, dispatcher)


def _interpreted(function: F) -> F:
    """The function itself; called from outside, with arrays whose records have attributes, as those of compiled code do."""
    if "book" in signature(function).parameters:
        # A Book was made of such arrays already.
        return function

    @wraps(function)
    def called(*arguments: Any) -> Any:
        return function(*(_with_attributes(argument) for argument in arguments))

    return cast(F, called)


def _with_attributes(argument: Any) -> Any:
    has_fields = type(argument) is np.ndarray and argument.dtype.names is not None
    return argument.view(np.recarray) if has_fields else argument
