"""Populations: the behaviours of agents, as many traders each, played in compiled code. One file a behaviour."""

from dataclasses import astuple, dataclass
from typing import Any, Final

from marksim.core.agents.spec import PopulationSpec
from marksim.core.populations import acting
from marksim.core.populations.hawkes import Hawkes
from marksim.core.populations.imbalance import Imbalance
from marksim.core.populations.informed import Informed
from marksim.core.populations.liquidity_provider import LiquidityProvider
from marksim.core.populations.market_maker import MarketMaker
from marksim.core.populations.mean_reversion import MeanReversion
from marksim.core.populations.memory import Casting
from marksim.core.populations.momentum import Momentum
from marksim.core.populations.noise import Noise
from marksim.core.populations.splitters import Splitters
from marksim.core.populations.stop_loss import StopLoss
from marksim.core.populations.zero_intelligence import ZeroIntelligence


@dataclass(frozen=True, slots=True)
class PopulationType:
    """A behaviour: the dataclass of its parameters, of which the first is always `interval_s`, and its number in
    acting.py.
    """

    parameters: type[Any]
    behaviour: int
    provides_liquidity: bool = False


POPULATION_TYPES: Final[dict[str, PopulationType]] = {
    "noise": PopulationType(Noise, int(acting.NOISE)),
    "zero_intelligence": PopulationType(ZeroIntelligence, int(acting.ZERO_INTELLIGENCE)),
    "informed": PopulationType(Informed, int(acting.INFORMED)),
    "momentum": PopulationType(Momentum, int(acting.MOMENTUM)),
    "mean_reversion": PopulationType(MeanReversion, int(acting.MEAN_REVERSION)),
    "imbalance": PopulationType(Imbalance, int(acting.IMBALANCE)),
    "market_maker": PopulationType(MarketMaker, int(acting.MARKET_MAKER), provides_liquidity=True),
    "liquidity_provider": PopulationType(LiquidityProvider, int(acting.LIQUIDITY_PROVIDER), provides_liquidity=True),
    "hawkes": PopulationType(Hawkes, int(acting.HAWKES)),
    "splitters": PopulationType(Splitters, int(acting.SPLITTERS)),
    "stop_loss": PopulationType(StopLoss, int(acting.STOP_LOSS)),
}


def casting_of(spec: PopulationSpec) -> Casting:
    """A population with the number of its behaviour and its parameters in the order of their dataclass."""
    kind = POPULATION_TYPES[spec.type]
    parameters = tuple(float(value) for value in astuple(spec.parameters))
    return Casting(spec, kind.behaviour, parameters, kind.provides_liquidity)
