"""The order of events."""

from collections.abc import Callable

import pytest

from marksim.core.sim.scheduler import Priority, Scheduler


class Doing:
    """An entry that calls a function; dead once it was given up."""

    def __init__(self, action: Callable[[], object]) -> None:
        self.dead = False
        self._action = action

    def fire(self) -> None:
        if not self.dead:
            self._action()


def noting(seen: list[object], what: str) -> Doing:
    return Doing(lambda: seen.append(what))


def test_events_run_by_time_then_priority_then_the_order_in_which_they_were_made() -> None:
    """Equal times keep deliveries before timers, and equal priorities their order of creation."""
    scheduler = Scheduler(0)
    seen: list[object] = []
    scheduler.at(20, Priority.TIMER, noting(seen, "late"))
    scheduler.at(10, Priority.TIMER, noting(seen, "first timer"))
    scheduler.at(10, Priority.TIMER, noting(seen, "second timer"))
    scheduler.at(10, Priority.DELIVERY, noting(seen, "delivery"))
    scheduler.run_until(21)
    assert seen == ["delivery", "first timer", "second timer", "late"]


def test_an_event_at_the_end_belongs_to_the_next_window() -> None:
    """run_until is exclusive, and leaves the clock at its end."""
    scheduler = Scheduler(0)
    seen: list[object] = []
    scheduler.at(10, Priority.TIMER, noting(seen, "x"))
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
        Doing(lambda: scheduler.at(6, Priority.TIMER, noting(seen, "child"))),
    )
    scheduler.run_until(10)
    assert seen == ["child"]


def test_the_past_is_refused() -> None:
    """Simulated time never goes back."""
    scheduler = Scheduler(100)
    with pytest.raises(ValueError, match="1 ns in the past"):
        scheduler.at(99, Priority.TIMER, Doing(print))


def test_entries_that_were_given_up_are_thrown_out_once_they_are_most() -> None:
    """So that one who makes and gives up timers for ever has a heap of bounded size; the order of the others stays."""
    scheduler = Scheduler(0)
    seen: list[object] = []
    for number in range(50_000):
        timer = noting(seen, "never")
        scheduler.at(1_000 + number, Priority.TIMER, timer)
        timer.dead = True
        scheduler.died()
        if number % 10_000 == 0:
            scheduler.at(60_000 - number, Priority.TIMER, noting(seen, str(number)))
    assert len(scheduler) < 3_000
    scheduler.run_until(100_000)
    assert seen == ["40000", "30000", "20000", "10000", "0"]
