"""What goes wrong while a window is kept: it is in the books once, and nobody is told of what is not kept."""

import asyncio
import math
import random
import sqlite3
import threading
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from marksim.core.errors import Damaged, JournalFull, MarksimError, NotNow
from marksim.core.feed.packing import TooManyRows
from marksim.core.types import Side
from marksim.orderbook import recording, sequencing, trading
from marksim.orderbook.recording import Recorder
from marksim.store.journal import BUSY_MS, Journal
from marksim.store.snapshots import newest_snapshots, snapshot_path
from marksim.v1 import orderbook_pb2 as pb
from tests.orderbook.market import WAIT_S, Market, limit, refused, until, window
from tests.orderbook.recorded_market import recorded
from tests.orderbook.test_recovery import described, rows, shown, trade

FULL = JournalFull("no room here")


@dataclass
class Appending:
    """What becomes of windows that are to be kept."""

    error: Exception | None = None
    """With which the journal refuses them; None where it takes them."""
    on_loop: list[bool] = field(default_factory=list)
    """Of each try to keep one, whether it was on the event loop."""


@pytest.fixture
def appending(monkeypatch: pytest.MonkeyPatch) -> Appending:
    """The journal takes all windows, until a test says otherwise."""
    appending, append = Appending(), Journal.append

    def watched(self: Journal, *arguments: Any) -> None:
        appending.on_loop.append(threading.current_thread() is threading.main_thread())
        if appending.error is not None:
            raise appending.error
        append(self, *arguments)

    monkeypatch.setattr(Journal, "append", watched)
    return appending


def recorder_of(market: Market) -> Recorder:
    recorder = market.service.sequencer.recorder
    assert recorder is not None
    return recorder


@pytest.mark.parametrize("error", [NotNow("another program holds it", reason="JOURNAL_HELD"), Damaged("no sync any more")])
async def test_a_window_that_cannot_be_kept_is_never_applied_twice(
    tmp_path: Path, appending: Appending, error: MarksimError
) -> None:
    """A journal that another program holds, or that is damaged, holds the window as a full one does: the same books."""
    async with recorded(tmp_path / "one") as market:
        engine = await market.engine()
        await trade(engine, range(6))
        expected = await shown(market)
    async with recorded(tmp_path / "two") as market:
        engine, run = await market.engine(), market.run
        await trade(engine, range(4))
        appending.error = error
        await engine.send(window(4, *rows(4)))
        assert error.message in (await engine.answer()).held.reason
        assert error.message in (await described(market)).held
        # It comes again, and sends it again.
        engine.call.cancel()
        engine = await market.engine()
        assert engine.opened.last_window == 3
        appending.error = None
        await trade(engine, [4, 5])
        assert (await described(market)).held == ""
        assert [str(part).replace(run, "") for part in (await shown(market))[1:]] == [str(part) for part in expected[1:]]


async def test_a_window_that_is_more_than_the_journal_takes_is_held_and_says_why(
    tmp_path: Path, appending: Appending
) -> None:
    """Nobody gets past it: that is told to the engine and to whoever asks, and is no error of nowhere."""
    async with recorded(tmp_path) as market:
        engine = await market.engine()
        await trade(engine, [0])
        appending.error = TooManyRows("9000000 rows are more than 8388608, the most that are packed in one piece")
        await engine.send(window(1, *rows(1)))
        assert "window 1 cannot be kept: 9000000 rows are more" in (await engine.answer()).held.reason
        assert "window 1 cannot be kept" in (await described(market)).held


async def test_another_program_that_writes_to_the_journal_is_waited_for(tmp_path: Path) -> None:
    """A person's sqlite3, say: the window is held, and goes on once that is done."""
    async with recorded(tmp_path) as market:
        engine = await market.engine()
        await trade(engine, [0])
        journal = recorder_of(market).journal
        # The event loop may be who waits for it.
        assert journal._connection.execute("PRAGMA busy_timeout").fetchone() == (BUSY_MS,)
        with closing(sqlite3.connect(journal.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            await engine.send(window(1, *rows(1)))
            assert "another program" in (await engine.answer()).held.reason
            other.execute("ROLLBACK")
        while (answer := await engine.answer()).HasField("held"):
            pass
        assert answer.result.window == 1


async def test_another_engine_comes_after_the_window_that_is_held(tmp_path: Path, appending: Appending) -> None:
    """It might have other orders for it. So it waits for room, and the window is the one of the engine that sent it."""
    async with recorded(tmp_path) as market:
        engine = await market.engine()
        await trade(engine, range(3))
        appending.error = FULL
        await engine.send(window(3, *rows(3)))
        assert (await engine.answer()).HasField("held")
        engine.call.cancel()
        code, reason, _ = await (await market.knock(term=2, instance="b")).refusal()
        assert (code, reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "JOURNAL_FULL")
        appending.error = None
        engine = await market.engine(term=2, instance="b")
        assert engine.opened.last_window == 3
        assert (await engine.window(4, limit(80, Side.BUY, 90_000, 1))).window == 4


async def test_while_windows_are_held_nobody_waits_for_a_note(tmp_path: Path, appending: Appending) -> None:
    """A client that wants its orders to end with it is told to come again; one whose note is there is let in."""
    standing = pb.StreamExecutionsRequest(account="alice", cancel_on_disconnect=True)
    async with recorded(tmp_path) as market:
        engine = await market.engine()
        known = market.stub.StreamExecutions(standing)
        await known.read()
        appending.error = FULL
        await engine.send(window(0, *rows(0)))
        assert (await engine.answer()).HasField("held")
        again = market.stub.StreamExecutions(standing)
        await again.read()
        standing.account = "bob"
        new = market.stub.StreamExecutions(standing)
        assert (await refused(new.read()))[1] == "JOURNAL_FULL"
        appending.error = None
        while (await engine.answer()).HasField("held"):
            pass
        new = market.stub.StreamExecutions(standing)
        assert (await new.read()).run == market.run


async def test_a_full_journal_is_tidied_while_the_market_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, appending: Appending
) -> None:
    """What makes room, such as a reader that confirms, is seen although no window goes on."""
    monkeypatch.setattr(trading, "HELD_S", 0.01)
    trim = Journal.trim

    def makes_room(self: Journal, *arguments: Any) -> Any:
        appending.error = None
        return trim(self, *arguments)

    async with recorded(tmp_path) as market:
        engine = await market.engine()
        await trade(engine, range(3))
        monkeypatch.setattr(Journal, "trim", makes_room)
        appending.error = FULL
        await engine.send(window(3, *rows(3)))
        assert (await engine.answer()).HasField("held")
        while (answer := await engine.answer()).HasField("held"):
            pass
        assert answer.result.window == 3


async def test_an_engine_that_was_fenced_off_while_it_waited_does_nothing(tmp_path: Path) -> None:
    """Its window was on its way when the newer one came: that one's window is the next, whatever is in it."""
    async with recorded(tmp_path) as market:
        older = await market.engine()
        await trade(older, range(2))
        async with market.service.sequencer.books:
            # They come to the books in this order.
            newer = await market.knock(term=2, instance="b")
            await until_waiting(market, 1)
            await older.send(window(2, limit(90, Side.BUY, 90_000, 1)))
            await until_waiting(market, 2)
        assert (await newer.answer()).opened.last_window == 1
        assert (await older.refusal())[1] == "FENCED"
        assert (await newer.window(2, *rows(2))).window == 2


async def until_waiting(market: Market, count: int) -> None:
    """Wait until so many wait for the books."""
    await until(lambda: sum(not one.done() for one in market.service.sequencer.books._waiters or ()) >= count)


async def test_an_engine_that_leaves_while_it_is_let_in_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody thinks that an engine is there which has gone before its term was written."""
    claim, begun, go = Journal.claim, threading.Event(), threading.Event()

    def slow(self: Journal, term: int, instance: str) -> None:
        begun.set()
        assert go.wait(WAIT_S)
        claim(self, term, instance)

    monkeypatch.setattr(Journal, "claim", slow)
    async with recorded(tmp_path) as market:
        engine = await market.knock()
        assert await asyncio.to_thread(begun.wait, WAIT_S)
        engine.call.cancel()
        go.set()
        # Whoever waits for the books after it finds nobody.
        async with asyncio.timeout(WAIT_S):
            while not (facts := await described(market)).term or facts.engine_connected:
                await asyncio.sleep(0.001)
        assert facts.term == 1


async def test_a_saved_window_that_cannot_be_kept_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's word goes unkept, the market goes on."""

    def refuses(self: Journal, window: int) -> None:
        raise JournalFull("no room here")

    monkeypatch.setattr(Journal, "set_saved", refuses)
    async with recorded(tmp_path) as market:
        engine = await market.engine()
        await trade(engine, range(2))
        await engine.send(pb.TradeRequest(saved=pb.Saved(window=1)))
        assert (await engine.window(2, *rows(2))).window == 2
        assert (await described(market)).saved_window == 1


async def test_one_snapshot_is_written_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a slow disk none is copied before the one before it is written; then the next one is due at once."""
    begun, go, write = threading.Semaphore(0), threading.Event(), Recorder._write

    def slow(self: Recorder, *arguments: Any) -> None:
        begun.release()
        assert go.wait(WAIT_S)
        write(self, *arguments)

    monkeypatch.setattr(Recorder, "_write", slow)
    async with recorded(tmp_path, snapshot_windows=2) as market:
        engine = await market.engine()
        await trade(engine, range(9))
        recorder = recorder_of(market)
        assert recorder._aside._work_queue.qsize() == 0
        assert not recorder.is_due(8)
        go.set()
        assert recorder._saving is not None
        await recorder._saving
        await trade(engine, [9])
        await recorder._saving
        assert recorder.snapshot_window == 9


async def test_a_snapshot_of_lost_windows_is_not_taken_for_one_of_those_in_their_place(tmp_path: Path) -> None:
    """A power cut may leave a snapshot whose windows the journal lost: others have their numbers, with other orders."""
    async with recorded(tmp_path / "lost", snapshot_windows=6) as market:
        engine, run = await market.engine(), market.run
        await trade(engine, range(3))
        await engine.window(3, limit(70, Side.BUY, 99_000, 7))
        await trade(engine, range(4, 6))
    async with recorded(tmp_path / "kept") as market:
        engine = await market.engine(run)
        await trade(engine, range(3))
    lost, kept = (snapshot_path(tmp_path / name / "shard-0", "book", 5) for name in ("lost", "kept"))
    kept.write_bytes(lost.read_bytes())
    async with recorded(tmp_path / "kept", in_order=False) as market:
        engine = await market.engine(run, term=2, instance="b")
        assert engine.opened.last_window == 2
        await trade(engine, range(3, 8))
        expected = await shown(market)
    async with recorded(tmp_path / "kept") as market:
        assert await shown(market) == expected


async def test_a_new_run_begins_without_snapshots_of_others(tmp_path: Path) -> None:
    """Of a journal that was removed by hand, with higher numbers: they would drive out this run's."""
    async with recorded(tmp_path) as market:
        await trade(await market.engine(), range(12))
    folder = tmp_path / "shard-0"
    for path in folder.glob("journal.sqlite*"):
        path.unlink()
    async with recorded(tmp_path, snapshot_windows=3) as market:
        await trade(await market.engine(), range(4))
        recorder = recorder_of(market)
        assert recorder._saving is not None
        await recorder._saving
        assert [window for window, _ in newest_snapshots(folder, "book")] == [2]


async def test_the_older_snapshot_is_known_after_a_start(tmp_path: Path) -> None:
    """Its windows are kept: the newest may turn out to be damaged."""
    async with recorded(tmp_path, snapshot_windows=3) as market:
        engine, recorder = await market.engine(), recorder_of(market)
        for begin in range(0, 9, 3):
            await trade(engine, range(begin, begin + 3))
            assert recorder._saving is not None
            await recorder._saving
    async with recorded(tmp_path) as market:
        recorder = recorder_of(market)
        assert (recorder.snapshot_window, recorder._older) == (8, 5)


async def test_a_journal_near_its_cap_asks_for_a_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all that it has is needed for a start, a new snapshot makes it less: it does not wait for the next due one."""
    trim = Journal.trim

    def full(self: Journal, *arguments: Any) -> Any:
        return replace(trim(self, *arguments), full=True)

    monkeypatch.setattr(Journal, "trim", full)
    async with recorded(tmp_path) as market:
        engine = await market.engine()
        await trade(engine, range(3))
        recorder = recorder_of(market)
        assert recorder.snapshot_window == -1
        tidied = recorder.tidy(at_once=True)
        assert tidied is not None
        await tidied
        await trade(engine, range(3, 5))
        assert recorder._saving is not None
        await recorder._saving
        assert recorder.snapshot_window == 3


async def test_a_cap_below_the_size_bounds_that_too(tmp_path: Path) -> None:
    """Whoever says only the cap needs to say no more."""
    async with recorded(tmp_path, journal_cap_mib=64) as market:
        assert recorder_of(market).journal.limits.soft_mib == 64


async def test_a_reader_that_never_confirmed_is_known_after_a_crash(tmp_path: Path) -> None:
    """Nothing is dropped that it has not had, from the moment it first came; also where it came before the run."""
    async with recorded(tmp_path) as market:
        early = market.stub.StreamTicks(pb.StreamTicksRequest(reader="early"))
        await early.read()
        await until(lambda: recorder_of(market)._early)
        await trade(await market.engine(), range(2))
        late = market.stub.StreamTicks(pb.StreamTicksRequest(reader="late", after_window=-1))
        await late.read()
        assert recorder_of(market).journal.readers()["early"] == -1
        early.cancel(), late.cancel()
    async with recorded(tmp_path) as market:
        assert recorder_of(market).journal.readers() == {"early": -1, "late": -1}
        listed = (await market.stub.ListReaders(pb.ListReadersRequest())).readers
        assert [(reader.reader, reader.HasField("window")) for reader in listed] == [("early", False), ("late", False)]


async def test_a_journal_that_another_program_holds_lets_an_engine_come_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told that the book is away, not that it is refused; the run begins with the next try."""
    held, claim = [True], Journal.claim

    def refuses(self: Journal, term: int, instance: str) -> None:
        if held[0]:
            raise NotNow("another program holds it", reason="JOURNAL_HELD")
        claim(self, term, instance)

    monkeypatch.setattr(Journal, "claim", refuses)
    async with recorded(tmp_path) as market:
        code, reason, _ = await (await market.knock()).refusal()
        assert (code, reason) == (grpc.StatusCode.UNAVAILABLE, "JOURNAL_HELD")
        held[0] = False
        await trade(await market.engine(), range(2))


async def test_a_shard_without_symbols_comes_back(tmp_path: Path) -> None:
    """Its windows are empty, and counted all the same."""
    settings: dict[str, Any] = {"shards": 2, "shard": "1", "assign": {"BTC/USD": 0}}
    async with recorded(tmp_path, in_order=False, **settings) as market:
        assert not market.service.tape.symbols
        engine, run = await market.engine(), market.run
        for number in range(5):
            await engine.window(number)
    async with recorded(tmp_path, snapshot_windows=2, **settings) as market:
        engine = await market.engine(run, term=2, instance="b")
        assert engine.opened.last_window == 4
        for number in range(3, 9):
            await engine.window(number)
    async with recorded(tmp_path, **settings) as market:
        assert (await described(market)).last_window == 8


def many(rng: random.Random, number: int) -> list[dict[str, int]]:
    """Orders of a window that take some room."""
    return [
        limit(1_000 * number + one, Side.BUY, rng.randrange(50_000, 99_000), rng.randrange(1, 10**9)) for one in range(500)
    ]


async def test_at_its_cap_a_journal_waits_for_what_the_engine_saves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that a start needs is dropped: the market waits, hears the engine meanwhile, and goes on. For real."""
    monkeypatch.setattr(trading, "HELD_S", 0.05)
    rng = random.Random(1)
    async with recorded(tmp_path, journal_cap_mib=1, journal_mib=1) as market:
        engine, recorder, number = await market.engine(), recorder_of(market), 0
        while True:
            await engine.send(window(number, *many(rng, number)))
            if (answer := await engine.answer()).HasField("held"):
                break
            # As it would be every ten seconds.
            tidied = recorder.tidy(at_once=True)
            assert tidied is not None
            await tidied
            number += 1
        assert "cap" in answer.held.reason
        assert recorder.journal.first_window == 0 and recorder.snapshot_window > 0
        await engine.send(pb.TradeRequest(saved=pb.Saved(window=number - 1)))
        while (answer := await engine.answer()).HasField("held"):
            pass
        assert answer.result.window == number
        assert 0 < recorder.journal.first_window <= recorder.snapshot_window + 1
        shown_before, run = await shown(market), market.run
    async with recorded(tmp_path, journal_cap_mib=1, journal_mib=1) as market:
        engine = await market.engine(run, term=2, instance="b")
        assert engine.opened.last_window == number
        assert await shown(market) == shown_before


async def test_a_journal_that_grows_fast_is_looked_at_earlier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It never gets full while there is something to drop, however long the next regular look is away."""
    monkeypatch.setattr(recording, "TRIM_EVERY_S", math.inf)
    rng, number = random.Random(1), 0
    async with recorded(tmp_path, journal_cap_mib=1, journal_mib=1, snapshot_windows=5) as market:
        engine, recorder = await market.engine(), recorder_of(market)
        while recorder.journal.grown_bytes < 2 * recorder.capacity_bytes:
            await engine.send(window(number, *many(rng, number)))
            answer = await engine.answer()
            assert answer.result.window == number, answer.held.reason
            await engine.send(pb.TradeRequest(saved=pb.Saved(window=number)))
            for done in (recorder._saving, recorder._trimming):
                if done is not None:
                    await done
            number += 1
        assert recorder.journal.first_window > 0


async def test_a_window_is_kept_in_a_thread_where_the_event_loop_would_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, appending: Appending
) -> None:
    """After one that took long, while another thread writes, and one that is large; the others on the event loop."""
    monkeypatch.setattr(recording, "QUICK_S", math.inf)
    async with recorded(tmp_path) as market:
        engine = await market.engine()
        await trade(engine, [0])
        monkeypatch.setattr(recording, "QUICK_S", 0.0)
        await trade(engine, [1, 2])
        monkeypatch.setattr(recording, "QUICK_S", math.inf)
        await trade(engine, [3, 4])
        assert appending.on_loop == [True, True, False, False, True]
        writing = recorder_of(market).journal._writing
        with writing:
            await engine.send(window(5, *rows(5)))
            await until(lambda: len(appending.on_loop) == 6)
        assert (await engine.answer()).result.window == 5
        monkeypatch.setattr(sequencing, "ASIDE_COMMANDS", 1)
        await trade(engine, [6])
        assert appending.on_loop[5:] == [False, False]


async def test_with_durability_disk_windows_are_kept_in_a_thread(tmp_path: Path, appending: Appending) -> None:
    """A write to a file that is being synced may wait for the disk."""
    async with recorded(tmp_path, durability="disk") as market:
        engine = await market.engine()
        await trade(engine, range(3))
        assert appending.on_loop == [False] * 3


async def test_a_window_that_could_not_be_kept_is_tried_again_in_a_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, appending: Appending
) -> None:
    """Another program that holds the journal is waited for: readers and orders are answered meanwhile."""
    async with recorded(tmp_path) as market:
        engine = await market.engine()
        appending.error = FULL
        monkeypatch.setattr(trading, "HELD_S", 0.01)
        await engine.send(window(0, *rows(0)))
        assert (await engine.answer()).HasField("held")
        await until(lambda: len(appending.on_loop) >= 3)
        appending.error = None
        while (answer := await engine.answer()).HasField("held"):
            pass
        assert answer.result.window == 0
        assert appending.on_loop[0]
        assert not any(appending.on_loop[1:])
