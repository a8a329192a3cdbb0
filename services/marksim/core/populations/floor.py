"""The floor: books and populations that run many windows in compiled code, without coming back to Python.

For each window and symbol: populations act, what has arrived goes to the book in the order of (arrival, account, serial),
its answer is written down, a tick is made of it, and who is concerned learns of it. The loop comes back where Python has
to do something: make room, take the rows that were written, or wake a coroutine. It goes on from exactly there.
"""

from typing import Any, Final

import numpy as np

from marksim.core.book.compiled import compiled, compiled_apart, kernel
from marksim.core.book.handle import book_at, handle, plain_handle
from marksim.core.book.kernel import apply_rows, book_due
from marksim.core.book.words import Book, Table, int64
from marksim.core.feed.ticker import advance_with, ticker_at
from marksim.core.populations.acting import act_until, begin, next_due
from marksim.core.populations.dice import drawn
from marksim.core.populations.learning import has_room_to_note, newest_visible, note_all, show
from marksim.core.populations.memory import as_crowd, crowd_at
from marksim.core.populations.sending import claim_sent, give_sent, has_room_to_send, pop, push
from marksim.core.populations.words import NEVER, TRADED, Crowd

DONE: Final = 0
"""All windows are done."""
BOOK_ROOM: Final = 1
"""The book of `symbol` needs room; `quotes` says what OrderBook has to know."""
CROWD_ROOM: Final = 2
"""The commands, notices or told rows of `symbol` need room."""
ROWS_FULL: Final = 3
"""The rows of `symbol` are to be taken before more can be written."""
WOKEN: Final = 4
"""Something that a coroutine waits for has happened in the last window."""

_DONE, _BOOK_ROOM, _CROWD_ROOM = int64(DONE), int64(BOOK_ROOM), int64(CROWD_ROOM)
_ROWS_FULL, _WOKEN = int64(ROWS_FULL), int64(WOKEN)

WAKE_ON_TICK: Final = 1
WAKE_ON_TOLD: Final = 2
"""Bits of a crowd's `wake`: for which of what happens in a window Python is to be asked."""
_ON_TICK, _ON_TOLD = int64(WAKE_ON_TICK), int64(WAKE_ON_TOLD)

_BEGIN, _GATHERED, _APPLIED = int64(0), int64(1), int64(2)

LANE: Final = np.dtype([("crowd", "<i8"), ("book", "<i8"), ("ticker", "<i8")])
"""Addresses of one symbol's counters."""

ARRAYS: Final = {"lanes": LANE}
COUNTERS: Final = np.dtype(
    [
        (name, "<i8")
        for name in (
            *("start_ns", "lookahead_ns", "window", "symbol", "phase", "applied", "quotes", "woken"),
            *(f"{name}_{what}" for name in ARRAYS for what in ("address", "length")),
        )
    ],
    align=True,
)
"""`window` is the one that is under way or comes next; `symbol`, `phase` and `applied` say how far it is."""

Floor = Any
_functions = handle("Floor", COUNTERS, ARRAYS, plain_handle)
as_floor: Final[Any] = _functions[0]


@kernel
def run_windows(counters: Table, last: int) -> int:
    """Run windows up to `last`; returns DONE, or why not. Windows in which nothing is due are skipped."""
    floor = as_floor(counters)
    state = floor.state
    while state.window <= last:
        if state.symbol == 0 and state.phase == _BEGIN:
            due_ns = next_on(floor)
            due = (due_ns - state.start_ns) // state.lookahead_ns if due_ns < NEVER else last + 1
            state.window = max(int64(state.window), min(due, last + 1))
            if state.window > last:
                break
        end_ns = state.start_ns + (state.window + 1) * state.lookahead_ns
        while state.symbol < len(floor.lanes):
            lane = floor.lanes[state.symbol]
            answer = run_one(floor, crowd_at(lane.crowd), book_at(lane.book), ticker_at(lane.ticker), end_ns)
            if answer != _DONE:
                return answer
            state.symbol, state.phase = state.symbol + 1, _BEGIN
        state.symbol = 0
        state.window += 1
        if state.woken != 0:
            state.woken = 0
            return _WOKEN
    return _DONE


@compiled
def next_on(floor: Floor) -> int:
    """When something next happens in any symbol."""
    due_ns = NEVER
    for index in range(len(floor.lanes)):
        lane = floor.lanes[index]
        due_ns = min(due_ns, next_due(crowd_at(lane.crowd)), book_due(book_at(lane.book)))
    return due_ns


@compiled_apart
def run_one(floor: Floor, crowd: Crowd, book: Book, ticker: Any, end_ns: int) -> int:
    """One symbol's part of a window, or what is left of it."""
    state = floor.state
    if state.phase == _BEGIN:
        if next_due(crowd) >= end_ns and book_due(book) >= end_ns:
            return _DONE
        if not act_until(crowd, end_ns) or not gather(crowd, end_ns):
            return _CROWD_ROOM
        state.phase, state.applied = _GATHERED, -1
    if state.phase == _GATHERED:
        commands = crowd.commands[: crowd.state.collected]
        applied, finished, _, quotes, _ = apply_rows(book, commands, int64(state.applied), end_ns - 1)
        state.applied, state.quotes = applied, quotes
        if not finished:
            return _BOOK_ROOM
        state.phase = _APPLIED
    return write_down(floor, crowd, book, ticker, end_ns)


@compiled_apart
def write_down(floor: Floor, crowd: Crowd, book: Book, ticker: Any, end_ns: int) -> int:
    """Keep what the book did, make its tick, and tell who is concerned."""
    events, quotes, depth = int64(book.state.executions), int64(book.state.quotes), int64(book.state.depth)
    if events == 0:
        return _DONE
    into, commands = crowd.state, int64(crowd.state.collected)
    if (
        into.command_rows + commands > len(crowd.applied)
        or into.event_rows + events > len(crowd.events)
        or into.quote_rows + quotes > len(crowd.quotes)
        or into.depth_rows + depth > len(crowd.depth)
        or into.tick_rows == len(crowd.ticks)
    ):
        return _ROWS_FULL
    if not has_room_to_note(crowd, events) or into.told_rows + events > len(crowd.told):
        return _CROWD_ROOM
    for index in range(commands):
        crowd.applied[into.command_rows + index] = crowd.commands[index]
    for index in range(events):
        crowd.events[into.event_rows + index] = book.executions[index]
    for index in range(quotes):
        crowd.quotes[into.quote_rows + index] = book.quotes[index]
    for index in range(depth):
        crowd.depth[into.depth_rows + index] = book.depth[index]
    into.command_rows += commands
    into.collected = 0
    into.event_rows += events
    into.quote_rows += quotes
    into.depth_rows += depth
    if advance_with(ticker, book):
        tick = ticker.last[0]
        crowd.ticks[into.tick_rows] = tick
        into.tick_rows += 1
        show(crowd, tick, end_ns)
        if into.wake & _ON_TICK:
            floor.state.woken = 1
    note_all(crowd, book.executions, events, end_ns)
    if tell_agents(crowd, book.executions, events) and into.wake & _ON_TOLD:
        floor.state.woken = 1
    return _DONE


@compiled
def tell_agents(crowd: Crowd, executions: Table, events: int) -> bool:
    """Keep rows that concern coroutines, whose accounts are those below `agents_end`, for Python; whether there are any."""
    state, before = crowd.state, int64(crowd.state.told_rows)
    if state.agents_end > 1:
        for index in range(events):
            row = executions[index]
            is_of_agent = 0 < row.account < state.agents_end
            if is_of_agent or (row.kind == TRADED and 0 < row.maker_account < state.agents_end):
                crowd.told[state.told_rows] = row
                state.told_rows += 1
    return bool(state.told_rows > before)


@compiled
def gather(crowd: Crowd, end_ns: int) -> bool:
    """Take what arrives before a time off the heap, in order; False where there is no room. Calling again goes on."""
    state = crowd.state
    while state.pending > 0 and crowd.heap[0].time_ns < end_ns:
        if state.collected == len(crowd.commands):
            return False
        slot = pop(crowd)
        crowd.commands[state.collected] = crowd.sent[slot]
        state.collected += 1
        give_sent(crowd, slot)
    return True


# What Python calls where the book is elsewhere.


@kernel
def begin_crowd(counters: Table) -> None:
    """Let the populations of a symbol have their first moment."""
    begin(as_crowd(counters))


@kernel
def due_of(counters: Table) -> int:
    """When the next command arrives or a population acts; NEVER where nothing is left to happen."""
    return next_due(as_crowd(counters))


@kernel
def collect_window(counters: Table, end_ns: int) -> bool:
    """Let populations act until a time, and gather what arrives before it; False where room ran out."""
    crowd = as_crowd(counters)
    return act_until(crowd, end_ns) and gather(crowd, end_ns)


@kernel
def deliver_window(counters: Table, executions: Table, tick: Table, end_ns: int) -> bool:
    """Let who is concerned learn of a window done elsewhere; `tick` has one row or none. False where room ran out."""
    crowd, events = as_crowd(counters), int64(len(executions))
    if not has_room_to_note(crowd, events) or crowd.state.told_rows + events > len(crowd.told):
        return False
    note_all(crowd, executions, events, end_ns)
    tell_agents(crowd, executions, events)
    for index in range(len(tick)):
        show(crowd, tick[index], end_ns)
    return True


@kernel
def push_commands(counters: Table, commands: Table) -> bool:
    """Put commands of coroutines on their way; False, and nothing done, where there is no room."""
    crowd = as_crowd(counters)
    if not has_room_to_send(crowd, int64(len(commands))):
        return False
    for index in range(len(commands)):
        slot = claim_sent(crowd)
        crowd.sent[slot] = commands[index]
        # An amendment may have the serial of its order: what counts is in which order the account sent them.
        crowd.state.pushed += 1
        push(crowd, int64(commands[index].time_ns), int64(commands[index].account), int64(crowd.state.pushed), slot)
    return True


@kernel
def newest_shown(counters: Table, now_ns: int, latency_ns: int) -> int:
    """Number of the newest tick that is visible now with that latency; ticks are numbered from the opening one, 0, on."""
    return newest_visible(as_crowd(counters), now_ns, latency_ns)


@kernel
def next_visible(counters: Table, now_ns: int, latency_ns: int) -> int:
    """When the next of those ticks that are shown becomes visible; 0 where all are."""
    crowd = as_crowd(counters)
    following = newest_visible(crowd, now_ns, latency_ns) + 1
    if following >= crowd.state.shown_count:
        return int64(0)
    tick = crowd.shown[following & (len(crowd.shown) - 1)]
    return max(int64(tick.end_ns), tick.time_ns + latency_ns)


# What an agent whose feed latency is drawn has of a symbol's ticks: one row of REACH.

REACH: Final = np.dtype([(name, "<i8") for name in ("seen", "newest", "visible_ns", "next_ns", "key")])
"""The number of the tick that comes next and, once it is drawn, when; that of the newest which is there, and since when."""


@kernel
def advance_reach(counters: Table, reach: Table, quantiles: Table, now_ns: int) -> bool:
    """Let all ticks come that are visible now, each not before the one before it; whether another is on its way."""
    crowd, row = as_crowd(counters), reach[0]
    kept = int64(len(crowd.shown))
    while row.seen < crowd.state.shown_count:
        if row.next_ns > now_ns:
            return True
        if row.seen < crowd.state.shown_count - kept:
            # Has reached everyone.
            row.newest, row.next_ns, row.seen = row.seen, 0, row.seen + 1
            continue
        if row.next_ns == 0:
            tick = crowd.shown[row.seen & (kept - 1)]
            latency_ns = drawn(quantiles, int64(0), int64(len(quantiles)), row.key, int64(row.seen))
            row.next_ns = max(int64(row.visible_ns), int64(tick.end_ns), tick.time_ns + latency_ns)
            continue
        row.visible_ns, row.newest, row.next_ns, row.seen = row.next_ns, row.seen, 0, row.seen + 1
    return False
