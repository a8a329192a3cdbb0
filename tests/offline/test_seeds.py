"""Many seeds: each as if it ran alone, and none stops another."""

import os
import signal
from pathlib import Path

import pytest

from marksim.core.errors import InvalidInput
from marksim.offline import seeds as module
from marksim.offline import simulate
from marksim.offline.seeds import Job, Outcome, parse_seeds, run_seeds
from marksim.store.parquet import read_table


def job(scenario: str = "default", out: Path | None = None, until: str = "20s") -> Job:
    return Job(scenario, (), until, out, ("trades",))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("7", (7,)), ("1..4", (1, 2, 3, 4)), ("1,5,9", (1, 5, 9)), ("8..9, 1, 9", (8, 9, 1)), ("0..0", (0,))],
)
def test_seeds_are_ranges_and_lists(text: str, expected: tuple[int, ...]) -> None:
    """In the order given, each once, both ends of a range included."""
    assert parse_seeds(text) == expected


@pytest.mark.parametrize("text", ["", "a", "1..", "..3", "1-3", "-1", "1,,2", "9..1", "1..2000000", "0..999999,5..1000004"])
def test_anything_else_is_refused(text: str) -> None:
    """With the flag's name."""
    with pytest.raises(InvalidInput, match="--seeds is"):
        parse_seeds(text)


def test_each_seed_has_the_tape_that_it_has_alone(tmp_path: Path) -> None:
    """And an archive of its own, which names the seed."""
    outcomes = {one.seed: one for one in run_seeds(job(out=tmp_path), (1, 2, 3), 2)}
    assert sorted(outcomes) == [1, 2, 3]
    for seed, outcome in outcomes.items():
        assert outcome.tape_hash == simulate("default", seed=seed, until="20s", tables=()).tape_hash
        (path,) = (tmp_path / f"seed={seed}").glob("runs/**/part.parquet")
        assert read_table(path)["seed"].to_pylist() == [seed]


def test_a_seed_that_fails_stops_no_other(tmp_path: Path) -> None:
    """Here its directory cannot be made; the error names it."""
    (tmp_path / "seed=2").write_text("in the way")
    outcomes = {one.seed: one for one in run_seeds(job(out=tmp_path), (1, 2, 3), 2)}
    assert [seed for seed, one in outcomes.items() if one.error] == [2]
    assert outcomes[2].error == f"{tmp_path / 'seed=2'} cannot be written: it is a file, not a directory"


def test_a_process_that_dies_takes_only_its_seed_along(tmp_path: Path) -> None:
    """The others are done again where they were lost with it."""
    code = (
        "import os, signal\n\n\nasync def deadly(market):\n    await market.sleep(1)\n"
        "    if market.rng.integers(1 << 60) % 3 == 0:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    (tmp_path / "mine.py").write_text(code)
    text = "extends: default\nname: mine\nagents:\n  - {name: deadly, type: ./mine.py:deadly}\n"
    (tmp_path / "mine.yaml").write_text(text)
    outcomes = {one.seed: one for one in run_seeds(job(str(tmp_path / "mine.yaml"), until="5s"), range(1, 8), 2)}
    assert sorted(outcomes) == list(range(1, 8))
    dead = [seed for seed, one in outcomes.items() if one.error]
    assert dead and len(dead) < 7
    assert {outcomes[seed].error for seed in dead} == {"its process died, as if killed or out of memory"}
    assert all(len(one.tape_hash) == 64 for one in outcomes.values() if not one.error)


def test_leaving_early_ends_the_processes(tmp_path: Path) -> None:
    """Those that run stop at their next windows, and their archives say so."""
    running = run_seeds(job(out=tmp_path, until="20s"), (1, 2), 1)
    assert next(running).seed == 1
    running.close()
    assert not [path for path in tmp_path.glob("seed=2/runs/**/part.parquet") if read_table(path)["tape_hash"][0].is_valid]


def test_a_worker_hears_when_it_is_to_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It looks while it simulates; its outcome says that it was interrupted."""
    stop = module._SPAWN.Event()
    stop.set()
    monkeypatch.setattr(module, "_stop", stop)
    outcome = module._one(job(out=tmp_path, until="1d"), 5)
    assert outcome == Outcome(5, error="interrupted")


def test_workers_leave_ctrl_c_to_their_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal sends it to all; only the parent tells the workers when to end."""
    monkeypatch.setattr(module, "_stop", None)
    before = signal.getsignal(signal.SIGINT)
    try:
        module._begin_process(module._SPAWN.Event())
        os.kill(os.getpid(), signal.SIGINT)
        assert module._stop is not None
    finally:
        signal.signal(signal.SIGINT, before)
