"""`python -m marksim.main`: the whole market on one machine, each service a supervised child process."""

import asyncio
import contextlib
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from grpc.aio import AioRpcError

from marksim.core.errors import InvalidInput, MarksimError, NotNow
from marksim.core.types import NS_PER_S
from marksim.journal.replaying import open_replay
from marksim.runtime.channel import peer_error
from marksim.runtime.durations import format_moment, parse_until_ns
from marksim.runtime.settings import EXIT_USAGE
from marksim.scenario import Scenario, load_scenario
from marksim.store.journal import recorded_run
from marksim.store.lock import check_free
from marksim.supervisor import plan
from marksim.supervisor.child import Child, Refused
from marksim.supervisor.group import Group
from marksim.supervisor.logs import ChildLogs, sentence
from marksim.supervisor.ports import port_faults
from marksim.supervisor.screen import Screen
from marksim.supervisor.settings import MainSettings, read_settings
from marksim.supervisor.status import Reading, Watcher, starting_line, status_line
from marksim.supervisor.stop import StopSignals
from marksim.v1.engine_pb2 import CLOCK_STATE_FAILED

_EXIT_KILLED = 130
_EXIT_FAILED = 1
_STATUS_EVERY_S = 0.5
_NOW_S = 60.0
"""A scenario that begins so near the present says `now`."""


def main(argv: Sequence[str] | None = None) -> int:
    """Check, start, watch and end a market; returns the exit code."""
    return start(read_settings(argv))


def start(settings: MainSettings) -> int:
    """The same with settings that were read."""
    signals = StopSignals()
    signals.install()
    try:
        settings = resolved(settings)
    except MarksimError as error:
        return _refuse(error.message)
    except OSError as error:
        return _refuse(f"{error.filename or settings.replay}: {error.strerror or error}")
    if faults := port_faults(plan.port_needs(settings), settings.host):
        return _refuse("\n".join(faults))
    screen = Screen()
    try:
        logs = ChildLogs(settings.logs, screen.line, verbose=settings.verbose)
    except OSError as error:
        return _refuse(f"the logs cannot be written to {settings.logs} ({error}); --log-dir or --data-dir changes it")
    try:
        if settings.replay is None:
            settings.archive.mkdir(parents=True, exist_ok=True)
            # Or the archiver would find out, after five services had started and written into the other market's logs.
            check_free(settings.archive, "--data-dir")
    except NotNow as error:
        return _refuse(error.message)
    except OSError as error:
        return _refuse(f"the archive cannot be kept in {settings.archive} ({error}); --data-dir changes it")
    try:
        with screen:
            return asyncio.run(run_market(settings, screen, logs, signals))
    except Refused as refused:
        return _refuse("\n".join(sentence(line) for line in str(refused).splitlines()))
    finally:
        logs.close()
        signals.ignore()


def resolved(settings: MainSettings) -> MainSettings:
    """The settings with the scenario's start as a moment that all children read alike, also where it says `now`.

    Raises InvalidInput where the scenario is wrong, or the time at which to end, MarksimError or OSError where a recorded
    session is not there or cannot be played.
    """
    if settings.replay is not None:
        _check_replay(settings, settings.replay)
        return settings
    if settings.replay_from:
        raise InvalidInput("--replay-from says where a recorded session begins: name one by --replay")
    try:
        scenario = load_scenario(settings.scenario, overrides=settings.set, seed=settings.seed)
    except InvalidInput as error:
        raise InvalidInput(f"{error.message} (--scenario, --set or --seed)") from None
    if settings.durability != "none" and not settings.new_run:
        scenario = _as_recorded(settings, scenario)
    if settings.until:
        parse_until_ns(settings.until, scenario.start_ns, "--until")
    return settings.model_copy(update={"set": [*settings.set, f"start={scenario.start.isoformat()}"]})


def _check_replay(settings: MainSettings, path: Path) -> None:
    """Find out before anything is started what is wrong with it."""
    given = {"--scenario": settings.scenario != "default", "--set": settings.set, "--seed": settings.seed is not None}
    if other := [flag for flag, is_given in {**given, "--new-run": settings.new_run}.items() if is_given]:
        raise InvalidInput(f"{other[0]} says what is simulated, and --replay plays what was recorded: leave one out")
    try:
        replay = open_replay(path, settings.replay_from)
    except InvalidInput as error:
        raise InvalidInput(f"{error.message} (--replay)") from None
    if settings.until and parse_until_ns(settings.until, replay.run.start_time_ns, "--until") <= replay.begin_ns:
        raise InvalidInput(
            f"--until {settings.until} is not after {format_moment(replay.begin_ns)}, where the session begins"
        )


def _as_recorded(settings: MainSettings, scenario: Scenario) -> Scenario:
    """The scenario with which the run in the data directory goes on: one that begins now began when that run did.

    Raises InvalidInput where the run there is another one.
    """
    run = recorded_run(settings.journal / "shard-0")
    if run is None:
        return scenario
    begun = datetime.fromtimestamp(run.start_time_ns // NS_PER_S, UTC)
    if abs((scenario.start - datetime.now(UTC)).total_seconds()) < _NOW_S:
        scenario = load_scenario(settings.scenario, [*settings.set, f"start={begun.isoformat()}"], settings.seed)
    if (scenario.hash, scenario.seed) == (run.scenario_hash, run.seed):
        return scenario
    there = f"{settings.journal} has run {run.run} of scenario {run.scenario}, seed {run.seed}, from {begun.isoformat()}"
    here = f"this is {scenario.name}, seed {scenario.seed}, from {scenario.start.isoformat()}"
    changed = " with other contents" if (scenario.name, scenario.seed) == (run.scenario, run.seed) else ""
    raise InvalidInput(
        f"{there}; {here}{changed}. Start it as that run was to go on with it, with --new-run to begin another (the old one "
        "is kept aside), or with another --data-dir"
    )


def _goes_on(settings: MainSettings) -> str:
    """The run with which a start goes on; empty where it begins one."""
    run = None if settings.new_run else recorded_run(settings.journal / "shard-0")
    return run.run if run is not None else ""


async def run_market(settings: MainSettings, screen: Screen, logs: ChildLogs, signals: StopSignals) -> int:
    """Run until a signal or the run's end, then end all children in order.

    Returns 0, 1 where the run failed or was stopped before the end that was asked for, or 130 where a second signal killed
    the children. Raises Refused where a child refuses to start; the others are ended first.
    """
    signals.attach()
    for line in [_title(settings), *plan.listing(settings, _goes_on(settings)), "Ctrl-C ends it."]:
        screen.line(line)
    specs = plan.children(settings)
    group = Group([Child(spec, on_line=logs.take, notice=screen.line) for spec in specs], plan.STAGES)
    group.start()
    watching = asyncio.create_task(_watch(settings, screen, logs))
    stopping = asyncio.create_task(signals.stop.wait())
    refusing = asyncio.create_task(group.refused())
    try:
        await asyncio.wait([watching, stopping, refusing], return_when=asyncio.FIRST_COMPLETED)
    finally:
        watching.cancel()
        await asyncio.wait([watching])
        killed = await _end(group, screen, signals.kill)
    for task in (refusing, watching):
        if task.done() and not task.cancelled() and (error := task.exception()):
            raise error
    if refusing.done():
        raise refusing.result()
    refusing.cancel()
    if killed:
        screen.line("All services killed.")
        return _EXIT_KILLED
    screen.line("All services ended.")
    ended = watching.result() if not watching.cancelled() else Ended()
    if watching.cancelled() and settings.until:
        screen.line(f"Ended before --until {settings.until}: there is no tape hash.")
        return _EXIT_FAILED
    if ended.tape_hash:
        screen.line(f"tape hash: {ended.tape_hash}")
    return ended.code


def _title(settings: MainSettings) -> str:
    return "marksim: a market on this machine" if settings.replay is None else "marksim: a recorded market on this machine"


async def _end(group: Group, screen: Screen, kill: asyncio.Event) -> bool:
    screen.line("Ending the services; Ctrl-C again kills them.")
    ending, killing = asyncio.create_task(group.end()), asyncio.create_task(kill.wait())
    await asyncio.wait([ending, killing], return_when=asyncio.FIRST_COMPLETED)
    killed = killing.done() and not ending.done()
    if killed:
        group.kill()
    killing.cancel()
    await ending
    return killed


@dataclass(frozen=True)
class Ended:
    """How a run ended by itself."""

    code: int = 0
    tape_hash: str = ""


async def _end_of(reading: Reading, watcher: Watcher, screen: Screen) -> Ended:
    """Of a run that is over: its hash, or what went wrong."""
    assert reading.engine is not None
    screen.line(f"The market has ended: {reading.engine.message}.")
    if reading.engine.state == CLOCK_STATE_FAILED:
        return Ended(code=1)
    if reading.engine.simulated_time_ns > reading.engine.end_time_ns:
        # Of an earlier moment than the run has reached nobody has the hash.
        screen.line("Its tape hash at that time is not known: give a later --until, or begin another run with --new-run.")
        return Ended(code=1)
    try:
        if tape_hash := await watcher.tape_hash(reading.run):
            return Ended(tape_hash=tape_hash)
        reason = "it was lost after the end, and the run with it"
    except AioRpcError as error:
        reason = peer_error(error)
    screen.line(f"The order book does not tell the tape hash: {reason}")
    return Ended(code=1)


async def _watch(settings: MainSettings, screen: Screen, logs: ChildLogs) -> Ended:
    """Show how the market does until its run is over."""
    pages = (settings.reach(settings.http_port_of(name)) for name in ("edge", "orderbook"))
    watcher = Watcher(plan.grpc_addresses(settings), *pages)
    began, started, run = time.monotonic(), False, ""
    try:
        while True:
            reading = await watcher.read()
            if present := reading.run:
                if run not in ("", present):
                    screen.line(f"New run {present}: order book or engine was lost, and the market begins anew.")
                run = present
            if not started and not reading.started:
                doing = next(iter(logs.progress.values()), "waiting for the services")
                screen.status(starting_line(time.monotonic() - began, doing), busy=True)
            else:
                started = True
                logs.started()
                screen.status(status_line(reading))
            if reading.over:
                return await _end_of(reading, watcher, screen)
            await asyncio.sleep(_STATUS_EVERY_S if screen.is_terminal else 2 * _STATUS_EVERY_S)
    finally:
        with contextlib.suppress(asyncio.CancelledError):
            await watcher.close()


def _refuse(text: str) -> int:
    for line in text.splitlines():
        print(f"marksim: {line}", file=sys.stderr)
    return EXIT_USAGE


if __name__ == "__main__":
    sys.exit(main())
