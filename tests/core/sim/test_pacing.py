"""Simulated time against wall time, with wall time given by the test."""

from marksim.core.sim.pacing import Pacer

S = 1_000_000_000


def test_ten_simulated_seconds_take_one_wall_second_at_factor_ten() -> None:
    """The delay is what is left of the wall time that belongs to the simulated one."""
    pacer = Pacer(10.0)
    pacer.restart(wall_s=100.0, sim_ns=0)
    assert pacer.delay_s(100.25, 10 * S) == 0.75


def test_small_lag_is_caught_up_and_shown() -> None:
    """Less than a second late: no wait, and the anchor stays."""
    pacer = Pacer(10.0)
    pacer.restart(100.0, 0)
    assert pacer.delay_s(101.5, 10 * S) == 0.0
    assert pacer.lag_s == 0.5
    assert pacer.delay_s(101.5, 20 * S) == 0.5


def test_a_slip_of_over_a_second_is_dropped_and_counted() -> None:
    """After a sleep of the laptop the market goes on at its speed, with no burst."""
    pacer = Pacer(10.0)
    pacer.restart(100.0, 0)
    assert pacer.delay_s(161.0, 10 * S) == 0.0
    assert (pacer.slips, pacer.slipped_s) == (1, 60.0)
    assert pacer.delay_s(161.0, 20 * S) == 1.0


def test_a_change_of_speed_makes_no_jump() -> None:
    """From the moment of the change on, time runs at the new factor."""
    pacer = Pacer(10.0)
    pacer.restart(100.0, 0)
    pacer.set_factor(1.0, 101.0, 10 * S, 11 * S)
    assert pacer.delay_s(101.0, 11 * S) == 1.0


def test_max_never_waits_and_never_lags() -> None:
    """Without a factor every window is due."""
    pacer = Pacer(None)
    pacer.restart(100.0, 0)
    assert pacer.delay_s(0.0, 10**18) == 0.0
    assert pacer.lag_s == 0.0


def test_changes_of_speed_cost_no_time() -> None:
    """Each counts what was waited for the next window, so a thousand of them do not hold it up."""
    pacer = Pacer(0.001)
    pacer.restart(100.0, 0)
    for second in range(1, 1_000):
        pacer.set_factor(0.001, 100.0 + second, 0, S)
    assert round(pacer.delay_s(1_099.0, S), 6) == 1.0


def test_a_change_of_speed_forgets_what_was_late() -> None:
    """Simulated time does not jump past the end of the window that comes next."""
    pacer = Pacer(10.0)
    pacer.restart(100.0, 0)
    pacer.set_factor(1.0, 100.9, 0, S)
    assert pacer.delay_s(100.9, S) == 0.0
    assert pacer.delay_s(100.9, 2 * S) == 1.0


def test_from_max_to_a_factor_time_goes_on_from_what_is_done() -> None:
    """As fast as possible has no pace that could be behind or ahead."""
    pacer = Pacer(None)
    pacer.restart(100.0, 0)
    pacer.set_factor(2.0, 101.0, 60 * S, 61 * S)
    assert pacer.delay_s(101.0, 61 * S) == 0.5
