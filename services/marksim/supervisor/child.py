"""One supervised child process: starts it, reads its output, starts it again when it dies, ends it when asked."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

# A child that refuses its settings, or a port that is taken, ends with this; starting it again would not help.
REFUSED = 2
_LINE_LIMIT_BYTES = 1 << 20
_LAST_LINES = 8


@dataclass(frozen=True)
class ChildSpec:
    """What to run: `python -m <module> <arguments>`, under the name that people see."""

    name: str
    module: str
    arguments: tuple[str, ...] = ()

    @property
    def command(self) -> tuple[str, ...]:
        """The whole command, tethered to this process."""
        return (sys.executable, "-m", "marksim.supervisor.tether", self.module, *self.arguments)


@dataclass
class Backoff:
    """Waits between restarts: doubling from `first_s` to `most_s`, from the start again after `healthy_s` of life."""

    first_s: float = 0.2
    most_s: float = 10.0
    healthy_s: float = 30.0
    _next_s: float = 0.0

    def after(self, lived_s: float) -> float:
        """Seconds to wait before the restart of a child that lived `lived_s`."""
        if lived_s >= self.healthy_s or not self._next_s:
            self._next_s = self.first_s
        wait_s = self._next_s
        self._next_s = min(wait_s * 2, self.most_s)
        return wait_s


class Refused(Exception):
    """A child refused to start; the message is what it said."""


def ending(code: int) -> str:
    """How a process ended, in words: "exit code 1", "signal SIGKILL"."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"


class Child:
    """Keeps one process alive. `run()` until `end()`; both are called once, from one event loop."""

    def __init__(
        self,
        spec: ChildSpec,
        *,
        on_line: Callable[[str, str], None],
        notice: Callable[[str], None],
        backoff: Backoff | None = None,
    ) -> None:
        self.spec = spec
        self.restarts = 0
        self._on_line = on_line
        self._notice = notice
        self._backoff = backoff or Backoff()
        self._process: asyncio.subprocess.Process | None = None
        self._ending = asyncio.Event()
        self._done = asyncio.Event()
        self._last_lines: deque[str] = deque(maxlen=_LAST_LINES)

    @property
    def pid(self) -> int | None:
        """Process id, None while no process runs."""
        process = self._process
        return process.pid if process and process.returncode is None else None

    async def run(self) -> None:
        """Start the process and keep it alive until `end()`.

        Raises Refused where its first process ends with exit code 2: a wrong setting or a port in use.
        """
        try:
            while not self._ending.is_set():
                started = time.monotonic()
                code = await self._run_once()
                if self._ending.is_set():
                    return
                if code == REFUSED and not self.restarts:
                    raise Refused("\n".join(self._last_lines) or f"{self.spec.name} refused to start without a word")
                wait_s = self._backoff.after(time.monotonic() - started)
                self.restarts += 1
                self._notice(f"{self.spec.name} ended ({ending(code)}); starting it again in {wait_s:g} s")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._ending.wait()
        finally:
            self._done.set()

    async def end(self, grace_s: float) -> bool:
        """Ask the process to end, kill it after `grace_s`; True where it ended by itself with exit code 0."""
        self._ending.set()
        process = self._process
        if process is None:
            return True
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(grace_s):
                await process.wait()
        except TimeoutError:
            self._notice(f"{self.spec.name} did not end within {grace_s:g} s; killing it")
            self.kill()
            await process.wait()
        await self._done.wait()
        # SIGTERM counts as clean: it came before the child had set up its handler.
        return process.returncode in (0, -signal.SIGTERM)

    def kill(self) -> None:
        """End the process and whatever it started at once."""
        self._ending.set()
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    async def _run_once(self) -> int:
        # A process group of its own: the terminal's Ctrl-C reaches the supervisor alone, which ends all in order.
        process = await asyncio.create_subprocess_exec(
            *self.spec.command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            process_group=0,
            limit=_LINE_LIMIT_BYTES,
        )
        self._process = process
        if self._ending.is_set():  # `end()` came while the process was being made
            process.terminate()
        assert process.stdout is not None
        reading = asyncio.create_task(self._read(process.stdout))
        try:
            code = await process.wait()
            # What the process had still written; a grandchild that holds the pipe may not hold us.
            await asyncio.wait([reading], timeout=1.0)
            return code
        finally:
            reading.cancel()

    async def _read(self, output: asyncio.StreamReader) -> None:
        while True:
            try:
                raw = await output.readline()
            except ValueError:  # a line above the limit; what was read of it is gone
                continue
            if not raw:
                return
            line = raw.decode("utf-8", "replace").rstrip()
            if line:
                self._last_lines.append(line)
                self._on_line(self.spec.name, line)
