"""Does the page stay level? Prints, per minute in chromium, its heap after a collection and the time of an update.

    python -m bench.dashboard_soak --minutes 10                            # a feed of its own, 200 ticks/s a symbol
    python -m bench.dashboard_soak --minutes 10 --feed ws://localhost:8765   # a running market

Run it from the repository's root. Heap, nodes and listeners are Chromium's own (CDP Performance.getMetrics after a forced
collection); an update is everything that the page does with one batch, drawing included, and takes longer where others use
the processor. `CPU ms a redraw` does not: what the page's main thread computed in that minute, divided by its redraws.
"""

import argparse
import asyncio
import statistics
import time
from contextlib import AsyncExitStack, suppress
from typing import Any

import psutil
from playwright.async_api import CDPSession, Page
from tests.dashboard.browser import chromium
from tests.dashboard.fake_feed import FakeFeed, random_walk

from marksim.dashboard.history import History
from marksim.dashboard.reader import read_feed
from marksim.dashboard.web import WebServer, bind

_SYMBOLS = (("BTC/USD", 50_000.0), ("ETH/USD", 3_000.0), ("SOL/USD", 142.0))


async def main() -> None:
    """Run for the asked minutes and print one line a minute."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--feed", default="", help="address of a running feed; without one a seeded feed is played")
    parser.add_argument("--rate", type=float, default=200, help="ticks per second and symbol of the seeded feed")
    parser.add_argument("--screenshot", default="", help="PNG to write at the end")
    arguments = parser.parse_args()
    async with AsyncExitStack() as stack:
        address = arguments.feed or await _play(stack, arguments.rate)
        history = History(address)
        web = WebServer(history, bind("", 0))
        web.start()
        stack.callback(web.close)
        _background(stack, read_feed(address, history))
        browser = await stack.enter_async_context(chromium())
        page = await browser.new_page(viewport={"width": 1600, "height": 1000})
        page.on("console", lambda message: print("console:", message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: print("page error:", error))
        await page.goto(f"http://127.0.0.1:{web.port}/")
        devtools = await page.context.new_cdp_session(page)
        await devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
        print(
            "minute  heap MB  nodes  listeners  update ms: median   p99    max  CPU ms a redraw  redraws/s  ticks/s"
            "  dashboard RSS MB"
        )
        await _measure(page, devtools, history, arguments.minutes)
        if arguments.screenshot:
            await page.screenshot(path=arguments.screenshot)


async def _play(stack: AsyncExitStack, rate: float) -> str:
    feed = await stack.enter_async_context(FakeFeed())
    _background(stack, feed.play([random_walk(symbol, price, 7) for symbol, price in _SYMBOLS], rate))
    return feed.address


def _background(stack: AsyncExitStack, work: Any) -> None:
    task = asyncio.create_task(work)

    async def end() -> None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    stack.push_async_callback(end)


async def _measure(page: Page, devtools: CDPSession, history: History, minutes: float) -> None:
    end = time.monotonic() + minutes * 60
    minute, draws, ticks, cpu_s, since = 0, 0, 0, 0.0, time.monotonic()
    while time.monotonic() < end:
        await asyncio.sleep(min(60.0, max(1.0, end - time.monotonic())))
        probe = await page.evaluate("marksim.probe()")
        computed_s = (await _metrics(devtools))["TaskDuration"]
        await devtools.send("HeapProfiler.collectGarbage")
        metrics = await _metrics(devtools)
        now = time.monotonic()
        minute += 1
        timings = sorted(probe["timings"])
        p99 = timings[min(len(timings) - 1, int(len(timings) * 0.99))]
        cpu_ms = (computed_s - cpu_s) * 1e3 / max(1, probe["draws"] - draws)
        redraws_per_s = (probe["draws"] - draws) / (now - since)
        ticks_per_s = (history.status.ticks - ticks) / (now - since)
        heap, nodes, listeners = metrics["JSHeapUsedSize"] / 1e6, metrics["Nodes"], metrics["JSEventListeners"]
        resident = psutil.Process().memory_info().rss / 1e6
        print(
            f"{minute:6d}  {heap:7.2f}  {nodes:5.0f}  {listeners:9.0f}  {statistics.median(timings):17.1f}  {p99:5.1f}"
            f"  {timings[-1]:5.1f}  {cpu_ms:15.1f}  {redraws_per_s:9.1f}  {ticks_per_s:7.0f}  {resident:16.1f}",
            flush=True,
        )
        draws, ticks, cpu_s, since = probe["draws"], history.status.ticks, metrics["TaskDuration"], now


async def _metrics(devtools: CDPSession) -> dict[str, float]:
    answer = await devtools.send("Performance.getMetrics")
    return {each["name"]: each["value"] for each in answer["metrics"]}


if __name__ == "__main__":
    asyncio.run(main())
