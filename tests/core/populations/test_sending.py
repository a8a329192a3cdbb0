"""Orders and those who sent them: nothing is lost on the way, nothing overtakes."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from marksim.core.agents.latency import lognormal
from marksim.core.agents.spec import ValueSpec
from marksim.core.populations.memory import TRADER
from marksim.core.types import CommandKind, ExecutionKind, Reason, SessionState, Side
from tests.core.populations.floors import FIRST, MS, Apart, Floor, crowd_of, learn_all, population, session, sums

WIDE = lognormal(25 * MS, 2.0)
CAST = (
    population("market_maker", 6, interval_s=0.3, order=WIDE, feed=WIDE),
    population("noise", 20, interval_s=2.0, order=WIDE, feed=WIDE, patience_s=3.0),
    population("noise", 10, interval_s=2.0, order=WIDE, feed=WIDE),
    population("zero_intelligence", 10, interval_s=2.0, order=WIDE, feed=WIDE),
    population("informed", 5, interval_s=2.0, order=WIDE, feed=WIDE),
    population("momentum", 5, interval_s=2.0, order=WIDE, feed=WIDE, threshold_ticks=1.0),
    population("splitters", 5, interval_s=2.0, order=WIDE, feed=WIDE, start_chance=0.5),
    population("stop_loss", 10, interval_s=3.0, order=WIDE, feed=WIDE, distance_ticks=10),
)
VALUE = ValueSpec("BTC/USD", sd_ticks=3.0)


def orphans(run: Floor | Apart) -> list[str]:
    """Orders that rest and whose trader neither knows them nor has a cancel on its way; orders that a trader believes in
    and that neither rest, nor are on their way, nor have an event that it is about to learn.
    """
    memory = run.crowd.memory
    arrays: Any = memory.arrays
    state = memory.counters[0]
    waiting = arrays["sent"][arrays["heap"]["slot"][: int(state["pending"])]]
    orders = waiting[waiting["kind"] == CommandKind.NEW]
    cancels = waiting[waiting["kind"] == CommandKind.CANCEL]
    coming = set(zip(orders["account"].tolist(), orders["serial"].tolist(), strict=True))
    going = set(zip(cancels["account"].tolist(), cancels["target_serial"].tolist(), strict=True))
    resting = run.book.resting()
    rest = {
        (account, serial) for account, serial in zip(resting["account"].tolist(), resting["serial"].tolist(), strict=True)
    }
    rest = {name for name in rest if name[0] >= FIRST}
    news = set()
    for row in arrays["populations"]:
        slot = int(row["first_notice"])
        while slot:
            notice = arrays["notices"][slot]
            news.add((FIRST + int(notice["trader"]), int(notice["serial"])))
            slot = int(notice["next"])
    known = set()
    for side in ("bid", "ask"):
        serials = arrays["traders"][f"{side}_serial"]
        known |= {(FIRST + int(trader), int(serials[trader])) for trader in np.flatnonzero(serials)}
    lost = [f"rests unknown: {name}" for name in sorted(rest - known - going - news)]
    return lost + [f"believed in: {name}" for name in sorted(known - rest - coming - news)]


@pytest.mark.parametrize("seed", range(6))
def test_no_order_is_orphaned(seed: int) -> None:
    """At the end of every second, with latencies from a tenth of a millisecond to many seconds, and with halts."""
    crowd = crowd_of(*CAST, seed=seed, value=VALUE)
    crowd.push(
        np.concatenate(
            [
                session(6, 1, SessionState.HALTED),
                session(8, 2, SessionState.OPENING_AUCTION),
                session(10, 3, SessionState.CONTINUOUS),
                session(14, 4, SessionState.CLOSED),
                session(15, 5, SessionState.PRE_OPEN),
                session(16, 6, SessionState.CONTINUOUS),
            ]
        )
    )
    run = Floor(crowd)
    for second in range(1, 21):
        assert orphans(run.run(second)) == [], f"seed {seed}, second {second}"
    assert run.book.order_count > 10


def test_an_orphan_is_found() -> None:
    """The check above sees an order that its trader has forgotten, and one that it believes in."""
    run = Floor(crowd_of(*CAST[:1])).run(5)
    assert orphans(run) == []
    traders = run.crowd.positions()
    resting = run.book.resting()
    row = int(resting["account"][0]) - FIRST
    side = "bid" if resting["side"][0] == Side.BUY else "ask"
    traders[f"{side}_serial"][row] = 12_345_678
    complaints = orphans(run)
    assert any("believed in" in text for text in complaints)


def test_a_cancel_never_overtakes_its_order() -> None:
    """However wide the latencies are: it comes after it, and is refused only where the order has ended before."""
    run = Apart(crowd_of(*CAST, value=VALUE)).run(15)
    events, commands = run.tape("events"), run.tape("applied")
    place = {(int(row["account"]), int(row["serial"])): number for number, row in enumerate(commands)}
    cancels = [(number, row) for number, row in enumerate(commands) if row["kind"] == CommandKind.CANCEL]
    assert len(cancels) > 100
    assert all(place[int(row["account"]), int(row["target_serial"])] < number for number, row in cancels)
    assert all(row["reason"] == Reason.UNKNOWN_ORDER for row in events[events["kind"] == ExecutionKind.CANCEL_REJECTED])


@pytest.mark.parametrize("seed", [1, 2])
def test_positions_and_cash_are_conserved(seed: int) -> None:
    """They sum to nothing once all have learned all, and each trader's are those of its rows of the tape."""
    run = Floor(crowd_of(*CAST, seed=seed, value=VALUE)).run(15)
    traders = learn_all(run)
    assert sums(traders) == (0, 0)
    lots: Counter[int] = Counter()
    cash: Counter[int] = Counter()
    trades = run.tape("events")
    trades = trades[trades["kind"] == ExecutionKind.TRADED]
    assert len(trades) > 50
    for row in trades:
        sign = -1 if row["side"] == Side.SELL else 1
        amount = sign * int(row["quantity_lots"])
        for account, change in ((int(row["account"]), amount), (int(row["maker_account"]), -amount)):
            lots[account] += change
            cash[account] -= change * int(row["price_ticks"])
    accounts = range(FIRST, FIRST + len(traders))
    assert traders["position_lots"].tolist() == [lots[account] for account in accounts]
    assert traders["cash_ticks"].tolist() == [cash[account] for account in accounts]
    assert orphans(run) == []


def test_a_trader_is_a_line_of_cache() -> None:
    """64 bytes, and it does not lie across two lines."""
    assert TRADER.itemsize == 64
    assert crowd_of(*CAST).positions().ctypes.data % 64 == 0
    assert crowd_of(population("noise", 1_000)).memory.arrays["traders"].nbytes == 64_000


def test_memory_stops_growing() -> None:
    """What a market needs it has after half a minute: slots and notices are used again."""
    run = Floor(crowd_of(*CAST, value=VALUE))
    sizes = []
    for until_s in (30, 90):
        run.run(until_s)
        sizes.append({name: len(array) for name, array in run.crowd.memory.arrays.items()})
    assert sizes[0] == sizes[1]
    assert run.crowd.memory.counters["used_sent"] < 200
    assert run.crowd.memory.counters["used_notices"] < 1_000
