"""Traders who split: signs with a long memory, parents that end."""

import numpy as np

from marksim.core.types import ExecutionKind, Side
from tests.core.populations.floors import Floor, command, crowd_of, learn_all, of, population, two_sides


def memory_of(longest: int) -> float:
    """Mean autocorrelation of the signs of orders at lags of 10 to 50."""
    spec = population("splitters", 2, interval_s=0.5, start_chance=1.0, longest=longest, child_lots=1)
    crowd = crowd_of(spec)
    crowd.push(two_sides(lots=100_000_000))
    events = Floor(crowd).run(600).tape("events")
    taken = events[(events["kind"] == ExecutionKind.TRADED) & of(events, crowd.specs[0])]
    signs = np.where(taken["side"] == Side.BUY, 1.0, -1.0)
    signs -= signs.mean()
    lags = [np.mean(signs[lag:] * signs[:-lag]) for lag in range(10, 51)]
    assert len(signs) > 1_500
    return float(np.mean(lags) / signs.var())


def test_signs_have_a_long_memory() -> None:
    """Of parents whose lengths follow a power law; of short parents they have none."""
    assert memory_of(2_000) > 0.05
    assert abs(memory_of(1)) < 0.03


def test_parents_are_traded_to_the_end() -> None:
    """Also where a child finds less than it wants: what a trader holds is whole children, and its plan is done."""
    spec = population("splitters", 1, interval_s=0.5, start_chance=0.5, child_lots=20, longest=5)
    crowd = crowd_of(spec)
    crowd.push(np.concatenate([two_sides(7, at_s=0.25 * number, serial=1 + 2 * number) for number in range(100)]))
    crowd.push(two_sides(100_000, 6, at_s=40, serial=1_000))
    run = Floor(crowd)
    ends, partial, second = [], 0, 1.0
    while second < 60:
        trader = run.run(second).crowd.positions()[0]
        if trader["plan_lots"] == 0 and trader["bid_serial"] == trader["ask_serial"] == 0:
            ends.append(int(trader["position_lots"]))
        partial += int(trader["plan_lots"] % 20 != 0)
        second += 0.25
    assert partial > 0
    assert len(set(ends)) > 3
    assert all(position % 20 == 0 for position in ends)


def test_a_plan_waits_where_there_is_nobody_to_trade_with() -> None:
    """An order that found nobody is sent again."""
    crowd = crowd_of(population("splitters", 1, interval_s=0.5, start_chance=1.0, longest=1))
    run = Floor(crowd).run(20)
    plan = int(crowd.positions()["plan_lots"][0])
    assert plan != 0
    assert crowd.orders_sent > 10
    crowd.push(command(20, 1, Side.SELL if plan > 0 else Side.BUY, abs(plan), 10_000))
    run.run(60)
    assert run.tape("events")["quantity_lots"][run.tape("events")["kind"] == ExecutionKind.TRADED].sum() == abs(plan)
    assert abs(int(learn_all(run)["position_lots"][0])) == abs(plan)
