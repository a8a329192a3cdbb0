"""Gaps, repeats, late ticks and new runs."""

from marksim.dashboard.continuity import Continuity, GapCounts, Verdict
from marksim.dashboard.frames import FeedTick, parse_frame
from tests.dashboard.fake_feed import START_US, text


def tick(seq: int | None, prev_seq: int | None = None, time_us: int | None = None, epoch: str | None = "run-a") -> FeedTick:
    """A tick at 50 ms a number; its predecessor is the number before unless said otherwise."""
    previous = prev_seq if prev_seq is not None or seq is None else seq - 1
    moment = START_US + 50_000 * (seq or 0) if time_us is None else time_us
    return parse_frame(text(seq=seq, prev_seq=previous, timestamp=moment, epoch=epoch))


def judge(ticks: list[FeedTick], reconnect_before: int | None = None) -> tuple[list[Verdict], GapCounts]:
    """The verdicts on these ticks, with a new connection before the one at that index."""
    continuity, counts, verdicts = Continuity(), GapCounts(), []
    for index, one in enumerate(ticks):
        if index == reconnect_before:
            continuity.begin_connection()
        verdicts.append(continuity.judge(one, counts))
    return verdicts, counts


def test_ticks_that_follow_each_other_leave_no_gap() -> None:
    """The first begins a span and the others follow."""
    verdicts, counts = judge([tick(1), tick(2), tick(3)])
    assert verdicts == [Verdict.RESUMED, Verdict.NEXT, Verdict.NEXT]
    assert counts == GapCounts()


def test_a_conflated_tick_is_counted_by_its_prev_seq() -> None:
    """Numbers that the server skipped for this reader count as conflated, not as lost."""
    verdicts, counts = judge([tick(1), tick(5, prev_seq=1)])
    assert verdicts[-1] is Verdict.NEXT
    assert counts == GapCounts(conflated=3)


def test_a_tick_that_was_sent_and_never_came_is_lost() -> None:
    """The server says that it sent 3, and 3 is not here."""
    _, counts = judge([tick(1), tick(4, prev_seq=3)])
    assert counts == GapCounts(lost=2)


def test_a_reconnect_counts_what_was_made_meanwhile() -> None:
    """Between two connections ticks are missed, whatever prev_seq says."""
    verdicts, counts = judge([tick(1), tick(10, prev_seq=0)], reconnect_before=1)
    assert verdicts[-1] is Verdict.RESUMED
    assert counts == GapCounts(missed=8)


def test_a_reconnect_without_a_tick_meanwhile_is_no_gap() -> None:
    """The first tick of the new connection is the very next one: nothing lies between."""
    verdicts, counts = judge([tick(1), tick(2, prev_seq=0)], reconnect_before=1)
    assert verdicts[-1] is Verdict.NEXT
    assert counts == GapCounts()


def test_the_newest_tick_again_is_dropped_as_a_repeat() -> None:
    """A server greets a new connection with each symbol's last tick, which is known already."""
    verdicts, counts = judge([tick(4), tick(4)], reconnect_before=1)
    assert verdicts[-1] is Verdict.DROP
    assert counts == GapCounts(repeated=1)


def test_an_older_number_is_late() -> None:
    """Out of order by number: dropped and counted, and the next one still follows."""
    verdicts, counts = judge([tick(5), tick(3), tick(6)])
    assert verdicts[1:] == [Verdict.DROP, Verdict.NEXT]
    assert counts == GapCounts(late=1)


def test_an_older_time_is_late() -> None:
    """Out of order by simulated time is late even with a higher number."""
    verdicts, counts = judge([tick(5), tick(6, time_us=START_US)])
    assert verdicts[1] is Verdict.DROP
    assert counts.late == 1


def test_another_epoch_is_a_new_run() -> None:
    """A new run may go back in time and number, and is no gap."""
    verdicts, counts = judge([tick(500), tick(1, epoch="run-b")], reconnect_before=1)
    assert verdicts[-1] is Verdict.NEW_RUN
    assert counts == GapCounts()


def test_without_epochs_time_going_back_on_a_new_connection_is_a_new_run() -> None:
    """A server that names no run still cannot leave the page stuck on the old one."""
    older = tick(None, epoch=None, time_us=START_US)
    newer = tick(None, epoch=None, time_us=START_US + 1)
    assert judge([newer, older], reconnect_before=1)[0][-1] is Verdict.NEW_RUN
    assert judge([newer, older])[0][-1] is Verdict.DROP
