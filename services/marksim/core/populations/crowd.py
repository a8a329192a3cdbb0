"""The populations of one symbol, and the commands of its coroutines on their way, as Python sees them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from marksim.core.agents.spec import PopulationSpec, ValueSpec
from marksim.core.errors import InvalidInput
from marksim.core.feed.ticks import NO_TICKS, opening_tick, tick_row
from marksim.core.populations import casting_of, floor, value
from marksim.core.populations.memory import (
    COUNTERS,
    MOST_SENT,
    SHOCK,
    WITHDRAWAL,
    CrowdMemory,
    allocate,
    rows,
    zeros_on_lines,
)
from marksim.core.populations.words import NEVER
from marksim.core.types import EXECUTION, Instrument, Records, Tick

MOST_SHOCKS: Final = 4_096
MOST_WITHDRAWALS: Final = 256
"""That may last at once."""
SPARE: Final = 2 * MOST_SENT
_NEVER: Final = int(NEVER)
_USED: Final = {
    "heap": "pending",
    "sent": "used_sent",
    "links": "used_sent",
    "notices": "used_notices",
    "shocks": "shock_count",
    "withdrawals": "withdrawal_count",
}
"""Arrays of which the first rows are in use, and the counters that say how many."""
_KEPT: Final = ("populations", "traders", "shown", "values", *_USED)
_EMPTIED: Final = ("commands", "told")
"""Of no use between windows."""


class Crowd:
    """One symbol's populations. `collect` and `deliver` are called once a window, in turn."""

    def __init__(
        self,
        instrument: Instrument,
        populations: Sequence[PopulationSpec],
        value_spec: ValueSpec,
        *,
        seed: int,
        start_ns: int,
        lookahead_ns: int,
        agents_end: int = 0,
        longest_feed_ns: int = 0,
    ) -> None:
        """`agents_end` is one more than the last account of a coroutine, `longest_feed_ns` their longest latency."""
        castings = tuple(casting_of(spec) for spec in populations)
        self.specs = tuple(populations)
        self.memory: CrowdMemory = allocate(
            instrument,
            castings,
            value_spec,
            seed=seed,
            start_ns=start_ns,
            lookahead_ns=lookahead_ns,
            longest_feed_ns=longest_feed_ns,
        )
        counters = self.memory.counters
        counters["agents_end"], counters["sweep"] = agents_end, -1
        self._show(opening_tick(instrument, start_ns), start_ns)
        floor.begin_crowd(counters)

    @property
    def orders_sent(self) -> int:
        """By populations, since the start of the run."""
        return int(self.memory.counters["orders_sent"][0])

    @property
    def traders(self) -> int:
        """Of all populations."""
        return len(self.memory.arrays["traders"])

    @property
    def queued(self) -> int:
        """Commands on their way."""
        return int(self.memory.counters["pending"][0])

    @property
    def next_due_ns(self) -> int | None:
        """When the next command arrives or a population acts; None where nothing is left to happen."""
        due_ns = int(floor.due_of(self.memory.counters))
        return due_ns if due_ns < _NEVER else None

    def push(self, commands: Records) -> None:
        """Put COMMAND rows of coroutines on their way."""
        while not floor.push_commands(self.memory.counters, commands):
            self.make_room(len(commands))

    def collect(self, end_ns: int) -> Records:
        """Let populations act until a time; all that arrives before it, in order. The rows hold until the next call."""
        counters = self.memory.counters
        counters["collected"] = 0
        while not floor.collect_window(counters, end_ns):
            self.make_room()
        return rows(self.memory, "commands", int(counters["collected"][0]))

    def deliver(self, executions: Records, tick: Tick | None, end_ns: int) -> None:
        """Let populations learn of a window that was done elsewhere."""
        row = NO_TICKS if tick is None else tick_row(tick, 0)
        while not floor.deliver_window(self.memory.counters, executions, row, end_ns):
            self.make_room(len(executions))

    def make_room(self, needed: int = 0) -> None:
        """Double what is nearly full: slots, heap, the window's commands, notices, rows for coroutines."""
        memory, counters = self.memory, self.memory.counters[0]
        arrays, wanted = memory.arrays, max(needed, SPARE)
        if counters["used_sent"] + wanted > len(arrays["sent"]):
            memory.grow("sent", int(counters["used_sent"]) + wanted)
            memory.grow("links", len(arrays["sent"]))
        if counters["pending"] + wanted > len(arrays["heap"]):
            memory.grow("heap", int(counters["pending"]) + wanted)
        if counters["collected"] + SPARE > len(arrays["commands"]):
            memory.grow("commands")
        if counters["used_notices"] + 2 * wanted > len(arrays["notices"]):
            memory.grow("notices", int(counters["used_notices"]) + 2 * wanted)
        if counters["told_rows"] + wanted > len(arrays["told"]):
            memory.grow("told", int(counters["told_rows"]) + wanted)

    def value_ticks(self, time_ns: int) -> float:
        """The fundamental value then; at most a window earlier than the latest time that was asked for."""
        return float(value.value_of(self.memory.counters, time_ns))

    def shock(self, time_ns: int, change_ppm: int) -> None:
        """Move the value, and what it reverts to, from then on. Raises InvalidInput after 4,096 in one run."""
        memory, count = self.memory, int(self.memory.counters["shock_count"][0])
        if count == MOST_SHOCKS:
            raise InvalidInput(f"a run takes at most {MOST_SHOCKS} news shocks")
        if count == len(memory.arrays["shocks"]):
            memory.grow("shocks")
        shocks = memory.arrays["shocks"]
        # What was made known later may happen earlier: all factors from its place on include it.
        at = int(np.searchsorted(shocks["time_ns"][:count], time_ns, side="right"))
        shocks[at + 1 : count + 1] = shocks[at:count].copy()
        shocks[at] = np.array((time_ns, shocks["factor"][at - 1] if at else 1.0), SHOCK)
        shocks["factor"][at : count + 1] *= 1.0 + change_ppm / 1e6
        memory.counters["shock_count"] = count + 1

    def withdraw(self, time_ns: int, until_ns: int, share_ppm: int) -> None:
        """Let a share of those who provide liquidity cancel all they have at `time_ns`, and stay away until `until_ns`.

        In the order of time. They may overlap: who is in several comes back after the last. Where 256 have begun and are not
        over, the one that ends first ends now.
        """
        memory, counters = self.memory, self.memory.counters
        count, swept = int(counters["withdrawal_count"][0]), int(counters["swept"][0])
        kept = memory.arrays["withdrawals"][:count].copy()
        # Traders are at most a window behind.
        lasts = (kept["until_ns"] > time_ns - counters["lookahead_ns"]) | (np.arange(count) >= swept)
        if np.count_nonzero(lasts[:swept]) >= MOST_WITHDRAWALS:
            lasts[np.argmin(np.where(lasts[:swept], kept["until_ns"][:swept], _NEVER))] = False
        now = np.array([(time_ns, until_ns, (share_ppm << 32) // 1_000_000)], WITHDRAWAL)
        memory.put("withdrawals", np.concatenate((kept[lasts], now)))
        counters["withdrawal_count"] = np.count_nonzero(lasts) + 1
        counters["swept"] = np.count_nonzero(lasts[:swept])
        if counters["sweep"][0] < 0:
            counters["sweep"], counters["sweep_ns"] = 0, time_ns

    def watch(self, *, ticks: bool, told: bool) -> None:
        """Let windows stop after one with a tick, and after one that concerns a coroutine."""
        self.memory.cells["wake"][0] = ticks * floor.WAKE_ON_TICK + told * floor.WAKE_ON_TOLD

    def told(self) -> list[tuple[int, ...]]:
        """Rows of EXECUTION that concern coroutines, and have not been given yet, as tuples."""
        cell = self.memory.cells["told_rows"]
        count = cell.item()
        if not count:
            return []
        cell[0] = 0
        told: list[tuple[int, ...]] = self.memory.arrays["told"][:count].tolist()
        return told

    @property
    def shown_count(self) -> int:
        """Ticks that were shown, the opening one included: one more than the number of the newest."""
        return self.memory.cells["shown_count"].item()

    def shown(self, number: int) -> Records | None:
        """The row of SHOWN of that number; None where it is too old, or was never shown."""
        shown: Records = self.memory.arrays["shown"]
        return shown[number % len(shown)] if number >= 0 and self.shown_count - len(shown) <= number else None

    def newest_shown(self, now_ns: int, latency_ns: int) -> int:
        """Number of the newest tick that is visible now with that latency."""
        return int(floor.newest_shown(self.memory.counters, now_ns, latency_ns))

    def next_visible_ns(self, now_ns: int, latency_ns: int) -> int | None:
        """When the next of those that are shown becomes visible; None where all are."""
        return int(floor.next_visible(self.memory.counters, now_ns, latency_ns)) or None

    def advance_reach(self, reach: Records, quantiles: NDArray[np.int64], now_ns: int) -> bool:
        """Let ticks come to an agent whose latency is drawn: floor.REACH. Whether another is on its way."""
        return bool(floor.advance_reach(self.memory.counters, reach, quantiles, now_ns))

    def positions(self) -> Records:
        """TRADER rows of all traders, in the order of `specs`, as far as they have learned; the array itself."""
        traders: Records = self.memory.arrays["traders"]
        return traders

    def state(self, reuse: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Copies of all that changes: `counters`, and of each array what is in use. Those of an earlier state, which is lost
        by that, may be written to again: fresh memory costs several times as much as the copy.
        """
        counters = self.memory.counters.copy()
        # Those of the last window, which the book has.
        counters["collected"] = 0
        used = {name: int(counters[count][0]) for name, count in _USED.items()}
        arrays = {name: self.memory.arrays[name][: used.get(name)] for name in _KEPT}
        old = reuse or {}
        return {"counters": counters, **{name: _copied(array, old.get(name)) for name, array in arrays.items()}}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Be what gave that state. Raises InvalidInput for that of other populations."""
        memory, saved = self.memory, state["counters"]
        for name in ("populations", "traders", "shown", "values"):
            if len(state[name]) != len(memory.arrays[name]):
                counts = f"{len(state[name])}, and there are {len(memory.arrays[name])}"
                raise InvalidInput(f"this state is of other populations: it has {name} {counts}")
        for name in (*_KEPT, *_EMPTIED):
            # As much room as it had, so that it grows when it would have.
            array = zeros_on_lines(int(saved[f"{name}_length"][0]), memory.arrays[name].dtype)
            if name in state:
                _copied(state[name], array[: len(state[name])])
            memory.put(name, array)
        for name in COUNTERS.names or ():
            if not name.endswith(("_address", "_length")):
                memory.counters[name] = saved[name]

    def _show(self, tick: Tick, end_ns: int) -> None:
        floor.deliver_window(self.memory.counters, np.zeros(0, EXECUTION), tick_row(tick, 0), end_ns)


def _copied(array: Any, into: Any) -> Any:
    """A copy, in the memory of another one that has the same length. As bytes: rows would be copied one by one."""
    if into is None or len(into) != len(array):
        into = np.empty_like(array)
    np.copyto(into.view(np.uint8), array.view(np.uint8))
    return into
