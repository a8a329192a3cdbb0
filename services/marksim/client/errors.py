"""What goes wrong with a call, as exceptions: each has the code, a reason to match on and the facts that the market gave."""

from collections.abc import Mapping
from typing import Any, Final

import grpc

from marksim.runtime.channel import error_info


class MarketError(Exception):
    """A call failed. `reason` is upper case, such as MARKET_PAUSED, or empty; `metadata` has its facts.

    `client_order_id` names the order that the call was about, if any: with it the order can be asked for, or sent again.
    """

    def __init__(
        self, message: str, code: grpc.StatusCode, reason: str = "", metadata: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{reason or code.name}: {message}")
        self.message = message
        self.code = code
        self.reason = reason
        self.metadata = dict(metadata or {})
        self.client_order_id = ""


class Refused(MarketError, ValueError):
    """A field holds what it may not; the message names it and the fix, `metadata["field"]` its name."""


class Unknown(MarketError, LookupError):
    """What the call names does not exist, or not any more."""


class NotNow(MarketError):
    """The call is sound, but the present state forbids it: MARKET_PAUSED, ORDER_CLOSED, AMEND_REJECTED."""


class Unavailable(MarketError, ConnectionError):
    """The market, or the engine behind it (ENGINE_AWAY), is away. An order may be sent again by its client order id."""


class TimedOut(MarketError, TimeoutError):
    """No answer in time. Whether an order reached the book is open: ask for it, or send it again, by its client order id."""


class Full(MarketError):
    """A stated bound of the market is reached: QUEUE_FULL, TOO_MANY_ORDERS."""


class Denied(MarketError, PermissionError):
    """This caller may not do that."""


_CLASSES: Final[dict[grpc.StatusCode, type[MarketError]]] = {
    grpc.StatusCode.INVALID_ARGUMENT: Refused,
    grpc.StatusCode.NOT_FOUND: Unknown,
    grpc.StatusCode.FAILED_PRECONDITION: NotNow,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: TimedOut,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Full,
    grpc.StatusCode.PERMISSION_DENIED: Denied,
    grpc.StatusCode.UNAUTHENTICATED: Denied,
}

PASSING: Final = frozenset(
    {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN}
)
"""How a stream ends whose book restarts or whose connection breaks: it is opened again."""


def market_error(error: grpc.RpcError, client_order_id: str = "") -> MarketError:
    """The failed call's error as one of these."""
    failed: Any = error
    code: grpc.StatusCode = failed.code()
    info = error_info(error)
    reason, metadata = (info.reason, dict(info.metadata)) if info else ("", {})
    raised = _CLASSES.get(code, MarketError)(failed.details() or "no details", code, reason, metadata)
    raised.client_order_id = client_order_id
    return raised


def passes(error: Exception) -> bool:
    """Whether a stream that ends with this is worth opening again."""
    return isinstance(error, MarketError) and (error.code in PASSING or isinstance(error, TimedOut))


def ended() -> Unavailable:
    """A stream that has no end by itself had one: its order book shut down."""
    return Unavailable("the order book has ended the stream", grpc.StatusCode.UNAVAILABLE)
