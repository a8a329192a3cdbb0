"""The session of a book: its changes, on command, by time, or by a price band, and the edges of the bands."""

from marksim.core.book.auction import drop_at_the_open, uncross
from marksim.core.book.compiled import compiled, compiled_apart
from marksim.core.book.output import add_execution, add_quote, reject
from marksim.core.book.rules import LAST_NS, MILLION
from marksim.core.book.words import (
    CLOSED,
    CLOSING_AUCTION,
    CONTINUOUS,
    HALTED,
    HAS_EXPIRED,
    INVALID_TERMS,
    NONE,
    OPENING_AUCTION,
    PRICE_BAND,
    REQUESTED,
    SCHEDULED,
    SESSION_CHANGED,
    Book,
    Row,
    int64,
)


@compiled
def renew_edges(book: Book) -> None:
    """Where the price bands end for the next order: around the last auction's price and around the last trade."""
    state = book.state
    lower, upper = int64(state.min_price_ticks), int64(state.max_price_ticks)
    if state.session == CONTINUOUS:
        reference = int64(state.reference_price_ticks)
        last = int64(state.last_price_ticks) if state.last_price_ticks != 0 else reference
        if state.static_band_ppm != 0:
            width = reference * state.static_band_ppm // MILLION
            lower, upper = max(lower, reference - width), min(upper, reference + width)
        if state.dynamic_band_ppm != 0:
            width = last * state.dynamic_band_ppm // MILLION
            lower, upper = max(lower, last - width), min(upper, last + width)
    state.lower_edge_ticks, state.upper_edge_ticks = lower, upper


@compiled
def end_after(time_ns: int, lasts_ns: int) -> int:
    """When a state ends that begins at a time and lasts so long, within what an end can be."""
    return int64(LAST_NS if time_ns > LAST_NS - lasts_ns else max(time_ns + lasts_ns, int64(1)))


@compiled
def conclude(book: Book) -> None:
    """What follows each command, expiry, triggered order and session change."""
    if book.state.dynamic_band_ppm != 0:
        renew_edges(book)
    add_quote(book)


@compiled
def next_change(book: Book) -> int:
    """When the session changes by itself, 0 for never."""
    state = book.state
    if state.session_end_ns == 0 or state.scheduled_ns == 0:
        return int64(max(state.session_end_ns, state.scheduled_ns))
    return int64(min(state.session_end_ns, state.scheduled_ns))


@compiled_apart
def change_session(book: Book, session: int, end_ns: int, reason: int, account: int, serial: int) -> None:
    """Change the session, with an auction's trades where it ends one, and say so."""
    state = book.state
    volume = price = int64(0)
    if state.session == CLOSED and session != CLOSED:
        state.session_volume_lots = 0
    if session != state.session and (session == CONTINUOUS or (state.session == CLOSING_AUCTION and session == CLOSED)):
        price, volume = uncross(book)
        drop_at_the_open(book)
    state.session, state.session_end_ns = session, end_ns
    renew_edges(book)
    row = add_execution(book, SESSION_CHANGED, reason, account, serial, NONE, NONE, price, volume, NONE)
    row.session_state = session


@compiled
def halt(book: Book) -> None:
    """A price band has stopped an order: the market halts."""
    state = book.state
    state.halting = 0
    change_session(book, HALTED, end_after(state.time_ns, state.halt_ns), PRICE_BAND, NONE, NONE)


@compiled_apart
def set_session(book: Book, command: Row) -> None:
    """Do what a command says of the session."""
    session, end_ns = int64(command.session_state), int64(command.expire_time_ns)
    may_end = session in (HALTED, OPENING_AUCTION, CLOSING_AUCTION)
    if session == 0 or session > CLOSED or end_ns < 0 or (end_ns != 0 and not may_end):
        reject(book, command, INVALID_TERMS)
    elif end_ns != 0 and end_ns <= command.time_ns:
        reject(book, command, HAS_EXPIRED)
    else:
        change_session(book, session, end_ns, REQUESTED, command.account, command.serial)


@compiled_apart
def change_by_itself(book: Book) -> None:
    """The change that is due: by the instrument's own times, or at the end of a halt or an auction."""
    state = book.state
    time_ns = next_change(book)
    state.time_ns = max(state.time_ns, time_ns)
    if time_ns == state.scheduled_ns:
        session = int64(state.scheduled_state)
        # Who called finds the next one.
        state.scheduled_state = 0
        change_session(book, session, NONE, SCHEDULED, NONE, NONE)
    elif state.session == HALTED:
        change_session(book, OPENING_AUCTION, end_after(time_ns, state.auction_ns), SCHEDULED, NONE, NONE)
    else:
        change_session(book, CONTINUOUS if state.session == OPENING_AUCTION else CLOSED, NONE, SCHEDULED, NONE, NONE)
    conclude(book)
