"""What an agent may await: one thing, the first of several, a condition; and what is refused."""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from typing import Any

import numpy as np
import pytest

from marksim.core.agents import Market
from marksim.core.agents.spec import Cast
from marksim.core.sim.agent import MOST_RESUMES
from marksim.core.sim.awaiting import ForeignAwait, Livelock
from marksim.core.types import OrderStatus, Reason, Side
from tests.core.sim.worlds import BTC, ETH, MS, cast_world, run, spec, world


def test_an_acknowledgement_resumes_when_it_has_reached_the_agent() -> None:
    """Arrival at 20 ms + 30 ms feed is 50 ms, the end of its window; the order is then open, and was pending before."""
    seen: list[tuple[int, OrderStatus, OrderStatus]] = []

    async def buyer(market: Market, _: Any) -> None:
        sending = market.buy(0.005, 49_999.5)
        (order,) = market.open_orders()
        before = order.status
        assert await sending is order
        seen.append((market.now_ns, before, order.status))

    with world([("buyer", buyer)]) as simulation:
        run(simulation, 1)
        assert simulation.engine.failures == []
    assert seen == [(50 * MS, OrderStatus.PENDING, OrderStatus.OPEN)]


def test_a_refusal_is_an_acknowledgement_too() -> None:
    """Its status and reason say what was wrong; the agent lives on."""
    seen: list[tuple[OrderStatus, Reason, bool, float]] = []

    async def buyer(market: Market, _: Any) -> None:
        order = await market.buy(1, 0.5, post_only=True, immediate=True)
        seen.append((order.status, order.reason, order.closed, order.leaves))
        assert market.open_orders() == []

    with world([("buyer", buyer)]) as simulation:
        run(simulation, 1)
        assert simulation.engine.failures == []
    assert seen == [(OrderStatus.REJECTED, Reason.INVALID_TERMS, True, 0.0)]


def test_an_order_goes_out_when_it_is_called_not_when_it_is_awaited() -> None:
    """One that is awaited a second later arrived at 20 ms, and its await then resumes at once."""
    seen: list[int] = []

    async def buyer(market: Market, _: Any) -> None:
        sending = market.buy(0.005, 49_999.5)
        await market.sleep(1)
        await sending
        seen.append(market.now_ns)

    with world([("buyer", buyer)]) as simulation:
        (outcome,) = run(simulation, 2)
    assert outcome.output.executions["time_ns"].tolist() == [20 * MS]
    assert seen == [1_000 * MS]


def test_cancel_and_amend_are_answered() -> None:
    """An amended order keeps its name; a cancelled one is closed, with nothing left, for the reason that it was asked."""
    seen: list[Any] = []

    async def buyer(market: Market, _: Any) -> None:
        order = await market.buy("0.005", "49999.5")
        await market.amend(order, price_ticks=99_998, quantity_lots=9)
        seen.append((market.now_ns // MS, order.price, order.quantity, order.leaves, order.status))
        assert await market.cancel(order) is order
        seen.append((market.now_ns // MS, order.status, order.reason, order.leaves))
        before_ns = market.now_ns
        await market.cancel(order)
        assert market.now_ns == before_ns  # closed already: there is nothing to ask

    with world([("buyer", buyer)]) as simulation:
        run(simulation, 1)
        assert simulation.engine.failures == []
    assert seen == [
        (100, 49_999.0, 0.009, 0.009, OrderStatus.OPEN),
        (150, OrderStatus.CANCELLED, Reason.REQUESTED, 0.0),
    ]


def test_what_was_sent_before_can_be_waited_for_again() -> None:
    """When the awaits of buy, amend and cancel resume; nothing more is sent, and what has come is there at once."""
    seen: list[tuple[int, OrderStatus]] = []

    async def buyer(market: Market, _: Any) -> None:
        order = market.limit(Side.BUY, 99_999, 5)
        assert await market.acknowledged(order) is order
        seen.append((market.now_ns // MS, order.status))
        assert await market.answered(order) is order
        market.amend(order, quantity_lots=4)
        market.cancel(order)
        assert await market.answered(order) is order
        seen.append((market.now_ns // MS, order.status))
        await market.acknowledged(order)
        await market.answered(order)
        seen.append((market.now_ns // MS, order.status))

    with world([("buyer", buyer)]) as simulation:
        outcomes = run(simulation, 1)
        assert simulation.engine.failures == []
    assert seen == [(50, OrderStatus.OPEN), (100, OrderStatus.CANCELLED), (100, OrderStatus.CANCELLED)]
    assert sum(len(one.output.executions) for one in outcomes) == 3


def test_a_refused_amendment_is_answered_and_leaves_the_order_as_it_was() -> None:
    """The price lies outside the instrument's limits."""
    seen: list[Any] = []

    async def buyer(market: Market, _: Any) -> None:
        order = await market.buy(0.005, 49_999.5)
        await market.amend(order, price_ticks=500_000)
        seen.append((market.now_ns // MS, order.price_ticks, order.status))

    with world([("buyer", buyer)]) as simulation:
        run(simulation, 1)
        assert simulation.engine.failures == []
    assert seen == [(100, 99_999, OrderStatus.OPEN)]


def test_filled_resumes_at_the_end_of_an_order_whatever_it_is() -> None:
    """One is filled by two takers, one cancelled; a fill that leaves something does not end it."""
    seen: list[tuple[int, OrderStatus, float, float]] = []

    async def maker(market: Market, _: Any) -> None:
        order = market.limit(Side.SELL, 100_010, 5)
        await market.filled(order)
        seen.append((market.now_ns // MS, order.status, order.filled, order.average_price))
        other = market.limit(Side.SELL, 100_010, 5)
        market.cancel(other)
        await market.filled(other)
        seen.append((market.now_ns // MS, other.status, other.filled, market.position()))

    async def taker(market: Market, _: Any) -> None:
        await market.sleep(0.1)
        market.market(Side.BUY, 2)
        await market.sleep(1)
        market.market(Side.BUY, 9)

    with world([("maker", maker), ("taker", taker)]) as simulation:
        run(simulation, 3)
        assert simulation.engine.failures == []
    assert seen == [(1_150, OrderStatus.FILLED, 0.005, 50_005.0), (1_200, OrderStatus.CANCELLED, 0.0, -0.005)]


def test_the_first_of_several_gives_which_and_its_result() -> None:
    """A tick comes before the timer; where two are there at one instant the earlier in order is it."""
    seen: list[tuple[int, Any, int]] = []

    async def watcher(market: Market, _: Any) -> None:
        which, tick = await market.first(market.sleep(10), market.next_tick())
        seen.append((which, tick.tick_number, market.now_ns // MS))
        which, result = await market.first(market.sleep(0.5), market.sleep(0.5), market.next_tick())
        seen.append((which, result, market.now_ns // MS))
        which, result = await market.first(market.next_tick(), market.first(market.sleep(3), market.sleep(1)))
        seen.append((which, result, market.now_ns // MS))

    async def trader(market: Market, _: Any) -> None:
        await market.sleep(1)
        market.limit(Side.BUY, 99_000, 5)

    with world([("watcher", watcher), ("trader", trader)]) as simulation:
        run(simulation, 5)
        assert simulation.engine.failures == []
        assert not simulation.engine.feed("BTC/USD").waiting
    assert seen == [(1, 1, 1_050), (0, None, 1_550), (1, (1, None), 2_550)]


def test_what_lost_leaves_nothing_behind() -> None:
    """Ten thousand waits that another one beat do not pile up."""

    async def watcher(market: Market, _: Any) -> None:
        for _turn in range(10_000):
            await market.first(market.next_tick(), market.sleep(1e6), market.sleep(0.001), market.next_fill())

    with world([("watcher", watcher)]) as simulation:
        run(simulation, 20)
        assert simulation.engine.failures == []
        assert simulation.engine.queued < 2_100
        assert not simulation.engine.feed("BTC/USD").waiting


def test_a_condition_is_looked_at_when_something_reaches_the_agent() -> None:
    """At once, at a tick of any of its symbols, and at an own event."""
    seen: list[tuple[str, int]] = []

    async def watcher(market: Market, _: Any) -> None:
        await market.condition(lambda: True)
        seen.append(("at once", market.now_ns // MS))
        await market.condition(lambda: market.tick("ETH/USD").bid_quantity_lots > 0)
        seen.append(("tick", market.now_ns // MS))
        order = market.limit(Side.BUY, 90_000, 1)
        await market.condition(lambda: order.status is OrderStatus.OPEN)
        seen.append(("own", market.now_ns // MS))

    async def trader(market: Market, _: Any) -> None:
        await market.sleep(1)
        market.limit(Side.BUY, 99_000, 5, symbol="BTC/USD")
        await market.sleep(1)
        market.limit(Side.BUY, 99_000, 5)

    cast = Cast(
        (
            spec(1, "watcher", watcher, symbols=("BTC/USD", "ETH/USD")),
            spec(2, "trader", trader, symbols=("ETH/USD", "BTC/USD")),
        )
    )
    with cast_world(cast, [BTC, ETH]) as simulation:
        run(simulation, 5)
        assert simulation.engine.failures == []
    assert seen == [("at once", 0), ("tick", 2_050), ("own", 2_100)]


def test_what_a_condition_raises_is_raised_at_its_await() -> None:
    """Where it was first looked at, and where a tick made it look again."""
    seen: list[int] = []

    async def watcher(market: Market, _: Any) -> None:
        for wrong in (lambda: bool(1 // 0), lambda: market.tick().tick_number > 0 and bool(1 // 0)):
            with pytest.raises(ZeroDivisionError):
                await market.condition(wrong)
            seen.append(market.now_ns // MS)

    async def trader(market: Market, _: Any) -> None:
        market.limit(Side.BUY, 99_000, 5)

    with world([("watcher", watcher), ("trader", trader)]) as simulation:
        run(simulation, 1)
        assert simulation.engine.failures == []
    assert seen == [0, 50]


@pytest.mark.parametrize("error", [SystemExit, GeneratorExit])
def test_a_condition_that_ends_the_program_ends_its_agent_only(error: type[BaseException]) -> None:
    """What is no Exception is the agent's own failure, too, wherever it is raised."""

    async def watcher(market: Market, _: Any) -> None:
        def wrong() -> bool:
            if market.tick().tick_number:
                raise error
            return False

        await market.first(market.condition(wrong), market.sleep(5))

    async def trader(market: Market, _: Any) -> None:
        market.limit(Side.BUY, 99_000, 5)
        await market.sleep(1)
        market.limit(Side.BUY, 99_001, 5)

    with world([("watcher", watcher), ("trader", trader)]) as simulation:
        windows = run(simulation, 2)
        (failure,) = simulation.engine.failures
    assert (failure.name, type(failure.error), len(windows)) == ("watcher", error, 2)


class Stranger:
    """An awaitable of somebody else's."""

    def __await__(self) -> Generator[Any, Any, None]:
        yield self


async def _sleep_no_time() -> None:
    await asyncio.sleep(0)


@pytest.mark.parametrize("foreign", [Stranger, _sleep_no_time])
def test_a_foreign_await_fails_inside_the_agent(foreign: Callable[[], Awaitable[None]]) -> None:
    """It says what to await instead, and the agent may go on from there."""
    said: list[str] = []

    async def agent(market: Market, _: Any) -> None:
        with pytest.raises(ForeignAwait) as refused:
            await foreign()
        said.append(str(refused.value))
        await market.sleep(1)
        said.append("lives")

    with world([("agent", agent)]) as simulation:
        run(simulation, 2)
        assert simulation.engine.failures == []
    assert "await market.sleep(seconds), market.next_tick()" in said[0] and said[1] == "lives"


def test_a_future_of_a_running_event_loop_is_foreign_too() -> None:
    """In the engine's service a loop runs in the same thread: its futures do not get into an agent."""
    errors: list[BaseException] = []

    async def agent(market: Market, _: Any) -> None:
        await asyncio.get_running_loop().create_future()

    async def service() -> None:
        with world([("agent", agent)]) as simulation:
            run(simulation, 1)
            errors.extend(failure.error for failure in simulation.engine.failures)

    asyncio.run(service())
    assert [type(error) for error in errors] == [ForeignAwait]


A_WHILE = 1.0
"""Never slept: the engine refuses it."""


@pytest.mark.parametrize("use", [lambda: asyncio.sleep(A_WHILE), lambda: asyncio.wait_for(Stranger(), 1)])
def test_asyncio_without_a_loop_is_explained(use: Callable[[], Any]) -> None:
    """What asyncio says of a missing event loop becomes the same error, with asyncio's as its cause."""

    async def agent(market: Market, _: Any) -> None:
        await use()

    with world([("agent", agent)]) as simulation:
        run(simulation, 1)
        (failure,) = simulation.engine.failures
    assert isinstance(failure.error, ForeignAwait) and "market.sleep(seconds)" in str(failure.error)
    assert isinstance(failure.error.__cause__, RuntimeError)


def test_first_takes_waits_of_the_market_only() -> None:
    """A coroutine among them is refused with what to do instead, and without a warning that it was never awaited."""

    async def agent(market: Market, _: Any) -> None:
        await market.first(market.sleep(1), _sleep_no_time())

    with world([("agent", agent)]) as simulation:
        run(simulation, 1)
        (failure,) = simulation.engine.failures
    assert isinstance(failure.error, ForeignAwait) and "is a child task of market.tasks()" in str(failure.error)


def test_a_wait_serves_once() -> None:
    """A timer that has rung, or that another task waits for, is refused; its first waiter is not disturbed."""
    seen: list[int] = []

    async def agent(market: Market, _: Any) -> None:
        timer = market.sleep(1)
        with pytest.raises(RuntimeError, match="this Sleep was awaited before"):
            await market.first(timer, timer)
        timer = market.sleep(1)
        await timer
        with pytest.raises(RuntimeError, match="this Sleep was awaited before"):
            await timer
        seen.append(market.now_ns)

    with world([("agent", agent)]) as simulation:
        run(simulation, 3)
        assert simulation.engine.failures == []
    assert seen == [1_000 * MS]


def test_another_agents_order_and_wait_are_refused() -> None:
    """They belong to another place in time."""
    markets: list[Market] = []
    errors: list[str] = []

    async def owner(market: Market, _: Any) -> None:
        markets.append(market)
        market.limit(Side.BUY, 99_000, 5)
        await market.sleep(10)

    async def thief(market: Market, _: Any) -> None:
        await market.sleep(1)
        (order,) = markets[0].open_orders()
        for steal in (market.cancel, market.filled):
            with pytest.raises(ValueError, match="is not an order of agent thief"):
                steal(order)
        for wait in (markets[0].next_tick(), markets[0].filled(order), markets[0].next_fill(), markets[0].condition(bool)):
            with pytest.raises(ValueError, match="owner"):
                await wait
        errors.append("all refused")

    with world([("owner", owner), ("thief", thief)]) as simulation:
        run(simulation, 2)
        assert simulation.engine.failures == []
    assert errors == ["all refused"]


async def _sleeping_no_time(market: Market) -> None:
    await market.sleep(0)


async def _always_ready(market: Market) -> None:
    await market.condition(lambda: True)


async def _a_nanosecond(market: Market) -> None:
    await market.sleep(1e-9)


async def _catching_everything(market: Market) -> None:
    try:
        async with market.timeout(0):
            await market.sleep(1)
    except TimeoutError:
        pass


@pytest.mark.parametrize("step", [_sleeping_no_time, _always_ready, _a_nanosecond, _catching_everything])
def test_an_agent_that_lets_no_time_pass_is_taken_out(step: Callable[[Market], Awaitable[None]]) -> None:
    """After a bounded number of turns, with an error that says what to do; the others go on."""
    reached: list[int] = []

    async def restless(market: Market, _: Any) -> None:
        while True:
            await step(market)

    async def other(market: Market, _: Any) -> None:
        await market.sleep(1)
        reached.append(market.now_ns)

    with world([("restless", restless), ("other", other)]) as simulation:
        run(simulation, 2)
        (failure,) = simulation.engine.failures
        assert simulation.engine.wakeups <= MOST_RESUMES + 4
    assert isinstance(failure.error, Livelock) and "let it sleep for longer" in str(failure.error)
    assert (failure.name, failure.seed) == ("restless", 1) and reached == [1_000 * MS]


@pytest.mark.parametrize("seconds", [float("nan"), float("inf")])
def test_a_sleep_that_is_no_time_is_refused(seconds: float) -> None:
    """Not a number would never end, or at once."""

    async def agent(market: Market, _: Any) -> None:
        await market.sleep(seconds)

    with world([("agent", agent)]) as simulation:
        run(simulation, 1)
        (failure,) = simulation.engine.failures
    assert isinstance(failure.error, ValueError) and "give a finite one" in str(failure.error)


@pytest.mark.parametrize("time", [1.5e9, float("nan"), float("inf")])
def test_a_time_that_is_no_whole_number_is_refused(time: float) -> None:
    """A float would become the market's time, and round it."""

    async def agent(market: Market, _: Any) -> None:
        with pytest.raises(ValueError, match=r"give market\.now_ns \+ int\(seconds \* 1e9\)"):
            market.sleep_until(time)  # type: ignore[arg-type]  # that is the mistake
        await market.sleep_until(np.int64(7))  # type: ignore[arg-type]  # not an int, but a whole number
        assert type(market.now_ns) is int

    with world([("agent", agent)]) as simulation:
        run(simulation, 1)
        assert simulation.engine.failures == []
