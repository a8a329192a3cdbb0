"""A market of populations, coroutines and events has one tape: in process, over gRPC, sharded, and however it is steered."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import grpc.aio
import pytest

from marksim.core.feed.tape import run_hash
from marksim.engine.clock import Clock
from marksim.engine.run import Driver
from marksim.engine.shard import Shard
from marksim.offline import simulate
from marksim.scenario import load_scenario
from marksim.scenario.group import group_of
from marksim.v1 import orderbook_pb2 as pb
from tests.offline.test_equal import markets
from tests.orderbook.market import Market
from tests.scenario.files import write

SECONDS = 60
WINDOWS = SECONDS * 20

MIXED = """schema: 1
name: mixed
seed: 5
instruments:
  - {symbol: BTC/USD, tick_size: "0.50", lot_size: "0.001", reference_price: "50000", min_price: "0.50", max_price: "200000"}
  - {symbol: ETH/USD, tick_size: "0.05", lot_size: "0.01", reference_price: "3000", min_price: "0.05", max_price: "12000"}
populations:
  - {name: makers, type: market_maker, traders: 12, params: {interval_s: 0.5}}
  - {name: layers, type: liquidity_provider, traders: 20, latency: {order: {median_us: 30000, sigma: 0.8}, feed_us: 2000}}
  - name: crowd
    type: noise
    traders: 3000
    params: {interval_s: 60}
    latency: {order: {median_us: 20000, sigma: 0.6, floor_us: 1000}, feed: {median_us: 40000, sigma: 0.5}}
  - {name: value, type: informed, traders: 200, params: {interval_s: 20}}
  - {name: bursts, type: hawkes, traders: 100, params: {interval_s: 40}}
  - {name: stops, type: stop_loss, traders: 100, params: {interval_s: 30}}
  - {name: eth-makers, type: market_maker, traders: 8, symbol: ETH/USD, params: {interval_s: 0.7}}
  - {name: eth-crowd, type: zero_intelligence, traders: 500, symbol: ETH/USD, params: {interval_s: 20}}
  - {name: eth-trend, type: momentum, traders: 50, symbol: ETH/USD, params: {interval_s: 10}}
agents:
  - {name: maker, type: liquidity_provider, count: 2, latency: {order: {median_us: 9000, sigma: 0.7}, feed_us: 4000}}
  - {name: lone, type: noise, count: 3, latency: {order_us: 20000, feed: {median_us: 30000, sigma: 0.9}}}
  - {name: eth-lone, type: noise, count: 2, symbol: ETH/USD}
  - {name: fast, type: imbalance, latency: {order_us: 100, feed_us: 100}}
  - {name: pair, type: arbitrage, symbols: [BTC/USD, ETH/USD]}
events:
  - {at: 10s, news: {change: "-2%"}}
  - {at: 20s, withdrawal: {duration: 4s, share: 0.8}}
  - {at: 22s, fat_finger: {side: sell, quantity: "20"}}
  - {at: 30s, halt: {duration: 5s, symbol: ETH/USD}}
  - {at: 45s, flash_crash: {quantity: "200", duration: 4s}}
"""


async def steer(clock: Clock, driver: Driver, start_ns: int) -> None:
    """Run with pauses, steps and a change of speed in between, up to the end of the last window."""

    async def until(windows: int) -> None:
        await clock.run_until(start_ns + windows * driver.scenario.lookahead_ns, driver.simulated_time_ns)
        while not (clock.paused and driver.windows == windows):
            await asyncio.sleep(0.005)

    await until(101)
    for windows in (1, 7, 30):
        await clock.step(windows)
    await driver.set_paused(True)
    await until(400)
    await clock.set_factor(1_000.0, driver.simulated_time_ns)
    await until(430)
    await clock.set_factor(None, driver.simulated_time_ns)
    await clock.resume()
    while driver.windows < 600:
        await asyncio.sleep(0.005)
    await clock.pause()
    await clock.step(3)
    await until(WINDOWS)


@asynccontextmanager
async def reading(books: list[Market], count: int) -> AsyncIterator[list[int]]:
    """So many readers of each book that come, take some answers each, and go; yields how many answers they have had."""
    answers = [0] * count

    async def read(place: int) -> None:
        parts = [pb.FRAME_PART_TICKS, pb.FRAME_PART_TRADES, pb.FRAME_PART_DEPTH, pb.FRAME_PART_EXECUTIONS]
        while True:
            for book in books:
                call = book.stub.StreamTicks(pb.StreamTicksRequest(parts=parts[: 1 + place % 4], after_window=-1))
                for _ in range(5 + 3 * place):
                    if await call.read() is grpc.aio.EOF:
                        return
                    answers[place] += 1
                call.cancel()

    tasks = [asyncio.create_task(read(place)) for place in range(count)]
    try:
        yield answers
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(one is None or isinstance(one, asyncio.CancelledError) for one in ended), ended


async def live(reference: str, shards: int, readers: int) -> str:
    """The tape hash of the market over gRPC."""
    scenario = load_scenario(reference)
    clock = Clock(None)
    clock.paused = True
    async with markets(shards, scenario=reference) as books:
        connections = [Shard(book.address) for book in books]
        driver = Driver(scenario, group_of(scenario, ()), clock, connections, lambda _: None)
        driving = asyncio.create_task(driver.drive())
        async with reading(books, readers) as answers:
            await steer(clock, driver, scenario.start_ns)
        assert all(answers)
        runs = [await book.stub.GetRun(pb.GetRunRequest()) for book in books]
        await clock.stop()
        await driving
        await driver.close()
    assert {run.last_window for run in runs} == {WINDOWS - 1}
    assert not driver.engine.failures and driver.runs == 1
    assert driver.engine.crowd_orders > 1_000 and driver.engine.orders_sent - driver.engine.crowd_orders > 100
    assert driver.populations_s > 0
    return run_hash({tape.symbol: tape.hash for run in runs for tape in run.tapes})


@pytest.mark.parametrize(("shards", "readers"), [(1, 0), (2, 0), (1, 20)])
async def test_a_mixed_market_has_the_tape_that_it_has_offline(shards: int, readers: int, tmp_path: Path) -> None:
    """Several populations and coroutines, lognormal latencies and events; live with pauses, steps and speeds, sharded or
    not, with nobody who reads and with many who come and go.
    """
    reference = write(tmp_path, MIXED)
    over_grpc = await live(reference, shards, readers)
    result = await asyncio.to_thread(simulate, reference, until=f"{SECONDS}s", tables=())
    assert result.stats.trades > 200
    assert result.tape_hash == over_grpc
