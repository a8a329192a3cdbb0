"""A market that was steered and traded from outside while it was recorded by the services, and is played again."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from marksim.journal.session import open_session
from marksim.v1 import engine_pb2, types_pb2
from marksim.v1 import orderbook_pb2 as pb
from tests.orderbook.market import answered, order_request
from tests.replay.world import World, played, world

WINDOWS = 400
LIVE = {"scenario": "two-symbols", "until": "20s"}

pytestmark = pytest.mark.timeout(240)


async def order(market: World, name: str, **changed: Any) -> pb.SubmitOrderResponse:
    """One from outside, which waits for the next window even while the market is paused."""
    request = order_request(name, queue_while_paused=True, **changed)
    return await answered(market.stub.SubmitOrder(request))  # type: ignore[no-any-return]


async def step(market: World, windows: int) -> None:
    await market.engine.Step(engine_pb2.StepRequest(windows=windows), None)


async def record(folder: Path) -> str:
    """Twenty simulated seconds with orders from outside, an event and pauses; the tape hash."""
    book = {"durability": "process", "journal": folder / "journal", "snapshot_windows": 150, "scenario": "two-symbols"}
    engine = {**LIVE, "speed": "max", "state": folder / "engine", "seed": 3}
    async with world(book, engine, paused=True) as market:
        await market.paused_after(0)
        await step(market, 60)
        # Half of it trades at once, what is left rests.
        waiting = asyncio.create_task(order(market, "one", price="50500", quantity="0.200"))
        await market.queued(1)
        await step(market, 1)
        assert (await waiting).order.filled_quantity != "0"
        crash = engine_pb2.FlashCrash(symbol="BTC/USD", quantity_lots=5_000, duration_ns=2_000_000_000)
        await market.engine.InjectEvent(engine_pb2.InjectEventRequest(flash_crash=crash), None)
        await step(market, 100)
        waiting = asyncio.create_task(
            order(market, "two", symbol="ETH/USD", side=types_pb2.SIDE_SELL, price="2000", quantity="0.5")
        )
        await market.queued(1)
        await step(market, 1)
        await waiting
        await market.engine.Resume(engine_pb2.ResumeRequest(), None)
        status = await market.over()
        assert status.windows == WINDOWS, status.message
        return await market.tape_hash()


async def test_recorded_market_is_played_again(tmp_path: Path) -> None:
    """All that was done to it is in the tape: a replay has the recorded hash, and so has one that begins in the middle."""
    recorded = await record(tmp_path)
    with open_session(tmp_path / "journal") as session:
        windows = [window for window in session.parts[0].windows(0, WINDOWS - 1) if window.parts]
        assert sum(len(part.outside) for window in windows for part in window.parts.values()) == 2
        assert any(window.control for window in windows), "an event was injected"
    async with played(tmp_path / "journal") as market:
        status = await market.over()
        assert status.state == engine_pb2.CLOCK_STATE_FINISHED, status.message
        assert await market.tape_hash() == recorded
    async with played(tmp_path / "journal", "15s", paused=True) as market:
        status = await market.paused_after(300)
        await market.engine.Resume(engine_pb2.ResumeRequest(), None)
        status = await market.over()
        assert status.state == engine_pb2.CLOCK_STATE_FINISHED, status.message
        assert await market.tape_hash() == recorded
