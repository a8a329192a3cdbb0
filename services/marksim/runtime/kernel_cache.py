"""Where Numba keeps compiled kernels in an image: beside their source, also on a read-only file system.

Numba's own locator for this place refuses a folder that it cannot write to, which in a pod is every one. An image names this
class in NUMBA_CACHE_LOCATOR_CLASSES, compiles while it is built, and finds the result when it runs.
"""

from pathlib import Path

from numba.core.caching import InTreeCacheLocator

from marksim.core.book.compiled import FolderStamp


class BesideTheSource(FolderStamp, InTreeCacheLocator):
    """Files in the source's __pycache__, valid for this content of the folder that the source is in."""

    def ensure_cache_path(self) -> None:
        """Make the folder. Whether it can be written to finds out who writes: in an image that is the build."""
        folder: str = self.get_cache_path()  # type: ignore[no-untyped-call]  # Numba publishes no types
        Path(folder).mkdir(exist_ok=True)
