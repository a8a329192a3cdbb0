"""Blocks of an agent's code: child tasks live no longer than theirs, and a timeout ends what waits too long."""

from contextlib import suppress
from typing import Any

import pytest

from marksim.core.agents import Market
from marksim.core.agents.market import Task, Tasks
from marksim.core.sim.agent import MOST_TASKS
from marksim.core.sim.awaiting import Cancelled, Livelock
from marksim.core.types import ExecutionKind, Side
from tests.core.sim.worlds import MS, run, world


def play(agent: Any, seconds: float = 10.0) -> list[BaseException]:
    """Run one agent, and say with what errors it ended."""
    with world([("agent", agent)]) as simulation:
        run(simulation, seconds)
        return [failure.error for failure in simulation.engine.failures]


def test_a_block_ends_when_all_its_children_have_ended() -> None:
    """They run beside each other; each begins at the instant of its start, after what was due."""
    seen: list[Any] = []

    async def child(market: Market, name: str, seconds: float) -> None:
        seen.append((name, "begins", market.now_ns // MS))
        await market.sleep(seconds)
        seen.append((name, "ends", market.now_ns // MS))

    async def agent(market: Market, _: Any) -> None:
        await market.sleep(1)
        async with market.tasks() as tasks:
            slow, quick = tasks.start(child(market, "slow", 2)), tasks.start(child(market, "quick", 1))
            seen.append("body")
            await market.sleep(0.5)
            assert [slow.done, quick.done] == [False, False]
        assert [slow.done, quick.done] == [True, True]
        seen.append(market.now_ns // MS)

    assert play(agent) == []
    assert seen == [
        "body",
        ("slow", "begins", 1_000),
        ("quick", "begins", 1_000),
        ("quick", "ends", 2_000),
        ("slow", "ends", 3_000),
        3_000,
    ]


def test_children_wait_for_what_their_agent_waits_for() -> None:
    """Acknowledgements, fills and ticks reach the child that waits; position and orders are the agent's."""
    seen: list[Any] = []

    async def maker(market: Market, _: Any) -> None:
        async def quote(price: float) -> None:
            order = await market.sell(0.002, price)
            seen.append(("open", price, market.now_ns // MS))
            await market.filled(order)
            seen.append(("filled", price, market.position()))

        async with market.tasks() as tasks:
            tasks.start(quote(50_001.0))
            tasks.start(quote(50_002.0))
            fill = await market.next_fill()
            seen.append(("fill", fill.price, fill.quantity, fill.is_maker))

    async def taker(market: Market, _: Any) -> None:
        await market.sleep(1)
        await market.buy(0.004)

    with world([("maker", maker), ("taker", taker)]) as simulation:
        run(simulation, 3)
        assert simulation.engine.failures == []
    assert seen == [
        ("open", 50_001.0, 50),
        ("open", 50_002.0, 50),
        ("fill", 50_001.0, 0.002, True),
        ("filled", 50_001.0, -0.004),
        ("filled", 50_002.0, -0.004),
    ]


def test_a_child_that_raises_cancels_the_others_and_ends_the_block_with_its_error() -> None:
    """The body is cancelled where it waits; what the others raise while they end is noted."""
    seen: list[str] = []

    async def patient(market: Market) -> None:
        try:
            await market.sleep(100)
        except Cancelled:
            seen.append(f"cancelled at {market.now_ns // MS}")
            raise ValueError("and I") from None

    async def broken(market: Market) -> None:
        await market.sleep(1)
        raise RuntimeError("boom")

    async def agent(market: Market, _: Any) -> None:
        try:
            async with market.tasks() as tasks:
                tasks.start(patient(market))
                tasks.start(broken(market))
                await market.sleep(50)
                seen.append("never")
        except RuntimeError as error:
            seen.append(f"{error} {error.__notes__}")
        await market.sleep(1)
        seen.append(f"on at {market.now_ns // MS}")

    assert play(agent) == []
    assert seen == ["cancelled at 1000", "boom [\"and besides: ValueError('and I')\"]", "on at 2000"]


def test_a_body_that_raises_cancels_its_children() -> None:
    """Its error goes on when they have ended; a finally clause of theirs has run."""
    seen: list[str] = []

    async def child(market: Market) -> None:
        try:
            await market.next_tick()
        finally:
            seen.append("cleaned up")

    async def agent(market: Market, _: Any) -> None:
        async with market.tasks() as tasks:
            tasks.start(child(market))
            await market.sleep(1)
            raise KeyError("mine")

    (error,) = play(agent)
    assert isinstance(error, KeyError) and seen == ["cleaned up"]


def test_a_child_that_is_cancelled_ends_alone() -> None:
    """Before it has begun, or where it waits; its block and its siblings go on, and cancelling it again does nothing."""
    seen: list[str] = []

    async def child(market: Market, name: str) -> None:
        seen.append(f"{name} begins")
        await market.sleep(2)
        seen.append(f"{name} ends")

    async def agent(market: Market, _: Any) -> None:
        async with market.tasks() as tasks:
            tasks.start(child(market, "never")).cancel()
            waiting = tasks.start(child(market, "waiting"))
            tasks.start(child(market, "other"))
            await market.sleep(1)
            waiting.cancel()
            waiting.cancel()
            seen.append(f"done: {waiting.done}")
            await market.sleep(0)
            seen.append(f"done: {waiting.done}")
            waiting.cancel()
        seen.append(f"left at {market.now_ns // MS}")

    assert play(agent) == []
    assert seen == ["waiting begins", "other begins", "done: False", "done: True", "other ends", "left at 2000"]


def test_a_cancelled_task_cannot_stay() -> None:
    """It may catch Cancelled, but each further await raises it again; what it sends on the way out is sent."""
    seen: list[int] = []

    async def stubborn(market: Market) -> None:
        for _turn in range(3):
            try:
                await market.sleep(100)
            except Cancelled:
                seen.append(market.now_ns // MS)
        market.limit(Side.BUY, 99_000, 1)

    async def agent(market: Market, _: Any) -> None:
        async with market.tasks() as tasks:
            tasks.start(stubborn(market))
            await market.sleep(1)
            tasks.cancel()
        seen.append(market.now_ns // MS)
        assert len(market.open_orders()) == 1

    assert play(agent) == []
    assert seen == [1_000, 1_000, 1_000, 1_000]


def test_a_child_that_may_not_be_started_is_refused() -> None:
    """After the block, beyond the bound, and if it is no coroutine."""
    seen: list[str] = []

    async def child(market: Market) -> None:
        await market.sleep(1)

    async def agent(market: Market, _: Any) -> None:
        async with market.tasks() as tasks:
            with pytest.raises(TypeError, match="call an `async def` function"):
                tasks.start(child)  # type: ignore[arg-type]  # that is the mistake
            for _number in range(MOST_TASKS - 1):
                tasks.start(child(market))
            with pytest.raises(RuntimeError, match=f"can start no task: it has {MOST_TASKS} tasks"):
                tasks.start(child(market))
        tasks_again = market.tasks()
        async with tasks_again as inner:
            tasks = inner
        with pytest.raises(RuntimeError, match="is for the inside of"):
            tasks.start(child(market))
        with pytest.raises(RuntimeError, match="was entered before"):
            async with tasks_again:
                pass
        seen.append("all refused")

    assert play(agent) == []
    assert seen == ["all refused"]


def test_a_child_that_is_started_while_its_block_ends_is_cancelled() -> None:
    """Or one child could keep a cancelled block, and its agent, for ever."""
    seen: list[int] = []

    async def forever(market: Market) -> None:
        while True:
            await market.sleep(1)

    async def agent(market: Market, _: Any) -> None:
        async def child(tasks: Tasks) -> None:
            try:
                await market.sleep(100)
            finally:
                tasks.start(forever(market))

        with pytest.raises(TimeoutError):
            async with market.timeout(0.5), market.tasks() as tasks:
                tasks.start(child(tasks))
        seen.append(market.now_ns // MS)

    assert play(agent) == []
    assert seen == [500]


@pytest.mark.parametrize("pause_s", [0.1, 5.0])
def test_a_timeout_serves_once(pause_s: float) -> None:
    """Left in time or expired, it is not entered again."""

    async def agent(market: Market, _: Any) -> None:
        timeout = market.timeout(1)
        with suppress(TimeoutError):
            async with timeout:
                await market.sleep(pause_s)
        with pytest.raises(RuntimeError, match="was entered before"):
            async with timeout:
                pass
        await market.sleep(1)

    assert play(agent) == []


def test_a_timeout_ends_what_waits_too_long() -> None:
    """A TimeoutError at the end of its block; one that is left in time leaves nothing behind."""
    seen: list[Any] = []

    async def agent(market: Market, _: Any) -> None:
        with pytest.raises(TimeoutError, match=r"not done within 1\.5 simulated seconds"):
            async with market.timeout(1.5):
                await market.next_tick()
        seen.append(market.now_ns // MS)
        async with market.timeout(1.5):
            await market.sleep(1)
        await market.sleep(5)
        seen.append(market.now_ns // MS)

    assert play(agent) == []
    assert seen == [1_500, 7_500]


def test_the_outer_of_two_timeouts_goes_through_the_inner_one() -> None:
    """The inner block does not take the outer one's end for its own, however they are nested."""
    seen: list[Any] = []

    async def agent(market: Market, _: Any) -> None:
        with pytest.raises(TimeoutError, match="within 1 simulated"):
            async with market.timeout(1), market.timeout(5):
                await market.sleep(10)
        seen.append(market.now_ns // MS)
        async with market.timeout(5):
            with pytest.raises(TimeoutError, match="within 1 simulated"):
                async with market.timeout(1):
                    await market.sleep(10)
            await market.sleep(1)
        seen.append(market.now_ns // MS)
        with pytest.raises(TimeoutError, match="within 1 simulated"):
            async with market.timeout(1), market.timeout(1):  # both end at one instant
                await market.sleep(10)
        seen.append(market.now_ns // MS)

    assert play(agent) == []
    assert seen == [1_000, 3_000, 4_000]


def test_a_timeout_around_children_cancels_them() -> None:
    """Also where the block only waits for them to end; and one that swallows the cancellation in its body still ends."""
    seen: list[Any] = []

    async def child(market: Market) -> None:
        try:
            await market.sleep(100)
        finally:
            seen.append(("child", market.now_ns // MS))

    async def swallowing(market: Market) -> None:
        async with market.timeout(1), market.tasks() as tasks:
            tasks.start(child(market))
            try:
                await market.sleep(50)
            except Cancelled:
                seen.append("swallowed")

    async def agent(market: Market, _: Any) -> None:
        with pytest.raises(TimeoutError):
            async with market.timeout(1), market.tasks() as tasks:
                tasks.start(child(market))
        seen.append(market.now_ns // MS)
        with pytest.raises(TimeoutError):
            await swallowing(market)
        seen.append(market.now_ns // MS)
        await market.sleep(1)

    assert play(agent) == []
    assert seen == [("child", 1_000), 1_000, "swallowed", ("child", 2_000), 2_000]


def test_an_agent_that_fails_takes_its_children_with_it() -> None:
    """They end at that instant, and its open orders, theirs included, are cancelled."""
    seen: list[Any] = []
    children: list[Task] = []

    async def child(market: Market) -> None:
        market.limit(Side.BUY, 99_000, 1)
        try:
            await market.sleep(100)
        finally:
            seen.append(market.now_ns // MS)
            market.limit(Side.BUY, 99_001, 1)

    async def agent(market: Market, _: Any) -> None:
        block = market.tasks()
        tasks = await block.__aenter__()  # a block that is never left
        children.append(tasks.start(child(market)))
        await market.sleep(1)
        raise RuntimeError("boom")

    with world([("agent", agent)]) as simulation:
        kinds = [outcome.output.executions["kind"].tolist() for outcome in run(simulation, 3)]
        (failure,) = simulation.engine.failures
    assert (str(failure.error), seen, children[0].done) == ("boom", [1_000], True)
    accepted, cancelled = int(ExecutionKind.ACCEPTED), int(ExecutionKind.CANCELLED)
    assert kinds == [[accepted], [accepted, cancelled, cancelled]]


def test_a_block_is_of_the_agent_whose_code_runs() -> None:
    """Another one's market cannot be used to open one."""
    markets: list[Market] = []

    async def owner(market: Market, _: Any) -> None:
        markets.append(market)
        await market.sleep(10)

    async def other(market: Market, _: Any) -> None:
        await market.sleep(1)
        async with markets[0].timeout(1):
            await market.sleep(5)

    with world([("owner", owner), ("other", other)]) as simulation:
        run(simulation, 3)
        (failure,) = simulation.engine.failures
    assert failure.name == "other" and "is of agent owner's market" in str(failure.error)


def test_ending_an_agent_ends_its_blocks_without_waiting() -> None:
    """Its parents do not wait for children that have ended with them: nothing is left to be said about it."""
    seen: list[str] = []

    async def restless(market: Market) -> None:
        try:
            while True:
                await market.sleep(0)
        finally:
            seen.append("child")

    async def agent(market: Market, _: Any) -> None:
        try:
            async with market.timeout(5), market.tasks() as tasks:
                tasks.start(restless(market))
        finally:
            seen.append("parent")

    (error,) = play(agent)
    assert isinstance(error, Livelock) and not getattr(error, "__notes__", [])
    assert seen == ["child", "parent"]
