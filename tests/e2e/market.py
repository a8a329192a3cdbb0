"""A whole market as a user starts it, for tests: `python -m marksim.main` on free ports with a data directory of its own."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import grpc.aio
import psutil

from marksim.runtime.channel import open_channel
from marksim.v1 import engine_pb2, engine_pb2_grpc

SERVICES = ("orderbook", "engine", "archiver", "edge", "memory")
START_S = 150.0
"""The first start on a machine compiles the kernels."""


def is_free(port: int) -> bool:
    """Whether nothing listens on the port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_block(size: int) -> int:
    """First of `size` neighbouring ports that nothing listens on."""
    for base in range(20_000 + os.getpid() % 10_000, 60_000, size):
        if all(is_free(port) for port in range(base, base + size)):
            return base
    raise AssertionError("no block of free ports")


class Market:
    """A running market and its addresses."""

    def __init__(self, process: subprocess.Popen[bytes], base: int, port: int, data_dir: Path, output: Path) -> None:
        self.process, self.data_dir, self._output = process, data_dir, output
        self.grpc_ports = {name: base + number for number, name in enumerate(SERVICES)}
        self.url = f"ws://localhost:{port}"

    @property
    def output(self) -> str:
        """What main printed so far."""
        return self._output.read_text(encoding="utf-8")

    def pid_of(self, service: str) -> int | None:
        """Process id of a service, None while it does not run."""
        for child in psutil.Process(self.process.pid).children():
            try:
                if f"marksim.{service}" in child.cmdline():
                    return child.pid
            except psutil.Error:
                continue
        return None

    def kill(self, service: str) -> int:
        """kill -9 of a service; returns the pid that it had."""
        pid = self.pid_of(service)
        assert pid is not None, self.output
        os.kill(pid, signal.SIGKILL)
        return pid

    async def status(self) -> engine_pb2.EngineStatus:
        """What the engine says of its clock."""
        channel = open_channel(f"localhost:{self.grpc_ports['engine']}")
        async with channel:
            stub = engine_pb2_grpc.EngineServiceStub(channel)
            request = engine_pb2.GetStatusRequest()
            return (await stub.GetStatus(request, timeout=20, wait_for_ready=True)).status

    async def running(self) -> engine_pb2.EngineStatus:
        """Wait until the clock runs; returns the status."""

        async def look() -> bool:
            assert self.process.poll() is None, self.output
            try:
                return (await self.status()).state == engine_pb2.CLOCK_STATE_RUNNING
            except grpc.aio.AioRpcError:
                return False

        await eventually(look, START_S)
        return await self.status()

    def end(self) -> int:
        """Ctrl-C; returns the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=20)


async def eventually(look: Callable[[], Awaitable[bool]], within_s: float = 60.0) -> None:
    """Look again and again until it is true; TimeoutError where that takes too long."""
    async with asyncio.timeout(within_s):
        while not await look():
            await asyncio.sleep(0.1)


@contextmanager
def running_market(
    directory: Path, *, port: int | None = None, environment: Mapping[str, str] | None = None
) -> Iterator[Market]:
    """Start a market and kill what is left of it at the end; the services end with it."""
    base = free_block(11)
    port = base + 5 if port is None else port
    flags = [f"--port={port}", f"--memory-http-port={base + 6}", f"--http-port-base={base + 7}"]
    flags += [f"--{name}-port={base + number}" for number, name in enumerate(SERVICES)]
    output = directory / "output.txt"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "marksim.main", *flags, f"--data-dir={directory / 'data'}", "--seed=7"],
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
        )
    try:
        yield Market(process, base, port, directory / "data", output)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
