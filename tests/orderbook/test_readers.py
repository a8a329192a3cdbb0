"""What named readers confirmed is known to retention, and kept without anyone waiting for a disk."""

import asyncio
import threading
from collections.abc import Mapping
from typing import Any
from unittest.mock import MagicMock

import pytest

from marksim.core.errors import Exhausted, NotNow
from marksim.orderbook import confirmations
from marksim.orderbook.confirmations import Changes, Confirmations
from marksim.orderbook.readers import MAX_READERS, Readers
from tests.orderbook.market import WAIT_S


class Disk:
    """Where confirmations are written; `failing` is raised instead."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[str, int]] = {}
        self.writes: list[dict[str, tuple[str, int] | None]] = []
        self.failing: Exception | None = None
        self.threads = set[int]()
        self.go = threading.Event()
        self.go.set()

    def write(self, changes: Changes) -> None:
        self.threads.add(threading.get_ident())
        assert self.go.wait(WAIT_S)
        if self.failing is not None:
            raise self.failing
        self.writes.append(dict(changes))
        for name, change in changes.items():
            if change is None:
                self.kept.pop(name, None)
            else:
                self.kept[name] = change


def kept_readers(disk: Disk, written: Mapping[str, tuple[str, int]] | None = None) -> tuple[Readers, Confirmations]:
    """Readers as the service has them."""
    written = written or {}
    queue = Confirmations(disk.write, written)
    return Readers.restored(written, queue.confirm, queue.forget), queue


def test_slowest_is_what_all_have_confirmed() -> None:
    """Of the run in question: who has confirmed another, or nothing yet, has none of it; without readers there is none."""
    readers = Readers()
    assert readers.slowest("run") is None
    readers.confirm("fast", "run", 9)
    readers.confirm("slow", "run", 4)
    assert readers.slowest("run") == 4 and readers.slowest("other") == -1
    readers.connect("new")
    assert readers.slowest("run") == -1
    readers.disconnect("new")
    readers.forget("new")
    readers.forget("slow")
    assert readers.slowest("run") == 9


def test_only_what_is_new_is_told_on() -> None:
    """A confirmation that goes back changes nothing."""
    told: list[Any] = []
    readers = Readers(lambda *what: told.append(what), told.append)
    for window in (3, 2, 3, 5):
        readers.confirm("archive", "run", window)
    readers.confirm("archive", "next", -1)
    readers.forget("archive")
    assert told == [("archive", "run", 3), ("archive", "run", 5), ("archive", "next", -1), "archive"]


def test_restored_readers_are_known_and_away() -> None:
    """They count for retention and for the end, confirm from where they were, and can be forgotten."""
    readers, queue = kept_readers(Disk(), {"archive": ("run", 7)})
    (shown,) = readers.to_proto()
    assert (shown.reader, shown.run, shown.window, shown.connected) == ("archive", "run", 7, False)
    assert readers.slowest("run") == 7 and readers.without("run", 8) == ["archive"]
    readers.confirm("archive", "run", 6)
    assert readers.slowest("run") == 7 and not queue.waiting
    readers.connect("archive")
    with pytest.raises(NotNow):
        readers.forget("archive")


def test_restored_readers_count_towards_the_bound() -> None:
    """One name too many is refused, after a start as before."""
    readers, _ = kept_readers(Disk(), {f"reader-{number}": ("run", 0) for number in range(MAX_READERS)})
    with pytest.raises(Exhausted):
        readers.connect("another")


async def test_confirmations_are_written_together_and_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest of each reader, in a thread, not more often than once in the interval."""
    slept: list[float] = []
    resting = asyncio.Event()

    async def rest(seconds: float) -> None:
        slept.append(seconds)
        await resting.wait()
        resting.clear()

    disk = Disk()
    readers, queue = kept_readers(disk)
    writing = asyncio.create_task(queue.run())
    await asyncio.sleep(0)
    monkeypatch.setattr(asyncio, "sleep", rest)
    try:
        for window in range(100):
            readers.confirm("archive", "run", window)
        readers.confirm("other", "run", 3)
        async with asyncio.timeout(WAIT_S):
            while not slept:
                await _turn()
        assert disk.writes == [{"archive": ("run", 99), "other": ("run", 3)}]
        readers.confirm("archive", "run", 100)
        readers.confirm("archive", "run", 101)
        await _turn()
        assert len(disk.writes) == 1 and slept == [confirmations.EVERY_S]
        resting.set()
        async with asyncio.timeout(WAIT_S):
            while len(slept) < 2:
                await _turn()
        assert disk.writes[1:] == [{"archive": ("run", 101)}]
        assert threading.get_ident() not in disk.threads
    finally:
        writing.cancel()


async def _turn() -> None:
    """Let the event loop and threads go on."""
    await asyncio.get_running_loop().run_in_executor(None, lambda: None)


async def test_what_is_left_is_written_at_the_end() -> None:
    """Also while a write is under way: it is waited for, and what came later wins."""
    disk = Disk()
    readers, queue = kept_readers(disk)
    disk.go.clear()
    readers.confirm("archive", "run", 1)
    writing = asyncio.create_task(queue.run())
    async with asyncio.timeout(WAIT_S):
        while not disk.threads:
            await asyncio.sleep(0.001)
    writing.cancel()
    readers.confirm("archive", "run", 2)
    ending = asyncio.create_task(queue.flush())
    await asyncio.sleep(0)
    disk.go.set()
    async with asyncio.timeout(WAIT_S):
        await ending
    assert disk.writes == [{"archive": ("run", 1)}, {"archive": ("run", 2)}] and not queue.waiting


async def test_a_forgotten_reader_is_forgotten_on_disk() -> None:
    """One that is not there yet needs no write; one that comes again is there again."""
    disk = Disk()
    disk.kept = {"archive": ("run", 7)}
    readers, queue = kept_readers(disk, disk.kept.copy())
    readers.confirm("passing", "run", 1)
    readers.forget("passing")
    readers.forget("archive")
    await queue.flush()
    assert disk.writes == [{"archive": None}] and disk.kept == {}
    readers.confirm("archive", "next", 0)
    await queue.flush()
    assert disk.kept == {"archive": ("next", 0)}


async def test_a_write_that_fails_is_told_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing newer is overwritten by it."""
    log = MagicMock()
    monkeypatch.setattr(confirmations, "log", log)
    disk = Disk()
    readers, queue = kept_readers(disk)
    disk.failing = OSError(28, "No space left on device")
    readers.confirm("archive", "run", 1)
    readers.confirm("other", "run", 1)
    await queue.flush()
    assert queue.waiting == 2 and queue.failures == 1
    assert "No space left" in log.warning.call_args.kwargs["reason"]
    readers.confirm("archive", "run", 2)
    disk.failing = None
    await queue.flush()
    assert disk.kept == {"archive": ("run", 2), "other": ("run", 1)} and not queue.waiting


async def test_the_queue_is_bounded_while_nothing_can_be_written() -> None:
    """However many names come and go, no more is kept than there are readers, and were."""
    disk = Disk()
    written = {f"old-{number}": ("run", 0) for number in range(MAX_READERS)}
    readers, queue = kept_readers(disk, written)
    for name in written:
        readers.forget(name)
    disk.failing = OSError(28, "No space left on device")
    for number in range(40 * MAX_READERS):
        readers.confirm(f"reader-{number}", "run", 1)
        if number % 100 == 0:
            await queue.flush()
        readers.forget(f"reader-{number}")
    assert queue.waiting == MAX_READERS
    disk.failing = None
    await queue.flush()
    assert not queue.waiting and set(disk.writes[0].values()) == {None}
