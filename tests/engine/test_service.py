"""The engine against an order book that is lost, broken or fenced, and steered over its rpcs."""

import asyncio
import re
from typing import Any

import pytest
from google.protobuf.message import Message

from marksim.core.errors import Denied, InvalidInput, NotNow
from marksim.engine.service import EngineService
from marksim.engine.settings import EngineSettings
from marksim.runtime.identity import Action, Principal
from marksim.runtime.serve import Lifecycle
from marksim.scenario import load_scenario
from marksim.v1 import engine_pb2 as pb
from tests.engine.fake_book import FakeBook, serve
from tests.engine.world import World, world_of
from tests.runtime.name_server import name_server


async def test_windows_come_in_order_each_once() -> None:
    """From 0 on, without a hole, empty ones too."""
    async with world_of() as world:
        await world.until(lambda: len(world.book.windows) > 50)
        numbers = [number for _, number, _ in world.book.windows]
        assert numbers == list(range(len(numbers)))
        assert world.engine.ready()


async def test_a_broken_stream_resends_the_window_and_keeps_the_run() -> None:
    """The same bytes under the same number; the book answers from its record."""
    async with world_of() as world:
        world.book.breaks_at = {20}
        await world.until(lambda: world.book.last_window > 30)
        resent = [(run, content) for run, number, content in world.book.windows if number == 20]
        assert len(resent) == 2
        assert resent[0] == resent[1]
        assert (await world.status()).runs == 1


async def test_a_lost_book_means_a_new_run_with_a_higher_term() -> None:
    """A new epoch from window 0 on, said in the status."""
    async with world_of() as world:
        await world.until(lambda: world.book.last_window > 10)
        first = world.book.run
        world.book.lose()
        world.book.breaks_at = set(range(world.book.last_window, world.book.last_window + 200))
        await world.until(lambda: world.book.run not in (first, ""))
        world.book.breaks_at = set()
        await world.until(lambda: world.book.last_window > 5)
        status = await world.status()
        assert (status.run, status.runs) == (world.book.run, 2)


async def test_a_fenced_engine_stops_and_says_why() -> None:
    """It stays up for people to look at, is not ready, and sends nothing."""
    async with world_of() as world:
        world.book.refuses = "FENCED"
        world.book.breaks_at = {world.book.last_window + 5}
        await world.until(lambda: world.engine.driver is not None and world.engine.driver.state == pb.CLOCK_STATE_FAILED)
        status = await world.status()
        assert "FENCED" in status.message
        assert not world.engine.ready()


async def test_pause_step_resume() -> None:
    """Pause holds the clock, Step runs exactly so many windows, Resume goes on; the book is told."""
    async with world_of() as world:
        await world.until(lambda: world.book.last_window > 10)
        paused = (await world.engine.Pause(pb.PauseRequest(), None)).status
        assert paused.state == pb.CLOCK_STATE_PAUSED
        held = world.book.last_window
        stepped = (await world.engine.Step(pb.StepRequest(windows=3), None)).status
        assert (world.book.last_window, stepped.windows) == (held + 3, held + 4)
        await world.engine.Resume(pb.ResumeRequest(), None)
        await world.until(lambda: world.book.last_window > held + 10)
        assert world.book.paces[-2:] == [True, False]


async def test_a_book_that_dies_while_paused_is_noticed() -> None:
    """The status says so, and when a book is there that knows nothing, a new run begins without a step: paused still."""
    async with world_of() as world:
        await world.until(lambda: world.book.last_window > 10)
        await world.engine.Pause(pb.PauseRequest(), None)
        await world.server.stop(None)
        await world.state(pb.CLOCK_STATE_WAITING)
        assert not world.engine.ready()
        assert not any(shard.connected for shard in (await world.status()).shards)
        world.book.lose()
        world.server, _ = await serve(world.book, world.port)
        await world.state(pb.CLOCK_STATE_PAUSED)
        status = await world.status()
        assert (status.run, status.runs, status.windows) == (world.book.run, 2, 0)
        assert world.book.paces[-1] and world.engine.ready()


async def test_a_stream_that_breaks_while_paused_is_opened_again() -> None:
    """In the same run, where the book still knows it, and the book is told again that the market is paused."""
    async with world_of() as world:
        await world.until(lambda: world.book.last_window > 10)
        await world.engine.Pause(pb.PauseRequest(), None)
        # What was told of the pause may still be on its way.
        await world.until(lambda: world.book.paces[-1:] == [True])
        before = await world.status()
        await world.server.stop(None)
        told = len(world.book.paces)
        await world.state(pb.CLOCK_STATE_WAITING)
        world.server, _ = await serve(world.book, world.port)
        await world.state(pb.CLOCK_STATE_PAUSED)
        after = await world.status()
        assert (after.run, after.runs, after.windows) == (before.run, 1, before.windows)
        await world.until(lambda: True in world.book.paces[told:])
        await world.engine.Step(pb.StepRequest(windows=2), None)
        assert world.book.last_window == before.windows + 1


async def test_a_wait_for_the_book_ends_with_the_service() -> None:
    """SIGTERM while there is no order book: the service ends all the same."""
    engine = EngineService(EngineSettings(state=None, orderbook=["127.0.0.1:1"]))
    lifecycle = Lifecycle(service="engine", grace_s=4.0)
    running = asyncio.create_task(engine.run(lifecycle))
    while engine.driver is None:
        await asyncio.sleep(0)
    assert not engine.ready()
    assert (await engine.GetStatus(pb.GetStatusRequest(), None)).status.state == pb.CLOCK_STATE_STARTING
    lifecycle.draining.set()
    await asyncio.wait_for(running, 5)


async def test_a_book_that_comes_back_at_another_address_is_found() -> None:
    """As a pod does: for a while its name is unknown, then it stands for another address."""
    book = FakeBook(load_scenario("default"))
    async with name_server() as names:
        server, port = await serve(book, host="127.0.0.2")
        names.records["book"] = ["127.0.0.2"]
        engine = EngineService(EngineSettings(state=None, orderbook=[names.target("book", port)], speed="max"))
        lifecycle = Lifecycle(service="engine", grace_s=4.0)
        running = asyncio.create_task(engine.run(lifecycle))
        world = World(book, server, port, engine)
        await world.until(lambda: book.last_window > 5)
        await server.stop(None)
        del names.records["book"]
        asked = names.asked
        await world.until(lambda: names.asked > asked + 3)
        held = book.last_window
        server, _ = await serve(book, port, host="127.0.0.3")
        names.records["book"] = ["127.0.0.3"]
        await world.until(lambda: book.last_window > held + 5)
        assert (await world.status()).runs == 1
        lifecycle.draining.set()
        await asyncio.wait_for(running, 5)
        await server.stop(None)


@pytest.mark.parametrize(
    ("rpc", "request_", "field", "said"),
    [
        ("SetSpeed", pb.SetSpeedRequest(speed=pb.Speed(factor=float("nan"))), "speed.factor", "speed.factor nan"),
        ("SetSpeed", pb.SetSpeedRequest(speed=pb.Speed(factor=-1)), "speed.factor", "speed.factor -1"),
        ("SetSpeed", pb.SetSpeedRequest(), "speed", "speed is empty"),
        ("Step", pb.StepRequest(windows=4_000_000_000), "windows", "windows is 4000000000"),
        ("RunUntil", pb.RunUntilRequest(simulated_time_ns=-1), "simulated_time_ns", "not after the present"),
        ("WatchStatus", pb.WatchStatusRequest(interval_ms=99), "interval_ms", "interval_ms is 99"),
    ],
)
async def test_bad_control_requests_name_the_field(rpc: str, request_: Message, field: str, said: str) -> None:
    """For people with what to do instead, for programs in the facts of the error."""
    engine = EngineService(EngineSettings(state=None, orderbook=["127.0.0.1:1"]))
    call = getattr(engine, rpc)(request_, None)
    with pytest.raises(InvalidInput, match=re.escape(said)) as caught:
        await (anext(call) if rpc == "WatchStatus" else call)
    assert caught.value.metadata == {"field": field}


async def test_what_cannot_be_now_is_refused() -> None:
    """A step of a running market."""
    async with world_of() as world:
        with pytest.raises(NotNow, match="pause it"):
            await world.engine.Step(pb.StepRequest(windows=1), None)


async def test_watch_status_streams_and_ends_with_the_service() -> None:
    """One message at once, more at the interval, and the end on shutdown."""
    async with world_of() as world:
        stream = world.engine.WatchStatus(pb.WatchStatusRequest(interval_ms=100), None)
        first = await anext(stream)
        second = await anext(stream)
        assert second.status.simulated_time_ns >= first.status.simulated_time_ns


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"scenario": "nowhere"}, "--scenario, --set or --seed is wrong: "),
        ({"symbols": ["DOGE/USD"]}, "--symbols is wrong: "),
    ],
)
def test_a_wrong_scenario_ends_the_start_with_one_line(
    settings: dict[str, Any], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And exit code 2: a sentence that names the flag, whatever the format of the log."""
    with pytest.raises(SystemExit) as caught:
        EngineService(EngineSettings(**({"state": None} | settings)))
    assert caught.value.code == 2
    line = capsys.readouterr().err
    assert line.startswith(f"marksim engine: {said}") and line.count("\n") == 1


def test_a_speed_that_is_none_is_refused_by_the_settings() -> None:
    """Named with what it may be."""
    with pytest.raises(ValueError, match="must be `max` or a number"):
        EngineSettings(state=None, speed="fast")


async def test_the_book_is_told_of_the_pause_that_run_until_ends_in() -> None:
    """So that outside orders get their answer at once."""
    async with world_of() as world:
        await world.until(lambda: world.book.last_window > 0)
        await world.engine.Pause(pb.PauseRequest(), None)
        await world.until(lambda: world.book.paces[-1:] == [True])
        status, told = await world.status(), len(world.book.paces)
        until_ns = status.simulated_time_ns + 10 * status.lookahead_ns
        await world.engine.RunUntil(pb.RunUntilRequest(simulated_time_ns=until_ns), None)
        await world.until(lambda: len(world.book.paces) >= told + 2 and world.book.paces[-2:] == [False, True])
        assert (await world.status()).simulated_time_ns == until_ns


@pytest.mark.parametrize("rpc", ["Pause", "Resume", "Step", "SetSpeed", "RunUntil", "InjectEvent"])
async def test_who_may_not_steer_is_refused(rpc: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that moves the clock asks the one function that decides, before it does anything."""

    def refuse(principal: Principal, account: str, action: Action) -> None:
        raise Denied(f"{principal.name} may not {action.value}")

    monkeypatch.setattr("marksim.engine.service.authorize", refuse)
    engine = EngineService(EngineSettings(state=None, orderbook=["127.0.0.1:1"]))
    with pytest.raises(Denied, match="anonymous may not steer"):
        await getattr(engine, rpc)(getattr(pb, f"{rpc}Request")(), None)
