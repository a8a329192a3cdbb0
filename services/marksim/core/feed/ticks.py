"""From what a window did to a book, the tick that the feed shows."""

from operator import attrgetter
from struct import Struct
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from marksim.core.book.saved import Arrays
from marksim.core.book.schedule import state_at
from marksim.core.feed.ticker import SESSION, TickerMemory, fill, state_of, update_tick
from marksim.core.types import TICK, BookOutput, Instrument, Records, Session, SessionState, Tick

NO_TICKS: Final[Records] = np.zeros(0, TICK)
_TICK_NAMES: Final = TICK.names or ()
_TICK_ROW: Final = Struct("<" + "".join("B" if TICK[name].itemsize == 1 else "q" for name in _TICK_NAMES))
_TICK_OF: Final[Any] = Tick
_TICK_VALUES: Final = attrgetter(*_TICK_NAMES[1:])


class TickBuilder:
    """Turns the outputs of one symbol's book into ticks.

    There is a tick for every output with at least one quote or trade, also when the quote came back to where it was: then
    something did happen in the window, and its quotes are in the frame. Its time is that of the last quote or trade, and
    never before the previous tick's. There is one, too, where the session's state, an indicative figure or, beyond what
    traded, the session's volume is no longer that of the previous tick; then its time is that of the last execution.
    """

    def __init__(self, instrument: Instrument, state: SessionState = SessionState.CONTINUOUS) -> None:
        self._memory = TickerMemory(instrument, state)
        self._last = tick_of(tuple(self._memory.last.item()))

    @classmethod
    def restored(cls, instrument: Instrument, arrays: Arrays) -> "TickBuilder":
        """The builder of which those are the `state`; raises InvalidInput for those of another version, or damaged ones."""
        builder = cls(instrument)
        fill(builder.memory, arrays, f"state of the ticks of {instrument.symbol}")
        builder.refresh()
        return builder

    def state(self) -> dict[str, NDArray[Any]]:
        """All that the next ticks depend on, as arrays of its own."""
        return state_of(self._memory)

    @property
    def memory(self) -> TickerMemory:
        """For compiled code that makes ticks without coming here; `refresh` then brings `last` up to date."""
        return self._memory

    @property
    def last(self) -> Tick:
        """The newest tick; before the first, tick_number and time_ns are 0 and all prices the opening reference."""
        return self._last

    def update(self, output: BookOutput, session: Session) -> Tick | None:
        """The tick of one window's output, after which the session is so; None if nothing changed that a tick shows."""
        memory = self._memory
        shown = (session.state, session.volume_lots, session.indicative_price_ticks, session.indicative_volume_lots)
        for name, value in zip(SESSION, (*shown, session.indicative_surplus_lots), strict=True):
            memory.counters[name] = value
        if not update_tick(memory.counters, output.executions, output.quotes):
            return None
        self.refresh()
        return self._last

    def refresh(self) -> None:
        """Make `last` what the memory holds."""
        self._last = tick_of(tuple(self._memory.last.item()))


def tick_of(row: tuple[Any, ...]) -> Tick:
    """The Tick of one row of TICK, as a tuple."""
    _, time_ns, number, *values = row
    values[9] = SessionState(values[9])
    return _TICK_OF(number, time_ns, *values)


def tick_row(tick: Tick, sequence: int) -> Records:
    """The tick as one row of dtype TICK, after the event of that sequence."""
    # One a window: packing is several times cheaper than filling an array. It may be written to, as all arrays that kernels
    # get: of one that may not, each would be compiled again.
    return np.frombuffer(bytearray(_TICK_ROW.pack(sequence, *_TICK_VALUES(tick))), TICK)


def opening_tick(instrument: Instrument, start_ns: int) -> Tick:
    """The state of a symbol before its first tick: everything at the opening reference, nothing on either side."""
    price = instrument.reference_price_ticks
    return Tick(0, start_ns, price, price, 0, price, 0, 0, 0, 0, 0, state_at(instrument.sessions, start_ns))
