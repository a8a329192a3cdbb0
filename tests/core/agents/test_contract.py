"""What every type of agent keeps to, whatever it is named for: an hour with a halt and an auction in its middle."""

import hashlib
import re
import sys
from collections.abc import Awaitable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from marksim.core.agents import AGENT_TYPES, AgentFunction, Market
from marksim.core.agents.arbitrage import Arbitrage
from marksim.core.agents.bounds import OneOf
from marksim.core.agents.informed import Informed, InformedAgent
from marksim.core.agents.liquidity_provider import LiquidityProvider, LiquidityProviderAgent
from marksim.core.agents.noise import Noise, NoiseAgent
from marksim.core.agents.spec import RestorableAgent, ValueSpec
from marksim.core.agents.whale import Whale
from marksim.core.types import NS_PER_MINUTE, ExecutionKind, Reason, SessionState
from tests.core.agents.played import ETH, ETH_BTC, Played, Player, play
from tests.core.sim.worlds import BTC

AGENTS_PAGE = Path(__file__).resolve().parents[3] / "docs" / "agents.md"
HOUR_S = 3_600
SESSIONS = (
    (0, SessionState.CONTINUOUS),
    (25 * NS_PER_MINUTE, SessionState.HALTED),
    (32 * NS_PER_MINUTE, SessionState.OPENING_AUCTION),
    (35 * NS_PER_MINUTE, SessionState.CONTINUOUS),
)
TRADED = [replace(instrument, sessions=SESSIONS) for instrument in (BTC, ETH, ETH_BTC)]
EAGER: dict[str, Any] = {
    "whale": Whale(first_pause_s=1.0, pause_s=60.0),
    "arbitrage": Arbitrage(mean_memory_s=120.0),  # nothing ties the two symbols together here
}
"""Parameters for those that by default seldom do anything in an hour."""


class _OwnOnly:
    """A market that passes everything on and remembers what was sent: no other order may be cancelled."""

    def __init__(self, market: Any) -> None:
        self._market = market
        self._sent: set[tuple[str, int]] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._market, name)

    def _remembered(self, order: Any) -> Any:
        self._sent.add((order.symbol, order.serial))
        return order

    def limit(self, *args: Any, **terms: Any) -> Any:
        return self._remembered(self._market.limit(*args, **terms))

    def market(self, *args: Any, **terms: Any) -> Any:
        return self._remembered(self._market.market(*args, **terms))

    def stop(self, *args: Any, **terms: Any) -> Any:
        return self._remembered(self._market.stop(*args, **terms))

    def cancel(self, order: Any) -> Awaitable[Any]:
        assert (order.symbol, order.serial) in self._sent
        return self._market.cancel(order)


def _watched(agent: RestorableAgent) -> AgentFunction:
    async def watched(market: Market, parameters: Any) -> None:
        await agent(_OwnOnly(market), parameters).run()

    return watched


def _play(kind: str, parameters: Any, seconds: float) -> Played:
    """An agent of this type among slow providers, noise and who knows a value, in as many symbols as it needs."""
    traded = TRADED[: AGENT_TYPES[kind].symbols]
    players = [Player("watched", _watched(AGENT_TYPES[kind].run), parameters)]
    for instrument in traded:
        symbols = (instrument.symbol,)
        provider = LiquidityProvider(requote_s=5.0)
        players.append(Player(f"provider of {instrument.symbol}", LiquidityProviderAgent, provider, symbols))
        players.append(Player(f"noise of {instrument.symbol}", NoiseAgent, Noise(interval_s=3.0, market_share=0.4), symbols))
        players.append(Player(f"informed of {instrument.symbol}", InformedAgent, Informed(interval_s=5.0), symbols))
    # Prices wander by some 0.3 % in the hour, so that there is something to follow, to fade and to even out.
    values = [ValueSpec(one.symbol, sd_ticks=6e-5 * one.reference_price_ticks) for one in traded]
    return play(players, seconds, instruments=traded, values=values)


def _hour(kind: str) -> Played:
    return _play(kind, _usual(kind), HOUR_S)


def _usual(kind: str) -> Any:
    return EAGER.get(kind) or AGENT_TYPES[kind].parameters()


def _extremes(kind: str) -> Iterator[tuple[str, Any]]:
    """Its parameters, each in turn at either end of its range or at each of its names."""
    usual = _usual(kind)
    for field, hint in get_type_hints(type(usual), include_extras=True).items():
        allowed = hint.__metadata__[0]
        whole = isinstance(getattr(usual, field), int)
        ends = allowed.names if isinstance(allowed, OneOf) else (allowed.least, allowed.most)
        for end in ends:
            yield f"{field}={end}", replace(usual, **{field: int(end) if whole else end})


def _tape(played: Played) -> str:
    digest = hashlib.sha256()
    for window in played.windows:
        digest.update(window.output.executions.tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize("kind", AGENT_TYPES)
def test_it_outlasts_a_halt_and_an_auction_and_plays_the_same_again(kind: str) -> None:
    """It does not fail, sends orders before and after, none into the halt or into an auction that refuses them, and
    cancels only its own; the same seed gives the same tape."""
    played = _hour(kind)
    orders = played.of("watched", ExecutionKind.ACCEPTED)
    assert len(orders)
    minutes = (orders["time_ns"] // NS_PER_MINUTE).tolist()
    assert min(minutes) < 25
    assert max(minutes) >= 35
    rejected = played.of("watched", ExecutionKind.REJECTED)
    # What is on its way when the state changes is refused: a few orders at each change, and for no other reason.
    assert set(rejected["reason"].tolist()) <= {Reason.MARKET_CLOSED}
    assert len(rejected) <= 4
    assert _tape(_hour(kind)) == _tape(played)


@pytest.mark.parametrize("kind", AGENT_TYPES)
def test_no_parameter_within_its_range_makes_it_fail(kind: str) -> None:
    """At either end of each range it plays on; `play` says which agent failed, and the note with which parameters."""
    for what, parameters in _extremes(kind):
        try:
            _play(kind, parameters, 10)
        except AssertionError as error:
            error.add_note(what)
            raise


@pytest.mark.parametrize("kind", AGENT_TYPES)
def test_it_is_documented_with_its_source(kind: str) -> None:
    """The file's docstring names a paper or book with its year, and that of the parameters their units."""
    parameters = AGENT_TYPES[kind].parameters
    module = sys.modules[parameters.__module__]
    assert re.search(r"\b(19|20)\d\d\b", module.__doc__ or "")
    assert re.match(rf"Parameters of `{kind}`\..* in ", parameters.__doc__ or "")


def test_the_documentation_lists_every_type() -> None:
    """One row each in docs/agents.md, in the order of the table of types, linked to its file."""
    listed = re.findall(r"^\| \[(\w+)\]\(\.\./services/marksim/core/agents/\1\.py\)", AGENTS_PAGE.read_text(), re.MULTILINE)
    assert listed == list(AGENT_TYPES)


def test_those_who_provide_liquidity_are_known() -> None:
    """A withdrawal of liquidity takes these out and no others."""
    providing = {kind for kind, described in AGENT_TYPES.items() if described.provides_liquidity}
    assert providing == {"market_maker", "liquidity_provider"}
