"""What is likely a mistake, and what to expect."""

from pathlib import Path

import pytest

from marksim.scenario import load_scenario
from marksim.scenario.checks import load_of, quantised_of, warnings_of
from tests.scenario.crowds import crowd_type
from tests.scenario.files import TINY, TWO, write

NOISE = "{name: n, type: noise}"


def warned(folder: Path, text: str) -> list[str]:
    scenario = load_scenario(write(folder, text))
    return warnings_of(scenario, scenario.cast())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{TWO}agents: [{NOISE}]", "instruments.BTC/USD: nobody trades it"),
        (f"{TINY}agents: [{NOISE}, {{name: m, type: noise, count: 0}}]", "agents.m.count: is 0, so that it takes no part"),
        (
            f"{TINY}agents: [{NOISE}]\nduration: 1h\nevents: [{{at: 1h, halt: {{duration: 1s}}}}]",
            "events.0: happens after the end of the run, which lasts 1h",
        ),
        (
            f"{TINY}agents: [{NOISE}]\nevents: [{{at: 1h, withdrawal: {{duration: 1s}}}}]",
            "events: liquidity is withdrawn from ETH/USD, where nobody provides any",
        ),
        (
            TINY.replace('"9000"', '"9000", sessions: [{at: "08:30", state: continuous}, {at: "17:00", state: closed}]')
            + f"agents: [{NOISE}]",
            "instruments.ETH/USD.sessions: closed at the start, and for 8.5 hours more",
        ),
    ],
)
def test_what_has_no_effect_is_said(tmp_path: Path, text: str, said: str) -> None:
    """One sentence with the path; nothing else is found fault with."""
    assert warned(tmp_path, text) == [said]


def test_an_event_that_begins_within_the_run_is_none(tmp_path: Path) -> None:
    """Even where its last time comes after the end."""
    events = "events: [{at: 1s, every: 1h, times: 9, halt: {duration: 1s}}]"
    assert warned(tmp_path, f"{TINY}agents: [{NOISE}]\nduration: 1h\n{events}") == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return", "1: f never awaits anything"),
        ("await asyncio.sleep(1)", "2: asyncio.sleep: agents do not run on asyncio: `await market.sleep"),
        ("await market.sleep(random.random())", "2: random.random: the same seed must give the same tape"),
        ("await market.sleep(time.monotonic())", "2: time.monotonic: wall time stops the market"),
        ("await market.sleep(datetime.now().hour)", "2: datetime.now: wall time differs"),
    ],
)
def test_code_that_will_not_do_what_it_seems_to_is_said(tmp_path: Path, body: str, said: str) -> None:
    """With file and line, before anything runs."""
    write(tmp_path, f"async def f(market):\n    {body}\n", "my.py")
    (warning,) = warned(tmp_path, f"{TINY}agents: [{{name: a, type: 'my.py:f'}}]")
    assert warning.startswith(f"agents.a.type: {tmp_path / 'my.py'}:{said}")


def test_the_same_is_said_of_a_class(tmp_path: Path) -> None:
    """In any of its methods; one that takes over its `run` need not await anything itself."""
    kept = "    def state(self): return {}\n    def restore(self, state): pass\n"
    made = f"class f:\n    def __init__(self, market): self.at = time.time()\n    async def run(self): pass\n{kept}"
    write(tmp_path, f"{made}class g(f):\n    pass\n", "my.py")
    never, clock = warned(tmp_path, f"{TINY}agents: [{{name: a, type: 'my.py:f'}}]")
    assert never == f"agents.a.type: {tmp_path / 'my.py'}:1: f never awaits anything"
    assert clock.startswith(f"agents.a.type: {tmp_path / 'my.py'}:2: time.time: wall time stops the market")
    assert warned(tmp_path, f"{TINY}agents: [{{name: a, type: 'my.py:g'}}]") == []


def test_the_load_is_added_up_where_it_is_known(tmp_path: Path) -> None:
    """From the paces of agents and traders; `noise` acts each 0.8 s, the crowd each 10 s, a whale does not say."""
    agents = "agents: [{name: n, type: noise, count: 4}, {name: w, type: whale}]"
    with crowd_type():
        scenario = load_scenario(write(tmp_path, f"{TINY}{agents}\npopulations: [{{name: p, type: crowd, traders: 50}}]"))
        load = load_of(scenario.cast())
    assert load.per_s == pytest.approx(4 / 0.8 + 50 / 10)
    assert (load.known, load.all) == (54, 55)


def test_those_whose_latency_is_quantised_are_named(tmp_path: Path) -> None:
    """With their least, in milliseconds."""
    latency = "{order_us: 500, feed: {median_us: 900, floor_us: 250}}"
    agents = f"agents: [{NOISE}, {{name: fast, type: noise, latency: {latency}}}]"
    ((name, least_ms),) = quantised_of(load_scenario(write(tmp_path, f"{TINY}{agents}")))
    assert name == "fast"
    assert 0.75 < least_ms < 1.4
