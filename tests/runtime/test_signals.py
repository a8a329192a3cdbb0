"""How a service process ends."""

import asyncio
import json
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process

import pytest


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
