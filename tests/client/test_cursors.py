"""A cursor asks for what follows what it has told, row by row, and tells a gap and a new run in their order."""

import itertools
from typing import Any

import numpy as np
import pytest

from marksim.client import Execution, Gap, Liquidity, NewRun, Place, Side, Tick
from marksim.client.cursors import ExecutionCursor, FeedCursor
from marksim.client.session import Session
from marksim.codec import encode_columns
from marksim.core.types import EXECUTION, ExecutionKind
from marksim.v1 import orderbook_pb2 as pb
from marksim.v1 import types_pb2

ME = 1 << 62


@pytest.fixture
def session() -> Session:
    one = Session(("book:1",), "me")
    instrument = types_pb2.Instrument(symbol="BTC/USD", tick_size="0.50", lot_size="0.001", shard=3)
    one.learn(0, pb.ListInstrumentsResponse(instruments=[instrument], shard=3, shards=4))
    return one


def response(
    run: str, window: int, *rows: dict[str, int], of: int | None = None, **more: Any
) -> pb.StreamExecutionsResponse:
    """A response with these rows, of its window or another."""
    records = np.zeros(len(rows), EXECUTION)
    for record, row in zip(records, rows, strict=True):
        for name, value in row.items():
            record[name] = value
    answer = pb.StreamExecutionsResponse(run=run, window=window, **more)
    if rows:
        answer.executions.add(
            symbol="BTC/USD",
            executions=encode_columns(records, types_pb2.ExecutionColumns),
            window=window if of is None else of,
            client_order_ids={1: "one", 2: "two"},
        )
    return answer


def row(sequence: int, **more: int) -> dict[str, int]:
    return {"sequence": sequence, "account": ME, "serial": 1, "kind": ExecutionKind.ACCEPTED, "side": Side.BUY} | more


def test_it_asks_for_what_follows(session: Session) -> None:
    """The last response's run, window and rows."""
    cursor = ExecutionCursor(session, 0, ("BTC/USD",), Place("run", 4))
    told = list(cursor.take(response("run", 4, row(1), row(2), of=5, more=True, told_rows=2)))
    assert [place for _, place in told] == [Place("run", 4, 1), Place("run", 4, 2)]
    request = cursor.request()
    assert (request.account, list(request.symbols)) == ("me", ["BTC/USD"])
    assert (request.after_run, request.after_window, request.after_rows) == ("run", 4, 2)
    told = list(cursor.take(response("run", 5, row(3), of=5)))
    assert [(event.sequence, place) for event, place in told if isinstance(event, Execution)] == [(3, Place("run", 5))]


def test_each_event_has_the_place_behind_it(session: Session) -> None:
    """Who stops after any of them and goes on from its place is told each exactly once."""
    whole = response("run", 9, *(row(at) for at in range(1, 6)))
    everything = list(ExecutionCursor(session, 0, (), Place("run", 8)).take(whole))
    for stopped in range(5):
        place = everything[stopped][1]
        rest = response("run", 9, *(row(at) for at in range(1 + place.rows, 6))) if place.window == 8 else None
        again = ExecutionCursor(session, 0, (), place)
        events = [event for event, _ in itertools.chain(everything[: stopped + 1], again.take(rest) if rest else ())]
        assert [event.sequence for event in events if isinstance(event, Execution)] == [1, 2, 3, 4, 5]


def test_a_trade_with_itself_is_two_events_of_one_row(session: Session) -> None:
    """The row is told once both are: a place between them tells it again."""
    trade = row(7, kind=ExecutionKind.TRADED, maker_account=ME, maker_serial=2, price_ticks=3, quantity_lots=4)
    told = list(ExecutionCursor(session, 0, (), Place("run", 0)).take(response("run", 1, trade, row(8))))
    events = [event for event, _ in told]
    assert [
        (event.client_order_id, event.side, event.liquidity) for event in events[:2] if isinstance(event, Execution)
    ] == [
        ("one", Side.BUY, Liquidity.TAKER),
        ("two", Side.SELL, Liquidity.MAKER),
    ]
    assert [place for _, place in told] == [Place("run", 0, 0), Place("run", 0, 1), Place("run", 1)]


def test_an_auctions_trade_has_a_buyer_and_a_seller(session: Session) -> None:
    """And neither maker nor taker."""
    trade = row(7, kind=ExecutionKind.TRADED, side=0, maker_account=ME, maker_serial=2)
    told = ExecutionCursor(session, 0, (), Place("run", 0)).take(response("run", 1, trade))
    assert [(event.side, event.liquidity) for event, _ in told if isinstance(event, Execution)] == [
        (Side.BUY, Liquidity.AUCTION),
        (Side.SELL, Liquidity.AUCTION),
    ]


@pytest.mark.parametrize(
    ("gap", "kinds"),
    [
        (pb.Gap(run="old", first_window=5, last_window=9, reason="x"), [Gap, NewRun, Execution]),
        (pb.Gap(run="new", first_window=0, last_window=2, reason="x"), [NewRun, Gap, Execution]),
        (None, [NewRun, Execution]),
    ],
)
def test_a_gap_stands_in_its_run(session: Session, gap: pb.Gap | None, kinds: list[type]) -> None:
    """What the old run lost comes before the new one."""
    cursor = ExecutionCursor(session, 0, (), Place("old", 4))
    told = [event for event, _ in cursor.take(response("new", 3, row(1), gap=gap))]
    assert [type(event) for event in told] == kinds
    for event in told:
        if isinstance(event, Gap):
            assert event.shard == 3 and event.last_window is not None
        elif isinstance(event, NewRun):
            assert (event.run, event.previous, event.shard) == ("new", "old", 3)


def test_the_first_run_is_no_new_one(session: Session) -> None:
    """There was none before: what is asked for is all of it."""
    cursor = ExecutionCursor(session, 0, (), Place(""))
    assert list(cursor.take(response("", -1))) == [(None, Place(""))]
    request = cursor.request()
    assert (request.after_run, request.after_window, request.HasField("after_window")) == ("", -1, True)
    (told,) = cursor.take(response("run", 0, row(1)))
    assert isinstance(told[0], Execution) and told[1] == Place("run", 0)


def test_a_feed_that_begins_anew_tells_no_tick_twice(session: Session) -> None:
    """The newest of each symbol comes first each time; of a new run all numbers begin anew."""
    cursor = FeedCursor(session, 0, (), latest=True)

    def told(run: str, number: int) -> list[Any]:
        frame = pb.Frame(symbol="BTC/USD", window=number, tick=types_pb2.Tick(tick_number=number, last_price_ticks=9))
        return [event for event, _ in cursor.take(pb.StreamTicksResponse(run=run, frames=[frame])) if event is not None]

    assert [len(told("one", number)) for number in (4, 4, 5, 3)] == [1, 0, 1, 0]
    turn, tick = told("two", 1)
    assert isinstance(turn, NewRun) and isinstance(tick, Tick) and tick.number == 1
    assert not cursor.request().HasField("after_window")


def test_a_lossless_feed_goes_on_after_its_window(session: Session) -> None:
    """A response without one leaves it where it was."""
    cursor = FeedCursor(session, 0, (), latest=False)
    assert not cursor.request().HasField("after_window")
    for answer in (pb.StreamTicksResponse(run="one", last_window=7), pb.StreamTicksResponse(run="one")):
        list(cursor.take(answer))
    request = cursor.request()
    assert (request.after_run, request.after_window, request.delivery) == ("one", 7, pb.DELIVERY_LOSSLESS)
