"""Types and constants of the compiled book: what `types.py` calls a thing, as the plain number that compiled code knows."""

from typing import Any, NamedTuple

import numpy as np
from numba.cpython.unsafe import numbers
from numpy.typing import NDArray

from marksim.core.book.compiled import INTERPRETED
from marksim.core.types import (
    BandAction,
    CommandKind,
    ExecutionKind,
    OrderType,
    PostOnly,
    Reason,
    SelfTradePrevention,
    SessionState,
    Side,
    StopTrigger,
    TimeInForce,
)

Row = Any
"""One record of an array, by reference."""

Index = Any
"""A level, slot or probe: int in Python, int64 in compiled code."""

Table = Any
"""An array of records; in compiled code their fields are attributes, which NumPy's own type does not know."""


class Book(NamedTuple):
    """The memory of one book (state.py) as functions hand it to each other; compiled ones have a type for it (handle.py)."""

    state: Row
    """The one record of the counters."""
    orders: Table
    terms: Table
    levels: Table
    bitmap: "Bitmap"
    names: "Names"
    expiries: Table
    buy_stops: Table
    sell_stops: Table
    executions: Table
    quotes: Table
    depth: Table


Bitmap = NDArray[np.uint64]
Names = NDArray[np.int64]

# Of types that only compiled code could meet, to mypy.
int64: Any = np.int64

# As int64, not as int: a function is compiled anew for each value of a literal that it is called with.
BUY, SELL = int64(Side.BUY), int64(Side.SELL)
NEW, CANCEL = int64(CommandKind.NEW), int64(CommandKind.CANCEL)
AMEND, MASS_CANCEL = int64(CommandKind.AMEND), int64(CommandKind.MASS_CANCEL)
SET_SESSION, OWNER_GONE = int64(CommandKind.SET_SESSION), int64(CommandKind.OWNER_GONE)
LIMIT, MARKET = int64(OrderType.LIMIT), int64(OrderType.MARKET)
STOP, STOP_LIMIT = int64(OrderType.STOP), int64(OrderType.STOP_LIMIT)
QUOTE = int64(StopTrigger.QUOTE)
HALT = int64(BandAction.HALT)
PRE_OPEN, OPENING_AUCTION = int64(SessionState.PRE_OPEN), int64(SessionState.OPENING_AUCTION)
CONTINUOUS, HALTED = int64(SessionState.CONTINUOUS), int64(SessionState.HALTED)
CLOSING_AUCTION, CLOSED = int64(SessionState.CLOSING_AUCTION), int64(SessionState.CLOSED)
GTC, IOC, FOK = int64(TimeInForce.GTC), int64(TimeInForce.IOC), int64(TimeInForce.FOK)
GTD, AT_THE_OPEN = int64(TimeInForce.GTD), int64(TimeInForce.AT_THE_OPEN)
SLIDE = int64(PostOnly.SLIDE)
CANCEL_NEWEST, CANCEL_OLDEST = int64(SelfTradePrevention.CANCEL_NEWEST), int64(SelfTradePrevention.CANCEL_OLDEST)
CANCEL_BOTH, DECREMENT = int64(SelfTradePrevention.CANCEL_BOTH), int64(SelfTradePrevention.DECREMENT)
ACCEPTED, REJECTED = int64(ExecutionKind.ACCEPTED), int64(ExecutionKind.REJECTED)
TRADED, CANCELLED = int64(ExecutionKind.TRADED), int64(ExecutionKind.CANCELLED)
TRIGGERED = int64(ExecutionKind.TRIGGERED)
EXPIRED, REFILLED = int64(ExecutionKind.EXPIRED), int64(ExecutionKind.REFILLED)
SESSION_CHANGED = int64(ExecutionKind.SESSION_CHANGED)
AMENDED, CANCEL_REJECTED = int64(ExecutionKind.AMENDED), int64(ExecutionKind.CANCEL_REJECTED)
UNSPECIFIED, REQUESTED, UNKNOWN_ORDER = int64(Reason.UNSPECIFIED), int64(Reason.REQUESTED), int64(Reason.UNKNOWN_ORDER)
IOC_REMAINDER, NO_LIQUIDITY = int64(Reason.IOC_REMAINDER), int64(Reason.NO_LIQUIDITY)
UNSUPPORTED, INVALID_SIDE = int64(Reason.UNSUPPORTED), int64(Reason.INVALID_SIDE)
INVALID_QUANTITY, INVALID_PRICE = int64(Reason.INVALID_QUANTITY), int64(Reason.INVALID_PRICE)
PRICE_BAND, BELOW_MIN_NOTIONAL = int64(Reason.PRICE_BAND), int64(Reason.BELOW_MIN_NOTIONAL)
DUPLICATE_ORDER_ID, BOOK_FULL = int64(Reason.DUPLICATE_ORDER_ID), int64(Reason.BOOK_FULL)
HAS_EXPIRED = int64(Reason.EXPIRED)
INVALID_TERMS, MIN_QUANTITY = int64(Reason.INVALID_TERMS), int64(Reason.MIN_QUANTITY)
FOK_NOT_FILLED, WOULD_TAKE, SELF_TRADE = int64(Reason.FOK_NOT_FILLED), int64(Reason.WOULD_TAKE), int64(Reason.SELF_TRADE)

MARKET_CLOSED, AUCTION_REMAINDER = int64(Reason.MARKET_CLOSED), int64(Reason.AUCTION_REMAINDER)
SCHEDULED, HAS_NO_OWNER = int64(Reason.SCHEDULED), int64(Reason.OWNER_GONE)

NO_LEVEL = int64(1 << 31)
"""The best level of an empty side: beyond every other."""
NEVER = int64((1 << 62) - 1)
"""A time that does not come."""
NONE = int64(0)
"""Where a function takes a number and there is none."""

# To mypy these have types that only compiled code could meet.
leading_zeros: Any = numbers.leading_zeros
trailing_zeros: Any = numbers.trailing_zeros

if INTERPRETED:
    # Those exist in compiled code alone; no caller asks of a word of zeros.
    leading_zeros = lambda bits: 64 - int(bits).bit_length()  # noqa: E731
    trailing_zeros = lambda bits: (int(bits) & -int(bits)).bit_length() - 1  # noqa: E731

WORD = np.uint64(63)
ONE = np.uint64(1)
ZERO = np.uint64(0)
