"""When an instrument's own times change the session of its book."""

from collections.abc import Sequence

from marksim.core.book.rules import LAST_NS, NS_PER_DAY
from marksim.core.types import SessionState

Times = Sequence[tuple[int, SessionState]]
"""Times of day, ascending, with the state from then on; empty: continuous trading without end."""


def state_at(times: Times, time_ns: int) -> SessionState:
    """The state in which a book begins."""
    if not times:
        return SessionState.CONTINUOUS
    begun = [state for at_ns, state in times if at_ns <= time_ns % NS_PER_DAY]
    return begun[-1] if begun else times[-1][1]


def change_after(times: Times, time_ns: int) -> tuple[int, SessionState]:
    """The first change after a time, and the state from then on; 0 and UNSPECIFIED if there is none."""
    day_ns, time_of_day = time_ns - time_ns % NS_PER_DAY, time_ns % NS_PER_DAY
    today = [(day_ns + at_ns, state) for at_ns, state in times if at_ns > time_of_day]
    tomorrow = [(day_ns + NS_PER_DAY + at_ns, state) for at_ns, state in times[:1]]
    following = [change for change in (*today, *tomorrow) if change[0] <= LAST_NS]
    return following[0] if following else (0, SessionState.UNSPECIFIED)
