"""The compiled part of ticks: what one window did to a book becomes a row of TICK, in one pass over its executions."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from marksim.core.book.auction import find_price
from marksim.core.book.compiled import compiled, kernel
from marksim.core.book.handle import handle, plain_handle
from marksim.core.book.saved import Arrays, check_layout, plain_copy
from marksim.core.book.words import CLOSING_AUCTION, OPENING_AUCTION, Book, Table, int64
from marksim.core.errors import InvalidInput
from marksim.core.types import NS_PER_MINUTE, TICK, ExecutionKind, Instrument, SessionState

MINUTES: Final = 1_441
"""The current simulated minute and the 1,440 before it."""

ARRAYS: Final = {"last": TICK, "minutes": np.dtype(np.int64)}
"""`last` is one row, the newest tick; `minutes` a ring of what traded in each."""

COUNTERS: Final = np.dtype(
    [
        (name, "<i8")
        for name in (
            *("minute", "volume_24h_lots"),
            *(
                "session",
                "session_volume_lots",
                "indicative_price_ticks",
                "indicative_volume_lots",
                "indicative_surplus_lots",
            ),
            *(f"{name}_{what}" for name in ARRAYS for what in ("address", "length")),
        )
    ],
    align=True,
)
"""The current minute and what traded in the ring; then the session as the caller says it is after the window."""

SESSION: Final = (
    *("session", "session_volume_lots"),
    *("indicative_price_ticks", "indicative_volume_lots", "indicative_surplus_lots"),
)

KEPT_COUNTERS: Final = np.dtype([(name, "<i8") for name in ("minute", "volume_24h_lots", *SESSION)])
LAYOUT: Final[dict[str, np.dtype[Any]]] = {"counters": KEPT_COUNTERS, **ARRAYS}
"""Names and dtypes of a saved state."""

Ticker = Any
"""The handle of a ticker's memory."""

TRADED: Final[Any] = int64(ExecutionKind.TRADED)
_MINUTE: Final[Any] = int64(NS_PER_MINUTE)
_MINUTES: Final[Any] = int64(MINUTES)

_functions = handle("Ticker", COUNTERS, ARRAYS, plain_handle)
as_ticker: Final[Any] = _functions[0]
ticker_at: Final[Any] = _functions[1]


class TickerMemory:
    """The arrays of one symbol's ticker."""

    def __init__(self, instrument: Instrument, state: SessionState) -> None:
        self.counters = np.zeros(1, COUNTERS)
        self.last = np.zeros(1, TICK)
        self.minutes = np.zeros(MINUTES, np.int64)
        for name in ("last_price_ticks", "bid_price_ticks", "ask_price_ticks"):
            self.last[name] = instrument.reference_price_ticks
        self.last["session_state"] = state
        self.attach()

    def attach(self) -> None:
        """Say in the counters where the arrays are."""
        for name in ARRAYS:
            array = getattr(self, name)
            self.counters[f"{name}_address"], self.counters[f"{name}_length"] = array.ctypes.data, len(array)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.attach()


def state_of(memory: TickerMemory) -> dict[str, NDArray[Any]]:
    """All that the memory holds, as copies."""
    counters = np.zeros(1, KEPT_COUNTERS)
    for name in KEPT_COUNTERS.names or ():
        counters[name] = memory.counters[name]
    return {"counters": counters, **{name: plain_copy(getattr(memory, name)) for name in ARRAYS}}


def fill(memory: TickerMemory, arrays: Arrays, what: str) -> None:
    """Give a memory what `state_of` has read; raises InvalidInput, which begins with `what`, if it cannot be."""
    check_layout(arrays, LAYOUT, what)
    for name, length in (("counters", 1), ("last", 1), ("minutes", MINUTES)):
        if len(arrays[name]) != length:
            raise InvalidInput(f"{what}: {name} has {len(arrays[name])} rows, not {length}")
    last, counters, minutes = arrays["last"], arrays["counters"], arrays["minutes"]
    if last["session_state"][0] not in set(SessionState):
        raise InvalidInput(f"{what}: session_state is {last['session_state'][0]}, which is none that there is")
    if minutes.min() < 0 or int(minutes.sum()) != counters["volume_24h_lots"][0]:
        raise InvalidInput(f"{what}: volume_24h_lots {counters['volume_24h_lots'][0]} is not the sum of its minutes")
    for name in KEPT_COUNTERS.names or ():
        memory.counters[name] = counters[name]
    for name in ARRAYS:
        setattr(memory, name, plain_copy(arrays[name]))
    memory.attach()


@kernel
def update_tick(counters: Table, executions: Table, quotes: Table) -> bool:
    """Make the tick of one window from its rows and the session in the counters; False where it would show nothing new."""
    return advance(as_ticker(counters), executions, len(executions), quotes, len(quotes))


@compiled
def advance(ticker: Ticker, executions: Table, events: int, quotes: Table, changes: int) -> bool:
    """The same of the first rows of arrays.

    There is a tick where there was a quote or a trade, and where the session is no longer as the last one showed it.
    """
    state, last = ticker.state, ticker.last[0]
    if events == 0 and changes == 0:
        return False
    time_ns, price = int64(last.time_ns), int64(last.last_price_ticks)
    trades = volume = int64(0)
    for index in range(events):
        row = executions[index]
        if row.kind == TRADED:
            trades += 1
            volume += row.quantity_lots
            price = int64(row.price_ticks)
            advance_minute(ticker, int64(row.time_ns))
            ticker.minutes[state.minute % _MINUTES] += row.quantity_lots
            state.volume_24h_lots += row.quantity_lots
            time_ns = max(time_ns, int64(row.time_ns))
    changed = events > 0 and is_changed(ticker, volume)
    if trades == 0 and changes == 0 and not changed:
        return False
    if changes > 0:
        quote = quotes[changes - 1]
        last.bid_price_ticks, last.bid_quantity_lots = quote.bid_price_ticks, quote.bid_quantity_lots
        last.ask_price_ticks, last.ask_quantity_lots = quote.ask_price_ticks, quote.ask_quantity_lots
        time_ns = max(time_ns, int64(quote.time_ns))
    if changed:
        time_ns = max(time_ns, int64(executions[events - 1].time_ns))
    advance_minute(ticker, time_ns)
    last.sequence = executions[events - 1].sequence if events > 0 else quotes[changes - 1].sequence
    last.time_ns = time_ns
    last.tick_number += 1
    last.last_price_ticks = price
    last.volume_24h_lots = state.volume_24h_lots
    last.trades_total += trades
    last.volume_total_lots += volume
    last.window_volume_lots = volume
    last.session_state = state.session
    last.session_volume_lots = state.session_volume_lots
    last.indicative_price_ticks = state.indicative_price_ticks
    last.indicative_volume_lots = state.indicative_volume_lots
    last.indicative_surplus_lots = state.indicative_surplus_lots
    return True


@compiled
def advance_with(ticker: Ticker, book: Book) -> bool:
    """The same of what a book has just done, with its session as it is then."""
    say_session(ticker, book)
    return advance(ticker, book.executions, int64(book.state.executions), book.quotes, int64(book.state.quotes))


@compiled
def say_session(ticker: Ticker, book: Book) -> None:
    """Let the ticker know of the session as it is after the window."""
    state = ticker.state
    state.session, state.session_volume_lots = int64(book.state.session), book.state.session_volume_lots
    price = volume = surplus = int64(0)
    if book.state.session in (OPENING_AUCTION, CLOSING_AUCTION):
        price, volume, surplus = find_price(book)
    state.indicative_price_ticks, state.indicative_volume_lots, state.indicative_surplus_lots = price, volume, surplus


@compiled
def is_changed(ticker: Ticker, volume: int) -> bool:
    """Whether the session is another than the last tick showed, once so much more has traded."""
    state, last = ticker.state, ticker.last[0]
    return bool(
        state.session != last.session_state
        or state.session_volume_lots != last.session_volume_lots + volume
        or state.indicative_price_ticks != last.indicative_price_ticks
        or state.indicative_volume_lots != last.indicative_volume_lots
        or state.indicative_surplus_lots != last.indicative_surplus_lots
    )


@compiled
def advance_minute(ticker: Ticker, time_ns: int) -> None:
    """Make the minute of a time the current one, and forget what is older than the ring; an earlier time changes nothing."""
    state, minutes = ticker.state, ticker.minutes
    minute = time_ns // _MINUTE
    steps = minute - state.minute
    if steps <= 0:
        return
    if steps >= _MINUTES:
        minutes[:] = 0
        state.volume_24h_lots = 0
    else:
        for gone in range(state.minute + 1, minute + 1):
            state.volume_24h_lots -= minutes[gone % _MINUTES]
            minutes[gone % _MINUTES] = 0
    state.minute = minute
