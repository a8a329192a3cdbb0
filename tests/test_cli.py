"""The `marksim` command."""

import runpy
import sys

import pytest
from typer.testing import CliRunner

from marksim.cli import COMMANDS, app


@pytest.mark.parametrize(("command", "module"), [(name, module) for name, (module, _) in COMMANDS.items()])
def test_command_runs_the_module(command: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`marksim X` runs what `python -m marksim.X` runs, and hands all flags on, --help included."""
    ran: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(sys, "argv", [])
    monkeypatch.setattr(runpy, "run_module", lambda name, **_: ran.append((name, sys.argv[1:])))
    result = CliRunner().invoke(app, [command, "--port", "1", "--help"])
    assert result.exit_code == 0
    name, *first = module.split()
    assert ran == [(name, [*first, "--port", "1", "--help"])]
