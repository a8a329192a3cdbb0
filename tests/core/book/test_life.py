"""The table of an order's life."""

import pytest

from marksim.core.book.life import STEPS, next_status
from marksim.core.types import ExecutionKind, OrderStatus

ENDS = {OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.REJECTED, OrderStatus.EXPIRED}


def test_no_event_has_two_outcomes() -> None:
    """Status and event say what comes next."""
    keys = [(step.before, step.event, step.left, step.waits) for step in STEPS]
    assert len(set(keys)) == len(keys)


def test_an_order_ends_exactly_where_nothing_is_left() -> None:
    """And nothing comes after an end."""
    assert all((step.after in ENDS) != step.left for step in STEPS)
    assert not ENDS & {step.before for step in STEPS}


def test_every_status_is_reached_and_every_event_of_an_order_used() -> None:
    """The table leaves none out but the refusal of a change and a change of the session, which are no events of an order."""
    reached, pending = {OrderStatus.PENDING}, list(STEPS)
    for _ in range(len(pending)):
        reached |= {step.after for step in pending if step.before in reached}
    assert reached == set(OrderStatus) - {OrderStatus.UNSPECIFIED}
    told = {step.event for step in STEPS}
    of_no_order = {ExecutionKind.UNSPECIFIED, ExecutionKind.CANCEL_REJECTED, ExecutionKind.SESSION_CHANGED}
    assert told == set(ExecutionKind) - of_no_order


def test_what_cannot_happen_is_an_error() -> None:
    """A filled order does not trade."""
    with pytest.raises(KeyError):
        next_status(OrderStatus.FILLED, ExecutionKind.TRADED, left=False)
