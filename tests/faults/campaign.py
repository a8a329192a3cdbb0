"""Disturb a market again and again while clients trade and readers follow, and prove at the end that nothing shows.

In slices: a slice starts the market on the same data, disturbs it until its time is over or all is done, and ends it in
order. After the last one the market is paused and ended, and everything is compared with everything.
"""

import asyncio
import errno
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from marksim.scenario import load_scenario
from tests.faults import moments
from tests.faults.clients import account_name, final_orders, instruments_of
from tests.faults.ledger import (
    AGAIN,
    CANCELLED,
    SUBMITTED,
    Listed,
    check_answers,
    check_executions,
    check_final,
    read_ledger,
    shortened,
)
from tests.faults.market import KILLED, Market, MarketFailed, SeparateMarket, Standing, SupervisedMarket, running
from tests.faults.progress import Episode, Plan, Progress, figures, missed
from tests.faults.proxy import Direction, Proxy
from tests.faults.readers import FeedReader, Reader, TapeReader
from tests.faults.rows import archive_equals_journal, archived, executions_of
from tests.faults.shim import Faults, Kind, Operation
from tests.faults.undisturbed import play_journal, undisturbed_hash

ACCOUNTS: Final = 10
CATCH_UP_S: Final = 30.0
FAULT_S: Final = 4.0
"""So long at most a fault lasts that does not kill."""
HOUR_S: Final = 3_600.0

Say = Callable[[str], None]


class Campaign:
    """One plan on one directory."""

    def __init__(self, path: Path, progress: Progress, say: Say) -> None:
        self._path, self._progress, self._say = path, progress, say
        self._plan = progress.plan
        self._directory = Path(progress.directory)
        self._ledger = self._directory / "ledger.jsonl"
        self._faults: Faults
        self._proxy: Proxy
        """One of them, as the target is."""
        # With the number, so that a campaign in slices does not do the same again.
        self._random = random.Random(f"{self._plan} {progress.done}")

    async def slice(self, seconds: float) -> bool:
        """Go on for so long, or to the end; True when it was the last slice. Raises MarketFailed."""
        began, ends = time.monotonic(), time.monotonic() + seconds
        self._progress.slices += 1
        self._directory.mkdir(parents=True, exist_ok=True)
        try:
            async with self._market() as market:
                await self._disturb(market, ends)
                self._progress.wall_s += time.monotonic() - began
                if self._progress.done >= self._plan.kills:
                    await self._finish(market)
                # Ended by now, or still to be: in order it must be.
                if code := await asyncio.to_thread(market.end):
                    raise MarketFailed(f"the market ended with {code}\n{market.logs()}")
        finally:
            self._progress.save(self._path)
        return self._progress.result is not None

    @asynccontextmanager
    async def _market(self) -> AsyncIterator[Market]:
        """The market that the target needs, running."""
        target, scenario, seed = self._plan.target, self._plan.scenario, self._plan.seed
        if target == "network":
            async with Proxy(seed) as self._proxy:
                separate = SeparateMarket(self._directory, scenario, seed)
                for service in separate.seen_book:
                    link = await self._proxy.link(service, "localhost", separate.grpc_ports["orderbook"])
                    separate.seen_book[service] = link.address
                async with running(separate):
                    yield separate
        elif target in ("clock", "disk", "synced"):
            with Faults(self._directory / "data", seed=seed) as self._faults:
                flags = self._faults.environment()
                if target == "synced":
                    flags = {**flags, "MARKSIM_ORDERBOOK__DURABILITY": "disk"}
                async with running(SupervisedMarket(self._directory, scenario, seed, environment=flags)) as market:
                    yield market
        else:
            async with running(SupervisedMarket(self._directory, scenario, seed)) as market:
                yield market

    async def _disturb(self, market: Market, ends: float) -> None:
        feed, tape = FeedReader(market.url), TapeReader(market.book_address)
        async with following(feed, tape), trading(market, self._ledger, self._random.randrange(1 << 30)):
            while self._progress.done < self._plan.kills and time.monotonic() < ends:
                episode = await self._episode(market)
                self._progress.episodes.append(episode)
                self._progress.save(self._path)
                met = "" if episode.met else " (missed)"
                self._say(
                    f"{self._progress.done}/{self._plan.kills}  {' and '.join(episode.what)}  {episode.moment}{met}"
                    f"  {episode.recovered_s:.2f} s  window {episode.windows:,}"
                )
        # The clients have all their answers, and the clock still runs: the readers get to its end.
        last = (await market.standing()).last_window
        deadline = time.monotonic() + CATCH_UP_S
        async with following(tape):
            while tape.window < last and time.monotonic() < deadline:
                await asyncio.sleep(0.1)
        while not await market.is_archived() and time.monotonic() < deadline:
            # It waits some seconds after a book was away; ended meanwhile, it would have the rest after the next start only.
            await asyncio.sleep(0.1)
        if tape.window < last:
            self._progress.problems.append(f"tape: the reader is at window {tape.window}, the book at {last}")
        for name, reader in (("feed", feed), ("tape", tape)):
            self._progress.problems += reader.problems
            for what, count in reader.counts.items():
                key = f"{name} {what}"
                self._progress.readers[key] = self._progress.readers.get(key, 0) + count

    async def _episode(self, market: Market) -> Episode:
        target, number = self._plan.target, self._progress.done + 1
        if target == "clock":
            return await self._step_clock(market, number)
        if target in ("disk", "synced"):
            return await self._fail_disk(market, number)
        if target == "network":
            return await self._fail_network(market, number)
        services = tuple(self._random.sample(KILLED, 2)) if target == "two" else (target,)
        kind = moments.plan(number, services[0])
        killed: dict[str, int] = {}
        if kind == moments.RECOVERY:
            await moments.wait_for(moments.RANDOM, market, services, self._random)
            killed = market.kill(*services)
        if kind == moments.SNAPSHOT:
            moment, pids = await moments.kill_in_snapshot(market, services, self._random)
        else:
            moment = await moments.wait_for(kind, market, services, self._random, killed)
            # One that has not come back within its time cannot be killed: the wait below says what is wrong.
            pids = market.kill(*services) if moment.there else killed
        status = await market.all_running(than=pids)
        # Not from the kill: how long the supervisor waits before it starts a service again depends on what was before.
        recovered = time.monotonic() - market.stood_at
        return Episode(number, services, moment.kind, moment.met, round(recovered, 3), status.windows, status.run)

    async def _step_clock(self, market: Market, number: int) -> Episode:
        """The wall clock of all services is an hour ahead, or behind, and after a while right again."""
        await asyncio.sleep(self._random.uniform(0.0, FAULT_S))
        offset_s = self._random.choice((HOUR_S, -HOUR_S))
        self._faults.step_clock(offset_s)
        await market.all_running()
        await asyncio.sleep(self._random.uniform(0.0, FAULT_S))
        self._faults.step_clock(0.0)
        ended = time.monotonic()
        status = await market.all_running()
        recovered = round(time.monotonic() - ended, 3)
        what = f"clock {offset_s / HOUR_S:+.0f} h and back"
        return Episode(number, (what,), moments.RANDOM, True, recovered, status.windows, status.run)

    async def _fail_disk(self, market: Market, number: int) -> Episode:
        """Writes, syncs or renames fail for a while, or the disk is full; then all is well, and the market must go on."""
        faults = self._faults
        await asyncio.sleep(self._random.uniform(0.0, FAULT_S))
        what = self._random.choice(
            ("full disk", "failing writes", "short writes", "torn writes", "failing syncs", "failing renames")
        )
        before = sum(faults.counters.values())
        if what == "full disk":
            faults.fill_disk()
        else:
            operation = {"writes": Operation.WRITE, "syncs": Operation.SYNC, "renames": Operation.RENAME}[what.split()[1]]
            kind = {"short": Kind.SHORT, "torn": Kind.TEAR}.get(what.split()[0], Kind.FAIL)
            faults.fail(operation, chance=self._random.choice((0.05, 1.0)), error=errno.EIO, kind=kind)
        await asyncio.sleep(self._random.uniform(0.5, FAULT_S))
        faults.heal()
        ended = time.monotonic()
        status = await market.all_running()
        hit = sum(faults.counters.values()) > before
        recovered = round(time.monotonic() - ended, 3)
        return Episode(number, (what,), moments.RANDOM, hit, recovered, status.windows, status.run)

    async def _fail_network(self, market: Market, number: int) -> Episode:
        """One line to the order book is bad for a while; then it is good, and nobody lends a hand."""
        await asyncio.sleep(self._random.uniform(0.0, FAULT_S))
        service = self._random.choice(sorted(self._proxy.links))
        link = self._proxy[service]
        faults: dict[str, Callable[[], object]] = {
            "delayed": lambda: link.delay(self._random.uniform(0.01, 0.5), jitter_s=self._random.uniform(0.0, 0.5)),
            "dropped": link.drop,
            "reset": link.reset,
            "half-open": link.half_open,
            "cut": link.cut,
            "cut up": lambda: link.cut(Direction.UP),
            "cut down": lambda: link.cut(Direction.DOWN),
            "throttled": lambda: link.throttle(50_000.0),
            "severed": link.sever,
        }
        what = self._random.choice(sorted(faults))
        faults[what]()
        await asyncio.sleep(self._random.uniform(0.5, FAULT_S))
        self._progress.problems += await market.over_bounds()
        link.heal()
        ended = time.monotonic()
        status = await market.all_running()
        recovered = round(time.monotonic() - ended, 3)
        return Episode(number, (f"{service} {what}",), moments.RANDOM, True, recovered, status.windows, status.run)

    async def _finish(self, market: Market) -> None:
        """Pause, note where all is, end, and compare."""
        await market.pause()
        accounts = [account_name(number) for number in range(ACCOUNTS)]
        listed = await final_orders(market.book_address, accounts)
        instruments = await instruments_of(market.book_address)
        standing = await market.standing()
        code = await asyncio.to_thread(market.end)
        answers = read_ledger(self._ledger)
        checks: dict[str, Sequence[str]] = {
            "end": [f"the market ended with {code}"] if code else [],
            "run": self._one_run(standing),
            "moments": missed(self._progress.episodes),
            "readers": self._progress.problems,
            "clients": [*check_answers(answers), *check_final(answers, listed)],
            "events": _checked(lambda: self._events(market, standing, listed, instruments)),
            "archive": _checked(lambda: archive_equals_journal(market.archive, market.journals, standing.run)),
            "journal": _checked(lambda: self._journal(market, standing)),
            "tape": _checked(lambda: self._tape(market, standing)),
        }
        for name, problems in checks.items():
            for problem in shortened(problems):
                self._say(f"{name}: {problem}")
        counted = Counter(answer.kind for answer in answers)
        orders = {
            "acknowledged": counted[SUBMITTED],
            "cancelled": counted[CANCELLED],
            "sent again": counted[AGAIN] + sum(answer.tries - 1 for answer in answers),
            "fills": sum(len(answer.fills) for answer in answers if answer.kind == SUBMITTED),
        }
        self._progress.result = {**figures(self._progress, orders, checks), "tape_hash": standing.tape_hash}

    def _one_run(self, standing: Standing) -> list[str]:
        runs = list(dict.fromkeys([*(episode.run for episode in self._progress.episodes), standing.run]))
        return [] if len(runs) == 1 else [f"the market began {len(runs)} runs: {', '.join(runs)}"]

    def _events(self, market: Market, standing: Standing, listed: Listed, instruments: Mapping[str, Any]) -> list[str]:
        events = executions_of(archived(market.archive, standing.run))
        return check_executions(read_ledger(self._ledger), listed, events, instruments)

    @staticmethod
    def _journal(market: Market, standing: Standing) -> list[str]:
        """Executed again, the journal is what was recorded, and gives the hash that the market showed."""
        verified = undisturbed_hash(market)
        shown = f"the market ended with {standing.tape_hash}, its journal gives {verified}"
        return [] if verified == standing.tape_hash else [shown]

    def _tape(self, market: Market, standing: Standing) -> list[str]:
        """The hash is that of the run which nothing disturbed, with the same outside orders."""
        scenario = load_scenario(self._plan.scenario, (), self._plan.seed)
        if len(market.journals) != 1:
            return [f"there are {len(market.journals)} journals in {market.data_dir}, where one is needed"]
        alone, problems = play_journal(scenario, market.journals[0]), []
        if alone.difference:
            problems.append(f"another way than undisturbed: {alone.difference}")
        if alone.tape_hash != standing.tape_hash:
            problems.append(f"the market ended with {standing.tape_hash}, undisturbed it ends with {alone.tape_hash}")
        return problems


def _checked(check: Callable[[], list[str]]) -> list[str]:
    """What a check says; where it cannot be made at all, that is the problem."""
    try:
        return check()
    except Exception as error:  # noqa: BLE001  # told, and counted as a problem
        return [f"{type(error).__name__}: {error}"]


@asynccontextmanager
async def following(*readers: Reader) -> AsyncIterator[None]:
    """Let readers read."""
    tasks = [asyncio.create_task(reader.read()) for reader in readers]
    try:
        yield
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def trading(market: Market, ledger: Path, seed: int) -> AsyncIterator[None]:
    """Clients in a process of their own; at the end of the block they wait for their last answers."""
    flags = ["--address", market.book_address, "--accounts", str(ACCOUNTS), "--ledger", str(ledger), "--seed", str(seed)]
    with (market.directory / "clients.txt").open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.faults.clients", *flags), stdout=output, stderr=output, env=dict(os.environ)
        )
    try:
        yield
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(120):
            code = await process.wait()
        if code:
            text = (market.directory / "clients.txt").read_text(encoding="utf-8")
            raise MarketFailed(f"the clients ended with {code}: {text[-2000:]}")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def directory_of(plan: Plan) -> Path:
    """Where a campaign keeps its state if nobody says."""
    return Path("build/faults") / f"{plan.target}-{plan.scenario}-{plan.kills}-{plan.seed}.json"
