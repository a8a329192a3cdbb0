"""Compiles the kernels before they are needed, so that nobody waits in the middle of a market."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from marksim.core.book.kernel import apply_commands, first_expiry, write_depth, write_resting
from marksim.core.book.names import find_slot, rebuild_names
from marksim.core.book.resting import RESTING
from marksim.core.book.rules import Rules
from marksim.core.book.state import allocate
from marksim.core.types import COMMAND

KERNELS: Final[dict[str, Callable[..., Any]]] = {
    "book.apply_commands": apply_commands,
    "book.rebuild_names": rebuild_names,
    "book.find_slot": find_slot,
    "book.write_depth": write_depth,
    "book.write_resting": write_resting,
    "book.first_expiry": first_expiry,
}


def compile_kernels(progress: Callable[[str], object] | None = None) -> None:
    """Compile, or load from the cache on disk, all that a book needs; `progress` is told each name before its turn."""
    memory = allocate(Rules(1, 2, 1, 1, 0, 0, 0, 1, max_orders=1))
    outputs = memory.executions, memory.quotes, memory.depth
    arguments: dict[str, tuple[object, ...]] = {
        "book.apply_commands": (*memory.book, np.zeros(1, COMMAND), 0, 0, *outputs),
        "book.rebuild_names": (memory.orders, memory.names),
        "book.find_slot": (memory.orders, memory.names, 1, 1),
        "book.write_depth": (*memory.book, 1, memory.depth),
        "book.write_resting": (*memory.book, np.zeros(0, RESTING)),
        "book.first_expiry": (*memory.book, memory.depth),
    }
    for name, kernel in KERNELS.items():
        if progress is not None:
            progress(name)
        kernel(*arguments[name])
