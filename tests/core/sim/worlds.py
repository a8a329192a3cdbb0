"""Small worlds for tests of the engine: instruments, agents made from functions, and a run over the books."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction

from marksim.core.agents.latency import Latency, constant
from marksim.core.agents.spec import AgentFunction, AgentSpec, Cast, ScheduledEvent, ValueSpec
from marksim.core.sim.simulation import Simulation
from marksim.core.types import Instrument
from tests.core.sim.windows import SymbolWindow, windows

MS = 1_000_000
S = 1_000 * MS
BTC = Instrument("BTC/USD", "BTC", "USD", Fraction(1, 2), Fraction(1, 1000), 100_000, 1, 400_000)
ETH = replace(BTC, symbol="ETH/USD", base_asset="ETH", tick_size=Fraction(1, 100), reference_price_ticks=200_000)


@dataclass(frozen=True)
class Nothing:
    """No parameters."""


def spec(
    account: int,
    name: str,
    run: AgentFunction,
    *,
    symbols: tuple[str, ...] = ("BTC/USD",),
    order: Latency | None = None,
    feed: Latency | None = None,
    provides_liquidity: bool = False,
) -> AgentSpec:
    """One agent of 20 ms to the book and 30 ms back, where nothing else is said."""
    order, feed = order or constant(20 * MS), feed or constant(30 * MS)
    return AgentSpec(account, name, name, symbols, order, feed, Nothing(), run, provides_liquidity)


@contextmanager
def world(
    agents: Sequence[tuple[str, AgentFunction]],
    *,
    order_ms: int = 20,
    feed_ms: int = 30,
    seed: int = 1,
    instrument: Instrument = BTC,
    value: ValueSpec | None = None,
    events: tuple[ScheduledEvent, ...] = (),
) -> Iterator[Simulation]:
    """A simulation of these agents, in one symbol."""
    order, feed = constant(order_ms * MS), constant(feed_ms * MS)
    specs = tuple(spec(account, name, run, order=order, feed=feed) for account, (name, run) in enumerate(agents, start=1))
    with cast_world(Cast(specs, values=(value,) if value else (), events=events), [instrument], seed=seed) as simulation:
        yield simulation


@contextmanager
def cast_world(cast: Cast, instruments: Sequence[Instrument] = (BTC,), *, seed: int = 1) -> Iterator[Simulation]:
    """A simulation of a cast in windows of 50 ms."""
    simulation = Simulation(instruments, cast, seed=seed, start_ns=0, lookahead_ns=50 * MS)
    try:
        yield simulation
    finally:
        simulation.engine.close()


def run(simulation: Simulation, seconds: float) -> list[SymbolWindow]:
    """Everything that happens until then."""
    return list(windows(simulation, int(seconds * S)))
