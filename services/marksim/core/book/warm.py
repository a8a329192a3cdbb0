"""Compiles the kernels before they are needed, so that nobody waits in the middle of a market."""

from collections.abc import Callable

import numpy as np

from marksim.core.book.kernel import apply_commands, find_slot, rebuild_names, write_depth, write_resting
from marksim.core.book.resting import RESTING
from marksim.core.book.rules import Rules
from marksim.core.book.state import allocate
from marksim.core.types import COMMAND


def compile_kernels(progress: Callable[[str], object] | None = None) -> None:
    """Compile, or load from the cache on disk, all that a book needs; `progress` is told each name before its turn."""
    memory = allocate(Rules(1, 2, 1, 1, 0, 1, max_orders=1))
    counters, orders, levels, bitmap = memory.counters, memory.orders, memory.levels, memory.bitmap
    executions, quotes, depth = memory.executions, memory.quotes, memory.depth
    steps: tuple[tuple[str, Callable[[], object]], ...] = (
        (
            "book.apply_commands",
            lambda: apply_commands(
                counters, orders, levels, bitmap, memory.names, np.zeros(1, COMMAND), 0, executions, quotes, depth
            ),
        ),
        ("book.rebuild_names", lambda: rebuild_names(orders, memory.names)),
        ("book.find_slot", lambda: find_slot(orders, memory.names, 1, 1)),
        ("book.write_depth", lambda: write_depth(counters, levels, bitmap, 1, depth)),
        ("book.write_resting", lambda: write_resting(counters, orders, levels, bitmap, np.zeros(0, RESTING))),
    )
    for name, step in steps:
        if progress is not None:
            progress(name)
        step()
