"""Constants of `core/types.py`, and of the populations' own, as the plain numbers that compiled code knows."""

from typing import Any, Final

from marksim.core.book import words
from marksim.core.book.words import int64
from marksim.core.types import NS_PER_S, ExecutionKind, OrderType, SessionState, Side, TimeInForce

Crowd = Any
"""The handle of one symbol's populations (memory.py)."""

Population = Any
"""One record of POPULATION, by reference."""

Trader = Any
"""Index of a trader in the array of all of the symbol."""

BUY: Any = int64(Side.BUY)
SELL: Any = int64(Side.SELL)
LIMIT: Any = int64(OrderType.LIMIT)
MARKET: Any = int64(OrderType.MARKET)
STOP: Any = int64(OrderType.STOP)
GTC: Any = int64(TimeInForce.GTC)
IOC: Any = int64(TimeInForce.IOC)
GTD: Any = int64(TimeInForce.GTD)
CONTINUOUS: Any = int64(SessionState.CONTINUOUS)
HALTED: Any = int64(SessionState.HALTED)
CLOSED: Any = int64(SessionState.CLOSED)
TRADED: Any = int64(ExecutionKind.TRADED)
ACCEPTED: Any = int64(ExecutionKind.ACCEPTED)
SECOND: Final = float(NS_PER_S)
FAR_NS: Final = 2.0**61
"""A wait is at most so long, or it would leave the whole numbers."""
NEVER: Any = words.NEVER
"""A time that does not come."""
