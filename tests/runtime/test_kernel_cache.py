"""Kernels beside their source, as an image has them: written once, then read from a folder that takes no more."""

import json
import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import json
from numba import njit
{body}
twice = njit(cache=True)(twice)
twice(2)
print(json.dumps([sum(twice.stats.cache_hits.values()), sum(twice.stats.cache_misses.values())]))
"""
BODY = "def twice(number):\n    return 2 * number\n"


def run(source: Path, body: str = BODY) -> tuple[int, int]:
    """(hits, misses) of a process that runs the source."""
    text = PROGRAM.format(body=body)
    if not source.exists() or source.read_text() != text:
        source.write_text(text)
    environment = {**os.environ, "NUMBA_CACHE_LOCATOR_CLASSES": "marksim.runtime.kernel_cache.BesideTheSource"}
    done = subprocess.run([sys.executable, str(source)], env=environment, capture_output=True, text=True, check=True)
    hits, misses = json.loads(done.stdout)
    return hits, misses


def test_second_process_finds_what_the_first_compiled(tmp_path: Path) -> None:
    """The first compiles; for the second it is a hit."""
    source = tmp_path / "program.py"
    assert run(source) == (0, 1)
    assert list((tmp_path / "__pycache__").glob("*.nbc"))
    assert run(source) == (1, 0)


def test_source_with_other_content_is_compiled_again(tmp_path: Path) -> None:
    """What was compiled belongs to the content of the source, not to its name or time."""
    source = tmp_path / "program.py"
    run(source)
    times = source.stat()
    other = BODY.replace("2 * number", "3 * number")
    source.write_text(PROGRAM.format(body=other))
    os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert run(source, other) == (0, 1)


def test_a_change_in_a_neighbouring_file_is_a_change(tmp_path: Path) -> None:
    """Kernels call each other across files, and what is called is compiled into its caller."""
    source = tmp_path / "program.py"
    neighbour = tmp_path / "neighbour.py"
    neighbour.write_text("FACTOR = 2\n")
    run(source)
    neighbour.write_text("FACTOR = 3\n")
    assert run(source) == (0, 1)
    assert run(source) == (1, 0)


def test_folder_is_not_written_to_where_nothing_is_compiled(tmp_path: Path) -> None:
    """On a hit no file is made or touched, so that a read-only file system will do."""
    source = tmp_path / "program.py"
    run(source)
    cache = tmp_path / "__pycache__"
    # Newer than a file that a probe would make and remove.
    before = cache.stat().st_mtime_ns
    assert run(source) == (1, 0)
    assert cache.stat().st_mtime_ns == before
