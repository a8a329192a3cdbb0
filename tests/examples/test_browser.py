"""The JavaScript example in a real browser, where one is installed."""

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import async_playwright

from tests.examples.test_consumers import moved, price_server

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run", "--disable-quic"),
]

if CHROMIUM.exists():

    @pytest.mark.system
    async def test_browser_prints_prices(tmp_path: Path) -> None:
        """The page's JavaScript, loaded as a script of a page, writes each price to the browser's console."""
        messages: asyncio.Queue[str] = asyncio.Queue()
        async with price_server() as address, async_playwright() as playwright:
            script = moved("consumer.js", address, tmp_path)
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            try:
                page = await browser.new_page()
                page.on("console", lambda message: messages.put_nowait(message.text))
                await page.goto(address.replace("ws:", "http:"))
                await page.add_script_tag(path=script)
                prices = [await asyncio.wait_for(messages.get(), 20) for _ in range(3)]
            finally:
                await browser.close()
        assert prices == ["Price: $50000.5", "Price: $50001.25", "Price: $49999.75"]
