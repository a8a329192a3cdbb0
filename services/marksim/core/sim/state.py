"""The state of an engine at the end of a window: plain data and arrays. `restoring` makes one of it that goes on the same.

What the agents wait for is written down as a list: the waits of each of their tasks in the order of the tree they form, and
the timeouts. Behind each stands the key of its entry in the schedule, so that all things of one time keep their order.
"""

import gc
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from marksim.core.errors import MarksimError
from marksim.core.sim.account import Holding
from marksim.core.sim.agent import EPHEMERAL, RESTORABLE, Agent
from marksim.core.sim.awaiting import First, Wait
from marksim.core.sim.blocks import Timeout
from marksim.core.sim.events import Happening
from marksim.core.sim.orders import OrderWait, OwnOrder
from marksim.core.sim.ownwaits import Condition, NextFill
from marksim.core.sim.plain import encoded
from marksim.core.sim.scheduler import Key
from marksim.core.sim.tickwaits import TickWait

if TYPE_CHECKING:
    from marksim.core.sim.engine import AsyncTimeEngine

STATE_VERSION: Final = 1
"""Of the document and the arrays: what they are changes together with this."""

ORDERS: Final = "orders"
INBOX: Final = "inbox"
_WHERE: Final = 2
"""Columns of both that say whose it is: the agent's and the symbol's place."""
_LOW_BITS: Final = 62

AnyWait = Wait[Any] | Timeout


class CannotTell(MarksimError):
    """An agent has no state that can be written down; the message names it and says why."""

    reason = "NO_STATE"


@dataclass(frozen=True, slots=True)
class EngineState:
    """`document` is plain data for JSON (whole numbers of any size, floats exact), `arrays` are copies."""

    document: dict[str, Any]
    arrays: dict[str, NDArray[Any]]

    @property
    def window(self) -> int:
        """The last one that was done."""
        window: int = self.document["window"]
        return window


def state_of(engine: "AsyncTimeEngine", counters: Mapping[str, Any], reuse: EngineState | None) -> EngineState:
    """Of an engine between two windows. Raises CannotTell."""
    collects = gc.isenabled()
    # Thousands of small lists are made and none is garbage: a collection would look through everything and find nothing.
    gc.disable()
    try:
        return _Taking(engine, {} if reuse is None else reuse.arrays).state(counters)
    finally:
        if collects:
            gc.enable()


def arrays_of(arrays: Mapping[str, NDArray[Any]], place: int) -> dict[str, NDArray[Any]]:
    """Those of the crowd of one symbol, by their names there."""
    prefix = f"crowd.{place}."
    return {name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)}


def waits_of(agent: Agent, timeouts: list[Timeout]) -> list[AnyWait]:
    """All that it waits for, and its timeouts behind that, in the order in which they run out."""
    return [*(leaf for task in agent.tasks for leaf in leaves(task.wait)), *timeouts]


def timeouts_of(keys: Mapping[object, Key]) -> dict[Agent, list[Timeout]]:
    """Those of each agent that has some."""
    found: dict[Agent, list[Timeout]] = {}
    for entry in sorted((one for one in keys if isinstance(one, Timeout)), key=keys.__getitem__):
        found.setdefault(entry.agent, []).append(entry)
    return found


def leaves(wait: Wait[Any] | None) -> Iterator[Wait[Any]]:
    """A wait, or those that it is made of."""
    if isinstance(wait, First):
        for one in wait.waits:
            yield from leaves(one)
    elif wait is not None:
        yield wait
        if isinstance(wait, Condition):
            yield from wait.ticks


def label(wait: AnyWait) -> str:
    """What is waited for: equal of a wait and of that which a restored agent has in its place."""
    name = type(wait).__name__
    if isinstance(wait, OrderWait):
        return f"{name} of order {wait.order.serial} of {wait.order.symbol}"
    if isinstance(wait, TickWait):
        return f"{name} of {wait.symbol}"
    if isinstance(wait, NextFill):
        return f"{name} of {wait.symbol or 'any symbol'}"
    return name


def order_row(order: OwnOrder) -> list[int]:
    """Its state, in which the cost, which may be larger than 64 bits, stands in two numbers."""
    *state, cost = order.state()
    return [*state, cost & ((1 << _LOW_BITS) - 1), cost >> _LOW_BITS]


def order_of(holding: Holding, row: list[int]) -> OwnOrder:
    """The order of which `order_row` gave that."""
    *state, low, high = row
    return OwnOrder.restored(holding, [*state, low | high << _LOW_BITS])


class _Taking:
    """One state being taken."""

    def __init__(self, engine: "AsyncTimeEngine", reuse: Mapping[str, NDArray[Any]]) -> None:
        self._engine = engine
        self._reuse = reuse
        self._keys = engine.scheduler.keys()
        self._timeouts = timeouts_of(self._keys)
        self._symbols = {symbol: place for place, symbol in enumerate(engine.symbols)}
        self._agents = {agent: place for place, agent in enumerate(engine.everyone)}
        self._waits: dict[AnyWait, list[int]] = {}
        self._orders: dict[OwnOrder, bool] = {}
        """All that are written down, and whether they are open."""
        self._inbox: list[tuple[int, ...]] = []
        self._arrays: dict[str, NDArray[Any]] = {}

    def state(self, counters: Mapping[str, Any]) -> EngineState:
        engine = self._engine
        for agent in self._agents:
            if agent.kind != EPHEMERAL:
                for place, holding in self._holdings(agent):
                    self._orders.update(dict.fromkeys(holding.orders.values(), True))
                    self._inbox += ((self._agents[agent], place, *map(int, notice)) for notice in holding.inbox)
        agents = [self._agent(agent) for agent in self._agents]
        document = {
            "version": STATE_VERSION,
            **counters,
            "symbols": list(self._symbols),
            "happenings": [[*key, entry.state()] for entry, key in self._keys.items() if isinstance(entry, Happening)],
            "failures": [[one.name, one.time_ns, one.told] for one in engine.failures],
            "agents": agents,
            "feeds": [self._feed(symbol) for symbol in self._symbols],
        }
        rows: list[int] = []
        for order, is_open in self._orders.items():
            holding = order.holding
            rows += (self._agents[holding.agent], self._symbols[holding.symbol], *order_row(order), is_open)
        self._arrays[ORDERS] = np.array(rows, np.int64).reshape(len(self._orders), -1 if rows else 0)
        self._arrays[INBOX] = np.array(self._inbox, np.int64)
        return EngineState(document, self._arrays)

    def _feed(self, symbol: str) -> dict[str, Any]:
        place, feed = self._symbols[symbol], self._engine.feed(symbol)
        for name, array in self._engine.crowd(symbol).state(arrays_of(self._reuse, place)).items():
            self._arrays[f"crowd.{place}.{name}"] = array
        for interval_ns, maker in feed.candles.items():
            self._arrays[f"candles.{place}.{interval_ns}"] = maker.state()
        # Those of agents that begin afresh are not among them.
        waiting = [self._waits[wait] for wait in feed.waiting if wait in self._waits]
        return {"waiting": waiting, "candles": list(feed.candles)}

    def _agent(self, agent: Agent) -> dict[str, Any]:
        kind = agent.kind
        record = {
            "name": agent.name,
            "kind": kind,
            "stateless": agent.stateless,
            "over": agent.over,
            "serial": agent.serial,
            "restarts": agent.restarts,
            "holdings": [[holding.state(), holding.reach.state(), self._keys.get(holding)] for holding in agent.holdings],
        }
        if agent.over or kind == EPHEMERAL:
            return record
        waits = waits_of(agent, self._timeouts.get(agent, []))
        for place, wait in enumerate(waits):
            self._waits[wait] = [self._agents[agent], place]
        assert agent.market is not None, "it has begun"
        record["market"] = agent.market.state()
        record["waits"] = [[label(wait), self._key(wait)] for wait in waits]
        if kind == RESTORABLE:
            self._restorable(agent, record)
        return record

    def _restorable(self, agent: Agent, record: dict[str, Any]) -> None:
        if len(agent.tasks) != 1:
            raise CannotTell(f"agent {agent.name} has child tasks: one with state() and restore() waits in one task only")
        assert agent.restorable is not None, "of its kind"
        assert agent.market is not None, "it has begun"
        # For a watchdog that asks whose code runs.
        (self._engine.current,) = agent.tasks
        try:
            state = agent.restorable.state()
            if type(state) is not dict:
                raise TypeError(f"it is of type {type(state).__qualname__}, not dict")
            record["state"] = encoded(state, lambda order: self._reference(agent, order))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            # The agent's own mistake, of any kind.
            raise CannotTell(f"agent {agent.name}: state() failed: {type(error).__name__}: {error}") from error
        finally:
            self._engine.current = None
        if agent.serial != record["serial"] or agent.market.state()["rng"] != record["market"]["rng"]:
            raise CannotTell(f"agent {agent.name}: state() has sent something or drawn a number; let it only look")
        record["fills"] = [
            [
                stream.symbol,
                stream.overflowed,
                [
                    [*self._reference(agent, fill.order), fill.time_ns, fill.price_ticks, fill.quantity_lots, fill.is_maker]
                    for fill in stream.buffer
                ],
            ]
            for stream in agent.live_streams()
        ]

    def _reference(self, agent: Agent, order: OwnOrder) -> list[Any]:
        if order.holding.agent is not agent:
            raise ValueError(f"{order!r} is not its own")
        self._orders.setdefault(order, False)
        return [order.symbol, order.serial]

    def _key(self, wait: AnyWait) -> Key | None:
        return self._keys.get(wait)

    def _holdings(self, agent: Agent) -> Iterator[tuple[int, Holding]]:
        for holding in agent.holdings:
            yield self._symbols[holding.symbol], holding
