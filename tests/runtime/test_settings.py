"""Settings come from flags, environment and file, and a wrong one is named."""

from pathlib import Path

import pytest
from pydantic import Field

from marksim.runtime.settings import ServiceSettings, load_settings, split_list


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


@pytest.mark.parametrize("content", ["grpc_prot: 1", "- a", "a: [", "grpc_port: many"])
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
