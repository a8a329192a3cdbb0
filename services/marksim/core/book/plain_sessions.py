"""The session of the plain book: its state, what that takes, and when it changes by itself. A part of the specification.

A book is in one state. CONTINUOUS: orders trade as they come. PRE_OPEN, OPENING_AUCTION and CLOSING_AUCTION collect: orders
rest without trading, so the book may be crossed. HALTED and CLOSED: nothing comes in, but cancels, mass cancels and
expiries have their way, as they do in every state. No stop is triggered outside CONTINUOUS.

While orders are collected a LIMIT order may come that may rest, as an iceberg too; STOP and STOP_LIMIT orders wait as ever,
whatever their time in force; and a MARKET order may come AT_THE_OPEN. The rest is MARKET_CLOSED: a LIMIT order that is IOC
or FOK, any other MARKET order, and an order with post_only or min_quantity. AT_THE_OPEN is MARKET_CLOSED in all states but
PRE_OPEN and OPENING_AUCTION. An amendment with post_only is MARKET_CLOSED while orders are collected, and every one is
while nothing comes in. An amended order does not trade then: it keeps its place or joins the end of its new level, as ever.

A MARKET order that is AT_THE_OPEN rests at the end of the instrument's prices: a buy order at max_price_ticks, a sell order
at min_price_ticks. Its ACCEPTED row has no price, and all others have that one. It takes one of `max_orders`. It may be
amended in quantity, not in price (INVALID_PRICE). What is left of an AT_THE_OPEN order after the next uncrossing, whichever
that is, is cancelled (plain_auction.py).

Without `instrument.sessions` a book begins CONTINUOUS. With them it begins, without an event, in the state of the last
entry at or before `start_ns`, before the first of the day in that of the day before, and changes at the time of each entry
after `start_ns`, every day (UTC). SET_SESSION changes the session, also to the state that it has; it looks at
session_state, expire_time_ns, time_ns, account and serial only, and is REJECTED, by the first check that fails:

1. INVALID_TERMS: session_state is none of the enum, or UNSPECIFIED; an expire_time_ns below 0, or with another state than
   HALTED, OPENING_AUCTION, CLOSING_AUCTION.
2. EXPIRED: the expire_time_ns is not after the command's time.

Where a command gave an end (expire_time_ns), or where a price band halted the market, the state ends by itself: HALTED in
an OPENING_AUCTION, which ends `instrument.auction_ns` later; OPENING_AUCTION in CONTINUOUS; CLOSING_AUCTION in CLOSED. An
end is no earlier than 1 and no later than the last int64. Any change before it takes the end away.

What is due by itself is done before the first command of its time or later, and at the end of a window that lasts beyond
it: by time, at equal times expiries first, then an entry of `sessions`, then an end. So where an entry and an end fall
together the end is gone; and a halt that lasts no time ends before the next command.

Each change has a SESSION_CHANGED row with the new state: order_id, side and leaves 0; price and quantity those of the
uncrossing that it made, or 0. Of a command the reason is REQUESTED, with its account and serial; of an entry or an end
SCHEDULED, at the time that it was due; of a band PRICE_BAND. The row comes after all rows of the uncrossing. After it come
the quote and, in CONTINUOUS, the stops whose turn it is. Outside CONTINUOUS both sizes of the quote are 0, with the prices
that were quoted last; depth is the true book, crossed or not. The session's volume is what traded since the session was
last CLOSED, or since the start: it begins anew when that ends, so that after the close it is the whole day's.
"""

from typing import Final

from marksim.core.book.rules import LAST_NS, NS_PER_DAY, Rules
from marksim.core.types import SessionState

COLLECTING: Final = (SessionState.PRE_OPEN, SessionState.OPENING_AUCTION, SessionState.CLOSING_AUCTION)
SHUT: Final = (SessionState.HALTED, SessionState.CLOSED)
BEFORE_THE_OPEN: Final = (SessionState.PRE_OPEN, SessionState.OPENING_AUCTION)
AFTER: Final = {
    SessionState.HALTED: SessionState.OPENING_AUCTION,
    SessionState.OPENING_AUCTION: SessionState.CONTINUOUS,
    SessionState.CLOSING_AUCTION: SessionState.CLOSED,
}
"""What each state that may have an end ends in."""


class Sessions:
    """State, end, volume, and the changes of the day to come."""

    def __init__(self, rules: Rules, start_ns: int) -> None:
        self.state = SessionState.CONTINUOUS
        self.end_ns = 0
        """When the state ends by itself; 0 where it does not."""
        self.volume = 0
        self._rules = rules
        self._next = 0
        """Which entry comes next, counted from the first of the first day of all."""
        if rules.sessions:
            day, time_of_day = divmod(start_ns, NS_PER_DAY)
            begun = sum(at_ns <= time_of_day for at_ns, _ in rules.sessions)
            self._next = day * len(rules.sessions) + begun
            self.state = self._entry(self._next - 1)[1]

    @property
    def scheduled_ns(self) -> int:
        """When the next entry of the instrument's sessions comes; 0 where none does."""
        at_ns = self._entry(self._next)[0] if self._rules.sessions else 0
        return at_ns if at_ns <= LAST_NS else 0

    @property
    def due_ns(self) -> int | None:
        """When the state next changes by itself."""
        return min((at_ns for at_ns in (self.scheduled_ns, self.end_ns) if at_ns), default=None)

    def take_due(self) -> tuple[SessionState, int]:
        """The state that comes next by itself, and when that will end by itself (0: it does not)."""
        due_ns = self.due_ns
        if due_ns == self.scheduled_ns:
            self._next += 1
            return self._entry(self._next - 1)[1], 0
        after = AFTER[self.state]
        return after, end_after(self.end_ns, self._rules.auction_ns) if self.state == SessionState.HALTED else 0

    def leave_for(self, state: SessionState) -> None:
        """The present state ends: behind the close the volume begins anew."""
        if self.state == SessionState.CLOSED and state != SessionState.CLOSED:
            self.volume = 0

    def change(self, state: SessionState, end_ns: int) -> None:
        """Be in another state, or anew in the same."""
        self.state, self.end_ns = state, end_ns

    def _entry(self, number: int) -> tuple[int, SessionState]:
        day, index = divmod(number, len(self._rules.sessions))
        time_of_day, state = self._rules.sessions[index]
        return day * NS_PER_DAY + time_of_day, state


def end_after(time_ns: int, lasts_ns: int) -> int:
    """When a state ends that begins at a time and lasts so long."""
    return max(1, min(time_ns + lasts_ns, LAST_NS))


def uncrosses(before: SessionState, after: SessionState) -> bool:
    """Whether the crossed orders trade when the session changes so."""
    if after == SessionState.CONTINUOUS:
        return before != SessionState.CONTINUOUS
    return (before, after) == (SessionState.CLOSING_AUCTION, SessionState.CLOSED)


def may_have_end(state: int) -> bool:
    """Whether a state may be told when to end."""
    return state in AFTER
