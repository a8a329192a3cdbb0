"""The engine's own inputs to a window, as the order book keeps them: events that were injected, agents that began afresh."""

import json
from dataclasses import dataclass, field
from typing import Any

from marksim.core.errors import InvalidInput
from marksim.core.sim.engine import AsyncTimeEngine
from marksim.core.sim.events import event_from_plain


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


def control_from(data: bytes) -> Control:
    """What was encoded. Raises InvalidInput for anything else."""
    try:
        return Control(**json.loads(data)) if data else Control()
    except (ValueError, TypeError) as error:
        raise InvalidInput(f"control: {error}; it is not what this version writes") from None
