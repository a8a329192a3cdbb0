"""The part of a scenario that one engine runs: some of its symbols, and those who trade nothing else."""

from collections.abc import Collection
from dataclasses import dataclass

from marksim.core.agents.spec import AgentSpec, Cast, PopulationSpec
from marksim.core.errors import InvalidInput
from marksim.core.types import Instrument
from marksim.scenario.schema import Scenario


@dataclass(frozen=True, slots=True)
class Group:
    """Instruments and cast, in the order of the whole scenario; each agent and trader keeps its account there."""

    instruments: tuple[Instrument, ...]
    cast: Cast

    def is_quantised(self, lookahead_ns: int) -> bool:
        """Whether somebody's feed and order latency together are below a window, so that it sees them as a window."""
        present: list[AgentSpec | PopulationSpec] = [*self.cast.agents, *self.cast.populations]
        return any(one.order_latency.least_ns + one.feed_latency.least_ns < lookahead_ns for one in present)


def group_of(scenario: Scenario, symbols: Collection[str]) -> Group:
    """The group of these symbols; of all where none are given.

    Raises InvalidInput for a symbol that the scenario does not trade, or an agent that trades inside the group and outside.
    """
    instruments, cast = scenario.instruments(), scenario.cast()
    if not symbols:
        return Group(instruments, cast)
    known = [instrument.symbol for instrument in instruments]
    for symbol in symbols:
        if symbol not in known:
            raise InvalidInput(f"{symbol}: the scenario does not trade {symbol!r} but {', '.join(known)}")
    return Group(
        tuple(instrument for instrument in instruments if instrument.symbol in symbols),
        Cast(
            agents=tuple(agent for agent in cast.agents if is_inside(agent.name, agent.symbols, symbols)),
            populations=tuple(population for population in cast.populations if population.symbol in symbols),
            values=tuple(value for value in cast.values if value.symbol in symbols),
            events=tuple(event for event in cast.events if event.event.symbol in symbols),
        ),
    )


def is_inside(agent: str, traded: Collection[str], symbols: Collection[str]) -> bool:
    """Whether an agent that trades `traded` belongs to the group of `symbols`; raises InvalidInput if only in part."""
    inside = sorted(symbol for symbol in traded if symbol in symbols)
    outside = sorted(symbol for symbol in traded if symbol not in symbols)
    if inside and outside:
        both = f"{', '.join(inside)} inside the group and {', '.join(outside)} outside"
        raise InvalidInput(f"agent {agent} trades {both}: one engine must own the clock of all that an agent trades")
    return bool(inside)
