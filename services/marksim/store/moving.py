"""A journal directory's shards are exchanged for others, whole or not at all, whatever moment the process dies at.

    <journal>/moving/           the new ones, while they are written; of a process that died, they are thrown away
    <journal>/moved/            the same, whole: that one rename is the commit
    <journal>/moved/OLD         names of the old ones, until all of them are aside

After the commit the old ones go to `aside/<run>/`, then the new ones to their places. Until that is finished the directory
must not be used: `check_moved` says so, and `finish` does the rest again.
"""

from pathlib import Path
from shutil import rmtree
from typing import Final
from urllib.parse import quote

from marksim.core.errors import NotNow
from marksim.store.files import sync_directory, write_whole
from marksim.store.journal import ASIDE

MOVING: Final = "moving"
MOVED: Final = "moved"
OLD: Final = "OLD"


def check_moved(directory: Path) -> None:
    """Raise NotNow where an exchange of the shards was cut off and is to be finished first."""
    if (directory / MOVED).exists():
        raise NotNow(
            f"{directory}: `marksim journal move` was cut off before all was in its place: give the same command again",
            reason="MOVE_UNFINISHED",
        )


def begin(directory: Path) -> Path:
    """An empty folder for the new shards. Raises OSError."""
    folder = directory / MOVING
    rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def abandon(directory: Path) -> None:
    """Throw the new shards away, which are not whole."""
    rmtree(directory / MOVING, ignore_errors=True)


def commit(directory: Path, run: str, old: list[str]) -> Path:
    """Exchange the shards of these names for those in the folder of `begin`; where the old ones are then.

    The caller holds the locks of the old ones, and has the new ones on the disk. Raises OSError.
    """
    write_whole(directory / MOVING / OLD, ["\n".join([quote(run, safe=""), *old]).encode()])
    for folder in (*(directory / MOVING).iterdir(), directory / MOVING):
        if folder.is_dir():
            sync_directory(folder)
    (directory / MOVING).rename(directory / MOVED)
    sync_directory(directory)
    aside = finish(directory)
    assert aside is not None, "it has only begun"
    return aside


def finish(directory: Path) -> Path | None:
    """Do what is left of an exchange; where the old ones are, if they were not aside before. Raises OSError."""
    moved, aside = directory / MOVED, None
    if not moved.exists():
        return None
    if (moved / OLD).exists():
        run, *old = (moved / OLD).read_text(encoding="utf-8").split("\n")
        aside = directory / ASIDE / run
        aside.mkdir(parents=True, exist_ok=True)
        for name in old:
            if (directory / name).exists():
                (directory / name).rename(_free(aside / name))
        for folder in (aside, aside.parent, directory):
            sync_directory(folder)
        # From here on what has a place is a new one.
        (moved / OLD).unlink()
        sync_directory(moved)
    for folder in sorted(moved.iterdir()):
        folder.rename(directory / folder.name)
    sync_directory(directory)
    moved.rmdir()
    sync_directory(directory)
    return aside


def _free(path: Path) -> Path:
    """The path, or one with a number behind it where there is something."""
    found, number = path, 1
    while found.exists():
        number += 1
        found = path.with_name(f"{path.name}.{number}")
    return found
