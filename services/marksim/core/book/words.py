"""Types and constants of the compiled book: what `types.py` calls a thing, as the plain number that compiled code knows."""

from typing import Any, NamedTuple

import numpy as np
from numba.cpython.unsafe import numbers
from numpy.typing import NDArray

from marksim.core.book.compiled import INTERPRETED
from marksim.core.types import (
    CommandKind,
    ExecutionKind,
    OrderType,
    PostOnly,
    Reason,
    SelfTradePrevention,
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
    """The memory of one book (see state.py) as compiled functions hand it to each other."""

    state: Row
    """The one record of the counters."""
    orders: Table
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
Names = NDArray[np.int32]

BUY, SELL = int(Side.BUY), int(Side.SELL)
NEW, CANCEL = int(CommandKind.NEW), int(CommandKind.CANCEL)
AMEND, MASS_CANCEL = int(CommandKind.AMEND), int(CommandKind.MASS_CANCEL)
LIMIT, MARKET = int(OrderType.LIMIT), int(OrderType.MARKET)
STOP, STOP_LIMIT = int(OrderType.STOP), int(OrderType.STOP_LIMIT)
QUOTE = int(StopTrigger.QUOTE)
GTC, IOC, FOK = int(TimeInForce.GTC), int(TimeInForce.IOC), int(TimeInForce.FOK)
GTD, AT_THE_OPEN = int(TimeInForce.GTD), int(TimeInForce.AT_THE_OPEN)
SLIDE = int(PostOnly.SLIDE)
CANCEL_NEWEST, CANCEL_OLDEST = int(SelfTradePrevention.CANCEL_NEWEST), int(SelfTradePrevention.CANCEL_OLDEST)
CANCEL_BOTH, DECREMENT = int(SelfTradePrevention.CANCEL_BOTH), int(SelfTradePrevention.DECREMENT)
ACCEPTED, REJECTED = int(ExecutionKind.ACCEPTED), int(ExecutionKind.REJECTED)
TRADED, CANCELLED = int(ExecutionKind.TRADED), int(ExecutionKind.CANCELLED)
TRIGGERED = int(ExecutionKind.TRIGGERED)
EXPIRED, REFILLED = int(ExecutionKind.EXPIRED), int(ExecutionKind.REFILLED)
AMENDED, CANCEL_REJECTED = int(ExecutionKind.AMENDED), int(ExecutionKind.CANCEL_REJECTED)
UNSPECIFIED, REQUESTED, UNKNOWN_ORDER = int(Reason.UNSPECIFIED), int(Reason.REQUESTED), int(Reason.UNKNOWN_ORDER)
IOC_REMAINDER, NO_LIQUIDITY = int(Reason.IOC_REMAINDER), int(Reason.NO_LIQUIDITY)
UNSUPPORTED, INVALID_SIDE = int(Reason.UNSUPPORTED), int(Reason.INVALID_SIDE)
INVALID_QUANTITY, INVALID_PRICE = int(Reason.INVALID_QUANTITY), int(Reason.INVALID_PRICE)
PRICE_BAND, BELOW_MIN_NOTIONAL = int(Reason.PRICE_BAND), int(Reason.BELOW_MIN_NOTIONAL)
DUPLICATE_ORDER_ID, BOOK_FULL = int(Reason.DUPLICATE_ORDER_ID), int(Reason.BOOK_FULL)
HAS_EXPIRED = int(Reason.EXPIRED)
INVALID_TERMS, MIN_QUANTITY = int(Reason.INVALID_TERMS), int(Reason.MIN_QUANTITY)
FOK_NOT_FILLED, WOULD_TAKE, SELF_TRADE = int(Reason.FOK_NOT_FILLED), int(Reason.WOULD_TAKE), int(Reason.SELF_TRADE)

# To mypy these have types that only compiled code could meet.
int64: Any = np.int64
leading_zeros: Any = numbers.leading_zeros
trailing_zeros: Any = numbers.trailing_zeros

if INTERPRETED:
    # Those exist in compiled code alone; no caller asks of a word of zeros.
    leading_zeros = lambda bits: 64 - int(bits).bit_length()  # noqa: E731
    trailing_zeros = lambda bits: (int(bits) & -int(bits)).bit_length() - 1  # noqa: E731

WORD = np.uint64(63)
ONE = np.uint64(1)
ZERO = np.uint64(0)
