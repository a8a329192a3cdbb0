"""The limit of open files, in a process of its own since a hard limit never comes back."""

import subprocess
import sys

import pytest

SCRIPT = """
import resource
from marksim.runtime.files import raise_file_limit
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 300))
print(raise_file_limit({wanted}), resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(("wanted", "then"), [(50, "100 (100, 300)"), (200, "200 (200, 300)"), (5_000, "300 (300, 300)")])
def test_the_soft_limit_goes_up_as_far_as_wanted_and_let(wanted: int, then: str) -> None:
    """Never down, and not beyond the hard limit, which stays."""
    run = subprocess.run([sys.executable, "-c", SCRIPT.format(wanted=wanted)], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == then
