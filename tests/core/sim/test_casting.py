"""A cast that does not fit its instruments is refused before anything runs."""

from dataclasses import replace
from typing import Any

import pytest

from marksim.core.agents import Market
from marksim.core.agents.latency import constant
from marksim.core.agents.spec import Cast, Halt, PopulationSpec, ScheduledEvent, ValueSpec
from marksim.core.errors import InvalidInput
from marksim.core.sim.engine import AsyncTimeEngine
from tests.core.sim.worlds import BTC, MS, spec


async def _idle(market: Market, _: Any) -> None:
    await market.sleep(1)


ONE = spec(1, "one", _idle)
CROWD = PopulationSpec(2, "crowd", "noise", 100, "BTC/USD", constant(0), constant(0), None)


@pytest.mark.parametrize(
    ("cast", "said"),
    [
        (Cast((ONE, replace(ONE, account=2))), "name one stands there twice"),
        (Cast((ONE, replace(ONE, name="two"))), "account 1 stands there twice"),
        (Cast((replace(ONE, symbols=("DOGE/USD",)),)), r"agent one: symbols \('DOGE/USD',\) must be some of BTC/USD"),
        (Cast((replace(ONE, symbols=()),)), "agent one: symbols"),
        (Cast((replace(ONE, symbols=("BTC/USD", "BTC/USD")),)), "agent one: symbols"),
        (Cast((ONE,), (replace(CROWD, symbol="DOGE/USD"),)), "population crowd: DOGE/USD is not among BTC/USD"),
        (Cast((ONE,), (replace(CROWD, account=1),)), "population crowd: accounts from 1 on must be free, from 2 on"),
        (Cast((ONE,), (CROWD, replace(CROWD, name="more", account=101))), "population more: accounts from 101 on must be"),
        (Cast((ONE,), (replace(CROWD, name="one"),)), "name one stands there twice"),
        (Cast(values=(ValueSpec("DOGE/USD"),)), "values: DOGE/USD is not among the instruments"),
        (Cast(values=(ValueSpec("BTC/USD"), ValueSpec("BTC/USD"))), "symbol of values BTC/USD stands there twice"),
        (Cast(events=(ScheduledEvent(1 << 63, Halt("BTC/USD", 1)),)), "time_ns .* of an event is out of range"),
    ],
)
def test_a_cast_that_does_not_fit_is_refused(cast: Cast, said: str) -> None:
    """With who or what it is."""
    with pytest.raises(InvalidInput, match=said):
        AsyncTimeEngine([BTC], cast, seed=1, start_ns=0, lookahead_ns=50 * MS)
