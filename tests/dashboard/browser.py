"""A real browser for tests and measurements: the system's chromium, headless, without anything that talks to a network."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, async_playwright

EXECUTABLE = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # For the soak measurement: collect garbage on demand, and tell the heap's size to the byte.
    "--js-flags=--expose-gc",
    "--enable-precise-memory-info",
)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """The browser, closed at the end."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=EXECUTABLE, args=list(FLAGS))
        try:
            yield browser
        finally:
            await browser.close()
