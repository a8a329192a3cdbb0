"""What is kept of a run: what it is, and each window with all that went in and came out."""

from collections.abc import Mapping
from dataclasses import dataclass

from marksim.core.types import Records


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What the journal of one shard belongs to; `symbols` are those of the shard, in its order."""

    run: str
    scenario: str
    scenario_hash: str
    scenario_text: str
    """The scenario as it was resolved, JSON; empty where its engine did not say it."""
    seed: int
    start_time_ns: int
    lookahead_ns: int
    shard: int
    shards: int
    symbols: tuple[str, ...]
    max_orders: int = 0
    """Most resting orders of a symbol; 0 where that was not noted."""

    def end_ns(self, window: int) -> int:
        """Simulated time at which a window ends; before the first, the start."""
        return self.start_time_ns + (window + 1) * self.lookahead_ns


@dataclass(frozen=True, slots=True)
class SymbolWindow:
    """One symbol's part of a window. All arrays may be empty."""

    outside: Records
    """dtype COMMAND: from outside; the book takes these first."""
    commands: Records
    """dtype COMMAND: the engine's"""
    executions: Records
    """dtype EXECUTION"""
    quotes: Records
    """dtype QUOTE"""
    depth: Records
    """dtype DEPTH: changes"""
    tick: Records
    """dtype TICK: one row, or none"""
    levels: Records | None
    """dtype DEPTH: all levels after the window, in the first one of each simulated minute; else None"""
    previous_window: int
    """The symbol's last window before this one that had a frame; -1 for none"""
    digest: int
    """core.feed.digest.rows_digest of executions, quotes, depth and tick, an unsigned 64-bit number"""


@dataclass(frozen=True, slots=True)
class RecordedWindow:
    """A window, or a row of windows in which nothing went in and nothing came out."""

    window: int
    last: int
    """Equal to `window`, or above it where all from `window` to here were empty."""
    digest: bytes
    """16 bytes: of what the engine sent, by which a window that is sent again is known; empty where `last` is above."""
    control: bytes
    """The engine's own inputs, opaque here."""
    parts: Mapping[str, SymbolWindow]
    """By symbol: those with input or output."""
