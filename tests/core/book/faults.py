"""Faults that somebody could write into the order book's kernel; the tests of this folder find each (test_faults.py)."""

from typing import Final, NamedTuple

from tests.core.book.faults_of_memory import MEMORY
from tests.core.book.faults_of_sessions import SESSIONS
from tests.core.book.faults_of_trading import TRADING


class Fault(NamedTuple):
    """A piece of source that stands once in a file of marksim.core.book, and what stands there instead."""

    name: str
    file: str
    text: str
    instead: str


FAULTS: Final = tuple(
    Fault(name, file, text, instead)
    for part in (TRADING, MEMORY, SESSIONS)
    for file, faults in part.items()
    for name, text, instead in faults
)
