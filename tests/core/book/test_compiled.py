"""What is kept of kernels on disk: the machine code of one content of their folder, under a name of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from marksim.core.book.compiled import TYPES, stamp_of

PROGRAM = """
from marksim.core.book.compiled import kernel

@kernel
def times(number: int) -> int:
    return {factor} * number

print(times(1))
"""


def run(folder: Path, factor: int) -> str:
    """What a process prints that compiles the kernel, or finds it."""
    source = folder / "program.py"
    source.write_text(PROGRAM.format(factor=factor))
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder / "cache"), "NUMBA_DISABLE_JIT": "0"}
    done = subprocess.run([sys.executable, str(source)], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def kept(folder: Path) -> set[str]:
    """Names of all files of the cache."""
    return {path.name for path in (folder / "cache").rglob("*.nb?")}


def test_another_content_has_files_of_other_names(tmp_path: Path) -> None:
    """So that no process can take the machine code of the one for that of the other; what is old goes."""
    assert run(tmp_path, 2) == "2"
    first = kept(tmp_path)
    assert len(first) == 2
    assert run(tmp_path, 3) == "3"
    second = kept(tmp_path)
    assert len(second) == 2
    assert not first & second


@pytest.mark.parametrize("left", [".nbi", ".nbc"])
def test_half_of_what_was_kept_is_no_harm(tmp_path: Path, left: str) -> None:
    """A process that finds an index without the code, or the code alone, compiles."""
    run(tmp_path, 2)
    for path in (tmp_path / "cache").rglob("*.nb?"):
        if path.suffix != left:
            path.unlink()
    assert run(tmp_path, 2) == "2"


def test_records_and_checks_of_indices_belong_to_what_is_kept(tmp_path: Path) -> None:
    """A column more, or another way to compile, is another content."""
    names = [name for name, _ in stamp_of(tmp_path)]
    assert TYPES.read_text().count("EXECUTION: Final") == 1
    assert names == ["core/types.py", "boundscheck"]


def test_where_nothing_can_be_kept_all_is_compiled(tmp_path: Path) -> None:
    """A process that may write nowhere works as well, only later."""
    source = tmp_path / "program.py"
    source.write_text(PROGRAM.format(factor=2))
    (tmp_path / "__pycache__").write_text("in the way of a folder")
    nowhere = dict.fromkeys(("NUMBA_CACHE_DIR", "HOME", "XDG_CACHE_HOME"), "/proc/nowhere")
    environment = {**os.environ, **nowhere, "NUMBA_DISABLE_JIT": "0"}
    done = subprocess.run([sys.executable, str(source)], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "2"
