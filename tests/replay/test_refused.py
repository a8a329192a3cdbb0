"""What cannot be played again is refused in words, before anything is started."""

import dataclasses
import uuid
from pathlib import Path
from typing import Any

import grpc
import pytest

from marksim import main as market
from marksim import replay
from marksim.core.errors import InvalidInput, NotFound
from marksim.core.types import Side
from marksim.journal.replaying import open_replay
from marksim.store.journal import Journal
from marksim.supervisor.settings import MainSettings
from marksim.v1 import engine_pb2
from marksim.v1 import orderbook_pb2 as pb
from tests.journal.recorded import BTC, ETH, record, scenario, write
from tests.orderbook.market import limit, refused, served, window
from tests.replay.world import played, world


def test_nothing_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A place without a journal is named, with what may stand there."""
    assert replay.main([str(tmp_path / "nowhere")]) == 2
    assert "is no journal: give a directory with shard-0" in capsys.readouterr().err


def test_no_place(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a journal it says that one is wanted."""
    assert replay.main([]) == 2
    assert "give the JOURNAL to play" in capsys.readouterr().err


def test_run_without_windows(tmp_path: Path) -> None:
    """A run that has no window yet cannot be played."""
    (tmp_path / "shard-0").mkdir()
    with Journal(tmp_path / "shard-0") as journal:
        journal.begin(record(), "token")
    with pytest.raises(InvalidInput, match="has no window yet"):
        open_replay(tmp_path)


@pytest.mark.parametrize("begin", ["20s", "3h", "2025-01-05T23:59:59", "2026-01-01T00:00:00"])
def test_outside_of_the_recording(tmp_path: Path, begin: str) -> None:
    """A beginning before or after what is recorded is refused with the moments between which it can be."""
    write(tmp_path)
    with pytest.raises(InvalidInput, match="can be played from 2025-01-06T00:00:00Z to 2025-01-06T00:00:20Z"):
        open_replay(tmp_path, begin)


@pytest.mark.parametrize("begin", ["soon", "2025-13-01T00:00:00", "-3s"])
def test_no_time(tmp_path: Path, begin: str) -> None:
    """What is no time is refused with the name of the flag."""
    write(tmp_path)
    with pytest.raises(InvalidInput, match="--replay-from"):
        open_replay(tmp_path, begin)


@pytest.mark.parametrize(
    ("begin", "window"), [("", 0), ("50ms", 1), ("15s", 300), ("2025-01-06T00:00:00", 0), ("2025-01-06T00:00:19.99", 399)]
)
def test_window_of_a_moment(tmp_path: Path, begin: str, window: int) -> None:
    """It begins with the window in which the moment is."""
    write(tmp_path)
    assert open_replay(tmp_path, begin).first == window


def test_beginning_is_gone(tmp_path: Path) -> None:
    """A trimmed journal begins after its oldest snapshot; an earlier time is refused, and a journal without snapshots."""
    write(tmp_path, snapshots=(100, 300))
    with Journal(tmp_path / "shard-0") as journal:
        journal.drop(90, 90, "a test")
    assert open_replay(tmp_path).first == 101
    with pytest.raises(InvalidInput, match="can be played from 2025-01-06T00:00:05.05Z"):
        open_replay(tmp_path, "5s")
    for path in (tmp_path / "shard-0").glob("*.snapshot"):
        path.unlink()
    with pytest.raises(NotFound, match="no snapshot of the books can be used"):
        open_replay(tmp_path)


async def test_trimmed_session_is_played(tmp_path: Path) -> None:
    """What is left of a trimmed journal comes out as it was recorded."""
    write(tmp_path, snapshots=(100,))
    with Journal(tmp_path / "shard-0") as journal:
        journal.drop(90, 90, "a test")
    async with played(tmp_path) as one:
        status = await one.over()
        assert status.message.endswith("all came out as recorded"), status.message


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"seed": 3}, "--seed says what is simulated"),
        ({"scenario": "quiet"}, "--scenario says what is simulated"),
        ({"new_run": True}, "--new-run says what is simulated"),
        ({"until": "10s", "replay_from": "12s"}, "--until 10s is not after 2025-01-06T00:00:12Z"),
        ({"replay_from": "1h"}, "--replay"),
    ],
)
def test_flags_that_do_not_go_together(tmp_path: Path, given: dict[str, Any], said: str) -> None:
    """Flags of a simulation are refused beside a recording, as are a beginning and an end that contradict it."""
    write(tmp_path)
    with pytest.raises(InvalidInput, match=said):
        market.resolved(MainSettings(replay=tmp_path, **given))


def test_beginning_without_a_recording() -> None:
    """`--replay-from` alone says nothing."""
    with pytest.raises(InvalidInput, match="name one by --replay"):
        market.resolved(MainSettings(replay_from="2h"))


def test_agents_need_not_be_there(tmp_path: Path) -> None:
    """The files of a user's agents are not looked for: what they sent is recorded."""
    given = record()
    text = given.scenario_text.replace('"agents": [', '"agents": [{"name": "mine", "type": "/nowhere/mine.py:trade"}, ', 1)
    assert text != given.scenario_text
    write(tmp_path)
    with Journal(tmp_path / "shard-0") as journal:
        window = next(iter(journal.windows(0, 0)))
    (tmp_path / "other").mkdir()
    with Journal(tmp_path / "other") as journal:
        journal.begin(dataclasses.replace(given, scenario_text=text), "token")
        journal.append(window)
    assert open_replay(tmp_path / "other").run.symbols == (BTC, ETH)


async def test_book_with_a_journal(tmp_path: Path) -> None:
    """A book that keeps a journal does not take a recorded session for a run of its own."""
    write(tmp_path / "old")
    book = {"durability": "process", "journal": tmp_path / "new", "scenario": "two-symbols"}
    async with world(book, {"replay": tmp_path / "old", "speed": "max"}) as one:
        status = await one.over()
        assert status.state == engine_pb2.CLOCK_STATE_FAILED
        assert "start" in status.message
        assert not (await one.stub.GetRun(pb.GetRunRequest())).run


async def test_other_engine(tmp_path: Path) -> None:
    """A book that begins within a recorded session refuses an engine that simulates."""
    write(tmp_path)
    async with played(tmp_path, "15s", paused=True) as one:
        await one.paused_after(300)
        opening = pb.OpenRun(
            run=str(uuid.uuid4()),
            term=9,
            instance="other",
            scenario_hash=one.book.sequencer.scenario_hash,
            seed=1,
            start_time_ns=scenario().start_ns,
            lookahead_ns=scenario().lookahead_ns,
        )
        call = one.stub.Trade()
        await call.write(pb.TradeRequest(open=opening))
        _, reason, message = await refused(call.read())
        assert (reason, "same --replay" in message) == ("RUN_MISMATCH", True)


async def test_outside_accounts_of_an_engine_that_simulates() -> None:
    """Accounts of outside clients are taken from a replaying engine alone."""
    async with served() as one:
        engine = await one.engine()
        await engine.send(window(0, limit(1, Side.BUY, 100_000, 1, account=1 << 62)))
        code, _, _ = await engine.refusal()
        assert code is grpc.StatusCode.INVALID_ARGUMENT
    async with served() as one:
        engine = await one.engine(replay=True)
        assert (await engine.window(0, limit(1, Side.BUY, 100_000, 1, account=1 << 62))).results
