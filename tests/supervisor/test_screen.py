"""What the user sees, on a terminal and elsewhere."""

import io

import pytest
from rich.console import Console

from marksim.supervisor.screen import Screen
from marksim.supervisor.status import Reading, starting_line, status_line
from marksim.v1 import engine_pb2

SECOND_NS = 1_000_000_000
STATUS = engine_pb2.EngineStatus(
    run="4a62c353-de5a",
    state=engine_pb2.CLOCK_STATE_RUNNING,
    simulated_time_ns=1_736_121_646 * SECOND_NS,
    measured_speed=9.96,
)


def test_status_is_a_line_each_ten_seconds() -> None:
    """Where the output is no terminal the status is printed at once, then every 10 s."""
    now = 0.0
    output = io.StringIO()
    with Screen(Console(file=output), clock=lambda: now) as screen:
        for second in range(25):
            now = float(second)
            screen.status(f"at {second}")
    assert output.getvalue().split("\n") == ["at 0", "at 10", "at 20", ""]


def test_status_refreshes_on_a_terminal() -> None:
    """On a terminal the last status is gone when the screen is left, and lines stay."""
    output = io.StringIO()
    with Screen(Console(file=output, force_terminal=True, width=80)) as screen:
        screen.status("first")
        screen.line("a line")
        screen.status("starting", busy=True)
    assert "a line" in output.getvalue()


def test_what_the_start_is_doing_fits_a_narrow_terminal() -> None:
    """On 80 columns the explanation may be cut off, but not what is being done."""
    output = io.StringIO()
    doing = "preparing kernels (kernel=book.apply_commands)"
    with Screen(Console(file=output, force_terminal=True, width=80, highlight=False, soft_wrap=True)) as screen:
        screen.status(starting_line(3_599, doing), busy=True)
    assert doing in output.getvalue()


def test_brackets_are_no_markup() -> None:
    """A log line with brackets is shown as it is."""
    output = io.StringIO()
    with Screen(Console(file=output)) as screen:
        screen.line("symbols=['BTC/USD'] [red]")
    assert output.getvalue() == "symbols=['BTC/USD'] [red]\n"


def test_status_line_tells_all() -> None:
    """The line has simulated time, speed, ticks a second, clients and memory."""
    line = status_line(Reading(STATUS, 3.0, 83.4, {"edge": 100_000_000, "engine": 150_000_000}))
    assert line == "run 4a62c353  2025-01-06 00:00:46 UTC  10.0x  83 ticks/s  3 clients  250 MB"


def test_status_line_names_sessions_without_trading() -> None:
    """What stands still for a reason says so, beside the clock."""
    line = status_line(Reading(STATUS, 3.0, 0.0, {}, {"BTC/USD": "HALTED", "ETH/USD": "CLOSED"}))
    assert "10.0x  BTC/USD HALTED  ETH/USD CLOSED  0 ticks/s" in line


def test_status_line_names_who_is_away() -> None:
    """What does not answer is named, and no figure is made up for it."""
    line = status_line(Reading(None, None, None, {"edge": 0, "engine": 1_000_000}))
    assert line == "engine away  - ticks/s  - clients  1 MB  no answer: edge"


def test_paused_clock_is_said() -> None:
    """A clock that does not run says its state and why."""
    waiting = engine_pb2.EngineStatus(state=engine_pb2.CLOCK_STATE_WAITING, message="the order book is away")
    assert "waiting: the order book is away" in status_line(Reading(waiting, 0.0, 0.0, {}))


def test_a_clock_that_cannot_keep_its_speed_says_how_late_it_is_and_why() -> None:
    """Lag from a tenth of a second on, and what is slow once that is known."""
    late = engine_pb2.EngineStatus()
    late.CopyFrom(STATUS)
    late.lag_seconds, late.running_until = 0.04, "a trade in BTC/USD"
    assert "10.0x  until a trade in BTC/USD  0 ticks/s" in status_line(Reading(late, 3.0, 0.0, {}))
    late.running_until = ""
    late.lag_seconds, late.bottleneck_message = 0.74, "the agents: their code takes 80% of the time"
    assert "10.0x  0.7 s late  slow: the agents: their code takes 80% of the time  0 ticks/s" in status_line(
        Reading(late, 3.0, 0.0, {})
    )


@pytest.mark.parametrize(
    ("state", "end_time_ns", "over"),
    [
        (engine_pb2.CLOCK_STATE_FINISHED, 1, True),
        (engine_pb2.CLOCK_STATE_FAILED, 1, True),
        (engine_pb2.CLOCK_STATE_RUNNING, 1, False),
        # Without an end a failed market stays, so that people can look at it.
        (engine_pb2.CLOCK_STATE_FAILED, 0, False),
    ],
)
def test_a_run_is_over_at_its_end_or_when_it_fails_before(
    state: engine_pb2.ClockState, end_time_ns: int, over: bool
) -> None:
    """Only where it was to end at all."""
    status = engine_pb2.EngineStatus(state=state, end_time_ns=end_time_ns)
    assert Reading(status, 0.0, 0.0, {}).over is over
