"""What a market can run until, beside a time: the first event of a kind. Looked for at the end of each window."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from marksim.codec import price_text
from marksim.core.sim.engine import AgentFailure, SymbolOutcome
from marksim.core.types import ExecutionKind, Instrument, Records, SessionState


class Kind(Enum):
    """The kinds of events; the numbers are those of RunUntilKind."""

    TRADE = 1
    SESSION_CHANGE = 2
    PRICE_AT_OR_ABOVE = 3
    PRICE_AT_OR_BELOW = 4
    AGENT_FAILURE = 5


@dataclass(frozen=True)
class Awaited:
    """One kind of event, of one symbol or of any."""

    kind: Kind
    instruments: Mapping[str, Instrument]
    """By symbol: those that it is looked for in."""
    price_ticks: int = 0

    def __str__(self) -> str:
        where = " or ".join(self.instruments) if len(self.instruments) == 1 else "any symbol"
        match self.kind:
            case Kind.TRADE:
                return f"a trade in {where}"
            case Kind.SESSION_CHANGE:
                return f"a change of session of {where}"
            case Kind.AGENT_FAILURE:
                return "an agent that fails"
        (instrument,) = self.instruments.values()
        side = "above" if self.kind is Kind.PRICE_AT_OR_ABOVE else "below"
        return f"a trade in {where} at {price_text(self.price_ticks, instrument)} or {side}"

    def plain(self, window: int) -> dict[str, Any]:
        """As plain data, with the window from which on it is looked for."""
        return {
            "kind": self.kind.value,
            "symbols": list(self.instruments),
            "price_ticks": self.price_ticks,
            "window": window,
        }

    @classmethod
    def of(cls, plain: Mapping[str, Any], instruments: Mapping[str, Instrument]) -> "Awaited":
        """What `plain` gave, of these instruments."""
        named = {symbol: instruments[symbol] for symbol in plain["symbols"]}
        return cls(Kind(plain["kind"]), named, plain["price_ticks"])

    def met(self, outcomes: Mapping[str, SymbolOutcome], failures: Sequence[AgentFailure]) -> str:
        """What happened in the window, as a sentence; empty where what is awaited did not."""
        if self.kind is Kind.AGENT_FAILURE:
            return f"agent {failures[0].name} failed: {failures[0].error!r}"[:200] if failures else ""
        for symbol, instrument in self.instruments.items():
            outcome = outcomes.get(symbol)
            if outcome is not None and (said := self._met_in(instrument, outcome.executions)):
                return f"{symbol} {said}"
        return ""

    def _met_in(self, instrument: Instrument, executions: Records) -> str:
        if self.kind is Kind.SESSION_CHANGE:
            changes = executions[executions["kind"] == ExecutionKind.SESSION_CHANGED]
            return f"went to {SessionState(changes['session_state'][0]).name}" if len(changes) else ""
        prices = executions["price_ticks"][executions["kind"] == ExecutionKind.TRADED]
        if self.kind is Kind.PRICE_AT_OR_ABOVE:
            prices = prices[prices >= self.price_ticks]
        elif self.kind is Kind.PRICE_AT_OR_BELOW:
            prices = prices[prices <= self.price_ticks]
        return f"traded at {price_text(int(prices[0]), instrument)}" if np.size(prices) else ""
