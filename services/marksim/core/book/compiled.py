"""How functions are compiled, and kept on disk.

They call each other across files, and Numba compiles what is called into its caller. So what is kept belongs to the
content of all files of its folder, of the folders beneath it and of core/types.py; Numba's own stamp is of the caller's
file alone.

With NUMBA_DISABLE_JIT=1 they run as the Python that they are, so that the tests judge the source without the compiler.
"""

import hashlib
import re
from collections.abc import Callable
from contextlib import suppress
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

from marksim.core import types

F = TypeVar("F", bound=Callable[..., Any])

INTERPRETED: Final = bool(config.DISABLE_JIT)  # type: ignore[attr-defined]  # set from the environment

OF_CONTENT: Final = re.compile(r"-([0-9a-f]{12})\.py\d")
"""In the name of a file of the cache."""

if INTERPRETED:
    # Compiled integers wrap without a word; so must NumPy's.
    np.seterr(over="ignore")


TYPES: Final = Path(types.__file__)
"""Records and numbers that are compiled in, and stand in no folder of kernels."""

BENEATH: Final = {"feed": ("book",), "populations": ("book", "feed")}
"""Folders of core whose functions are compiled into those of a folder."""

HANDLES: Final = frozenset({"book", "ticker", "crowd", "floor"})
"""What functions call the handle of their memory (handle.py)."""


@lru_cache
def stamp_of(folder: Path) -> tuple[tuple[str, str], ...]:
    """Name and SHA-256 of each file of a folder, of those beneath it and of the types, and whether indices are checked."""
    folders = [folder, *(TYPES.parent / name for name in BENEATH.get(folder.name, ()))]
    paths = [*(path for each in folders for path in sorted(each.glob("*.py"))), TYPES]
    contents = tuple((f"{path.parent.name}/{path.name}", hashlib.sha256(path.read_bytes()).hexdigest()) for path in paths)
    return *contents, ("boundscheck", str(config.BOUNDSCHECK))  # type: ignore[attr-defined]


class FolderStamp:
    """Mixed into one of Numba's locators: valid for this content of the whole folder.

    The content is in the names of the files, too: Numba writes its index before what that names, and a process that comes
    in between would run the machine code of another version.
    """

    _py_file: str
    _lineno: int

    def get_source_stamp(self) -> object:
        return stamp_of(Path(self._py_file).parent)

    def get_disambiguator(self) -> str:
        content = hashlib.sha256(repr(self.get_source_stamp()).encode()).hexdigest()
        return f"{self._lineno}-{content[:12]}"


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

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep it, and nothing of another content of the folder; where nothing can be written, each process compiles."""
        try:
            super().save_overload(sig, data)  # type: ignore[no-untyped-call]
        except OSError:
            return
        content = self._impl.locator.get_disambiguator().rpartition("-")[2]
        for path in Path(self.cache_path).iterdir():
            named = OF_CONTENT.search(path.name)
            if named and named[1] != content:
                path.unlink(missing_ok=True)


def compiled(function: F) -> F:
    """Compile into whoever calls it, without the interpreter lock.

    What runs for every command must not be a call: that costs a fifth of the speed. Nothing is allocated in compiled
    code, so Numba's reference counts (atomic, one pair an array and call) are left out.
    """
    return _interpreted(function) if INTERPRETED else _dispatcher(function, forceinline=True)


def compiled_apart(function: F) -> F:
    """The same for what is called seldom, or from several places: compiled once, and called."""
    return _interpreted(function) if INTERPRETED else _dispatcher(function)


def kernel(function: F) -> F:
    """The same for what Python calls: kept on disk, with all that is compiled into it."""
    if INTERPRETED:
        return _interpreted(function)
    dispatcher: Any = _dispatcher(function)
    with suppress(RuntimeError):
        # What cache=True does, with our stamp. Where no folder can be written to, each process compiles for itself.
        dispatcher._cache = _Cache(function)  # type: ignore[no-untyped-call]  # noqa: SLF001
    return cast(F, dispatcher)


def _dispatcher(function: F, **more: Any) -> F:
    options: dict[str, Any] = {"nogil": True, "_nrt": False, **more}
    return cast(F, njit(**options)(function))


def _interpreted(function: F) -> F:
    """The function itself; called from outside, with arrays whose records have attributes, as those of compiled code do."""
    if HANDLES & signature(function).parameters.keys():
        # A handle was made of such arrays already.
        return function

    @wraps(function)
    def called(*arguments: Any) -> Any:
        return function(*(_with_attributes(argument) for argument in arguments))

    return cast(F, called)


def _with_attributes(argument: Any) -> Any:
    has_fields = type(argument) is np.ndarray and argument.dtype.names is not None
    return argument.view(np.recarray) if has_fields else argument
