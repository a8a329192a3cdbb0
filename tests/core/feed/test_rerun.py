"""Re-execution: many windows at once do what a service does window by window, and a difference is found and named."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from marksim.core.book.book import OrderBook
from marksim.core.book.compiled import INTERPRETED
from marksim.core.errors import InvalidInput
from marksim.core.feed import rerun
from marksim.core.feed.digest import rows_digest
from marksim.core.feed.rerun import Output, Rerun, first_difference
from marksim.core.feed.tape import TapeHash
from marksim.core.feed.ticks import NO_TICKS, TickBuilder, tick_row
from marksim.core.types import (
    COMMAND,
    DEPTH,
    EXECUTION,
    NS_PER_MINUTE,
    NS_PER_MS,
    QUOTE,
    BookOutput,
    Instrument,
    Records,
    SessionState,
)
from tests.core.book.commands import BTC, batch, buy, instrument, sell
from tests.core.book.streams import EVERYTHING, MIXES, stream, traded_in

WINDOW_NS = 2 * NS_PER_MS
START_NS = 7 * WINDOW_NS
COMMANDS = 150 if INTERPRETED else 4_000
CHOSEN = {
    **{name: MIXES[name] for name in ("auctions", "days", "bands that halt", "stops on quotes", "cascades", "expiring")},
    "everything": replace(EVERYTHING, invalid=0.0),
    "everything in days": MIXES["everything in days"],
    "wide and deep": MIXES["wide and deep"],
}


class Service:
    """What an order book service does with a window of one symbol."""

    def __init__(self, traded: Instrument, max_orders: int = 1 << 20) -> None:
        self.book = OrderBook(traded, max_orders, START_NS)
        self.ticks = TickBuilder(traded, self.book.session_state)
        self.tape_hash = TapeHash()

    def apply(self, window: int, commands: Records) -> Output:
        end_ns = START_NS + (window + 1) * WINDOW_NS
        output = NOTHING
        if len(commands) or self.book.due_before(end_ns):
            output = self.book.apply(commands, end_ns)
        tick = self.ticks.update(output, self.book.session) if len(output.executions) else None
        rows = NO_TICKS if tick is None else tick_row(tick, output.executions["sequence"].item(-1))
        if len(output.executions):
            self.tape_hash.update(output.executions, rows)
        return Output(output.executions, output.quotes, output.depth, rows)

    def rerun(self) -> Rerun:
        """A re-execution that begins where this is now."""
        traded, most = self.book.instrument, int(self.book.memory.counters["max_orders"][0])
        minute, link, records = self.tape_hash.state()
        book, ticks = OrderBook.restored(traded, most, self.book.state()), TickBuilder.restored(traded, self.ticks.state())
        return Rerun(book, ticks, TapeHash.restored(minute, link, b"".join(records)), START_NS, WINDOW_NS)

    def same_as(self, other: Rerun) -> bool:
        """Whether both have come to the same end."""
        left = self.book.state_hash(), self.book.next_due_ns, self.ticks.last, self.tape_hash.hexdigest()
        return left == (other.book.state_hash(), other.book.next_due_ns, other.ticks.last, other.tape_hash.hexdigest())


NOTHING = BookOutput(np.zeros(0, EXECUTION), np.zeros(0, QUOTE), np.zeros(0, DEPTH))


@dataclass
class Recording:
    """Windows of commands, one after the other."""

    commands: Records
    bounds: Any

    @property
    def windows(self) -> int:
        return len(self.bounds) - 1

    def of(self, first: int, last: int) -> tuple[Records, Any]:
        """The commands and bounds of some windows."""
        begin, end = self.bounds[first], self.bounds[last + 1]
        return self.commands[begin:end], self.bounds[first : last + 2] - begin


def recording(name: str, seed: int) -> Recording:
    """A random stream, with rows of windows in which nothing comes, some of them minutes long."""
    rng = np.random.default_rng(seed)
    commands = stream(rng, CHOSEN[name], COMMANDS)
    gaps = (rng.random(COMMANDS) < 0.02) * rng.integers(0, 40 * WINDOW_NS, COMMANDS)
    gaps[rng.integers(COMMANDS)] += NS_PER_MINUTE
    later = START_NS + np.cumsum(gaps)
    commands["time_ns"] += later
    commands["expire_time_ns"] += np.where(commands["expire_time_ns"] > 0, later, 0)
    window = (commands["time_ns"] - START_NS) // WINDOW_NS
    return Recording(commands, np.searchsorted(window, np.arange(int(window[-1]) + 40)))


def cuts(rng: np.random.Generator, windows: int, blocks: int) -> list[tuple[int, int]]:
    """All windows in so many blocks, first and last of each."""
    edges = sorted({0, windows, *rng.integers(0, windows, blocks).tolist()})
    return [(first, end - 1) for first, end in pairwise(edges)]


@pytest.mark.parametrize("name", CHOSEN)
@pytest.mark.parametrize("few_rows", [False, True])
def test_many_windows_at_once_are_what_a_service_does_one_by_one(
    name: str, few_rows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Digests, rows and ticks of every window, and the state at the end; also where room has to be made again and again."""
    if few_rows:
        monkeypatch.setattr(rerun, "FIRST_ROWS", 1)
    recorded, rng = recording(name, 1), np.random.default_rng(2)
    live = Service(traded_in(CHOSEN[name]), CHOSEN[name].max_orders)
    other = live.rerun()
    for first, last in cuts(rng, recorded.windows, 12):
        expected = [live.apply(window, recorded.of(window, window)[0]) for window in range(first, last + 1)]
        played = other.play(first, last, *recorded.of(first, last))
        assert played.digests.tolist() == [output.digest for output in expected]
        assert played.events.tolist() == [len(output.executions) for output in expected]
        assert played.ticked.tolist() == [len(output.tick) > 0 for output in expected]
        assert played.executions.tobytes() == b"".join(output.executions.tobytes() for output in expected)
        assert played.ticks.tobytes() == b"".join(output.tick.tobytes() for output in expected)
        with_output = [first + at for at, output in enumerate(expected) if len(output.executions)]
        assert played.windows.tolist() == with_output
        assert played.last_output == (with_output[-1] if with_output else None)
        assert live.same_as(other)
    assert live.book.sequence > COMMANDS


def test_what_is_due_happens_in_its_own_window() -> None:
    """An expiry and a change of the session, of windows in which no command comes."""
    day_ns = START_NS + 30 * WINDOW_NS + 1
    traded = instrument(sessions=((0, SessionState.CONTINUOUS), (day_ns, SessionState.HALTED)))
    orders = batch(buy(900, 5, 1, time_ns=START_NS, time_in_force=4, expire_time_ns=START_NS + 10 * WINDOW_NS))
    other = Service(traded).rerun()
    played = other.play(0, 50, orders, np.array([0, *[1] * 51]))
    assert played.windows.tolist() == [0, 10, 30] and played.events.tolist().count(1) == 3
    assert played.executions["time_ns"].tolist() == [START_NS, START_NS + 10 * WINDOW_NS, day_ns]
    nothing = rows_digest(NOTHING.executions, NOTHING.quotes, NOTHING.depth, NO_TICKS)
    assert (played.digests == nothing).tolist() == (played.events == 0).tolist()


def test_one_window_by_itself_is_the_same() -> None:
    """The slow way, with all rows, goes on where the fast one has stopped, and the other way round."""
    recorded = recording("everything", 3)
    live = Service(traded_in(CHOSEN["everything"]), CHOSEN["everything"].max_orders)
    other = live.rerun()
    for window in range(min(recorded.windows, 300)):
        expected = live.apply(window, recorded.of(window, window)[0])
        if window % 3 == 0:
            assert other.play(window, window, *recorded.of(window, window)).digests[0] == expected.digest
        else:
            output = other.play_one(window, recorded.of(window, window)[0])
            assert first_difference(expected, output) is None and output.digest == expected.digest
        assert live.same_as(other)


@pytest.mark.parametrize("field", ["price_ticks", "quantity_lots", "side", "account", "time_ns"])
def test_another_input_is_found_in_its_window(field: str) -> None:
    """The first digest that differs is that of the window with the command that was changed, and its row is named."""
    recorded = recording("wide and deep", 4)
    live = Service(traded_in(CHOSEN["wide and deep"]))
    other, again = live.rerun(), live.rerun()
    outputs = [live.apply(window, recorded.of(window, window)[0]) for window in range(300)]
    window = next(at for at in range(100, 300) if recorded.bounds[at] < recorded.bounds[at + 1])
    changed = recorded.commands.copy()
    row = recorded.bounds[window]
    changed[field][row] = 3 - changed[field][row] if field == "side" else changed[field][row] + 1
    broken = Recording(changed, recorded.bounds)
    played = other.play(0, 299, *broken.of(0, 299))
    others = np.flatnonzero(played.digests != np.array([output.digest for output in outputs], np.uint64))
    assert others[0] == window
    again.play(0, window - 1, *broken.of(0, window - 1))
    said = first_difference(outputs[window], again.play_one(window, broken.of(window, window)[0]))
    assert said is not None and said.startswith("execution 0 (sequence ") and field in said


def test_a_difference_is_said_in_words() -> None:
    """Kind of row, number, sequence, and each field with both values; the first by sequence, of any kind."""
    book = OrderBook(BTC)
    output = book.apply(batch(sell(100, 5, 1), buy(100, 3, 2, account=2), buy(90, 2, 3)))

    def copy(**changes: Any) -> Output:
        rows = {name: getattr(output, name).copy() for name in ("executions", "quotes", "depth")}
        return Output(**{**rows, "tick": NO_TICKS, **changes})

    assert first_difference(copy(), copy()) is None
    other = copy()
    other.executions["kind"][2], other.executions["price_ticks"][2] = 4, 77
    other.depth["quantity_lots"][2] = 8
    said = "execution 2 (sequence 3): price_ticks 100 recorded, 77 rebuilt; kind TRADED recorded, CANCELLED rebuilt"
    assert first_difference(copy(), other) == said
    other = copy()
    other.depth["quantity_lots"][1] = 8
    assert first_difference(copy(), other) == "depth 1 (sequence 3): quantity_lots 2 recorded, 8 rebuilt"
    fewer = copy(executions=output.executions[:-1])
    assert str(first_difference(copy(), fewer)).startswith("execution 3 (sequence 4) is not rebuilt: account 1, serial 3")
    assert str(first_difference(fewer, copy())).startswith("execution 3 (sequence 4) is not recorded: account 1, serial 3")
    tick = tick_row(TickBuilder(BTC).last, 4)
    assert str(first_difference(copy(tick=tick), copy())).startswith("tick 0 (sequence 4) is not rebuilt: last_price_ticks")
    unknown = copy()
    unknown.executions["reason"][0] = 99
    said = "execution 0 (sequence 1): reason UNSPECIFIED recorded, 99 rebuilt"
    assert first_difference(copy(), unknown) == said
    with pytest.raises(ValueError, match="rebuilt: quotes has rows of"):
        first_difference(copy(), copy(quotes=output.depth))


def commands_of(count: int) -> Records:
    return batch(*(buy(900, 5, serial) for serial in range(count)))


@pytest.mark.parametrize(
    ("last", "commands", "bounds", "said"),
    [
        (1, commands_of(2), [0, 2], "2 of them do not go with 2 windows"),
        (-1, commands_of(0), [0], "1 of them do not go with 0 windows"),
        (1, commands_of(2), [0, 1, 3], "they do not go from 0 to 2"),
        (1, commands_of(2), [1, 1, 2], "they do not go from 0 to 2"),
        (1, commands_of(2), [0, 3, 2], "they do not go from 0 to 2"),
        (0, np.zeros(2, EXECUTION), [0, 2], "commands: expected records of dtype COMMAND"),
    ],
)
def test_bounds_that_do_not_fit_are_refused(last: int, commands: Records, bounds: Sequence[int], said: str) -> None:
    """And nothing is played."""
    other = Service(BTC).rerun()
    with pytest.raises(InvalidInput, match=said):
        other.play(0, last, commands, np.array(bounds))
    assert other.book.sequence == 0


def test_commands_may_come_as_they_were_read() -> None:
    """As bytes that may not be written to, and with bounds of another width."""
    commands = commands_of(4)
    fixed = np.frombuffer(commands.tobytes(), COMMAND)
    one, two = Service(BTC).rerun(), Service(BTC).rerun()
    first = one.play(0, 1, commands, np.array([0, 1, 4]))
    second = two.play(0, 1, fixed, np.array([0, 1, 4], np.uint32))
    assert first.digests.tolist() == second.digests.tolist() and one.book.order_count == 4


def test_memory_of_a_busy_call_is_used_again() -> None:
    """A recovery of many calls takes as much as the busiest of them."""
    other = Service(BTC).rerun()
    played = [other.play(at, at, batch(buy(900, 5, at)), np.array([0, 1])).executions for at in range(3)]
    assert len({rows.ctypes.data for rows in played}) == 1


def test_one_command_may_have_more_rows_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep through hundreds of orders, of one order and then of two: each window is done once, and none is lost."""
    monkeypatch.setattr(rerun, "FIRST_ROWS", 4)
    live = Service(BTC)
    other = live.rerun()
    rest = batch(*(sell(1_000 + serial // 50, 5, serial) for serial in range(400)))
    sweep = batch(buy(1_100, 1_000, 900, account=2), buy(1_100, 1_000, 901, account=2), buy(900, 5, 902))
    expected = [live.apply(0, rest), live.apply(1, sweep[:1]), live.apply(2, sweep[1:])]
    played = [other.play(0, 0, rest, np.array([0, 400])).digests[0]]
    played += other.play(1, 2, sweep, np.array([0, 1, 3])).digests.tolist()
    assert played == [output.digest for output in expected] and len(expected[1].executions) == 201
    assert live.same_as(other)
