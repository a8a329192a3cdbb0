"""What happens to a market: halts and auctions, liquidity that leaves, news; and the value."""

from dataclasses import replace

import numpy as np
import pytest

from marksim.core.agents.spec import ValueSpec
from marksim.core.errors import InvalidInput
from marksim.core.populations.crowd import MOST_WITHDRAWALS
from marksim.core.types import ExecutionKind, SessionState
from tests.core.populations.floors import BTC, MS, START, Apart, Floor, S, crowd_of, of, population, session

MAKERS = population("market_maker", 40, interval_s=2.0)
PROVIDERS = population("liquidity_provider", 60, interval_s=10.0)
NOISE = population("noise", 40, interval_s=5.0)
VALUE = ValueSpec("BTC/USD", sd_ticks=4.0, jumps_per_s=0.2, jump_ticks=8.0)


def test_trading_goes_on_after_a_halt_and_an_auction() -> None:
    """Nothing trades in them but the auction itself, and after them it does as before."""
    crowd = crowd_of(MAKERS, NOISE)
    crowd.push(
        np.concatenate(
            [
                session(20, 1, SessionState.HALTED),
                session(25, 2, SessionState.OPENING_AUCTION),
                session(40, 3, SessionState.CONTINUOUS),
            ]
        )
    )
    events = Floor(crowd).run(60).tape("events")
    at_s = (events["time_ns"] - START) / S
    trades = at_s[events["kind"] == ExecutionKind.TRADED]
    accepted = at_s[events["kind"] == ExecutionKind.ACCEPTED]
    assert not ((trades > 20) & (trades < 40)).any()
    assert not ((accepted > 20) & (accepted < 25)).any()
    assert ((accepted > 26) & (accepted < 40)).sum() > 30
    assert (trades == 40).sum() > 0
    assert (trades > 41).sum() > 0.4 * (trades < 20).sum()


def test_a_day_may_begin_with_an_auction() -> None:
    """In PRE_OPEN makers and noise send orders, takers wait; they cross at the open."""
    day = replace(BTC, sessions=((0, SessionState.PRE_OPEN), (30 * S, SessionState.CONTINUOUS)))
    crowd = crowd_of(MAKERS, NOISE, population("hawkes", 10, interval_s=5.0), instrument=day)
    run = Floor(crowd, instrument=day).run(29.9)
    assert run.book.session_state == SessionState.PRE_OPEN
    assert run.book.order_count > 40
    assert not of(run.tape("events"), crowd.specs[2]).any()
    events = run.run(60).tape("events")
    trades = events[events["kind"] == ExecutionKind.TRADED]
    assert ((trades["time_ns"] == START + 30 * S) & (trades["side"] == 0)).any()
    assert of(events, crowd.specs[2]).any()
    assert not (events["kind"] == ExecutionKind.REJECTED).any()


@pytest.mark.parametrize("share_ppm", [1_000_000, 500_000])
def test_liquidity_that_is_withdrawn_is_gone_and_comes_back(share_ppm: int) -> None:
    """All orders of that share are cancelled at once, nobody of it sends another until the end, then all do."""
    crowd = crowd_of(NOISE, MAKERS, PROVIDERS)
    run = Floor(crowd).run(40)
    crowd.withdraw(START + 40 * S + 20 * MS, START + 60 * S, share_ppm)
    away = {int(account) for account in np.unique(run.book.resting()["account"])}
    run.run(40.1)
    rest = run.book.resting()["account"]
    makers, providers = crowd.specs[1:]
    staying = {int(account) for account in rest if account >= makers.account}
    away = {account for account in away if account >= makers.account} - staying
    assert 90 < len(away) <= 100 if share_ppm == 1_000_000 else 30 < len(away) < 70
    assert (share_ppm == 1_000_000) == (not staying)
    for until_s in (45, 59.9):
        resting = run.run(until_s).book.resting()["account"]
        assert not np.isin(resting, list(away)).any()
        assert np.isin(resting, list(staying)).any() == (len(staying) > 0)
    events = run.tape("events")
    quiet = events[(events["time_ns"] > START + 41 * S) & np.isin(events["account"], list(away))]
    assert len(quiet) == 0
    back = np.unique(run.run(120).book.resting()["account"])
    assert np.isin(list(away), back).all()
    assert np.isin(back, np.arange(providers.account, providers.account + 60)).sum() == 60


@pytest.mark.parametrize("second_ms", [20, 30])
def test_a_withdrawal_does_not_end_another(second_ms: int) -> None:
    """Of two in one window, the longer and larger one lasts, whichever is made known last; at its end all come back."""
    crowd = crowd_of(NOISE, MAKERS, PROVIDERS)
    run = Floor(crowd).run(40)
    second_ns = START + 40 * S + second_ms * MS
    crowd.withdraw(START + 40 * S + 20 * MS, START + 60 * S, 1_000_000)
    crowd.withdraw(second_ns, START + 45 * S, 100_000)
    run.run(80)
    events = run.tape("events")
    accepted = events[(events["kind"] == ExecutionKind.ACCEPTED) & (events["account"] >= crowd.specs[1].account)]
    at_s = (accepted["time_ns"] - START) / S
    assert not ((at_s > 40.06) & (at_s < 60)).any()
    assert (at_s > 60).sum() > 100


def test_withdrawals_that_are_over_are_forgotten() -> None:
    """Memory holds those that last, up to a bound; beyond it the one that ends first gives way."""
    crowd = crowd_of(MAKERS)
    run = Floor(crowd)
    for second in range(1, 11):
        crowd.withdraw(START + second * S, START + second * S + 100 * MS, 500_000)
        run.run(second + 1)
    assert len(crowd.memory.arrays["withdrawals"]) == 1
    for number in range(MOST_WITHDRAWALS + 5):
        crowd.withdraw(START + 11 * S + number * 50 * MS, START + (100 + number) * S, 500_000)
        run.run(11.05 + number * 0.05)
    until_s = (crowd.memory.arrays["withdrawals"]["until_ns"] - START) // S
    assert len(until_s) == MOST_WITHDRAWALS and until_s.min() == 105


def test_a_withdrawal_comes_in_its_turn() -> None:
    """Nobody has left before its time, also within the window and where it is said long before."""
    early, plain = crowd_of(MAKERS, PROVIDERS), crowd_of(MAKERS, PROVIDERS)
    early.withdraw(START + 10 * S + 30 * MS, START + 20 * S, 1_000_000)
    one, other = Apart(early).run(12), Apart(plain).run(12)
    applied = [run.tape("applied") for run in (one, other)]
    before = [rows[rows["time_ns"] < START + 10 * S + 40 * MS].tobytes() for rows in applied]
    assert before[0] == before[1]
    assert len(before[0]) > 0
    assert one.book.order_count == 0
    assert other.book.order_count > 50


def test_news_moves_the_value_at_its_time() -> None:
    """From then on by that share of what it reverts to, and two of them add up."""
    crowd = crowd_of()
    crowd.shock(START + 10 * S, 10_000)
    crowd.shock(START + 20 * S, -50_000)
    values = [crowd.value_ticks(START + second * S) for second in (9, 10, 19, 20)]
    assert values == pytest.approx([10_000, 10_100, 10_100, 10_100 - 505])
    for _ in range(4_094):
        crowd.shock(START + 30 * S, 0)
    with pytest.raises(InvalidInput, match="4096"):
        crowd.shock(START + 30 * S, 0)


def test_value_is_the_same_whoever_asks() -> None:
    """Second by second, or once; earlier times can be asked for again, and others' markets do not matter."""
    one, other = crowd_of(value=VALUE), crowd_of(NOISE, population("informed", 5, interval_s=3.0), value=VALUE)
    path = [one.value_ticks(START + second * S) for second in range(300)]
    Floor(other).run(299)
    assert other.value_ticks(START + 299 * S) == path[-1]
    assert [other.value_ticks(START + second * S) for second in range(240, 300)] == path[240:]
    assert one.value_ticks(START - 5 * S) != path[-1]
    assert len(set(path)) > 290


def test_value_moves_as_it_is_said_to() -> None:
    """Changes a second have the deviation that is asked for, and it reverts by half in a half life."""
    value = ValueSpec("BTC/USD", sd_ticks=5.0, half_life_s=200.0)
    crowd = crowd_of(value=value)
    path = np.array([crowd.value_ticks(START + second * S) for second in range(8_000)]) - 10_000
    assert np.diff(path).std() == pytest.approx(5.0, rel=0.05)
    keep = np.dot(path[200:], path[:-200]) / np.dot(path[:-200], path[:-200])
    assert keep == pytest.approx(0.5, abs=0.2)
    still = crowd_of()
    assert still.value_ticks(START + 500 * S) == 10_000
