"""Positions hour by hour: what they sum, when they are told, and that batches do not matter."""

import numpy as np
import pytest

from marksim.core.feed.positions import NS_PER_HOUR, POSITION, PositionTable
from marksim.core.types import EXECUTION, ExecutionKind, Records, Side

MINUTE = NS_PER_HOUR // 60


def trades(*rows: tuple[int, int, int, int, int, int]) -> Records:
    """(time, side, account, maker account, price, quantity), numbered from 1."""
    made: Records = np.zeros(len(rows), EXECUTION)
    made["kind"] = ExecutionKind.TRADED
    made["sequence"] = np.arange(1, len(rows) + 1)
    for row, (time_ns, side, account, maker, price, quantity) in zip(made, rows, strict=True):
        row["time_ns"], row["side"], row["account"], row["maker_account"] = time_ns, side, account, maker
        row["price_ticks"], row["quantity_lots"] = price, quantity
    return made


def values(rows: Records) -> list[tuple[int, ...]]:
    return [tuple(row) for row in rows[["time_ns", "account", "position_lots", "cash_tick_lots", "trades"]].tolist()]


def test_both_sides_of_a_trade_are_summed() -> None:
    """Of a buyer's, a seller's and an auction's trade; cash is what came in."""
    table = PositionTable()
    rows = trades((1, Side.BUY, 1, 2, 100, 5), (2, Side.SELL, 1, 3, 110, 2), (3, Side.UNSPECIFIED, 3, 2, 120, 1))
    assert not len(table.update(rows))
    assert values(table.finish(1_000)) == [
        (1_000, 1, 3, -500 + 220, 2),
        (1_000, 2, -6, 500 + 120, 2),
        (1_000, 3, 3, -220 - 120, 2),
    ]


def test_an_hour_tells_of_those_who_traded_in_it() -> None:
    """At its end, once it is over; the end of the run tells of all who ever traded."""
    table = PositionTable()
    rows = trades((1, Side.BUY, 1, 2, 100, 5), (NS_PER_HOUR, Side.BUY, 3, 2, 100, 1), (3 * NS_PER_HOUR, 1, 3, 4, 100, 1))
    told = table.update(rows)
    assert values(told) == [
        (NS_PER_HOUR, 1, 5, -500, 1),
        (NS_PER_HOUR, 2, -5, 500, 1),
        (2 * NS_PER_HOUR, 2, -6, 600, 2),
        (2 * NS_PER_HOUR, 3, 1, -100, 1),
    ]
    assert told["sequence"].tolist() == [1, 1, 2, 2]
    end = values(table.finish(4 * NS_PER_HOUR))
    assert [row[:3] for row in end] == [
        (4 * NS_PER_HOUR, account, lots) for account, lots in ((1, 5), (2, -6), (3, 2), (4, -1))
    ]


def test_the_last_hour_is_told_where_the_run_goes_on_without_a_trade() -> None:
    """Its end lies before the end of the run; where both are one it is told once."""
    rows = trades((1, Side.BUY, 1, 2, 100, 5))
    for end_ns, expected in ((NS_PER_HOUR, [NS_PER_HOUR] * 2), (90 * MINUTE, [NS_PER_HOUR] * 2 + [90 * MINUTE] * 2)):
        table = PositionTable()
        table.update(rows)
        assert table.finish(end_ns)["time_ns"].tolist() == expected


@pytest.mark.parametrize("size", [1, 7, 500])
def test_batches_do_not_matter(size: int) -> None:
    """Random trades over five hours, cut anywhere; and nobody has what nobody gave."""
    rng = np.random.default_rng(8)
    rows = trades(
        *(
            (int(time_ns), int(rng.integers(0, 3)), int(rng.integers(1, 40)), int(rng.integers(40, 90)), 100, int(lots))
            for time_ns, lots in zip(np.sort(rng.integers(0, 5 * NS_PER_HOUR, 500)), rng.integers(1, 9, 500), strict=True)
        )
    )
    table, whole = PositionTable(), PositionTable()
    told = [table.update(rows[first : first + size]) for first in range(0, 500, size)]
    told.append(table.finish(5 * NS_PER_HOUR))
    assert np.concatenate(told).tobytes() == (whole.update(rows).tobytes() + whole.finish(5 * NS_PER_HOUR).tobytes())
    assert told[-1]["position_lots"].sum() == 0 == told[-1]["cash_tick_lots"].sum()
    assert told[-1]["trades"].sum() == 1_000


def test_no_event_is_no_row() -> None:
    """Of a run in which nothing happened."""
    table = PositionTable()
    assert not len(table.update(np.zeros(0, EXECUTION)))
    assert table.finish(NS_PER_HOUR).tobytes() == np.zeros(0, POSITION).tobytes()
