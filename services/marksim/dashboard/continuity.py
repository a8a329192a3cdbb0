"""Whether a tick follows the one before it: gaps, repeats, late ones and new runs, per symbol."""

from dataclasses import dataclass
from enum import Enum, auto

from marksim.dashboard.frames import FeedTick


class Verdict(Enum):
    """What to do with a tick."""

    NEXT = auto()  # it follows what came before, or a counted conflation on this connection
    RESUMED = auto()  # the first of a symbol on this connection, and not the very next: what lies between was not seen
    NEW_RUN = auto()  # another run: what was kept of the symbol is of another market
    DROP = auto()  # late, or already known


@dataclass(slots=True)
class GapCounts:
    """Ticks that are not in the history, by reason."""

    conflated: int = 0  # the server merged them, because this reader was slow, and said so
    lost: int = 0  # sent to this reader, or so the server says, and never seen
    missed: int = 0  # made while this reader was away
    late: int = 0  # older than what is already kept; dropped
    repeated: int = 0  # the newest one again, as on every reconnect


class Continuity:
    """Judges the ticks of one symbol in the order of their arrival."""

    def __init__(self) -> None:
        self._epoch: str | None = None
        self._seq: int | None = None
        self._time_us = -1
        self._fresh = True

    def begin_connection(self) -> None:
        """The next tick is the first one of a new connection."""
        self._fresh = True

    def judge(self, tick: FeedTick, counts: GapCounts) -> Verdict:
        """Decide on one tick and count what it shows to be missing."""
        fresh, self._fresh = self._fresh, False
        first = self._time_us < 0
        if first or self._is_new_run(tick, fresh):
            self._remember(tick)
            return Verdict.RESUMED if first else Verdict.NEW_RUN
        if tick.seq is not None and tick.seq == self._seq:
            counts.repeated += 1
            return Verdict.DROP
        is_older = tick.seq is not None and self._seq is not None and tick.seq < self._seq
        if is_older or tick.time_us < self._time_us:
            counts.late += 1
            return Verdict.DROP
        self._count_gap(tick, fresh, counts)
        follows = tick.seq is not None and self._seq is not None and tick.seq == self._seq + 1
        self._remember(tick)
        return Verdict.RESUMED if fresh and not follows else Verdict.NEXT

    def _is_new_run(self, tick: FeedTick, fresh: bool) -> bool:
        if tick.epoch is not None and self._epoch is not None:
            return tick.epoch != self._epoch
        # A server that names no run: simulated time goes back only in another one, and only a new connection can bring it.
        return fresh and tick.time_us < self._time_us

    def _count_gap(self, tick: FeedTick, fresh: bool, counts: GapCounts) -> None:
        if tick.seq is None or self._seq is None:
            return
        if fresh:
            counts.missed += tick.seq - self._seq - 1
            return
        previous = self._seq if tick.prev_seq is None else tick.prev_seq
        counts.conflated += max(0, tick.seq - previous - 1)
        counts.lost += max(0, previous - self._seq)

    def _remember(self, tick: FeedTick) -> None:
        self._epoch, self._seq, self._time_us = tick.epoch, tick.seq, tick.time_us
