"""What a market can run until."""

from collections.abc import Mapping

import numpy as np
import pytest

from marksim.core.sim.engine import AgentFailure, SymbolOutcome
from marksim.core.types import EXECUTION, ExecutionKind, SessionState
from marksim.engine.until import Awaited, Kind
from marksim.scenario import load_scenario

INSTRUMENTS = {one.symbol: one for one in load_scenario("two-symbols").instruments()}
BTC = {"BTC/USD": INSTRUMENTS["BTC/USD"]}


def outcome(*rows: tuple[ExecutionKind, int, SessionState]) -> SymbolOutcome:
    """What a window did: (kind, price in ticks, session) of each order event."""
    executions = np.zeros(len(rows), EXECUTION)
    for number, (kind, price, session) in enumerate(rows):
        executions[number]["kind"], executions[number]["price_ticks"] = kind, price
        executions[number]["session_state"] = session
    return SymbolOutcome(executions, None)


def trades(*prices: int) -> SymbolOutcome:
    return outcome(*((ExecutionKind.TRADED, price, SessionState.CONTINUOUS) for price in prices))


QUIET = outcome((ExecutionKind.ACCEPTED, 110_000, SessionState.CONTINUOUS))
HALT = outcome((ExecutionKind.SESSION_CHANGED, 0, SessionState.HALTED))


@pytest.mark.parametrize(
    ("awaited", "outcomes", "said"),
    [
        (Awaited(Kind.TRADE, INSTRUMENTS), {"ETH/USD": trades(250_000)}, "ETH/USD traded at"),
        (Awaited(Kind.TRADE, BTC), {"ETH/USD": trades(250_000)}, ""),
        (Awaited(Kind.TRADE, BTC), {"BTC/USD": QUIET}, ""),
        (Awaited(Kind.TRADE, BTC), {}, ""),
        (Awaited(Kind.SESSION_CHANGE, BTC), {"BTC/USD": HALT}, "BTC/USD went to HALTED"),
        (Awaited(Kind.SESSION_CHANGE, BTC), {"BTC/USD": trades(1)}, ""),
        (
            Awaited(Kind.PRICE_AT_OR_ABOVE, BTC, 100_000),
            {"BTC/USD": trades(99_999, 100_000, 7)},
            "BTC/USD traded at 50000.00",
        ),
        (Awaited(Kind.PRICE_AT_OR_ABOVE, BTC, 100_000), {"BTC/USD": trades(99_999)}, ""),
        (Awaited(Kind.PRICE_AT_OR_BELOW, BTC, 100_000), {"BTC/USD": trades(100_001, 99_998)}, "BTC/USD traded at 49999.00"),
        (Awaited(Kind.PRICE_AT_OR_BELOW, BTC, 100_000), {"BTC/USD": trades(100_001)}, ""),
        (Awaited(Kind.AGENT_FAILURE, INSTRUMENTS), {"BTC/USD": trades(1)}, ""),
    ],
)
def test_the_first_that_fits_is_said(awaited: Awaited, outcomes: Mapping[str, SymbolOutcome], said: str) -> None:
    """With its symbol and in its units; nothing where the window has none."""
    found = awaited.met(outcomes, ())
    assert found.startswith(said) and bool(found) == bool(said)


def test_an_agent_that_failed_is_named() -> None:
    """With what it raised."""
    failure = AgentFailure("whale-1", 0, 1, ZeroDivisionError("by zero"))
    said = Awaited(Kind.AGENT_FAILURE, INSTRUMENTS).met({}, (failure,))
    assert said == "agent whale-1 failed: ZeroDivisionError('by zero')"


@pytest.mark.parametrize(
    ("awaited", "words"),
    [
        (Awaited(Kind.TRADE, INSTRUMENTS), "a trade in any symbol"),
        (Awaited(Kind.SESSION_CHANGE, BTC), "a change of session of BTC/USD"),
        (Awaited(Kind.PRICE_AT_OR_ABOVE, BTC, 100_001), "a trade in BTC/USD at 50000.50 or above"),
        (Awaited(Kind.PRICE_AT_OR_BELOW, BTC, 100_001), "a trade in BTC/USD at 50000.50 or below"),
        (Awaited(Kind.AGENT_FAILURE, INSTRUMENTS), "an agent that fails"),
    ],
)
def test_what_is_awaited_reads_as_words(awaited: Awaited, words: str) -> None:
    """For the status, prices in the instrument's units."""
    assert str(awaited) == words
