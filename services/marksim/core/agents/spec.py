"""Who takes part in a market, as a resolved scenario says it: coroutines, populations, values and events."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from marksim.core.agents.latency import Latency
from marksim.core.agents.restorable import Restorable

RestorableAgent = Callable[..., Restorable]
"""A class of agents that survive a crash, made as `Agent(market)` or `Agent(market, parameters)`."""
AgentFunction = Callable[..., Coroutine[Any, Any, None]] | RestorableAgent
"""`async def agent(market)` or, with a dataclass of parameters, `async def agent(market, parameters)`; or such a class."""


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """One agent; `account` is its place in the scenario, from 1, also where only some of its agents run."""

    account: int
    name: str
    type: str
    symbols: tuple[str, ...]
    """The first is meant where the agent names none."""
    order_latency: Latency
    feed_latency: Latency
    parameters: Any
    """The dataclass of the type's parameters; None where it takes none."""
    run: AgentFunction
    provides_liquidity: bool = False
    """Whether a liquidity withdrawal takes it out of the market for a while."""
    ephemeral: bool = False
    """Whether it starts afresh after a crash, its orders cancelled, instead of going on as if nothing had happened."""


@dataclass(frozen=True, slots=True)
class PopulationSpec:
    """Many traders of one behaviour, played as arrays. `account` is that of the first; the others follow it."""

    account: int
    name: str
    type: str
    traders: int
    symbol: str
    order_latency: Latency
    feed_latency: Latency
    parameters: Any


@dataclass(frozen=True, slots=True)
class ValueSpec:
    """The fundamental value of a symbol, which no book sees: Ornstein-Uhlenbeck around the reference, and rare jumps."""

    symbol: str
    sd_ticks: float = 6.2
    """Standard deviation of its change over a square root of a simulated second."""
    half_life_s: float = 14_400.0
    jumps_per_s: float = 0.0
    jump_ticks: float = 0.0
    """Scale of a jump: that times a Student t variate of 3 degrees of freedom."""


@dataclass(frozen=True, slots=True)
class NewsShock:
    """The fundamental value, and what it reverts to, move at once by so many millionths."""

    symbol: str
    change_ppm: int


@dataclass(frozen=True, slots=True)
class Halt:
    """Trading stops; it resumes with the auction that the instrument has after a halt."""

    symbol: str
    duration_ns: int


@dataclass(frozen=True, slots=True)
class FatFinger:
    """One market order far too large, of account 0."""

    symbol: str
    sell: bool
    quantity_lots: int


@dataclass(frozen=True, slots=True)
class LiquidityWithdrawal:
    """A share of those who provide liquidity cancel all they have and stay away for a while."""

    symbol: str
    duration_ns: int
    share_ppm: int = 1_000_000


@dataclass(frozen=True, slots=True)
class FlashCrash:
    """Liquidity is withdrawn while account 0 sells `quantity_lots` in equal market orders, one every `interval_ns`."""

    symbol: str
    quantity_lots: int
    duration_ns: int
    interval_ns: int = 200_000_000
    share_ppm: int = 700_000


MarketEvent = NewsShock | Halt | FatFinger | LiquidityWithdrawal | FlashCrash


@dataclass(frozen=True, slots=True)
class ScheduledEvent:
    """It happens at `time_ns`."""

    time_ns: int
    event: MarketEvent


@dataclass(frozen=True, slots=True)
class Cast:
    """All who take part in one market or one group of its symbols, in the order of the scenario."""

    agents: tuple[AgentSpec, ...] = ()
    populations: tuple[PopulationSpec, ...] = ()
    values: tuple[ValueSpec, ...] = ()
    events: tuple[ScheduledEvent, ...] = ()
