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
    pacer.set_factor(1.0, 101.0, 10 * S)
    assert pacer.delay_s(101.0, 11 * S) == 1.0


def test_max_never_waits_and_never_lags() -> None:
    """Without a factor every window is due."""
    pacer = Pacer(None)
    pacer.restart(100.0, 0)
    assert pacer.delay_s(0.0, 10**18) == 0.0
    assert pacer.lag_s == 0.0
