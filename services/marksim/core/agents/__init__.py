"""Agents: what trades. One file an agent, and the table of their names that scenarios use."""

from marksim.core.agents.informed import Informed, informed
from marksim.core.agents.market import AgentSpec, AgentType, Market
from marksim.core.agents.market_maker import MarketMaker, market_maker
from marksim.core.agents.momentum import Momentum, momentum
from marksim.core.agents.noise import Noise, noise
from marksim.core.agents.whale import Whale, whale

AGENT_TYPES: dict[str, AgentType] = {
    "market_maker": AgentType(MarketMaker, market_maker),
    "noise": AgentType(Noise, noise),
    "informed": AgentType(Informed, informed),
    "momentum": AgentType(Momentum, momentum),
    "whale": AgentType(Whale, whale),
}

__all__ = ["AGENT_TYPES", "AgentSpec", "AgentType", "Market"]
