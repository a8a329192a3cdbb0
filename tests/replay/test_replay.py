"""A recorded session is played again by the services: the same tape, steered as any other, and nobody else trades."""

import sqlite3
from itertools import pairwise
from pathlib import Path

import pytest

from marksim.core.errors import NotNow
from marksim.core.feed.tape import run_hash
from marksim.journal.exported import write_export
from marksim.journal.merging import merged
from marksim.journal.session import open_session
from marksim.orderbook.service import OrderBookService
from marksim.orderbook.settings import OrderBookSettings
from marksim.v1 import engine_pb2
from marksim.v1 import orderbook_pb2 as pb
from tests.journal.recorded import BTC, ETH, RUN, WINDOWS, scenario, write
from tests.orderbook.market import order_request, refused
from tests.replay.world import engine_of, played

BEGIN = 300
"""A window in the middle, which begins 15 simulated seconds after the start."""


def damage(path: Path, window: int) -> None:
    """Flip bits of what went into a window."""
    with sqlite3.connect(path / "shard-0" / "journal.sqlite") as connection:
        (data,) = connection.execute("SELECT input FROM windows WHERE first = ?", (window,)).fetchone()
        changed = data[:-1] + bytes([data[-1] ^ 1])
        connection.execute("UPDATE windows SET input = ? WHERE first = ?", (changed, window))


async def test_same_tape(tmp_path: Path) -> None:
    """It ends after the last recorded window with the recorded tape hash, in a run of its own, outside orders included."""
    tapes = write(tmp_path)
    async with played(tmp_path) as world:
        status = await world.over()
        assert status.state == engine_pb2.CLOCK_STATE_FINISHED, status.message
        assert status.windows == WINDOWS
        assert status.message.endswith("all came out as recorded")
        assert await world.tape_hash() == run_hash(tapes)
        run = await world.stub.GetRun(pb.GetRunRequest())
        assert run.replay
        assert run.run == status.run != RUN


async def test_shards_become_one_book(tmp_path: Path) -> None:
    """A session of two shards is played on one book, and each symbol's tape is what it was."""
    tapes = write(tmp_path, shards=((BTC,), (ETH,)))
    async with played(tmp_path) as world:
        status = await world.over()
        assert status.state == engine_pb2.CLOCK_STATE_FINISHED, status.message
        run = await world.stub.GetRun(pb.GetRunRequest())
        assert {tape.symbol: tape.hash for tape in run.tapes} == tapes


async def test_one_shard_alone(tmp_path: Path) -> None:
    """The directory of one shard of two is a session of its symbols."""
    tapes = write(tmp_path, shards=((BTC,), (ETH,)))
    async with played(tmp_path / "shard-1") as world:
        await world.over()
        run = await world.stub.GetRun(pb.GetRunRequest())
        assert {tape.symbol: tape.hash for tape in run.tapes} == {ETH: tapes[ETH]}


async def test_exported_file(tmp_path: Path) -> None:
    """A file that was exported is played as its journal is, and says that it has no rows to compare with."""
    tapes = write(tmp_path / "journal")
    file = tmp_path / "session.marksim"
    with open_session(tmp_path / "journal") as session:
        write_export(file, session.run, merged(session.parts, 0, WINDOWS - 1), 0, WINDOWS - 1)
    async with played(file) as world:
        status = await world.over()
        assert status.state == engine_pb2.CLOCK_STATE_FINISHED, status.message
        assert "no rows of what came out" in status.message
        assert await world.tape_hash() == run_hash(tapes)


@pytest.mark.parametrize("snapshots", [(), (250,)], ids=["played from the start", "from a snapshot"])
async def test_from_the_middle(tmp_path: Path, snapshots: tuple[int, ...]) -> None:
    """With a beginning, readers get no window before it and no gap; from there on all is as in the whole replay."""
    tapes = write(tmp_path, snapshots=snapshots)
    async with played(tmp_path) as world:
        await world.over()
        whole = await world.read(WINDOWS - 1, parts=[pb.FRAME_PART_TICKS, pb.FRAME_PART_TRADES])
    async with played(tmp_path, "15s") as world:
        status = await world.over()
        assert status.state == engine_pb2.CLOCK_STATE_FINISHED, status.message
        part = await world.read(WINDOWS - 1, parts=[pb.FRAME_PART_TICKS, pb.FRAME_PART_TRADES])
        assert await world.tape_hash() == run_hash(tapes)
    ticks = [(frame.window, frame.symbol, frame.tick) for frame in part if frame.HasField("tick")]
    assert ticks == [
        (frame.window, frame.symbol, frame.tick) for frame in whole if frame.window >= BEGIN and frame.HasField("tick")
    ]
    assert min(frame.window for frame in part) == BEGIN
    assert ticks[0][2].trades_total > 1, "totals of the run go on"
    for symbol in (BTC, ETH):
        mine = [frame for frame in part if frame.symbol == symbol]
        assert not mine[0].HasField("previous_window")
        assert all(later.previous_window == frame.window for frame, later in pairwise(mine))


async def test_played_once_more(tmp_path: Path) -> None:
    """An engine that takes the place of another begins a new run, with the window at which the session begins."""
    tapes = write(tmp_path, snapshots=(250,))
    async with played(tmp_path, "15s", paused=True) as world:
        await world.paused_after(BEGIN)
        await world.engine.Step(engine_pb2.StepRequest(windows=20), None)
        first = (await world.status()).run
        async with engine_of(world.address, {"replay": tmp_path, "speed": "max"}) as engine:
            world.engine = engine
            status = await world.over()
            assert status.message.endswith("all came out as recorded"), status.message
            assert status.run != first
            assert await world.tape_hash() == run_hash(tapes)
            frames = await world.read(WINDOWS - 1, parts=[pb.FRAME_PART_TICKS], after_run=status.run)
            assert min(frame.window for frame in frames) == BEGIN


async def test_first_frame_has_the_book(tmp_path: Path) -> None:
    """Whoever builds a book from depth can begin with the first frame, as after any start."""
    write(tmp_path)
    async with played(tmp_path, "15s") as world:
        await world.over()
        frames = await world.read(WINDOWS - 1, parts=[pb.FRAME_PART_DEPTH])
    first = {symbol: next(frame for frame in frames if frame.symbol == symbol) for symbol in (BTC, ETH)}
    assert all(len(frame.depth_snapshot.time_ns) for frame in first.values())


async def test_steered_as_any_market(tmp_path: Path) -> None:
    """Step, run-until, pause, speed and resume work, and the tape is the same after all of them."""
    tapes = write(tmp_path)
    async with played(tmp_path, paused=True) as world:
        engine = world.engine
        await world.paused_after(0)
        await engine.Step(engine_pb2.StepRequest(windows=7), None)
        assert (await world.status()).windows == 7
        await engine.RunUntil(engine_pb2.RunUntilRequest(for_ns=50 * scenario().lookahead_ns), None)
        await world.paused_after(57)
        await engine.SetSpeed(engine_pb2.SetSpeedRequest(speed=engine_pb2.Speed(factor=0.01)), None)
        await engine.Resume(engine_pb2.ResumeRequest(), None)
        await engine.Pause(engine_pb2.PauseRequest(), None)
        assert (await world.status()).windows < WINDOWS
        await engine.SetSpeed(engine_pb2.SetSpeedRequest(speed=engine_pb2.Speed(max=True)), None)
        await engine.Resume(engine_pb2.ResumeRequest(), None)
        assert (await world.over()).windows == WINDOWS
        assert await world.tape_hash() == run_hash(tapes)


async def test_ends_earlier(tmp_path: Path) -> None:
    """With `until` it ends there, and says so without speaking of the recording's end."""
    write(tmp_path)
    async with played(tmp_path, until="5s") as world:
        status = await world.over()
        assert (status.state, status.windows) == (engine_pb2.CLOCK_STATE_FINISHED, 100)
        assert status.message.startswith("the run ended at")


async def test_nobody_else_trades(tmp_path: Path) -> None:
    """Orders from outside and events are refused with REPLAY: they would be of another session."""
    write(tmp_path)
    async with played(tmp_path, paused=True) as world:
        await world.paused_after(0)
        assert (await refused(world.stub.SubmitOrder(order_request())))[1] == "REPLAY"
        request = engine_pb2.InjectEventRequest(news_shock=engine_pb2.NewsShock(symbol=BTC, change_ppm=100))
        with pytest.raises(NotNow) as error:
            await world.engine.InjectEvent(request, None)
        assert error.value.reason == "REPLAY"


async def test_stops_at_damage(tmp_path: Path) -> None:
    """A damaged row is named, and what is before it was played; nothing of it is."""
    write(tmp_path)
    damage(tmp_path, 250)
    async with played(tmp_path) as world:
        status = await world.over()
        assert status.state == engine_pb2.CLOCK_STATE_FAILED
        assert "window 250" in status.message
        assert "journal.sqlite" in status.message
        assert status.windows <= 250


async def test_damage_before_the_beginning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Damage in what is played before the first window ends the order book, with one line that names the row."""
    write(tmp_path)
    damage(tmp_path, 250)
    service = OrderBookService(OrderBookSettings(replay=tmp_path, replay_from="15s"))
    assert service.replay is not None
    with pytest.raises(SystemExit):
        await service._fast_forward(service.replay)
    assert "window 250" in capsys.readouterr().err


async def test_difference_is_named(tmp_path: Path) -> None:
    """Where a window comes out otherwise than it is recorded, the replay stops there and names the first difference."""
    write(tmp_path)
    async with played(tmp_path, paused=True) as world:
        await world.paused_after(0)
        book = world.book.sequencer.shard.books[BTC].book
        await world.engine.Step(engine_pb2.StepRequest(windows=100), None)
        book.memory.counters["sequence"] += 1  # as another version might count
        await world.engine.Resume(engine_pb2.ResumeRequest(), None)
        status = await world.over()
        assert status.state == engine_pb2.CLOCK_STATE_FAILED
        assert f"{BTC} comes out otherwise than it is recorded" in status.message
        assert "sequence" in status.message
