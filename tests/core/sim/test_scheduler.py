"""The order of events."""

import pytest

from marksim.core.sim.scheduler import Priority, Scheduler


def test_events_run_by_time_then_priority_then_the_order_in_which_they_were_made() -> None:
    """Equal times keep deliveries before timers, and equal priorities their order of creation."""
    scheduler = Scheduler(0)
    seen: list[object] = []
    scheduler.at(20, Priority.TIMER, seen.append, "late")
    scheduler.at(10, Priority.TIMER, seen.append, "first timer")
    scheduler.at(10, Priority.TIMER, seen.append, "second timer")
    scheduler.at(10, Priority.DELIVERY, seen.append, "delivery")
    scheduler.run_until(21)
    assert seen == ["delivery", "first timer", "second timer", "late"]


def test_an_event_at_the_end_belongs_to_the_next_window() -> None:
    """run_until is exclusive, and leaves the clock at its end."""
    scheduler = Scheduler(0)
    seen: list[object] = []
    scheduler.at(10, Priority.TIMER, seen.append, "x")
    scheduler.run_until(10)
    assert (seen, scheduler.now_ns) == ([], 10)
    scheduler.run_until(11)
    assert seen == ["x"]


def test_events_made_meanwhile_run_if_they_are_due() -> None:
    """An event may make another one inside the same span."""
    scheduler = Scheduler(0)
    seen: list[object] = []
    scheduler.at(
        5,
        Priority.TIMER,
        lambda _: scheduler.at(6, Priority.TIMER, seen.append, "child"),
    )
    scheduler.run_until(10)
    assert seen == ["child"]


def test_the_past_is_refused() -> None:
    """Simulated time never goes back."""
    scheduler = Scheduler(100)
    with pytest.raises(ValueError, match="1 ns in the past"):
        scheduler.at(99, Priority.TIMER, print)
