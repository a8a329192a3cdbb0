"""Agents: what trades. One file an agent, and the table of their names that scenarios use."""

from dataclasses import dataclass
from typing import Any

from marksim.core.agents.arbitrage import Arbitrage, ArbitrageAgent
from marksim.core.agents.hawkes import Hawkes, HawkesAgent
from marksim.core.agents.imbalance import Imbalance, ImbalanceAgent
from marksim.core.agents.informed import Informed, InformedAgent
from marksim.core.agents.liquidity_provider import LiquidityProvider, LiquidityProviderAgent
from marksim.core.agents.market import Market
from marksim.core.agents.market_maker import MarketMaker, MarketMakerAgent
from marksim.core.agents.mean_reversion import MeanReversion, MeanReversionAgent
from marksim.core.agents.momentum import Momentum, MomentumAgent
from marksim.core.agents.noise import Noise, NoiseAgent
from marksim.core.agents.restorable import Restorable
from marksim.core.agents.spec import AgentFunction, AgentSpec, Cast, RestorableAgent
from marksim.core.agents.stop_loss import StopLoss, StopLossAgent
from marksim.core.agents.trend import Trend, TrendAgent
from marksim.core.agents.triangular_arbitrage import TriangularArbitrage, TriangularArbitrageAgent
from marksim.core.agents.whale import Whale, WhaleAgent
from marksim.core.agents.zero_intelligence import ZeroIntelligence, ZeroIntelligenceAgent


@dataclass(frozen=True, slots=True)
class AgentType:
    """A kind of agent: the dataclass of its parameters and the class that plays it."""

    parameters: type[Any]
    run: RestorableAgent
    provides_liquidity: bool = False
    """Whether a liquidity withdrawal takes it out of the market for a while."""
    symbols: int = 1
    """How many symbols one of it trades."""


AGENT_TYPES: dict[str, AgentType] = {
    "market_maker": AgentType(MarketMaker, MarketMakerAgent, provides_liquidity=True),
    "liquidity_provider": AgentType(LiquidityProvider, LiquidityProviderAgent, provides_liquidity=True),
    "noise": AgentType(Noise, NoiseAgent),
    "zero_intelligence": AgentType(ZeroIntelligence, ZeroIntelligenceAgent),
    "informed": AgentType(Informed, InformedAgent),
    "momentum": AgentType(Momentum, MomentumAgent),
    "trend": AgentType(Trend, TrendAgent),
    "mean_reversion": AgentType(MeanReversion, MeanReversionAgent),
    "imbalance": AgentType(Imbalance, ImbalanceAgent),
    "whale": AgentType(Whale, WhaleAgent),
    "arbitrage": AgentType(Arbitrage, ArbitrageAgent, symbols=2),
    "triangular_arbitrage": AgentType(TriangularArbitrage, TriangularArbitrageAgent, symbols=3),
    "hawkes": AgentType(Hawkes, HawkesAgent),
    "stop_loss": AgentType(StopLoss, StopLossAgent),
}

__all__ = ["AGENT_TYPES", "AgentFunction", "AgentSpec", "AgentType", "Cast", "Market", "Restorable"]
