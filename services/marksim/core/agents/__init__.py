"""Agents: what trades. One file an agent, and the table of their names that scenarios use."""

from dataclasses import dataclass
from typing import Any

from marksim.core.agents.arbitrage import Arbitrage, arbitrage
from marksim.core.agents.hawkes import Hawkes, hawkes
from marksim.core.agents.imbalance import Imbalance, imbalance
from marksim.core.agents.informed import Informed, informed
from marksim.core.agents.liquidity_provider import LiquidityProvider, liquidity_provider
from marksim.core.agents.market import Market
from marksim.core.agents.market_maker import MarketMaker, market_maker
from marksim.core.agents.mean_reversion import MeanReversion, mean_reversion
from marksim.core.agents.momentum import Momentum, momentum
from marksim.core.agents.noise import Noise, noise
from marksim.core.agents.spec import AgentFunction, AgentSpec, Cast
from marksim.core.agents.stop_loss import StopLoss, stop_loss
from marksim.core.agents.trend import Trend, trend
from marksim.core.agents.triangular_arbitrage import TriangularArbitrage, triangular_arbitrage
from marksim.core.agents.whale import Whale, whale
from marksim.core.agents.zero_intelligence import ZeroIntelligence, zero_intelligence


@dataclass(frozen=True, slots=True)
class AgentType:
    """A kind of agent: the dataclass of its parameters and the coroutine function that plays it."""

    parameters: type[Any]
    run: AgentFunction
    provides_liquidity: bool = False
    """Whether a liquidity withdrawal takes it out of the market for a while."""
    symbols: int = 1
    """How many symbols one of it trades."""


AGENT_TYPES: dict[str, AgentType] = {
    "market_maker": AgentType(MarketMaker, market_maker, provides_liquidity=True),
    "liquidity_provider": AgentType(LiquidityProvider, liquidity_provider, provides_liquidity=True),
    "noise": AgentType(Noise, noise),
    "zero_intelligence": AgentType(ZeroIntelligence, zero_intelligence),
    "informed": AgentType(Informed, informed),
    "momentum": AgentType(Momentum, momentum),
    "trend": AgentType(Trend, trend),
    "mean_reversion": AgentType(MeanReversion, mean_reversion),
    "imbalance": AgentType(Imbalance, imbalance),
    "whale": AgentType(Whale, whale),
    "arbitrage": AgentType(Arbitrage, arbitrage, symbols=2),
    "triangular_arbitrage": AgentType(TriangularArbitrage, triangular_arbitrage, symbols=3),
    "hawkes": AgentType(Hawkes, hawkes),
    "stop_loss": AgentType(StopLoss, stop_loss),
}

__all__ = ["AGENT_TYPES", "AgentFunction", "AgentSpec", "AgentType", "Cast", "Market"]
