"""How a service process ends."""

import asyncio
import json
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process

import pytest

SERVICES = ("archiver", "dashboard", "edge", "engine", "memory", "orderbook")


async def start(*flags: str) -> Process:
    """A service process that serves."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.runtime.echo_service", "--grpc-port=0", "--http-port=0", *flags, stderr=PIPE
    )
    assert process.stderr is not None
    line = json.loads(await process.stderr.readline())
    assert (line["event"], line["service"], line["level"]) == ("serving", "edge", "info")
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_process_with_0_within_5_s(number: signal.Signals) -> None:
    """Kubernetes sends SIGTERM, a terminal SIGINT; both end it in order."""
    process = await start()
    begun = time.monotonic()
    process.send_signal(number)
    _, err = await process.communicate()
    assert process.returncode == 0, err
    assert time.monotonic() - begun < 5
    assert json.loads(err.splitlines()[-1])["event"] == "ended"


async def test_a_thread_that_still_works_does_not_hold_up_the_end() -> None:
    """A compiler cannot be interrupted, and need not be: the process ends with 0 without it."""
    process = await start("--leaves-a-thread")
    process.send_signal(signal.SIGTERM)
    _, err = await asyncio.wait_for(process.communicate(), 5)
    assert process.returncode == 0, err


SIGNAL_WHILE_IMPORTING = """
import os, runpy, signal, sys

class Hook:
    def find_spec(name, *_):
        if name == "marksim.{service}.service":
            os.kill(os.getpid(), signal.{signal})

sys.meta_path.insert(0, Hook)
sys.argv = ["{module}", "--grpc-port=0", "--http-port=0"]
runpy.run_module("{module}", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("module", [*SERVICES, "dash_consumer"])
async def test_a_signal_while_it_still_imports_ends_a_service_with_0(module: str, number: str) -> None:
    """From the first moment on, and without a traceback: nothing has begun, so nothing is lost."""
    service = "dashboard" if module == "dash_consumer" else module
    code = SIGNAL_WHILE_IMPORTING.format(service=service, module=f"marksim.{module}", signal=number)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stderr=PIPE)
    _, err = await asyncio.wait_for(process.communicate(), 20)
    assert (process.returncode, err) == (0, b"")


async def test_a_second_signal_ends_at_once() -> None:
    """Nobody has to wait for a service that does not end, even where its event loop is blocked."""
    process = await start("--deaf", "--grace-s=60")
    async with asyncio.timeout(5):
        # Two signals that arrive together count as one: so until it has seen a second one.
        while process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.1)
    await process.communicate()
    assert process.returncode == 128 + signal.SIGTERM


async def test_a_process_that_cannot_end_is_ended() -> None:
    """A blocked event loop does not outlive the grace."""
    process = await start("--deaf", "--grace-s=0.2")
    process.send_signal(signal.SIGTERM)
    _, err = await asyncio.wait_for(process.communicate(), 5)
    assert process.returncode == 1
    assert b"did not end within" in err
