"""When to kill: at a random moment, or while something that may not be cut off is under way.

What is under way is seen from outside, by the files that come and go; nothing in the services helps.
"""

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tests.faults.market import Market

RANDOM: Final = "random"
SNAPSHOT: Final = "snapshot"
ROTATION: Final = "rotation"
RECOVERY: Final = "recovery"
MOMENTS: Final = (RANDOM, SNAPSHOT, ROTATION, RECOVERY)

LONGEST_S: Final = 6.0
"""A random moment comes at most so late after the market runs."""
WATCHED_S: Final = 30.0
"""So long a snapshot or a rotation is waited for."""
SOON_S: Final = 2.5
"""In a recovery the next kill comes at most so late after the process is there."""
LOOK_S: Final = 0.002


@dataclass(frozen=True)
class Moment:
    """Which one it was, and whether it came: one that does not in time is a random one."""

    kind: str
    met: bool


def plan(number: int, service: str) -> str:
    """Which moment the nth kill of a service has, from 1: each second one is random, else its special ones in turn.

    So five kills have met each kind, if it came.
    """
    special = {"orderbook": (SNAPSHOT, RECOVERY), "engine": (SNAPSHOT, RECOVERY), "archiver": (ROTATION, RECOVERY)}
    kinds = special.get(service, (RECOVERY,))
    return RANDOM if number % 2 else kinds[(number // 2 - 1) % len(kinds)]


async def wait_for(
    kind: str, market: Market, services: Sequence[str], randomness: random.Random, killed: Mapping[str, int] | None = None
) -> Moment:
    """Return when it is time. The market runs; in a RECOVERY the services were `killed` just before: by name, their pids."""
    if kind == RECOVERY:
        return Moment(kind, await _process(market, services, randomness, killed or {}))
    await asyncio.sleep(randomness.uniform(0.0, LONGEST_S))
    if kind == RANDOM:
        return Moment(kind, met=True)
    met = await _changes(_snapshots if kind == SNAPSHOT else _parts, market)
    # Anywhere from the beginning of the write to some time after it.
    await asyncio.sleep(randomness.uniform(0.0, 0.02))
    return Moment(kind, met)


async def _process(market: Market, services: Sequence[str], randomness: random.Random, killed: Mapping[str, int]) -> bool:
    def are_there() -> bool:
        # On a busy machine one that was killed is there for a moment more.
        pids = {service: market.pid_of(service) for service in services}
        return all(pid is not None and pid != killed.get(service) for service, pid in pids.items())

    deadline = time.monotonic() + WATCHED_S
    while time.monotonic() < deadline:
        if are_there():
            # The process is there; how far its recovery is, nobody knows.
            await asyncio.sleep(randomness.uniform(0.0, SOON_S))
            return are_there()
        await asyncio.sleep(LOOK_S)
    return False


async def _changes(look: Callable[[Market], set[object]], market: Market) -> bool:
    before, deadline = look(market), time.monotonic() + WATCHED_S
    while time.monotonic() < deadline:
        if look(market) - before:
            return True
        await asyncio.sleep(LOOK_S)
    return False


def _snapshots(market: Market) -> set[object]:
    """Snapshots of order book and engine, also those that still have another name."""
    folders = [*market.journals, market.data_dir / "engine"]
    return {path for folder in folders if folder.is_dir() for path in folder.iterdir() if "snapshot" in path.name}


def _parts(market: Market) -> set[object]:
    """The archive's folders with the time of their last change: each file of a rotation changes one when it is made."""
    folders = [*market.archive.glob("*/run=*/symbol=*/date=*"), *market.archive.glob("_log")]
    return {(folder, folder.stat().st_mtime_ns) for folder in folders}
