"""The engine's own inputs to a window, as the order book keeps them: events that were injected, agents that began afresh."""

import json
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from marksim.core.errors import InvalidInput
from marksim.core.sim.engine import AsyncTimeEngine
from marksim.core.sim.events import event_from_plain

LATELY_S: Final = 10.0
"""So long an event that happened is remembered where a power cut may take its window: many times what a disk may be late."""


@dataclass(slots=True)
class Control:
    """Of one window. Both happen before its agents wake: first who begins afresh, then the events, in their order."""

    restarted: list[str] = field(default_factory=list)
    """Names of agents."""
    events: list[dict[str, Any]] = field(default_factory=list)
    """As core.sim.events has them as plain data."""

    def encoded(self) -> bytes:
        """JSON; nothing where there is nothing."""
        parts = {name: value for name in ("restarted", "events") if (value := getattr(self, name))}
        return json.dumps(parts, sort_keys=True, separators=(",", ":")).encode() if parts else b""

    def play(self, engine: AsyncTimeEngine) -> None:
        """Let it happen again in the window that is collected next; agents that began afresh there are left out."""
        if self.restarted:
            engine.pass_over(self.restarted)
        for event in self.events:
            engine.inject(event_from_plain(event))


class Controls:
    """Those of windows that are not done yet; and the events that another engine has to know of, should this one be lost."""

    def __init__(self) -> None:
        self._windows: dict[int, Control] = {}
        self._promised: list[dict[str, Any]] = []
        """Events of before a crash whose `window` is not the next one yet."""
        self._lately: deque[tuple[float, dict[str, Any]]] = deque()
        """When, and which event of a window that is done and may not be on the disk of its books yet."""
        self.are_late = False
        """Whether there are such windows: with durability `disk`."""

    def begin(self, first: int, remembered: Sequence[dict[str, Any]]) -> None:
        """The run goes on with window `first`: of what was remembered in it, the events wait that have not happened by then.

        Nothing else waits.
        """
        self._windows.clear()
        self._lately.clear()
        at = time.monotonic()
        if self.are_late:
            self._lately += [(at, event) for event in remembered if event["window"] < first]
        self._promised = [event for event in remembered if event["window"] >= first]

    def of(self, window: int) -> Control:
        """Of a window that was not sent yet, to be added to."""
        return self._windows.setdefault(window, Control())

    def sent(self, window: int) -> Control:
        """Of a window that is sent now; empty where nothing goes into it."""
        return self._windows.get(window, Control())

    def done(self, window: int) -> None:
        """The books have it. Not before: where they are lost with it and with this engine, the next one lets it happen."""
        control = self._windows.pop(window, None)
        if control is not None and self.are_late:
            at = time.monotonic()
            self._lately += [(at, {"window": window, "event": event}) for event in control.events]

    def take_promised(self, window: int) -> list[dict[str, Any]]:
        """The events that were promised for that window, as plain data; those of later ones stay."""
        due = [event["event"] for event in self._promised if event["window"] <= window]
        self._promised = [event for event in self._promised if event["window"] > window]
        return due

    def remembered(self) -> list[dict[str, Any]]:
        """All events that another engine has to know of, each with its `window`."""
        while self._lately and time.monotonic() - self._lately[0][0] > LATELY_S:
            self._lately.popleft()
        waiting = [{"window": window, "event": event} for window, one in self._windows.items() for event in one.events]
        return [*(event for _, event in self._lately), *waiting, *self._promised]


def control_from(data: bytes) -> Control:
    """What was encoded. Raises InvalidInput for anything else."""
    try:
        return Control(**json.loads(data)) if data else Control()
    except (ValueError, TypeError) as error:
        raise InvalidInput(f"control: {error}; it is not what this version writes") from None
