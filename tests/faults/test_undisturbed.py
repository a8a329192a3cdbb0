"""The run that nothing disturbed: it is found from scenario, seed and outside orders, and each other way is seen."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from marksim.core.feed.tape import run_hash
from marksim.core.types import (
    COMMAND,
    DEPTH,
    EXECUTION,
    OUTSIDE_ACCOUNTS_FROM,
    QUOTE,
    TICK,
    CommandKind,
    OrderType,
    Records,
    Side,
    TimeInForce,
)
from marksim.core.warm import SIMULATION, compile_kernels
from marksim.scenario import Scenario, load_scenario
from marksim.store.windows import RecordedWindow, SymbolWindow
from tests.faults.undisturbed import NOTHING, _SymbolBook, engine_of, play

SYMBOL = "BTC/USD"
LAST = 399


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    """The one with coroutines of each kind."""
    compile_kernels(SIMULATION)
    return load_scenario("coroutines", (), 7)


def outside(window: int, time_ns: int) -> Records:
    """Each tenth window has a market order of somebody outside."""
    if window % 10:
        return NOTHING
    rows: Records = np.zeros(1, COMMAND)
    values = {
        "time_ns": time_ns,
        "account": OUTSIDE_ACCOUNTS_FROM + 1,
        "serial": window + 1,
        "kind": CommandKind.NEW,
        "side": Side.BUY if window % 20 else Side.SELL,
        "order_type": OrderType.MARKET,
        "time_in_force": TimeInForce.IOC,
        "quantity_lots": 200,
    }
    for name, value in values.items():
        rows[name] = value
    return rows


@pytest.fixture(scope="module")
def session(scenario: Scenario) -> tuple[list[RecordedWindow], str]:
    """Windows as a journal has them, made apart from what is tested, and the tape hash at their end."""
    engine = engine_of(scenario)
    book, windows = _SymbolBook(scenario.instruments()[0], scenario.start_ns), []
    empty = {name: np.zeros(0, dtype) for name, dtype in (("executions", EXECUTION), ("quotes", QUOTE), ("depth", DEPTH))}
    for number in range(LAST + 1):
        begin_ns = scenario.start_ns + number * scenario.lookahead_ns
        commands = engine.collect(number).get(SYMBOL, NOTHING).copy()
        came = outside(number, begin_ns)
        outcome = book.apply(np.concatenate([came, commands]), begin_ns + scenario.lookahead_ns)
        engine.deliver(number, {SYMBOL: outcome} if outcome else {})
        part = SymbolWindow(came, commands, tick=np.zeros(0, TICK), levels=None, previous_window=-1, digest=0, **empty)
        parts = {SYMBOL: part} if len(came) or len(commands) else {}
        windows.append(RecordedWindow(number, number, b"", b"", parts))
    engine.close()
    return windows, run_hash({SYMBOL: book.tape.hexdigest()})


def test_recorded_run_is_found_again(scenario: Scenario, session: tuple[list[RecordedWindow], str]) -> None:
    """With the same outside orders all agents send what was recorded; empty windows may be one row."""
    windows, tape_hash = session
    assert sum(len(one.parts) for one in windows) > 100
    told = play(scenario, folded(windows), LAST)
    assert (told.difference, told.windows, told.tape_hash) == ("", LAST + 1, tape_hash)


def folded(windows: list[RecordedWindow]) -> Iterator[RecordedWindow]:
    """Rows of empty windows as one."""
    begun: RecordedWindow | None = None
    for one in windows:
        if one.parts:
            if begun is not None:
                yield begun
                begun = None
            yield one
        else:
            begun = one if begun is None else replace(begun, last=one.window)
    if begun is not None:
        yield begun


def test_other_outside_orders_give_another_tape(scenario: Scenario, session: tuple[list[RecordedWindow], str]) -> None:
    """An outside order that was lost or doubled gives another hash, and agents that then do other things."""
    windows, tape_hash = session
    part = windows[200].parts[SYMBOL]
    for rows in (NOTHING, np.concatenate([part.outside, part.outside])):
        changed = [*windows]
        changed[200] = replace(windows[200], parts={SYMBOL: replace(part, outside=rows)})
        told = play(scenario, iter(changed), LAST)
        assert told.tape_hash != tape_hash
        assert told.difference.startswith("window ")


def test_other_commands_are_found(scenario: Scenario, session: tuple[list[RecordedWindow], str]) -> None:
    """Recorded commands that agents would not have sent are told with window and symbol; the hash is the undisturbed one."""
    windows, tape_hash = session
    number = next(one.window for one in windows if one.window > 100 and one.parts and len(one.parts[SYMBOL].commands))
    part = windows[number].parts[SYMBOL]
    other = part.commands.copy()
    other["quantity_lots"][0] += 1
    for rows, words in ((other, "recorded is"), (part.commands[:-1], "are recorded")):
        changed = [*windows]
        changed[number] = replace(windows[number], parts={SYMBOL: replace(part, commands=rows)})
        told = play(scenario, iter(changed), LAST)
        assert told.difference.startswith(f"window {number}, {SYMBOL}: ") and words in told.difference
        assert told.tape_hash == tape_hash


def test_holes_and_control_are_refused(scenario: Scenario, session: tuple[list[RecordedWindow], str]) -> None:
    """A window that is missing, an end that is not there and inputs of the engine's own are no undisturbed run."""
    windows, _ = session
    cases = {
        "window 5 is not recorded": [*windows[:5], *windows[6:]],
        "recorded up to 398, not 399": windows[:-1],
        "window 3 has inputs": [*windows[:3], replace(windows[3], control=b"x"), *windows[4:]],
    }
    for sentence, case in cases.items():
        with pytest.raises(ValueError, match=sentence):
            play(scenario, iter(case), LAST)
