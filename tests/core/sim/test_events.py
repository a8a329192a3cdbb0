"""What happens to a market from outside, by schedule and by injection."""

import json
from dataclasses import replace
from typing import Any

import pytest

from marksim.core.agents import Market
from marksim.core.agents.spec import (
    Cast,
    FatFinger,
    FlashCrash,
    Halt,
    LiquidityWithdrawal,
    MarketEvent,
    NewsShock,
    ScheduledEvent,
)
from marksim.core.errors import InvalidInput
from marksim.core.sim.events import event_from_plain, event_to_plain
from marksim.core.sim.simulation import Simulation
from marksim.core.types import ExecutionKind, OrderStatus, Reason, SessionState, Side
from tests.core.sim.windows import SymbolWindow
from tests.core.sim.worlds import BTC, MS, S, cast_world, run, spec, world


async def _deep(market: Market, _: Any) -> None:
    """Twenty levels of ten lots on both sides, for ever."""
    for level in range(1, 21):
        market.limit(Side.BUY, 100_000 - level, 10)
        market.limit(Side.SELL, 100_000 + level, 10)
    await market.sleep(1e6)


def rows(windows: list[SymbolWindow], kind: ExecutionKind, account: int) -> list[Any]:
    return [row for one in windows for row in one.output.executions if row["kind"] == kind and row["account"] == account]


def at(time_s: float, event: MarketEvent) -> tuple[ScheduledEvent, ...]:
    return (ScheduledEvent(int(time_s * S), event),)


def test_a_halt_stops_trading_and_ends_in_the_instruments_auction() -> None:
    """At its time to the nanosecond; account 0 asked for it."""
    instrument = replace(BTC, auction_ns=2 * S)
    with world([("deep", _deep)], events=at(5.123, Halt("BTC/USD", 3 * S)), instrument=instrument) as simulation:
        changes = [
            (int(row["time_ns"]) / S, SessionState(row["session_state"]), int(row["account"]), Reason(row["reason"]))
            for one in run(simulation, 20)
            for row in one.output.executions
            if row["kind"] == ExecutionKind.SESSION_CHANGED
        ]
    assert changes == [
        (5.123, SessionState.HALTED, 0, Reason.REQUESTED),
        (8.123, SessionState.OPENING_AUCTION, 0, Reason.SCHEDULED),
        (10.123, SessionState.CONTINUOUS, 0, Reason.SCHEDULED),
    ]


def test_a_closed_market_is_not_halted() -> None:
    """The end of the halt would open it."""
    closed = replace(BTC, sessions=((0, SessionState.CLOSED), (3_600 * S, SessionState.CONTINUOUS)))
    with world([], events=at(5, Halt("BTC/USD", 3 * S)), instrument=closed) as simulation:
        assert run(simulation, 60) == []


@pytest.mark.parametrize(("sell", "price"), [(True, 99_996), (False, 100_004)])
def test_a_fat_finger_is_one_market_order(sell: bool, price: int) -> None:
    """It walks the book: 35 lots go four levels deep."""
    with world([("deep", _deep)], events=at(5, FatFinger("BTC/USD", sell, 35))) as simulation:
        trades = rows(run(simulation, 10), ExecutionKind.TRADED, 0)
    assert (len(trades), int(trades[-1]["price_ticks"]), sum(int(row["quantity_lots"]) for row in trades)) == (4, price, 35)
    assert {int(row["time_ns"]) for row in trades} == {5 * S}


def test_a_news_shock_moves_the_value_from_its_time_on() -> None:
    """By so many millionths at once, for all who ask then or later, and for ever."""
    values: dict[float, float] = {}

    async def knower(market: Market, _: Any) -> None:
        async for _number in market.every(0.25):
            values[market.now] = market.value_ticks()

    paths = []
    for events in ((), at(5.5, NewsShock("BTC/USD", -50_000))):
        values = {}
        with world([("knower", knower)], events=events) as simulation:
            run(simulation, 100)
        paths.append(values)
    without, shocked = paths
    assert all(shocked[time] == without[time] for time in without if time < 5.5)
    assert all(shocked[time] == pytest.approx(without[time] * 0.95) for time in without if time >= 5.5)


def test_a_withdrawal_takes_a_share_of_the_liquidity_away_for_a_while() -> None:
    """Chosen by name: their orders are cancelled, new ones refused after a round trip; then all is as before."""
    refused: dict[str, list[tuple[int, Reason]]] = {}
    accepted: dict[str, list[int]] = {}

    async def provider(market: Market, _: Any) -> None:
        market.limit(Side.BUY, 99_000, 1)
        async for _number in market.every(1):
            order = await market.buy(0.001, 40_000.0)
            if order.status is OrderStatus.REJECTED:
                refused.setdefault(market.name, []).append((market.now_ns // MS, order.reason))
            else:
                accepted.setdefault(market.name, []).append(market.now_ns // MS)

    agents = [spec(number, f"provider-{number}", provider, provides_liquidity=True) for number in range(1, 41)]
    agents.append(spec(99, "noise", provider))
    event = LiquidityWithdrawal("BTC/USD", 3 * S, 500_000)
    with cast_world(Cast(tuple(agents), events=at(2.5, event))) as simulation:
        cancelled = {
            int(row["account"])
            for one in run(simulation, 9)
            for row in one.output.executions
            if row["kind"] == ExecutionKind.CANCELLED and row["time_ns"] == 2_520 * MS
        }
        assert simulation.engine.failures == []
    assert 10 < len(refused) < 30 and "noise" not in refused
    assert cancelled == {int(name.split("-")[1]) for name in refused}
    assert set(map(tuple, refused.values())) == {tuple((1_000 * s + 50, Reason.OWNER_GONE) for s in (3, 4, 5))}
    assert all(accepted[name][-3:] == [6_050, 7_050, 8_050] for name in accepted)


def test_a_flash_crash_sells_into_what_is_left() -> None:
    """Equal orders one interval apart, while those who provide liquidity are away."""
    agents = (spec(1, "deep", _deep, provides_liquidity=True), spec(2, "patient", _deep))
    event = FlashCrash("BTC/USD", 103, 2 * S, 500 * MS, 1_000_000)
    with cast_world(Cast(agents, events=at(5, event))) as simulation:
        windows = run(simulation, 10)
    sold = rows(windows, ExecutionKind.ACCEPTED, 0)
    assert [(int(row["time_ns"]) / S, int(row["quantity_lots"])) for row in sold] == [(5, 26), (5.5, 26), (6, 26), (6.5, 25)]
    assert len(rows(windows, ExecutionKind.CANCELLED, 1)) == 40 - 1
    makers = {int(row["maker_account"]) for row in rows(windows, ExecutionKind.TRADED, 0) if row["time_ns"] > 5_050 * MS}
    assert makers == {2}


def test_an_injected_event_happens_at_the_start_of_the_next_window() -> None:
    """Also where the windows up to there were skipped because nothing was due."""
    with world([("deep", _deep)]) as simulation:
        engine = simulation.engine
        assert engine.inject(FatFinger("BTC/USD", True, 1)) == 0
        run(simulation, 10)
        window = engine.inject(FatFinger("BTC/USD", True, 2))
        assert window == 200
        (outcome,) = run(simulation, 20)
        assert outcome.window == window
        (accepted, traded) = outcome.output.executions
        assert (int(accepted["time_ns"]), int(traded["quantity_lots"])) == (window * 50 * MS, 2)


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (Halt("DOGE/USD", 1), "symbol: 'DOGE/USD' is not traded here; there are BTC/USD"),
        (Halt("BTC/USD", 0), "duration_ns is 0"),
        (NewsShock("BTC/USD", -1_000_000), "change_ppm is -1000000: it must be from -999999 to"),
        (FatFinger("BTC/USD", True, 0), "quantity_lots is 0"),
        (FatFinger("BTC/USD", True, 1 << 50), "quantity_lots is"),
        (LiquidityWithdrawal("BTC/USD", 1, 1_000_001), "share_ppm is 1000001: it must be from 0 to 1000000"),
        (FlashCrash("BTC/USD", 3, 10 * S, 1 * S), "quantity_lots of each order is 0"),
        (FlashCrash("BTC/USD", 1 << 39, 10**6 * S, 1), "duration_ns / interval_ns is"),
    ],
)
def test_an_event_that_makes_no_sense_is_refused(event: MarketEvent, said: str) -> None:
    """By its field, whether it is injected or stands in the cast."""
    with world([]) as simulation, pytest.raises(InvalidInput, match=said):
        simulation.engine.inject(event)
    with pytest.raises(InvalidInput, match=said):
        Simulation([BTC], Cast(events=at(1, event)), seed=1, start_ns=0, lookahead_ns=50 * MS)


@pytest.mark.parametrize(
    "event",
    [
        NewsShock("BTC/USD", -50_000),
        Halt("BTC/USD", 3 * S),
        FatFinger("BTC/USD", True, 35),
        LiquidityWithdrawal("BTC/USD", 3 * S),
        FlashCrash("BTC/USD", 40, 1 * S),
    ],
    ids=lambda event: type(event).__name__,
)
def test_an_event_is_written_down_and_read_again(event: MarketEvent) -> None:
    """As plain data with its kind; anything else is refused, and the field named."""
    plain = json.loads(json.dumps(event_to_plain(event)))
    assert event_from_plain(plain) == event
    for wrong, field in (
        ({**plain, "kind": "party"}, "kind: 'party' is no event"),
        ({**plain, "more": 1}, "more: an event of kind"),
        ({name: value for name, value in plain.items() if name != "symbol"}, "symbol: an event of kind"),
        ({**plain, "symbol": 7}, "symbol is 7: it must be of type str"),
    ):
        with pytest.raises(InvalidInput, match=field):
            event_from_plain(wrong)
