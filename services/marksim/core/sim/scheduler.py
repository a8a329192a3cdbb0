"""The order of events: a heap of (time, priority, serial). The serial is the order in which events were made."""

import heapq
from collections.abc import Callable
from enum import IntEnum
from typing import Any

Action = Callable[..., Any]


class Priority(IntEnum):
    """Of events at one time: what an agent learns comes before what it does by its own timer."""

    DELIVERY = 0
    TIMER = 1


class Scheduler:
    """Simulated time and what is due. `now_ns` never goes back."""

    __slots__ = ("_heap", "_serial", "now_ns")

    def __init__(self, start_ns: int) -> None:
        self.now_ns = start_ns
        self._heap: list[tuple[int, int, int, Action, Any]] = []
        self._serial = 0

    def __len__(self) -> int:
        return len(self._heap)

    def at(self, time_ns: int, priority: Priority, action: Action, argument: object = None) -> None:
        """Call `action(argument)` at a time, which must not be past. ValueError otherwise."""
        if time_ns < self.now_ns:
            raise ValueError(f"an event at {time_ns} would lie {self.now_ns - time_ns} ns in the past")
        self._serial += 1
        heapq.heappush(self._heap, (time_ns, priority, self._serial, action, argument))

    @property
    def next_ns(self) -> int | None:
        """Time of the next event; None where nothing is due."""
        return self._heap[0][0] if self._heap else None

    def run_until(self, end_ns: int) -> None:
        """Run all events before `end_ns`, those made meanwhile included; then it is `end_ns`."""
        heap = self._heap
        while heap and heap[0][0] < end_ns:
            self.now_ns, _, _, action, argument = heapq.heappop(heap)
            action(argument)
        self.now_ns = end_ns
