"""A user's agents where a market is run by services: the engine runs them, the order book only reads them."""

from pathlib import Path

import pytest

from marksim.core.types import NS_PER_S
from marksim.engine.service import EngineService
from marksim.engine.settings import EngineSettings
from marksim.orderbook.service import OrderBookService
from marksim.orderbook.settings import OrderBookSettings
from marksim.scenario import load_scenario
from tests.scenario.files import TINY, write


def scenario_with(folder: Path, source: str) -> str:
    write(folder, source, "my.py")
    return write(folder, f"{TINY}agents: [{{name: a, type: 'my.py:f'}}]\nduration: 2m\n")


def test_an_order_book_agrees_on_the_hash_without_running_the_code(tmp_path: Path) -> None:
    """What would raise when it is imported does not."""
    path = scenario_with(tmp_path, "raise SystemError\n")
    book = OrderBookService(OrderBookSettings(durability="none", scenario=path, ring_mib=1))
    assert book.sequencer.scenario_hash == load_scenario(path).hash


def test_an_engine_refuses_code_that_cannot_be_imported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before it serves, with the places in the scenario and in the code; exit code 2."""
    path = scenario_with(tmp_path, "\nraise SystemError\n")
    with pytest.raises(SystemExit) as caught:
        EngineService(EngineSettings(state=None, scenario=path, orderbook=["127.0.0.1:1"]))
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert f"{path}:5: agents.a.type: {tmp_path / 'my.py'}:2: raises SystemError when imported" in said


def test_an_engine_ends_its_runs_when_the_scenario_says(tmp_path: Path) -> None:
    """Unless it is told another time."""
    path = scenario_with(tmp_path, "async def f(market): ...\n")
    start_ns = load_scenario(path).start_ns
    ends = [
        EngineService(EngineSettings(state=None, scenario=path, until=until, orderbook=["127.0.0.1:1"])).end_ns
        for until in ("", "3m")
    ]
    assert ends == [start_ns + 120 * NS_PER_S, start_ns + 180 * NS_PER_S]
