"""All who take part: agents, populations, values, and their accounts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from marksim.core.agents.latency import constant
from marksim.core.agents.spec import ValueSpec
from marksim.core.errors import InvalidInput
from marksim.scenario import load_scenario
from marksim.scenario.group import group_of
from tests.scenario.crowds import Crowd, crowd_type
from tests.scenario.files import TINY, TWO, write

BOTH = "symbols: [ETH/USD, BTC/USD]"


@pytest.fixture(autouse=True)
def _crowd() -> Iterator[None]:
    with crowd_type():
        yield


def refused(text: str, folder: Path, *overrides: str) -> str:
    with pytest.raises(InvalidInput) as caught:
        load_scenario(write(folder, text), overrides)
    return caught.value.message


def test_accounts_follow_one_another(tmp_path: Path) -> None:
    """Agents from 1 on in the order of the file, then as many for each population as it has traders."""
    path = write(
        tmp_path,
        f"""{TWO}populations:
  - {{name: small, type: crowd, traders: 1000, symbol: BTC/USD, latency: {{order_us: 7}}, params: {{interval_s: 3}}}}
  - {{name: large, type: crowd, traders: 1000000}}
agents:
  - {{name: a, type: noise, count: 2}}
  - {{name: none, type: noise, count: 0}}
  - {{name: b, type: noise, symbol: BTC/USD}}
""",
    )
    scenario = load_scenario(path)
    cast = scenario.cast()
    assert [(one.account, one.name, one.symbols) for one in cast.agents] == [
        (1, "a-1", ("ETH/USD",)),
        (2, "a-2", ("ETH/USD",)),
        (3, "b", ("BTC/USD",)),
    ]
    assert [(one.account, one.name, one.traders, one.symbol) for one in cast.populations] == [
        (4, "small", 1_000, "BTC/USD"),
        (1_004, "large", 1_000_000, "ETH/USD"),
    ]
    assert [one.parameters for one in cast.populations] == [Crowd(3.0), Crowd()]
    assert cast.populations[0].order_latency == constant(7_000)
    assert scenario.accounts == 1_001_003


def test_a_population_is_overridden_by_its_name(tmp_path: Path) -> None:
    """As an agent is."""
    path = write(tmp_path, f"{TINY}populations:\n  - {{name: p, type: crowd, traders: 5}}\n")
    scenario = load_scenario(path, ["populations.p.params.interval_s=2", "populations.p.traders=6"])
    (population,) = scenario.cast().populations
    assert (population.parameters, population.traders) == (Crowd(2.0), 6)
    assert scenario.hash != load_scenario(path).hash


def test_the_value_of_a_symbol_is_in_ticks(tmp_path: Path) -> None:
    """Given in price units; what is left out has the default of the package."""
    value = "instruments.ETH/USD.value={volatility: 0.185, half_life_s: 60, jumps_per_s: 0.001, jump: 2}"
    scenario = load_scenario(write(tmp_path, TWO), [value])
    assert scenario.cast().values == (ValueSpec("ETH/USD", 3.7, 60.0, 0.001, 40.0), ValueSpec("BTC/USD"))


def test_what_quotes_provides_liquidity(tmp_path: Path) -> None:
    """As its type says, unless the file says otherwise."""
    agents = (
        "agents: [{name: a, type: market_maker}, {name: b, type: noise}, {name: c, type: noise, provides_liquidity: true}]"
    )
    cast = load_scenario(write(tmp_path, f"{TWO}{agents}\n")).cast()
    assert [agent.provides_liquidity for agent in cast.agents] == [True, False, True]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            "agents: [{name: a, type: noise}]\npopulations: [{name: a, type: crowd, traders: 1}]",
            "populations.a.name: a stands",
        ),
        ("agents: [{name: a, type: noise, count: 2}, {name: a-2, type: noise}]", "agents.a-2.name: a-2 stands there twice"),
        (
            "agents: [{name: a, type: noise, symbol: ETH/USD, symbols: [ETH/USD]}]",
            "symbols: give symbol or symbols, not both",
        ),
        ("agents: [{name: a, type: arbitrage}]", "agents.a.symbols: arbitrage trades 2: give symbols"),
        (
            "agents: [{name: a, type: arbitrage, symbols: [ETH/USD, ETH/USD]}]",
            "agents.a.symbols: ETH/USD stands there twice",
        ),
        (f"agents: [{{name: a, type: noise, {BOTH}}}]", "agents.a.symbols: noise trades 1"),
        ("agents: [{name: a, type: arbitrage, symbols: [ETH/USD, X/USD]}]", "X/USD is not among the instruments, which are"),
        ("agents: [{name: a, type: nois}]", "agents.a.type: 'nois' is unknown; did you mean noise?; known are arbitrage, "),
        ("agents: [{name: a, type: noise, latncy: {}}]", "agents.a.latncy: is not a field; did you mean latency?"),
        ("agents: {a: {type: noise}}", "agents: must be a list, not {'a': {'type': 'noise'}}"),
        ("agents: [noise]", "agents.0: must be a mapping of fields, not 'noise'"),
        ("agents: [{name: a, type: noise, params: 3}]", "agents.a.params: must be a mapping of fields, not 3"),
        ("populations: [{name: a, type: crwd, traders: 1}]", "populations.a.type: 'crwd' is unknown; did you mean crowd?"),
        ("populations: [{name: a, type: crowd, traders: 0}]", "populations.a.traders: "),
        ("populations: [{name: a, type: crowd, traders: 10000001}]", "populations.a.traders: "),
        (
            "populations: [{name: a, type: crowd, traders: 1, params: {x: 1}}]",
            "populations.a.params.x: unknown to population",
        ),
        ("populations: [{name: a, type: crowd, traders: 1, symbol: X/Y}]", "populations.a.symbol: X/Y is not among"),
        ("duration: 90", "duration: must be a duration such as 90s, 500ms, 6.5h or 1d, not 90"),
        ("polulations: []", "polulations: is not a field; did you mean populations?"),
        ("extend: default", "extend: is not a field; did you mean extends?"),
        ("agents: []\nagents: []", "agents stands in line 6 already"),
    ],
)
def test_who_cannot_take_part_is_refused(tmp_path: Path, more: str, said: str) -> None:
    """With the path of the field, and what it may be."""
    assert said in refused(f"{TWO}{more}\n", tmp_path)


def test_accounts_have_an_end(tmp_path: Path) -> None:
    """A hundred million in all."""
    crowds = "".join(f"  - {{name: p{number}, type: crowd, traders: 10000000}}\n" for number in range(11))
    assert "110000000 accounts in all: at most 100000000" in refused(f"{TINY}populations:\n{crowds}", tmp_path)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("{volatility: -1}", "value.volatility: must be a decimal number of at least 0"),
        ("{volatility: 1e9}", "value.volatility: is 2e+10 ticks: give at most 1e+09"),
        ("{jumps_per_s: 1}", "value.jump: must be given and above 0 where jumps_per_s is"),
        ("{half_life_s: 0}", "value.half_life_s: "),
    ],
)
def test_a_value_that_has_no_path_is_refused(tmp_path: Path, value: str, said: str) -> None:
    """With the flag that gave it."""
    message = refused(TINY, tmp_path, f"instruments.ETH/USD.value={value}")
    assert message.startswith(f"--set instruments.ETH/USD.value={value}: instruments.ETH/USD.{said}")


def test_a_group_has_all_that_belongs_to_its_symbols(tmp_path: Path) -> None:
    """Agents of several symbols, populations, values and events, each with its account of the whole."""
    path = write(
        tmp_path,
        f"""{TWO}  - {{symbol: A/B, tick_size: 1, lot_size: 1, reference_price: 50, min_price: 1, max_price: 99}}
agents:
  - {{name: a, type: noise, symbol: A/B}}
  - {{name: two, type: arbitrage, {BOTH}}}
populations:
  - {{name: p, type: crowd, traders: 5, symbol: A/B}}
  - {{name: q, type: crowd, traders: 5}}
events:
  - {{at: 1s, halt: {{duration: 1s, symbol: A/B}}}}
  - {{at: 2s, halt: {{duration: 1s}}}}
""",
    )
    scenario = load_scenario(path)
    group = group_of(scenario, ["ETH/USD", "BTC/USD"]).cast
    assert [(one.name, one.account) for one in group.agents] == [("two", 2)]
    assert [(one.name, one.account) for one in group.populations] == [("q", 8)]
    assert [one.symbol for one in group.values] == ["ETH/USD", "BTC/USD"]
    assert [one.event.symbol for one in group.events] == ["ETH/USD"]
    with pytest.raises(InvalidInput, match="agent two trades ETH/USD inside the group and BTC/USD outside"):
        group_of(scenario, ["ETH/USD"])


def test_a_group_says_whether_it_is_quantised(tmp_path: Path) -> None:
    """By its own members alone."""
    path = write(
        tmp_path,
        f"{TWO}agents:\n  - {{name: a, type: noise, latency: {{order_us: 1}}}}\n"
        "populations:\n  - {name: p, type: crowd, traders: 5, symbol: BTC/USD}\n",
    )
    scenario = load_scenario(path)
    fast, slow = group_of(scenario, ["ETH/USD"]), group_of(scenario, ["BTC/USD"])
    assert fast.is_quantised(scenario.lookahead_ns)
    assert not slow.is_quantised(scenario.lookahead_ns)


def test_the_hash_has_nothing_in_it_that_does_not_touch_the_tape(tmp_path: Path) -> None:
    """Neither seed and speed, nor duration, name and description; but the start, and every default."""
    path = write(tmp_path, TINY)
    before = load_scenario(path).hash
    for override in ("duration=1h", "name=other", "description=other", "speed=max", "seed=9", "start=2025-01-06T00:00:00Z"):
        assert load_scenario(path, [override]).hash == before, override
    for override in ("start=2025-01-07", "lookahead_ms=51", "instruments.ETH/USD.value.half_life_s=1"):
        assert load_scenario(path, [override]).hash != before, override
    assert load_scenario(path, ["instruments.ETH/USD.value.volatility=0.31"]).hash == before
