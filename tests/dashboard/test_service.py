"""The dashboard as a service."""

import asyncio
import os
import socket
import subprocess
import sys
from contextlib import closing

import pytest
from prometheus_client import generate_latest

from marksim.dashboard.service import DashboardService
from marksim.dashboard.settings import DashboardSettings
from marksim.runtime.serve import Lifecycle
from marksim.runtime.settings import load_settings
from tests.dashboard.fake_feed import FakeFeed, text
from tests.dashboard.test_web import get


def test_a_port_in_use_ends_the_start_with_a_sentence() -> None:
    """Exit code 2 and one line on stderr that says whose it is and what to do."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "marksim.dashboard", "--grpc-port", "0", "--http-port", "0", "--port", str(port)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)
    assert ended.returncode == 2
    owner = f"process {os.getpid()} "
    assert ended.stderr.splitlines()[-1].startswith(f"marksim dashboard: port {port} is in use by {owner}")


@pytest.mark.parametrize(
    "feed", ["localhost:8765", "ws://", "ws://.foo/", "ws://localhost:99999/", "ws://localhost:0/", "ws://[::1/"]
)
def test_a_wrong_feed_address_ends_the_start_with_a_sentence(feed: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It names the flag and shows how an address is written."""
    with pytest.raises(SystemExit) as ended:
        load_settings(DashboardSettings, "dashboard", ["--feed", feed])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert "--feed" in error and "ws://host:port/" in error


async def test_it_serves_reads_tells_and_drains() -> None:
    """From start to drain: the page answers, the feed's figures are in the metrics and stores, and run() returns."""
    async with FakeFeed() as feed:
        service = DashboardService(DashboardSettings(port=0, feed=feed.address))
        lifecycle = Lifecycle(service="dashboard", grace_s=1.0)
        assert not service.ready()
        running = asyncio.create_task(service.run(lifecycle))
        await feed.client()
        await feed.say(text(sent_at_us=1))
        async with asyncio.timeout(10):
            while not service.history.status.ticks:
                await asyncio.sleep(0.01)
        assert service.ready()
        status, _ = await asyncio.to_thread(get, service.port, "/")
        assert status == 200
        metrics = generate_latest().decode()
        assert "marksim_dashboard_ticks_total 1.0" in metrics
        assert "marksim_dashboard_feed_connected 1.0" in metrics
        assert [(store.name, store.used) for store in service.stores()] == [("tick_rings", 1), ("symbols", 1)]
        lifecycle.draining.set()
        await asyncio.wait_for(running, 10)
        assert not service.ready()
