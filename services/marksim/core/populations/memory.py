"""Memory of the populations of one symbol: a record of counters, and arrays (see core/book/handle.py for how they are
found).

A trader is 64 bytes: its position, its cash, and one resting order a side. All traders of the symbol stand in one array,
each population's in a row. Commands on their way wait in a pool, found through a heap by (arrival, account, serial); what
a population has yet to learn of its orders waits in a pool of notices, in one list a population, oldest first.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from marksim.core.agents.latency import mix64
from marksim.core.agents.spec import PopulationSpec, ValueSpec
from marksim.core.book.handle import handle, plain_handle
from marksim.core.errors import InvalidInput
from marksim.core.populations.words import NEVER
from marksim.core.types import COMMAND, DEPTH, EXECUTION, QUOTE, TICK, Instrument, Records

FEWEST_SHOWN: Final = 64
"""At least so many of the newest ticks can be looked back at; more where the longest feed latency asks for them."""
MOST_LOTS: Final = (1 << 32) - 1
"""Of an order of a trader, who keeps it in 32 bits."""
LINE: Final = 64
"""Bytes of a line of cache: a trader's record lies in one."""
VALUES: Final = 128
"""So many seconds of the fundamental value can be looked back at: more than a window."""
MEMORY_CELLS: Final = 16
"""Numbers that a population keeps for itself, such as means of the price."""
FIRST_ROWS: Final = 1_024
MOST_SENT: Final = 8
"""A trader sends no more commands at once."""

TRADER: Final = np.dtype(
    [
        ("position_lots", "<i8"),
        ("cash_ticks", "<i8"),
        ("bid_serial", "<i8"),
        ("ask_serial", "<i8"),
        ("bid_level", "<u4"),
        ("ask_level", "<u4"),
        ("bid_lots", "<u4"),
        ("ask_lots", "<u4"),
        ("plan_lots", "<i8"),
        ("spare", "<i8"),
    ]
)
"""Serials are 0 where nothing rests; levels are prices above the instrument's lowest. `plan_lots` is what a trader still
wants to trade, of buying if positive, for behaviours that work off a plan. `spare` fills a line of cache."""

POPULATION: Final = np.dtype(
    [
        ("account", "<i8"),
        ("traders", "<i8"),
        ("first_trader", "<i8"),
        ("behaviour", "<i8"),
        ("first_parameter", "<i8"),
        ("serial", "<i8"),
        ("next_ns", "<i8"),
        ("next_trader", "<i8"),
        ("key", "<u8"),
        ("dice0", "<u8"),
        ("dice1", "<u8"),
        ("dice2", "<u8"),
        ("dice3", "<u8"),
        ("first_order_quantile", "<i8"),
        ("order_quantiles", "<i8"),
        ("first_feed_quantile", "<i8"),
        ("feed_quantiles", "<i8"),
        ("first_notice", "<i8"),
        ("last_notice", "<i8"),
        ("visible_ns", "<i8"),
        ("seen", "<i8"),
        ("orders_sent", "<i8"),
        ("provides", "<i8"),
        *((f"memory{cell}", "<f8") for cell in range(MEMORY_CELLS)),
    ]
)
"""`seen` numbers what it has looked at, for draws of latency."""

NOTICE: Final = np.dtype(
    [
        ("visible_ns", "<i8"),
        ("trader", "<i8"),
        ("serial", "<i8"),
        ("price_ticks", "<i8"),
        ("quantity_lots", "<i8"),
        ("leaves_lots", "<i8"),
        ("kind", "<i8"),
        ("side", "<i8"),
        ("next", "<i8"),
    ]
)

KEY: Final = np.dtype([("time_ns", "<i8"), ("account", "<i8"), ("serial", "<i8"), ("slot", "<i8")])
"""An entry of the heap of commands on their way."""

SHOWN: Final = np.dtype([*((name, TICK[name].str) for name in TICK.names or ()), ("end_ns", "<i8"), ("traded", "<i8")])
"""A tick, the end of its window, before which nobody sees it, and the number of the newest one with a trade by then."""

SHOCK: Final = np.dtype([("time_ns", "<i8"), ("factor", "<f8")])
"""From then on the value is so many times what it would be. In the order of time."""

WITHDRAWAL: Final = np.dtype([("time_ns", "<i8"), ("until_ns", "<i8"), ("share", "<i8")])
"""Of liquidity: `share` is a bound for 32 bits of a trader's hash. In the order of time."""

ARRAYS: Final[dict[str, np.dtype[Any]]] = {
    "populations": POPULATION,
    "parameters": np.dtype(np.float64),
    "quantiles": np.dtype(np.int64),
    "traders": TRADER,
    "heap": KEY,
    "sent": COMMAND,
    "links": np.dtype(np.int64),
    "commands": COMMAND,
    "notices": NOTICE,
    "shown": SHOWN,
    "values": np.dtype(np.float64),
    "shocks": SHOCK,
    "withdrawals": WITHDRAWAL,
    "applied": COMMAND,
    "events": EXECUTION,
    "quotes": QUOTE,
    "depth": DEPTH,
    "ticks": TICK,
    "told": EXECUTION,
}
"""`links` is the free list of `sent`. The last six are what windows did, until Python takes it (see floor.py)."""

COUNTERS: Final = np.dtype(
    [
        (name, "<u8" if name.startswith("dice") else "<f8" if name.startswith("value_") else "<i8")
        for name in (
            *("start_ns", "lookahead_ns", "min_price_ticks", "max_price_ticks"),
            *("min_quantity_lots", "max_quantity_lots"),
            # Entries of the heap; free slots of the pools, and how many of each were ever used.
            *("pending", "pushed", "free_sent", "used_sent", "collected", "free_notice", "used_notices"),
            *("shown_count", "orders_sent", "agents_end", "wake"),
            # Of the fundamental value: the grid second that comes next, and the path.
            *("second", "value_deviation", "value_reference", "value_sd", "value_keep", "value_jumps", "value_jump_ticks"),
            *("dice0", "dice1", "dice2", "dice3", "dice_key", "shock_count"),
            # Withdrawals of liquidity: how many, how many were swept, and where and when the next sweep is.
            *("withdrawal_count", "swept", "sweep", "sweep_ns"),
            # Rows written since Python took them.
            *("command_rows", "event_rows", "quote_rows", "depth_rows", "tick_rows", "told_rows"),
            *(f"{name}_{what}" for name in ARRAYS for what in ("address", "length")),
        )
    ],
    align=True,
)

_functions = handle("Crowd", COUNTERS, ARRAYS, plain_handle)
as_crowd: Final[Any] = _functions[0]
crowd_at: Final[Any] = _functions[1]


CELLS: Final = ("told_rows", "shown_count", "wake")


def cells_of(counters: Records) -> dict[str, NDArray[np.int64]]:
    """Views of those counters at which Python looks for each window: to take a field of a record costs three times as
    much.
    """
    return {name: counters[name] for name in CELLS}


class CrowdMemory:
    """The arrays of one symbol. `put` alone replaces one."""

    def __init__(self) -> None:
        self.counters = np.zeros(1, COUNTERS)
        self.cells = cells_of(self.counters)
        self.arrays: dict[str, Any] = {}
        for name, dtype in ARRAYS.items():
            self.put(name, np.zeros(0, dtype))

    def put(self, name: str, array: Any) -> None:
        """Let that be the array of the name, copied where it must begin with a line, and say in the counters where it is."""
        if name == "traders":
            array = on_lines(array)
        self.arrays[name] = array
        self.counters[f"{name}_address"], self.counters[f"{name}_length"] = array.ctypes.data, len(array)

    def grow(self, name: str, needed: int = 0) -> None:
        """At least double an array; it begins as it was."""
        old = self.arrays[name]
        array = np.zeros(max(2 * len(old), needed, FIRST_ROWS), old.dtype)
        array[: len(old)] = old
        self.put(name, array)

    @property
    def nbytes(self) -> int:
        """Of all arrays."""
        return int(self.counters.nbytes + sum(array.nbytes for array in self.arrays.values()))

    def __getstate__(self) -> dict[str, Any]:
        return {"counters": self.counters, "arrays": self.arrays}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.counters, self.arrays = state["counters"], {}
        self.cells = cells_of(self.counters)
        for name, array in state["arrays"].items():
            self.put(name, array)


def zeros_on_lines(count: int, dtype: np.dtype[Any]) -> Any:
    """Zeros in an array that begins with a line of cache."""
    memory = np.zeros(count * dtype.itemsize + LINE, np.uint8)
    return memory[-memory.ctypes.data % LINE :][: count * dtype.itemsize].view(dtype)


def on_lines(array: Any) -> Any:
    """An array of the same content that begins with a line of cache, or the array itself where it does."""
    if array.ctypes.data % LINE == 0:
        return array
    placed = zeros_on_lines(len(array), array.dtype)
    placed[:] = array
    return placed


@dataclass(frozen=True, slots=True)
class Casting:
    """A population with what its type adds: the number of its behaviour, and its parameters in order."""

    spec: PopulationSpec
    behaviour: int
    parameters: tuple[float, ...]
    provides_liquidity: bool


def allocate(
    instrument: Instrument,
    castings: tuple[Casting, ...],
    value: ValueSpec,
    *,
    seed: int,
    start_ns: int,
    lookahead_ns: int,
    longest_feed_ns: int = 0,
) -> CrowdMemory:
    """The memory of a symbol at the start of a run; no event of a population is due yet (`NEVER`).

    `longest_feed_ns` is the longest feed latency of the symbol's coroutines.
    """
    memory = CrowdMemory()
    counters = memory.counters
    counters["start_ns"] = start_ns
    counters["lookahead_ns"] = lookahead_ns
    if instrument.min_quantity_lots > MOST_LOTS:
        raise InvalidInput(f"{instrument.symbol}: populations need min_quantity_lots of at most {MOST_LOTS}")
    for name in ("min_price_ticks", "max_price_ticks", "min_quantity_lots"):
        counters[name] = getattr(instrument, name)
    counters["max_quantity_lots"] = min(instrument.max_quantity_lots, MOST_LOTS)
    counters["value_reference"] = instrument.reference_price_ticks
    counters["value_sd"], counters["value_keep"] = value.sd_ticks, 0.5 ** (1.0 / value.half_life_s)
    counters["value_jumps"], counters["value_jump_ticks"] = value.jumps_per_s, value.jump_ticks
    # Slot 0 of the pools is in no list, so that 0 means none.
    counters["used_sent"] = counters["used_notices"] = 1
    roll(counters[0], f"value:{instrument.symbol}", seed)
    counters["dice_key"] = counters["dice0"]
    memory.put("values", np.zeros(VALUES))
    memory.put("shown", np.zeros(_shown_ticks(castings, lookahead_ns, longest_feed_ns), SHOWN))
    memory.put("traders", zeros_on_lines(sum(casting.spec.traders for casting in castings), TRADER))
    for name in ("heap", "sent", "links", "commands", "notices", "told"):
        memory.grow(name)
    _place(memory, castings, seed)
    return memory


def _shown_ticks(castings: tuple[Casting, ...], lookahead_ns: int, longest_ns: int) -> int:
    """So many ticks, one a window, that the longest latency lies within them; a power of two."""
    longest_ns = max([longest_ns, *(casting.spec.feed_latency.quantiles_ns[-1] for casting in castings)])
    return 1 << max(longest_ns // lookahead_ns + 3, FEWEST_SHOWN - 1).bit_length()


def _place(memory: CrowdMemory, castings: tuple[Casting, ...], seed: int) -> None:
    populations = np.zeros(len(castings), POPULATION)
    parameters: list[float] = []
    quantiles: list[int] = []
    first = 0
    for row, casting in zip(populations, castings, strict=True):
        spec = casting.spec
        row["account"], row["traders"], row["first_trader"] = spec.account, spec.traders, first
        row["behaviour"], row["first_parameter"] = casting.behaviour, len(parameters)
        row["provides"], row["next_ns"] = casting.provides_liquidity, NEVER
        parameters += casting.parameters
        for name, latency in (("order", spec.order_latency), ("feed", spec.feed_latency)):
            row[f"first_{name}_quantile"], row[f"{name}_quantiles"] = len(quantiles), len(latency.quantiles_ns)
            quantiles += latency.quantiles_ns
        roll(row, spec.name, seed)
        row["key"] = row["dice0"]
        first += spec.traders
    memory.put("populations", populations)
    memory.put("parameters", np.array(parameters, np.float64))
    memory.put("quantiles", np.array(quantiles, np.int64))


def roll(row: Any, name: str, seed: int) -> None:
    """Seed the generator in a record: by the run's seed and a name, never by the order of creation."""
    state = mix64(seed ^ mix64(int.from_bytes(name.encode().ljust(8, b"\0")[:8], "little") ^ hash_of(name)))
    for cell in range(4):
        state = mix64(state + 0x9E3779B97F4A7C15)
        row[f"dice{cell}"] = state


def hash_of(name: str) -> int:
    """Of all characters of a name, the same in every process (Python's own hash is not)."""
    word = len(name)
    for character in name.encode():
        word = mix64(word * 31 + character)
    return word


def rows(memory: CrowdMemory, name: str, count: int) -> Records:
    """The first rows of one of the arrays."""
    found: Records = memory.arrays[name][:count]
    return found
