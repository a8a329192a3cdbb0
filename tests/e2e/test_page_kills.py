"""The open page while dashboard or edge is killed: it says so, comes back by itself and marks what was not seen."""

import asyncio
import math
import re
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.dashboard.browser import chromium
from tests.e2e.market import Market, eventually, free_block, running_market
from tests.e2e.test_live_page import program
from tests.e2e.test_page import Opened

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

WAIT_MS = 60_000.0
WINDOW_MS = 50.0
SEEN = 40  # ticks on the chart before anything is killed: at least two seconds
# What the browser itself logs of a request that nobody answered.
UNANSWERED = re.compile(
    r"Failed to load resource: net::ERR_(CONNECTION_(REFUSED|RESET|CLOSED)|EMPTY_RESPONSE|SOCKET_NOT_CONNECTED)"
)

# False, or the newest time on the tick chart (simulated ms) once the lamp says `word` and the banner shows `part`.
TOLD = """([word, part]) => {
  const banner = document.getElementById('banner');
  const lamp = document.getElementById('lamp-text').textContent;
  const told = lamp === word && !banner.hidden && banner.textContent.includes(part);
  return told && document.getElementById('tick-chart').data[2].x.at(-1);
}"""
BACK = """(newest) => document.getElementById('lamp-text').textContent === 'live' && document.getElementById('banner').hidden
  && document.getElementById('tick-chart').data[2].x.at(-1) > newest + 1000"""
# Each mark of a gap by the times at its two sides, from where it stands on the screen.
GAPS = """() => {
  const chart = document.getElementById('tick-chart');
  const { xaxis } = chart._fullLayout;
  const zero = chart.getBoundingClientRect().left + xaxis._offset;
  const ends = ({ left, right }) => [left, right].map((side) => xaxis.p2l(side - zero));
  return [...chart.querySelectorAll('.gap')].map((gap) => ends(gap.getBoundingClientRect()));
}"""


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    """One market at the wall clock's speed, so that the tick chart's 1,000 ticks are longer than any of these outages."""
    with running_market(tmp_path_factory.mktemp("market"), environment={"MARKSIM_ENGINE__SPEED": "1"}) as running:
        yield running


@asynccontextmanager
async def dashboard(market: Market, port: int, output: Path) -> AsyncIterator[Process]:
    """A dashboard of this market, once its page is up."""
    flags = ("--port", str(port), "--feed", market.url, "--grpc-port", "0", "--http-port", "0")
    told = partial(output.read_text, encoding="utf-8")
    async with program("marksim.dash_consumer", *flags, output=output) as process:

        async def is_up() -> bool:
            assert process.returncode is None, told()
            return "page is up" in told()

        await eventually(is_up)
        yield process


@asynccontextmanager
async def opened(port: int) -> AsyncIterator[Opened]:
    """The page of the dashboard at this port, once it has drawn some of the market."""
    async with chromium() as browser:
        shown = Opened(await browser.new_page(viewport={"width": 1600, "height": 1000}))
        await shown.page.goto(f"http://127.0.0.1:{port}/")
        await shown.page.wait_for_function(
            "window.marksim && marksim.probe && marksim.probe().draws > 2 && marksim.probe().points > " + str(SEEN),
            timeout=WAIT_MS,
        )
        yield shown


async def left_off(shown: Opened, word: str, part: str) -> float:
    """Wait until the page says that it is cut off; the time of the last tick that it drew."""
    told = await shown.page.wait_for_function(TOLD, arg=[word, part], timeout=WAIT_MS)
    return float(await told.json_value())


async def assert_goes_on_behind_a_marked_gap(shown: Opened, last: float) -> int:
    """The page gets back to the present by itself, and the gap behind `last` is on its chart; returns the windows in it."""
    await shown.page.wait_for_function(BACK, arg=last, timeout=WAIT_MS)
    # Stopped, so that all that is read here is of one drawing.
    await shown.page.locator("#freeze").click()
    drawn = await shown.page.evaluate("document.getElementById('tick-chart').data[2].x")
    place = drawn.index(last)
    # What was drawn before is still there, and the line does not cross what nobody saw.
    assert place >= SEEN
    assert drawn.count(None) == 1 and drawn[place + 1] is None
    first = float(drawn[place + 2])
    (sides,) = await shown.page.evaluate(GAPS)
    pixel = (drawn[-1] - drawn[0]) / 600
    assert sides == pytest.approx([last, first], abs=2 * pixel)
    assert await shown.page.locator("#tick-chart .gap").inner_text() == "not seen"
    return math.ceil((first - last) / WINDOW_MS)


async def test_a_killed_dashboard_is_told_on_its_open_page_and_leaves_a_marked_gap(market: Market, tmp_path: Path) -> None:
    """kill -9, and started again: the page, not loaded again, keeps what it has and goes on where the new one begins."""
    await market.running()
    port = free_block(1)
    first_candle = "document.getElementById('candle-chart').data[0].x[0]"
    async with dashboard(market, port, tmp_path / "first.log") as killed, opened(port) as shown:
        oldest = await shown.page.evaluate(first_candle)
        killed.kill()
        last = await left_off(shown, "dashboard away", "The dashboard's own server does not answer")
        async with dashboard(market, port, tmp_path / "second.log"):
            assert await assert_goes_on_behind_a_marked_gap(shown, last) > 0
            assert await shown.page.evaluate(first_candle) == oldest
            assert await shown.text("feed-connections") == "1"
    assert [error for error in shown.errors if not UNANSWERED.fullmatch(error)] == []


async def test_a_killed_edge_is_told_on_the_open_page_and_leaves_a_marked_gap(market: Market, tmp_path: Path) -> None:
    """kill -9, and the supervisor starts it again: the page counts and marks what it missed, and goes on."""
    await market.running()
    port = free_block(1)
    async with dashboard(market, port, tmp_path / "dashboard.log"), opened(port) as shown:
        telling = asyncio.create_task(left_off(shown, "disconnected", market.url))
        while not telling.done():
            # Once is enough where the page looks before the next one is there, which takes half a second.
            if market.pid_of("edge") is not None:
                market.kill("edge")
            await asyncio.sleep(0.05)
        windows = await assert_goes_on_behind_a_marked_gap(shown, await telling)
        # A tick for each window in which anything changed.
        assert 0 < int((await shown.text("feed-missed")).replace(",", "")) <= windows
        assert await shown.text("feed-connections") == "2"
        assert await shown.text("feed-lost") == "0"
    assert shown.errors == []
