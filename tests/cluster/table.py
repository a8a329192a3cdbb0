"""Runs steps, several at a time where they do not disturb each other, and prints one row each."""

import asyncio
import sys
import time
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tests.cluster.kube import StepFailed

Step = Callable[[], Awaitable[str]]
"""What a step does; it returns what was seen in a few words, or raises StepFailed."""


@dataclass
class Table:
    """The results so far; `only` names the steps to run, empty for all."""

    only: frozenset[str] = frozenset()
    rows: list[tuple[str, str, float, str, str]] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)

    def wants(self, number: str) -> bool:
        """Whether a step is to run: `5b` belongs to 5."""
        return not self.only or number in self.only or number.rstrip("abcdefgh") in self.only

    async def step(self, number: str, title: str, work: Step) -> bool:
        """Run one step and print its row; False where it failed. A step that was not asked for is left out."""
        if not self.wants(number):
            return True
        start = time.monotonic()
        try:
            seen, result = await work(), "ok"
        except StepFailed as failed:
            seen, result = str(failed), "FAILED"
        except Exception as error:  # noqa: BLE001  a defect of a step is that step's failure; the others still tell
            traceback.print_exc(file=sys.stderr)
            seen, result = f"{type(error).__name__}: {error}", "FAILED"
        row = (number, title, time.monotonic() - start, result, " ".join(seen.split()))
        self.rows.append(row)
        print(_line(row), flush=True)
        return result == "ok"

    async def together(self, *steps: Awaitable[bool]) -> None:
        """Steps that do not disturb each other."""
        await asyncio.gather(*steps)

    def finish(self) -> int:
        """Print the table in order of numbers and a closing line; the exit code."""
        print("\n" + "\n".join(map(_line, sorted(self.rows, key=_order))))
        failed = sum(row[3] != "ok" for row in self.rows)
        minutes = (time.monotonic() - self.begun) / 60
        print(f"\ncluster test took {minutes:.1f} minutes\n{len(self.rows) - failed} passed, {failed} failed", flush=True)
        return 1 if failed or not self.rows else 0


def _line(row: tuple[str, str, float, str, str]) -> str:
    number, title, seconds, result, seen = row
    return f"{number:>4}  {title:<52} {seconds:6.1f} s  {result:<7} {seen}"


def _order(row: tuple[str, str, float, str, str]) -> tuple[int, str]:
    digits = row[0].rstrip("abcdefgh")
    return int(digits), row[0]
