"""What the session lets an agent do, as far as the agent knows: it learns of a change by its feed latency."""

from typing import Final

from marksim.core.agents.market import Market
from marksim.core.types import SessionState

_NO_ORDERS: Final = (SessionState.HALTED, SessionState.CLOSED)


def is_trading(market: Market) -> bool:
    """Whether orders trade as they come; elsewhere market and immediate orders are refused."""
    return market.tick.session_state == SessionState.CONTINUOUS


def takes_orders(market: Market) -> bool:
    """Whether orders that may rest are taken, be it to trade or to be collected."""
    return market.tick.session_state not in _NO_ORDERS
