"""`python -m marksim kernels`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from marksim.core.warm import ALL


def kernels(cache: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """Run it with a cache of its own."""
    command = [sys.executable, "-m", "marksim", "kernels", *flags]
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.timeout(300)
def test_cached_fails_until_everything_was_compiled_once(tmp_path: Path) -> None:
    """With an empty cache `--cached` ends with 1, though it compiles; the next time it ends with 0 and all are hits."""
    first, second = kernels(tmp_path, "--cached"), kernels(tmp_path, "--cached")
    assert (first.returncode, second.returncode) == (1, 0), first.stderr + second.stderr
    assert first.stdout.count(" compiled ") == len(ALL)
    assert second.stdout.count(" cached ") == len(ALL)
    assert all(name in second.stdout for name in ALL)
