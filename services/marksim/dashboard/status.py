"""The state of the feed in numbers and in a sentence that a person can act on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from marksim.dashboard.continuity import GapCounts

_SLOT_S = 0.25
_SLOTS = 8
_LAG_WEIGHT = 0.05
# After this long without a tick an open connection is called quiet.
QUIET_AFTER_S = 3.0
# The session in which orders trade as they come, and of how many symbols in another one a sentence tells.
_TRADING = "CONTINUOUS"
_NAMED = 3


class Link(StrEnum):
    """The connection to the feed."""

    CONNECTING = "connecting"
    OPEN = "open"
    AWAY = "away"


class Rate:
    """Events per second over the last two seconds, in a fixed number of slots."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._counts = [0] * (_SLOTS + 1)
        self._slot = int(clock() / _SLOT_S)

    def add(self) -> None:
        self._advance()
        self._counts[self._slot % len(self._counts)] += 1

    def per_second(self) -> float:
        self._advance()
        # The slot that is being filled does not count: it would make the figure flicker.
        open_slot = self._counts[self._slot % len(self._counts)]
        return (sum(self._counts) - open_slot) / (_SLOTS * _SLOT_S)

    def _advance(self) -> None:
        now = int(self._clock() / _SLOT_S)
        for slot in range(max(self._slot + 1, now - _SLOTS), now + 1):
            self._counts[slot % len(self._counts)] = 0
        self._slot = max(self._slot, now)


@dataclass
class FeedStatus:
    """What the page shows of the dashboard's own feed. `clock` is monotonic seconds."""

    address: str
    clock: Callable[[], float]
    link: Link = Link.CONNECTING
    # Why the link is away, as a sentence, and when the next attempt is due.
    reason: str = ""
    retry_at: float = 0.0
    ticks: int = 0
    connections: int = 0
    bad_frames: int = 0
    newest_bad_frame: str = ""
    refused_symbols: int = 0
    run: str | None = None
    run_changes: int = 0
    gaps: GapCounts = field(default_factory=GapCounts)
    # By symbol, where the feed tells it.
    sessions: dict[str, str] = field(default_factory=dict)
    lag_ms: float | None = None
    last_tick_at: float | None = None
    opened_at: float = 0.0

    def __post_init__(self) -> None:
        self.rate = Rate(self.clock)

    def opened(self) -> None:
        self.link, self.reason = Link.OPEN, ""
        self.connections += 1
        self.opened_at = self.clock()
        self.lag_ms = None

    def closed(self, reason: str, retry_in_s: float) -> None:
        self.link, self.reason = Link.AWAY, reason
        self.retry_at = self.clock() + retry_in_s
        self.lag_ms = None

    def saw_tick(self, lag_ms: float | None) -> None:
        self.ticks += 1
        self.last_tick_at = self.clock()
        self.rate.add()
        if lag_ms is not None:
            self.lag_ms = lag_ms if self.lag_ms is None else self.lag_ms + _LAG_WEIGHT * (lag_ms - self.lag_ms)

    def saw_bad_frame(self, reason: str) -> None:
        self.bad_frames += 1
        self.newest_bad_frame = reason

    def state(self) -> str:
        """live, quiet, connecting or away: the colour of the lamp."""
        if self.link is not Link.OPEN:
            return str(self.link)
        return "quiet" if self._silence_s() > QUIET_AFTER_S else "live"

    def sentence(self) -> str:
        """One or two sentences for a person."""
        match self.state():
            case "connecting":
                return f"Connecting to {self.address}."
            case "away":
                wait = max(0, round(self.retry_at - self.clock()))
                return f"{self.reason} {f'Next attempt in {wait} s.' if wait else 'Trying again now.'}"
            case "quiet":
                waiting = f"Connected to {self.address}, but no tick for {self._silence_s():.0f} s."
                return f"{waiting} {self._stillness()}"
        return f"Receiving from {self.address}."

    def _stillness(self) -> str:
        """Why there may be no ticks."""
        still = [f"{symbol} is {state}" for symbol, state in sorted(self.sessions.items()) if state != _TRADING]
        if not still:
            return "The market may be paused or still starting."
        more = f" and {len(still) - _NAMED} more do not trade" if len(still) > _NAMED else ""
        return f"{', '.join(still[:_NAMED])}{more}."

    def _silence_s(self) -> float:
        return self.clock() - max(self.opened_at, self.last_tick_at or 0.0)

    def as_json(self) -> dict[str, object]:
        return {
            "state": self.state(),
            "sentence": self.sentence(),
            "address": self.address,
            "ticks": self.ticks,
            "ticks_per_s": self.rate.per_second(),
            "lag_ms": self.lag_ms,
            "connections": self.connections,
            "conflated": self.gaps.conflated,
            "lost": self.gaps.lost,
            "missed": self.gaps.missed,
            "late": self.gaps.late,
            "bad_frames": self.bad_frames,
            "newest_bad_frame": self.newest_bad_frame,
            "refused_symbols": self.refused_symbols,
            "run": self.run,
            "run_changes": self.run_changes,
        }
