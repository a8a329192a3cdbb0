"""Simulation in process at full speed: `simulate` and its result. `marksim simulate` is its command."""

from marksim.offline.result import Result, Stats
from marksim.offline.running import INTERRUPTED, Progress, simulate

__all__ = ["INTERRUPTED", "Progress", "Result", "Stats", "simulate"]
