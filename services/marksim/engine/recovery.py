"""An engine becomes again what it was: from its newest snapshot, and from what its order books have recorded since.

Its agents are woken for each recorded window, what they send is compared with what was sent then, and they are told what
happened then. So it ends where it was, or says at which command it went another way.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from typing import Any, Final

import numpy as np

from marksim.codec import decode_columns, tick_from_proto
from marksim.core.rows import choose
from marksim.core.sim.engine import AsyncTimeEngine, SymbolOutcome
from marksim.core.types import COMMAND, EXECUTION, Records
from marksim.engine.control import control_from
from marksim.v1 import orderbook_pb2 as pb

Guarded = Callable[[], AbstractContextManager[None]]
Trade = Callable[[int, dict[str, Records], bytes], Awaitable[dict[str, SymbolOutcome]]]

NOTHING: Final = pb.RecordedWindow()
TOLD_EVERY: Final = 1_000
"""Windows from one word about progress to the next."""


class NonDeterministic(Exception):
    """An engine that was run again sent something else; the message names window, symbol and command."""


async def catch_up(
    engine: AsyncTimeEngine,
    streams: Sequence[AsyncIterator[pb.RecordedWindow]],
    first: int,
    last: int,
    guarded: Guarded,
    told: Callable[[int], None],
    seen: Callable[[int, Mapping[str, SymbolOutcome]], None],
) -> None:
    """Take an engine that stands before window `first` through the recorded windows up to `last`.

    `streams` are those of its order books, from `first` on; agents' code runs within `guarded`; `told` hears how far it is,
    and `seen` what each window did in which something happened.
    Raises NonDeterministic.
    """
    heads = [NOTHING] * len(streams)
    window, tell_at = first, first + TOLD_EVERY
    while window <= last:
        for place, stream in enumerate(streams):
            if heads[place] is NOTHING or heads[place].last_window < window:
                heads[place] = await anext(stream)
        empty_to = min((head.last_window for head in heads if not _happens(head)), default=-1)
        if empty_to >= window and not any(map(_happens, heads)):
            window = _pass(engine, window, min(empty_to, last, tell_at - 1), guarded) + 1
        else:
            seen(window, replay(engine, window, [head for head in heads if head.window == window], guarded))
            window += 1
        if window >= tell_at:
            told(window)
            tell_at = window + TOLD_EVERY
            # Whoever asks how far it is, or whether it lives, is answered.
            await asyncio.sleep(0)


def replay(
    engine: AsyncTimeEngine, window: int, recorded: Iterable[pb.RecordedWindow], guarded: Guarded
) -> dict[str, SymbolOutcome]:
    """One window again; what it did. Raises NonDeterministic."""
    control, commands, results = _read(recorded)
    _compare(window, commands, _again(engine, window, control, guarded), engine.absent_accounts)
    engine.tell(window, results)
    with guarded():
        engine.learn(window)
    return results


async def level(
    engine: AsyncTimeEngine,
    window: int,
    recorded: Iterable[pb.RecordedWindow],
    symbols: AbstractSet[str],
    trade: Trade,
    guarded: Guarded,
) -> None:
    """One window that some books have done, as `recorded`, and the others, which `trade` reaches, have not.

    `symbols` are those of the books that have. Their commands hold, those of agents that begin afresh later included; what
    the others had been sent of these agents is lost with the engine. Raises NonDeterministic.
    """
    control, commands, results = _read(recorded)
    sent = _again(engine, window, control, guarded)
    of_done = {symbol: rows for symbol, rows in sent.items() if symbol in symbols}
    _compare(window, commands, of_done, engine.absent_accounts)
    rest = {symbol: rows for symbol, rows in sent.items() if symbol not in symbols}
    engine.tell(window, results | await trade(window, rest, control))
    with guarded():
        engine.learn(window)


def outcome_of(result: pb.SymbolResult) -> SymbolOutcome:
    """What a window did to a symbol, as agents are told it."""
    tick = tick_from_proto(result.tick) if result.HasField("tick") else None
    return SymbolOutcome(decode_columns(result.executions, EXECUTION), tick)


def _read(recorded: Iterable[pb.RecordedWindow]) -> tuple[bytes, dict[str, Records], dict[str, SymbolOutcome]]:
    """Control, commands and results of one window, of all its parts."""
    results: dict[str, SymbolOutcome] = {}
    commands: dict[str, Records] = {}
    control = b""
    for part in recorded:
        control = control or part.control
        commands.update((one.symbol, decode_columns(one.commands, COMMAND)) for one in part.commands)
        results.update((one.symbol, outcome_of(one)) for one in part.results)
    return control, commands, results


def _again(engine: AsyncTimeEngine, window: int, control: bytes, guarded: Guarded) -> dict[str, Records]:
    """What its agents send in a window of that control."""
    with guarded():
        control_from(control).play(engine)
        engine.wake(window)
    return engine.gather(window)


def _happens(recorded: pb.RecordedWindow) -> bool:
    return bool(recorded.control or recorded.commands or recorded.results or recorded.outside)


def _pass(engine: AsyncTimeEngine, window: int, last: int, guarded: Guarded) -> int:
    """Windows in which nothing was sent and nothing came: the last of them that is done then."""
    while window <= last:
        due_ns = engine.next_due_ns
        due = last + 1 if due_ns is None else (due_ns - engine.start_ns) // engine.lookahead_ns
        if due > window:
            window = min(due, last + 1)
            with guarded():
                engine.learn(window - 1)
        else:
            replay(engine, window, (), guarded)
            window += 1
    return last


def _compare(window: int, recorded: Mapping[str, Records], sent: Mapping[str, Records], absent: Sequence[int]) -> None:
    for symbol in sorted({*recorded, *sent}):
        was, is_ = recorded.get(symbol, np.zeros(0, COMMAND)), sent.get(symbol, np.zeros(0, COMMAND))
        if absent:
            was = choose(was, ~np.isin(was["account"], absent))
        if was.tobytes() != is_.tobytes():
            raise NonDeterministic(f"window {window}, {symbol}: {first_difference(was, is_)}")


def first_difference(was: Records, is_: Records) -> str:
    """The first command of two lists that differs, with the columns in which it does."""
    for number in range(max(len(was), len(is_))):
        if number >= len(was) or number >= len(is_):
            which, row = ("more is sent now", is_) if number >= len(was) else ("less is sent now", was)
            return f"{which}: command {number} is {_plain(row[number])}"
        before, now = _plain(was[number]), _plain(is_[number])
        if before != now:
            other = {name: (before[name], now[name]) for name in before if before[name] != now[name]}
            names = ", ".join(f"{name} was {old}, is {new}" for name, (old, new) in other.items())
            return f"command {number} of account {before['account']}: {names}"
    return "they are equal"


def _plain(row: Any) -> dict[str, int]:
    return dict(zip(COMMAND.names or (), row.item(), strict=True))
