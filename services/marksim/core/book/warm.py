"""Compiles the kernels before they are needed, so that nobody waits in the middle of a market."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from marksim.core.book.kernel import apply_commands
from marksim.core.book.names import rebuild_names
from marksim.core.book.reading import find_order, first_expiry, indicative, write_depth, write_resting
from marksim.core.book.resting import RESTING
from marksim.core.book.rules import Rules
from marksim.core.book.state import allocate
from marksim.core.types import COMMAND

KERNELS: Final[dict[str, Callable[..., Any]]] = {
    "book.apply_commands": apply_commands,
    "book.rebuild_names": rebuild_names,
    "book.write_depth": write_depth,
    "book.write_resting": write_resting,
    "book.find_order": find_order,
    "book.first_expiry": first_expiry,
    "book.indicative": indicative,
}


def compile_kernels(progress: Callable[[str], object] | None = None) -> None:
    """Compile, or load from the cache on disk, all that a book needs; `progress` is told each name before its turn."""
    memory = allocate(Rules(1, 2, 1, 1, 0, 0, 0, 1, max_orders=1))
    arguments: dict[str, tuple[object, ...]] = {
        "book.apply_commands": (np.zeros(1, COMMAND), 0, 0),
        "book.rebuild_names": (),
        "book.write_depth": (memory.depth, 1),
        "book.write_resting": (np.zeros(0, RESTING), 1, 1, True),
        "book.find_order": (1, 1, np.zeros(1, RESTING)),
        "book.first_expiry": (),
        "book.indicative": (),
    }
    for name, kernel in KERNELS.items():
        if progress is not None:
            progress(name)
        kernel(memory.counters, *arguments[name])
