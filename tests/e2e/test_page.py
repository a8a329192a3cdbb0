"""The page in a real browser, on a feed that the test owns."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from playwright.async_api import Page, Request

from marksim.dashboard.history import History
from marksim.dashboard.reader import read_feed
from marksim.dashboard.web import WebServer, bind
from tests.dashboard.browser import chromium
from tests.dashboard.fake_feed import FakeFeed, random_walk

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

_TICKS_PER_S = 200.0


class Opened:
    """One open page, with what went wrong on it and where it asked."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", self._note)

    def _note(self, request: Request) -> None:
        self.requests.append(request.url)

    async def probe(self) -> dict[str, Any]:
        """What the page's script says of itself."""
        found: dict[str, Any] = await self.page.evaluate("window.marksim && marksim.probe ? marksim.probe() : {}")
        return found

    async def text(self, name: str) -> str:
        return (await self.page.text_content(f"#{name}")) or ""

    async def chart(self) -> tuple[int, float]:
        """Points of the drawn line of last prices, and its newest x: what Plotly shows, not what was sent."""
        found = await self.page.evaluate(
            "() => { const t = document.getElementById('tick-chart').data[2]; return [t.x.length, t.x[t.x.length - 1]]; }"
        )
        return int(found[0]), float(found[1])


@asynccontextmanager
async def opened(feed: FakeFeed) -> AsyncIterator[Opened]:
    """The dashboard on this feed, and its page in a browser."""
    history = History(feed.address)
    web = WebServer(history, bind("", 0))
    web.start()
    reading = asyncio.create_task(read_feed(feed.address, history))
    try:
        async with chromium() as browser:
            page = await browser.new_page(viewport={"width": 1600, "height": 1000})
            shown = Opened(page)
            await page.goto(f"http://127.0.0.1:{web.port}/")
            yield shown
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
        await asyncio.to_thread(web.close)


@asynccontextmanager
async def playing(feed: FakeFeed, epoch: str = "run-a") -> AsyncIterator[None]:
    """Two symbols at 200 ticks/s each."""
    walks = [random_walk(symbol, price, 7, epoch) for symbol, price in (("BTC/USD", 50_000), ("ETH/USD", 3_000))]
    task = asyncio.create_task(feed.play(walks, _TICKS_PER_S))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for the condition, at most half a minute."""
    async with asyncio.timeout(30):
        while not await condition():
            await asyncio.sleep(0.1)


async def test_the_chart_moves_and_survives_a_restart_of_the_feed() -> None:
    """Points and the newest x grow; without the feed the page says so; with a new run it draws that one. No errors."""
    feed = FakeFeed()
    async with feed, opened(feed) as shown:

        async def is_drawn() -> bool:
            return bool((await shown.probe()).get("draws", 0) > 2)

        async def lamp_says(word: str) -> bool:
            return await shown.text("lamp-text") == word

        async with playing(feed):
            await until(is_drawn)
            points, newest = await shown.chart()

            async def has_moved() -> bool:
                more, later = await shown.chart()
                return later > newest and (more > points or more == 1_000)

            await until(has_moved)
            assert await lamp_says("live")
            assert await shown.page.locator("#symbol-rows tr").count() == 2
            assert await shown.page.is_hidden("#empty") and await shown.page.is_hidden("#banner")
        await feed.stop()
        await until(lambda: lamp_says("disconnected"))
        assert "Nobody answers" in await shown.text("banner") or "closed the connection" in await shown.text("banner")
        # The chart stays: what was seen is still true, only no longer of now.
        frozen = await shown.chart()
        async with feed, playing(feed, epoch="run-b"):
            await until(lambda: lamp_says("live"))

            async def shows_the_new_run() -> bool:
                return await shown.text("feed-run") == "run-b" and (await shown.chart())[1] != frozen[1]

            await until(shows_the_new_run)
            assert await shown.text("feed-runs") == "1"
            assert await shown.page.is_hidden("#banner")
        assert shown.errors == []


async def test_a_page_without_a_market_says_what_to_do() -> None:
    """Started before the market: no data, a sentence with the command, and data once the market is there."""
    feed = FakeFeed()
    async with feed:
        pass
    async with opened(feed) as shown:

        async def says_how() -> bool:
            return "python -m marksim.main" in await shown.text("empty-text")

        await until(says_how)
        assert await shown.page.is_visible("#empty")
        async with feed, playing(feed):
            await until(lambda: shown.page.is_hidden("#empty"))
        assert shown.errors == []


async def test_controls_choose_symbol_and_candle() -> None:
    """A row of the table and the buttons of the candle's width change what is drawn, also in the selector."""
    async with FakeFeed() as feed, opened(feed) as shown, playing(feed):
        await until(lambda: shown.page.locator("#symbol-rows tr").nth(1).is_visible())
        await shown.page.locator("#symbol-rows tr").nth(1).click()

        async def shows_eth() -> bool:
            return (await shown.probe()).get("symbol") == "ETH/USD" and (await shown.chart())[0] > 0

        await until(shows_eth)
        assert await shown.page.input_value("#symbol") == "ETH/USD"
        await shown.page.get_by_text("10 s", exact=True).click()

        async def has_wide_candles() -> bool:
            starts = await shown.page.evaluate("document.getElementById('candle-chart').data[0].x.slice(0, 2)")
            return len(starts) == 2 and starts[1] - starts[0] == 10_000

        await until(has_wide_candles)
        assert shown.errors == []


async def test_the_tick_chart_tells_prices_and_times() -> None:
    """Beside the axis stands the newest price, below it clock times, and pointing at a line tells the moment of a tick."""
    async with FakeFeed() as feed, opened(feed) as shown, playing(feed):

        async def points(number: int) -> bool:
            return bool((await shown.probe()).get("points", 0) > number)

        await until(lambda: points(100))
        chart = shown.page.locator("#tick-chart")
        assert re.fullmatch(r"[\d,]+\.\d\d", await chart.locator(".price-figure").inner_text())
        labels = await chart.locator(".xtick text").all_text_contents()
        assert labels and all(re.fullmatch(r"00:0\d:\d\d", label) for label in labels)
        assert await chart.locator(".axis-title").all_inner_texts() == ["spread", "sizes", "trades"]
        # Stopped, so that the pointer's place is that of a drawn tick.
        await shown.page.locator("#freeze").click()
        await chart.hover(position={"x": 200, "y": 60})
        told = chart.locator(".hoverlayer")
        await until(told.get_by_text("last").first.is_visible)
        assert re.search(r"last : [\d,.]+ at 00:0\d:\d\d\.\d{3}", await told.text_content() or "")
        assert shown.errors == []


async def test_nothing_is_asked_of_another_host() -> None:
    """Every request of the page goes to the dashboard itself."""
    async with FakeFeed() as feed, opened(feed) as shown, playing(feed):

        async def is_drawn() -> bool:
            return bool((await shown.probe()).get("draws", 0) > 2)

        await until(is_drawn)
        origin = shown.page.url.rstrip("/")
        assert [url for url in shown.requests if not url.startswith((origin, "data:", "blob:"))] == []
