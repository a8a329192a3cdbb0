"""The part of a scenario that one engine runs: some of its symbols, and the agents that trade nothing else."""

from collections.abc import Collection
from dataclasses import dataclass

from marksim.core.agents import AgentSpec
from marksim.core.errors import InvalidInput
from marksim.core.types import Instrument
from marksim.scenario.schema import Scenario


@dataclass(frozen=True, slots=True)
class Group:
    """Instruments and agents, in the order of the whole scenario; each agent keeps its account there."""

    instruments: tuple[Instrument, ...]
    agents: tuple[AgentSpec, ...]


def group_of(scenario: Scenario, symbols: Collection[str]) -> Group:
    """The group of these symbols; of all where none are given.

    Raises InvalidInput for a symbol that the scenario does not trade, or an agent that trades inside the group and outside.
    """
    instruments, agents = scenario.instruments(), scenario.agent_specs()
    if not symbols:
        return Group(instruments, agents)
    known = [instrument.symbol for instrument in instruments]
    for symbol in symbols:
        if symbol not in known:
            raise InvalidInput(f"{symbol}: the scenario does not trade {symbol!r} but {', '.join(known)}")
    return Group(
        tuple(instrument for instrument in instruments if instrument.symbol in symbols),
        tuple(agent for agent in agents if is_inside(agent.name, {agent.symbol}, symbols)),
    )


def is_inside(agent: str, traded: Collection[str], symbols: Collection[str]) -> bool:
    """Whether an agent that trades `traded` belongs to the group of `symbols`; raises InvalidInput if only in part."""
    inside = sorted(symbol for symbol in traded if symbol in symbols)
    outside = sorted(symbol for symbol in traded if symbol not in symbols)
    if inside and outside:
        both = f"{', '.join(inside)} inside the group and {', '.join(outside)} outside"
        raise InvalidInput(f"agent {agent} trades {both}: one engine must own the clock of all that an agent trades")
    return bool(inside)
