"""Whole records moved as bytes are the same as those moved field by field."""

import numpy as np

from marksim.core.rows import choose, join
from marksim.core.types import EXECUTION, Records


def made(count: int, seed: int) -> Records:
    return np.frombuffer(np.random.default_rng(seed).bytes(count * EXECUTION.itemsize), EXECUTION)


def test_parts_are_joined_in_order() -> None:
    """Also strided and empty ones, and a single one becomes a copy."""
    parts = [made(5, 1), made(0, 2), made(8, 3)[::2]]
    assert join(parts, EXECUTION).tobytes() == np.concatenate(parts).tobytes()
    assert not np.shares_memory(join(parts[:1], EXECUTION), parts[0])
    assert join([], EXECUTION).dtype == EXECUTION


def test_rows_are_chosen_by_mask_or_place() -> None:
    """As indexing does."""
    rows = made(9, 4)
    mask, places = rows["kind"] % 2 == 0, np.array([3, 1, 1])
    assert choose(rows, mask).tobytes() == rows[mask].tobytes()
    assert choose(rows[::3], np.array([2, 0])).tobytes() == rows[::3][[2, 0]].tobytes()
    assert choose(rows, places).tobytes() == rows[places].tobytes()
