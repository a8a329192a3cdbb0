"""One supervised child: restarts, refusal, end."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from marksim.supervisor.child import Backoff, Child, ChildSpec, Refused, ending

HERE = Path(__file__).parent


class Watched:
    """A child with what it said and what was said of it."""

    def __init__(self, mode: str, *arguments: str, backoff: Backoff | None = None) -> None:
        self.lines: asyncio.Queue[str] = asyncio.Queue()
        self.notices: asyncio.Queue[str] = asyncio.Queue()
        self.child = Child(
            ChildSpec("fake", "fake_service", (mode, *arguments)),
            on_line=lambda _, line: self.lines.put_nowait(line),
            notice=self.notices.put_nowait,
            backoff=backoff,
        )
        self.task = asyncio.ensure_future(self.child.run())

    async def ready(self) -> int:
        """Wait until its process is ready; returns the pid."""
        while '"ready"' not in await asyncio.wait_for(self.lines.get(), 20):
            pass
        assert self.child.pid is not None
        return self.child.pid


@pytest.fixture(autouse=True)
def _fake_is_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(HERE))


async def test_killed_child_returns() -> None:
    """A child that is killed is started again, and one line says which signal ended it."""
    watched = Watched("serve", backoff=Backoff(first_s=0.01))
    first = await watched.ready()
    os.kill(first, signal.SIGKILL)
    assert "signal SIGKILL" in await asyncio.wait_for(watched.notices.get(), 20)
    assert await watched.ready() != first
    assert watched.child.restarts == 1
    assert await watched.child.end(5)
    await watched.task


async def test_crash_names_exit_code() -> None:
    """A child that crashes again and again is started again, each time after a longer wait."""
    watched = Watched("crash", backoff=Backoff(first_s=0.01))
    first, second = [await asyncio.wait_for(watched.notices.get(), 20) for _ in range(2)]
    assert first == "fake ended (exit code 1); starting it again in 0.01 s"
    assert second == "fake ended (exit code 1); starting it again in 0.02 s"
    await watched.child.end(5)
    await watched.task


async def test_refusal_carries_sentence() -> None:
    """A first start that ends with exit code 2 is not repeated; its own sentence comes up."""
    watched = Watched("refuse")
    with pytest.raises(Refused, match="--grpc-port 1 is wrong"):
        await asyncio.wait_for(watched.task, 20)


async def test_deaf_child_is_killed() -> None:
    """A child that ignores SIGTERM is killed when its grace is over, and does not count as ended cleanly."""
    watched = Watched("deaf")
    pid = await watched.ready()
    assert not await watched.child.end(0.1)
    await watched.task
    assert not psutil.pid_exists(pid)


async def test_child_has_own_process_group() -> None:
    """A child leads a process group of its own, so the terminal's Ctrl-C does not reach it."""
    watched = Watched("serve")
    pid = await watched.ready()
    assert os.getpgid(pid) == pid != os.getpgid(0)
    await watched.child.end(5)
    await watched.task


async def test_child_dies_with_killed_supervisor() -> None:
    """When the supervisor is killed with SIGKILL its child ends, by the pipe that it holds."""
    code = (
        "import asyncio, sys\n"
        "from marksim.supervisor.child import Child, ChildSpec\n"
        "async def main():\n"
        "    child = Child(ChildSpec('fake', 'fake_service', ('serve',)), notice=print,\n"
        "                  on_line=lambda _, line: print(child.pid, line, flush=True))\n"
        "    await child.run()\n"
        "asyncio.run(main())\n"
    )
    supervisor = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=subprocess.PIPE)
    assert supervisor.stdout is not None
    line = b""
    while b'"ready"' not in line:
        line = await asyncio.wait_for(supervisor.stdout.readline(), 20)
        assert line
    child = psutil.Process(int(line.split()[0]))
    supervisor.kill()
    await supervisor.wait()
    await asyncio.to_thread(psutil.wait_procs, [child], timeout=5)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_backoff_doubles_to_its_most() -> None:
    """Waits double from 0.2 s and stop at 10 s."""
    backoff = Backoff()
    assert [backoff.after(1.0) for _ in range(8)] == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]


def test_backoff_starts_again_after_health() -> None:
    """A child that lived for 30 s starts again without the waits of earlier deaths."""
    backoff = Backoff()
    waits = [backoff.after(lived) for lived in (1, 1, 30, 1)]
    assert waits == [0.2, 0.4, 0.2, 0.4]


def test_ending_names_signal() -> None:
    """The end of a process is told by its exit code or its signal's name."""
    assert [ending(3), ending(-9), ending(-15)] == ["exit code 3", "signal SIGKILL", "signal SIGTERM"]
