"""When to kill: at a random moment, or while something that may not be cut off is under way.

What is under way is seen from outside, by the files that come and go; nothing in the services helps. Whether a kill met a
snapshot is seen by what it leaves: a file that has not got its name yet.
"""

import asyncio
import random
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
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
SOON_S: Final = {"orderbook": 1.5, "engine": 1.5, "archiver": 0.8, "edge": 0.8}
"""In a recovery the next kill comes at most so late after the process is there: these two have little to catch up with."""
LOOK_S: Final = 0.002
FRESH_S: Final = 1.0
"""A file that a kill cut off was written to at most so long before."""


@dataclass(frozen=True)
class Moment:
    """Which one it was, and whether it came: one that does not in time is a random one."""

    kind: str
    met: bool
    there: bool = True
    """Whether the services are there to be killed."""


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
    """Return when it is time to kill, not for a SNAPSHOT. In a RECOVERY they were `killed` just before: their pids."""
    if kind == RECOVERY:
        there = await _process(market, services, randomness, killed or {})
        return Moment(kind, there and set(services) <= set(await market.unready()), there)
    await asyncio.sleep(randomness.uniform(0.0, LONGEST_S))
    if kind == RANDOM:
        return Moment(kind, met=True)
    met = await _changes(market)
    # Anywhere from the first file of it to some time after the last one.
    await asyncio.sleep(randomness.uniform(0.0, 0.02))
    return Moment(kind, met)


async def kill_in_snapshot(
    market: Market, services: Sequence[str], randomness: random.Random
) -> tuple[Moment, dict[str, int]]:
    """Kill the services while one of them writes a snapshot, and else after WATCHED_S; their pids. Raises MarketFailed."""
    await asyncio.sleep(randomness.uniform(0.0, LONGEST_S))
    pids, delay_s = market.pids_of(services), randomness.choice((0.0, 0.0, randomness.uniform(0.0, 0.002)))

    def strike() -> None:
        # In a thread, and without looking for anything else: it takes a millisecond or two.
        before, deadline = _begun(market, services), time.monotonic() + WATCHED_S
        pause = threading.Event()
        while time.monotonic() < deadline and not _begun(market, services) - before:
            pause.wait(LOOK_S / 20)
        pause.wait(delay_s)
        market.kill_at_once(pids)

    await asyncio.to_thread(strike)
    return met_snapshot(market, services), pids


def met_snapshot(market: Market, services: Sequence[str]) -> Moment:
    """Whether the kill of just now has left a part of a snapshot."""
    # Not what another kill left before, and nobody has cleared away yet.
    newest = max((changed for _, changed in _begun(market, services)), default=0.0)
    return Moment(SNAPSHOT, time.time() - newest < FRESH_S)


async def _process(market: Market, services: Sequence[str], randomness: random.Random, killed: Mapping[str, int]) -> bool:
    def are_there() -> bool:
        # On a busy machine one that was killed is there for a moment more.
        pids = {service: market.pid_of(service) for service in services}
        return all(pid is not None and pid != killed.get(service) for service, pid in pids.items())

    deadline = time.monotonic() + WATCHED_S
    while time.monotonic() < deadline:
        if are_there():
            # The process is there; how far its recovery is, nobody knows.
            await asyncio.sleep(randomness.uniform(0.0, min(SOON_S[service] for service in services)))
            return are_there()
        await asyncio.sleep(LOOK_S)
    return False


async def _changes(market: Market) -> bool:
    before, deadline = _parts(market), time.monotonic() + WATCHED_S
    while time.monotonic() < deadline:
        if _parts(market) - before:
            return True
        await asyncio.sleep(LOOK_S)
    return False


def _begun(market: Market, services: Sequence[str]) -> set[tuple[Path, float]]:
    """Snapshots of these services that are being written, and have another name so long, and those that were cut off; and
    when each was written to last.
    """
    folders = [*(market.journals if "orderbook" in services else ())]
    folders += [market.data_dir / "engine"] if "engine" in services else []
    begun = set()
    for path in (path for folder in folders for path in folder.glob(".*.snapshot.tmp")):
        with suppress(FileNotFoundError):
            begun.add((path, path.stat().st_mtime))
    return begun


def _parts(market: Market) -> set[tuple[Path, float]]:
    """The archive's folders with the time of their last change: each file of a rotation changes one when it is made."""
    folders = [*market.archive.glob("*/run=*/symbol=*/date=*"), *market.archive.glob("_log")]
    return {(folder, folder.stat().st_mtime) for folder in folders}
