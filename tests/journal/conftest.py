"""Kernels are compiled before a test's time runs."""

import pytest

from marksim.core.warm import BOOK, SIMULATION, compile_kernels


@pytest.fixture(scope="session", autouse=True)
def compiled() -> None:
    """As the commands do before they begin."""
    compile_kernels({**BOOK, **SIMULATION})
