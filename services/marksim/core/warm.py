"""Compiles the kernels before they are needed, so that nobody waits in the middle of a market."""

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, Final

import numpy as np

from marksim.core.book.kernel import apply_commands
from marksim.core.book.names import rebuild_names
from marksim.core.book.reading import find_order, first_expiry, indicative, write_depth, write_resting
from marksim.core.book.resting import RESTING
from marksim.core.book.rules import Rules
from marksim.core.book.saving import find_damage, put_levels, write_levels
from marksim.core.book.state import LEVEL, Memory, allocate
from marksim.core.feed import inputs, packing, playing
from marksim.core.feed.digest import digest_window
from marksim.core.feed.ticker import TickerMemory, update_tick
from marksim.core.populations import floor, value
from marksim.core.populations.memory import SHOWN, CrowdMemory
from marksim.core.types import COMMAND, DEPTH, EXECUTION, QUOTE, TICK, Instrument, SessionState

Kernels = Mapping[str, Callable[..., Any]]

READING: Final[Kernels] = {
    "book.write_depth": write_depth,
    "book.write_resting": write_resting,
    "book.find_order": find_order,
    "book.first_expiry": first_expiry,
    "book.indicative": indicative,
}

PACKING: Final[Kernels] = {
    "feed.pack_rows": packing.pack_rows,
    "feed.packed_rows": packing.packed_rows,
    "feed.unpack_rows": packing.unpack_rows,
    "feed.count_inputs": inputs.count_inputs,
    "feed.take_inputs": inputs.take_inputs,
}
"""What a journal needs."""

BOOK: Final[Kernels] = {
    "book.apply_commands": apply_commands,
    "book.rebuild_names": rebuild_names,
    "book.write_levels": write_levels,
    "book.put_levels": put_levels,
    "book.find_damage": find_damage,
    **READING,
    "feed.update_tick": update_tick,
    **PACKING,
    "feed.digest_window": digest_window,
    "feed.play_windows": playing.play_windows,
}
"""What an order book needs."""

SENDING: Final[Kernels] = {
    "populations.begin_crowd": floor.begin_crowd,
    "populations.due_of": floor.due_of,
    "populations.push_commands": floor.push_commands,
    "populations.deliver_window": floor.deliver_window,
    "populations.value_of": value.value_of,
    "populations.newest_shown": floor.newest_shown,
    "populations.next_visible": floor.next_visible,
    "populations.advance_reach": floor.advance_reach,
}

ENGINE: Final[Kernels] = {**SENDING, "populations.collect_window": floor.collect_window}
"""What an engine needs whose books are elsewhere."""

SIMULATION: Final[Kernels] = {
    **SENDING,
    **READING,
    "book.rebuild_names": rebuild_names,
    "populations.run_windows": floor.run_windows,
}
"""What a simulation in one process needs."""

ALL: Final[Kernels] = {**BOOK, **ENGINE, **SIMULATION}


def compile_kernels(kernels: Kernels = ALL, progress: Callable[[str], object] | None = None) -> None:
    """Compile these, or load them from the cache on disk; `progress` is told each name before its turn."""
    # Kernels know memory by its address: these live until the last of them has returned.
    book, crowd, ticker = allocate(Rules(1, 2, 1, 1, 0, 0, 0, 1, max_orders=1)), CrowdMemory(), _ticker()
    crowd.put("values", np.zeros(1))
    crowd.put("shown", np.zeros(1, SHOWN))
    arguments = _arguments(book, crowd, ticker)
    for name, kernel in kernels.items():
        if progress is not None:
            progress(name)
        kernel(*arguments[name])


def _arguments(book: Memory, crowd: CrowdMemory, ticker: TickerMemory) -> dict[str, tuple[Any, ...]]:
    """With which a call of each kernel does nothing."""
    counters, one = book.counters, (crowd.counters,)
    places, marks, rows = np.zeros(0, np.int64), np.zeros(1, np.uint8), (np.zeros(0, EXECUTION), np.zeros(0, TICK))
    playing_none = np.zeros(1, playing.COUNTERS)
    playing_none["book"], playing_none["ticker"] = counters.ctypes.data, ticker.counters.ctypes.data
    outcomes = np.zeros(0, playing.OUTCOME)
    return {
        "book.apply_commands": (counters, np.zeros(1, COMMAND), 0, 0),
        "book.rebuild_names": (counters,),
        "book.write_levels": (counters, places, np.zeros(0, LEVEL)),
        "book.put_levels": (counters, places, np.zeros(0, LEVEL)),
        "book.find_damage": (counters, places, marks, marks),
        "book.write_depth": (counters, book.depth, 1),
        "book.write_resting": (counters, np.zeros(0, RESTING), 1, 1, True),
        "book.find_order": (counters, 1, 1, np.zeros(1, RESTING)),
        "book.first_expiry": (counters,),
        "book.indicative": (counters,),
        **_packing_arguments(),
        "feed.update_tick": (ticker.counters, np.zeros(0, EXECUTION), np.zeros(0, QUOTE)),
        "feed.digest_window": (rows[0], np.zeros(0, QUOTE), np.zeros(0, DEPTH), rows[1]),
        "feed.play_windows": (playing_none, -1, np.zeros(0, COMMAND), np.zeros(1, np.int64), outcomes, *rows),
        "populations.begin_crowd": one,
        "populations.due_of": one,
        "populations.push_commands": (*one, np.zeros(0, COMMAND)),
        "populations.collect_window": (*one, 0),
        "populations.deliver_window": (*one, np.zeros(0, EXECUTION), np.zeros(0, TICK), 0),
        "populations.value_of": (*one, 0),
        "populations.newest_shown": (*one, 0, 0),
        "populations.next_visible": (*one, 0, 0),
        "populations.advance_reach": (*one, np.zeros(1, floor.REACH), np.zeros(1, np.int64), 0),
        "populations.run_windows": (np.zeros(1, floor.COUNTERS), -1),
    }


def _packing_arguments() -> dict[str, tuple[Any, ...]]:
    layout, none = packing.layout_of(COMMAND), np.zeros(1, np.int64)
    rows = np.zeros(COMMAND.itemsize, np.uint8)
    # As of bytes, which may not be written to.
    data = np.frombuffer(packing.EMPTY, np.uint8)
    return {
        "feed.pack_rows": (rows, 1, layout, np.zeros(1, np.int64), np.zeros(2 * COMMAND.itemsize + 64, np.uint8)),
        "feed.packed_rows": (data, 0, layout),
        "feed.unpack_rows": (data, 0, layout, rows, 0),
        "feed.count_inputs": (data, none, layout, none),
        "feed.take_inputs": (data, none, none, layout, none, np.zeros(0, inputs.MARK), rows),
    }


def _ticker() -> TickerMemory:
    one = Fraction(1)
    return TickerMemory(Instrument("A/B", "A", "B", one, one, 1, 1, 1), SessionState.CONTINUOUS)
