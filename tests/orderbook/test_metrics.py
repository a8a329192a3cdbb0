"""What Prometheus sees of the order book."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY, CollectorRegistry

from marksim.core.errors import JournalFull
from marksim.core.types import CommandKind, SessionState, Side
from marksim.orderbook import confirmations
from marksim.orderbook.metrics import OrderBookMetrics
from marksim.orderbook.timing import outside_call
from marksim.store.journal import Journal
from marksim.v1 import orderbook_pb2 as pb
from tests.orderbook.market import SYMBOL, WAIT_S, Market, limit, order_request, refused, served
from tests.orderbook.recorded_market import recorded


def value(market: Market, name: str, **labels: str) -> float | None:
    """One sample of the service's own metrics."""
    registry = CollectorRegistry()
    registry.register(OrderBookMetrics(market.service.servicer))
    return registry.get_sample_value(f"marksim_orderbook_{name}", labels)


def counted(name: str, **labels: str) -> float:
    """One sample of what the process counts over all its services."""
    return REGISTRY.get_sample_value(f"marksim_orderbook_{name}", labels) or 0.0


async def test_the_market_is_shown_by_symbol_in_its_own_units(market: Market) -> None:
    """Prices in quote units, quantities in base units, totals of the run."""
    engine = await market.engine()
    await engine.window(
        0, limit(1, Side.SELL, 100_010, 7), limit(2, Side.BUY, 100_010, 3, account=2), limit(3, Side.BUY, 99_990, 5)
    )
    names = ("last_price", "best_bid_price", "best_ask_price", "best_bid_quantity", "best_ask_quantity")
    assert [value(market, name, symbol=SYMBOL) for name in names] == [50_005.0, 49_995.0, 50_005.0, 0.005, 0.004]
    totals = ("trades_total", "volume_total", "ticks_total", "day_volume", "resting_orders")
    assert [value(market, name, symbol=SYMBOL) for name in totals] == [1, 0.003, 1, 0.003, 2]


async def test_the_tape_hash_is_a_number_by_symbol(market: Market) -> None:
    """The first twelve digits of what GetRun says; none before the first run."""
    assert value(market, "tape_hash", symbol=SYMBOL) is None
    engine = await market.engine()
    before = value(market, "tape_hash", symbol=SYMBOL)
    await engine.window(0, limit(1, Side.SELL, 100_010, 7))
    (tape,) = (await market.stub.GetRun(pb.GetRunRequest())).tapes
    assert value(market, "tape_hash", symbol=SYMBOL) == int(tape.hash[:12], 16) != before


async def test_the_session_is_shown_by_state(market: Market) -> None:
    """1 for the one that the symbol is in, 0 for every other."""
    engine = await market.engine()
    states = ("pre_open", "opening_auction", "continuous", "halted", "closing_auction", "closed")
    shown = [value(market, "session_state", symbol=SYMBOL, state=state) for state in states]
    assert shown == [0, 0, 1, 0, 0, 0]
    halt = {"account": 1, "serial": 1, "kind": CommandKind.SET_SESSION, "session_state": SessionState.HALTED}
    await engine.window(0, halt)
    shown = [value(market, "session_state", symbol=SYMBOL, state=state) for state in states]
    assert shown == [0, 0, 0, 1, 0, 0]


async def test_what_an_auction_would_come_to_is_shown(market: Market) -> None:
    """Indicative price and volume, in units of the symbol."""
    engine = await market.engine()
    assert [value(market, f"indicative_{what}", symbol=SYMBOL) for what in ("price", "volume")] == [0, 0]
    auction = {"account": 1, "serial": 1, "kind": CommandKind.SET_SESSION, "session_state": SessionState.OPENING_AUCTION}
    await engine.window(0, auction, limit(2, Side.BUY, 100_010, 7), limit(3, Side.SELL, 100_010, 4, account=2))
    assert [value(market, f"indicative_{what}", symbol=SYMBOL) for what in ("price", "volume")] == [50_005.0, 0.004]


async def test_order_flow_is_counted_by_kind_and_reason(market: Market) -> None:
    """Commands by who sent them, order events by kind, rejections by reason; what never happened shows as 0."""
    engine = await market.engine()
    await engine.window(0, limit(1, Side.SELL, 100_000, 1), limit(2, Side.BUY, 100_000, 1, account=2))
    await engine.window(1, limit(3, Side.BUY, 100_000, 0))
    assert value(market, "windows_total") == 2
    assert value(market, "commands_total", source="agents", kind="new") == 3
    assert value(market, "commands_total", source="outside", kind="cancel") == 0
    kinds = ("accepted", "traded", "rejected", "expired")
    assert [value(market, "executions_total", kind=kind) for kind in kinds] == [2, 1, 1, 0]
    assert value(market, "rejects_total", reason="invalid_quantity") == 1
    assert value(market, "rejects_total", reason="price_band") == 0


async def test_who_is_connected_shows(market: Market) -> None:
    """Engine, its pause, and how far named readers are behind."""
    assert value(market, "engine_connected") == 0
    engine = await market.engine()
    for number in range(3):
        await engine.window(number)
    await market.stub.ConfirmWindow(pb.ConfirmWindowRequest(reader="archive", run=market.run, window=0))
    await market.stub.ConfirmWindow(pb.ConfirmWindowRequest(reader="lost", run=market.run, window=-1))
    await engine.pause()
    await market.settled(paused=True)
    assert (value(market, "engine_connected"), value(market, "engine_paused")) == (1, 1)
    assert value(market, "reader_behind_windows", reader="archive") == 2
    assert value(market, "reader_behind_windows", reader="lost") == 3


async def test_confirmations_that_could_not_be_written_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From 0 on, and only where they are kept at all: until they are written, the journal keeps too much."""
    refusing, confirm = [True], Journal.confirm

    def refuses(self: Journal, *arguments: Any) -> None:
        if refusing[0]:
            raise JournalFull("no room here")
        confirm(self, *arguments)

    monkeypatch.setattr(confirmations, "EVERY_S", 0.01)
    monkeypatch.setattr(Journal, "confirm", refuses)
    async with recorded(tmp_path) as market:
        await (await market.engine()).window(0)
        assert value(market, "confirmation_failures_total") == 0
        await market.stub.ConfirmWindow(pb.ConfirmWindowRequest(reader="archive", run=market.run, window=0))
        async with asyncio.timeout(WAIT_S):
            while (value(market, "confirmation_failures_total") or 0) < 2:
                await asyncio.sleep(0.001)
        refusing[0] = False
    async with served() as market:
        assert value(market, "confirmation_failures_total") is None


async def test_outside_calls_are_counted_by_outcome_and_timed(market: Market) -> None:
    """An order that is answered is timed; a refused one is counted under the reason that its caller was told."""
    done, away = ({"rpc": "SubmitOrder", "outcome": outcome} for outcome in ("done", "engine_away"))
    before = [counted("outside_calls_total", **labels) for labels in (done, away)]
    timed = counted("outside_call_duration_seconds_count", rpc="SubmitOrder")
    await refused(market.stub.SubmitOrder(order_request()))
    engine = await market.engine()
    task = market.submitting()
    await market.queued(1)
    await engine.window(0)
    await task
    assert [counted("outside_calls_total", **labels) for labels in (done, away)] == [before[0] + 1, before[1] + 1]
    assert counted("outside_call_duration_seconds_count", rpc="SubmitOrder") == timed + 1


def test_every_rpc_that_trades_is_there_from_the_start() -> None:
    """The first call of a quiet market is an increase, too."""
    for rpc in ("SubmitOrder", "CancelOrder", "AmendOrder", "MassCancel", "SetSession"):
        assert (
            REGISTRY.get_sample_value("marksim_orderbook_outside_calls_total", {"rpc": rpc, "outcome": "done"}) is not None
        )


def test_a_call_that_breaks_is_counted_as_failed() -> None:
    """What is no refusal of ours is a failure, and goes on to who maps errors."""
    labels = {"rpc": "CancelOrder", "outcome": "failed"}
    before = counted("outside_calls_total", **labels)
    try:
        with outside_call("CancelOrder"):
            raise ZeroDivisionError
    except ZeroDivisionError:
        assert counted("outside_calls_total", **labels) == before + 1


async def test_every_window_is_timed(market: Market) -> None:
    """Windows are timed where they are answered."""
    before = counted("window_duration_seconds_count")
    engine = await market.engine()
    await engine.window(0)
    assert counted("window_duration_seconds_count") == before + 1
