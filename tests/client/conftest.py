"""Both clients on one market: what holds for one holds for the other."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from marksim.core.warm import BOOK, compile_kernels
from tests.client.live import Connect, Live, awaited, live, threaded


@pytest.fixture(scope="session", autouse=True)
def compiled() -> None:
    """As the service does before it is ready."""
    compile_kernels(BOOK)


@pytest.fixture(params=[threaded, awaited], ids=["waiting", "async"])
def connect(request: pytest.FixtureRequest) -> Connect:
    """Opens a client."""
    client: Connect = request.param
    return client


@pytest_asyncio.fixture
async def market() -> AsyncIterator[Live]:
    async with live() as one:
        yield one
