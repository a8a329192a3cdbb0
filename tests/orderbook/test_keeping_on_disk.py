"""Durability `disk`: readers and outside clients hear of a window once the disk has it, and of a disk that fails at once."""

import asyncio
import os
import threading
from dataclasses import dataclass
from pathlib import Path

import grpc.aio
import pytest

from marksim.core.errors import Damaged
from marksim.orderbook import sequencing
from marksim.store.journal_disk import Syncer
from tests.orderbook.market import WAIT_S, Market, refused, until, window
from tests.orderbook.recorded_market import recorded
from tests.orderbook.test_keeping import recorder_of
from tests.orderbook.test_recovery import described, frames, rows, trade


@dataclass
class Syncing:
    """What becomes of the log's syncs."""

    fails: bool = False


@pytest.fixture
def syncing(monkeypatch: pytest.MonkeyPatch) -> Syncing:
    """The disk syncs, until a test says otherwise."""
    syncing, sync = Syncing(), Syncer._sync

    def watched(self: Syncer) -> None:
        if syncing.fails:
            raise OSError("the disk is gone")
        sync(self)

    monkeypatch.setattr(Syncer, "_sync", watched)
    return syncing


async def ends_for_the_disk(market: Market) -> None:
    """The service ends by itself, and says why."""
    assert market.running is not None
    with pytest.raises(Damaged, match="the disk is gone.*goes on with what the disk has"):
        async with asyncio.timeout(WAIT_S):
            await market.running


async def test_at_a_clean_stop_what_is_not_synced_yet_is_told_first(tmp_path: Path) -> None:
    """durability disk: streams end with the last window, and it is in the snapshot, whoever still reads."""
    async with recorded(tmp_path, durability="disk", sync_ms=300) as market:
        engine = await market.engine()
        await trade(engine, range(5))
        recorder, servicer = recorder_of(market), market.service.servicer
        # A stream that never ends.
        servicer.streams["ticks"] += 1
        servicer.streams_ended.clear()
        reading = asyncio.ensure_future(frames(market, market.run, -1, 5))
        submitting = market.submitting("late")
        await market.queued(1)
        await engine.send(window(5, *rows(5)))
        await engine.answer()
        await market.service.drain(0.8)
        assert [frame.window for frame in await reading][-1] == 5
        assert (await submitting).window == 5
        assert recorder._saving is not None
        await recorder._saving
        assert recorder.snapshot_window == 5


async def test_a_sync_that_fails_is_told(tmp_path: Path, syncing: Syncing) -> None:
    """The status says it, waiting orders are told, and the service ends; a start goes on with what the disk has."""
    async with recorded(tmp_path, durability="disk", sync_ms=20) as market:
        engine, run = await market.engine(), market.run
        await trade(engine, range(3))
        syncing.fails = True
        submitting = market.submitting("lost")
        await market.queued(1)
        await engine.send(window(3, *rows(3)))
        assert (await engine.answer()).result.window == 3
        assert (await refused(submitting))[1] == "JOURNAL_FAILED"
        assert "the disk is gone" in (await described(market)).held
        assert (await refused(market.submit("another")))[1] == "JOURNAL_FULL"
        await engine.send(window(4, *rows(4)))
        assert "the disk is gone" in (await engine.answer()).held.reason
        await ends_for_the_disk(market)
        syncing.fails = False
    async with recorded(tmp_path) as market:
        engine = await market.engine(run, term=2, instance="b")
        assert engine.opened.last_window == 3


async def test_a_file_that_cannot_be_synced_ends_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """durability disk: as the log's own sync; nobody waits for a journal that never takes anything again."""
    fail, sync = [False], os.fsync

    def failing(descriptor: int) -> None:
        if fail[0] and threading.current_thread().name == "journal-log":
            raise OSError("the disk is gone")
        sync(descriptor)

    monkeypatch.setattr("os.fsync", failing)
    monkeypatch.setattr("marksim.store.journal_disk.BEGIN_BYTES", 1_000)
    async with recorded(tmp_path, durability="disk", sync_ms=20) as market:
        engine, run = await market.engine(), market.run
        await trade(engine, range(3))
        fail[0] = True
        for number in range(3, 100):
            await engine.send(window(number, *rows(number)))
            answer = await engine.answer()
            if answer.HasField("held"):
                break
        assert "the disk is gone" in answer.held.reason
        await ends_for_the_disk(market)
        fail[0] = False
    async with recorded(tmp_path) as market:
        engine = await market.engine(run, term=2, instance="b")
        assert engine.opened.last_window == number - 1


async def test_an_engine_that_cannot_be_noted_ends_the_service(tmp_path: Path, syncing: Syncing) -> None:
    """It would be let in by a new process alone; and nobody else looks, while no window comes."""
    async with recorded(tmp_path, durability="disk", sync_ms=20) as market:
        await trade(await market.engine(), range(3))
        syncing.fails = True
        with pytest.raises(grpc.aio.AioRpcError, match="the disk is gone"):
            await market.engine(market.run, term=2, instance="b")
        await ends_for_the_disk(market)
        syncing.fails = False


async def test_what_waits_for_a_sync_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound the engine waits for the disk as readers do."""
    monkeypatch.setattr(sequencing, "UNSYNCED_BYTES", 2_000)
    go, sync = threading.Event(), Syncer._sync

    def slow(self: Syncer) -> None:
        assert go.wait(WAIT_S)
        sync(self)

    async with recorded(tmp_path, durability="disk", sync_ms=1) as market:
        engine = await market.engine()
        monkeypatch.setattr(Syncer, "_sync", slow)
        for number in range(40):
            await engine.send(window(number, *rows(number)))
        sequencer = market.service.sequencer
        await until(lambda: sequencer.books.locked() and sequencer._unsynced_bytes > 2_000)
        assert sequencer.last_window < 39
        go.set()
        for number in range(40):
            assert (await engine.answer()).result.window == number
