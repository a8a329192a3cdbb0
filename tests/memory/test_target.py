"""What polls of one service add up to."""

from marksim.memory.target import Target
from marksim.v1 import telemetry_pb2


def answer(instance: str, start_time_ns: int) -> telemetry_pb2.GetMemoryResponse:
    return telemetry_pb2.GetMemoryResponse(instance=instance, start_time_ns=start_time_ns)


def test_another_start_time_is_a_restart() -> None:
    """The first answer is none, the same process is none, an absence between does not hide one."""
    target = Target("edge", "localhost:1")
    assert not target.answered(answer("a", 1), 1.0)
    assert not target.answered(answer("a", 1), 2.0)
    target.failed("away", 3.0)
    assert target.answered(answer("b", 2), 4.0)
    assert (target.restarts, target.polls, target.failures) == (1, 4, 1)


def test_a_service_that_fell_silent_keeps_no_old_values() -> None:
    """Down means no memory, and why."""
    target = Target("edge", "localhost:1")
    target.answered(answer("a", 1), 1.0)
    target.failed("UNAVAILABLE", 2.0)
    assert (target.up, target.memory, target.error) == (False, None, "UNAVAILABLE")
    assert (target.polled_at_s, target.answered_at_s) == (2.0, 1.0)
