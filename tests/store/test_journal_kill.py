"""kill -9 of a process that writes a journal, again and again: what it said is there is there, and all of it is whole."""

import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from marksim.store.journal import Journal
from tests.store.recorded import key
from tests.store.writer import KEPT, recorded

ROOT = Path(__file__).resolve().parents[2]
KILLS = 4


def write_and_kill(directory: Path, durability: str, windows: int, delay_s: float) -> int:
    """Run the writer, kill it some moment after so many windows; return the last one that it said is there."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "services"), str(ROOT)])}
    command = [sys.executable, "-m", "tests.store.writer", str(directory), durability]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, cwd=ROOT, text=True) as process:
        assert process.stdout is not None
        said = [int(process.stdout.readline()) for _ in range(windows)]
        timer = threading.Timer(delay_s, process.kill)
        timer.start()
        # It goes on until it is killed; the last line may be cut off.
        lines = process.stdout.read().split("\n")[:-1]
        timer.join()
    return [*said, *map(int, lines)][-1]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("durability", ["process", "disk"])
def test_no_acknowledged_window_is_lost_and_none_is_half_there(tmp_path: Path, durability: str) -> None:
    """At random moments of appending, trimming, emptying the log and syncing; the next process goes on after it."""
    chance = random.Random(11)
    for kill in range(KILLS):
        said = write_and_kill(tmp_path, durability, chance.randrange(1, 200), chance.random() * 0.05)
        with Journal(tmp_path) as journal, journal.reader() as reader:
            reader.check()
            # The one that it was about to tell of may be there as well.
            assert said <= journal.last_window <= said + 1, f"kill {kill}"
            assert journal.first_window <= max(0, journal.saved_window - KEPT)
            notes = dict(reader.notes())
            assert notes["last"] == str(journal.last_window).encode()
            expected = journal.first_window
            for each in reader.windows(journal.first_window):
                assert each.window == expected
                expected = each.last + 1
                if each.window == each.last and each.parts:
                    assert key(each) == key(recorded(each.window))
                else:
                    assert all(not recorded(number).parts for number in range(each.window, each.last + 1))
            assert expected == journal.last_window + 1
    assert journal.first_window > 0
