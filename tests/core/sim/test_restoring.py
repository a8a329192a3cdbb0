"""Engines that cannot go on as before: agents that begin afresh, and those who do not take their state."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from marksim.core.agents import Market as AgentMarket
from marksim.core.agents.latency import lognormal
from marksim.core.agents.spec import AgentSpec, Cast
from marksim.core.errors import InvalidInput
from marksim.core.sim.engine import AsyncTimeEngine
from marksim.core.sim.inputs import InputLog, NonDeterministic
from marksim.core.sim.restoring import CannotRestore
from marksim.core.sim.state import CannotTell, EngineState
from marksim.core.types import COMMAND, CommandKind, Side
from tests.core.sim.lockstep import Market, assert_equal, through_json
from tests.core.sim.worlds import BTC, ETH, MS, spec


async def trading(market: AgentMarket, _: Any) -> None:
    """Rests and takes at random."""
    rng = market.rng
    async for _beat in market.every(0.05):
        price = market.tick().last_price_ticks
        side = Side.BUY if rng.random() < 0.5 else Side.SELL
        market.limit(side, price + int(rng.integers(-3, 4)), int(rng.integers(1, 4)))


class Sleeper:
    """Sleeps until a time, over and over; what a test changes of it is wrong."""

    def __init__(self, market: AgentMarket, _: Any) -> None:
        self.market = market
        self.until_ns = 0

    async def run(self) -> None:
        self.before()
        while True:
            await self.pending()
            self.until_ns += 70 * MS

    def before(self) -> None:
        pass

    async def pending(self) -> None:
        await self.market.sleep_until(self.until_ns)

    def state(self) -> dict[str, Any]:
        return {"until_ns": self.until_ns}

    def restore(self, state: dict[str, Any]) -> None:
        self.until_ns = state["until_ns"]


def rows(commands: Mapping[str, bytes], without: tuple[int, ...] = ()) -> dict[str, list[bytes]]:
    """Of each symbol with any, the commands of all other accounts."""
    found = {}
    for symbol, data in commands.items():
        table = np.frombuffer(data, COMMAND)
        kept = [row.tobytes() for row in table if row["account"] not in without]
        if kept:
            found[symbol] = kept
    return found


def replayed(market: Market, engine: AsyncTimeEngine, first: int, restarts: Mapping[int, tuple[str, ...]]) -> None:
    """Let an engine play windows that were played; whoever is not absent must send the same."""
    for window in range(first, len(market.outcomes)):
        engine.restart(restarts.get(window, ()))
        sent = {symbol: one.tobytes() for symbol, one in engine.collect(window).items()}
        absent = engine.absent_accounts
        assert rows(sent, absent) == rows(market.commands[window], absent), f"window {window}"
        engine.deliver(window, market.outcomes[window])


@pytest.mark.parametrize("marked", [True, False], ids=["marked", "full log"])
def test_an_ephemeral_agent_begins_afresh(marked: bool) -> None:
    """Until `restart` it does nothing; then all that it had is cancelled, and its orders have names that are new.

    That is repeated by whoever plays these windows again, from before the restart or from after it.
    """
    agents = [spec(1, "other", trading), replace(spec(2, "fresh", trading, order=lognormal(9 * MS, 1.0)), ephemeral=marked)]
    market = Market(Cast(tuple(agents[1:] if marked else agents)), limit_bytes=1 << 24 if marked else 700)
    names = ("fresh",) if marked else ("other", "fresh")
    market.run(40, take_every=10)
    assert (market.engine.ephemeral, market.log.full) == (names, not marked)
    market.run(7)
    # All of it is lost but the state after window 39, and what was recorded of the windows since.
    market.engine.close()
    restored = market.restored(39)
    assert (restored.absent, restored.ephemeral) == (names, names)
    replayed(market, restored, 40, {})
    assert market.books["BTC/USD"].open_orders(2)
    restored.restart(restored.absent)
    assert restored.absent == ()
    market.engine, market.log = restored, restored.log or market.log
    market.run(1)
    kinds = [
        CommandKind(row["kind"])
        for row in np.frombuffer(market.commands[47]["BTC/USD"], COMMAND)
        if row["serial"] == 1 + (1 << 40)
    ]
    assert kinds == [CommandKind.MASS_CANCEL] * len(names)
    market.run(20)
    resting = [order.serial for one in (1, 2) for order in market.books["BTC/USD"].open_orders(one)]
    assert resting
    assert min(resting) > 1 << 40
    market.take(67)
    market.run(5)
    # Once more, from the state before that restart: with it in its place, all is as it was in the second life.
    again = market.restored(29)
    replayed(market, again, 30, {47: names})
    assert again.absent == ()
    held = [[one.state() for one in engine.holdings("BTC/USD")] for engine in (again, restored)]
    assert held[0] == held[1]
    assert held[0] != [[0] * 5] * len(agents)
    # And from the one after it: another life follows.
    third = market.restored(67)
    replayed(market, third, 68, {})
    third.restart(names)
    sent = third.collect(73)["BTC/USD"]
    assert (1 + (2 << 40)) in sent["serial"].tolist()
    for engine in (again, third, restored):
        engine.close()


def test_only_an_ephemeral_agent_is_restarted() -> None:
    """Another name is refused, and nobody was restarted, nor passed over."""
    market = Market(Cast((spec(1, "steady", Sleeper), replace(spec(2, "fresh", trading), ephemeral=True)))).run(3)
    for names in (["fresh", "steady"], ["nobody"]):
        with pytest.raises(InvalidInput, match=f"restart: '{names[-1]}' is no ephemeral agent; there are fresh"):
            market.engine.restart(names)
        with pytest.raises(InvalidInput, match=f"restart: '{names[-1]}' is no ephemeral agent; there are fresh"):
            market.engine.pass_over(names)
    assert [agent.restarts for agent in market.engine.everyone] == [0, 0]
    market.engine.close()


def test_a_life_that_is_passed_over_counts() -> None:
    """The agent does nothing in it, and the names of its next orders are beyond those that it gave in it."""
    market = Market(Cast((replace(spec(2, "fresh", trading, order=lognormal(9 * MS, 1.0)), ephemeral=True),)))
    market.run(20, take_every=10)
    engine = market.restored(9)
    replayed(market, engine, 10, {})
    engine.pass_over(["fresh"])
    assert engine.absent == ("fresh",)
    assert engine.collect(20) == {}
    engine.deliver(20, {})
    engine.restart(["fresh"])
    assert (1 + (2 << 40)) in engine.collect(21)["BTC/USD"]["serial"].tolist()
    engine.close()


def test_a_state_changes_nothing() -> None:
    """An engine of which states are taken sends what one sends of which none are."""
    cast = Cast((spec(1, "a", trading), spec(2, "b", Sleeper), spec(3, "c", trading, order=lognormal(9 * MS, 1.0))))
    looked, left = Market(cast).run(60, take_every=1), Market(cast).run(60)
    assert looked.commands == left.commands
    assert_equal(through_json(looked.engine.state()), through_json(left.engine.state()))
    looked.engine.close()
    left.engine.close()


def test_a_state_is_taken_between_windows() -> None:
    """Not before the first, and not before what happened in the last one was delivered."""
    market = Market(Cast((spec(1, "a", trading),)))
    for _ in range(2):
        with pytest.raises(RuntimeError, match="between windows"):
            market.engine.state()
        commands = market.engine.collect(0)
    market.engine.deliver(0, market.applied(0, commands))
    assert market.engine.state().window == 0
    market.engine.close()


def test_one_that_uses_more_than_its_market_is_named() -> None:
    """With the window in which it first did something else, and what."""
    heard: list[int] = []

    async def counting(market: AgentMarket, _: Any) -> None:
        heard.append(1)
        async for _quote in market.ticks():
            pass

    async def forgetful(market: AgentMarket, _: Any) -> None:
        async for beat in market.every(0.1):
            if beat == 9:
                market.limit(Side.SELL, 100_000 + len(heard), 1)

    cast = Cast((spec(1, "sound", trading), spec(2, "counting", counting), spec(3, "forgetful", forgetful)))
    market = Market(cast).run(40, take_every=15)
    market.restored(14).close()
    with pytest.raises(NonDeterministic) as caught:
        market.restored(29)
    assert (caught.value.agent, caught.value.window, caught.value.reason) == ("forgetful", 18, "NONDETERMINISTIC")
    assert caught.value.detail == (
        "it sent 1 command, the first NEW SELL of 1 lots at 100003 ticks in BTC/USD, where it had sent other ones"
    )
    market.engine.close()


@pytest.mark.parametrize(
    ("later", "window", "detail"),
    [
        pytest.param("fails", 4, "it failed, which it had not: ValueError: now", id="fails"),
        pytest.param("ends", 19, "it had ended by then, which it had not", id="ends"),
        pytest.param("silent", 6, "it sent nothing, where it had sent other ones", id="silent"),
        pytest.param(
            "sleeps", 19, "it waits for Sleep at 1500000000 ns, before it waited for Sleep at 1000000000 ns", id="sleeps"
        ),
        pytest.param("draws", 19, "it drew other numbers from market.rng than before", id="draws"),
    ],
)
def test_each_other_way_is_found(later: str, window: int, detail: str) -> None:
    """Also one that only shows at the end."""
    how = ["as before"]

    async def changing(market: AgentMarket, _: Any) -> None:
        await market.sleep(0.2)
        if how[0] == "fails":
            raise ValueError("now")
        if how[0] == "draws":
            market.rng.random()
        await market.sleep_until(300 * MS)
        if how[0] != "silent":
            market.limit(Side.BUY, 99_000, 1)
        if how[0] != "ends":
            await market.sleep_until((1_500 if how[0] == "sleeps" else 1_000) * MS)

    market = Market(Cast((spec(1, "changing", changing),))).run(19).run(1, take_every=20)
    how[0] = later
    with pytest.raises(NonDeterministic, match="changing") as caught:
        market.restored(19)
    assert (caught.value.window, caught.value.detail) == (window, detail)
    market.engine.close()


def _sends(agent: Any) -> None:
    agent.market.limit(Side.BUY, 99_000, 1)


def _draws(agent: Any) -> None:
    agent.market.rng.random()


def _raises(_: Any) -> None:
    raise ValueError("oh")


async def _other(agent: Any) -> None:
    await agent.market.next_tick()


async def _earlier(agent: Any) -> None:
    await agent.market.sleep(0.001)


async def _nothing(_: Any) -> None:
    return


@pytest.mark.parametrize(
    ("method", "function", "told"),
    [
        pytest.param("before", _sends, r"its run\(\) sent something before", id="sends"),
        pytest.param("before", _draws, r"its run\(\) drew from market.rng before", id="draws"),
        pytest.param("before", _raises, r"its run\(\) raised ValueError: oh before", id="raises"),
        pytest.param("run", _nothing, r"its run\(\) returned before it waited", id="returns"),
        pytest.param("run", _raises, "ValueError: oh", id="no coroutine"),
        pytest.param(
            "pending", _other, "it waits for NextTick of BTC/USD, before it waited for Sleep at 210000000", id="other"
        ),
        pytest.param("pending", _earlier, "it waits for Sleep at 200999999 ns, before it waited for Sleep at 2", id="time"),
        pytest.param("restore", lambda *_: _raises(_), "ValueError: oh", id="restore"),
    ],
)
def test_one_that_does_not_take_its_state_is_named(method: str, function: Any, told: str) -> None:
    """It goes on as it was or not at all."""
    market = Market(Cast((spec(1, "sleeper", Sleeper),))).run(4, take_every=4)
    changed = type("Changed", (Sleeper,), {method: function})
    with pytest.raises(CannotRestore, match=f"agent sleeper cannot be restored: {told}"):
        market.restored(3, cast=Cast((spec(1, "sleeper", changed),)))
    market.engine.close()


@pytest.mark.parametrize(
    ("state", "told"),
    [
        pytest.param(lambda _: [1], "it is of type list, not dict", id="no dict"),
        pytest.param(lambda _: {"a": [{"b": (1, 2)}]}, r"state\['a'\]\[0\]\['b'\] is of type tuple", id="tuple"),
        pytest.param(lambda _: {"a": np.float64(1)}, r"state\['a'\] is of type float64", id="numpy"),
        pytest.param(lambda _: {"a": {1: 2}}, r"state\['a'\] has the key 1: keys must be text", id="keys"),
        pytest.param(lambda one: {"a": one.market.rng.random()}, "has sent something or drawn a number", id="draws"),
        pytest.param(lambda one: {"a": one.market.limit(Side.BUY, 9, 1)}, "has sent something or drawn", id="sends"),
        pytest.param(_raises, "oh", id="raises"),
    ],
)
def test_a_state_that_cannot_be_written_down_is_refused(state: Any, told: str) -> None:
    """It says whose and where."""
    changed = type("Changed", (Sleeper,), {"state": state})
    market = Market(Cast((spec(1, "sleeper", changed),))).run(3)
    with pytest.raises(CannotTell, match=f"agent sleeper: .*{told}"):
        market.engine.state()
    market.engine.close()


def test_one_with_a_state_waits_in_one_task() -> None:
    """Child tasks cannot be written down."""

    async def pending(self: Any) -> None:
        async with self.market.tasks() as tasks:
            tasks.start(_other(self))

    changed = type("Changed", (Sleeper,), {"pending": pending})
    market = Market(Cast((spec(1, "sleeper", changed),))).run(3)
    with pytest.raises(CannotTell, match="agent sleeper has child tasks"):
        market.engine.state()
    market.engine.close()


def test_the_state_of_another_market_is_refused() -> None:
    """Of another seed, other symbols or other agents; and with no log, or not the one that belongs to it."""
    agents: tuple[AgentSpec, ...] = (spec(1, "a", trading), spec(2, "b", Sleeper))
    market = Market(Cast(agents)).run(20, take_every=10)
    for changed, told in (
        ({"seed": 2}, "its seed, start_ns and lookahead_ns are"),
        ({"cast": Cast(agents[:1])}, r"its agents are \['a', 'b'\], here they are \['a'\]"),
        ({"log": None}, "the input log is missing, without which a cannot be played again"),
        ({"log": InputLog()}, "the input log is not that of this state: up to window 9"),
    ):
        with pytest.raises(InvalidInput, match=told):
            market.restored(9, **changed)
    with pytest.raises(InvalidInput, match=r"its symbols are"):
        AsyncTimeEngine([BTC, ETH], market.cast, state=market.taken[9].state, **market.clock)
    older = EngineState({**market.taken[9].state.document, "version": 0}, market.taken[9].state.arrays)
    with pytest.raises(InvalidInput, match="this state has version 0, and this program reads 1: go on with the release"):
        AsyncTimeEngine([BTC], market.cast, state=older, **market.clock)
    # A log that goes further is cut.
    engine = market.restored(9, log=InputLog.joined(market.taken[19].pieces))
    market.follow(engine, 10, 19)
    assert_equal(through_json(engine.state()), through_json(market.engine.state()))
    engine.close()
    market.engine.close()
