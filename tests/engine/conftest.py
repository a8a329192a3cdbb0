"""Kernels are compiled before a test needs them."""

import pytest

from marksim.core.warm import compile_kernels


@pytest.fixture(scope="session", autouse=True)
def compiled() -> None:
    compile_kernels()
