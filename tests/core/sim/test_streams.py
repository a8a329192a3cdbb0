"""`async for` in an agent: ticks, trades, fills, candles and the beats of a timer."""

from typing import Any

import pytest

from marksim.core.agents import Market
from marksim.core.agents.latency import constant
from marksim.core.agents.spec import Cast
from marksim.core.sim.candles import CANDLES_KEPT
from marksim.core.sim.market import MOST_INTERVALS
from marksim.core.sim.ownwaits import FILLS_KEPT
from marksim.core.types import SessionState, Side
from tests.core.sim.worlds import MS, S, cast_world, run, spec, world


async def _quoting(market: Market, _: Any) -> None:
    """A tick every half second: at 0.5, 1, 1.5, ... a bid that is a tick higher."""
    async for number in market.every(0.5):
        if number:
            market.limit(Side.BUY, 99_000 + number, 1)


async def _trading(market: Market, _: Any) -> None:
    """Asks of one lot a tick apart; from second 10 on one of them is bought every second, at 100,010, 100,011, ..."""
    for level in range(40):
        market.limit(Side.SELL, 100_010 + level, 1)
    await market.sleep(10)
    async for _number in market.every(1):
        market.market(Side.BUY, 1)


def test_ticks_gives_the_newest_each_time_round_and_none_twice() -> None:
    """One that is busy for 1.2 s passes over what came in between, and is not told again of what it has seen."""
    seen: list[tuple[int, int, float]] = []

    async def watcher(market: Market, _: Any) -> None:
        async for quote in market.ticks("BTC/USD"):
            seen.append((market.now_ns // MS, quote.exact.tick_number, quote.bid))
            if quote.exact.tick_number == 2:
                await market.sleep(1.2)
            if len(seen) == 5:
                break

    with world([("maker", _quoting), ("watcher", watcher)]) as simulation:
        run(simulation, 10)
        assert simulation.engine.failures == []
        assert not simulation.engine.feed("BTC/USD").waiting
    times, numbers, bids = zip(*seen, strict=True)
    assert times == (550, 1_050, 2_250, 2_550, 3_050) and numbers == (1, 2, 4, 5, 6)
    assert bids == (49_500.5, 49_501.0, 49_502.0, 49_502.5, 49_503.0)


def test_trades_gives_the_newest_trade_with_its_windows_volume() -> None:
    """A tick that only changes a quote is none; one that is late gets the newest that traded, not the newest tick."""
    seen: list[Any] = []

    async def watcher(market: Market, _: Any) -> None:
        trade = await market.next_trade()
        seen.append((market.now_ns // MS, trade.price, trade.volume, trade.symbol))
        async for trade in market.trades():
            seen.append((market.now_ns // MS, trade.price_ticks, trade.volume_lots))
            if len(seen) == 3:
                await market.sleep(2.4)  # two trades, and a quote after them
            if len(seen) == 4:
                break

    async def quoting(market: Market, _: Any) -> None:
        await market.sleep(14.3)
        market.limit(Side.BUY, 99_000, 1)

    with world([("trading", _trading), ("watcher", watcher), ("quoting", quoting)]) as simulation:
        run(simulation, 20)
        assert simulation.engine.failures == []
    assert seen == [
        (10_050, 50_005.0, 0.001, "BTC/USD"),
        (11_050, 100_011, 1),
        (12_050, 100_012, 1),
        (14_450, 100_014, 1),
    ]


def test_fills_gives_every_one_also_those_that_came_meanwhile() -> None:
    """Three in one window and two while the agent was busy, in their order."""
    seen: list[Any] = []

    async def maker(market: Market, _: Any) -> None:
        for level in range(6):
            market.limit(Side.SELL, 100_010 + level, 1)
        async for fill in market.fills("BTC/USD"):
            seen.append((market.now_ns // MS, fill.price_ticks, fill.quantity_lots, fill.is_maker, fill.order.side.name))
            await market.sleep(0.4)
            if len(seen) == 5:
                break

    async def taker(market: Market, _: Any) -> None:
        await market.sleep(1)
        market.market(Side.BUY, 3)
        await market.sleep(0.5)
        market.market(Side.BUY, 1)
        market.market(Side.BUY, 1)

    with world([("maker", maker), ("taker", taker)]) as simulation:
        run(simulation, 5)
        assert simulation.engine.failures == []
    assert seen == [(1_050 + 400 * n, 100_010 + n, 1, True, "SELL") for n in range(5)]


def test_fills_that_nobody_reads_are_bounded() -> None:
    """A stream that is kept and not read ends in an error; one that was dropped costs nothing."""

    async def forgetful(market: Market, _: Any) -> None:
        market.limit(Side.SELL, 100_010, FILLS_KEPT + 10)
        fills = market.fills()
        market.fills()
        await market.sleep(100)
        async for _fill in fills:
            pass

    async def taker(market: Market, _: Any) -> None:
        for _number in range(FILLS_KEPT + 1):
            market.market(Side.BUY, 1)

    with world([("forgetful", forgetful), ("taker", taker)]) as simulation:
        run(simulation, 50)
        (failure,) = run_on(simulation)
    assert f"fills(): {FILLS_KEPT} fills waited" in str(failure.error)


def run_on(simulation: Any) -> list[Any]:
    run(simulation, 200)
    failures: list[Any] = simulation.engine.failures
    return failures


def test_candles_hold_every_trade_of_their_interval() -> None:
    """One for each full interval; the first without a trade shows the reference, later ones the last close."""
    seen: list[Any] = []

    async def watcher(market: Market, _: Any) -> None:
        await market.sleep(0.2)
        async for candle in market.candles(3, "BTC/USD"):
            prices = (candle.open, candle.high, candle.low, candle.close)
            seen.append((market.now_ns / S, candle.start_ns // S, prices, candle.volume, candle.trades))
            if len(seen) == 4:
                break

    async def selling(market: Market, _: Any) -> None:
        await market.sleep(12.5)
        market.limit(Side.BUY, 99_000, 1)
        await market.sleep(0.2)
        market.market(Side.SELL, 1)

    with world([("trading", _trading), ("watcher", watcher), ("selling", selling)], feed_ms=70) as simulation:
        run(simulation, 20)
        assert simulation.engine.failures == []
    quiet = (50_000.0,) * 4
    assert seen == [
        (6.07, 3, quiet, 0.0, 0),
        (9.07, 6, quiet, 0.0, 0),
        (12.07, 9, (50_005.0, 50_005.5, 50_005.0, 50_005.5), 0.002, 2),
        (15.07, 12, (50_006.0, 50_007.0, 49_500.0, 50_007.0), 0.004, 4),
    ]


def test_a_late_reader_of_candles_goes_on_with_the_oldest_that_is_kept() -> None:
    """What it is given has no gap from there on, and ends where its time does."""
    seen: list[int] = []

    async def watcher(market: Market, _: Any) -> None:
        candles = market.candles(1)
        await market.sleep(CANDLES_KEPT + 500.5)
        async for candle in candles:
            seen.append(candle.start_ns // S)
            assert candle.start_ns + S <= market.now_ns
            if len(seen) == CANDLES_KEPT + 2:
                break

    with world([("watcher", watcher)]) as simulation:
        run(simulation, 2 * CANDLES_KEPT)
        assert simulation.engine.failures == []
    assert seen == list(range(seen[0], seen[0] + CANDLES_KEPT + 2))
    assert seen[0] == 500  # of the seconds 0 to 1,523 the last 1,024


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda m: m.candles(0.01), "candles: 0.01 s is shorter than a window"),
        (lambda m: m.candles(-1), "candles: -1 is no interval"),
        (lambda m: m.every(0), "every: 0 is no interval in seconds"),
        (lambda m: m.every(float("nan")), "every: nan is no interval"),
        (lambda m: [m.candles(1 + n) for n in range(MOST_INTERVALS + 1)], f"has asked for {MOST_INTERVALS} other intervals"),
    ],
)
def test_an_interval_that_makes_no_sense_is_refused(ask: Any, said: str) -> None:
    """With what was given."""

    async def agent(market: Market, _: Any) -> None:
        ask(market)

    with world([("agent", agent)]) as simulation:
        run(simulation, 1)
        (failure,) = simulation.engine.failures
    assert said in str(failure.error)


def test_every_beats_without_drift_and_leaves_out_what_was_slept_through() -> None:
    """0 at once; the times are multiples of the interval however long the body took."""
    seen: list[tuple[int, int]] = []

    async def agent(market: Market, _: Any) -> None:
        await market.sleep(0.25)
        async for number in market.every(0.1):
            seen.append((number, market.now_ns // MS))
            await market.sleep({1: 0.03, 2: 0.25}.get(number, 0.0))
            if number == 7:
                break

    with world([("agent", agent)]) as simulation:
        run(simulation, 3)
        assert simulation.engine.failures == []
    assert seen == [(0, 250), (1, 350), (2, 450), (5, 750), (6, 850), (7, 950)]


def test_a_timer_that_is_given_up_beats_on_where_it_was() -> None:
    """A beat that lost against something else is not lost."""
    seen: list[Any] = []

    async def agent(market: Market, _: Any) -> None:
        beats = market.every(1)
        await anext(beats)
        seen.append(await market.first(market.sleep(0.5), anext(beats)))
        seen.append((await anext(beats), market.now))

    with world([("agent", agent)]) as simulation:
        run(simulation, 3)
        assert simulation.engine.failures == []
    assert seen == [(0, None), (1, 1.0)]


def test_a_quote_shows_the_session() -> None:
    """And reads well in a log."""
    seen: list[Any] = []

    async def agent(market: Market, _: Any) -> None:
        quote = market.quote()
        seen.append((quote.session, quote.mid, quote.spread, quote.last, repr(quote)))

    with cast_world(Cast((spec(1, "agent", agent, feed=constant(5 * S)),))) as simulation:
        run(simulation, 1)
        assert simulation.engine.failures == []
    assert seen == [(SessionState.CONTINUOUS, 50_000.0, 0.0, 50_000.0, "<BTC/USD 50000 / 50000 at 0 ns>")]
