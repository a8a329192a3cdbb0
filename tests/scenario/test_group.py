"""The part of a scenario that one engine runs."""

import pytest

from marksim.core.errors import InvalidInput
from marksim.scenario import load_scenario
from marksim.scenario.group import group_of, is_inside


def test_a_group_has_its_symbols_and_their_agents_with_their_accounts() -> None:
    """An agent's account is its place in the whole scenario."""
    scenario = load_scenario("two-symbols", ["agents.whale.symbol=ETH/USD"])
    whole, group = group_of(scenario, ()), group_of(scenario, ["ETH/USD"])
    assert [instrument.symbol for instrument in group.instruments] == ["ETH/USD"]
    assert group.cast.populations == tuple(one for one in whole.cast.populations if one.symbol == "ETH/USD")
    assert [(agent.name, agent.account) for agent in group.cast.agents] == [("whale", len(whole.cast.agents))]
    # What trades BTC/USD comes before, each trader with an account.
    before = sum(one.traders for one in whole.cast.populations if one.symbol == "BTC/USD")
    assert group.cast.populations[0].account == 1 + len(whole.cast.agents) + before
    assert [value.symbol for value in group.cast.values] == ["ETH/USD"]


def test_an_unknown_symbol_is_refused() -> None:
    """With what there is."""
    with pytest.raises(InvalidInput, match="does not trade 'DOGE/USD' but BTC/USD, ETH/USD"):
        group_of(load_scenario("two-symbols"), ["BTC/USD", "DOGE/USD"])


def test_an_agent_that_crosses_groups_is_refused() -> None:
    """By its name, with what it trades inside and outside."""
    assert is_inside("maker", {"A/USD"}, {"A/USD", "B/USD"})
    assert not is_inside("maker", {"C/USD"}, {"A/USD", "B/USD"})
    with pytest.raises(InvalidInput, match="agent spread trades A/USD inside the group and C/USD outside"):
        is_inside("spread", {"C/USD", "A/USD"}, {"A/USD", "B/USD"})
