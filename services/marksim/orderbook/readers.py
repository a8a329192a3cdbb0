"""Named readers and what they have confirmed, in memory."""

import asyncio
from dataclasses import dataclass
from typing import Final

from marksim.core.errors import Exhausted, NotFound, NotNow
from marksim.v1 import orderbook_pb2 as pb

MAX_READERS: Final = 64


@dataclass(slots=True)
class ReaderState:
    """What a reader confirmed last, and how many of its streams are open."""

    run: str = ""
    window: int = -1
    streams: int = 0


class Readers:
    """All named readers, at most MAX_READERS."""

    def __init__(self) -> None:
        self._readers: dict[str, ReaderState] = {}
        self.changed = asyncio.Event()
        """Set at the next confirmation or when a reader goes; then another takes its place."""

    def connect(self, name: str) -> None:
        """A stream of this reader is open; raises Exhausted for one name too many."""
        self._claim(name).streams += 1

    def disconnect(self, name: str) -> None:
        """A stream of this reader has ended."""
        if state := self._readers.get(name):
            state.streams -= 1
            self._wake()

    def confirm(self, name: str, run: str, window: int) -> None:
        """The reader has stored everything up to that window; within a run this never goes back."""
        state = self._claim(name)
        if run != state.run or window > state.window:
            state.run, state.window = run, window
            self._wake()

    def forget(self, name: str) -> None:
        """Drop a reader; raises NotFound, or NotNow while it is connected."""
        state = self._readers.get(name)
        if state is None:
            raise NotFound(f"there is no reader {name[:40]!r}", reason="UNKNOWN_READER")
        if state.streams:
            raise NotNow(f"reader {name!r} is connected: stop it first", reason="READER_CONNECTED")
        del self._readers[name]
        self._wake()

    def without(self, run: str, window: int) -> list[str]:
        """Names of those who have not confirmed that window, connected or away."""
        return [name for name, state in self._readers.items() if window >= 0 and (state.run != run or state.window < window)]

    @property
    def connected(self) -> int:
        return sum(state.streams > 0 for state in self._readers.values())

    def to_proto(self) -> list[pb.Reader]:
        """All readers, by name."""
        return [
            pb.Reader(
                reader=name, run=state.run, window=state.window if state.window >= 0 else None, connected=state.streams > 0
            )
            for name, state in sorted(self._readers.items())
        ]

    def _wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()

    def _claim(self, name: str) -> ReaderState:
        if name not in self._readers and len(self._readers) >= MAX_READERS:
            raise Exhausted(f"there are {MAX_READERS} named readers: forget one first", reason="TOO_MANY_READERS")
        return self._readers.setdefault(name, ReaderState())
