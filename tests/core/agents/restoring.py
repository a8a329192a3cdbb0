"""Twins: agents restored from another one's state, which then must do what that one does, call for call.

A twin lives in the market of its original and reads what that reads, at the same instants. It draws from a copy of the
generator; what it sends is compared with what the original sent, and it gets the original's orders for it.
"""

import copy
import json
from collections.abc import Callable
from typing import Any

import numpy as np

from marksim.core.agents import Market, Restorable
from marksim.core.agents.spec import RestorableAgent

SENT = frozenset({"limit", "market", "stop", "cancel", "cancel_all", "amend", "buy", "sell"})
MOST_TWINS = 40
Call = tuple[str, tuple[Any, ...], dict[str, Any]]


def plain(value: Any, orders: list[Any]) -> Any:
    """A state with a reference in place of each order, which goes to `orders`. AssertionError where it is not plain data."""
    if type(value) in {type(None), bool, int, float, str}:
        return value
    if type(value) is list:
        return [plain(one, orders) for one in value]
    if type(value) is dict:
        assert all(type(key) is str and key != "$order" for key in value), f"keys must be text: {list(value)}"
        return {key: plain(one, orders) for key, one in value.items()}
    assert hasattr(value, "leaves_lots"), f"{value!r} is neither plain data nor an order"
    orders.append(value)
    return {"$order": len(orders) - 1}


def through_text(state: dict[str, Any]) -> dict[str, Any]:
    """A state as it comes back from a file, with the same orders in it."""
    orders: list[Any] = []
    text = json.dumps(plain(state, orders))
    restored: dict[str, Any] = json.loads(
        text, object_hook=lambda part: orders[part["$order"]] if "$order" in part else part
    )
    return restored


def awaited(wait: Any) -> tuple[Any, ...]:
    """What is waited for, as it can be compared."""
    holding = getattr(wait, "_holding", None)
    place = (getattr(wait, "time_ns", None), getattr(wait, "_number", None), holding and holding.symbol)
    return (type(wait).__name__, getattr(wait, "_order", None), *place)


class _Heard:
    """The market of an original: what it sends is noted, with what it got for it."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self.calls: list[tuple[Call, Any]] = []

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._market, name)
        return self._noting(name, real) if name in SENT else real

    def _noting(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **terms: Any) -> Any:
            result = real(*args, **terms)
            self.calls.append(((name, args, terms), result))
            return result

        return call


class _Told:
    """The market of a twin: what it sends must be what the original sent."""

    def __init__(self, market: Market, generator_state: Any) -> None:
        self._market = market
        self.rng = np.random.Generator(np.random.PCG64())
        self.rng.bit_generator.state = generator_state
        self.expected: list[tuple[Call, Any]] = []

    def __getattr__(self, name: str) -> Any:
        return self._expecting(name) if name in SENT else getattr(self._market, name)

    def _expecting(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **terms: Any) -> Any:
            assert self.expected, f"{name}{args} {terms} is more than the original sent"
            sent, result = self.expected.pop(0)
            assert sent == (name, args, terms)
            return result

        return call


class Twin:
    """An agent restored from a state, at its first await."""

    def __init__(self, agent: Restorable, market: _Told) -> None:
        self._market = market
        self._coroutine: Any = agent.run()
        before = copy.deepcopy(market.rng.bit_generator.state)
        self.awaits = awaited(self._coroutine.send(None))
        assert market.rng.bit_generator.state == before, "it draws before its first await"

    def follow(self, value: Any, calls: list[tuple[Call, Any]], awaits: tuple[Any, ...], generator_state: Any) -> None:
        """Do the step that the original has done."""
        market = self._market
        market.expected = list(calls)
        self.awaits = awaited(self._coroutine.send(value))
        assert not market.expected, f"the original also sent {market.expected}"
        assert self.awaits == awaits
        assert market.rng.bit_generator.state == generator_state

    def close(self) -> None:
        self._coroutine.close()


class Watched:
    """An agent, run as an agent function, of which twins can be made at the end of any window."""

    def __init__(self, agent: RestorableAgent, parameters: Any) -> None:
        self._made, self._parameters = agent, parameters
        self._twins: list[Twin] = []
        self._seen: dict[tuple[str, str, bool], int] = {}
        self.steps = 0
        self.twins_made = 0
        self._windows = 0

    @property
    def pending(self) -> set[tuple[str, str]]:
        """What was awaited where twins were made, and the step that was to follow, of those that name it."""
        return {(wait, then) for wait, then, _ in self._seen}

    async def run(self, market: Market) -> None:
        """The original, and behind each of its steps the same step of its twins."""
        heard: Any = _Heard(market)
        self._market = market
        self._agent: Restorable = self._made(heard, self._parameters)
        unborn = self._agent.state()
        coroutine: Any = self._agent.run()
        generator_state = copy.deepcopy(market.rng.bit_generator.state)
        wait = coroutine.send(None)
        self._awaits = awaited(wait)
        self._check_unborn(unborn, generator_state, heard)
        while True:
            heard.calls.clear()
            value = await wait
            wait = coroutine.send(value)
            self.steps += 1
            self._awaits = awaited(wait)
            for twin in self._twins:
                twin.follow(value, heard.calls, self._awaits, market.rng.bit_generator.state)

    def _check_unborn(self, state: dict[str, Any], generator_state: Any, heard: _Heard) -> None:
        """One that is restored before it has begun begins as any other."""
        told: Any = _Told(self._market, generator_state)
        twin = self._made(told, self._parameters)
        twin.restore(through_text(state))
        told.expected = list(heard.calls)
        coroutine: Any = twin.run()
        assert awaited(coroutine.send(None)) == self._awaits
        assert told.rng.bit_generator.state == self._market.rng.bit_generator.state
        coroutine.close()

    def at_window_end(self) -> None:
        """Look at the state, and make a twin of it where one such was seen seldom, or none was made for long."""
        state = self._agent.state()
        through = through_text(state)
        orders: list[Any] = []
        plain(state, orders)
        kind = (self._awaits[0], str(through.get("then", "")), any(not order.closed for order in orders))
        self._windows += 1
        seen = self._seen.get(kind, 0)
        if (seen >= 4 and self._windows % 400) or len(self._twins) >= MOST_TWINS:
            return
        self._seen[kind] = seen + 1
        self.twins_made += 1
        told: Any = _Told(self._market, copy.deepcopy(self._market.rng.bit_generator.state))
        agent = self._made(told, self._parameters)
        agent.restore(through)
        twin = Twin(agent, told)
        assert twin.awaits == self._awaits
        assert through_text(agent.state()) == through
        self._twins.append(twin)

    def close(self) -> None:
        for twin in self._twins:
            twin.close()
