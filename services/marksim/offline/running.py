"""A whole run in this process, at full speed, with nothing between the agents and the books."""

import time
import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from os import PathLike, cpu_count
from pathlib import Path
from typing import Final

import numpy as np

from marksim.core.errors import InvalidInput
from marksim.core.feed.tape import run_hash
from marksim.core.sim.simulation import Simulation
from marksim.core.types import NS_PER_S
from marksim.core.warm import SIMULATION, compile_kernels
from marksim.offline.recording import ALL_TABLES, Recorder
from marksim.offline.result import Result, Stats, files_of, from_archive, from_memory
from marksim.runtime.durations import parse_until_ns
from marksim.runtime.watchdog import DEFAULT_LIMIT_S, Watchdog
from marksim.scenario import Scenario, load_scenario
from marksim.store.archive import IN_ORDER, Archive, RunFacts
from marksim.store.parquet import DERIVED, TABLES, Rows

INTERRUPTED: Final = "interrupted"
"""How a run ended that was stopped before its time: its rows stand, and it has no tape hash."""
PROGRESS_EVERY_S: Final = 0.1
WRITERS: Final = max(1, min(4, cpu_count() or 1))


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a simulation is."""

    start_ns: int
    now_ns: int
    until_ns: int
    events: int


def simulate(
    scenario: str | PathLike[str] | Scenario = "default",
    *,
    seed: int | None = None,
    until: str | timedelta | datetime | None = None,
    out: str | PathLike[str] | None = None,
    overrides: Sequence[str] = (),
    tables: Collection[str] = ALL_TABLES,
    progress: Callable[[Progress], None] | None = None,
    preparing: Callable[[str], object] | None = None,
    agent_limit_s: float = DEFAULT_LIMIT_S,
) -> Result:
    """Run a scenario to its end and return what happened; with `out`, write it there as the archiver would.

    `scenario` is the name of a ready one, a path, or loaded; `seed` and `overrides` (`path=value`) change it. `until` is
    a span from its start ("1d", timedelta) or a moment (ISO 8601, datetime); None means the scenario's own duration.
    Windows that do not end by then are not run. `tables` says which are kept. `progress` is called some times a second.
    Kernels are compiled, or loaded from the cache, first: that takes up to a minute, and `preparing` is told each one's
    name.

    Without `out` all rows stay in memory: about a gigabyte for each ten million. An agent that holds the clock for longer
    than `agent_limit_s` wall seconds, 0 for any, ends the run: Stalled names it. Raises InvalidInput for what is wrong,
    NotNow where another process writes to `out`, Damaged where what is there is, and OSError where it cannot be written.
    """
    resolved = _resolve(scenario, seed, overrides)
    chosen, until_ns = checked_tables(tables), _until_ns(resolved, until)
    directory = None if out is None else _directory(out)
    archive = None if directory is None else Archive(directory, flag="--out", threads=WRITERS)
    try:
        compile_kernels(SIMULATION, preparing)
        simulation = _simulation(resolved)
        begun = time.monotonic()
        recorder = Recorder(_facts(resolved), chosen, archive)
        try:
            with Watchdog(lambda: simulation.engine, agent_limit_s) as watchdog, watchdog.guard():
                _run(simulation, recorder, until_ns, progress)
        finally:
            simulation.engine.close()
        wall_s = time.monotonic() - begun
    finally:
        if archive is not None:
            archive.close()
    return _result(resolved, simulation, recorder, chosen, directory, wall_s)


def _run(simulation: Simulation, recorder: Recorder, until_ns: int, progress: Callable[[Progress], None] | None) -> None:
    start_ns = recorder.facts.start_time_ns
    try:
        recorder.begin()
        shown_s = 0.0
        for piece in simulation.run(until_ns):
            recorder.put(piece)
            if progress is not None and (now_s := time.monotonic()) >= shown_s + PROGRESS_EVERY_S:
                progress(Progress(start_ns, simulation.now_ns, until_ns, recorder.counts.events))
                shown_s = now_s
        recorder.finish(simulation.now_ns, IN_ORDER)
    except KeyboardInterrupt:
        recorder.finish(None, INTERRUPTED)
        raise
    except BaseException:
        recorder.abandon()
        raise
    if progress is not None:
        progress(Progress(start_ns, until_ns, until_ns, recorder.counts.events))


def _result(
    scenario: Scenario, simulation: Simulation, recorder: Recorder, tables: tuple[str, ...], out: Path | None, wall_s: float
) -> Result:
    facts, counts, tapes = recorder.facts, recorder.counts, recorder.tapes
    empty = {table: _no_rows(table) for table in tables}
    sizes = [] if out is None else [path.stat().st_size for path in files_of(facts.run, out)]
    return Result(
        run=facts.run,
        scenario=scenario.name,
        scenario_hash=scenario.hash,
        seed=scenario.seed,
        tape_hash=run_hash(tapes),
        tapes=tapes,
        start_ns=scenario.start_ns,
        end_ns=simulation.now_ns,
        stats=Stats(
            events=counts.events,
            orders=counts.orders,
            trades=counts.trades,
            ticks=counts.ticks,
            simulated_s=(simulation.now_ns - scenario.start_ns) / NS_PER_S,
            wall_s=wall_s,
            files=len(sizes),
            bytes=sum(sizes),
        ),
        failures=tuple(simulation.engine.failures),
        tables=tables,
        out=out,
        _load=from_memory(facts, recorder.rows, empty) if out is None else from_archive(facts, out, empty),
    )


def _facts(scenario: Scenario) -> RunFacts:
    """Of a new run: the same scenario and seed twice are two runs of one tape."""
    run, instruments = str(uuid.uuid4()), tuple(scenario.instruments())
    return RunFacts(run, scenario.hash, scenario.seed, scenario.start_ns, scenario.lookahead_ns, instruments)


def _resolve(scenario: str | PathLike[str] | Scenario, seed: int | None, overrides: Sequence[str]) -> Scenario:
    if not isinstance(scenario, Scenario):
        return load_scenario(str(scenario), overrides, seed)
    if overrides:
        raise InvalidInput("overrides: change a scenario by its name or path, not one that is loaded")
    if seed is None:
        return scenario
    if not 0 <= seed < 1 << 63:
        raise InvalidInput(f"seed is {seed}: must be from 0 to 2^63 - 1", metadata={"field": "seed"})
    return scenario.model_copy(update={"seed": seed})


def _simulation(scenario: Scenario) -> Simulation:
    return Simulation(
        scenario.instruments(),
        scenario.cast(),
        seed=scenario.seed,
        start_ns=scenario.start_ns,
        lookahead_ns=scenario.lookahead_ns,
    )


def _until_ns(scenario: Scenario, until: str | timedelta | datetime | None) -> int:
    if until is None:
        if scenario.duration is None:
            problem = f"until: scenario {scenario.name} has no duration of its own; say how long, such as 1d"
            raise InvalidInput(problem, metadata={"field": "until"})
        text = scenario.duration
    elif isinstance(until, datetime):
        text = until.isoformat()
    elif isinstance(until, timedelta):
        text = f"{until // timedelta(microseconds=1)}us"
    else:
        text = until
    until_ns = parse_until_ns(text, scenario.start_ns)
    if until_ns < scenario.start_ns + scenario.lookahead_ns:
        raise InvalidInput(f"until is {text!r}: the first window of {scenario.lookahead_ms} ms does not end by then")
    return until_ns


def checked_tables(tables: Collection[str]) -> tuple[str, ...]:
    """The tables in their own order. Raises InvalidInput for one that there is not."""
    unknown = sorted(set(tables) - set(ALL_TABLES))
    if unknown or isinstance(tables, str):
        wrong = tables if isinstance(tables, str) else unknown[0]
        raise InvalidInput(f"tables: {wrong!r} is none of {', '.join(ALL_TABLES)}", metadata={"field": "tables"})
    return tuple(table for table in ALL_TABLES if table in tables)


def _directory(out: str | PathLike[str]) -> Path:
    directory = Path(out)
    if directory.exists() and not directory.is_dir():
        raise NotADirectoryError(20, "it is a file, not a directory", str(directory))
    return directory


def _no_rows(table: str) -> Rows:
    snapshot = np.zeros(0, np.bool_) if table == "depth" else None
    return Rows(np.zeros(0, {**TABLES, **DERIVED}[table]), np.zeros(0, np.int64), snapshot)
