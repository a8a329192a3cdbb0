"""A book that comes back knows which clients stood for their orders: it waits for them, and cancels in the end."""

import asyncio
import threading
import uuid
from pathlib import Path
from typing import Any

import grpc
import pytest

from marksim.core.errors import Exhausted
from marksim.orderbook import presence
from marksim.orderbook.notes import DamagedNote
from marksim.store.journal import Journal
from marksim.v1 import orderbook_pb2 as pb
from tests.orderbook.market import WAIT_S, Market, answered, refused, until
from tests.orderbook.recorded_market import recorded
from tests.orderbook.test_keeping import recorder_of
from tests.orderbook.test_presence import GONE, RESTS, end_of, lose, ordered, standing, state, waited_for

KEY = "presence/alice"
ALICE = pb.StreamExecutionsRequest(account="alice", cancel_on_disconnect=True)
FULL = Exhausted("the disk is full", reason="JOURNAL_FULL")


@pytest.fixture(autouse=True)
def notebook(market: Market, late_look: None) -> dict[str, bytes]:
    """What the journal holds of presence."""
    notes: dict[str, bytes] = {}

    async def put_note(key: str, value: bytes | None) -> None:
        notes.pop(key, None)
        if value is not None:
            notes[key] = value

    market.service.servicer.presence.put_note = put_note
    return notes


async def test_only_those_who_asked_are_noted(market: Market, notebook: dict[str, bytes]) -> None:
    """With the longest grace of their streams: nobody knows which will be the last."""
    await standing(market, cancel_on_disconnect=False, account="bob")
    first = await standing(market, cancel_grace_ms=20_000)
    await standing(market, cancel_grace_ms=5_000)
    assert notebook == {KEY: b'{"version": 1, "grace_ms": 20000}'}
    first.cancel()
    await until(lambda: market.service.servicer.streams["executions"] == 2)
    await standing(market)
    assert notebook == {KEY: b'{"version": 1, "grace_ms": 5000}'} == market.service.servicer.presence.notes


async def test_the_note_goes_when_nothing_is_left_to_cancel(
    market: Market, notebook: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not before the window that cancels: a crash before it must not leave the orders to nobody."""
    monkeypatch.setattr(presence, "SECOND_LOOK_S", 0.01)
    engine = await market.engine()
    await ordered(market, engine, 0)
    await lose(market, await standing(market))
    await waited_for(market, 0)
    assert KEY in notebook
    await engine.window(1)
    assert await state(market) == GONE and notebook == {}
    (await standing(market)).cancel()
    await until(lambda: not notebook)


async def test_who_stays_away_loses_its_orders(
    market: Market, notebook: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of others stay."""
    monkeypatch.setattr(presence, "BACK_S", 0.01)
    engine = await market.engine()
    await ordered(market, engine, 0)
    await ordered(market, engine, 1, account="bob")
    notebook[KEY] = b'{"version": 1, "grace_ms": 0}'
    market.service.servicer.presence.restore(notebook.items())
    await market.queued(1)
    await engine.window(2)
    assert (await state(market), await state(market, account="bob")) == (GONE, RESTS) and notebook == {}


async def test_who_comes_back_keeps_its_orders(market: Market, notebook: dict[str, bytes]) -> None:
    """And is waited for as long as it asked, but ten seconds at least, since a book takes a while to be found again."""
    engine = await market.engine()
    await ordered(market, engine, 0)
    notebook |= {KEY: b'{"version": 1, "grace_ms": 60000}', "presence/bob": b'{"version": 1, "grace_ms": 1}'}
    served, now = market.service.servicer.presence, asyncio.get_running_loop().time()
    served.restore(notebook.items())
    waits = {account: round(timer.when() - now) for account, timer in served._waiting.items()}
    assert waits == {"alice": 60, "bob": 10}
    again = await standing(market)
    assert served._waiting.keys() == {"bob"} and notebook[KEY] == b'{"version": 1, "grace_ms": 0}'
    await engine.window(1)
    assert await state(market) == RESTS
    await lose(market, again)
    await engine.window(2)
    assert await state(market) == GONE


async def test_who_was_there_before_the_notes_were_read_is_not_waited_for(market: Market) -> None:
    """Its stream stands for it already."""
    await standing(market)
    served = market.service.servicer.presence
    served.restore([(KEY, b'{"version": 1, "grace_ms": 0}')])
    assert not served._waiting and served._streams.keys() == {"alice"}


async def test_a_regular_end_leaves_the_notes(market: Market, notebook: dict[str, bytes]) -> None:
    """The book's clients are not gone: it is, and will wait for them when it comes back."""
    call = await standing(market, cancel_grace_ms=1_000)
    await end_of(market, call)
    assert notebook == {KEY: b'{"version": 1, "grace_ms": 1000}'}


async def test_a_stream_that_cannot_be_noted_is_refused(market: Market) -> None:
    """It would stand for nothing after a crash; its client is told, and nothing is left of it."""
    served = market.service.servicer.presence

    async def full(_key: str, _value: bytes | None) -> None:
        raise FULL

    served.put_note = full
    call = market.stub.StreamExecutions(pb.StreamExecutionsRequest(account="alice", cancel_on_disconnect=True))
    assert (await refused(call.read()))[:2] == (grpc.StatusCode.RESOURCE_EXHAUSTED, "JOURNAL_FULL")
    assert not served._streams and not served.notes and not served._waiting


async def test_a_note_that_cannot_be_taken_away_is_tried_again(
    market: Market, notebook: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a client that left long ago would lose orders when the book comes back."""
    monkeypatch.setattr(presence, "SECOND_LOOK_S", 0.01)
    monkeypatch.setattr(presence, "AGAIN_S", 0.01)
    served, tries = market.service.servicer.presence, list[str]()
    put_note = served.put_note

    async def full_twice(key: str, value: bytes | None) -> None:
        tries.append(key)
        if len(tries) < 3:
            raise FULL
        await put_note(key, value)

    call = await standing(market)
    served.put_note = full_twice
    call.cancel()
    await until(lambda: not notebook)
    assert tries == [KEY] * 3 and not served.notes


async def test_a_new_run_has_nothing_left_to_cancel(
    market: Market, notebook: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command that waited for a window goes with its run, and with it the note."""
    monkeypatch.setattr(presence, "SECOND_LOOK_S", 0.01)
    engine = await market.engine()
    await ordered(market, engine, 0)
    await lose(market, await standing(market))
    await waited_for(market, 0)
    assert notebook
    await market.engine(run=str(uuid.uuid4()), term=2)
    await until(lambda: not notebook)


@pytest.mark.parametrize(
    ("key", "data", "problem"),
    [
        (KEY, b"{", "damaged"),
        (KEY, b"[]", "damaged"),
        (KEY, b'{"grace_ms": 0}', "damaged"),
        (KEY, b'{"version": 2, "grace_ms": 0}', "version 2"),
        (KEY, b'{"version": 1}', "None"),
        (KEY, b'{"version": 1, "grace_ms": -1}', "-1"),
        (KEY, b'{"version": 1, "grace_ms": 60001}', "60001"),
        ("outside/version", b'{"version": 1, "grace_ms": 0}', "presence"),
    ],
)
async def test_a_damaged_note_is_named(market: Market, key: str, data: bytes, problem: str) -> None:
    """And nobody is waited for on its word."""
    served = market.service.servicer.presence
    with pytest.raises(DamagedNote) as raised:
        served.restore([("presence/bob", b'{"version": 1, "grace_ms": 0}'), (key, data)])
    assert key in raised.value.message and problem in raised.value.message and not served._waiting


async def test_the_answer_of_a_stream_comes_after_its_note(market: Market, notebook: dict[str, bytes]) -> None:
    """From its first response on a client relies on it."""
    call = market.stub.StreamExecutions(pb.StreamExecutionsRequest(account="alice", cancel_on_disconnect=True))
    await answered(call.read())
    assert KEY in notebook


@pytest.fixture
def go(market: Market, notebook: dict[str, bytes]) -> asyncio.Event:
    """No note is written while it is clear."""
    go, put_note = asyncio.Event(), market.service.servicer.presence.put_note

    async def waits(key: str, value: bytes | None) -> None:
        await go.wait()
        await put_note(key, value)

    market.service.servicer.presence.put_note = waits
    return go


async def arriving(market: Market, count: int) -> None:
    """So many streams of alice's have come, and are not noted yet."""
    await until(lambda: market.service.servicer.presence._arriving == ["alice"] * count)


async def test_notes_of_one_client_are_written_in_turn(
    market: Market, notebook: dict[str, bytes], go: asyncio.Event
) -> None:
    """Each says what is true when its turn comes: the longest grace of those that stand for it by then."""
    first = asyncio.create_task(standing(market, cancel_grace_ms=20_000))
    await arriving(market, 1)
    second = asyncio.create_task(standing(market, cancel_grace_ms=5_000))
    await arriving(market, 2)
    assert not notebook
    go.set()
    await asyncio.gather(first, second)
    assert notebook == {KEY: b'{"version": 1, "grace_ms": 20000}'}


async def test_who_is_back_is_not_given_up_while_that_is_noted(market: Market, go: asyncio.Event) -> None:
    """The time for which it was waited may end just then."""
    engine, served = await market.engine(), market.service.servicer.presence
    await ordered(market, engine, 0)
    served.restore([(KEY, b'{"version": 1, "grace_ms": 5}')])
    timer = served._waiting["alice"]
    again = asyncio.create_task(standing(market))
    await arriving(market, 1)
    timer.cancel()
    served._give_up("alice")
    assert served._waiting["alice"] is not timer
    go.set()
    await again
    await engine.window(1)
    assert await state(market) == RESTS and not served._waiting


async def test_who_leaves_while_that_is_noted_has_left(
    market: Market, notebook: dict[str, bytes], go: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was begun is finished, and the note goes again."""
    monkeypatch.setattr(presence, "SECOND_LOOK_S", 0.01)
    served = market.service.servicer.presence
    arrival = asyncio.create_task(served.arrive("alice", 0.0))
    await arriving(market, 1)
    arrival.cancel()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await arrival
    assert notebook.keys() == {KEY} and not served._streams
    await until(lambda: not notebook and not served.notes)
    assert not (served._streams or served._arriving or served._waiting)


async def test_with_durability_disk_the_market_does_not_wait_for_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sync may take its time: who asked waits for it, and nobody else."""
    go, asked, put_note = threading.Event(), threading.Event(), Journal.put_note

    def slow(self: Journal, key: str, value: bytes | None) -> None:
        asked.set()
        assert go.wait(WAIT_S), "the event loop goes on"
        put_note(self, key, value)

    async with recorded(tmp_path, durability="disk") as market:
        await market.engine()
        monkeypatch.setattr(Journal, "put_note", slow)
        first = asyncio.ensure_future(market.stub.StreamExecutions(ALICE).read())
        await until(asked.is_set)
        assert (await answered(market.stub.GetRun(pb.GetRunRequest()))).run == market.run
        assert not first.done()
        go.set()
        await answered(first)
        kept = dict(recorder_of(market).journal.notes("presence/"))
        assert kept == {KEY: b'{"version": 1, "grace_ms": 0}'}


async def test_who_comes_while_a_run_begins_is_noted_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in none of the notes with which the journal begins."""
    go, begun, begin = threading.Event(), threading.Event(), Journal.begin

    def slow(self: Journal, *arguments: Any) -> None:
        begun.set()
        assert go.wait(WAIT_S), "the event loop goes on"
        begin(self, *arguments)

    async with recorded(tmp_path) as market:
        monkeypatch.setattr(Journal, "begin", slow)
        engine = asyncio.create_task(market.engine())
        await until(begun.is_set)
        first = asyncio.ensure_future(market.stub.StreamExecutions(ALICE).read())
        await arriving(market, 1)
        go.set()
        await asyncio.gather(engine, answered(first))
        assert dict(recorder_of(market).journal.notes()).keys() == {KEY}
