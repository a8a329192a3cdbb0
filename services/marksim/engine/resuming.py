"""Which run an engine goes on with, by what its order books say, and what its clock waited for in that run."""

from collections.abc import Callable, Mapping, Sequence

from marksim.core.sim.engine import AgentFailure, SymbolOutcome
from marksim.engine.clock import Clock
from marksim.engine.shard import Unlike
from marksim.runtime.durations import format_moment
from marksim.scenario import Scenario
from marksim.v1 import orderbook_pb2 as pb


def run_to_resume(present: Sequence[pb.GetRunResponse], scenario: Scenario) -> str:
    """The run that all books keep; empty where a new one is to begin.

    An engine that ended while it opened a run may have opened it on some books only: it goes on from the first window.
    Raises Unlike where books keep different ones, or one that is not this engine's: while a cluster rolls to a new run, one
    shard after the other sets its old one aside.
    """
    kept = [book for book in present if book.run and book.durability not in ("", "none")]
    if not kept:
        return ""
    runs = sorted({book.run for book in kept})
    may_begin = all(book.durability not in ("", "none") for book in present) and not any(
        book.HasField("last_window") for book in kept
    )
    if len(runs) > 1 or (len(kept) < len(present) and not may_begin):
        without = "; some have none" if len(kept) < len(present) else ""
        raise Unlike(f"the order books keep different runs ({', '.join(runs)}{without}): begin another with --new-run")
    (run,), book = runs, kept[0]
    wanted = (scenario.hash, scenario.seed, scenario.start_ns, scenario.lookahead_ns)
    if (book.scenario_hash, book.seed, book.start_time_ns, book.lookahead_ns) != wanted:
        is_ = f"run {run} of scenario {book.scenario}, seed {book.seed}, from {format_moment(book.start_time_ns)}"
        asked = f"{scenario.name}, seed {scenario.seed}, from {format_moment(scenario.start_ns)}"
        raise Unlike(
            f"the order books keep {is_}; this engine was started for {asked}: start it as that run was to go on with it, "
            "or begin another with --new-run"
        )
    if book.replay:
        raise Unlike(f"run {run} is a recorded session that is played again: begin another with --new-run")
    return run


def look_again(
    clock: Clock, first: int, failures: Sequence[AgentFailure]
) -> Callable[[int, Mapping[str, SymbolOutcome]], None]:
    """Looks in windows that are played again, from `first` on, for what run-until waited for at the crash, and pauses there.

    `failures` are those of the engine that plays them.
    """
    awaited, known = clock.awaited, len(failures)

    def look(window: int, outcomes: Mapping[str, SymbolOutcome]) -> None:
        nonlocal known
        before, known = known, len(failures)
        # Somebody may let it run until something else meanwhile.
        if awaited is None or clock.awaited is not awaited or window < first:
            return
        if happened := awaited.met(outcomes, failures[before:]):
            clock.reached(happened)

    return look
