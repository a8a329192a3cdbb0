"""What a driver drives: agents and populations, or what was recorded of them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from marksim.core.agents.spec import MarketEvent
from marksim.core.sim.engine import AgentFailure, SymbolOutcome
from marksim.core.types import Records


class Market(Protocol):
    """One run's source of commands, window by window. AsyncTimeEngine is one."""

    @property
    def start_ns(self) -> int: ...
    @property
    def lookahead_ns(self) -> int: ...
    @property
    def now_ns(self) -> int: ...
    @property
    def running(self) -> str | None:
        """Name of the agent that is being resumed; None where none is."""
        ...

    @property
    def symbols(self) -> Sequence[str]: ...
    @property
    def agents(self) -> int:
        """How many there are, those that failed included."""
        ...

    @property
    def traders(self) -> int:
        """Of all populations."""
        ...

    @property
    def orders_sent(self) -> int: ...
    @property
    def crowd_orders(self) -> int:
        """Those of them that populations sent."""
        ...

    @property
    def queued(self) -> int:
        """Events and commands that wait."""
        ...

    @property
    def failures(self) -> Sequence[AgentFailure]: ...
    @property
    def ephemeral(self) -> tuple[str, ...]:
        """Agents that begin afresh after a crash."""
        ...

    @property
    def absent(self) -> tuple[str, ...]:
        """Those of them that have not begun yet since then."""
        ...

    @property
    def is_between_windows(self) -> bool:
        """Whether the last one that was sent has its answer."""
        ...

    def wake(self, window: int) -> None:
        """Run whoever is due in a window."""
        ...

    def gather(self, window: int) -> dict[str, Records]:
        """Its commands by symbol, dtype COMMAND."""
        ...

    def tell(self, window: int, outcomes: Mapping[str, SymbolOutcome]) -> None:
        """Take what it did."""
        ...

    def learn(self, window: int) -> None:
        """Let agents hear of it."""
        ...

    def inject(self, event: MarketEvent) -> int:
        """Let an event happen in the next window that has not begun; that window."""
        ...

    def restart(self, names: Iterable[str]) -> None:
        """Let agents begin afresh."""
        ...

    def close(self) -> None:
        """Nothing is asked of it any more."""
        ...
