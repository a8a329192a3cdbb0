"""Settings come from flags, environment and file, and a wrong one is named."""

import os
import re
from pathlib import Path

import pytest
from pydantic import Field

from marksim.archiver.settings import ArchiverSettings
from marksim.dashboard.settings import DashboardSettings
from marksim.edge.settings import EdgeSettings
from marksim.engine.settings import EngineSettings
from marksim.memory.settings import MemorySettings
from marksim.orderbook.settings import OrderBookSettings
from marksim.runtime.settings import MAX_FILE_BYTES, ServiceSettings, join_list, load_settings, split_list
from marksim.supervisor.settings import MainSettings

ALL: dict[str, type[ServiceSettings]] = {
    "archiver": ArchiverSettings,
    "dashboard": DashboardSettings,
    "edge": EdgeSettings,
    "engine": EngineSettings,
    "main": MainSettings,
    "memory": MemorySettings,
    "orderbook": OrderBookSettings,
}


class Sample(ServiceSettings):
    grpc_port: int = 50051
    engine: list[str] = Field(["localhost:1"], description="addresses")
    targets: dict[str, str] = Field({}, description="name=address")
    quiet: bool = False


def complaint(argv: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a wrong setting gives; checks the exit code."""
    with pytest.raises(SystemExit) as stop:
        load_settings(Sample, "edge", argv)
    assert stop.value.code == 2
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    return text


def test_flag_beats_environment_beats_file_beats_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each source gives way to the one nearer to the user."""
    config = tmp_path / "edge.yaml"
    config.write_text("grpc-port: 1\nhttp_port: 1\nlog_level: debug\n")
    monkeypatch.setenv("MARKSIM_EDGE__GRPC_PORT", "2")
    monkeypatch.setenv("MARKSIM_EDGE__HTTP_PORT", "2")
    settings = load_settings(Sample, "edge", ["--config", str(config), "--grpc-port", "3"])
    assert (settings.grpc_port, settings.http_port, settings.log_level, settings.grace_s) == (3, 2, "debug", 4.0)


def test_lists_and_mappings_are_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flag and a variable write a list alike."""
    monkeypatch.setenv("MARKSIM_EDGE__ENGINE", "a:1, b:2")
    settings = load_settings(Sample, "edge", ["--targets", "x=a:1,y=b:2", "--quiet"])
    assert (settings.engine, settings.targets, settings.quiet) == (["a:1", "b:2"], {"x": "a:1", "y": "b:2"}, True)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--grpc-port", "x"], "--grpc-port 'x' is wrong"),
        (["--log-level", "loud"], "--log-level 'loud' is wrong"),
        (["--grpc-prt", "1"], "--grpc-prt is not a setting; did you mean --grpc-port?"),
        (["--targets", "a"], "'a' is not written name=value"),
        (["--grpc-port"], "--grpc-port"),
        (["--config", "/nowhere.yaml"], "--config /nowhere.yaml cannot be read"),
    ],
)
def test_a_wrong_flag_is_named_in_one_line(argv: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The line names the flag, and the process ends with 2."""
    assert said in complaint(argv, capsys)


def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The complaint names the variable, not the field."""
    monkeypatch.setenv("MARKSIM_EDGE__HTTP_PORT", "70000")
    assert "MARKSIM_EDGE__HTTP_PORT '70000' is wrong" in complaint([], capsys)


def test_an_unknown_variable_of_the_service_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A misspelt variable would otherwise be silently without effect."""
    monkeypatch.setenv("MARKSIM_EDGE__GRPC_PROT", "1")
    assert "MARKSIM_EDGE__GRPC_PROT in the environment is not a setting" in complaint([], capsys)


@pytest.mark.parametrize("content", ["grpc_prot: 1", "- a", "a: [", "grpc_port: many", "grpc_port: 2025-02-30"])
def test_a_wrong_file_is_named(content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The complaint names the file."""
    config = tmp_path / "edge.yaml"
    config.write_text(content)
    assert str(config) in complaint(["--config", str(config)], capsys)


def test_building_the_class_reads_nothing_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """`HOST` in somebody's shell is not meant for us."""
    monkeypatch.setenv("HOST", "elsewhere")
    assert Sample().host == ""


def test_help_tells_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    """--help ends with 0 and shows flags with their defaults."""
    with pytest.raises(SystemExit) as stop:
        load_settings(Sample, "edge", ["--help"])
    text = capsys.readouterr().out
    assert stop.value.code == 0
    assert all(flag in text for flag in ("--config", "--grpc-port", "--engine", "--quiet", "localhost:1", "MARKSIM_EDGE__"))


def test_a_comma_inside_brackets_does_not_split_a_list() -> None:
    """So that an override of a scenario may carry YAML's own lists and mappings."""
    assert split_list("a.b={x: 1, y: [2, 3]}, c=4,,") == ["a.b={x: 1, y: [2, 3]}", "c=4"]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('description="a, b", seed=1', ['description="a, b"', "seed=1"]),
        ("description='it''s, b',seed=1", ["description='it''s, b'", "seed=1"]),
        (r'description="a \", b",seed=1', [r'description="a \", b"', "seed=1"]),
        ('a.b={x: "1], 2", y: 3},c=4', ['a.b={x: "1], 2", y: 3}', "c=4"]),
        ("description=it's,name=b's", ["description=it's", "name=b's"]),
        ('description="a,seed=1', ['description="a', "seed=1"]),
        ('["description=a, b", "seed=1"]', ["description=a, b", "seed=1"]),
        ("[::1]:50051,[::1]:50052", ["[::1]:50051", "[::1]:50052"]),
    ],
)
def test_a_comma_inside_quotes_does_not_split_a_list(text: str, parts: list[str]) -> None:
    """A quote counts where YAML has one, at the start of a value; what was split can be joined and split again."""
    assert split_list(text) == parts
    assert split_list(join_list(parts)) == parts


def test_a_list_may_be_given_in_several_flags() -> None:
    """Each adds to those before, and is split like a single one."""
    settings = load_settings(Sample, "edge", ["--engine", "a:1,b:2", "--engine=c:3"])
    assert settings.engine == ["a:1", "b:2", "c:3"]


@pytest.mark.parametrize(("number", "speed"), [("50", "50"), ("0.5", "0.5"), ("max", "max")])
@pytest.mark.parametrize("service", ["engine", "main"])
def test_a_number_in_a_file_needs_no_quotes(service: str, number: str, speed: str, tmp_path: Path) -> None:
    """`speed: 50` is what people write."""
    config = tmp_path / "settings.yaml"
    config.write_text(f"speed: {number}\n")
    assert load_settings(ALL[service], service, ["--config", str(config)]).model_dump()["speed"] == speed


@pytest.mark.parametrize(
    "address",
    [
        "localhost",
        "localhost:notaport",
        ":::",
        "localhost:0",
        "localhost:65536",
        "::1:50051",
        "http://book:50051",
        "dns:///book",
    ],
)
@pytest.mark.parametrize("service", ["archiver", "edge", "engine"])
def test_an_order_book_that_has_no_address_ends_the_start(
    service: str, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Or the service would wait for it for ever."""
    with pytest.raises(SystemExit) as ended:
        load_settings(ALL[service], service, ["--orderbook", f"localhost:50051,{address}"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"marksim {service}: --orderbook ") and f"{address!r} is not written host:port" in said


@pytest.mark.parametrize("service", ["archiver", "edge", "engine"])
def test_order_books_may_be_names_and_addresses_of_both_kinds(service: str) -> None:
    """IPv6 in brackets; and what gRPC has for names whose server is known."""
    addresses = ["book-0.books:50051", "10.0.0.7:1", "[fd00::1]:65535", "dns:///book:1", "dns://10.0.0.2:53/book:1"]
    settings = load_settings(ALL[service], service, ["--orderbook", ",".join(addresses)])
    assert settings.model_dump()["orderbook"] == addresses


@pytest.mark.parametrize("service", ALL)
def test_help_gives_an_example_that_works(
    service: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The variable that --help names is one of the program's own."""
    with pytest.raises(SystemExit):
        load_settings(ALL[service], service, ["--help"])
    found = re.search(rf"MARKSIM_{service.upper()}__(\w+)=\.\.\.", capsys.readouterr().out)
    assert found is not None
    monkeypatch.setenv(found[0].removesuffix("=..."), "1234")
    assert load_settings(ALL[service], service, []).model_dump()[found[1].lower()] == 1234


def test_a_file_without_end_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A device, a pipe, a directory and a file beyond all measure end the start at once."""
    pipe, large = tmp_path / "pipe", tmp_path / "large.yaml"
    os.mkfifo(pipe)
    for path in ("/dev/zero", str(pipe), str(tmp_path)):
        assert f"--config {path} cannot be read: it is not a regular file" in complaint(["--config", path], capsys)
    large.write_text("#" * (MAX_FILE_BYTES + 1))
    assert f"--config {large} cannot be read: it has more than" in complaint(["--config", str(large)], capsys)
    large.write_text("#" * MAX_FILE_BYTES)
    assert load_settings(Sample, "edge", ["--config", str(large)]).grpc_port == 50051


def test_what_kubernetes_says_of_a_service_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables of a Service named marksim-edge have one underscore where a setting has two."""
    for variable in (
        "MARKSIM_EDGE_PORT",
        "MARKSIM_EDGE_GRPC_PORT",
        "MARKSIM_EDGE_PORT_8765_TCP",
        "MARKSIM_EDGE_SERVICE_HOST",
    ):
        monkeypatch.setenv(variable, "tcp://10.43.0.7:8765")
    assert load_settings(Sample, "edge", []).grpc_port == 50051


def test_a_pod_binds_all_addresses_by_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """MARKSIM_<SERVICE>__HOST is `--host`."""
    monkeypatch.setenv("MARKSIM_EDGE__HOST", "::")
    assert load_settings(Sample, "edge", []).host == "::"


class Positional(Sample):
    positional = "edge"
    edge: str = "none"


@pytest.mark.parametrize("argv", [["a"], ["a", "--quiet"], ["--quiet", "a"], ["--edge", "a"], ["--grpc-port", "1", "a"]])
def test_one_field_may_stand_without_its_flag(argv: list[str]) -> None:
    """Before or behind the flags."""
    assert load_settings(Positional, "edge", argv).edge == "a"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["a", "--edge", "b"], "--edge is given twice, as b and as a: leave one out"),
        (["a", "b"], "b is not a setting"),
        (["--quite", "a"], "--quite is not a setting; did you mean --quiet?"),
    ],
)
def test_a_word_too_many_is_refused(argv: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And a misspelt flag is named before the word behind it."""
    with pytest.raises(SystemExit) as stop:
        load_settings(Positional, "edge", argv)
    assert stop.value.code == 2
    assert said in capsys.readouterr().err
