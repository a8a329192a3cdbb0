"""The life of an order: which event takes it from which status to which. docs/orders.md is drawn from this table."""

from dataclasses import dataclass
from typing import Final

from marksim.core.types import ExecutionKind, OrderStatus


@dataclass(frozen=True, slots=True)
class Step:
    """One transition. `left`: something is left of the order after it. `waits`: it is a stop that is to wait, or does."""

    before: OrderStatus
    event: ExecutionKind
    left: bool
    after: OrderStatus
    waits: bool = False


_PENDING, _OPEN, _PART = OrderStatus.PENDING, OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED
_K = ExecutionKind

STEPS: Final = (
    Step(_PENDING, _K.ACCEPTED, True, _OPEN),
    Step(_PENDING, _K.REJECTED, False, OrderStatus.REJECTED),
    # A stop is accepted and waits on, and may be changed or end as one that rests may.
    Step(_PENDING, _K.ACCEPTED, True, _PENDING, waits=True),
    Step(_PENDING, _K.TRIGGERED, True, _OPEN, waits=True),
    Step(_PENDING, _K.AMENDED, True, _PENDING, waits=True),
    Step(_PENDING, _K.CANCELLED, False, OrderStatus.CANCELLED, waits=True),
    Step(_PENDING, _K.EXPIRED, False, OrderStatus.EXPIRED, waits=True),
    *(
        Step(before, event, left, after)
        for before in (_OPEN, _PART)
        for event, left, after in (
            (_K.TRADED, True, _PART),
            (_K.TRADED, False, OrderStatus.FILLED),
            (_K.AMENDED, True, before),
            (_K.REFILLED, True, before),
            # Self-trade prevention took a part off.
            (_K.CANCELLED, True, before),
            (_K.CANCELLED, False, OrderStatus.CANCELLED),
            (_K.EXPIRED, False, OrderStatus.EXPIRED),
        )
    ),
)

_AFTER: Final = {(step.before, step.event, step.left, step.waits): step.after for step in STEPS}


def next_status(status: OrderStatus, event: ExecutionKind, left: bool, waits: bool = False) -> OrderStatus:
    """The status after an event of the order's own; raises KeyError for one that cannot happen then.

    A refused change (CANCEL_REJECTED) is no event of the order: it stays as it is. Nor is a change of the session.
    """
    return _AFTER[status, event, left, waits]
