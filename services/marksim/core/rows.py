"""Fast ways to move whole records: NumPy copies those with fields field by field, those without as bytes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from marksim.core.types import Records


def join(parts: Sequence[Records], dtype: np.dtype[np.void]) -> Records:
    """The rows of all parts in order; never a view of one."""
    if not parts:
        return np.zeros(0, dtype)
    whole = np.concatenate([np.ascontiguousarray(part).view(np.uint8) for part in parts])
    return whole.view(dtype)


def choose(rows: Records, which: NDArray[np.bool_] | NDArray[np.intp]) -> Records:
    """`rows[which]`: a copy of the rows where a mask is true, or of those at these places."""
    plain = np.ascontiguousarray(rows).view(np.dtype((np.void, rows.dtype.itemsize)))
    return plain[which].view(rows.dtype)
