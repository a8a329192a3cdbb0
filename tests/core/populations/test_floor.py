"""The floor: whatever the sizes of buffers and the way it is run, the tape is the same."""

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from marksim.core.agents.latency import constant, lognormal
from marksim.core.agents.spec import PopulationSpec, ValueSpec
from marksim.core.populations import floor, memory
from marksim.core.types import ExecutionKind, Side
from tests.core.populations.floors import (
    BTC,
    MS,
    SCRIPT,
    START,
    Apart,
    Floor,
    S,
    command,
    crowd_of,
    learn_all,
    of,
    population,
    same,
    sums,
    two_sides,
)

VALUE = ValueSpec("BTC/USD", sd_ticks=3.0, jumps_per_s=0.05, jump_ticks=5.0)
MIXED = (
    population("market_maker", 6, interval_s=0.6),
    population("liquidity_provider", 10, interval_s=8.0),
    population("noise", 40, interval_s=10.0),
    population("zero_intelligence", 10, interval_s=8.0),
    population("informed", 5, interval_s=6.0),
    population("momentum", 10, interval_s=8.0, threshold_ticks=2.0),
    population("mean_reversion", 10, interval_s=8.0, threshold_ticks=3.0),
    population("imbalance", 4, interval_s=4.0),
    population("hawkes", 20, interval_s=60.0),
    population("splitters", 10, interval_s=8.0, start_chance=0.3),
    population("stop_loss", 20, interval_s=10.0),
)
SLOW = constant(180 * MS)
SPREAD = lognormal(20 * MS, 1.2)
WIDE = lognormal(20 * MS, 2.0)
CASTS: dict[str, tuple[PopulationSpec, ...]] = {
    "all behaviours": MIXED,
    "longer than a window": (
        population("market_maker", 6, interval_s=0.6, order=SLOW, feed=SLOW),
        population("noise", 40, interval_s=6.0, order=SLOW),
        population("informed", 5, interval_s=6.0, feed=SLOW),
    ),
    "lognormal": (
        population("market_maker", 6, interval_s=0.6, order=SPREAD, feed=SPREAD),
        population("noise", 40, interval_s=6.0, order=WIDE, feed=WIDE, patience_s=2.0),
        population("informed", 5, interval_s=6.0, order=SPREAD, feed=WIDE),
    ),
    "a lone trader": (population("noise", 1, interval_s=0.5),),
    "nobody": (),
}


def script() -> Any:
    """Commands of a coroutine: quotes, and market orders now and then."""
    takes = [command(1.3 * number, 100 + number, Side.BUY if number % 2 else Side.SELL, 80) for number in range(1, 12)]
    return np.concatenate([two_sides(), *takes])


def on_floor(cast: str = "all behaviours", seed: int = 1, **more: Any) -> Floor:
    crowd = crowd_of(*CASTS[cast], value=VALUE, seed=seed)
    crowd.push(script())
    return Floor(crowd, **more)


def apart(cast: str = "all behaviours", seed: int = 1) -> Apart:
    crowd = crowd_of(*CASTS[cast], value=VALUE, seed=seed)
    crowd.push(script())
    return Apart(crowd)


@pytest.mark.parametrize("cast", list(CASTS))
def test_floor_does_what_the_book_beside_does(cast: str) -> None:
    """All rows are equal, byte for byte, and what is left in the memories is."""
    one, other = on_floor(cast).run(15), apart(cast).run(15)
    assert len(one.tape("events")) > 2
    assert same(one, other)
    assert one.book.state_hash() == other.book.state_hash()
    assert one.crowd.positions().tobytes() == other.crowd.positions().tobytes()
    assert one.crowd.queued == other.crowd.queued


def test_sizes_of_buffers_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for next to nothing the floor comes back all the time, for every reason, and the tape is the same."""
    large = on_floor(rows=1 << 16).run(15)
    monkeypatch.setattr(memory, "FIRST_ROWS", 2)
    small = on_floor(rows=1).run(15)
    assert {floor.BOOK_ROOM, floor.CROWD_ROOM, floor.ROWS_FULL} <= set(small.answers)
    assert same(large, small)
    assert large.crowd.positions().tobytes() == small.crowd.positions().tobytes()


def test_seed_decides() -> None:
    """The same seed makes the same tape, another makes another."""
    one, again, other = on_floor().run(10), on_floor().run(10), on_floor(seed=2).run(10)
    assert same(one, again)
    assert not same(one, other)


def test_how_often_it_is_called_does_not_matter() -> None:
    """Window by window, or all at once."""
    at_once, stepwise = on_floor().run(10), on_floor()
    for window in range(1, 201):
        stepwise.run(window * 0.05)
    assert same(at_once, stepwise)


def test_quiet_windows_are_left_out() -> None:
    """A market in which one order comes an hour is through a day in less than 30 looks at it; the tape is the same."""
    quiet = (population("noise", 1, interval_s=3_600.0, market_share=0.0),)
    run = Floor(crowd_of(*quiet), lookahead_ns=50 * MS)
    assert run.crowd.next_due_ns is not None
    assert run.crowd.next_due_ns > START + 60 * S
    run.run(86_400)
    assert int(run.counters["window"][0]) == 86_400 * 20
    assert 5 < len(run.tape("events")) < 100
    crowd = crowd_of(*quiet)
    beside, looks = Apart(crowd), 0
    while (due_ns := crowd.next_due_ns) is not None and due_ns < START + 86_400 * S:
        beside.window = (due_ns - START) // (50 * MS)
        beside.step()
        looks += 1
    assert same(run, beside)
    assert looks < 200


def test_two_symbols_on_one_floor_do_not_touch_each_other() -> None:
    """Each tape is that of its symbol alone."""
    crowds = [crowd_of(*MIXED, value=VALUE, seed=seed) for seed in (1, 2)]
    both = Floor(*crowds).run(10)
    for symbol, seed in enumerate((1, 2)):
        alone = Floor(crowd_of(*MIXED, value=VALUE, seed=seed)).run(10)
        for name in ("events", "quotes", "depth", "ticks"):
            assert both.tape(name, symbol).tobytes() == alone.tape(name).tobytes()


def test_memory_may_be_pickled_on_the_way() -> None:
    """The copy goes on as the first one does, and neither touches the other."""
    run = apart().run(7)
    copy = pickle.loads(pickle.dumps(run))
    run.run(15)
    assert len(copy.tape("events")) < len(run.tape("events"))
    copy.run(15)
    assert same(run, copy)
    assert same(run, on_floor().run(15))


def test_rows_of_coroutines_are_told() -> None:
    """All events that name them on either side, and no others."""
    run = on_floor().run(15)
    told, events = np.concatenate(run.told), run.tape("events")
    names_script = (events["account"] == SCRIPT) | (events["maker_account"] == SCRIPT)
    assert names_script.sum() > 15
    assert told.tobytes() == events[names_script].tobytes()


def command_of_another(at_s: float) -> Any:
    """An order of an account that belongs to no coroutine."""
    row = command(at_s, 1, Side.BUY, 7, 9_996)
    row["account"] = 77
    return row


@pytest.mark.parametrize(
    ("wake", "windows"),
    [(floor.WAKE_ON_TICK, {3, 4, 5, 6}), (floor.WAKE_ON_TOLD, {3, 4, 5}), (0, set())],
)
def test_floor_comes_back_after_a_window_that_wakes(wake: int, windows: set[int]) -> None:
    """With a tick in it, or an event that names a coroutine, as is wished."""
    crowd = crowd_of()
    run = Floor(crowd)
    crowd.push(np.concatenate([two_sides(at_s=0.11), two_sides(at_s=0.16, serial=3), command(0.21, 9, Side.BUY, 5)]))
    crowd.push(command_of_another(0.26))
    crowd.memory.counters["wake"] = wake
    found = set()
    while floor.run_windows(run.counters, 100) == floor.WOKEN:
        found.add(int(run.counters["window"][0]))
    assert found == windows


def test_largest_order_of_an_instrument_fits() -> None:
    """Sizes that 32 bits cannot hold are cut, and prices stay within the instrument's few."""
    narrow = replace(BTC, min_price_ticks=9_999, max_price_ticks=10_001)
    spec = population("noise", 5, interval_s=0.5, size_lots=1e9, size_tail=0.001)
    crowd = crowd_of(
        spec, population("market_maker", 2, interval_s=0.5), population("stop_loss", 3, interval_s=1.0), instrument=narrow
    )
    run = Floor(crowd, instrument=narrow).run(20)
    events = run.tape("events")
    sized = events["quantity_lots"][of(events, crowd.specs[0])]
    assert sized.max() == 1_000_000_000
    accepted = events[(events["kind"] == ExecutionKind.ACCEPTED) & (events["price_ticks"] != 0)]
    assert set(accepted["price_ticks"].tolist()) == {9_999, 10_000, 10_001}
    assert not (events["kind"] == ExecutionKind.REJECTED).any()
    assert sums(learn_all(run)) == (0, 0)
