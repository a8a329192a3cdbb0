"""Agents and populations of a live engine: what they may not see, what they cost, and what is said of them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from marksim.core.sim.awaiting import ForeignAwait
from marksim.engine.service import EngineService
from marksim.engine.settings import EngineSettings
from marksim.engine.status import spent_by
from marksim.runtime.loopless import no_event_loop
from marksim.runtime.serve import Lifecycle
from marksim.v1 import engine_pb2 as pb
from tests.engine.world import world_of
from tests.scenario.files import INSTRUMENT

REACHING = {
    "sleeper": "await asyncio.sleep(1)",
    "starter": "asyncio.create_task(market.sleep(1))",
    "timed": "async with asyncio.timeout(1): await market.sleep(2)",
    "threaded": "await asyncio.to_thread(print)",
}

CROWD = f"""schema: 1
name: crowd
instruments:
  - {INSTRUMENT}
populations:
  - {{name: makers, type: market_maker, traders: 5, symbol: ETH/USD}}
  - {{name: crowd, type: noise, traders: 200, symbol: ETH/USD, params: {{interval_s: 20}}}}
agents:
  - {{name: lone, type: noise, symbol: ETH/USD, count: 2}}
"""


def reaching_scenario(folder: Path) -> str:
    """Agents of a user's file, of which each reaches for asyncio in another way."""
    lines = ["import asyncio", ""]
    agents = []
    for name, line in REACHING.items():
        lines += [f"async def {name}(market):", "    await market.sleep(0.2)", f"    {line}", ""]
        agents.append(f"  - {{name: {name}, type: 'mine.py:{name}', symbol: ETH/USD}}")
    (folder / "mine.py").write_text("\n".join(lines))
    text = f"schema: 1\nname: reaching\ninstruments:\n  - {INSTRUMENT}\nagents:\n"
    (folder / "reaching.yaml").write_text(text + "\n".join(agents) + "\n")
    return str(folder / "reaching.yaml")


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
async def test_agents_do_not_see_the_loop_that_serves(tmp_path: Path) -> None:
    """Each that reaches for asyncio is taken out with an error that says what to use, and no task of it is left behind."""
    async with world_of(scenario=reaching_scenario(tmp_path)) as world:
        await world.until(lambda: world.book.last_window > 10)
        assert world.engine.driver is not None
        errors = {failure.name: failure.error for failure in world.engine.driver.engine.failures}
        assert set(errors) == set(REACHING)
        for error in errors.values():
            assert isinstance(error, ForeignAwait), error
            assert "await market.sleep(seconds)" in str(error)
        assert not [task for task in asyncio.all_tasks() if "sleep" in repr(task.get_coro())]


async def test_a_block_without_a_loop_gives_it_back() -> None:
    """Also where the block raises; asynchronous generators that began in it are not the loop's."""

    async def numbers() -> AsyncIterator[int]:
        yield 1

    loop = asyncio.get_running_loop()
    generator: Any = numbers()
    with no_event_loop():
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        with pytest.raises(StopIteration, match="1"):
            anext(generator).__await__().send(None)
    with pytest.raises(ZeroDivisionError), no_event_loop():
        1 // 0  # noqa: B018
    assert asyncio.get_running_loop() is loop
    assert generator not in getattr(loop, "_asyncgens", ())
    await generator.aclose()


async def test_populations_are_timed_and_counted_apart(tmp_path: Path) -> None:
    """In the status, in what the slow part is told from, and never more than the time of both."""
    (tmp_path / "crowd.yaml").write_text(CROWD)
    async with world_of(scenario=str(tmp_path / "crowd.yaml")) as world:
        await world.until(lambda: world.book.last_window > 100)
        assert world.engine.driver is not None
        status = await world.status()
        assert (status.agents, status.traders) == (2, 205)
        assert 0 < status.population_orders < status.orders_total
        spent = spent_by(world.engine.driver, world.engine.clock)
        assert spent.populations_s > 0 and spent.agents_s > 0


async def test_kernels_are_prepared_before_the_first_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Off the loop, with the state STARTING and a message that names the kernel; the service is not ready meanwhile."""
    loop, go_on = asyncio.get_running_loop(), asyncio.Event()

    def compile_slowly(kernels, progress):  # type: ignore[no-untyped-def]
        progress("populations.collect_window")
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(5)

    monkeypatch.setattr("marksim.runtime.warming.compile_kernels", compile_slowly)
    engine = EngineService(EngineSettings(state=None, orderbook=["127.0.0.1:1"]))
    lifecycle = Lifecycle(service="engine", grace_s=4.0)
    running = asyncio.create_task(engine.run(lifecycle))
    status = pb.EngineStatus()
    while "collect_window" not in status.message:
        await asyncio.sleep(0)
        status = (await engine.GetStatus(pb.GetStatusRequest(), None)).status
    assert (status.state, status.message) == (pb.CLOCK_STATE_STARTING, "preparing kernels: populations.collect_window")
    assert not engine.ready() and engine.driver is None
    go_on.set()
    while "waiting" not in status.message:
        await asyncio.sleep(0)
        status = (await engine.GetStatus(pb.GetStatusRequest(), None)).status
    assert (await engine.GetStatus(pb.GetStatusRequest(), None)).status.message == "waiting for the order book"
    lifecycle.draining.set()
    await asyncio.wait_for(running, 5)


async def test_an_end_while_kernels_are_prepared_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing has begun yet."""
    loop, go_on = asyncio.get_running_loop(), asyncio.Event()
    monkeypatch.setattr(
        "marksim.runtime.warming.compile_kernels",
        lambda *_: asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(5),
    )
    engine = EngineService(EngineSettings(state=None, orderbook=["127.0.0.1:1"]))
    lifecycle = Lifecycle(service="engine", grace_s=4.0)
    lifecycle.draining.set()
    await asyncio.wait_for(engine.run(lifecycle), 5)
    assert engine.driver is None
    go_on.set()
