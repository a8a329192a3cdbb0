"""What a check says of agents after a crash."""

from pathlib import Path

import pytest

from marksim.core.sim.inputs import LIMIT_BYTES
from marksim.scenario import load_scenario
from marksim.scenario.recovery import EVENT_BYTES, TICK_BYTES, Recovery, recovery_of
from tests.scenario.crowds import crowd_type
from tests.scenario.files import TINY, TWO, write
from tests.scenario.test_command import marksim_scenario

MINE = """from dataclasses import dataclass

@dataclass
class Paced:
    interval_s: float = 0.1

async def f(market):
    await market.sleep(1)

async def g(market, p: Paced):
    await market.sleep(p.interval_s)

class Kept:
    def __init__(self, market):
        self.market = market

    async def run(self):
        await self.market.sleep(1)

    def state(self):
        return {}

    def restore(self, state):
        pass
"""


def recovery(folder: Path, agents: str, text: str = TINY) -> Recovery:
    write(folder, MINE, "my.py")
    scenario = load_scenario(write(folder, f"{text}agents: [{agents}]\n"))
    return recovery_of(scenario, scenario.cast())


def test_each_agent_goes_one_of_three_ways(tmp_path: Path) -> None:
    """By what plays it, unless it is marked; populations are always restored."""
    agents = (
        "{name: n, type: noise, count: 3}, {name: none, type: noise, count: 0}, {name: kept, type: 'my.py:Kept'}, "
        "{name: mine, type: 'my.py:f'}, {name: away, type: 'my.py:f', count: 2, ephemeral: true}, "
        "{name: gone, type: noise, ephemeral: true}"
    )
    with crowd_type():
        found = recovery(tmp_path, agents, f"{TINY}populations: [{{name: p, type: crowd, traders: 50}}]\n")
    assert (found.restored, found.rerun, found.ephemeral) == (("n (3)", "kept", "p"), ("mine",), ("away (2)", "gone"))


def test_the_log_is_full_the_sooner_the_more_comes_in(tmp_path: Path) -> None:
    """A tick of each symbol and window, once for all; two events an action of each agent, which is one a second where its
    parameters do not say."""
    one = recovery(tmp_path, "{name: a, type: 'my.py:f'}").log
    assert one is not None
    assert one.full_after_s == LIMIT_BYTES / (20 * TICK_BYTES + 2 * EVENT_BYTES)
    more = "{name: a, type: 'my.py:f', count: 2}, {name: b, type: 'my.py:g', symbols: [ETH/USD, BTC/USD]}"
    log = recovery(tmp_path, more, TWO).log
    assert log is not None
    assert [log.ticks_per_s, log.events_per_s] == pytest.approx([40, 2 * 2 + 2 * 10])
    assert recovery(tmp_path, "{name: a, type: noise}").log is None


def test_check_says_it_in_a_line_for_each_way(tmp_path: Path) -> None:
    """With when the log is full."""
    write(tmp_path, MINE, "my.py")
    agents = "{name: n, type: noise}, {name: mine, type: 'my.py:f'}, {name: away, type: 'my.py:f', ephemeral: true}"
    said = marksim_scenario("check", write(tmp_path, f"{TINY}agents: [{agents}]\n")).output
    assert (
        "  crash     restored from their state: n\n"
        "            re-run from the log of their inputs: mine\n"
        "              and afresh once that is full (64 MiB): after 20.3 simulated hours at 20 ticks and 2 own events a "
        "simulated second\n"
        "            afresh, their orders cancelled: away\n"
    ) in said
    assert "  crash     nobody takes part\n" in marksim_scenario("check", write(tmp_path, TINY)).output
