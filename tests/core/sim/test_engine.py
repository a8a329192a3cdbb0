"""AsyncTimeEngine: agents as coroutines, windows, latencies, and what happens to an agent that breaks a rule."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from marksim.core.agents import Market
from marksim.core.agents.spec import AgentFunction, Cast
from marksim.core.sim.agent import MOST_COMMANDS
from marksim.core.sim.awaiting import ForeignAwait
from marksim.core.sim.engine import AgentFailure, AsyncTimeEngine, generator
from marksim.core.types import ExecutionKind, OrderStatus, SessionState, Side
from tests.core.sim.worlds import BTC, MS, cast_world, run, spec, world


async def _idle(market: Market, _: Any) -> None:
    await market.sleep(1)


async def _yielding(market: Market, _: Any) -> AsyncIterator[int]:
    yield 1


def test_an_order_arrives_after_its_latency_and_its_event_after_the_window() -> None:
    """Sent at 0 with 20 ms it is in window 0; its acknowledgement is visible at max(20 + 30 ms, end of window) = 50 ms."""
    seen: list[tuple[int, OrderStatus]] = []

    async def buyer(market: Market, _: Any) -> None:
        order = market.limit(Side.BUY, 99_990, 5)
        for _turn in range(6):
            await market.sleep(0.01)
            seen.append((market.now_ns // MS, order.status))

    with world([("buyer", buyer)]) as simulation:
        events = run(simulation, 1)
    assert events[0].window == 0
    assert int(events[0].output.executions["time_ns"][0]) == 20 * MS
    assert seen[3:5] == [(40, OrderStatus.PENDING), (50, OrderStatus.OPEN)]


def test_an_agent_sees_a_tick_only_after_its_window_and_its_latency() -> None:
    """A trade at 20 ms in a window that ends at 50 ms reaches a reader of 100 ms feed latency at 120 ms."""
    woke: list[int] = []

    async def trader(market: Market, _: Any) -> None:
        market.limit(Side.BUY, 99_990, 5)
        await market.sleep(10)

    async def watcher(market: Market, _: Any) -> None:
        await market.next_tick()
        woke.append(market.now_ns)

    with world([("trader", trader), ("watcher", watcher)], feed_ms=100) as simulation:
        run(simulation, 1)
    assert woke == [120 * MS]


def test_commands_of_one_time_are_merged_by_account_and_serial() -> None:
    """Both arrive at 20 ms: the first account goes first, whoever of them woke first."""

    async def sender(market: Market, _: Any) -> None:
        market.limit(Side.BUY, 99_000, 1)
        market.limit(Side.BUY, 99_001, 1)

    with world([("a", sender), ("b", sender)]) as simulation:
        executions = run(simulation, 1)[0].output.executions
    assert list(zip(executions["account"].tolist(), executions["serial"].tolist(), strict=True)) == [
        (1, 1),
        (1, 2),
        (2, 1),
        (2, 2),
    ]


def test_a_fill_and_a_cancel_in_one_window_both_reach_the_maker() -> None:
    """The position counts a fill that came before the cancel of the rest."""
    markets: list[Market] = []

    async def maker(market: Market, _: Any) -> None:
        markets.append(market)
        order = market.limit(Side.SELL, 100_010, 5)
        await market.sleep(0.1)
        await market.sleep(0.02)
        market.cancel(order)
        await market.sleep(1)

    async def taker(market: Market, _: Any) -> None:
        await market.sleep(0.11)
        market.market(Side.BUY, 2)

    with world([("maker", maker), ("taker", taker)]) as simulation:
        events = run(simulation, 2)
    assert [ExecutionKind(kind).name for kind in events[-1].output.executions["kind"]] == ["ACCEPTED", "TRADED", "CANCELLED"]
    assert (markets[0].position_lots(), markets[0].cash_ticks()) == (-2, 2 * 100_010)


def test_a_foreign_await_takes_the_agent_out_and_says_what_to_await() -> None:
    """asyncio.sleep in an agent is refused at once; the others go on."""

    async def stranger(market: Market, _: Any) -> None:
        market.limit(Side.BUY, 99_000, 1)
        await asyncio.sleep(0)

    with world([("idle", _idle), ("stranger", stranger)]) as simulation:
        run(simulation, 2)
        failure = simulation.engine.failures[0]
    assert failure.name == "stranger"
    assert isinstance(failure.error, ForeignAwait)
    assert "await market.sleep(seconds)" in str(failure.error)


def test_an_agent_that_raises_is_isolated_and_its_orders_are_cancelled() -> None:
    """Its name, simulated time and error are kept; the market goes on without it."""

    async def faulty(market: Market, _: Any) -> None:
        market.limit(Side.BUY, 99_000, 1)
        await market.sleep(1)
        raise RuntimeError("boom")

    with world([("faulty", faulty)]) as simulation:
        events = run(simulation, 3)
        failures = simulation.engine.failures
    assert [(one.name, one.time_ns, str(one.error)) for one in failures] == [("faulty", 1_000 * MS, "boom")]
    assert events[-1].output.executions["kind"].tolist() == [ExecutionKind.CANCELLED]


def test_a_generator_depends_on_seed_and_name_only() -> None:
    """Another agent beside it does not change what an agent draws."""
    assert generator(7, "maker-1").integers(1 << 60) == generator(7, "maker-1").integers(1 << 60)
    assert generator(7, "maker-1").integers(1 << 60) != generator(7, "maker-2").integers(1 << 60)
    assert generator(7, "maker-1").integers(1 << 60) != generator(8, "maker-1").integers(1 << 60)


@pytest.mark.parametrize("seconds", [0.05, 1.0, 7.5])
def test_windows_are_skipped_only_where_nothing_is_due(seconds: float) -> None:
    """An order after a long sleep is in the window its arrival belongs to."""

    async def sleeper(market: Market, _: Any) -> None:
        await market.sleep(seconds)
        market.limit(Side.BUY, 99_000, 1)

    with world([("sleeper", sleeper)]) as simulation:
        events = run(simulation, 10)
    assert [one.window for one in events] == [int((seconds + 0.02) / 0.05)]


def test_an_agent_that_catches_the_refusal_of_a_foreign_await_lives_on() -> None:
    """What it awaits next is honoured."""
    reached: list[int] = []

    async def careful(market: Market, _: Any) -> None:
        try:
            await asyncio.sleep(0)
        except ForeignAwait:
            await market.sleep(2)
        reached.append(market.now_ns)

    with world([("careful", careful)]) as simulation:
        run(simulation, 3)
        assert simulation.engine.failures == []
    assert reached == [2_000 * MS]


def test_an_auction_moves_position_and_cash_of_both_sides() -> None:
    """It has no taker: the buyer's account buys and the seller's sells, at the auction's price."""
    seen: dict[str, tuple[int, int, OrderStatus]] = {}

    def agent(side: Side, price_ticks: int, lots: int) -> AgentFunction:
        async def run_(market: Market, _: Any) -> None:
            order = market.limit(side, price_ticks, lots)
            await market.sleep(2)
            seen[market.name] = (market.position_lots(), market.cash_ticks(), order.status)

        return run_

    agents = [("seller", agent(Side.SELL, 99_000, 5)), ("buyer", agent(Side.BUY, 101_000, 3))]
    opening = replace(BTC, sessions=((0, SessionState.PRE_OPEN), (1_000 * MS, SessionState.CONTINUOUS)))
    with world(agents, instrument=opening) as simulation:
        events = run(simulation, 3)
        assert simulation.engine.failures == []
    traded = [event.tick.trades_total for event in events if event.tick is not None]
    assert traded == [1] and events[-1].window == 20
    assert seen["buyer"] == (3, -3 * 100_000, OrderStatus.FILLED)
    assert seen["seller"] == (-3, 3 * 100_000, OrderStatus.PARTIALLY_FILLED)


def test_an_agent_sees_the_session_before_the_first_tick() -> None:
    """What the market's tick shows at the start is the session of that time of day."""
    seen: list[SessionState] = []

    async def watcher(market: Market, _: Any) -> None:
        seen.append(market.tick().session_state)
        await market.next_tick()
        seen.append(market.tick().session_state)

    opening = replace(BTC, sessions=((0, SessionState.PRE_OPEN), (1_000 * MS, SessionState.CONTINUOUS)))
    with world([("watcher", watcher)], instrument=opening) as simulation:
        run(simulation, 3)
    assert seen == [SessionState.PRE_OPEN, SessionState.CONTINUOUS]


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        (lambda market: None, "wrong: its function must be `async def`"),
        (lambda market, _: None, "wrong: its function must be `async def`"),
        (lambda: None, "takes 0 positional arguments"),
        (_yielding, "wrong: its function must be `async def` with no `yield`, it gave async_generator"),
    ],
)
def test_a_function_that_cannot_be_an_agent_is_a_failure_of_that_agent(agent: Any, said: str) -> None:
    """The others go on."""
    reached: list[int] = []

    async def other(market: Market, _: Any) -> None:
        await market.sleep(1)
        reached.append(market.now_ns)

    wrong = spec(1, "wrong", agent)
    if agent.__code__.co_argcount == 1:
        wrong = replace(wrong, parameters=None)
    with cast_world(Cast((wrong, spec(2, "other", other)))) as simulation:
        run(simulation, 2)
        (failure,) = simulation.engine.failures
    assert failure.name == "wrong" and said in str(failure.error) and reached == [1_000 * MS]


def test_a_failure_is_handed_on_with_its_time_and_seed() -> None:
    """At once, while the market goes on; an agent that exits is no different."""
    told: list[AgentFailure] = []

    async def leaving(market: Market, _: Any) -> None:
        await market.sleep(1.25)
        raise SystemExit(3)

    cast = Cast((spec(1, "leaving", leaving), spec(2, "idle", _idle)))
    engine = AsyncTimeEngine([BTC], cast, seed=77, start_ns=0, lookahead_ns=50 * MS, on_failure=told.append)
    engine.collect(24)
    assert not told
    engine.collect(25)
    assert [(one.name, one.time_ns, one.seed, repr(one.error)) for one in told] == [
        ("leaving", 1_250 * MS, 77, "SystemExit(3)")
    ]
    assert engine.failures == told and engine.agents == 2
    engine.close()


def test_an_interrupt_of_the_user_is_not_the_agents_failure() -> None:
    """It goes through to whoever runs the market."""

    async def interrupted(market: Market, _: Any) -> None:
        raise KeyboardInterrupt

    with world([("interrupted", interrupted)]) as simulation:
        with pytest.raises(KeyboardInterrupt):
            run(simulation, 1)
        assert simulation.engine.failures == [] and simulation.engine.running is None


def test_who_runs_right_now_is_known() -> None:
    """So that a watchdog can name it; between agents it is nobody."""
    seen: list[str | None] = []
    engines: list[AsyncTimeEngine] = []

    async def agent(market: Market, _: Any) -> None:
        async def child() -> None:
            seen.append(engines[0].running)

        seen.append(engines[0].running)
        async with market.tasks() as tasks:
            tasks.start(child())
        await market.sleep(1)
        raise ValueError

    with world([("one", agent), ("two", _idle)]) as simulation:
        engines.append(simulation.engine)
        assert simulation.engine.running is None
        run(simulation, 0.5)
        assert simulation.engine.running is None
        assert simulation.engine.wakeups == 4  # one, two, the child, and one again when that has ended
        run(simulation, 5)
        assert simulation.engine.running is None
    assert seen == ["one", "one"]


def test_an_agent_may_not_send_without_end() -> None:
    """A window takes a bounded number of its commands; then it fails where it sends, and those before are cancelled."""

    async def flooding(market: Market, _: Any) -> None:
        while True:
            market.limit(Side.BUY, 99_000, 1)

    with world([("flooding", flooding), ("idle", _idle)]) as simulation:
        executions = run(simulation, 1)[0].output.executions
        (failure,) = simulation.engine.failures
    assert f"sent {MOST_COMMANDS} commands in one window" in str(failure.error)
    kinds = executions["kind"]
    assert (kinds == ExecutionKind.ACCEPTED).sum() == (kinds == ExecutionKind.CANCELLED).sum() == MOST_COMMANDS


def test_what_an_agent_raises_while_it_is_taken_out_is_noted() -> None:
    """And one that awaits instead of ending is ended all the same."""
    seen: list[str] = []

    async def child(market: Market) -> None:
        try:
            await market.sleep(100)
        finally:
            seen.append("awaits")
            await market.sleep(1)
            seen.append("never")

    async def agent(market: Market, _: Any) -> None:
        block = market.tasks()
        (await block.__aenter__()).start(child(market))
        await market.sleep(1)
        raise RuntimeError("boom")

    with world([("agent", agent)]) as simulation:
        run(simulation, 3)
        (failure,) = simulation.engine.failures
    assert str(failure.error) == "boom" and seen == ["awaits"]
    assert "coroutine ignored GeneratorExit" in failure.error.__notes__[0]
