"""Kernels are compiled before a test's time runs."""

import pytest

from marksim.core.warm import compile_kernels


@pytest.fixture(scope="session", autouse=True)
def compiled() -> None:
    """As the services do before they are ready."""
    compile_kernels()
