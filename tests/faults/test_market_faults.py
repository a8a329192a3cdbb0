"""Short forms of what the campaigns do for long: bad lines, clocks and disks, two engines, two shards, and nothing shows."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import grpc.aio
import pytest

from marksim.core.feed.tape import run_hash
from marksim.runtime.channel import open_channel
from marksim.scenario import load_scenario
from marksim.store.windows import RecordedWindow
from marksim.v1 import engine_pb2, orderbook_pb2_grpc, types_pb2
from marksim.v1 import orderbook_pb2 as pb
from tests.e2e.market import eventually, free_block
from tests.faults.market import Market, SeparateMarket, SupervisedMarket, running
from tests.faults.proxy import Proxy
from tests.faults.rows import archive_equals_journal
from tests.faults.shim import Faults
from tests.faults.undisturbed import play, play_journal, undisturbed_hash

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

SEED = 7
HOUR_S = 3_600.0


async def windows_after(market: Market, windows: int) -> engine_pb2.EngineStatus:
    """Wait until more than so many windows are done; the status then."""

    async def look() -> bool:
        return (await market.status()).windows > windows

    await eventually(look)
    return await market.status()


async def ends_sound(market: Market, run: str, scenario: str = "default") -> None:
    """Pause it and end it: one run, executed again it is the same, and so it is where nothing disturbed it."""
    await market.pause()
    standing = await market.standing()
    assert standing.run == run
    # In a thread: a proxy in this loop still carries what the services say last.
    assert await asyncio.to_thread(market.end) == 0, market.logs()
    alone = play_journal(load_scenario(scenario, (), SEED), market.journals[0])
    assert (alone.difference, alone.tape_hash) == ("", standing.tape_hash)
    assert undisturbed_hash(market) == standing.tape_hash
    assert archive_equals_journal(market.archive, market.journals, run) == []


async def test_a_bad_line_heals_without_a_hand(tmp_path: Path) -> None:
    """Half-open, cut and reset under the engine, dropped under the archiver: the market waits, and goes on by itself."""
    async with Proxy(SEED) as proxy:
        market = SeparateMarket(tmp_path, seed=SEED)
        for service in market.seen_book:
            link = await proxy.link(service, "localhost", market.grpc_ports["orderbook"])
            market.seen_book[service] = link.address
        async with running(market):
            run = (await market.standing()).run
            engine, archiver = proxy["engine"], proxy["archiver"]
            for begin in (engine.half_open, engine.cut, archiver.drop, engine.sever):
                windows, made = (await market.status()).windows, engine.connections + archiver.connections
                begin()

                async def is_felt(made: int = made, windows: int = windows) -> bool:
                    # Whether there is a new line, or windows stand still.
                    status = await market.status()
                    waits = status.state == engine_pb2.CLOCK_STATE_WAITING or status.lag_seconds > 0.5
                    return waits or engine.connections + archiver.connections > made

                await eventually(is_felt)
                assert await market.over_bounds() == []
                engine.heal()
                archiver.heal()
                assert (await market.all_running()).windows > windows
            await ends_sound(market, run)


async def test_nothing_simulated_follows_the_wall_clock(tmp_path: Path) -> None:
    """An hour ahead, an hour behind, and right again: windows go on at their pace, and the tape is the one without."""
    with Faults(tmp_path / "data", seed=SEED) as faults:
        async with running(SupervisedMarket(tmp_path, seed=SEED, environment=faults.environment())) as market:
            first = await market.status()
            for offset_s in (HOUR_S, -HOUR_S, 0.0):
                before = await market.status()
                faults.step_clock(offset_s)
                after = await windows_after(market, before.windows + 50)
                went_ns = after.simulated_time_ns - before.simulated_time_ns
                assert went_ns == (after.windows - before.windows) * first.lookahead_ns
                assert after.slips == first.slips and went_ns < 120e9
                await market.all_running()
            await ends_sound(market, first.run)


async def test_a_full_disk_pauses_the_market_and_says_so(tmp_path: Path) -> None:
    """While the journal has no room windows stand still, orders are refused, and all say why; with room all goes on."""
    with Faults(tmp_path / "data", seed=SEED) as faults:
        async with running(SupervisedMarket(tmp_path, seed=SEED, environment=faults.environment())) as market:
            run = (await market.standing()).run
            faults.fill_disk()

            async def is_held() -> bool:
                return bool((await market.get_run()).held)

            await eventually(is_held)
            held, status = await market.get_run(), await market.status()
            assert held.held in status.message and "holds its answer" in status.message
            assert "No space left" in held.held or "full" in held.held
            assert "JOURNAL_FULL" in await refusal_of_an_order(market.book_address)
            assert (await market.get_run()).last_window == held.last_window
            assert faults.full_injected > 0
            faults.heal()
            await market.all_running()
            assert not (await market.get_run()).held
            await ends_sound(market, run)


async def refusal_of_an_order(address: str) -> str:
    """Why the book takes no order now."""
    async with open_channel(address) as channel:
        stub = orderbook_pb2_grpc.OrderBookServiceStub(channel)
        request = pb.SubmitOrderRequest(
            account="someone",
            symbol="BTC/USD",
            client_order_id="1",
            side=types_pb2.SIDE_BUY,
            order_type=types_pb2.ORDER_TYPE_LIMIT,
            quantity="1",
            price="1",
        )
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.SubmitOrder(request, timeout=20)
    return f"{raised.value.details()} {raised.value.trailing_metadata()}"


async def test_of_two_engines_the_older_is_fenced_off(tmp_path: Path) -> None:
    """The newer goes on with the run, the older stops and says why; neither the tape nor an order shows it."""
    market = SeparateMarket(tmp_path, seed=SEED)
    async with running(market):
        before = await market.standing()
        older, newer = market.grpc_ports["engine"], free_block(2)
        ports = ["--grpc-port", str(newer), "--http-port", str(newer + 1)]
        market.start_one("engine", name="engine-2", flags=[*ports, "--state", str(tmp_path / "other")])

        async def is_out() -> bool:
            return (await market.status()).state == engine_pb2.CLOCK_STATE_FAILED

        await eventually(is_out, 120)
        assert "FENCED" in (await market.status()).message
        market.grpc_ports["engine"] = newer
        last = (await market.get_run()).last_window
        await windows_after(market, last + 50)
        after = await market.standing()
        assert (after.run, after.term) == (before.run, before.term + 1)
        market.grpc_ports["engine"] = older
        assert (await market.status()).windows <= last + 1
        market.grpc_ports["engine"] = newer
        await ends_sound(market, before.run)


class ShardedMarket(SeparateMarket):
    """Of two shards, each with one of two symbols; the second is `orderbook-1`."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, "two-symbols", SEED)
        # No memory service runs here: its ports are free.
        self.second = self.grpc_ports["memory"]
        both = f"{self.book_address},localhost:{self.second}"
        self.seen_book = dict.fromkeys(self.seen_book, both)

    def start_shard(self, shard: int) -> None:
        ports = ["--grpc-port", str(self.second), "--http-port", str(self.memory_http_port)] if shard else []
        name = f"orderbook-{shard}" if shard else "orderbook"
        self.start_one("orderbook", name=name, flags=["--shards", "2", "--shard", str(shard), *ports])

    def start(self) -> None:
        for shard in (0, 1):
            self.start_shard(shard)
        for service in ("engine", "archiver", "edge"):
            self.start_one(service)

    async def tapes(self) -> Mapping[str, str]:
        """The tape hash of each symbol, of both shards."""
        found: dict[str, str] = {}
        for address in (self.book_address, f"localhost:{self.second}"):
            async with open_channel(address) as channel:
                run = await orderbook_pb2_grpc.OrderBookServiceStub(channel).GetRun(pb.GetRunRequest(), timeout=20)
            found |= {tape.symbol: tape.hash for tape in run.tapes}
        return found


async def test_two_shards_are_killed_one_after_the_other(tmp_path: Path) -> None:
    """The other one waits with the engine; the run goes on with both, and its tape is that of one book undisturbed."""
    async with running(ShardedMarket(tmp_path)) as market:
        run, windows = (await market.status()).run, 0
        for shard, name in ((0, "orderbook"), (1, "orderbook-1")):
            windows = (await windows_after(market, windows + 50)).windows
            pids = market.kill(name)
            market.start_shard(shard)
            windows = (await market.all_running(than=pids)).windows
        await windows_after(market, windows + 50)
        status = await market.pause()
        assert status.run == run
        tape = run_hash(await market.tapes())
        assert await asyncio.to_thread(market.end) == 0, market.logs()
        last = status.windows - 1
        nothing_from_outside = [RecordedWindow(0, last, b"", b"", {})]
        assert play(load_scenario("two-symbols", (), SEED), nothing_from_outside, last).tape_hash == tape
        assert undisturbed_hash(market) == tape
        assert archive_equals_journal(market.archive, market.journals, run) == []
