"""What is likely a mistake in a scenario that can be run, and what to expect of it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from marksim.core.agents.spec import AgentSpec, Cast, FlashCrash, LiquidityWithdrawal, PopulationSpec
from marksim.core.book.schedule import change_after, state_at
from marksim.core.populations import POPULATION_TYPES
from marksim.core.types import NS_PER_S, SessionState
from marksim.scenario.code import Code
from marksim.scenario.recovery import pace_of
from marksim.scenario.schema import Scenario

_ADVICE: Final = {
    "asyncio": "agents do not run on asyncio: `await market.sleep(...)` and its like are what they wait for",
    "time": "wall time stops the market or differs each run: `market.now` and `await market.sleep(...)` are simulated",
    "random": "the same seed must give the same tape: draw from `market.rng`",
    "datetime": "wall time differs from run to run: `market.now_ns` is simulated",
}
"""Modules that an agent hardly ever means to use."""


@dataclass(frozen=True, slots=True)
class Load:
    """How often somebody acts in a simulated second, as far as the parameters say so; `known` of `all` do."""

    per_s: float
    known: int
    all: int


def load_of(cast: Cast) -> Load:
    """The expected load of agents and traders."""
    per_s, known, everyone = 0.0, 0, 0
    parties: list[tuple[AgentSpec | PopulationSpec, int]] = [(agent, 1) for agent in cast.agents]
    parties += [(population, population.traders) for population in cast.populations]
    for party, traders in parties:
        everyone += traders
        if pace := pace_of(party.parameters):
            per_s += traders / pace
            known += traders
    return Load(per_s, known, everyone)


def warnings_of(scenario: Scenario, cast: Cast) -> list[str]:
    """One sentence each, with the path of the field as `--set` takes it."""
    return [
        *_unused(scenario, cast),
        *_late_events(scenario),
        *_events_without_effect(cast),
        *_closed_at_start(scenario),
        *(said for agent in scenario.agents if agent.code for said in _code_faults(agent.name, agent.code)),
    ]


def quantised_of(scenario: Scenario) -> list[tuple[str, float]]:
    """Those whose smallest feed and order latency together are below a window, with that in milliseconds."""
    present = [(agent.name, agent.latency) for agent in scenario.agents if agent.count]
    present += [(population.name, population.latency) for population in scenario.populations]
    smallest = [(name, one.order_latency().least_ns + one.feed_latency().least_ns) for name, one in present]
    return [(name, ns / 1_000_000) for name, ns in smallest if ns < scenario.lookahead_ns]


def _unused(scenario: Scenario, cast: Cast) -> Iterator[str]:
    traded = {symbol for agent in cast.agents for symbol in agent.symbols}
    traded |= {population.symbol for population in cast.populations}
    for instrument in scenario.traded:
        if instrument.symbol not in traded:
            yield f"instruments.{instrument.symbol}: nobody trades it"
    for agent in scenario.agents:
        if agent.count == 0:
            yield f"agents.{agent.name}.count: is 0, so that it takes no part"


def _late_events(scenario: Scenario) -> Iterator[str]:
    end_ns = scenario.end_ns
    for place, times_ns in enumerate(scenario.event_times_ns()):
        if end_ns is not None and min(times_ns) >= end_ns:
            yield f"events.{place}: happens after the end of the run, which lasts {scenario.duration}"


def _events_without_effect(cast: Cast) -> Iterator[str]:
    providing = {symbol for agent in cast.agents if agent.provides_liquidity for symbol in agent.symbols}
    providing |= {one.symbol for one in cast.populations if POPULATION_TYPES[one.type].provides_liquidity}
    leaving = [one.event for one in cast.events if isinstance(one.event, LiquidityWithdrawal | FlashCrash)]
    for symbol in sorted({event.symbol for event in leaving} - providing):
        yield f"events: liquidity is withdrawn from {symbol}, where nobody provides any"


def _closed_at_start(scenario: Scenario) -> Iterator[str]:
    for instrument in scenario.instruments():
        if state_at(instrument.sessions, scenario.start_ns) != SessionState.CLOSED:
            continue
        opens_ns, _ = change_after(instrument.sessions, scenario.start_ns)
        hours = (opens_ns - scenario.start_ns) / NS_PER_S / 3_600
        yield f"instruments.{instrument.symbol}.sessions: closed at the start, and for {hours:.3g} hours more"


def _code_faults(name: str, code: Code) -> Iterator[str]:
    """In the function or class itself; what it calls is not looked at. The code has been imported, so that it is valid."""
    tree = ast.parse(code.source)
    agents = (node for node in tree.body if isinstance(node, ast.AsyncFunctionDef | ast.ClassDef))
    found = [node for node in agents if node.name == code.function]
    for function in found[-1:]:
        inside = list(ast.walk(function))
        # A class may have its `run` from another.
        waits = any(isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith) for node in inside)
        if not waits and (isinstance(function, ast.AsyncFunctionDef) or _has_run(function)):
            yield f"agents.{name}.type: {code.path}:{function.lineno}: {code.function} never awaits anything"
        for node in inside:
            if isinstance(node, ast.Attribute) and (module := _module(node.value)) in _ADVICE:
                yield f"agents.{name}.type: {code.path}:{node.lineno}: {module}.{node.attr}: {_ADVICE[module]}"


def _has_run(agent: ast.ClassDef) -> bool:
    return any(isinstance(node, ast.AsyncFunctionDef) and node.name == "run" for node in agent.body)


def _module(node: Any) -> str:
    return node.id if isinstance(node, ast.Name) else ""
