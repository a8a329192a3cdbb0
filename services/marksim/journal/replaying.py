"""A recorded session that is to be played again: what is traded in it, and from where to where."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from json import loads
from pathlib import Path
from typing import Final

from marksim.core.durations import parse_duration_ns
from marksim.core.errors import Damaged, InvalidInput, NotFound, NotNow
from marksim.journal.session import Session, open_session
from marksim.journal.states import BookState, joined
from marksim.runtime.durations import format_moment, parse_moment_ns
from marksim.scenario import Scenario
from marksim.store.windows import RunRecord

_MOMENT: Final = re.compile(r"\d{4}-", re.ASCII)


@dataclass(frozen=True, slots=True)
class Replay:
    """What is known of it before it begins. Whoever reads its windows opens `path` himself."""

    path: Path
    run: RunRecord
    """Of all parts that were found."""
    scenario: Scenario
    """Its symbols and its clock, and nobody who trades."""
    first: int
    """The window with which it begins."""
    last: int
    """The last one that all parts have."""
    keeps_output: bool
    """Whether what came out is recorded row by row, to be compared; an exported file has digests only."""
    max_orders: int | None
    """Most resting orders of a symbol, as the order books were started; None where nothing says it."""

    @property
    def begin_ns(self) -> int:
        """Simulated time at which it begins."""
        return self.run.end_ns(self.first - 1)

    @property
    def end_ns(self) -> int:
        """Simulated time at which the last window ends."""
        return self.run.end_ns(self.last)


def open_replay(path: Path, begin: str = "", field: str = "--replay-from") -> Replay:
    """Look at what is recorded at `path`; `begin` is a duration since the start of the run, or an ISO time.

    Without it the session begins where it can first: with the run, or else after the oldest snapshot of the books.

    Raises InvalidInput where nothing is recorded, or not then, with the name of `field`; NotFound where no window can be
    played, Damaged and Unreadable where it cannot be read, OSError.
    """
    with open_session(path) as session:
        run, last = session.run, session.common_window
        scenario = _scenario(session)
        if last < 0:
            raise InvalidInput(f"{path}: run {run.run} has no window yet")
        states = _snapshots(session)
        first = _first(session, states)
        if begin:
            first = _window_at(session, begin, first, field)
        return Replay(
            path=path,
            run=run,
            scenario=scenario,
            first=first,
            last=last,
            keeps_output=all(part.keeps_output for part in session.parts),
            max_orders=run.max_orders or next((state.max_orders for state in states.values()), None),
        )


def state_before(session: Session, window: int) -> BookState | None:
    """The books of the newest whole snapshot before that window; None where the start of the run is to be taken.

    Raises NotFound where neither is there.
    """
    states = {found: state for found, state in _snapshots(session).items() if found < window}
    if states:
        return states[max(states)]
    _first(session, states)
    return None


def _scenario(session: Session) -> Scenario:
    run = session.run
    if not run.scenario_text:
        raise InvalidInput(f"run {run.run} does not say its scenario: an engine of an older version began it")
    try:
        # What they sent is recorded, and the files of a user's agents need not be here.
        nobody = {**loads(run.scenario_text), "agents": [], "populations": [], "events": []}
        whole = Scenario.model_validate(nobody)
    except (ValueError, TypeError) as error:
        raise InvalidInput(f"the scenario of run {run.run} cannot be read by this version: {error}") from None
    # One shard of several has some of the symbols.
    traded = tuple(one for one in whole.traded if one.symbol in run.symbols)
    scenario = whole.model_copy(update={"seed": run.seed, "traded": traded, "duration": None})
    if (scenario.start_ns, scenario.lookahead_ns, len(traded)) != (run.start_time_ns, run.lookahead_ns, len(run.symbols)):
        raise InvalidInput(
            f"{session.path}: the scenario of run {run.run} has another start, lookahead or symbols than the run"
        )
    return scenario


def _snapshots(session: Session) -> Mapping[int, BookState]:
    """By window, oldest first, the books of all parts together as far as their snapshots are whole and can be used."""
    common = set.intersection(*(set(part.snapshots()) for part in session.parts))
    first = max(part.first_window for part in session.parts)
    states = {}
    for window in sorted(common):
        if not first - 1 <= window <= session.common_window:
            continue
        try:
            states[window] = joined([part.state(window) for part in session.parts])
        except (Damaged, NotFound, NotNow):
            # Another one is as good; of the beginning without any, `_first` says what is missing.
            continue
    return states


def _first(session: Session, states: Mapping[int, BookState]) -> int:
    first = max(0, *(part.first_window for part in session.parts))
    if first == 0:
        return 0
    if not states:
        raise NotFound(
            f"{session.path} begins with window {first}, not with the run, and no snapshot of the books can be used to "
            "begin there: it cannot be played again"
        )
    return min(states) + 1


def _window_at(session: Session, begin: str, first: int, field: str) -> int:
    """The window in which that moment is."""
    run, last = session.run, session.common_window
    if _MOMENT.match(begin):
        moment_ns = parse_moment_ns(begin, field)
    else:
        moment_ns = run.start_time_ns + parse_duration_ns(begin.removeprefix("+"), field)
    window = (moment_ns - run.start_time_ns) // run.lookahead_ns
    if not first <= window <= last:
        there = f"from {format_moment(run.end_ns(first - 1))} to {format_moment(run.end_ns(last))}"
        raise InvalidInput(f"{field} is {begin!r}: {session.path} can be played {there}", metadata={"field": field})
    return window
