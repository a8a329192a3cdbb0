"""`marksim journal info`: what a journal is, how large, and who needs what of it."""

import json
from pathlib import Path

from typer.testing import CliRunner, Result

from marksim.journal.command import app
from marksim.store.journal import Journal
from tests.journal.recorded import BTC, ETH, RUN, WINDOWS, scenario, write


def marksim(*words: object) -> Result:
    """Run a command of `marksim journal`."""
    return CliRunner().invoke(app, [str(word) for word in words])


def test_a_journal_is_described_for_programs(tmp_path: Path) -> None:
    """All of its facts; sizes add up to what the file has."""
    write(tmp_path, ((BTC,), (ETH,)), snapshots=(99, 199, 299))
    with Journal(tmp_path / "shard-0") as journal:
        journal.confirm("archiver", 350)
        journal.set_saved(320)
        journal.drop(60, 50, "a test")
    facts = json.loads(marksim("info", tmp_path, "--json").stdout)
    assert (facts["run"], facts["scenario"], facts["seed"], facts["shards"]) == (RUN, "two-symbols", 1, 2)
    assert (facts["first_window"], facts["last_window"], facts["symbols"]) == (60, WINDOWS - 1, [BTC, ETH])
    assert facts["scenario_hash"] == scenario().hash and facts["simulated_s"] == (WINDOWS - 60) * 0.05
    first, second = facts["parts"]
    assert (first["first_window"], second["first_window"]) == (60, 0)
    assert (first["snapshots"], first["engine_saved"], first["readers"]) == ([299, 199, 99], 320, {"archiver": 350})
    assert first["needed_from"] == 200 and second["needed_from"] == 0
    assert [(gap["first"], gap["last"], gap["reason"]) for gap in first["gaps"]] == [(50, 59, "a test")]
    assert first["input_bytes"] + first["output_bytes"] < first["used_bytes"] <= first["file_bytes"]
    assert 1 < first["input_bytes_per_command"] < 112 and first["bytes_per_window"] > 1


def test_a_journal_is_described_for_people(tmp_path: Path) -> None:
    """The same in lines, of a journal that is being written as well."""
    write(tmp_path, windows=90, snapshots=(50,))
    with Journal(tmp_path / "shard-0") as journal:
        journal.confirm("archiver", 80)
        told = marksim("info", tmp_path)
    assert told.exit_code == 0, told.output
    for text in (
        f"run        {RUN}, two-symbols with seed 1",
        "windows    0 to 89 of 50 ms: 2025-01-06T00:00:00Z to 2025-01-06T00:00:04.5Z, 0.00 h simulated",
        "shard-0    windows 0 to 89, BTC/USD, ETH/USD",
        "snapshots: of the books after windows 50; the engine's: none; term 3",
        "reader archiver has all up to window 80",
        "bytes of input a command",
    ):
        assert text in told.stdout


def test_an_empty_journal_is_described(tmp_path: Path) -> None:
    """A run without a window, too."""
    write(tmp_path, windows=0)
    told = marksim("info", tmp_path)
    assert told.exit_code == 0 and "windows    none yet" in told.stdout
