"""Settings of main and the children that they make."""

from pathlib import Path

import pytest

from marksim.dashboard.settings import DashboardSettings
from marksim.engine.settings import EngineSettings
from marksim.memory.settings import MemorySettings
from marksim.orderbook.settings import OrderBookSettings
from marksim.runtime.settings import ServiceSettings, load_settings
from marksim.scenario import load_scenario
from marksim.supervisor import plan
from marksim.supervisor.settings import MainSettings, read_settings


def _arguments(name: str, settings: MainSettings) -> tuple[str, ...]:
    return next(spec.arguments for spec in plan.children(settings) if spec.name == name)


def test_repeated_set_reaches_children() -> None:
    """Each `--set` counts, and the book and the engine get the same ones."""
    settings = read_settings(["--set", "speed=5", "--set=seed=3"])
    assert settings.set == ["speed=5", "seed=3"]
    for name in ("orderbook", "engine"):
        assert "speed=5,seed=3" in _arguments(name, settings)


@pytest.mark.parametrize(
    "flags", [["--set", 'description="a, b"', "--set", "seed=3"], ["--set", 'description="a, b",seed=3']]
)
def test_a_value_with_a_comma_reaches_children_whole(flags: list[str]) -> None:
    """In quotes, whether alone in its flag or not."""
    settings = read_settings(flags)
    assert load_scenario("default", settings.set).description == "a, b"
    readers: dict[str, type[ServiceSettings]] = {"orderbook": OrderBookSettings, "engine": EngineSettings}
    for name, reads in readers.items():
        child = load_settings(reads, name, _arguments(name, settings))
        assert child.model_dump()["set"] == settings.set


def test_an_override_of_a_file_reaches_children_as_it_is(tmp_path: Path) -> None:
    """In a YAML file a list needs no commas, so its entries may have some."""
    config = tmp_path / "main.yaml"
    config.write_text("set:\n  - description=a, b\n  - seed=3\n")
    settings = read_settings(["--config", str(config)])
    assert settings.set == ["description=a, b", "seed=3"]
    child = load_settings(EngineSettings, "engine", _arguments("engine", settings))
    assert child.set == settings.set


def test_seed_and_speed_are_the_scenarios_unless_given() -> None:
    """Without flags the engine takes seed and speed from the scenario."""
    assert not {"--seed", "--speed"} & set(_arguments("engine", MainSettings()))
    assert {"--seed", "0", "--speed", "max"} <= set(_arguments("engine", MainSettings(seed=0, speed="max")))


def test_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """MARKSIM_MAIN__PORT stands for --port."""
    monkeypatch.setenv("MARKSIM_MAIN__PORT", "9999")
    assert read_settings([]).port == 9999


def test_each_listener_has_a_port_and_a_flag() -> None:
    """Every port by default is the design's, and each flag is one of main's."""
    needs = plan.port_needs(MainSettings())
    assert [need.port for need in needs] == [8765, 50051, 50052, 50054, 50053, 50056, 9091, 9092, 9093, 9094, 9108]
    fields = {"--" + name.replace("_", "-") for name in MainSettings.model_fields}
    assert {need.flag for need in needs} <= fields


def test_readers_end_before_what_they_read() -> None:
    """The order book ends last, and every child has its place in the end."""
    staged = [name for stage in plan.STAGES for name in stage]
    assert staged[-1] == "orderbook"
    assert sorted(staged) == sorted(spec.name for spec in plan.children(MainSettings()))


def test_memory_monitor_knows_every_service() -> None:
    """All children but itself, and the dashboard, which is started beside them on its own default port."""
    targets = dict(pair.split("=") for pair in _arguments("memory", MainSettings())[-1].split(","))
    assert targets == MemorySettings().targets
    assert targets["dashboard"] == f"localhost:{DashboardSettings().grpc_port}"


def test_every_port_is_a_fixed_one(capsys: pytest.CaptureFixture[str]) -> None:
    """Port 0, which lets the system choose, would leave the others without an address; each flag refuses it by name."""
    flags = {need.flag for need in plan.port_needs(MainSettings())} | {"--dashboard-grpc-port"}
    for flag in sorted(flags):
        with pytest.raises(SystemExit) as ended:
            read_settings([flag, "0"])
        assert ended.value.code == 2
        assert f"{flag} '0' is wrong: " in capsys.readouterr().err


def test_the_memory_monitor_asks_the_dashboard_where_it_is() -> None:
    """On another port too, which the listing tells as the dashboard's flag."""
    settings = read_settings(["--dashboard-grpc-port", "33055"])
    assert "dashboard=localhost:33055" in _arguments("memory", settings)[-1].split(",")
    assert "python -m marksim.dash_consumer --grpc-port 33055" in "\n".join(plan.listing(settings))
    assert "--grpc-port" not in "\n".join(plan.listing(MainSettings()))


def test_targets_of_the_environment_are_the_memory_monitors_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """What main knows does not overrule what a person says."""
    monkeypatch.setenv("MARKSIM_MEMORY__TARGETS", "edge=localhost:1")
    assert "--targets" not in _arguments("memory", MainSettings())
    assert load_settings(MemorySettings, "memory", _arguments("memory", MainSettings())).targets == {"edge": "localhost:1"}


@pytest.mark.parametrize(
    ("host", "reached"),
    [
        ("", "localhost"),
        ("0.0.0.0", "localhost"),
        ("::", "localhost"),
        ("[::]", "localhost"),
        ("127.0.0.2", "127.0.0.2"),
        ("::1", "[::1]"),
        ("market.lan", "market.lan"),
    ],
)
def test_everybody_is_told_the_address_that_the_children_bind(host: str, reached: str) -> None:
    """Peers, the listing and the status line; where all addresses are bound, localhost is one of them."""
    settings = MainSettings(host=host)
    assert f"{reached}:50051" in _arguments("engine", settings)
    targets = _arguments("memory", settings)[-1]
    assert f"edge={reached}:50054" in targets.split(",")
    listed = "\n".join(plan.listing(settings))
    assert f"ws://{reached}:8765" in listed
    assert f"{reached}:50052 (gRPC)" in listed
    assert f"http://{reached}:9091/metrics" in listed
    assert plan.grpc_addresses(settings)["engine"] == f"{reached}:50052"
    assert (f" --url ws://{reached}:8765" in listed) == (reached != "localhost")


def test_a_scenario_without_its_flag_and_an_end_reach_the_engine() -> None:
    """`marksim run mine.yaml --until 1d`; the path stays as it is, for children live in the same directory."""
    settings = read_settings(["mine.yaml", "--until", "1d"])
    engine, book = (_arguments(name, settings) for name in ("engine", "orderbook"))
    for arguments in (engine, book):
        assert arguments[arguments.index("--scenario") + 1] == "mine.yaml"
    assert engine[engine.index("--until") + 1] == "1d"
    assert "--until" not in book
    assert "--until" not in _arguments("engine", read_settings([]))


def test_replay_has_no_archiver_and_no_scenario(tmp_path: Path) -> None:
    """A replay's book and engine are told the recording; nothing is archived, and no port of an archiver is wanted."""
    settings = MainSettings(replay=tmp_path, replay_from="2h", speed="10", until="3h")
    assert [spec.name for spec in plan.children(settings)] == ["orderbook", "engine", "edge", "memory"]
    book, engine = _arguments("orderbook", settings), _arguments("engine", settings)
    assert book[-4:] == ("--replay", str(tmp_path), "--replay-from", "2h")
    assert engine[-6:] == ("--replay", str(tmp_path), "--speed", "10", "--until", "3h")
    assert "--scenario" not in (*book, *engine)
    assert not any("archiver" in need.what for need in plan.port_needs(settings))
    assert "archiver" not in " ".join(_arguments("memory", settings))
    listed = "\n".join(plan.listing(settings))
    assert f"{tmp_path}" in listed
    assert "Parquet" not in listed


def test_replay_logs_aside() -> None:
    """A replay beside the market that it is of does not write into that one's logs."""
    assert MainSettings(replay=Path("data/journal")).logs != MainSettings().logs
