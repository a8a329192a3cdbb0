"""A run with an end: `marksim run mine.yaml --until 2m --speed max`, from the user's own directory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.market import SERVICES, START_S, free_block

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]


def run(directory: Path, *flags: str) -> list[str]:
    """The lines that a market prints until it ends by itself, with exit code 0."""
    base = free_block(11)
    ports = [f"--port={base + 5}", f"--memory-http-port={base + 6}", f"--http-port-base={base + 7}"]
    ports += [f"--{name}-port={base + number}" for number, name in enumerate(SERVICES)]
    ended = subprocess.run(
        [sys.executable, "-m", "marksim", "run", "mine.yaml", *ports, "--data-dir=data", "--new-run", *flags],
        cwd=directory,
        env={**os.environ},
        capture_output=True,
        text=True,
        timeout=START_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout.splitlines()


def test_a_run_ends_by_itself_and_says_its_tape_hash_last(tmp_path: Path) -> None:
    """A scenario by a relative path; the same seed and end give the same hash at any speed, another seed another."""
    (tmp_path / "mine.yaml").write_text("schema: 1\nextends: default\nname: mine\n")
    lines = run(tmp_path, "--seed=7", "--until=1m", "--speed=max")
    assert lines[-2] == "All services ended."
    assert lines[-1].startswith("tape hash: ") and len(lines[-1]) == len("tape hash: ") + 64
    assert run(tmp_path, "--seed=7", "--until=2025-01-06T00:01:00", "--speed=20")[-1] == lines[-1]
    assert run(tmp_path, "--seed=8", "--until=1m", "--speed=max")[-1] != lines[-1]
