"""Whether this machine's CPU can run the kernels that an image carries."""

import os
import sys
import tempfile
from collections.abc import MutableMapping
from pathlib import Path
from typing import Final

CPU_INFO: Final = Path("/proc/cpuinfo")
OWN_CACHE: Final = "marksim-kernels"


def fit_kernels(environment: MutableMapping[str, str] = os.environ, cpu_info: Path = CPU_INFO) -> str:
    """Have kernels compiled for this CPU where it lacks what the image's were compiled for; returns what it lacks.

    Numba reads its variables once, when it is imported: so this comes before.
    """
    asked = environment.get("NUMBA_CPU_FEATURES", "").split(",")
    wanted = [part.removeprefix("+") for part in asked if part.startswith("+")]
    try:
        text = cpu_info.read_text(encoding="ascii", errors="replace")
    except OSError:
        # No Linux, so no image of ours either.
        return ""
    flags = next((line.partition(":")[2].split() for line in text.splitlines() if line.startswith("flags")), None)
    missing = " ".join(feature for feature in wanted if flags is not None and feature not in flags)
    if missing:
        cache = Path(tempfile.gettempdir(), OWN_CACHE)
        for name in ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NUMBA_CACHE_LOCATOR_CLASSES"):
            environment.pop(name, None)
        environment["NUMBA_CACHE_DIR"] = str(cache)
        sys.stderr.write(f"marksim: this CPU lacks {missing}: kernels are compiled for it into {cache}, about a minute\n")
    return missing
