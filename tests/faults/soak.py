"""A long run with consumers that come and go: memory and file handles stay flat, the clock is never late.

    python -m tests.faults.soak --minutes 30 --speed 20
    python -m tests.faults.soak --minutes 2 --highest        # short, and the highest speed that is held without lag
    python -m tests.faults.soak --minutes 3 --shared         # where others use the machine: lag is told, and no problem

In cycles: consumers come and go at random, then all leave, and while nobody is there memory and file handles of each
process are read. So two samples differ by what was kept, and not by who was connected. The first fifth warms up, of looks
at the lag, too. Flat is:

- memory: the median of the last third is at most 5 % and 8 MiB above that of the first third after the warming up;
- file handles: the same, at most 2 above;
- lag: 99 % of all looks, two a second, below 0.1 s, where the status line begins to show it, and no slip.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import shutil
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import grpc.aio
import psutil
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from marksim.runtime.channel import open_channel
from marksim.v1 import orderbook_pb2 as pb
from marksim.v1 import orderbook_pb2_grpc
from tests.faults.clients import Trader, account_name
from tests.faults.ledger import Ledger
from tests.faults.market import KILLED, SupervisedMarket, running
from tests.faults.progress import quantile

MOST_SHARE: Final = 1.05
MOST_MIB: Final = 8.0
MOST_HANDLES: Final = 2
LAG_S: Final = 0.1
LOOK_S: Final = 0.5
CONSUMERS: Final = 12
CONSUMERS_NICE: Final = 10
QUIET_S: Final = 3.0
SETTLE_S: Final = 2.0
HELD_SHARE: Final = 0.98
"""A speed is held where simulated time goes at least so fast."""
SHORT_MINUTES: Final = 10.0
SHORT_RING_S: Final = 15


@dataclass(frozen=True)
class Sample:
    """What one process had while no consumer was there."""

    memory_mib: float
    handles: int


@dataclass(frozen=True)
class Late:
    """A look at which the clock was late, or had given up time: it says whether the market was alone on the machine."""

    at_s: float
    """After the first look."""
    lag_s: float
    slips: int
    others: float
    """Share of the processors that was neither the market's nor the consumers' since the look before: other programs, and
    what the machine below took.
    """


@dataclass
class Soak:
    """All that was looked at."""

    samples: dict[str, list[Sample]] = field(default_factory=dict)
    lags_s: list[float] = field(default_factory=list)
    slips: int = 0
    windows: int = 0
    consumers: int = 0
    late: list[Late] = field(default_factory=list)


def warm(values: Sequence[float]) -> Sequence[float]:
    """What follows the warming up."""
    return values[len(values) // 5 :]


def grown(values: Sequence[float]) -> tuple[float, float]:
    """Median of the first and of the last third of what follows the warming up."""
    kept = warm(values)
    third = max(1, len(kept) // 3)
    return statistics.median(kept[:third]), statistics.median(kept[-third:])


def check(soak: Soak, *, shared: bool = False) -> list[str]:
    """What is not flat, as sentences; of a machine that is shared nothing is said about times."""
    problems = []
    for name, samples in soak.samples.items():
        before, after = grown([sample.memory_mib for sample in samples])
        if after > before * MOST_SHARE + MOST_MIB:
            problems.append(f"{name}: memory grew from {before:.1f} to {after:.1f} MiB")
        before, after = grown([float(sample.handles) for sample in samples])
        if after > before + MOST_HANDLES:
            problems.append(f"{name}: file handles grew from {before:g} to {after:g}")
    if not soak.consumers or not soak.windows:
        problems.append(f"{soak.consumers} consumers in {soak.windows} windows: nothing was looked at")
    if not shared and (lag := quantile(warm(soak.lags_s), 0.99)) >= LAG_S:
        problems.append(f"the clock was {lag:.2f} s late at the 99th percentile")
    if not shared and soak.slips:
        problems.append(f"the clock gave up time {soak.slips} times")
    return problems


def figures(soak: Soak, minutes: float, speed: float, highest: float | None, *, shared: bool) -> dict[str, Any]:
    """For docs/reliability.md."""
    rows: dict[str, Any] = {}
    for name, samples in soak.samples.items():
        memory, handles = grown([one.memory_mib for one in samples]), grown([float(one.handles) for one in samples])
        rows[name] = {"memory_mib": [round(value, 1) for value in memory], "handles": list(handles)}
    return {
        "minutes": minutes,
        "speed": speed,
        "windows": soak.windows,
        "consumers": soak.consumers,
        "lag_s": {
            "p99": round(quantile(warm(soak.lags_s), 0.99), 3),
            "longest": round(max(warm(soak.lags_s), default=0.0), 3),
        },
        "slips": soak.slips,
        "late": [asdict(one) for one in soak.late],
        "processes": rows,
        "highest_speed": highest,
        "problems": check(soak, shared=shared),
    }


def table(result: Mapping[str, Any]) -> str:
    """The rows of docs/reliability.md."""
    lines = ["| process | memory, MiB: first and last third | file handles |", "| --- | --- | --- |"]
    for name, row in result["processes"].items():
        memory, handles = row["memory_mib"], row["handles"]
        lines.append(f"| {name} | {memory[0]:.1f}, {memory[1]:.1f} | {handles[0]:g}, {handles[1]:g} |")
    return "\n".join(lines)


class Consumers:
    """Come and go while `until` is not reached; each kind in turn, at most so many at once."""

    def __init__(self, market: SupervisedMarket, ledger: Ledger, randomness: random.Random) -> None:
        self._market, self._ledger, self._random = market, ledger, randomness
        self._names = 0
        self.came = 0

    async def come_and_go(self, seconds: float) -> None:
        """For so long; all are gone when this returns."""
        ends = time.monotonic() + seconds
        tasks = [asyncio.create_task(self._place(place, ends)) for place in range(CONSUMERS)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _place(self, place: int, ends: float) -> None:
        kinds = (self._feed, self._feed, self._slow_feed, self._tape, self._trader)
        while (left := ends - time.monotonic()) > 0.5:
            self.came += 1
            stay_s = min(left, self._random.uniform(0.2, 0.4 * seconds_of(ends)))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(stay_s):
                    await kinds[place % len(kinds)](stay_s)

    async def _feed(self, _stay_s: float) -> None:
        async with connect(self._market.url) as websocket:
            while True:
                await websocket.recv()

    async def _slow_feed(self, _stay_s: float) -> None:
        with contextlib.suppress(WebSocketException):  # one that is too slow is sent away
            async with connect(self._market.url, max_queue=1) as websocket:
                while True:
                    await websocket.recv()
                    await asyncio.sleep(self._random.uniform(0.0, 0.5))

    async def _tape(self, _stay_s: float) -> None:
        async with open_channel(self._market.book_address) as channel:
            stub: Any = orderbook_pb2_grpc.OrderBookServiceStub(channel)
            parts = [pb.FRAME_PART_TICKS, pb.FRAME_PART_TRADES, pb.FRAME_PART_DEPTH]
            async for _ in stub.StreamTicks(pb.StreamTicksRequest(parts=parts, after_window=-1)):
                pass

    async def _trader(self, stay_s: float) -> None:
        self._names += 1
        async with open_channel(self._market.book_address) as channel:
            stub = orderbook_pb2_grpc.OrderBookServiceStub(channel)
            # Few accounts in turn: what the book keeps of each is bounded, and soon full.
            name = account_name(self._names % 4)
            trader = Trader(stub, name, self._ledger, seed=self._random.randrange(1 << 30), pause_s=0.2)
            asyncio.get_running_loop().call_later(0.8 * stay_s, trader.stop)
            await trader.trade()


def seconds_of(ends: float) -> float:
    """Until then, at least one."""
    return max(1.0, ends - time.monotonic())


class Others:
    """Who else uses the machine."""

    def __init__(self, market: SupervisedMarket) -> None:
        assert market.process is not None, "it was started"
        main = psutil.Process(market.process.pid)
        self._own = [psutil.Process(), main, *main.children(recursive=True)]
        self._wall_s, self._others_s = time.monotonic(), self._spent()

    def share(self) -> float:
        """Of all processors, what was neither the market's nor this process's since the last call."""
        before_s, before = self._wall_s, self._others_s
        self._wall_s, self._others_s = time.monotonic(), self._spent()
        processors = (psutil.cpu_count() or 1) * (self._wall_s - before_s)
        return max(0.0, round((self._others_s - before) / processors, 2))

    def _spent(self) -> float:
        """Seconds of processor time of everybody else so far."""
        all_ = psutil.cpu_times()
        # What guests take is part of user and nice as well.
        busy = sum(all_) - all_.idle - all_.iowait - all_.guest - all_.guest_nice
        own_s = 0.0
        for process in self._own:
            with contextlib.suppress(psutil.NoSuchProcess):
                own = process.cpu_times()
                own_s += own.user + own.system
        return busy - own_s


async def watch_lag(market: SupervisedMarket, soak: Soak) -> None:
    """Look at the clock until cancelled."""
    first, began, others = (await market.status()).slips, time.monotonic(), Others(market)
    while True:
        with contextlib.suppress(grpc.aio.AioRpcError):
            status, share = await market.status(), others.share()
            slips, lag_s = status.slips - first, status.lag_seconds
            if lag_s >= LAG_S or slips > soak.slips:
                soak.late.append(Late(round(time.monotonic() - began, 1), round(lag_s, 3), slips, share))
            soak.lags_s.append(lag_s)
            soak.slips, soak.windows = slips, status.windows
        await asyncio.sleep(LOOK_S)


def sample(market: SupervisedMarket, soak: Soak) -> None:
    """Read memory and file handles of main and of its children."""
    assert market.process is not None, "it was started"
    pids = {"main": market.process.pid, **{name: market.pid_of(name) for name in (*KILLED, "memory")}}
    for name, pid in pids.items():
        assert pid is not None, f"{name} does not run\n{market.logs()}"
        process = psutil.Process(pid)
        one = Sample(process.memory_info().rss / (1 << 20), process.num_fds())
        soak.samples.setdefault(name, []).append(one)


async def is_held(market: SupervisedMarket, factor: float, seconds: float) -> bool:
    """Whether the market goes at that speed for so long, after some seconds to settle, without being late."""
    await market.set_speed(factor)
    await asyncio.sleep(SETTLE_S)
    first, began = await market.status(), time.monotonic()
    while time.monotonic() < began + seconds:
        if (await market.status()).lag_seconds >= LAG_S:
            return False
        await asyncio.sleep(LOOK_S)
    last, took_s = await market.status(), time.monotonic() - began
    went = (last.simulated_time_ns - first.simulated_time_ns) / 1e9 / took_s
    return last.slips == first.slips and went >= HELD_SHARE * factor


async def highest_speed(market: SupervisedMarket, least: float, seconds: float) -> float:
    """The highest speed that is held, within a tenth: doubled until it is not, then halved between; 0 where none is."""

    async def holds(factor: float) -> bool:
        # Once more, as what the machine does beside it comes and goes.
        return await is_held(market, factor, seconds) or await is_held(market, factor, seconds)

    held, factor = 0.0, least
    while await holds(factor):
        held, factor = factor, factor * 2
    missed = factor
    while held and missed > 1.1 * held:
        factor = (held * missed) ** 0.5
        if await holds(factor):
            held = factor
        else:
            missed = factor
    return round(held, 1)


def give_way() -> None:
    """Have this process take what others leave, in each of its threads."""
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(ProcessLookupError):  # one that has ended since
            os.setpriority(os.PRIO_PROCESS, int(thread.name), CONSUMERS_NICE)


async def run(
    minutes: float, speed: float, scenario: str, directory: Path, *, highest: bool, shared: bool, seed: int
) -> dict[str, Any]:
    """The program; its figures."""
    soak, randomness, found = Soak(), random.Random(seed), None
    # A short run would see the book's memory for readers fill up, which takes five minutes.
    short = {"MARKSIM_ORDERBOOK__RING_SECONDS": str(SHORT_RING_S)} if minutes < SHORT_MINUTES else {}
    market = SupervisedMarket(directory, scenario, seed, [f"--speed={speed:g}"], environment=short)
    cycle_s = min(60.0, max(8.0, minutes * 60 / 15))
    with Ledger(directory / "ledger.jsonl") as ledger:
        async with running(market):
            # Consumers are elsewhere as a rule: here they get what the market leaves of the machine.
            give_way()
            consumers = Consumers(market, ledger, randomness)
            watching = asyncio.create_task(watch_lag(market, soak))
            ends = time.monotonic() + minutes * 60
            while time.monotonic() < ends:
                await consumers.come_and_go(cycle_s - QUIET_S)
                # Servers see that a connection is gone a moment later.
                await asyncio.sleep(QUIET_S)
                sample(market, soak)
            if watching.done():
                watching.result()  # it ends only where it failed
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            soak.consumers = consumers.came
            if highest:
                found = await highest_speed(market, speed, min(20.0, max(5.0, minutes)))
    return figures(soak, minutes, speed, found, shared=shared)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--speed", type=float, default=20.0, help="simulated seconds a wall second")
    parser.add_argument("--scenario", default="default")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--highest", action="store_true", help="look for the highest speed that is held without lag as well")
    parser.add_argument("--shared", action="store_true", help="others use the machine: lag is told, and no problem")
    parser.add_argument("--directory", type=Path, default=Path("build/faults/soak"), help="emptied first")
    given = parser.parse_args(argv)
    shutil.rmtree(given.directory, ignore_errors=True)
    options = {"highest": given.highest, "shared": given.shared, "seed": given.seed}
    result = asyncio.run(run(given.minutes, given.speed, given.scenario, given.directory, **options))
    print(json.dumps(result))
    print(table(result))
    return 1 if result["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())
