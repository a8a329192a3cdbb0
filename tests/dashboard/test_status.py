"""The feed's state in words and rates."""

import pytest

from marksim.dashboard.status import FeedStatus, Rate
from tests.dashboard.clock import Clock


def test_a_rate_is_over_the_last_two_seconds() -> None:
    """Two hundred a second for three seconds read as two hundred, and as nothing two seconds after the last."""
    clock = Clock()
    rate = Rate(clock)
    for step in range(600):
        clock.now = 1_000.0 + step / 200
        rate.add()
    assert rate.per_second() == pytest.approx(200, rel=0.02)
    clock.now += 2.5
    assert rate.per_second() == 0


def test_a_rate_survives_a_clock_that_jumps_far() -> None:
    """A laptop that slept for a day costs no walk through every slot of the day."""
    clock = Clock()
    rate = Rate(clock)
    rate.add()
    clock.now += 1e9
    rate.add()
    assert rate.per_second() == 0


def test_the_state_follows_the_connection() -> None:
    """connecting, live with ticks, quiet without, away when it is gone."""
    clock = Clock()
    status = FeedStatus("ws://x", clock)
    assert status.state() == "connecting"
    status.opened()
    status.saw_tick(None)
    assert (status.state(), status.sentence()) == ("live", "Receiving from ws://x.")
    clock.now += 4
    assert status.state() == "quiet"
    assert "no tick for 4 s" in status.sentence()
    status.closed("It broke.", retry_in_s=2.0)
    assert (status.state(), status.sentence()) == ("away", "It broke. Next attempt in 2 s.")
    clock.now += 2
    assert status.sentence() == "It broke. Trying again now."


def test_a_quiet_feed_names_the_sessions_that_do_not_trade() -> None:
    """A closed market looks like one that is paused: the sentence tells them apart, and stays short."""
    clock = Clock()
    status = FeedStatus("ws://x", clock)
    status.opened()
    clock.now += 4
    status.sessions["BTC/USD"] = "CONTINUOUS"
    assert status.sentence().endswith("The market may be paused or still starting.")
    status.sessions["ETH/USD"] = "HALTED"
    assert status.sentence().endswith("no tick for 4 s. ETH/USD is HALTED.")
    status.sessions |= {f"A{number}/USD": "CLOSED" for number in range(4)}
    assert status.sentence().endswith("A0/USD is CLOSED, A1/USD is CLOSED, A2/USD is CLOSED and 2 more do not trade.")


def test_a_connection_is_not_quiet_for_the_silence_before_it() -> None:
    """The silence counts from the opening, not from the last tick of the connection before."""
    clock = Clock()
    status = FeedStatus("ws://x", clock)
    status.opened()
    status.saw_tick(None)
    clock.now += 60
    status.opened()
    assert status.state() == "live"


def test_lag_is_smoothed_and_forgotten_with_the_connection() -> None:
    """One slow tick moves the figure a little; without a connection there is no lag to tell."""
    status = FeedStatus("ws://x", Clock())
    status.saw_tick(10.0)
    status.saw_tick(110.0)
    assert status.lag_ms == pytest.approx(15.0)
    status.closed("gone.", 1.0)
    assert status.lag_ms is None
