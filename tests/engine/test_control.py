"""The engine steered from outside: until an event, to the end of a run, by events, and stopped by an agent."""

import asyncio
import re

import pytest

from marksim.core.agents.spec import Halt, MarketEvent
from marksim.core.errors import Exhausted, InvalidInput, NotNow
from marksim.core.sim.engine import AgentFailure, AsyncTimeEngine
from marksim.engine.service import EngineService
from marksim.engine.settings import EngineSettings
from marksim.engine.status import spent_by
from marksim.v1 import engine_pb2 as pb
from tests.engine.world import World, world_of

BTC = "BTC/USD"
L = 50_000_000
START = 1_736_121_600_000_000_000


async def paused(world: World) -> pb.EngineStatus:
    """The status when the clock has paused again."""
    await world.state(pb.CLOCK_STATE_PAUSED)
    return await world.status()


async def test_run_for_a_while_runs_exactly_its_windows() -> None:
    """From where the clock stands."""
    async with world_of() as world:
        await world.until(lambda: world.book.last_window > 0)
        before = (await world.engine.Pause(pb.PauseRequest(), None)).status
        status = (await world.engine.RunUntil(pb.RunUntilRequest(for_ns=10 * L), None)).status
        assert status.running_until
        after = await paused(world)
        assert after.windows == before.windows + 10
        assert (after.running_until, after.message[:8]) == ("", "reached ")


async def test_run_until_a_trade_pauses_at_the_end_of_its_window() -> None:
    """The message names it, the book is told of the pause, and nothing runs on."""
    async with world_of() as world:
        await world.until(lambda: world.book.last_window > 0)
        await world.engine.Pause(pb.PauseRequest(), None)
        await world.until(lambda: world.book.paces[-1:] == [True])
        told, before = len(world.book.paces), await world.status()
        event = pb.RunUntilEvent(kind=pb.RUN_UNTIL_KIND_TRADE, symbol=BTC)
        await world.engine.RunUntil(pb.RunUntilRequest(event=event), None)
        after = await paused(world)
        assert after.message.startswith("BTC/USD traded at ")
        assert after.trades_total > before.trades_total
        assert world.book.last_window == after.windows - 1
        await world.until(lambda: world.book.paces[told:] == [False, True])


async def test_run_until_a_price_that_never_comes_goes_on() -> None:
    """Until somebody pauses it, which forgets the price."""
    async with world_of() as world:
        await world.until(lambda: world.book.last_window > 0)
        event = pb.RunUntilEvent(kind=pb.RUN_UNTIL_KIND_PRICE_AT_OR_BELOW, symbol=BTC, price="1")
        await world.engine.RunUntil(pb.RunUntilRequest(event=event), None)
        held = world.book.last_window
        await world.until(lambda: world.book.last_window > held + 50)
        assert (await world.status()).running_until == "a trade in BTC/USD at 1.00 or below"
        status = (await world.engine.Pause(pb.PauseRequest(), None)).status
        assert (status.running_until, status.message) == ("", "")


@pytest.mark.parametrize(
    ("request_", "field", "said"),
    [
        (pb.RunUntilRequest(for_ns=L - 1), "for_ns", "give at least a window (50ms)"),
        (pb.RunUntilRequest(simulated_time_ns=START + L - 1), "simulated_time_ns", "at least a window (50ms) later"),
        (pb.RunUntilRequest(simulated_time_ns=1, for_ns=1), "simulated_time_ns", "is set beside for_ns"),
        (pb.RunUntilRequest(event=pb.RunUntilEvent()), "event.kind", "give one of RUN_UNTIL_KIND_TRADE"),
        (
            pb.RunUntilRequest(event=pb.RunUntilEvent(kind=pb.RUN_UNTIL_KIND_TRADE, symbol="DOGE")),
            "event.symbol",
            "this engine trades BTC/USD",
        ),
        (
            pb.RunUntilRequest(event=pb.RunUntilEvent(kind=pb.RUN_UNTIL_KIND_TRADE, price="1")),
            "event.price",
            "TRADE has no price",
        ),
        (
            pb.RunUntilRequest(event=pb.RunUntilEvent(kind=pb.RUN_UNTIL_KIND_PRICE_AT_OR_ABOVE)),
            "event.symbol",
            "this engine trades BTC/USD",
        ),
        (
            pb.RunUntilRequest(event=pb.RunUntilEvent(kind=pb.RUN_UNTIL_KIND_PRICE_AT_OR_ABOVE, symbol=BTC)),
            "event.price_ticks",
            "give a price above 0",
        ),
        (
            pb.RunUntilRequest(
                event=pb.RunUntilEvent(kind=pb.RUN_UNTIL_KIND_PRICE_AT_OR_BELOW, symbol=BTC, price="1", price_ticks=1)
            ),
            "event.price",
            "set one of the two",
        ),
        (
            pb.RunUntilRequest(event=pb.RunUntilEvent(kind=pb.RUN_UNTIL_KIND_PRICE_AT_OR_BELOW, symbol=BTC, price="0.001")),
            "event.price",
            "tick size",
        ),
        (
            pb.RunUntilRequest(event=pb.RunUntilEvent(kind=pb.RUN_UNTIL_KIND_AGENT_FAILURE, symbol=BTC)),
            "event.symbol",
            "leave it out",
        ),
    ],
)
async def test_a_run_until_that_cannot_be_names_the_field(request_: pb.RunUntilRequest, field: str, said: str) -> None:
    """And says what to do instead."""
    engine = EngineService(EngineSettings(state=None, orderbook=["127.0.0.1:1"]))
    with pytest.raises(InvalidInput, match=re.escape(said)) as caught:
        await engine.RunUntil(request_, None)
    assert caught.value.metadata == {"field": field}


@pytest.mark.parametrize(("until", "windows"), [("2s", 40), ("2025-01-06T00:00:01.07", 21)])
async def test_a_run_ends_after_the_last_window_that_ends_by_its_time(until: str, windows: int) -> None:
    """Then it is finished for good: ready to be asked, and no command moves it."""
    async with world_of(until=until) as world:
        await world.state(pb.CLOCK_STATE_FINISHED)
        status = await world.status()
        assert (status.windows, world.book.last_window) == (windows, windows - 1)
        assert status.message.startswith("the run ended at 2025-01-06T00:00:0") and status.end_time_ns > START
        assert world.engine.ready()
        await world.until(lambda: world.book.paces[-1:] == [True])
        for call in (
            world.engine.Resume(pb.ResumeRequest(), None),
            world.engine.Step(pb.StepRequest(), None),
            world.engine.RunUntil(pb.RunUntilRequest(for_ns=L), None),
            world.engine.InjectEvent(pb.InjectEventRequest(halt=pb.Halt(symbol=BTC, duration_ns=1)), None),
        ):
            with pytest.raises(NotNow, match="the run is over") as caught:
                await call
            assert caught.value.reason == "RUN_OVER"
        assert (await world.status()).windows == windows


async def test_a_step_past_the_end_of_the_run_is_ended_there() -> None:
    """It says how far it came; and a pause of what is over has no window to wait for."""
    async with world_of(speed="0.001", until="2s") as world:
        await world.state(pb.CLOCK_STATE_RUNNING)
        before = (await world.engine.Pause(pb.PauseRequest(), None)).status
        with pytest.raises(NotNow, match="end of the run") as caught:
            await asyncio.wait_for(world.engine.Step(pb.StepRequest(windows=100), None), 5)
        assert caught.value.metadata == {"windows_done": str(40 - before.windows)}
        assert (await world.status()).state == pb.CLOCK_STATE_FINISHED
        await asyncio.wait_for(world.engine.Pause(pb.PauseRequest(), None), 1)


async def test_an_event_is_refused_where_too_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a paused market would take them without end."""
    monkeypatch.setattr("marksim.engine.service.MAX_QUEUED", 0)
    async with world_of(speed="1") as world:
        await world.state(pb.CLOCK_STATE_RUNNING)
        with pytest.raises(Exhausted, match="events and commands wait: let the market run first"):
            await world.engine.InjectEvent(pb.InjectEventRequest(halt=pb.Halt(symbol=BTC, duration_ns=1)), None)


async def test_a_run_ends_where_its_scenario_says_and_sooner_where_a_flag_does() -> None:
    """`duration` of the scenario is what --until is otherwise."""
    for settings, windows in (({"set": ["duration=2s"]}, 40), ({"set": ["duration=1d"], "until": "1s"}, 20)):
        async with world_of(**settings) as world:
            await world.state(pb.CLOCK_STATE_FINISHED)
            assert (await world.status()).windows == windows


async def test_run_until_an_agent_fails_pauses_after_its_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that failed before do not count."""
    async with world_of() as world:
        await world.until(lambda: world.book.last_window > 0)
        await world.engine.Pause(pb.PauseRequest(), None)
        assert world.engine.driver is not None
        engine = world.engine.driver.engine
        assert isinstance(engine, AsyncTimeEngine)
        engine.failures.append(AgentFailure("earlier", 0, 1, ValueError("long ago")))
        wake, at = engine.wake, (await world.status()).windows + 5

        def wake_and_fail(window: int) -> None:
            if window == at:
                engine.failures.append(AgentFailure("clumsy", 0, 1, ValueError("now")))
            wake(window)

        monkeypatch.setattr(engine, "wake", wake_and_fail)
        event = pb.RunUntilEvent(kind=pb.RUN_UNTIL_KIND_AGENT_FAILURE)
        await world.engine.RunUntil(pb.RunUntilRequest(event=event), None)
        status = await paused(world)
        assert (status.windows, status.message) == (at + 1, "agent clumsy failed: ValueError('now')")


def test_an_end_before_the_start_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """As of any wrong setting: one line that names the flag, and exit code 2."""
    with pytest.raises(SystemExit) as caught:
        EngineService(EngineSettings(state=None, until="2025-01-05"))
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("marksim engine: --until is wrong: ")


async def test_an_event_goes_to_the_engine_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the answer says in which window it happens."""
    async with world_of() as world:
        await world.until(lambda: world.book.last_window > 0)
        assert world.engine.driver is not None
        given: list[MarketEvent] = []

        def inject(event: MarketEvent) -> int:
            given.append(event)
            return 4_711

        monkeypatch.setattr(world.engine.driver.engine, "inject", inject)
        request = pb.InjectEventRequest(halt=pb.Halt(symbol=BTC, duration_ns=300))
        assert (await world.engine.InjectEvent(request, None)).window == 4_711
        assert given == [Halt(BTC, 300)]


async def test_an_event_before_the_first_run_is_refused() -> None:
    """There is no market yet in which it could happen."""
    engine = EngineService(EngineSettings(state=None, orderbook=["127.0.0.1:1"]))
    with pytest.raises(NotNow, match="no run has begun yet"):
        await engine.InjectEvent(pb.InjectEventRequest(halt=pb.Halt(symbol=BTC, duration_ns=1)), None)


async def test_an_agent_that_holds_the_clock_stops_the_market(monkeypatch: pytest.MonkeyPatch) -> None:
    """At its window, which no book gets; the status names agent, time, window and line, and commands say so too.

    Whoever waits for a run-until learns that it will not come.
    """

    async def spinner() -> None:
        while True:
            pass

    def wake(window: int) -> None:
        monkeypatch.setattr(AsyncTimeEngine, "running", "spinner-7")
        spinner().send(None)

    async with world_of(agent_limit_s=0.2) as world:
        await world.until(lambda: world.book.last_window > 0)
        event = pb.RunUntilEvent(kind=pb.RUN_UNTIL_KIND_PRICE_AT_OR_BELOW, symbol=BTC, price="1")
        assert (await world.engine.RunUntil(pb.RunUntilRequest(event=event), None)).status.running_until
        assert world.engine.driver is not None
        monkeypatch.setattr(world.engine.driver.engine, "wake", wake)
        await world.state(pb.CLOCK_STATE_FAILED)
        await world.until(lambda: not world.engine.clock.until)
        status = await world.status()
        assert status.message.startswith("agent spinner-7 held the clock for over 0.2 s at 2025-01-06T00:00:")
        assert re.search(rf", window \d+, in {re.escape(__file__)}:\d+ \(spinner\)", status.message)
        assert world.book.last_window == status.windows - 1
        assert not world.engine.ready()
        await world.until(lambda: world.book.paces[-1:] == [True])
        with pytest.raises(NotNow, match="the market has stopped: agent spinner-7"):
            await world.engine.Resume(pb.ResumeRequest(), None)


async def test_overload_shows_in_the_status() -> None:
    """The part and a sentence, once the load says so."""
    async with world_of(speed="10") as world:
        await world.state(pb.CLOCK_STATE_RUNNING)
        assert (await world.status()).bottleneck == pb.BOTTLENECK_UNSPECIFIED
        slow = (pb.BOTTLENECK_ORDER_BOOK, "the order book a:1: the engine waits for it 90% of the time")
        world.engine.load.bottleneck = lambda: slow  # type: ignore[method-assign, assignment, return-value]
        status = await world.status()
        assert (status.bottleneck, status.bottleneck_message) == slow


async def test_the_time_of_each_part_is_measured() -> None:
    """Agents, and each order book by its address: what the slow part is told from."""
    async with world_of() as world:
        await world.until(lambda: world.book.last_window > 50)
        assert world.engine.driver is not None
        spent = spent_by(world.engine.driver, world.engine.clock)
        assert spent.agents_s > 0 and spent.cpu_s > 0
        assert 0 < spent.shards_s[f"127.0.0.1:{world.port}"] <= spent.book_s * 1.5


async def test_a_change_of_speed_makes_no_jump_in_a_running_market() -> None:
    """Simulated time of before and after differ by what passes meanwhile, up or down."""
    async with world_of(speed="1") as world:
        await world.state(pb.CLOCK_STATE_RUNNING)
        for factor in (20.0, 0.001, 5.0):
            before = (await world.status()).simulated_time_ns
            speed = pb.SetSpeedRequest(speed=pb.Speed(factor=factor))
            after = (await world.engine.SetSpeed(speed, None)).status
            assert 0 <= after.simulated_time_ns - before <= 2 * L
            assert after.speed.factor == factor
            await asyncio.sleep(0)
