"""The engine over real order books: one clock for all shards, and the same tape however the symbols are spread."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from marksim.core.warm import BOOK, compile_kernels
from marksim.engine import shard
from marksim.engine.service import EngineService
from marksim.engine.settings import EngineSettings
from marksim.runtime.serve import Lifecycle
from marksim.v1 import engine_pb2
from marksim.v1 import orderbook_pb2 as pb
from tests.orderbook.market import Market, served

SCENARIO = "two-symbols"
BTC, ETH = "BTC/USD", "ETH/USD"
WINDOWS = 600

Tape = dict[str, list[tuple[int, bytes]]]


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    """As the order book does before it is ready."""
    compile_kernels(BOOK)


@asynccontextmanager
async def books(shards: int, **settings: Any) -> AsyncIterator[list[Market]]:
    """All order books of the scenario."""
    async with AsyncExitStack() as stack:
        facts = {"scenario": SCENARIO, "shards": shards, "ring_mib": 32, **settings}
        yield [await stack.enter_async_context(served(**facts, shard=str(shard))) for shard in range(shards)]


@asynccontextmanager
async def engine(markets: Sequence[Market], **settings: Any) -> AsyncIterator[EngineService]:
    """An engine that drives these books as fast as it can."""
    addresses = [market.address for market in markets]
    facts = {"scenario": SCENARIO, "speed": "max", "seed": 3, **settings}
    service, lifecycle = EngineService(EngineSettings(state=None, orderbook=addresses, **facts)), Lifecycle("engine", 4.0)
    running = asyncio.create_task(service.run(lifecycle))
    try:
        yield service
    finally:
        lifecycle.draining.set()
        await asyncio.wait_for(running, 5)


async def tape_of(market: Market) -> Tape:
    """The first windows of a book: each symbol's executions and ticks."""
    parts = [pb.FRAME_PART_EXECUTIONS, pb.FRAME_PART_TICKS]
    call = market.stub.StreamTicks(pb.StreamTicksRequest(after_window=-1, parts=parts))
    tape: Tape = {}
    async with asyncio.timeout(60):
        while True:
            message = await call.read()
            for frame in message.frames:
                frame.ClearField("previous_window")
                if frame.window < WINDOWS:
                    tape.setdefault(frame.symbol, []).append((frame.window, frame.SerializeToString(deterministic=True)))
            if message.last_window >= WINDOWS:
                return tape


async def run_of(shards: int, **settings: Any) -> Tape:
    """The tape of all symbols of a market with so many shards."""
    async with books(shards, **settings) as markets, engine(markets):
        tapes = await asyncio.gather(*(tape_of(market) for market in markets))
    return {symbol: frames for tape in tapes for symbol, frames in tape.items()}


async def status_of(service: EngineService) -> engine_pb2.EngineStatus:
    return (await service.GetStatus(engine_pb2.GetStatusRequest(), None)).status


async def failed(service: EngineService) -> str:
    """Wait until the engine says that it cannot; what it says."""
    async with asyncio.timeout(10):
        while (await status_of(service)).state != engine_pb2.CLOCK_STATE_FAILED:
            await asyncio.sleep(0.01)
    assert not service.ready()
    return (await status_of(service)).message


async def test_the_number_of_shards_does_not_touch_the_tape() -> None:
    """One book for both symbols, one each, and one of three that has none: every execution and tick is the same."""
    one = await run_of(1)
    assert {symbol: len(frames) > WINDOWS / 4 for symbol, frames in one.items()} == {BTC: True, ETH: True}
    assert await run_of(2) == one
    assert await run_of(3, assign={BTC: 2, ETH: 0}) == one


async def test_all_shards_have_one_clock() -> None:
    """Each window is done on all of them before the next begins."""
    async with books(2) as markets, engine(markets) as service:
        await asyncio.gather(*(tape_of(market) for market in markets))
        await service.Pause(engine_pb2.PauseRequest(), None)
        status = await status_of(service)
        assert [list(shard.symbols) for shard in status.shards] == [[BTC], [ETH]]
        assert {shard.last_window for shard in status.shards} == {status.windows - 1}
        assert {market.service.sequencer.run.run for market in markets if market.service.sequencer.run} == {status.run}


async def test_a_group_engine_gives_its_symbols_the_same_tape() -> None:
    """Two engines, a symbol each, one with populations only: accounts and generators are those of the whole scenario."""
    whole = await run_of(1)
    async with (
        books(2) as markets,
        engine(markets[:1], symbols=[BTC]) as first,
        engine(markets[1:], symbols=[ETH]) as second,
    ):
        tapes = await asyncio.gather(*(tape_of(market) for market in markets))
        statuses = [await status_of(first), await status_of(second)]
    assert {symbol: frames for tape in tapes for symbol, frames in tape.items()} == whole
    assert len({status.scenario_hash for status in statuses}) == 1
    assert [status.agents for status in statuses] == [6, 0]


@pytest.mark.parametrize(
    ("shards", "addressed", "symbols", "said"),
    [
        (2, [0], [], "trade ['BTC/USD'] but this engine needs ['BTC/USD', 'ETH/USD']"),
        (2, [0, 0], [], "trade ['BTC/USD', 'BTC/USD'] but this engine needs ['BTC/USD', 'ETH/USD']"),
        (2, [0, 1], [ETH], "trade ['BTC/USD', 'ETH/USD'] but this engine needs ['ETH/USD']"),
        (1, [0], [BTC], "trade ['BTC/USD', 'ETH/USD'] but this engine needs ['BTC/USD']"),
    ],
)
async def test_books_that_do_not_fit_are_refused(shards: int, addressed: list[int], symbols: list[str], said: str) -> None:
    """A shard missing, named twice, or of another group: said in a sentence, and no run begins."""
    async with books(shards) as markets, engine([markets[shard] for shard in addressed], symbols=symbols) as service:
        assert said in await failed(service)
        assert all(market.service.sequencer.run is None for market in markets)


async def test_an_engine_waits_for_books_that_roll_to_its_scenario() -> None:
    """While the old book stands it says why it waits; when the new one has taken its place, the market runs."""
    async with served(scenario=SCENARIO, set=["agents.maker.count=2"]) as old:
        port = old.port
        async with engine([old]) as service:
            assert "start both alike" in await failed(service)
            await old.stop()
            async with served(port=port, scenario=SCENARIO, ring_mib=32) as new:
                await tape_of(new)
                assert (await status_of(service)).state == engine_pb2.CLOCK_STATE_RUNNING


async def test_a_window_that_no_book_takes_ends_the_market_with_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be refused by its size, and sent again, for ever."""
    monkeypatch.setattr(shard, "MAX_REQUEST_BYTES", 400)
    async with books(1) as markets, engine(markets) as service:
        message = await failed(service)
    assert "at most 400: make windows shorter (lookahead_ms)" in message and markets[0].address in message


async def test_an_engine_that_is_fenced_while_paused_stays_out() -> None:
    """It says so at once, and does not begin a run of its own against the newer engine."""
    async with books(1) as (market,), engine([market]) as service:
        await tape_of(market)
        await service.Pause(engine_pb2.PauseRequest(), None)
        newer = await market.engine(term=9, instance="engine-b")
        assert "FENCED" in await failed(service)
        await newer.window(0)


def test_a_group_that_cannot_be_ends_the_start() -> None:
    """With exit code 2, as of any wrong setting."""
    with pytest.raises(SystemExit) as caught:
        EngineService(EngineSettings(state=None, scenario=SCENARIO, symbols=["DOGE/USD"]))
    assert caught.value.code == 2
