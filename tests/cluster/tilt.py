"""The Tiltfile from nothing, in a copy of this repository: `tilt ci`, then an edit that has to run in the pod."""

import asyncio
import shlex
import shutil
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Final

from tests.cluster.kube import ROOT, call, eventually, need

HEALTH: Final = "http://127.0.0.1:9094/healthz"
"""Where the Tiltfile forwards the edge's health to."""
EDITED: Final = Path("services/marksim/runtime/http.py")
WITHIN_S: Final = 10.0


async def edit_runs(flags: str) -> str:
    """Step 11: `tilt ci` exits 0, and a changed .py file runs in the pod within ten seconds."""
    with tempfile.TemporaryDirectory(prefix="marksim-tilt-") as folder:
        await _copy(Path(folder))
        arguments = shlex.split(flags)
        begun = time.monotonic()
        await call("tilt", "ci", "--", *arguments, within_s=420, cwd=Path(folder))
        ci_s = time.monotonic() - begun
        process = await asyncio.create_subprocess_exec(
            *("tilt", "up", "--stream", "--", *arguments),
            cwd=folder,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            await eventually(lambda: _says("alive"), 120, "the edge's health is not forwarded")
            await asyncio.to_thread(_edit, Path(folder) / EDITED)
            seconds = await eventually(lambda: _says("alive and edited"), 60, "the edit does not run")
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()
            await call("tilt", "down", "--", *arguments, cwd=Path(folder))
    need(seconds <= WITHIN_S, f"the edit ran after {seconds:.1f} s")
    return f"tilt ci in {ci_s:.0f} s; the edit ran after {seconds:.1f} s"


async def _copy(folder: Path) -> None:
    """What git tracks, with its times: so that layers of an image that was built from it are used again."""
    tracked = [name for name in (await call("git", "ls-files", "-z")).split("\0") if name]

    def copy() -> None:
        for name in tracked:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)

    await asyncio.to_thread(copy)


def _edit(path: Path) -> None:
    text = path.read_text()
    need('"alive"' in text, f"{path} has nothing to edit")
    path.write_text(text.replace('"alive"', '"alive and edited"'))


async def _says(text: str) -> bool:
    def get() -> str:
        with urllib.request.urlopen(HEALTH, timeout=2) as response:
            return str(response.read().decode())

    try:
        return (await asyncio.to_thread(get)).strip() == text
    except (OSError, urllib.error.URLError):
        return False
