"""Let a market go on with what another one has left on the disk, sound or damaged, to a window that is named before."""

import asyncio
import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc.aio

from marksim.runtime.channel import open_channel
from marksim.scenario import Scenario, load_scenario
from marksim.v1 import engine_pb2 as pb
from marksim.v1 import engine_pb2_grpc
from tests.faults.campaign import trading
from tests.faults.ledger import read_ledger
from tests.faults.market import READY_S, MarketFailed, SeparateMarket, Standing
from tests.faults.rows import archive_equals_journal
from tests.faults.undisturbed import play_journal, verified_hash

SERVICES: Final = ("orderbook", "engine", "archiver")
"""All that read something of the disk. Without an archiver the book would wait for it at its end."""
PAST: Final = 200
"""So many windows behind the last one that is there a market goes on."""
ANSWERS: Final = 40
"""So many clients have before the market is killed."""
SPEED: Final = 33.0
"""No market has it by itself: who goes on with it has it from the engine's file."""
POLL_S: Final = 0.05


@dataclass(frozen=True)
class Came:
    """To which window of which run a market came, and what its tape hash was then."""

    run: str
    window: int
    tape_hash: str


@dataclass(frozen=True)
class Going:
    """Which market, and to which of its windows it is to go on."""

    scenario: str
    seed: int
    window: int

    @property
    def loaded(self) -> Scenario:
        return load_scenario(self.scenario, (), self.seed)

    async def on(self, directory: Path) -> Came:
        """Start it there; where it came to, once it has ended in order.

        Raises MarketFailed with what its services say where one ends, the engine stops, or they do not get there, and
        ValueError where `marksim verify` finds another tape than they showed, or the archive is not what the journal has.
        """
        market = SeparateMarket(directory, self.scenario, self.seed)
        length_ns = (self.window + 1) * self.loaded.lookahead_ns
        for service in SERVICES:
            until = ("--until", f"{length_ns / 1e9!r}s", "--speed", "max")
            market.start_one(service, flags=until if service == "engine" else ())
        try:
            async with asyncio.timeout(READY_S):
                await _finished(market)
            run = await market.get_run()
            while not await market.is_archived():
                market.check_alive()
                await asyncio.sleep(POLL_S)
        finally:
            code = await asyncio.to_thread(market.end)
        if code:
            raise MarketFailed(f"a service ended with {code}\n{market.logs()}")
        came = Came(run.run, run.last_window, Standing.hash_of(run))
        verified = await asyncio.to_thread(verified_hash, market.data_dir / "journal", os.environ)
        if verified != came.tape_hash:
            raise ValueError(f"the market came to {came}, its journal gives {verified}")
        if different := archive_equals_journal(market.archive, market.journals, run.run):
            raise ValueError(f"the archive is not what the journal has: {different[0]}")
        return came

    def undisturbed(self, directory: Path) -> Came:
        """That is what came of it where nothing ever ended; of a market there that went `on`. Raises ValueError."""
        (journal,) = SeparateMarket(directory, self.scenario, self.seed).journals
        alone = play_journal(self.loaded, journal)
        if alone.difference:
            raise ValueError(f"another way than undisturbed: {alone.difference}")
        return Came("", alone.windows - 1, alone.tape_hash)


async def _finished(market: SeparateMarket) -> None:
    """Wait for the end of the run. Raises MarketFailed where it will not come."""
    while (status := await _status(market)) is None or status.state != pb.CLOCK_STATE_FINISHED:
        market.check_alive()
        if status is not None and status.state == pb.CLOCK_STATE_FAILED:
            raise MarketFailed(f"the engine has stopped: {status.message}\n{market.logs()}")
        if status is not None and status.state == pb.CLOCK_STATE_PAUSED:
            # As it was when it was killed.
            await market.resume()
        await asyncio.sleep(POLL_S)


async def _status(market: SeparateMarket) -> pb.EngineStatus | None:
    """None while the engine does not answer."""
    with contextlib.suppress(grpc.aio.AioRpcError):
        return await market.engine("GetStatus", pb.GetStatusRequest(), timeout_s=2.0)
    return None


async def kill_trading(directory: Path, scenario: str, seed: int) -> int:
    """Let the market there go on with clients, pause it, give it an event, and kill all of it; its last window.

    What it leaves is what no market leaves that ends in order: a write-ahead log, and an engine's clock that says something.
    """
    market = SeparateMarket(directory, scenario, seed)
    market.start_one("orderbook")
    market.start_one("engine", flags=("--speed", "2"))
    ledger = directory / "ledger.jsonl"
    try:
        async with asyncio.timeout(READY_S):
            while (status := await _status(market)) is None or status.state != pb.CLOCK_STATE_RUNNING:
                market.check_alive()
                await asyncio.sleep(POLL_S)
            async with trading(market, ledger, seed):
                while not ledger.exists() or len(read_ledger(ledger)) < ANSWERS:
                    market.check_alive()
                    await asyncio.sleep(POLL_S)
            await market.pause()
            await market.set_speed(SPEED)
            symbol = load_scenario(scenario, (), seed).instruments()[0].symbol
            event = pb.InjectEventRequest(fat_finger=pb.FatFinger(symbol=symbol, sell=True, quantity_lots=1_000))
            async with open_channel(f"localhost:{market.grpc_ports['engine']}") as channel:
                stub: Any = engine_pb2_grpc.EngineServiceStub(channel)
                await stub.InjectEvent(event, timeout=20)
            last = (await market.get_run()).last_window
    except BaseException:
        await asyncio.to_thread(market.end)
        raise
    market.kill("engine", "orderbook")
    return last


def told_of(path: Path, logs: Path) -> bool:
    """Whether a service has told of that file: as a warning or an error, or in a line for people."""
    name = f"{path.parent.name}/{path.name}"
    lines = [line for log in logs.glob("*.log") for line in log.read_text(encoding="utf-8").splitlines()]
    return any(name in line and _level(line) in ("warning", "error", "critical") for line in lines)


def _level(line: str) -> str:
    """Of a line of a log; one that is no JSON is for people, and an error."""
    try:
        parsed: Any = json.loads(line)
    except ValueError:
        return "error"
    return str(parsed.get("level")) if isinstance(parsed, dict) else "error"
