"""The scenarios that come with the package."""

import pytest

from marksim.core.sim.simulation import Simulation
from marksim.core.types import NS_PER_S
from marksim.scenario import load_scenario
from marksim.scenario.loading import ready_scenarios


def tape_of(name: str, symbol: str, seconds: int) -> list[bytes]:
    """Everything that happens to a symbol until then."""
    scenario = load_scenario(name, seed=5)
    simulation = Simulation(
        scenario.instruments(),
        scenario.agent_specs(),
        seed=scenario.seed,
        start_ns=scenario.start_ns,
        lookahead_ns=scenario.lookahead_ns,
    )
    windows = simulation.run(scenario.start_ns + seconds * NS_PER_S)
    tape = [one.output.executions.tobytes() for one in windows if one.symbol == symbol]
    assert simulation.engine.failures == []
    return tape


@pytest.mark.parametrize("name", ready_scenarios())
def test_a_ready_scenario_is_found_under_its_own_name(name: str) -> None:
    """So that what GetStatus says can be given to --scenario."""
    assert load_scenario(name).name == name


def test_two_symbols_trade_side_by_side() -> None:
    """BTC/USD as in `default`, to the byte, whoever trades ETH/USD beside it; and that trades too."""
    bitcoin = tape_of("two-symbols", "BTC/USD", 60)
    assert len(bitcoin) > 200
    assert bitcoin == tape_of("default", "BTC/USD", 60)
    assert len(tape_of("two-symbols", "ETH/USD", 60)) > 200
