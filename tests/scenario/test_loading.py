"""Scenarios by name or path, with overrides, and what is said of wrong ones."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from marksim.core.book.rules import NS_PER_DAY
from marksim.core.errors import InvalidInput
from marksim.core.types import NS_PER_S, BandAction, SessionState
from marksim.scenario import load_scenario, schema

PRICES = """    tick_size: "0.01"
    lot_size: "0.01"
    reference_price: "3000"
    min_price: "1"
    max_price: "9000"
"""

MINIMAL = """
schema: 1
name: tiny
instruments:
  - {symbol: ETH/USD, tick_size: "0.01", lot_size: "0.01", reference_price: "3000", min_price: "1", max_price: "9000"}
"""


def test_the_default_scenario_is_bitcoin_near_fifty_thousand() -> None:
    """Tick 0.50 and lot 0.001, as integers from there on."""
    (btc,) = load_scenario("default").instruments()
    assert (btc.symbol, str(btc.tick_size), str(btc.lot_size)) == (
        "BTC/USD",
        "1/2",
        "1/1000",
    )
    assert btc.reference_price_ticks == 100_000


def test_overrides_walk_names_and_their_values_are_yaml() -> None:
    """A list entry is found by its name or symbol."""
    scenario = load_scenario(
        "default",
        ["agents.maker.count=2", "speed=max", "agents.whale.params.parent_lots=5"],
        seed=9,
    )
    names = [spec.name for spec in scenario.cast().agents]
    assert [name for name in names if name.startswith("maker")] == [
        "maker-1",
        "maker-2",
    ]
    assert (scenario.speed, scenario.seed) == ("max", 9)
    assert scenario.cast().agents[-1].parameters.parent_lots == 5


def test_a_file_may_extend_a_ready_scenario(tmp_path: Path) -> None:
    """What it says lies over what it extends."""
    path = tmp_path / "mine.yaml"
    path.write_text("extends: default\nname: mine\nseed: 5\n")
    scenario = load_scenario(str(path))
    assert (scenario.name, scenario.seed, len(scenario.agents)) == (
        "mine",
        5,
        len(load_scenario("default").agents),
    )


def test_the_hash_covers_parameters_but_neither_seed_nor_speed() -> None:
    """Those two do not touch what the scenario is."""
    default = load_scenario("default").hash
    assert load_scenario("default", ["speed=3"], seed=4).hash == default
    assert load_scenario("default", ["agents.maker.params.levels=3"]).hash != default


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "must be a mapping that begins with `schema: 1`"),
        ("a: [", "is not valid YAML"),
        ("schema: 2\nname: x\ninstruments: []", "wrong.yaml:1: schema: must be 1, not 2"),
        (MINIMAL + "typo: 1", "typo"),
        (
            MINIMAL.replace('"0.01", lot', '"0", lot'),
            "tick_size: must be a decimal number above 0",
        ),
        (
            MINIMAL.replace('"3000"', '"3000.005"'),
            "wrong.yaml:5: instruments.ETH/USD.reference_price: 3000.005 is not a multiple of 0.01",
        ),
        (
            MINIMAL + "agents: [{name: a, type: nobody}]",
            "agents.a.type: 'nobody' is unknown; known are",
        ),
        (
            MINIMAL + "agents: [{name: a, type: noise, params: {speed: 1}}]",
            "agents.a.params.speed: unknown to agent type noise",
        ),
        (
            MINIMAL + "agents: [{name: a, type: noise, params: {interval_s: fast}}]",
            "interval_s",
        ),
        (
            MINIMAL + "agents: [{name: a, type: noise}, {name: a, type: noise}]",
            "agents.a.name: a stands there twice",
        ),
        (
            MINIMAL + "agents: [{name: a, type: noise, symbol: XX/USD}]",
            "XX/USD is not among the instruments",
        ),
        (MINIMAL + "agents: [{name: a, type: noise, count: -1}]", "agents.a.count: "),
        (MINIMAL + "agents: [{name: a, type: noise}, {type: noise}]", "agents.1.name: is missing"),
        (MINIMAL.replace("lot_size", "lots"), "instruments.ETH/USD.lot_size: is missing"),
        (MINIMAL + "start: 2025-02-30", "wrong.yaml:6: is not valid YAML: day is out of range for month"),
    ],
)
def test_a_wrong_file_is_refused_with_its_name_and_the_field(tmp_path: Path, content: str, said: str) -> None:
    """One sentence, no traceback."""
    path = tmp_path / "wrong.yaml"
    path.write_text(content)
    with pytest.raises(InvalidInput) as caught:
        load_scenario(str(path))
    assert said in caught.value.message
    assert "wrong.yaml" in caught.value.message


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("agents.maker.params.requote_s=.nan", "agents.maker.params.requote_s: must be from 0.001 to 1e+09, not nan"),
        ("agents.maker.params.size_lots=-5", "agents.maker.params.size_lots: must be from 1 to 1e+09, not -5"),
        ("agents.noise.params.interval_s=0", "agents.noise.params.interval_s: must be from 0.001"),
        ("agents.noise.params.market_share=1.5", "agents.noise.params.market_share: must be from 0 to 1,"),
        ("agents.whale.params.children=.inf", "agents.whale.params.children: "),
        ("agents.momentum.params.interval_s=fast", "agents.momentum.params.interval_s: "),
        ("start=9999-01-01", "start: 9999-01-01T00:00:00 is not within the years 1970 to 2200"),
        ("start=2262-04-11T23:47:00Z", "start: "),
        ("start=1960-01-01", "start: "),
        ("instruments.BTC/USD.max_price=1e12", "instruments.BTC/USD: price bands 1..2000000000000 are not"),
        (
            "instruments.BTC/USD.max_price=5e11",
            "instruments.BTC/USD: a range of 1000000000000 prices is wider",
        ),
        ("instruments.BTC/USD.min_quantity=20000", "instruments.BTC/USD: order sizes 20000000..10000000"),
    ],
)
def test_a_value_that_no_market_could_run_on_is_refused(override: str, said: str) -> None:
    """Before anything starts, with the path that `--set` takes and what the value may be."""
    with pytest.raises(InvalidInput) as caught:
        load_scenario("default", [override])
    assert f"--set {override}: {said}" in caught.value.message


@pytest.mark.parametrize("start", ["1970-01-01", "2200-12-31T23:59:59Z"])
def test_the_first_and_the_last_start_are_accepted(start: str) -> None:
    """Times are nanoseconds in 63 bits, of which the first has used few and the last leaves room."""
    assert 0 <= load_scenario("default", [f"start={start}"]).start_ns < 1 << 63


def test_a_start_of_now_is_the_present_second() -> None:
    """It is resolved when the scenario is loaded, to a whole second."""
    before = int(datetime.now(UTC).timestamp())
    start = load_scenario("default", ["start=now"]).start
    assert before <= start.timestamp() <= datetime.now(UTC).timestamp()
    assert start.microsecond == 0


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("bands.static=0", "bands.static: must be a decimal number above 0"),
        ("bands.static=1.5", "bands.static: must be a part of the price such as 0.05, at most 1, not 1.5"),
        ("bands.dynamic=0.0000001", "bands.dynamic: must be a multiple of 0.000001"),
        ("bands.action=stop", "bands.action: must be 'reject' or 'halt', not 'stop'"),
        ("bands.halt=-1", "bands.halt: "),
        ("bands.auction=.inf", "bands.auction: "),
        ("bands.width=1", "bands.width: "),
        ("bands={action: halt}", "bands: must have static, dynamic or both, such as static: 0.10"),
        (
            "bands={static: 0.1, halt: 1e-10}",
            "bands.halt: must be 0 or at least 0.000000001, a nanosecond, not 1e-10",
        ),
        ("bands={static: 0.1, auction: 4e-10}", "bands.auction: must be 0 or at least"),
        (
            "sessions=[{at: '08:00', state: pre_open}, {at: '09:00', state: opening_auction}]",
            "sessions: never trade: add an entry with state continuous, or one with closed after a",
        ),
        ("sessions=[{at: '08:00', state: closing_auction}]", "sessions: never trade"),
        (
            "sessions=[{at: 17:00, state: closed}]",
            'sessions.0.at: must be a time of day such as "08:00" or "08:00:30", in quotes, not 1020',
        ),
        ("sessions=[{at: '24:00', state: closed}]", "sessions.0.at: must be a time of day"),
        ("sessions=[{at: '8:00', state: closed}]", "sessions.0.at: must be a time of day"),
        ("sessions=[{at: '08:00', state: open}]", "sessions.0.state: must be 'pre_open'"),
        ("sessions=[{at: '08:00'}]", "sessions.0.state: is missing"),
        (
            "sessions=[{at: '09:00', state: closed}, {at: '08:00', state: pre_open}]",
            "sessions: 08:00 must come after 09:00",
        ),
    ],
)
def test_wrong_bands_or_sessions_are_named(override: str, said: str) -> None:
    """The instrument, the field below it, and what it may be."""
    with pytest.raises(InvalidInput) as caught:
        load_scenario("default", [f"instruments.BTC/USD.{override}"])
    assert f"--set instruments.BTC/USD.{override}: instruments.BTC/USD.{said}" in caught.value.message
    assert "Tuple" not in caught.value.message


@pytest.mark.parametrize("field", ["static", "dynamic"])
def test_a_band_of_no_tick_is_refused_with_the_least_that_is_one(field: str) -> None:
    """It would let nothing trade: at 50,000 with ticks of 0.50 a hundred-thousandth is a tick."""
    with pytest.raises(InvalidInput) as caught:
        load_scenario("default", [f"instruments.BTC/USD.bands={{{field}: 0.000009}}"])
    wanted = (
        f"instruments.BTC/USD.bands.{field}: 0.000009 is less than a tick at reference_price 50000: give at least 0.000010"
    )
    assert caught.value.message.endswith(f": {wanted}")
    load_scenario("default", [f"instruments.BTC/USD.bands={{{field}: 0.00001}}"])


def test_a_day_that_trades_in_its_closing_auction_alone_is_one() -> None:
    """Also where the close that ends it is the first entry of the next day."""
    closes = "{at: '00:00', state: closed}, {at: '17:00', state: closing_auction}"
    load_scenario("default", [f"instruments.BTC/USD.sessions=[{closes}]"])


def test_a_scenario_without_instruments_is_told_so() -> None:
    """Where nothing within is wrong, the empty list is."""
    with pytest.raises(InvalidInput, match="instruments: tuple should have at least 1 item"):
        load_scenario("default", ["instruments=[]"])


DAY = """    bands: {static: "0.10", dynamic: 0.03, action: halt, halt: 0.1}
    sessions:
      - {at: "08:00", state: pre_open}
      - {at: "08:59:30", state: opening_auction}
      - {at: "09:00:00.000000001", state: continuous}
      - {at: "17:30", state: closing_auction}
      - {at: "17:35", state: closed}
"""


def test_a_trading_day_and_its_bands_become_exact_numbers(tmp_path: Path) -> None:
    """Parts of the price in millionths, times in nanoseconds; what is not said has its default."""
    path = tmp_path / "day.yaml"
    path.write_text(f"extends: default\ninstruments:\n  - symbol: A/B\n{PRICES}{DAY}")
    (traded,) = load_scenario(str(path), ["agents=[]"]).instruments()
    assert (traded.static_band_ppm, traded.dynamic_band_ppm, traded.band_action) == (100_000, 30_000, BandAction.HALT)
    assert (traded.halt_ns, traded.auction_ns) == (100_000_000, 120 * NS_PER_S)
    minutes = [(at_ns / NS_PER_S / 60, state.name) for at_ns, state in traded.sessions]
    assert minutes[:2] == [(480, "PRE_OPEN"), (539.5, "OPENING_AUCTION")]
    assert traded.sessions[2] == (9 * 3_600 * NS_PER_S + 1, SessionState.CONTINUOUS)
    assert minutes[3:] == [(1_050, "CLOSING_AUCTION"), (1_055, "CLOSED")]


def test_the_trading_day_of_the_documentation_is_a_scenario(tmp_path: Path) -> None:
    """What docs/orders.md shows can be copied, and begins to collect orders within simulated minutes."""
    documented = (Path(__file__).parents[2] / "docs" / "orders.md").read_text(encoding="utf-8")
    path = tmp_path / "day.yaml"
    path.write_text(documented.split("```yaml\n")[1].split("```")[0])
    scenario = load_scenario(str(path))
    (btc,) = scenario.instruments()
    first_ns, first = btc.sessions[0]
    assert first == SessionState.PRE_OPEN
    assert 0 < first_ns - scenario.start_ns % NS_PER_DAY <= 120 * NS_PER_S
    assert [state.name for _, state in btc.sessions][-2:] == ["CLOSING_AUCTION", "CLOSED"]
    assert (btc.band_action, btc.auction_ns) == (BandAction.HALT, 120 * NS_PER_S)


def test_without_bands_and_sessions_a_market_trades_on_for_ever() -> None:
    """No width, no halt of its own, no day; but a halt that an operator calls ends in an auction as with bands."""
    (btc,) = load_scenario("default").instruments()
    assert (btc.static_band_ppm, btc.dynamic_band_ppm, btc.halt_ns, btc.sessions) == (0, 0, 0, ())
    assert btc.auction_ns == 120 * NS_PER_S


def test_the_hash_covers_the_auction_that_nobody_wrote_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a default as any other: with another one the scenario is another."""
    before = load_scenario("default").hash
    monkeypatch.setattr(schema, "AUCTION_S", 60.0)
    assert load_scenario("default").hash != before


def test_a_directory_is_called_one(tmp_path: Path) -> None:
    """It is there, so that `no such file` would not help."""
    with pytest.raises(InvalidInput, match=f"scenario {tmp_path}: is a directory"):
        load_scenario(str(tmp_path))


def test_a_missing_file_names_the_ready_scenarios() -> None:
    """So that a typo is mended at once."""
    with pytest.raises(InvalidInput, match=r"ready scenarios are .*default"):
        load_scenario("defualt")


def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    """Bytes that are no text."""
    path = tmp_path / "binary.yaml"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(InvalidInput, match="cannot be read"):
        load_scenario(str(path))


def test_a_circle_of_extends_is_refused(tmp_path: Path) -> None:
    """Two files that extend each other."""
    one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
    one.write_text(f"extends: {two}\n")
    two.write_text(f"extends: {one}\n")
    with pytest.raises(InvalidInput, match="is it a circle"):
        load_scenario(str(one))


@pytest.mark.parametrize(
    "override",
    ["speed", "agents.nobody.count=1", "name.x=1", "name.x.y=1", "seed.foo.bar=1", "start=2025-02-30", "speed=[", "=1"],
)
def test_a_wrong_override_is_named(override: str) -> None:
    """With the flag that brought it."""
    with pytest.raises(InvalidInput, match=r"--set|name"):
        load_scenario("default", [override])
