"""Each fault of faults.py, put into a copy of the kernel, is found by the tests of this folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import marksim
from tests.core.book.faults import FAULTS, Fault
from tests.core.book.streams import MIXES

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = Path(marksim.__file__).parent
HERE = "tests/core/book"


def stream_of(mix: str) -> str:
    """A test's name; the shortest streams, of one seed."""
    return f"{HERE}/test_equal.py::test_random_streams_give_equal_rows_and_hashes[{mix}-1]"


FIRST = ("everything", "everything on quotes", "amends with terms")
# What finds most at once comes first.
QUICK = (
    *(stream_of(mix) for mix in FIRST),
    *(f"{HERE}/test_{name}.py" for name in ("contract", "terms", "amend", "expiry", "icebergs", "stops")),
    f"{HERE}/test_book.py::test_extreme_values_in_every_field_give_the_answers_of_the_twin",
    f"{HERE}/test_book.py::test_one_order_may_sweep_the_whole_book",
    f"{HERE}/test_book.py::test_one_command_finds_room_for_all_its_rows",
    *(stream_of(mix) for mix in MIXES if mix not in FIRST),
)
FOUND, SOUND = 1, 0
"""What pytest returns where a test failed, and where none did."""

pytestmark = pytest.mark.faults


def copy_of_core(folder: Path) -> Path:
    """The package with no more than core in it; returns the folder of the book."""
    core = folder / "marksim" / "core"
    shutil.copytree(PACKAGE / "core", core, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PACKAGE / "__init__.py", folder / "marksim")
    return core / "book"


def quick_suite(folder: Path) -> subprocess.CompletedProcess[str]:
    """The tests of that copy, up to the first that fails; one that hangs fails too."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "NUMBA_DISABLE_JIT": "1"}
    options = ["-q", "-x", "--tb=line", "--timeout=10", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", "not reference"]
    command = [sys.executable, "-m", "pytest", *options, *QUICK]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_a_copy_without_a_fault_is_sound(tmp_path: Path) -> None:
    """The quick suite passes on the copy, and it is the copy that it tests."""
    book = copy_of_core(tmp_path)
    done = quick_suite(tmp_path)
    assert done.returncode == SOUND, done.stdout
    (book / "kernel.py").write_text("raise AssertionError('the copy is imported')\n")
    done = quick_suite(tmp_path)
    assert "the copy is imported" in done.stdout + done.stderr


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.file}: {fault.name}")
def test_a_fault_is_found(fault: Fault, tmp_path: Path) -> None:
    """A test fails, on source that is otherwise as it was."""
    path = copy_of_core(tmp_path) / fault.file
    source = path.read_text()
    assert source.count(fault.text) == 1, f"{fault.file} has this not once: {fault.text}"
    path.write_text(source.replace(fault.text, fault.instead))
    done = quick_suite(tmp_path)
    assert done.returncode == FOUND, f"{fault.file}: not found that {fault.name}\n{done.stdout}"
