"""`marksim simulate` as a person starts it."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from marksim.offline import simulate
from marksim.offline.recording import ALL_TABLES
from marksim.store.archive import Archive
from marksim.store.parquet import read_table


def started(*arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "marksim", "simulate", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def said(*arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    with started(*arguments) as process:
        out, err = process.communicate(timeout=50)
    return process.returncode, out, err


def test_a_run_ends_with_its_tape_hash(tmp_path: Path) -> None:
    """After what was simulated, how fast, and where it is; the flags say what Python's arguments do."""
    flags = (
        "--until",
        "30s",
        "--seed",
        "5",
        "--set",
        "agents.maker.count=2",
        "--out",
        str(tmp_path),
        "--tables",
        "ticks,trades",
    )
    code, out, err = said("default", *flags)
    assert code == 0, err
    lines = out.splitlines()
    expected = simulate("default", seed=5, until="30s", overrides=["agents.maker.count=2"], tables=())
    assert lines[-1] == f"tape hash: {expected.tape_hash}"
    assert lines[0].split() == ["scenario", "default,", "seed", "5"]
    assert f"{expected.stats.events:,} of {expected.stats.orders:,} orders; {expected.stats.trades:,} trades" in out
    assert re.search(r"wall +[0-9.]+ s: [0-9,]+ x real time, [0-9,]+ events/s", out)
    assert re.search(rf"archive +{tmp_path}: 3 files, [0-9.]+ MiB, run [0-9a-f-]{{36}}", out)
    assert {path.name for path in tmp_path.glob("[a-z]*")} == {"ticks", "trades", "runs"}


def test_many_seeds_end_with_a_hash_each(tmp_path: Path) -> None:
    """In the order of the seeds, each in its own directory; one that fails makes the exit code 1 and is named."""
    (tmp_path / "seed=2").write_text("in the way")
    code, out, err = said("default", "--until", "20s", "--seeds", "3,1..2", "--out", str(tmp_path))
    assert code == 1
    hashes = {seed: simulate("default", seed=seed, until="20s", tables=()).tape_hash for seed in (3, 1)}
    assert out.splitlines() == [f"tape hash: {tape} seed {seed}" for seed, tape in hashes.items()]
    assert "cannot be written" in " ".join(err.split())
    assert {path.name for path in (tmp_path / "seed=1").glob("[a-z]*")} == {*ALL_TABLES, "runs"}


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("default",), 2, "marksim simulate: until: scenario default has no duration of its own; say how long, such as 1d"),
        (("default", "--until", "1w"), 2, "marksim simulate: until is '1w': write a number and a unit"),
        (("nobody", "--until", "1m"), 2, "marksim simulate: scenario nobody: there is no such file"),
        (("default", "--until", "1m", "--tables", "trade"), 2, "marksim simulate: tables: 'trade' is none of trades"),
        (("default", "--until", "1m", "--seed", "1", "--seeds", "1..2"), 2, "give --seed or --seeds, not both"),
        (
            ("default", "--until", "1m", "--seeds", "2..1"),
            2,
            "marksim simulate: --seeds is '2..1': 2..1 ends before it begins",
        ),
        (
            ("default", "--until", "1m", "--out", "{file}"),
            1,
            "--out {file} cannot be written: it is a file, not a directory",
        ),
        (("default", "--until", "1m", "--out", "{file}/x"), 1, "--out {file}/x cannot be written: Not a directory"),
    ],
)
def test_what_is_wrong_is_one_line(arguments: tuple[str, ...], code: int, sentence: str, tmp_path: Path) -> None:
    """With the remedy, and no traceback."""
    file = tmp_path / "file"
    file.touch()
    got, out, err = said(*(part.format(file=file) for part in arguments))
    assert (got, out) == (code, "")
    assert sentence.format(file=file) in err and "Traceback" not in err


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A program begins to listen to Ctrl-C only where who starts it does: tests may run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.timeout(180)
@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("seeds", [(), ("--seeds", "1..3")], ids=["one run", "many seeds"])
def test_ctrl_c_ends_it_in_order(seeds: tuple[str, ...], tmp_path: Path) -> None:
    """Soon, with one line and exit code 130; what was simulated is kept, and the archive is free."""
    process = started("default", "--until", "30d", "--out", str(tmp_path), *seeds)
    try:
        deadline = time.monotonic() + 100
        while not list(tmp_path.glob("**/runs/**/part.parquet")):
            assert time.monotonic() < deadline and process.poll() is None
        os.kill(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert f"marksim simulate: interrupted; what was simulated is in {tmp_path}" in err and "Traceback" not in err
    for path in tmp_path.glob("**/runs/**/part.parquet"):
        assert read_table(path)["ended"].to_pylist() == ["interrupted"]
        Archive(path.parents[3]).close()
