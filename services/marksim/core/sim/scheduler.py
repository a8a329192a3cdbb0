"""The order of events: a heap of (time, priority, serial). The serial is the order in which events were made."""

import heapq
from enum import IntEnum
from typing import Final, Protocol

Key = tuple[int, int]
"""(time in ns, priority << PRIORITY_SHIFT | serial): when an entry fires, and before which others of that time."""

PRIORITY_SHIFT: Final = 56
COMPACT_FROM: Final = 1_024
"""Dead entries that may lie in the heap before it is looked at whether they are most of it."""


class Priority(IntEnum):
    """Of events at one time: what happens to the market, then what an agent learns, then what it does by its own timer."""

    EVENT = 0
    DELIVERY = 1
    TIMER = 2


class Entry(Protocol):
    """What the heap holds. An entry that was given up stays there, dead, until its time or until most are dead."""

    def fire(self) -> None:
        """Do it; nothing, if it is dead."""
        ...

    @property
    def dead(self) -> bool: ...


class Scheduler:
    """Simulated time and what is due. `now_ns` never goes back.

    `heap` and `serial` are open for the engine's hottest path, which pushes `(time_ns, priority << PRIORITY_SHIFT | serial,
    entry)` itself.
    """

    __slots__ = ("_gone", "heap", "now_ns", "serial")

    def __init__(self, start_ns: int) -> None:
        self.now_ns = start_ns
        self.heap: list[tuple[int, int, Entry]] = []
        self.serial = 0
        self._gone = 0

    def __len__(self) -> int:
        return len(self.heap)

    def at(self, time_ns: int, priority: Priority, entry: Entry) -> None:
        """Fire an entry at a time, which must not be past. ValueError otherwise."""
        if time_ns < self.now_ns:
            raise ValueError(f"an event at {time_ns} would lie {self.now_ns - time_ns} ns in the past")
        self.serial += 1
        heapq.heappush(self.heap, (time_ns, priority << PRIORITY_SHIFT | self.serial, entry))

    def died(self) -> None:
        """An entry in the heap was given up. The heap is rid of the dead when they are most of it, so that it is bounded."""
        self._gone += 1
        if self._gone >= COMPACT_FROM and self._gone * 2 > len(self.heap):
            # In place: `run_until` holds the same list. The keys are unique, so the order stays what it was.
            self.heap[:] = [event for event in self.heap if not event[2].dead]
            heapq.heapify(self.heap)
            self._gone = 0

    def keys(self) -> dict[object, Key]:
        """Of all entries that are not dead."""
        return {entry: (time_ns, order) for time_ns, order, entry in self.heap if not entry.dead}

    def restore(self, now_ns: int, serial: int, heap: list[tuple[int, int, Entry]]) -> None:
        """Go on from a time with these entries, which stand in any order."""
        self.now_ns, self.serial, self._gone = now_ns, serial, 0
        self.heap[:] = heap
        heapq.heapify(self.heap)

    @property
    def next_ns(self) -> int | None:
        """Time of the next event; None where nothing is due."""
        return self.heap[0][0] if self.heap else None

    def run_until(self, end_ns: int) -> None:
        """Run all events before `end_ns`, those made meanwhile included; then it is `end_ns`."""
        heap, pop = self.heap, heapq.heappop
        while heap and heap[0][0] < end_ns:
            self.now_ns, _, entry = pop(heap)
            entry.fire()
        self.now_ns = max(self.now_ns, end_ns)
