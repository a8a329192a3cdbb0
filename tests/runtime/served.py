"""Services inside the test's own event loop, on free ports."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import grpc.aio

from marksim.runtime.metrics import Store
from marksim.runtime.serve import Lifecycle, Service, serve
from marksim.runtime.settings import ServiceSettings


class Plain:
    """A service that does nothing until it is told to drain."""

    def __init__(self, stores: Sequence[Store] = (), ready: bool = True) -> None:
        self.own_stores = stores
        self.is_ready = ready

    def register(self, server: grpc.aio.Server) -> Sequence[str]:
        return ()

    async def run(self, lifecycle: Lifecycle) -> None:
        await lifecycle.draining.wait()

    def ready(self) -> bool:
        return self.is_ready

    def stores(self) -> Sequence[Store]:
        return self.own_stores


class Running:
    """A served service: its lifecycle, and its exit code once it has ended."""

    def __init__(self, lifecycle: Lifecycle, ended: asyncio.Task[int]) -> None:
        self.lifecycle = lifecycle
        self.ended = ended

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.lifecycle.grpc_port}"

    async def get(self, path: str) -> tuple[int, str]:
        """Status and body of an HTTP page."""
        return await asyncio.to_thread(_get, f"http://127.0.0.1:{self.lifecycle.http_port}{path}")


def _get(url: str) -> tuple[int, str]:
    try:
        with urlopen(url, timeout=5) as response:
            return response.status, response.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


@asynccontextmanager
async def served(service: Service, name: str = "edge", settings: ServiceSettings | None = None) -> AsyncIterator[Running]:
    """Serve `service` inside the block and drain it at the end."""
    chosen = settings or ServiceSettings(grpc_port=0, http_port=0, grace_s=1.0)
    bound: asyncio.Future[Lifecycle] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(name, chosen, lambda _: service, bound.set_result))
    waited: set[asyncio.Future[Any]] = {task, bound}
    await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    lifecycle = await bound
    try:
        yield Running(lifecycle, task)
    finally:
        lifecycle.draining.set()
        await task


async def until(condition: Callable[[], Any], within_s: float = 10.0) -> None:
    """Return once `condition` holds; TimeoutError if it does not in time. Awaits what it returns."""
    async with asyncio.timeout(within_s):
        while True:
            value = condition()
            if await value if asyncio.iscoroutine(value) else value:
                return
            await asyncio.sleep(0.02)
