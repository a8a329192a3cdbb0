"""What a remote agent or bot imports: one account on a market over gRPC, waiting (`Client`) or async (`AsyncClient`)."""

from marksim.client.aio import AsyncClient
from marksim.client.apump import AsyncStream
from marksim.client.blocking import Client
from marksim.client.control import AsyncControl, Control
from marksim.client.cursors import Execution, ExecutionEvent, FeedEvent, Gap, NewRun, Place
from marksim.client.errors import Denied, Full, MarketError, NotNow, Refused, TimedOut, Unavailable, Unknown
from marksim.client.pump import Stream
from marksim.client.session import OrderName, Terms
from marksim.client.units import Number
from marksim.client.values import Book, Fill, Instrument, Level, Order, Position, Status, Tick, Trade
from marksim.core.types import (
    ExecutionKind,
    Liquidity,
    OrderStatus,
    OrderType,
    PostOnly,
    Reason,
    SelfTradePrevention,
    SessionState,
    Side,
    TimeInForce,
)

__all__ = [
    "AsyncClient",
    "AsyncControl",
    "AsyncStream",
    "Book",
    "Client",
    "Control",
    "Denied",
    "Execution",
    "ExecutionEvent",
    "ExecutionKind",
    "FeedEvent",
    "Fill",
    "Full",
    "Gap",
    "Instrument",
    "Level",
    "Liquidity",
    "MarketError",
    "NewRun",
    "NotNow",
    "Number",
    "Order",
    "OrderName",
    "OrderStatus",
    "OrderType",
    "Place",
    "Position",
    "PostOnly",
    "Reason",
    "Refused",
    "SelfTradePrevention",
    "SessionState",
    "Side",
    "Status",
    "Stream",
    "Terms",
    "Tick",
    "TimeInForce",
    "TimedOut",
    "Trade",
    "Unavailable",
    "Unknown",
]
