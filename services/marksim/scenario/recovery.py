"""What becomes of a scenario's agents when the engine that plays them is killed and started again."""

from dataclasses import dataclass
from typing import Final

from marksim.core.agents.restorable import is_restorable
from marksim.core.agents.spec import AgentSpec, Cast
from marksim.core.sim.inputs import LIMIT_BYTES
from marksim.core.types import NS_PER_S
from marksim.scenario.schema import Scenario

TICK_BYTES: Final = 40
EVENT_BYTES: Final = 60
"""What a tick, and an event of an own order with what was sent for it, take in the log of inputs; packed they vary."""
PACES: Final = ("interval_s", "requote_s")
"""Parameters that say how often somebody acts."""
_EVENTS_AN_ACTION: Final = 2
"""An order is taken, and ends."""
_ACTIONS_PER_S: Final = 1.0
"""Of an agent whose parameters do not say."""


@dataclass(frozen=True, slots=True)
class Log:
    """The log of inputs of agents that are re-run: at most so many ticks and events of own orders a simulated second."""

    ticks_per_s: float
    events_per_s: float

    @property
    def full_after_s(self) -> float:
        """Simulated seconds until it holds what an engine keeps by default."""
        return LIMIT_BYTES / (TICK_BYTES * self.ticks_per_s + EVENT_BYTES * self.events_per_s)


@dataclass(frozen=True, slots=True)
class Recovery:
    """Names of the scenario's entries by what becomes of them."""

    restored: tuple[str, ...]
    """From their state, populations included."""
    rerun: tuple[str, ...]
    """From the log of their inputs, until that is full; then they start afresh as well."""
    ephemeral: tuple[str, ...]
    """Afresh, their orders cancelled."""
    log: Log | None
    """None where nobody needs one."""


def recovery_of(scenario: Scenario, cast: Cast) -> Recovery:
    """What becomes of whom."""
    restored, rerun, ephemeral = list[str](), list[str](), list[str]()
    specs = {spec.name: spec for spec in cast.agents}
    logged: list[AgentSpec] = []
    for agent in scenario.agents:
        alike = [specs[name] for name in agent.names()]
        if not alike:
            continue
        name = agent.name if len(alike) == 1 else f"{agent.name} ({len(alike):,})"
        if agent.ephemeral:
            ephemeral.append(name)
        elif is_restorable(alike[0].run):
            restored.append(name)
        else:
            rerun.append(name)
            logged += alike
    restored += [population.name for population in cast.populations]
    log = _log_of(logged, scenario.lookahead_ns) if logged else None
    return Recovery(tuple(restored), tuple(rerun), tuple(ephemeral), log)


def pace_of(parameters: object) -> float | None:
    """Seconds between two actions of a party; None where its parameters do not say."""
    pace: float | None = next((getattr(parameters, name) for name in PACES if hasattr(parameters, name)), None)
    return pace


def _log_of(agents: list[AgentSpec], lookahead_ns: int) -> Log:
    """The ticks of a symbol stand there once, whoever looks at them: at most one a window."""
    symbols = {symbol for agent in agents for symbol in agent.symbols}
    paces = (pace_of(agent.parameters) for agent in agents)
    actions_per_s = sum(1.0 / pace if pace else _ACTIONS_PER_S for pace in paces)
    return Log(len(symbols) * NS_PER_S / lookahead_ns, _EVENTS_AN_ACTION * actions_per_s)
