"""What an engine keeps for its next start, where something goes wrong at just the wrong moment."""

import asyncio
import errno
import json
from collections.abc import AsyncIterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from marksim.core.errors import JournalFull, NotNow
from marksim.core.warm import compile_kernels
from marksim.engine.control import Controls
from marksim.engine.keeping import Keeping
from marksim.engine.recovery import catch_up
from marksim.engine.service import EngineService
from marksim.engine.settings import EngineSettings
from marksim.engine.shard import Shard
from marksim.store import snapshots
from marksim.store.journal import Journal
from marksim.v1 import engine_pb2 as pb
from marksim.v1 import orderbook_pb2
from tests.engine.running import Running, running
from tests.orderbook.market import Market, served
from tests.orderbook.recorded_market import recorded

FINGER = pb.InjectEventRequest(fat_finger=pb.FatFinger(symbol="BTC/USD", sell=True, quantity="1.000"))


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    compile_kernels()


def with_agent(folder: Path, code: str, type_: str) -> str:
    """A scenario of the default market and one agent of that code."""
    (folder / "agents.py").write_text(code, encoding="utf-8")
    text = f'schema: 1\nname: own\nextends: default\nagents:\n  - {{name: own, type: "agents.py:{type_}"}}\n'
    (folder / "own.yaml").write_text(text, encoding="utf-8")
    return str(folder / "own.yaml")


async def controls_of(market: Market, run: str, last: int) -> list[int]:
    """The windows in which something was injected."""
    request = orderbook_pb2.ReadWindowsRequest(run=run, first_window=0, last_window=last)
    read = market.stub.ReadWindows(request)
    return [window.window async for message in read for window in message.windows if window.control]


async def killed_with_an_event(market: Market, state: Path) -> int:
    """An engine that is paused, accepts an event, and is killed; the window that it named."""
    async with running(market, state, speed="50", until="") as one:
        await one.windows(20)
        await one.engine.Pause(pb.PauseRequest(), None)
        window = (await one.engine.InjectEvent(FINGER, None)).window
        await one.kill()
    return window


async def stepped(market: Market, one: Running, windows: int) -> list[int]:
    """Where something was injected, after some windows of a paused market."""
    await one.state(pb.CLOCK_STATE_PAUSED)
    await one.engine.Step(pb.StepRequest(windows=windows), None)
    status = await one.status()
    return await controls_of(market, status.run, status.windows - 1)


async def test_snapshots_after_one_that_could_not_be_written_are_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The piece of the log of inputs that was lost with it stands in the next one, of which the next start is made."""
    code = (
        "async def own(market):\n    async for one in market.ticks():\n        market.limit(1, one.bid_price_ticks - 9, 1)\n"
    )
    scenario, failed = with_agent(tmp_path, code, "own"), 0
    write = snapshots.write_snapshot

    def full_at_first(path: Path, *what: Any) -> None:
        nonlocal failed
        if failed < 2:
            failed += 1
            raise OSError(errno.ENOSPC, "no space left on device")
        write(path, *what)

    monkeypatch.setattr("marksim.engine.keeping.write_snapshot", full_at_first)
    async with recorded(tmp_path / "book", scenario=scenario) as market:
        async with running(market, tmp_path / "state", scenario=scenario) as one:
            status = await one.windows(200)
            assert one.engine.driver is not None and one.engine.driver.snapshot_failures == failed == 2
            await one.kill()
        found = Keeping(tmp_path / "state", 1)
        saved = found.newest(status.run, 10_000)
        await found.close()
        assert saved is not None and saved.window >= 100 and len(saved.pieces) == len(saved.inputs)
        async with running(market, tmp_path / "state", scenario=scenario) as one:
            await one.state(pb.CLOCK_STATE_FINISHED)


async def test_an_agent_that_cannot_say_its_state_costs_snapshots_alone(tmp_path: Path) -> None:
    """The market goes on to its end, and the failures are counted."""
    code = """class Own:
    def __init__(self, market):
        self.market = market

    async def run(self):
        await self.market.sleep(1_000)

    def state(self):
        raise ValueError("not today")

    def restore(self, state):
        pass
"""
    scenario = with_agent(tmp_path, code, "Own")
    async with recorded(tmp_path / "book", scenario=scenario) as market:
        async with running(market, tmp_path / "state", scenario=scenario) as one:
            await one.state(pb.CLOCK_STATE_FINISHED)
            assert one.engine.driver is not None and one.engine.driver.snapshot_failures > 2
        assert not list((tmp_path / "state").glob("engine-*"))


async def test_a_market_without_a_journal_leaves_the_snapshots_of_the_run_before(tmp_path: Path) -> None:
    """Somebody tries one with durability none; the run that is kept goes on from its snapshot all the same."""
    async with recorded(tmp_path / "book") as market, running(market, tmp_path / "state") as one:
        await one.state(pb.CLOCK_STATE_FINISHED)
    kept = sorted(path.name for path in (tmp_path / "state").glob("engine-*"))
    async with served() as market, running(market, tmp_path / "state") as one:
        await one.state(pb.CLOCK_STATE_FINISHED)
    assert kept and sorted(path.name for path in (tmp_path / "state").glob("engine-*")) == kept


async def test_an_event_that_was_accepted_outlives_an_end_within_the_recovery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And none is accepted meanwhile: it would happen in a window that is recorded without it."""
    recovering = asyncio.Event()

    async def takes_long(*_: Any) -> None:
        recovering.set()
        await asyncio.Event().wait()

    async with recorded(tmp_path / "book") as market:
        promised = await killed_with_an_event(market, tmp_path / "state")
        with monkeypatch.context() as patch:
            patch.setattr("marksim.engine.run.catch_up", takes_long)
            async with running(market, tmp_path / "state", speed="50", until="") as one:
                await recovering.wait()
                with pytest.raises(NotNow, match="does not go on yet"):
                    await one.engine.InjectEvent(FINGER, None)
        async with running(market, tmp_path / "state", speed="50", until="") as one:
            assert await stepped(market, one, 2) == [promised]


async def test_a_pause_during_the_recovery_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not undone by how the clock was steered before the crash."""
    recovering, go_on = asyncio.Event(), asyncio.Event()

    async def takes_a_while(*arguments: Any) -> None:
        recovering.set()
        await go_on.wait()
        await catch_up(*arguments)

    async with recorded(tmp_path / "book") as market:
        async with running(market, tmp_path / "state", speed="50", until="") as one:
            await one.windows(20)
            await one.engine.SetSpeed(pb.SetSpeedRequest(speed=pb.Speed(factor=60)), None)
            await one.kill()
        monkeypatch.setattr("marksim.engine.run.catch_up", takes_a_while)
        async with running(market, tmp_path / "state", speed="50", until="") as one:
            await recovering.wait()
            pausing = asyncio.create_task(one.engine.Pause(pb.PauseRequest(), None))
            while not one.engine.clock.paused:
                await asyncio.sleep(0)
            go_on.set()
            await pausing
            status = await one.state(pb.CLOCK_STATE_RUNNING, pb.CLOCK_STATE_PAUSED)
            assert status.state == pb.CLOCK_STATE_PAUSED and status.speed.factor == 60


class Opening:
    """From here on an engine waits for its book, until a test lets it go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.waits, self.goes_on = asyncio.Event(), asyncio.Event()
        opens = Shard.open

        async def waiting(shard: Shard, opened: orderbook_pb2.OpenRun) -> int:
            self.waits.set()
            await self.goes_on.wait()
            return await opens(shard, opened)

        monkeypatch.setattr(Shard, "open", waiting)


async def test_what_is_said_before_the_book_is_there_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the clock was steered otherwise before the crash; and what needs to know the present is refused so long."""
    async with recorded(tmp_path / "book") as market:
        async with running(market, tmp_path / "state", speed="50", until="") as one:
            await one.windows(20)
            await one.engine.SetSpeed(pb.SetSpeedRequest(speed=pb.Speed(factor=60)), None)
            await one.kill()
        opening = Opening(monkeypatch)
        async with running(market, tmp_path / "state", speed="50", until="") as one:
            await opening.waits.wait()
            pausing = asyncio.create_task(one.engine.Pause(pb.PauseRequest(), None))
            while not one.engine.clock.paused:
                await asyncio.sleep(0)
            await one.engine.SetSpeed(pb.SetSpeedRequest(speed=pb.Speed(factor=7)), None)
            until = pb.RunUntilRequest(event=pb.RunUntilEvent(kind=pb.RUN_UNTIL_KIND_TRADE))
            with pytest.raises(NotNow, match="does not go on yet"):
                await one.engine.RunUntil(until, None)
            opening.goes_on.set()
            await pausing
            status = await one.state(pb.CLOCK_STATE_RUNNING, pb.CLOCK_STATE_PAUSED)
            assert status.state == pb.CLOCK_STATE_PAUSED and status.speed.factor == 7


async def test_a_resume_before_the_book_is_there_keeps_what_the_market_runs_until(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lets the market go on, and the market still pauses where it was told to before the crash."""
    async with recorded(tmp_path / "book") as market:
        async with running(market, tmp_path / "state", speed="50", until="") as one:
            status = await one.windows(20)
            await one.engine.RunUntil(pb.RunUntilRequest(for_ns=60 * 10**9), None)
            assert (asked := (await one.status()).running_until)
            await one.kill()
        opening = Opening(monkeypatch)
        async with running(market, tmp_path / "state", speed="50", until="") as one:
            await opening.waits.wait()
            await one.engine.Resume(pb.ResumeRequest(), None)
            opening.goes_on.set()
            assert (await one.state(pb.CLOCK_STATE_RUNNING)).running_until == asked
            assert status.run == (await one.status()).run


def test_an_event_that_is_remembered_is_remembered_once() -> None:
    """Where books lost its window, it is to happen again; in another run, never."""
    controls = Controls()
    controls.are_late = True
    controls.of(100).events.append({"kind": "halt"})
    controls.of(93).events.append({"kind": "news"})
    for window in (93, 100):
        controls.done(window)
    kept = controls.remembered()
    controls.begin(96, kept)
    assert sorted(event["window"] for event in controls.remembered()) == [93, 100]
    assert controls.take_promised(100) == [{"kind": "halt"}]
    controls.begin(0, ())
    assert controls.remembered() == []


async def test_an_event_in_a_window_that_was_lost_with_book_and_engine_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was sent, and the disk was full; then somebody paused the market, and both were killed before there was room."""
    held = asyncio.Event()

    def full(*_: Any) -> None:
        held.set()
        raise JournalFull("there is no room")

    book = recorded(tmp_path / "book", in_order=False)
    async with book as market, running(market, tmp_path / "state", speed="50", until="") as one:
        await one.windows(20)
        await one.engine.Pause(pb.PauseRequest(), None)
        promised = (await one.engine.InjectEvent(FINGER, None)).window
        with monkeypatch.context() as patch:
            patch.setattr(Journal, "append", full)
            stepping = asyncio.create_task(one.engine.Step(pb.StepRequest(windows=2), None))
            await held.wait()
            await one.engine.Pause(pb.PauseRequest(), None)
            with pytest.raises(NotNow, match="the step was ended"):
                await stepping
            await one.kill()
    async with recorded(tmp_path / "book") as market, running(market, tmp_path / "state", speed="50", until="") as one:
        assert (await one.state(pb.CLOCK_STATE_PAUSED)).windows == promised
        assert await stepped(market, one, 2) == [promised]


async def test_an_event_that_happened_is_remembered_until_the_disk_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """durability disk: a power cut takes windows that the engine was told of; the event is not taken with them."""
    book = recorded(tmp_path / "book", durability="disk")
    async with book as market, running(market, tmp_path / "state", speed="50", until="") as one:
        await one.windows(20)
        await one.engine.Pause(pb.PauseRequest(), None)
        promised = (await one.engine.InjectEvent(FINGER, None)).window
        for is_over in (False, True):
            monkeypatch.setattr("marksim.engine.control.LATELY_S", 0.0 if is_over else 60.0)
            await one.engine.Step(pb.StepRequest(windows=2), None)
            await one.engine.Pause(pb.PauseRequest(), None)
            kept = json.loads((tmp_path / "state" / "clock.json").read_text(encoding="utf-8"))["clock"]["events"]
            assert [event["window"] for event in kept] == ([] if is_over else [promised])


async def test_an_event_happens_in_the_window_that_was_promised(tmp_path: Path) -> None:
    """Also where the one before it was under way at the crash, and is done again."""
    async with recorded(tmp_path / "book") as market:
        next_window = await killed_with_an_event(market, tmp_path / "state")
        clock = tmp_path / "state" / "clock.json"
        # As it was written before it had a checksum: that is read, too.
        kept = json.loads(clock.read_text(encoding="utf-8"))["clock"]
        kept["events"][0]["window"] += 1
        clock.write_text(json.dumps(kept), encoding="utf-8")
        async with running(market, tmp_path / "state", speed="50", until="") as one:
            assert await stepped(market, one, 3) == [next_window + 1]


async def test_one_engine_at_a_time_has_a_state_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second one is refused with a sentence that says what to do."""
    first = Keeping(tmp_path, 1)
    with pytest.raises(SystemExit) as caught:
        EngineService(EngineSettings(state=tmp_path))
    await first.close()
    assert caught.value.code == 2
    assert capsys.readouterr().err == (
        f"marksim engine: --state is wrong: another engine writes to {tmp_path}: stop it, or choose another --state\n"
    )


async def test_a_run_that_is_past_its_end_says_so(tmp_path: Path) -> None:
    """It was started again with an earlier --until than it had reached."""
    async with recorded(tmp_path / "book") as market:
        async with running(market, tmp_path / "state", until="5s") as one:
            await one.state(pb.CLOCK_STATE_FINISHED)
        async with running(market, tmp_path / "state", until="2s") as one:
            status = await one.state(pb.CLOCK_STATE_FINISHED)
    moments = "the run ended at 2025-01-06T00:00:02Z; it had gone on to 2025-01-06T00:00:05Z before"
    assert status.message == moments and status.windows == 100


async def test_a_recovery_of_windows_in_which_nothing_happens_says_how_far_it_is() -> None:
    """And lets others run meanwhile, however many of them stand in one row of the journal."""
    learned: list[int] = []
    engine: Any = SimpleNamespace(next_due_ns=None, learn=learned.append)
    told: list[int] = []
    turns = 0

    async def rows() -> AsyncIterator[orderbook_pb2.RecordedWindow]:
        yield orderbook_pb2.RecordedWindow(window=0, last_window=9_999)

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(others())
    await catch_up(engine, [rows()], 0, 9_999, nullcontext, told.append, lambda *_: None)
    beside.cancel()
    assert told == list(range(1_000, 10_001, 1_000)) and learned[-1] == 9_999 and turns >= len(told)


async def test_a_window_that_one_book_has_done_and_another_has_not_is_done_by_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an agent too that does not do the same twice: what the one book has of it holds, and then it begins afresh."""
    code = '''import itertools

COUNT = itertools.count(1)


async def own(market):
    """Another order in each window and each life."""
    while True:
        for symbol in ("BTC/USD", "ETH/USD"):
            market.limit(1, market.tick(symbol).bid_price_ticks - 5 - next(COUNT), 1, symbol=symbol)
        await market.sleep(0.05)
'''
    (tmp_path / "agents.py").write_text(code, encoding="utf-8")
    text = "schema: 1\nname: own\nextends: two-symbols\nadd:\n  agents:\n"
    text += '    - {name: own, type: "agents.py:own", ephemeral: true, symbols: [BTC/USD, ETH/USD]}\n'
    (tmp_path / "own.yaml").write_text(text, encoding="utf-8")
    settings: dict[str, Any] = {"scenario": str(tmp_path / "own.yaml")}
    apart: dict[str, Any] = {"shards": 2, "assign": {"BTC/USD": 0, "ETH/USD": 1}}
    half = asyncio.Event()

    async def trade(self: Shard, window: int, *what: Any) -> Any:
        if window == 60 and self.symbols == ("ETH/USD",):
            half.set()
            await asyncio.Event().wait()
        return await whole(self, window, *what)

    whole = Shard.trade
    async with (
        recorded(tmp_path / "one", shard="0", **apart, **settings) as btc,
        recorded(tmp_path / "two", shard="1", **apart, **settings) as eth,
    ):
        both = {"orderbook": [btc.address, eth.address], **settings}
        with monkeypatch.context() as patch:
            patch.setattr(Shard, "trade", trade)
            async with running(btc, tmp_path / "state", **both) as one:
                await half.wait()
                while (await btc.stub.GetRun(orderbook_pb2.GetRunRequest())).last_window < 60:
                    await asyncio.sleep(0.005)
                await one.kill()
        for state in ("state", "elsewhere"):
            async with running(btc, tmp_path / state, **both) as one:
                status = await one.state(pb.CLOCK_STATE_FINISHED)
        for market in (btc, eth):
            assert await controls_of(market, status.run, status.windows - 1) == [61]


async def test_a_run_until_an_event_outlives_a_crash(tmp_path: Path) -> None:
    """Also where it happened in a window that the book had done when the engine died: the next one finds it there."""
    until = pb.RunUntilRequest(event=pb.RunUntilEvent(kind=pb.RUN_UNTIL_KIND_TRADE))
    async with recorded(tmp_path / "book") as market:
        async with running(market, tmp_path / "state", speed="50", until="") as one:
            await one.windows(5)
            await one.engine.Pause(pb.PauseRequest(), None)
            await one.engine.RunUntil(until, None)
            kept = json.loads((tmp_path / "state" / "clock.json").read_text(encoding="utf-8"))["clock"]
            status = await one.state(pb.CLOCK_STATE_PAUSED)
            assert "traded at" in status.message
            await one.kill()
        # As if it had died just before it knew.
        (tmp_path / "state" / "clock.json").write_text(json.dumps(kept), encoding="utf-8")
        async with running(market, tmp_path / "state", speed="50", until="") as one:
            again = await one.state(pb.CLOCK_STATE_PAUSED)
            assert (again.message, again.running_until, again.windows) == (status.message, "", status.windows)
            await one.kill()
        # From the next window on, it waits for the next one.
        kept["awaited"]["window"] = 10_000
        (tmp_path / "state" / "clock.json").write_text(json.dumps(kept), encoding="utf-8")
        async with running(market, tmp_path / "state", speed="0.001", until="") as one:
            waiting = await one.state(pb.CLOCK_STATE_RUNNING)
            assert waiting.running_until == "a trade in BTC/USD"
            await one.kill()


async def test_the_older_of_two_engines_stays_and_says_that_there_is_another(tmp_path: Path) -> None:
    """It does nothing more, and its run goes on with the newer one."""
    async with recorded(tmp_path / "book") as market, running(market, tmp_path / "one", speed="50", until="") as older:
        run = (await older.windows(5)).run
        async with running(market, tmp_path / "two", speed="50", until="") as newer:
            status = await newer.windows(10)
            while (was := await older.status()).state != pb.CLOCK_STATE_FAILED:
                await asyncio.sleep(0.005)
        assert "FENCED" in was.message and "stop one of the two" in was.message
        assert (was.run, status.run, was.measured_speed) == (run, run, 0)
        assert status.term > was.term
