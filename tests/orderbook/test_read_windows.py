"""An engine that recovers reads what it and the outside sent, and what came of it."""

import asyncio
import uuid
from typing import Any

import grpc
import grpc.aio
import numpy as np
import pytest

from marksim.codec import decode_columns, encode_columns
from marksim.core.types import COMMAND, EXECUTION, Records, Side
from marksim.orderbook import reading
from marksim.store.windows import RecordedWindow, SymbolWindow
from marksim.v1 import orderbook_pb2 as pb
from marksim.v1 import types_pb2
from tests.orderbook.kept import Kept, keep
from tests.orderbook.market import SYMBOL, WAIT_S, Market, limit, refused, served


async def read(market: Market, first: int, last: int | None = None) -> list[pb.ReadWindowsResponse]:
    request = pb.ReadWindowsRequest(run=market.run, first_window=first, last_window=last)
    async with asyncio.timeout(WAIT_S):
        return [response async for response in market.stub.ReadWindows(request)]


def windows(responses: list[pb.ReadWindowsResponse]) -> list[pb.RecordedWindow]:
    return [window for response in responses for window in response.windows]


def spans(responses: list[pb.ReadWindowsResponse]) -> list[tuple[int, int]]:
    return [(window.window, window.last_window) for window in windows(responses)]


def rows(count: int, first: int = 0) -> Records:
    """Commands whose columns are not all zero."""
    commands: Records = np.zeros(count, COMMAND)
    commands["serial"] = np.arange(first + 1, first + count + 1)
    commands["price_ticks"] = 100_000
    return commands


def with_input(part: SymbolWindow, commands: Records, outside: Records) -> SymbolWindow:
    return SymbolWindow(
        outside,
        commands,
        part.executions,
        part.quotes,
        part.depth,
        part.tick,
        part.levels,
        part.previous_window,
        part.digest,
    )


async def traded(market: Market, count: int) -> tuple[Kept, list[pb.WindowResult]]:
    """A market with an order in every other window; its answers."""
    kept = keep(market.service.tape)
    engine = await market.engine()
    answers = []
    for number in range(count):
        orders = [limit(number + 1, Side.BUY, 90_000 + number, 1)] if number % 2 == 0 else []
        answers.append(await engine.window(number, *orders))
    return kept, answers


async def test_results_are_those_of_the_live_answer(market: Market) -> None:
    """Symbol by symbol with executions, quotes and tick; a window in which nothing happened has none."""
    _, answers = await traded(market, 5)
    got = windows(await read(market, 0))
    assert [(window.window, window.last_window) for window in got] == [(n, n) for n in range(5)]
    assert [list(window.results) for window in got] == [list(answer.results) for answer in answers]
    assert [len(window.results) for window in got] == [1, 0, 1, 0, 1] and got[0].results[0].HasField("tick")


async def test_what_went_in_comes_back(market: Market) -> None:
    """The engine's commands, those of outside and its own inputs, by symbol in the order of the shard."""
    kept, _ = await traded(market, 2)
    (first,) = kept.windows(0, 0)
    commands, outside = rows(3), rows(2, 10)
    parts = {SYMBOL: with_input(first.parts[SYMBOL], commands, outside)}
    kept._rows[0] = RecordedWindow(0, 0, b"digest", b"control", parts)
    (window,) = windows(await read(market, 0, 0))
    assert window.control == b"control"
    for sent, expected in ((window.commands, commands), (window.outside, outside)):
        assert [part.symbol for part in sent] == [SYMBOL]
        assert decode_columns(sent[0].commands, COMMAND).tobytes() == expected.tobytes()
    assert decode_columns(window.results[0].executions, EXECUTION).tobytes() == first.parts[SYMBOL].executions.tobytes()


async def test_only_asked_windows_come(market: Market) -> None:
    """Both ends included; a row of empty windows is one, cut to what is asked for; behind the last there is nothing."""
    kept, _ = await traded(market, 3)
    engine = await market.engine(term=2)
    for number in range(3, 10):
        await engine.window(number)
    assert spans(await read(market, 0)) == [(0, 0), (1, 1), (2, 2), (3, 9)]
    assert spans(await read(market, 1, 5)) == [(1, 1), (2, 2), (3, 5)]
    assert spans(await read(market, 6)) == [(6, 9)]
    assert await read(market, 10) == await read(market, 4, 3) == []
    assert not kept.open


async def test_responses_are_bounded(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """In bytes, but for a window that is larger by itself, and in windows; none is left out and none doubled."""
    kept, _ = await traded(market, 9)
    small, large = reading.RESPONSE_BYTES // 3, reading.RESPONSE_BYTES + 1_000
    for number, size in enumerate((small, small, small, small, large, 10, large, large, 10)):
        kept._rows[number] = RecordedWindow(number, number, b"", bytes(size), {})
    responses = await read(market, 0)
    assert spans(responses) == [(number, number) for number in range(9)]
    assert [len(response.windows) for response in responses] == [2, 2, 1, 1, 1, 1, 1]
    assert all(response.ByteSize() < 1 << 20 for response in responses if len(response.windows) > 1)
    monkeypatch.setattr(reading, "RESPONSE_WINDOWS", 3)
    monkeypatch.setattr(reading, "RESPONSE_BYTES", 1 << 30)
    assert [len(response.windows) for response in await read(market, 5, 8)] == [3, 1]


@pytest.mark.parametrize(("run", "reason"), [("another", "UNKNOWN_RUN"), ("present", "WINDOW_GONE")])
async def test_what_is_not_there_is_named(market: Market, run: str, reason: str) -> None:
    """A run that is not the present one, and a window that is no longer kept, with the first that is."""
    kept, _ = await traded(market, 8)
    kept.drop(4)
    asked = market.run if run == "present" else str(uuid.uuid4())
    call = market.stub.ReadWindows(pb.ReadWindowsRequest(run=asked, first_window=3))
    code, found, message = await refused(call.read())
    assert (code, found) == (grpc.StatusCode.NOT_FOUND, reason)
    assert ("the first one that is kept is 5" if run == "present" else market.run) in message
    assert spans(await read(market, 5))[0] == (5, 5)


async def test_windows_that_are_dropped_meanwhile_end_the_answer(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that is too slow for what the journal keeps is told so, and gets no answer with a hole."""
    kept, _ = await traded(market, 8)
    monkeypatch.setattr(reading, "RESPONSE_WINDOWS", 1)
    responses = reading.read_windows(market.service.tape, pb.ReadWindowsRequest(run=market.run, first_window=0))
    assert (await anext(responses)).windows[0].window == 0
    kept.drop(3)
    with pytest.raises(Exception, match="window 1 is not kept any more: the first one that is kept is 4") as gone:
        await anext(responses)
    assert gone.value.reason == "WINDOW_GONE"  # type: ignore[attr-defined]  # a NotFound
    other = reading.read_windows(market.service.tape, pb.ReadWindowsRequest(run=market.run, first_window=4))
    await anext(other)
    await market.engine(run=str(uuid.uuid4()), term=2)
    with pytest.raises(Exception, match="keeps the windows of its present run"):
        await anext(other)


@pytest.mark.parametrize(
    ("field", "asked"),
    [
        ("first_window", {"first_window": -1}),
        ("first_window", {"first_window": 4}),
        ("last_window", {"first_window": 0, "last_window": 3}),
        ("last_window", {"first_window": 2, "last_window": 0}),
    ],
)
async def test_windows_that_cannot_be_are_refused(market: Market, field: str, asked: dict[str, Any]) -> None:
    """Each wrong field by its name."""
    await traded(market, 3)
    code, _, message = await refused(market.stub.ReadWindows(pb.ReadWindowsRequest(run=market.run, **asked)).read())
    assert code == grpc.StatusCode.INVALID_ARGUMENT and message.startswith(field)


async def test_a_book_that_keeps_nothing_says_so(market: Market) -> None:
    """And one that has no run yet, and one that still prepares its kernels, which decode what was kept."""
    asked = pb.ReadWindowsRequest(run=market.run)
    assert (await refused(market.stub.ReadWindows(asked).read()))[:2] == (grpc.StatusCode.NOT_FOUND, "UNKNOWN_RUN")
    await (await market.engine()).window(0)
    code, reason, message = await refused(market.stub.ReadWindows(asked).read())
    assert (code, reason) == (grpc.StatusCode.NOT_FOUND, "WINDOW_GONE") and "keeps no windows" in message
    market.service.servicer.ready = False
    assert (await refused(market.stub.ReadWindows(asked).read()))[1] == "STARTING"


async def test_damage_is_named_after_what_is_whole(market: Market) -> None:
    """Windows before it come; the market goes on."""
    kept, _ = await traded(market, 6)
    kept.damaged.add(4)
    call = market.stub.ReadWindows(pb.ReadWindowsRequest(run=market.run))
    assert spans([await call.read()]) == [(number, number) for number in range(4)]
    code, reason, message = await refused(call.read())
    assert (code, reason) == (grpc.StatusCode.DATA_LOSS, "DAMAGED") and "window 4" in message
    assert (await (await market.engine(term=2)).window(6)).window == 6 and not kept.open


async def test_several_symbols_come_in_the_order_of_the_shard() -> None:
    """However they were kept."""
    async with served(scenario="two-symbols") as market:
        kept = keep(market.service.tape)
        await (await market.engine()).window(0)
        part = with_input(next(kept.windows(0, 0)).parts[SYMBOL], rows(1), rows(0))
        symbols = market.service.tape.symbols
        kept._rows[0] = RecordedWindow(0, 0, b"", b"", dict.fromkeys(reversed(symbols), part))
        (window,) = windows(await read(market, 0))
        assert [sent.symbol for sent in window.commands] == list(symbols)
        assert window.commands[0].commands == encode_columns(rows(1), types_pb2.CommandColumns)
