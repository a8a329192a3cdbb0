"""An account is told of all that happens to its orders, of nothing else, and of what it lost."""

import asyncio
import re
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import numpy as np
import pytest

from marksim.codec import decode_columns, encode_columns
from marksim.core.types import EXECUTION, ExecutionKind, Records, Side
from marksim.orderbook import own_executions
from marksim.orderbook.accounts import account_number
from marksim.orderbook.own_executions import MAX_ROWS, ExecutionReader, own_rows
from marksim.v1 import orderbook_pb2 as pb
from marksim.v1 import types_pb2
from tests.orderbook.kept import keep
from tests.orderbook.market import SYMBOL, WAIT_S, Engine, Market, answered, error_info, limit, name, refused, served
from tests.orderbook.test_stream import fill_ring

ALICE, BOB = account_number("alice"), account_number("bob")
ACCEPTED, TRADED, CANCELLED = ExecutionKind.ACCEPTED, ExecutionKind.TRADED, ExecutionKind.CANCELLED


async def responses(market: Market, account: str = "alice", **request: Any) -> AsyncIterator[pb.StreamExecutionsResponse]:
    call = market.stub.StreamExecutions(pb.StreamExecutionsRequest(account=account, **request))
    try:
        while True:
            async with asyncio.timeout(WAIT_S):
                response = await call.read()
            if response is grpc.aio.EOF:
                return
            yield response
    finally:
        call.cancel()


async def told(market: Market, last: int, **request: Any) -> list[pb.StreamExecutionsResponse]:
    """The responses of a new stream, up to that window of the current run."""
    seen = []
    async with aclosing(responses(market, **request)) as stream:  # type: ignore[type-var]  # an async generator
        async for response in stream:
            seen.append(response)
            if response.run == market.service.tape.current.run and response.window >= last:  # type: ignore[union-attr]
                return seen
    raise AssertionError("the stream ended")


def rows(response: pb.StreamExecutionsResponse) -> Records:
    """Its executions, which are of one symbol."""
    (part,) = response.executions
    assert part.symbol == SYMBOL
    return decode_columns(part.executions, EXECUTION)


async def submitted(market: Market, engine: Engine, number: int, *agents: dict[str, int], **changed: Any) -> None:
    """One order of an outside account in that window, and agents' commands after it."""
    task = market.submitting(f"order-{number}", **changed)
    await market.queued(1)
    await engine.window(number, *agents)
    await task


async def test_an_account_sees_its_own_orders_only(market: Market) -> None:
    """Windows in which nothing happened to it are passed over, and so are other accounts' rows."""
    engine = await market.engine()
    await engine.window(0, limit(1, Side.SELL, 100_010, 5))
    await submitted(market, engine, 1)
    await submitted(market, engine, 2, account="bob", price="49000")
    await submitted(market, engine, 3, limit(2, Side.SELL, 100_000, 4))
    seen = [response for response in await told(market, 3, after_window=-1) if response.executions]
    assert [(response.run, response.window) for response in seen] == [(market.run, 1), (market.run, 3)]
    first, second = map(rows, seen)
    assert first[["kind", "account", "price_ticks", "leaves_lots"]].tolist() == [(ACCEPTED, ALICE, 100_000, 10)]
    assert second["kind"].tolist() == [ACCEPTED, TRADED] and set(second["account"].tolist()) == {ALICE, 0}


async def test_who_is_on_the_other_side_is_not_told(market: Market) -> None:
    """Of a trade with another account its account, serial and leaves are 0; order ids, price and quantity stay."""
    engine = await market.engine()
    await submitted(market, engine, 0, limit(7, Side.SELL, 100_000, 4))
    await submitted(market, engine, 1, account="bob", side=types_pb2.SIDE_SELL, quantity="0.010")
    seen = await told(market, 1, after_window=-1)
    made, taken = (rows(response)[-1] for response in seen if response.executions)
    for trade in (made, taken):
        assert (trade["account"], trade["serial"], trade["leaves_lots"]) == (0, 0, 0)
        assert trade["maker_account"] == ALICE and trade["order_id"] and trade["maker_order_id"] and trade["price_ticks"]
    assert (taken["quantity_lots"], taken["maker_leaves_lots"]) == (6, 0)
    (bobs,) = [rows(response) for response in await told(market, 1, after_window=-1, account="bob") if response.executions]
    trade = bobs[-1]
    assert (trade["account"], trade["leaves_lots"]) == (BOB, 4)
    assert (trade["maker_account"], trade["maker_serial"], trade["maker_leaves_lots"]) == (0, 0, 0)


async def test_a_trade_with_itself_is_told_whole(market: Market) -> None:
    """Where both sides are the account's, both are named."""
    engine = await market.engine()
    await submitted(market, engine, 0)
    await submitted(market, engine, 1, side=types_pb2.SIDE_SELL)
    trade = rows((await told(market, 1, after_run=market.run, after_window=0))[-1])[-1]
    assert (trade["account"], trade["maker_account"]) == (ALICE, ALICE) and trade["serial"] > trade["maker_serial"] > 0


async def test_rows_lead_to_the_names_of_orders(market: Market) -> None:
    """By serial, also of orders that were refused and so have no id of the book's; as they are called now."""
    engine = await market.engine()
    await submitted(market, engine, 0)
    await submitted(market, engine, 1, price="900000000")
    request = pb.AmendOrderRequest(**name("order-0"), new_client_order_id="renamed")
    amend = asyncio.create_task(answered(market.stub.AmendOrder(request)))
    await market.queued(1)
    await engine.window(2)
    await amend
    named = [part for response in await told(market, 2, after_window=-1) for part in response.executions]
    serials = [decode_columns(part.executions, EXECUTION)["serial"].tolist() for part in named]
    assert [dict(part.client_order_ids) for part in named] == [
        {serials[0][0]: "renamed"},
        {serials[1][0]: "order-1"},
        {serials[0][0]: "renamed"},
    ]


async def test_names_of_another_run_are_not_told(market: Market) -> None:
    """Serials begin anew with a run: those of the old one must not find the new one's orders."""
    await submitted(market, await market.engine(), 0)
    old = market.run
    engine = await market.engine(run=str(uuid.uuid4()), term=2)
    await submitted(market, engine, 0)
    seen = [response for response in await told(market, 0, after_run=old, after_window=-1) if response.executions]
    assert [response.run == old for response in seen] == [True, False]
    assert [len(response.executions[0].client_order_ids) for response in seen] == [0, 1]


async def test_a_stream_goes_on_after_its_window(market: Market) -> None:
    """Who comes back with run and window of the last response gets what follows, with no gap and no double."""
    engine = await market.engine()
    for number in range(4):
        await submitted(market, engine, number, price=str(49_000 + number))
    seen = await told(market, 3, after_run=market.run, after_window=1)
    assert [response.window for response in seen if response.executions] == [2, 3]
    assert not any(response.HasField("gap") or response.more for response in seen)


async def test_a_stream_that_names_nothing_begins_with_the_next_window(market: Market) -> None:
    """Its first response says at once where it is; what was before is not told."""
    engine = await market.engine()
    await submitted(market, engine, 0)
    async with aclosing(responses(market)) as stream:  # type: ignore[type-var]  # an async generator
        first = await anext(stream)
        assert (first.run, first.window, len(first.executions)) == (market.run, 0, 0)
        await submitted(market, engine, 1, price="49000")
        assert (await anext(stream)).window == 1


async def test_an_idle_account_is_told_how_far_the_market_is(market: Market) -> None:
    """At least once a wall second, before the first run too, and while only others trade."""
    async with aclosing(responses(market)) as stream:  # type: ignore[type-var]  # an async generator
        before = await anext(stream)
        assert (before.run, before.window) == ("", -1)
        engine = await market.engine()
        begun = await anext(stream)
        assert (begun.run, begun.window) == (market.run, -1)
        await engine.window(0, limit(1, Side.SELL, 100_010, 5))
        while (response := await anext(stream)).window != 0:
            pass
        assert (response.run, len(response.executions)) == (market.run, 0)


async def test_a_new_run_on_the_stream_is_told(market: Market) -> None:
    """The response says the run, before anything happens in it."""
    engine = await market.engine()
    async with aclosing(responses(market, after_window=-1)) as stream:  # type: ignore[type-var]  # an async generator
        await anext(stream)
        await submitted(market, engine, 0)
        assert (await anext(stream)).window == 0
        second = str(uuid.uuid4())
        other = await market.engine(run=second, term=2)
        begun = await anext(stream)
        assert (begun.run, begun.window, begun.HasField("gap")) == (second, -1, False)
        await submitted(market, other, 0)
        assert ((response := await anext(stream)).run, response.window) == (second, 0)


async def test_symbols_narrow_the_stream() -> None:
    """Only the asked symbols' executions come; positions go on."""
    async with served(scenario="two-symbols") as market:
        engine = await market.engine()
        other = next(symbol for symbol in market.service.tape.symbols if symbol != SYMBOL)
        await submitted(market, engine, 0)
        seen = await told(market, 0, after_window=-1, symbols=[other])
        assert not any(response.executions for response in seen) and seen[-1].window == 0
        assert any(response.executions for response in await told(market, 0, after_window=-1, symbols=[SYMBOL]))


async def test_windows_that_are_lost_are_told(market: Market) -> None:
    """Exactly which, where they have left the memory; then what is there follows."""
    engine = await market.engine()
    await submitted(market, engine, 0)
    last = await fill_ring(market, engine, 1)
    await submitted(market, engine, last + 1)
    seen = await told(market, last + 1, after_run=market.run, after_window=0)
    gap = seen[0].gap
    assert (gap.run, gap.first_window) == (market.run, 1) and gap.last_window <= last and gap.reason
    assert not any(response.HasField("gap") for response in seen[1:])
    assert [response.window for response in seen if response.executions] == [last + 1]


async def test_windows_that_left_the_memory_come_from_the_journal(market: Market) -> None:
    """With the names of orders, to an account that was away for long, and after a restart of the book, too."""
    kept = keep(market.service.tape)
    engine = await market.engine()
    await submitted(market, engine, 0)
    await submitted(market, engine, 1, price="49000")
    last = await fill_ring(market, engine, 2)
    await submitted(market, engine, last + 1, price="48000")
    evicted = market.service.tape.ring.evicted
    assert evicted is not None and evicted[1] > 1
    for after, windows in (
        ({"after_window": -1}, [0, 1, last + 1]),
        ({"after_run": market.run, "after_window": 0}, [1, last + 1]),
    ):
        seen = await told(market, last + 1, **after)
        assert [response.window for response in seen if response.executions] == windows
        names = [list(part.client_order_ids.values()) for response in seen for part in response.executions]
        assert names == [[f"order-{window}"] for window in windows]
        assert not any(response.HasField("gap") for response in seen)
        positions = [response.window for response in seen]
        assert positions == sorted(set(positions)), "somebody else's long history is passed in steps"
    run = market.service.tape.current
    assert run is not None
    async with served() as again:
        again.service.tape.resume_run(run.started, run.last_window, run.last_ticks, kept)
        seen = await told(again, last + 1, after_run=market.run, after_window=0)
        assert [response.window for response in seen if response.executions] == [1, last + 1]


async def test_what_the_journal_dropped_is_told_to_the_account(market: Market) -> None:
    """As a gap with the reason, once; the rest of its windows come."""
    kept = keep(market.service.tape)
    engine = await market.engine()
    for number in range(3):
        await submitted(market, engine, number, price=str(49_000 + number))
    last = await fill_ring(market, engine, 3)
    kept.drop(1, "the journal reached its cap")
    seen = await told(market, last, after_window=-1)
    gaps = [response.gap for response in seen if response.HasField("gap")]
    assert [(gap.first_window, gap.last_window, gap.reason) for gap in gaps] == [(0, 1, "the journal reached its cap")]
    assert [response.window for response in seen if response.executions] == [2]


async def test_a_run_that_the_book_does_not_know_is_a_gap(market: Market) -> None:
    """The account is told so, then gets all there is."""
    engine = await market.engine()
    await submitted(market, engine, 0)
    unknown = str(uuid.uuid4())
    seen = await told(market, 0, after_run=unknown, after_window=41)
    gap = seen[0].gap
    assert (gap.run, gap.first_window, gap.HasField("last_window")) == (unknown, 42, False)
    assert (seen[-1].run, seen[-1].window) == (market.run, 0) and seen[-1].executions


async def test_a_long_history_of_others_is_passed_in_steps() -> None:
    """The event loop turns between them, and a heartbeat says how far it is."""
    async with served(ring_mib=8) as market:
        engine = await market.engine()
        for number in range(60):
            rows_ = (limit(1_000 * number + row, Side.BUY, 50_000 + row, 1) for row in range(300))
            await engine.window(number, *rows_)
        reader = ExecutionReader(market.service.sequencer, pb.StreamExecutionsRequest(account="alice", after_window=-1))
        begun = reader.take()
        assert begun is not None and not begun.executions
        windows = [begun.window]
        while reader.catches_up:
            assert reader.take() is None
            windows.append(reader.heartbeat().window)
        assert len(windows) > 2 and windows == sorted(set(windows)) and windows[-1] == 59


async def test_a_window_of_many_executions_comes_in_parts(market: Market) -> None:
    """No response outgrows what a client takes; all but the last say that more of the window follows."""
    reader = ExecutionReader(market.service.sequencer, pb.StreamExecutionsRequest(account="alice"))
    many: Records = np.zeros(2 * MAX_ROWS + 5, EXECUTION)
    many["account"], many["serial"] = ALICE, 1
    many["sequence"] = np.arange(1, len(many) + 1)
    frame = pb.Frame(symbol=SYMBOL, window=3, executions=encode_columns(many, types_pb2.ExecutionColumns))
    parts = reader._window(market.run, 3, [frame, pb.Frame(symbol="ETH/USD", window=3, executions=frame.executions)])
    assert [part.more for part in parts] == [True] * (len(parts) - 1) + [False]
    assert [part.window for part in parts] == [2] * (len(parts) - 1) + [3]
    assert {piece.window for part in parts for piece in part.executions} == {3}
    assert max(part.ByteSize() for part in parts) < 4 << 20
    for symbol in (SYMBOL, "ETH/USD"):
        got = [
            decode_columns(piece.executions, EXECUTION)
            for part in parts
            for piece in part.executions
            if piece.symbol == symbol
        ]
        assert np.array_equal(np.concatenate(got), many)


async def test_wherever_a_stream_breaks_it_goes_on_without_loss_or_double(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in the middle of a window that comes in parts, of several symbols: run, window and told_rows say where."""
    monkeypatch.setattr(own_executions, "MAX_ROWS", 2)
    async with served(scenario="two-symbols") as market:
        engine = await market.engine()
        for number in range(3):
            tasks = [
                market.submitting(f"{number}-{row}", symbol=symbol, price=str(1_000 + row))
                for row in range(5)
                for symbol in market.service.tape.symbols
            ]
            await market.queued(10)
            await engine.window(number)
            await asyncio.gather(*tasks)

        def read(**after: Any) -> list[pb.StreamExecutionsResponse]:
            request = pb.StreamExecutionsRequest(account="alice", **after)
            return list(iter(ExecutionReader(market.service.sequencer, request).take, None))

        def ids(seen: list[pb.StreamExecutionsResponse]) -> list[tuple[str, int, int]]:
            parts = [part for response in seen for part in response.executions]
            sequences = [(part, decode_columns(part.executions, EXECUTION)["sequence"].tolist()) for part in parts]
            return [(part.symbol, part.window, sequence) for part, numbers in sequences for sequence in numbers]

        whole = read(after_window=-1)
        assert len(ids(whole)) == len(set(ids(whole))) == 30
        assert sum(response.more for response in whole) > 9
        for number, last in enumerate(whole, start=1):
            rest = read(after_run=last.run, after_window=last.window, after_rows=last.told_rows)
            assert ids(whole[:number]) + ids(rest) == ids(whole)


async def test_the_example_of_the_documentation_names_every_order(market: Market) -> None:
    """Also the account's own that a trade found resting, whose serial is in the maker's column."""
    engine = await market.engine()
    await submitted(market, engine, 0, limit(7, Side.SELL, 100_000, 4))
    page = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
    (example,) = [block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "StreamExecutions" in block]
    example = example.replace("localhost:50051", market.address).replace('account="me"', 'account="alice", after_window=-1')
    printed: list[tuple[Any, ...]] = []
    running = asyncio.create_task(asyncio.to_thread(exec, example, {"print": lambda *words: printed.append(words)}))
    async with asyncio.timeout(WAIT_S):
        while not printed:
            await asyncio.sleep(0.001)
        market.service.tape.end()
        await running
    assert printed == [(0, SYMBOL, [ACCEPTED, TRADED], ["order-0", "order-0"])]


def test_bytes_that_only_look_like_the_account_are_no_row() -> None:
    """The search in the packed column may hit across two numbers; the rows decide."""
    number = (1 << 62) + 0x0102030405060708
    shifted: Records = np.zeros(2, EXECUTION)
    raw = bytes(3) + number.to_bytes(8, "little") + bytes(5)
    shifted["account"] = np.frombuffer(raw, "<i8")
    shifted["sequence"] = (1, 2)
    assert len(own_rows(encode_columns(shifted, types_pb2.ExecutionColumns), number)) == 0


async def test_a_stream_ends_with_the_service_and_has_the_last_window(market: Market) -> None:
    """What is left is delivered; nobody new is let in."""
    engine = await market.engine()
    await submitted(market, engine, 0)
    async with aclosing(responses(market, after_window=-1)) as stream:  # type: ignore[type-var]  # an async generator
        await anext(stream)
        assert market.service.servicer.streams["executions"] == 1
        await submitted(market, engine, 1, price="49000")
        market.service.tape.end()
        left = [response async for response in stream]
        await market.service.servicer.streams_ended.wait()
    assert [response.window for response in left if response.executions][-1:] == [1]
    late = market.stub.StreamExecutions(pb.StreamExecutionsRequest(account="alice"))
    assert (await refused(late.read()))[:2] == (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"account": ""}, "account"),
        ({"account": "a b"}, "account"),
        ({"symbols": ["DOGE/USD"]}, "symbols"),
        ({"after_window": -2}, "after_window"),
        ({"after_window": 9}, "after_window"),
        ({"after_rows": 9}, "after_rows"),
    ],
)
async def test_bad_request_is_refused(market: Market, request_: dict[str, Any], field: str) -> None:
    """Each wrong field is refused by name before the stream begins, a window that has not been too."""
    await (await market.engine()).window(0)
    known = {"account": "alice"} | ({"after_run": market.run} if "after_window" in request_ else {})
    call = market.stub.StreamExecutions(pb.StreamExecutionsRequest(**(known | request_)))
    assert (await refused(call.read()))[0] == grpc.StatusCode.INVALID_ARGUMENT
    assert error_info(await call.trailing_metadata()).metadata["field"] == field
