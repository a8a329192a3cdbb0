"""`marksim journal trim`: the oldest windows go, and none that is needed."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from marksim.journal.command import app
from marksim.store.journal import Journal
from marksim.store.journal_reading import JournalReader
from tests.journal.recorded import BTC, ETH, WINDOWS, write


def marksim(*words: object) -> Result:
    """Run a command of `marksim journal`."""
    return CliRunner().invoke(app, [str(word) for word in words])


def prepare(directory: Path) -> None:
    """Two shards that need little: the engine and a reader have all up to 350, the books have snapshots."""
    write(directory, ((BTC,), (ETH,)), snapshots=(199, 299))
    for shard in (0, 1):
        with Journal(directory / f"shard-{shard}") as journal:
            journal.confirm("archiver", 350)
            journal.set_saved(350)


def first_windows(directory: Path) -> list[int]:
    """The oldest window of each shard."""
    found = []
    for shard in (0, 1):
        with JournalReader(directory / f"shard-{shard}") as reader:
            found.append(reader.span()[0])
    return found


@pytest.mark.parametrize("words", [("--keep", "11s"), ("--before", "2025-01-06T00:00:09Z")])
def test_what_is_older_goes(tmp_path: Path, words: tuple[str, str]) -> None:
    """In all shards, by simulated time; what is left is verified as before."""
    prepare(tmp_path)
    result = marksim("trim", tmp_path, *words)
    assert result.exit_code == 0, result.output
    for shard, line in enumerate(result.stdout.splitlines()):
        with JournalReader(tmp_path / f"shard-{shard}") as reader:
            first = next(reader.windows(reader.span()[0]))
        # A row of windows in which nothing happened stays whole.
        assert first.window <= 180 <= first.last and line.endswith(f"it begins with window {first.window}")
    assert f"equal: {WINDOWS - 200} windows" in marksim("verify", tmp_path).stdout


def test_what_is_needed_stays(tmp_path: Path) -> None:
    """Who needs it is named: snapshots, the engine, readers."""
    prepare(tmp_path)
    result = marksim("trim", tmp_path, "--before", "2025-01-06T00:00:12Z")
    assert result.exit_code == 1 and "needed by the books' snapshots (from window 200 on)" in result.stderr
    with Journal(tmp_path / "shard-1") as journal:
        journal.confirm("slow", 20)
        journal.set_saved(30)
    result = marksim("trim", tmp_path, "--before", "2025-01-06T00:00:08Z")
    assert result.exit_code == 1
    assert "shard-1: windows before 160 are needed by reader slow (from window 21 on); the engine's" in result.stderr
    assert first_windows(tmp_path) == [0, 0]


def test_force_drops_what_others_need_and_notes_a_gap(tmp_path: Path) -> None:
    """But never what the books cannot be started without."""
    prepare(tmp_path)
    with Journal(tmp_path / "shard-1") as journal:
        journal.confirm("slow", 20)
    result = marksim("trim", tmp_path, "--before", "2025-01-06T00:00:14Z", "--force")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[1].endswith("it begins with window 280; a gap from 21 to 279 is noted")
    with JournalReader(tmp_path / "shard-1") as reader:
        (gap,) = reader.gaps()
    assert (gap.first, gap.last, gap.reason) == (21, 279, "they were dropped by `marksim journal trim --force`")
    refused = marksim("trim", tmp_path, "--before", "2025-01-06T00:00:17Z", "--force")
    assert refused.exit_code == 1 and "the books can only be started from windows 300 on" in refused.stderr
    assert "equal: 100 windows" in marksim("verify", tmp_path).stdout


def test_a_journal_in_use_is_not_trimmed(tmp_path: Path) -> None:
    """The order book trims it by itself."""
    prepare(tmp_path)
    with Journal(tmp_path / "shard-0"):
        result = marksim("trim", tmp_path, "--keep", "11s")
    assert result.exit_code == 1 and "another order book writes to" in result.stderr


def test_how_much_must_be_said_once(tmp_path: Path) -> None:
    """Neither, both, and an exported file are refused."""
    prepare(tmp_path)
    assert marksim("trim", tmp_path).exit_code == 2
    assert marksim("trim", tmp_path, "--keep", "1s", "--before", "2025-01-06T00:00:09Z").exit_code == 2
    marksim("export", tmp_path, tmp_path / "file")
    result = marksim("trim", tmp_path / "file", "--keep", "1s")
    assert result.exit_code == 2 and "is an exported file" in result.stderr
