"""Small worlds for tests of the engine: an instrument, agents made from functions, and a run over the books."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from unittest.mock import patch

from marksim.core.agents import AGENT_TYPES, AgentSpec, AgentType
from marksim.core.agents.market import AgentFunction
from marksim.core.sim.simulation import Simulation, SymbolWindow
from marksim.core.types import Instrument

MS = 1_000_000
S = 1_000 * MS
BTC = Instrument("BTC/USD", "BTC", "USD", Fraction(1, 2), Fraction(1, 1000), 100_000, 1, 400_000)


@dataclass(frozen=True)
class Nothing:
    """No parameters."""


@contextmanager
def world(
    agents: Sequence[tuple[str, AgentFunction]],
    *,
    order_ms: int = 20,
    feed_ms: int = 30,
    seed: int = 1,
    instrument: Instrument = BTC,
) -> Iterator[Simulation]:
    """A simulation of these agents; their types are known only inside."""
    types = {name: AgentType(Nothing, run) for name, run in agents}
    specs = [
        AgentSpec(account, name, name, "BTC/USD", order_ms * MS, feed_ms * MS, Nothing())
        for account, (name, _) in enumerate(agents, start=1)
    ]
    with patch.dict(AGENT_TYPES, types):
        simulation = Simulation([instrument], specs, seed=seed, start_ns=0, lookahead_ns=50 * MS)
        try:
            yield simulation
        finally:
            simulation.engine.close()


def run(simulation: Simulation, seconds: float) -> list[SymbolWindow]:
    """Everything that happens until then."""
    return list(simulation.run(int(seconds * S)))
