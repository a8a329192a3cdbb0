"""An engine that comes back, over a real order book with a journal: the tape is the one that would have been."""

import asyncio
from pathlib import Path

import pytest

from marksim.core.feed.tape import run_hash
from marksim.core.warm import compile_kernels
from marksim.v1 import engine_pb2 as pb
from marksim.v1 import orderbook_pb2
from tests.engine.running import running, tape_of
from tests.orderbook.recorded_market import recorded

AGENTS = """schema: 1
name: mixed
extends: default
agents:
  - {name: quoter, type: market_maker, count: 2}
  - {name: flow, type: noise, count: 4}
  - name: whale
    type: whale
    params: {first_pause_s: 1.0, pause_s: 2.0, parent_lots: 500, children: 20, child_interval_s: 0.2}
  - {name: plain, type: "agents.py:follower"}
  - {name: waiter, type: "agents.py:waiter"}
"""
CODE = '''"""Agents that have no state: they are run again from what reached them."""


async def follower(market):
    """Buys what falls and sells what rises, one lot at a time, and remembers all of it in local variables."""
    last = None
    async for quote in market.ticks():
        if last is not None and quote.last != last:
            side = market.sell if quote.last > last else market.buy
            await side("0.001")
        last = quote.last


async def waiter(market):
    """Uses time, chance, a timeout and a child."""
    async def child():
        while True:
            await market.sleep(0.3 + market.rng.random())
            market.limit(1, market.tick().bid_price_ticks - 1, 2)

    async with market.tasks() as tasks:
        tasks.start(child())
        while True:
            try:
                async with market.timeout(0.7):
                    await market.next_fill()
            except TimeoutError:
                market.cancel_all()
'''


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    compile_kernels()


@pytest.fixture
def scenario(tmp_path: Path) -> str:
    (tmp_path / "agents.py").write_text(CODE, encoding="utf-8")
    (tmp_path / "mixed.yaml").write_text(AGENTS, encoding="utf-8")
    return str(tmp_path / "mixed.yaml")


async def undisturbed(folder: Path, scenario: str) -> list[tuple[str, str]]:
    book, engine = recorded(folder / "book", scenario=scenario), folder / "state"
    async with book as market, running(market, engine, scenario=scenario) as one:
        await one.state(pb.CLOCK_STATE_FINISHED)
        return await tape_of(market)


@pytest.mark.parametrize("keeps", [True, False])
async def test_a_killed_engine_goes_on_as_if_nothing_had_happened(tmp_path: Path, scenario: str, keeps: bool) -> None:
    """With agents of every kind, from snapshots or, where these are lost, from the start: run and tape are the same."""
    expected = await undisturbed(tmp_path / "one", scenario)
    state, runs, terms = tmp_path / "two" / "state", set(), []
    async with recorded(tmp_path / "two" / "book", scenario=scenario) as market:
        for windows in (50, 90, 91, 170):
            async with running(market, state if keeps else tmp_path / f"lost-{windows}", scenario=scenario) as one:
                status = await one.windows(windows)
                await one.kill()
            runs.add(status.run)
            terms.append(status.term)
        async with running(market, state if keeps else tmp_path / "last", scenario=scenario) as one:
            status = await one.state(pb.CLOCK_STATE_FINISHED)
            assert await tape_of(market) == expected
            assert (status.tape_hash, status.tape_window) == (run_hash(dict(expected)), status.windows - 1)
        runs.add(status.run)
    assert len(runs) == 1 and terms == sorted(set(terms))
    assert list(state.glob("engine-*.snapshot")) or not keeps


async def test_a_killed_book_is_waited_for_and_the_tape_is_the_same(tmp_path: Path, scenario: str) -> None:
    """The engine holds its window, finds the book again, and no order counts twice."""
    expected = await undisturbed(tmp_path / "one", scenario)
    place, port = tmp_path / "two", 0
    async with recorded(place / "book", scenario=scenario, in_order=False) as market:
        port = market.port
        keeping = running(market, place / "state", scenario=scenario)
        one = await keeping.__aenter__()
        run = (await one.windows(60)).run
    try:
        async with recorded(place / "book", scenario=scenario, port=port) as market:
            status = await one.state(pb.CLOCK_STATE_FINISHED)
            assert status.run == run and status.runs == 1
            assert await tape_of(market) == expected
            await one.end()
    finally:
        await keeping.__aexit__(None, None, None)


async def test_an_engine_that_waits_for_a_lost_book_ends_in_order(tmp_path: Path, scenario: str) -> None:
    """As where both are replaced at once: inside of a window it has no state to keep; the next one goes on all the same."""
    expected = await undisturbed(tmp_path / "one", scenario)
    place = tmp_path / "two"
    async with recorded(place / "book", scenario=scenario, in_order=False) as market:
        keeping = running(market, place / "state", scenario=scenario)
        one = await keeping.__aenter__()
        await one.windows(60)
    try:
        await one.state(pb.CLOCK_STATE_WAITING)
    finally:
        await keeping.__aexit__(None, None, None)
    book = recorded(place / "book", scenario=scenario)
    async with book as market, running(market, place / "state", scenario=scenario) as one:
        await one.state(pb.CLOCK_STATE_FINISHED)
        assert await tape_of(market) == expected


async def test_pause_speed_and_events_survive_a_crash(tmp_path: Path) -> None:
    """What was acknowledged holds: the clock is paused as before, and the event happens in its window, once."""
    async with recorded(tmp_path / "book") as market:
        async with running(market, tmp_path / "state", speed="50", until="") as one:
            await one.windows(20)
            await one.engine.Pause(pb.PauseRequest(), None)
            await one.engine.SetSpeed(pb.SetSpeedRequest(speed=pb.Speed(factor=33)), None)
            finger = pb.FatFinger(symbol="BTC/USD", sell=True, quantity="1.000")
            injected = await one.engine.InjectEvent(pb.InjectEventRequest(fat_finger=finger), None)
            await one.kill()
        async with running(market, tmp_path / "state", speed="50", until="") as one:
            status = await one.state(pb.CLOCK_STATE_PAUSED)
            assert status.speed.factor == 33 and status.windows == injected.window
            await one.engine.Step(pb.StepRequest(windows=2), None)
            windows = (await one.status()).windows
            await one.kill()
        request = orderbook_pb2.ReadWindowsRequest(run=status.run, first_window=0, last_window=windows - 1)
        controls = [
            (window.window, window.control)
            async for message in market.stub.ReadWindows(request)
            for window in message.windows
            if window.control
        ]
        assert [window for window, _ in controls] == [injected.window]
        async with running(market, tmp_path / "state", speed="max", until="10s") as one:
            # In the journal, so an engine without a snapshot goes through it again.
            await one.state(pb.CLOCK_STATE_PAUSED)
            await one.engine.Resume(pb.ResumeRequest(), None)
            await one.state(pb.CLOCK_STATE_FINISHED)


async def test_an_agent_that_is_not_deterministic_is_named(tmp_path: Path) -> None:
    """The engine stops with agent and window; the recorded run stays as it is."""
    (tmp_path / "agents.py").write_text(
        '''import itertools

COUNT = itertools.count(1)


async def guesser(market):
    """Sends more each time that this process has run it."""
    start = next(COUNT)
    while True:
        await market.sleep(0.5)
        market.limit(1, market.tick().bid_price_ticks - 5, start)
''',
        encoding="utf-8",
    )
    text = 'schema: 1\nname: guess\nextends: default\nagents:\n  - {name: guesser, type: "agents.py:guesser"}\n'
    (tmp_path / "guess.yaml").write_text(text, encoding="utf-8")
    scenario = str(tmp_path / "guess.yaml")
    async with recorded(tmp_path / "book", scenario=scenario) as market:
        async with running(market, tmp_path / "state", scenario=scenario) as one:
            await one.windows(80)
            await one.kill()
        async with running(market, tmp_path / "state", scenario=scenario) as one:
            async with asyncio.timeout(20):
                while (status := await one.status()).state != pb.CLOCK_STATE_FAILED:
                    await asyncio.sleep(0.01)
            assert "guesser" in status.message and "NONDETERMINISTIC" in status.message and "window" in status.message


async def test_an_ephemeral_agent_begins_afresh_and_that_is_recorded(tmp_path: Path) -> None:
    """Its orders are cancelled, the others go on as they were, and a later recovery repeats it."""
    (tmp_path / "agents.py").write_text(CODE, encoding="utf-8")
    text = AGENTS.replace('"agents.py:waiter"}', '"agents.py:waiter", ephemeral: true}')
    (tmp_path / "mixed.yaml").write_text(text, encoding="utf-8")
    scenario = str(tmp_path / "mixed.yaml")
    async with recorded(tmp_path / "book", scenario=scenario) as market:
        for windows in (60, 120, 130):
            async with running(market, tmp_path / "state", scenario=scenario) as one:
                status = await one.windows(windows)
                assert list(status.ephemeral_agents) == ["waiter"]
                await one.kill()
        async with running(market, tmp_path / "elsewhere", scenario=scenario) as one:
            await one.state(pb.CLOCK_STATE_FINISHED)


async def test_another_seed_is_refused_and_says_what_to_do(tmp_path: Path) -> None:
    """The engine stays and says why: a person looks."""
    async with recorded(tmp_path / "book") as market:
        async with running(market, tmp_path / "state", seed=1) as one:
            run = (await one.windows(10)).run
        async with running(market, tmp_path / "state", seed=2) as one:
            async with asyncio.timeout(20):
                while (status := await one.status()).state != pb.CLOCK_STATE_FAILED:
                    await asyncio.sleep(0.01)
            assert run in status.message and "--new-run" in status.message and "seed 1" in status.message
