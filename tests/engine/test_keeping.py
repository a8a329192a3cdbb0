"""An engine's files that are not what was written: passed over with a word, or refused; never taken for whole."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from marksim.core.errors import Damaged, Exhausted, JournalFull
from marksim.core.warm import compile_kernels
from marksim.engine.keeping import ClockState, Keeping
from marksim.store.snapshots import newest_snapshots
from marksim.v1 import engine_pb2 as pb
from marksim.v1 import orderbook_pb2
from tests.engine.running import running, tape_of
from tests.engine.test_going_on import FINGER, controls_of, killed_with_an_event
from tests.orderbook.recorded_market import recorded

EVENT = {"kind": "halt", "symbol": "BTC/USD", "duration_ns": 5_000_000_000}
STEERED = ClockState("run-1", True, "33.0", 90_000_000_000, None, [{"window": 21, "event": EVENT}])


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    compile_kernels()


def changed(whole: bytes) -> Iterator[bytes]:
    """The same with each byte another one, in several ways, and cut off at each, and zeroed from each on."""
    for place, byte in enumerate(whole):
        for mask in (0x01, 0x02, 0x08, 0x10, 0x20, 0x80):
            yield whole[:place] + bytes([byte ^ mask]) + whole[place + 1 :]
        yield whole[:place]
        yield whole[:place].ljust(len(whole), b"\0")


def names(folder: Path) -> list[str]:
    """Of all that is in a folder."""
    return sorted(one.name for one in folder.iterdir())


async def test_a_clock_that_is_damaged_anywhere_is_named_or_says_what_it_said(tmp_path: Path) -> None:
    """Whatever becomes of any of its bytes; the error names the file and what to do."""
    keeping = Keeping(tmp_path, 1)
    assert keeping.clock() == ClockState()
    await keeping.remember(STEERED)
    path = tmp_path / "clock.json"
    whole, named = path.read_bytes(), 0
    for damaged in changed(whole):
        path.write_bytes(damaged)
        try:
            told = keeping.clock()
        except Damaged as error:
            named += str(path) in error.message and "remove it to go on without" in error.message
        else:
            assert told == STEERED, damaged
    path.write_bytes(whole)
    assert keeping.clock() == STEERED and named > 8 * (len(whole) - 20)
    assert await asyncio.to_thread(names, tmp_path) == [".lock", "clock.json"]
    await keeping.close()


async def test_an_engine_whose_clock_is_damaged_stays_and_says_so(tmp_path: Path) -> None:
    """An event in it was promised to somebody: the run goes on where it is brought back, and not without a word."""
    clock = tmp_path / "state" / "clock.json"
    async with recorded(tmp_path / "book") as market:
        window = await killed_with_an_event(market, tmp_path / "state")
        term = (await market.stub.GetRun(orderbook_pb2.GetRunRequest())).term
        whole = clock.read_text(encoding="utf-8")
        damaged = whole.replace(f'"window": {window}', f'"window": {window + 7}')
        assert damaged != whole
        clock.write_text(damaged, encoding="utf-8")
        async with running(market, tmp_path / "state", speed="50", until="") as one:
            async with asyncio.timeout(20):
                while (status := await one.status()).state != pb.CLOCK_STATE_FAILED:
                    await asyncio.sleep(0.01)
            assert str(clock) in status.message and "checksum" in status.message and status.windows == 0
            # It has driven nobody out that could go on.
            assert (await market.stub.GetRun(orderbook_pb2.GetRunRequest())).term == term
        # What cannot be read is not written over either, so that it can be looked at.
        assert clock.read_text(encoding="utf-8") == damaged
        clock.write_text(whole, encoding="utf-8")
        async with running(market, tmp_path / "state", speed="50", until="") as one:
            status = await one.state(pb.CLOCK_STATE_PAUSED)
            await one.engine.Step(pb.StepRequest(windows=3), None)
            assert await controls_of(market, status.run, window + 2) == [window]
            await one.kill()


async def test_an_event_that_cannot_be_kept_is_not_acknowledged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It happens if the engine gets there, and the caller is told that nobody else would do it; a pause is taken anyway."""

    async def full(_self: Keeping, _clock: ClockState) -> None:
        raise JournalFull("no room here")

    async with recorded(tmp_path / "book") as market, running(market, tmp_path / "state", speed="10", until="") as one:
        await one.windows(2)
        monkeypatch.setattr(Keeping, "remember", full)
        assert (await one.engine.Pause(pb.PauseRequest(), None)).status.state == pb.CLOCK_STATE_PAUSED
        with pytest.raises(Exhausted, match=r"happens in window \d+ if this engine gets there.*no room here") as refused:
            await one.engine.InjectEvent(FINGER, None)
        monkeypatch.undo()
        await one.engine.Step(pb.StepRequest(windows=3), None)
        status = await one.status()
        assert await controls_of(market, status.run, status.windows - 1) == [int(refused.value.metadata["window"])]


async def test_a_damaged_clock_of_another_run_holds_no_new_one_up(tmp_path: Path) -> None:
    """Nothing in it concerns a run that begins, and it is written anew."""
    (tmp_path / "state").mkdir()
    clock = tmp_path / "state" / "clock.json"
    clock.write_text('{"run": "an', encoding="utf-8")
    async with recorded(tmp_path / "book") as market, running(market, tmp_path / "state", speed="50", until="") as one:
        status = await one.windows(5)
    assert status.run in clock.read_text(encoding="utf-8")


@pytest.mark.parametrize("damaged", [1, 2])
async def test_with_damaged_snapshots_the_tape_is_the_same(
    tmp_path: Path, damaged: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """The newest is passed over with a word and the one before it is taken; without both all is played from the start."""
    async with recorded(tmp_path / "one" / "book") as market, running(market, tmp_path / "one" / "state") as one:
        await one.state(pb.CLOCK_STATE_FINISHED)
        expected = await tape_of(market)
    state = tmp_path / "two" / "state"
    async with recorded(tmp_path / "two" / "book") as market:
        # Not as fast as it can: they are written beside the windows, and not while one is being written.
        async with running(market, state, speed="10") as one:
            async with asyncio.timeout(20):
                while len(newest_snapshots(state, "engine")) < 2:
                    await asyncio.sleep(0.001)
            await one.kill()
        found = [path for _, path in newest_snapshots(state, "engine")]
        assert len(found) == 2
        for path in found[:damaged]:
            whole = path.read_bytes()
            path.write_bytes(whole[:-40] + bytes([whole[-40] ^ 1]) + whole[-39:])
        async with running(market, state) as one:
            await one.state(pb.CLOCK_STATE_FINISHED)
            assert await tape_of(market) == expected
    said = capsys.readouterr()
    for path in found:
        assert (path.name in said.out + said.err) == (path in found[:damaged])
