"""What the session lets an agent do, by a tick that has reached it: it learns of a change by its feed latency."""

from typing import Final

from marksim.core.types import SessionState, Tick

_CONTINUOUS: Final = SessionState.CONTINUOUS
_NO_ORDERS: Final = (SessionState.HALTED, SessionState.CLOSED)


def is_trading(tick: Tick) -> bool:
    """Whether orders trade as they come; elsewhere market and immediate orders are refused."""
    return tick.session_state == _CONTINUOUS


def takes_orders(tick: Tick) -> bool:
    """Whether orders that may rest are taken, be it to trade or to be collected."""
    return tick.session_state not in _NO_ORDERS
