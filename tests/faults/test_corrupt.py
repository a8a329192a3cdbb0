"""What is damaged, and what counts as a word about it."""

import json
import random
from pathlib import Path

import pytest

from tests.faults.corrupt import harm
from tests.faults.going_on import told_of


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A market's data directory, with a file of each kind."""
    names = (
        *("journal/shard-0/journal.sqlite-wal", "journal/shard-0/journal.sqlite-shm", "journal/shard-0/book-9.snapshot"),
        *("engine/engine-000000000009.snapshot", "engine/inputs-000000000009.snapshot", "engine/clock.json"),
        *("archive/_log/000000000001.json", "archive/_log/000000000002.json", "archive/runs/run=a/symbol=b/part.parquet"),
    )
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"whole" * 100)
    return tmp_path


@pytest.mark.parametrize(
    ("kind", "hit"),
    [
        ("engine", {"engine-000000000009.snapshot", "inputs-000000000009.snapshot", "clock.json"}),
        ("clock", {"clock.json"}),
        ("wal", {"journal.sqlite-wal"}),
        ("shm", {"journal.sqlite-shm"}),
        ("archive", {"000000000002.json", "part.parquet"}),
    ],
)
def test_of_each_kind_all_files_are_damaged_that_a_start_reads(data: Path, kind: str, hit: set[str]) -> None:
    """Of the archive's log the newest entry alone; and one file at a time."""
    found = set()
    for seed in range(40):
        done = harm(data, kind, random.Random(seed))
        changed = [path for path in data.rglob("*") if path.is_file() and path.read_bytes() != b"whole" * 100]
        assert changed == [done.path]
        found.add(done.path.name)
        done.path.write_bytes(b"whole" * 100)
    assert found == hit


def test_a_word_is_a_warning_an_error_or_a_line_for_people(tmp_path: Path) -> None:
    """That names the file with its folder; what only mentions it in passing is none."""
    path, log = Path("data/engine/clock.json"), tmp_path / "engine.log"
    for text, is_told in (
        (json.dumps({"level": "info", "file": "x/engine/clock.json"}), False),
        (json.dumps({"level": "error", "reason": "x/engine/clock.json: its checksum differs"}), True),
        (json.dumps({"level": "warning", "reason": "x/other/clock.json: its checksum differs"}), False),
        ("marksim archiver: --dir x is wrong: x/engine/clock.json: cut off", True),
        ("", False),
    ):
        log.write_text(f"{text}\n", encoding="utf-8")
        assert told_of(path, tmp_path) == is_told, text
