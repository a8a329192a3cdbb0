"""The market that most tests here trade on."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from marksim.core.warm import BOOK, compile_kernels
from marksim.orderbook import presence
from tests.orderbook.market import Market, served


@pytest.fixture(scope="session", autouse=True)
def compiled() -> None:
    """As the service does before it is ready."""
    compile_kernels(BOOK)


@pytest_asyncio.fixture
async def market() -> AsyncIterator[Market]:
    async with served() as served_market:
        yield served_market


@pytest.fixture
def late_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Presence is looked at a second time long after the test."""
    monkeypatch.setattr(presence, "SECOND_LOOK_S", 60.0)
