"""`simulate` from Python: what it takes, what it gives back, and what it says where something is wrong."""

import errno
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest

import marksim
from marksim.core.errors import InvalidInput, NotNow
from marksim.core.types import NS_PER_S, ExecutionKind
from marksim.offline import Progress, Result, simulate
from marksim.offline.recording import ALL_TABLES
from marksim.runtime.watchdog import Stalled
from marksim.scenario import load_scenario
from marksim.store.archive import Archive
from marksim.store.parquet import read_table


@pytest.fixture(scope="module")
def minute() -> Result:
    """A simulated minute of two symbols, in memory."""
    return simulate("two-symbols", seed=3, until="1m")


def test_a_package_of_its_own_name_gives_what_a_user_needs() -> None:
    """Loaded when it is first asked for; what is none of it is no attribute."""
    assert marksim.simulate is simulate
    assert marksim.load_scenario is load_scenario
    assert [getattr(marksim, name).__name__ for name in marksim.__all__] == marksim.__all__
    with pytest.raises(AttributeError, match="has no attribute 'simulat'"):
        marksim.simulat  # type: ignore[attr-defined]  # noqa: B018 - reading it is the test


def test_the_seed_makes_the_tape(minute: Result) -> None:
    """The same again for the same seed, also where nothing is kept; another for another."""
    assert simulate("two-symbols", seed=3, until="1m", tables=()).tape_hash == minute.tape_hash
    assert simulate("two-symbols", seed=4, until="1m", tables=()).tape_hash != minute.tape_hash
    assert list(minute.tapes) == ["BTC/USD", "ETH/USD"] and len(set(minute.tapes.values())) == 2


def test_an_agent_that_never_awaits_ends_the_run(tmp_path: Path) -> None:
    """It is named, with its line and the moment; what was simulated before stands."""
    (tmp_path / "held.py").write_text("async def hold(market):\n    await market.sleep(2)\n    while True:\n        pass\n")
    scenario = tmp_path / "held.yaml"
    agent = "add: {agents: [{name: holder, type: held.py:hold}]}"
    scenario.write_text(f"extends: two-symbols\nname: held\n{agent}\n")
    with pytest.raises(Stalled, match=r"agent holder held the clock for over 0.3 s .*held.py:[34] \(hold\)"):
        simulate(scenario, until="1m", out=tmp_path / "out", agent_limit_s=0.3)
    (row,) = read_table(next((tmp_path / "out" / "runs").rglob("*.parquet"))).to_pylist()
    assert row["ended"] == "interrupted" and row["tape_hash"] is None


def test_tables_and_figures_agree(minute: Result) -> None:
    """Every table has what the counts say, and names its symbols and the run."""
    stats = minute.stats
    assert (minute.executions.num_rows, minute.trades.num_rows) == (stats.events, stats.trades)
    assert (minute.ticks.num_rows, minute.orders.num_rows) == (stats.ticks, stats.orders)
    assert minute.quotes.num_rows > 100 and minute.depth.num_rows > 1_000
    assert stats.simulated_s == 60 and stats.speed == pytest.approx(60 / stats.wall_s)
    for table in ALL_TABLES:
        assert minute.table(table)["run"].unique().to_pylist() == [minute.run]
        assert minute.table(table)["symbol"].unique().to_pylist() == ["BTC/USD", "ETH/USD"], table


def test_orders_and_positions_add_up(minute: Result) -> None:
    """What was filled is twice what traded, nobody has what nobody gave, and each position is that of its orders."""
    orders, trades, positions = (minute.to_numpy(name) for name in ("orders", "trades", "positions"))
    assert orders["filled_lots"].sum() == 2 * trades["quantity_lots"].sum()
    assert positions["position_lots"].sum() == 0 == positions["cash_tick_lots"].sum()
    assert positions["trades"].sum() == 2 * minute.stats.trades
    signed = np.where(orders["side"] == "BUY", orders["filled_lots"], -orders["filled_lots"])
    for account, symbol, lots in zip(positions["account"], positions["symbol"], positions["position_lots"], strict=True):
        assert signed[(orders["account"] == account) & (orders["symbol"] == symbol)].sum() == lots


def test_columns_are_numpy_arrays(minute: Result) -> None:
    """Numbers as they are, times as datetime64, names as text."""
    trades = minute.to_numpy("trades")
    assert trades["price"].dtype == np.float64 and trades["sequence"].dtype == np.int64
    assert trades["ts"].dtype == np.dtype("datetime64[us]") and set(trades["side"]) == {"BUY", "SELL"}


def test_an_archive_has_what_memory_had(minute: Result, tmp_path: Path) -> None:
    """The same tables, in files that DuckDB reads by their partitions, and a row of the run with its tape hash."""
    result = simulate("two-symbols", seed=3, until="1m", out=tmp_path)
    assert result.tape_hash == minute.tape_hash and result.run != minute.run
    for table in ALL_TABLES:
        kept, read = minute.table(table).drop_columns(["run"]), result.table(table).drop_columns(["run"])
        assert read.equals(kept), table
        assert read.schema.equals(kept.schema)
    sizes = [path.stat().st_size for path in tmp_path.glob("*/run=*/**/*.parquet")]
    assert (result.stats.files, result.stats.bytes) == (len(sizes), sum(sizes))
    query = f"""SELECT symbol, date, count(*) FROM read_parquet('{tmp_path}/trades/**/*.parquet', hive_partitioning = true)
        GROUP BY ALL ORDER BY ALL"""
    with duckdb.connect() as connection:
        counted = connection.execute(query).fetchall()
    assert [(symbol, str(date)) for symbol, date, _ in counted] == [("BTC/USD", "2025-01-06"), ("ETH/USD", "2025-01-06")]
    assert sum(count for _, _, count in counted) == result.stats.trades
    runs = [read_table(path).to_pylist()[0] for path in sorted(tmp_path.glob("runs/**/part.parquet"))]
    assert [(run["symbol"], run["seed"], run["ended"], run["tape_hash"]) for run in runs] == [
        (symbol, 3, "in order", tape) for symbol, tape in result.tapes.items()
    ]


def test_only_the_tables_asked_for_are_kept(tmp_path: Path) -> None:
    """In memory and on disk; any other is refused by name."""
    for out in (None, tmp_path):
        result = simulate("default", until="30s", tables=["ticks", "trades"], out=out)
        assert result.tables == ("trades", "ticks")
        assert result.trades.num_rows == result.stats.trades
        with pytest.raises(InvalidInput, match=r"table 'depth' was not kept: simulate\(tables=...\) named trades, ticks"):
            _ = result.depth
    assert {path.name for path in tmp_path.iterdir()} == {"trades", "ticks", "runs", "_log", ".lock"}


def test_a_table_in_which_nothing_is_has_its_columns() -> None:
    """A market without agents is a result like any other."""
    result = simulate("default", until="1s", overrides=["agents=[]", "populations=[]"])
    assert result.stats.events == 0 and len(result.tape_hash) == 64
    full = simulate("default", until="20s")
    for table in ALL_TABLES:
        assert result.table(table).num_rows == 0
        assert result.table(table).schema.equals(full.table(table).schema), table


def test_two_runs_stand_side_by_side_in_an_archive(tmp_path: Path) -> None:
    """Each has a run of its own, and its tables are only its own."""
    first, second = (simulate("default", seed=seed, until="20s", out=tmp_path) for seed in (1, 2))
    assert first.run != second.run
    assert first.executions.num_rows == first.stats.events != second.executions.num_rows


@pytest.mark.parametrize(
    "until", ["90s", timedelta(seconds=90), datetime(2025, 1, 6, 0, 1, 30, tzinfo=UTC), "2025-01-06T00:01:30"]
)
def test_until_is_a_span_or_a_moment(until: str | timedelta | datetime) -> None:
    """The last window ends there."""
    result = simulate("default", until=until, tables=())
    assert result.end_ns - result.start_ns == 90 * NS_PER_S


def test_a_scenario_may_say_how_long_it_lasts() -> None:
    """And then needs no `until`; a loaded scenario takes another seed, and keeps its own if none is given."""
    loaded = load_scenario("default", ["duration=10s"], 8)
    assert simulate(loaded, tables=()).end_ns - loaded.start_ns == 10 * NS_PER_S
    assert simulate(loaded, tables=()).tape_hash == simulate("default", seed=8, until="10s", tables=()).tape_hash
    assert simulate(loaded, seed=9, tables=()).tape_hash == simulate("default", seed=9, until="10s", tables=()).tape_hash


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: simulate("default"), "until: scenario default has no duration of its own; say how long, such as 1d"),
        (lambda: simulate("default", until="1"), "until is '1': write a number and a unit"),
        (lambda: simulate("default", until="2024-01-01T00:00"), "must be after 2025-01-06T00:00:00Z"),
        (lambda: simulate("default", until="49ms"), "until is '49ms': the first window of 50 ms does not end by then"),
        (lambda: simulate("defalt", until="1m"), "there is no such file, and the ready scenarios are"),
        (lambda: simulate("default", until="1m", tables=["trade"]), "tables: 'trade' is none of trades, quotes"),
        (lambda: simulate("default", until="1m", tables="trades"), "tables: 'trades' is none of trades, quotes"),
        (
            lambda: simulate(load_scenario("default"), until="1m", overrides=["a=1"]),
            "overrides: change a scenario by its name",
        ),
        (lambda: simulate(load_scenario("default"), until="1m", seed=-1), "seed is -1: must be from 0"),
    ],
)
def test_what_is_wrong_is_named_with_its_remedy(call: Callable[[], Result], sentence: str) -> None:
    """Before anything is simulated."""
    with pytest.raises(InvalidInput) as caught:
        call()
    assert sentence in caught.value.message


def test_progress_goes_from_start_to_end() -> None:
    """Never back; the last call says that all is done."""
    seen: list[Progress] = []
    result = simulate("default", until="10m", tables=(), progress=seen.append)
    assert [one.now_ns for one in seen] == sorted(one.now_ns for one in seen) and len(seen) > 1
    assert (seen[-1].now_ns, seen[-1].events) == (seen[-1].until_ns, result.stats.events)


def test_agents_that_fail_are_named(tmp_path: Path) -> None:
    """With the moment and the error; the market goes on, and so does the result."""
    code = "async def broken(market):\n    await market.sleep(1)\n    raise RuntimeError('boom')\n"
    (tmp_path / "mine.py").write_text(code)
    text = "extends: default\nname: mine\nagents:\n  - {name: broken, type: ./mine.py:broken}\n"
    (tmp_path / "mine.yaml").write_text(text)
    result = simulate(tmp_path / "mine.yaml", until="10s", tables=())
    assert [(one.name, str(one.error)) for one in result.failures] == [("broken", "boom")]


def test_an_interrupt_leaves_an_archive_in_order(tmp_path: Path) -> None:
    """What was simulated is kept, the run says that it was cut off, and has no tape hash; the directory is free again."""

    def interrupt(progress: Progress) -> None:
        if progress.events:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate("default", until="1d", out=tmp_path, progress=interrupt)
    run = read_table(next(tmp_path.glob("runs/**/part.parquet"))).to_pylist()[0]
    assert (run["ended"], run["tape_hash"]) == ("interrupted", None)
    assert sum(read_table(path).num_rows for path in tmp_path.glob("executions/**/*.parquet")) > 100
    Archive(tmp_path).close()


def test_a_full_disk_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the error of the system; nothing half written stays, and the directory is free again."""
    real, calls = os.fsync, iter(range(1_000_000))

    def full(descriptor: int) -> None:
        if next(calls) > 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device"):
        simulate("default", until="1m", out=tmp_path)
    monkeypatch.setattr(os, "fsync", real)
    Archive(tmp_path).close()
    assert not [path for path in tmp_path.glob("**/.*") if path.name != ".lock"]


def test_a_directory_that_another_process_writes_to_is_refused(tmp_path: Path) -> None:
    """One writer at a time."""
    other = Archive(tmp_path)
    with pytest.raises(NotNow, match="choose another --out"):
        simulate("default", until="1s", out=tmp_path)
    other.close()


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    """It is not touched."""
    (tmp_path / "file").write_text("mine")
    with pytest.raises(NotADirectoryError):
        simulate("default", until="1s", out=tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_texts_take_little_memory(minute: Result) -> None:
    """A run's name stands in every row, but only once in memory."""
    assert pa.types.is_dictionary(minute.executions.schema.field("run").type)
    assert minute.executions["kind"].unique().to_pylist()[0] == ExecutionKind.ACCEPTED.name
