"""Many seeds of one scenario, each in a process of its own, on all cores."""

import signal
from collections.abc import Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from os import cpu_count
from pathlib import Path
from typing import Final

from marksim.core.errors import InvalidInput, MarksimError
from marksim.offline.result import Stats
from marksim.offline.running import Progress, simulate

MAX_SEEDS: Final = 1_000_000
_DIED: Final = "died"
_SPAWN: Final = get_context("spawn")


@dataclass(frozen=True, slots=True)
class Job:
    """What every seed shares."""

    scenario: str
    overrides: tuple[str, ...]
    until: str | None
    out: Path | None
    tables: tuple[str, ...]

    def directory(self, seed: int) -> Path | None:
        """Each seed has an archive of its own, as one process at a time writes to one."""
        return self.out / f"seed={seed}" if self.out is not None else None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one seed: a hash and figures, or an error."""

    seed: int
    tape_hash: str = ""
    stats: Stats | None = None
    failures: tuple[str, ...] = ()
    """Names of the agents that were taken out."""
    error: str = ""


def parse_seeds(text: str) -> tuple[int, ...]:
    """Seeds of `1..100`, `1,5,9` or both, in the order given, each once. Raises InvalidInput, which names the flag."""
    seeds: dict[int, None] = {}
    for part in text.split(","):
        first, dots, last = part.strip().partition("..")
        if not (first.isdecimal() and (not dots or last.isdecimal())):
            raise InvalidInput(f"--seeds is {text!r}: write 1..100 or 1,5,9")
        begin, end = int(first), int(last) if dots else int(first)
        if end < begin:
            raise InvalidInput(f"--seeds is {text!r}: {part.strip()} ends before it begins")
        if end - begin >= MAX_SEEDS or len(seeds) + end - begin >= MAX_SEEDS:
            raise InvalidInput(f"--seeds is {text!r}: at most {MAX_SEEDS:,} seeds in one go")
        seeds.update(dict.fromkeys(range(begin, end + 1)))
    return tuple(seeds)


def run_seeds(job: Job, seeds: Sequence[int], processes: int = cpu_count() or 1) -> Generator[Outcome, None, None]:
    """Run all seeds and yield what became of each as it ends. One that fails, or whose process dies, stops no other.

    Closing the iterator, or an interrupt, ends those that run at their next windows; they say so in their archives.
    """
    left = list(seeds)
    while left:
        suspects: list[int] = []
        with closing(_run_pool(job, left, min(processes, len(left)))) as outcomes:
            for outcome in outcomes:
                if outcome.error == _DIED:
                    suspects.append(outcome.seed)
                else:
                    left.remove(outcome.seed)
                    yield outcome
        if suspects and len(left) == 1:
            # It was alone, so it was its own process that died.
            yield Outcome(left.pop(), error="its process died, as if killed or out of memory")
        elif suspects:
            # A pool does not say whose process died, and all that it had begun are gone with it: they run one by one.
            for seed in suspects:
                left.remove(seed)
                yield from run_seeds(job, [seed], 1)


def _run_pool(job: Job, seeds: Sequence[int], processes: int) -> Generator[Outcome, None, None]:
    """Yield outcomes until all are done or the pool broke; then those that it had begun have the error _DIED."""
    stop = _SPAWN.Event()
    pool = ProcessPoolExecutor(processes, mp_context=_SPAWN, initializer=_begin_process, initargs=(stop,))
    todo, running = list(reversed(seeds)), dict[Future[Outcome], int]()
    try:
        while todo or running:
            # No more at a time than run at once, so that few are under suspicion when one dies.
            with suppress(BrokenProcessPool):
                while todo and len(running) < processes:
                    future = pool.submit(_one, job, todo[-1])
                    running[future] = todo.pop()
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                try:
                    yield future.result()
                except BrokenProcessPool:
                    yield from (Outcome(suspect, error=_DIED) for suspect in running.values())
                    return
                del running[future]
    finally:
        stop.set()
        with suppress(KeyboardInterrupt):
            pool.shutdown(cancel_futures=True)


_stop: Event | None = None


def _begin_process(stop: Event) -> None:
    global _stop  # noqa: PLW0603 - a pool's worker has no other place for what all its jobs share
    _stop = stop
    # Ctrl-C goes to all processes of a terminal; the parent tells its own when to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _one(job: Job, seed: int) -> Outcome:
    try:
        result = simulate(
            job.scenario,
            seed=seed,
            until=job.until,
            out=job.directory(seed),
            overrides=job.overrides,
            tables=job.tables if job.out is not None else (),
            progress=_look,
        )
    except MarksimError as error:
        return Outcome(seed, error=error.message)
    except OSError as error:
        return Outcome(seed, error=f"{error.filename or job.directory(seed)} cannot be written: {error.strerror or error}")
    except KeyboardInterrupt:
        return Outcome(seed, error="interrupted")
    except Exception as error:  # noqa: BLE001 - whatever a user's agents or scenario bring about: the other seeds go on
        return Outcome(seed, error=f"{type(error).__name__}: {error}")
    return Outcome(seed, result.tape_hash, result.stats, tuple(failure.name for failure in result.failures))


def _look(_: Progress) -> None:
    if _stop is not None and _stop.is_set():
        raise KeyboardInterrupt
