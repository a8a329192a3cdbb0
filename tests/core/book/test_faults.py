"""Each fault of faults.py, put into a copy of the kernel, is found by the tests of this folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

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


def files(*names: str) -> tuple[str, ...]:
    return tuple(f"{HERE}/test_{name}.py" for name in names)


LONG: Final = ("everything", "everything on quotes", "amends with terms", "everything in auctions", "everything in days")
FIRST: Final = {
    "entering.py": files("contract", "sessions", "bands", "at_the_open", "terms", "amend", "icebergs"),
    "taking.py": (*files("terms", "bands"), *map(stream_of, LONG), *files("contract", "icebergs")),
    "kernel.py": (
        *files("sessions", "amend", "bands", "expiry"),
        *map(stream_of, LONG),
        f"{HERE}/test_room.py::test_a_command_finds_room_for_its_rows[expires-]",
        f"{HERE}/test_room.py::test_a_command_finds_room_for_its_rows[opens by itself-]",
    ),
    "sessions.py": (*files("sessions", "bands"), *map(stream_of, LONG), *files("auction")),
    "auction.py": files("at_the_open", "auction"),
    "schedule.py": files("sessions"),
    "stops.py": files("stops", "sessions"),
    "output.py": (*files("contract", "sessions"), *map(stream_of, LONG)),
    "occupancy.py": files("contract", "auction"),
    "queues.py": (*files("contract", "amend"), *map(stream_of, LONG)),
    "names.py": (
        *map(stream_of, ("full", "one order", "everything")),
        f"{HERE}/test_book.py::test_one_order_may_sweep_the_whole_book",
    ),
    "state.py": (stream_of("everything"), f"{HERE}/test_book.py::test_one_order_may_sweep_the_whole_book"),
    "heaps.py": files("expiry", "stops"),
    "room.py": files("room"),
    "reading.py": (*files("sessions", "contract"), *map(stream_of, LONG)),
    "book.py": (*files("sessions", "contract"), *map(stream_of, LONG)),
}
"""Where most faults of a file are found: a few tests that need not be collected with all others."""
PLAIN: Final = (
    "contract",
    "terms",
    "amend",
    "expiry",
    "stops",
    "sessions",
    "at_the_open",
    "bands",
    "room",
    "icebergs",
    "auction",
)
QUICK: Final = (
    *(stream_of(mix) for mix in LONG),
    *files(*PLAIN),
    f"{HERE}/test_book.py::test_extreme_values_in_every_field_give_the_answers_of_the_twin",
    f"{HERE}/test_book.py::test_one_order_may_sweep_the_whole_book",
    f"{HERE}/test_book.py::test_one_command_finds_room_for_all_its_rows",
    *(stream_of(mix) for mix in MIXES if mix not in LONG),
)
EVERY: Final = int(os.environ.get("FAULTS_EVERY", "1"))
"""CI takes each fourth; all of them are run by hand, after a change of the kernel."""
MEMORY_KIB: Final = 4 << 20
"""A book that asks for room without end is found by an error, not by the machine's end of memory."""
FOUND, SOUND = 1, 0
"""What pytest returns where a test failed, and where none did."""

pytestmark = pytest.mark.faults


def copy_of_core(folder: Path) -> Path:
    """The package with no more than core in it; returns the folder of the book."""
    core = folder / "marksim" / "core"
    shutil.copytree(PACKAGE / "core", core, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PACKAGE / "__init__.py", folder / "marksim")
    return core / "book"


def run(folder: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    """The tests of that copy, up to the first that fails; one that hangs fails too."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "NUMBA_DISABLE_JIT": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    options = ["-q", "-x", "--tb=line", "--timeout=10", "-p", "no:cacheprovider", "-k", "not [reference"]
    # Plugins that are not needed take longer to import than most faults to find.
    plugins = ["-p", "pytest_timeout", "-p", "pytest_asyncio.plugin"]
    command = [sys.executable, "-m", "pytest", *options, *plugins, *tests]
    limited = ["sh", "-c", f'ulimit -v {MEMORY_KIB}; exec "$@"', "sh", *command]
    return subprocess.run(limited, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def find(folder: Path, file: str) -> subprocess.CompletedProcess[str]:
    """The quick suite, the tests first that find most faults of a file."""
    done = run(folder, *FIRST[file]) if file in FIRST else None
    return done if done is not None and done.returncode != SOUND else run(folder, *QUICK)


def test_a_copy_without_a_fault_is_sound(tmp_path: Path) -> None:
    """The quick suite passes on the copy, and it is the copy that it tests."""
    book = copy_of_core(tmp_path)
    done = run(tmp_path, *QUICK)
    assert done.returncode == SOUND, done.stdout
    (book / "kernel.py").write_text("raise AssertionError('the copy is imported')\n")
    done = run(tmp_path, *QUICK)
    assert "the copy is imported" in done.stdout + done.stderr


@pytest.mark.parametrize("fault", FAULTS[::EVERY], ids=lambda fault: f"{fault.file}: {fault.name}")
def test_a_fault_is_found(fault: Fault, tmp_path: Path) -> None:
    """A test fails, on source that is otherwise as it was."""
    path = copy_of_core(tmp_path) / fault.file
    source = path.read_text()
    assert source.count(fault.text) == 1, f"{fault.file} has this not once: {fault.text}"
    path.write_text(source.replace(fault.text, fault.instead))
    done = find(tmp_path, fault.file)
    assert done.returncode == FOUND, f"{fault.file}: not found that {fault.name}\n{done.stdout}"
