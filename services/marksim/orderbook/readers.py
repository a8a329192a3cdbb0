"""Named readers and what they have confirmed: here in memory, and told to whoever keeps it."""

import asyncio
from collections.abc import Callable, Mapping
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

    def __init__(
        self,
        on_confirm: Callable[[str, str, int], object] = lambda _name, _run, _window: None,
        on_forget: Callable[[str], object] = lambda _name: None,
    ) -> None:
        """`on_confirm` is told name, run and window of what is confirmed anew, no run and -1 for who is new; `on_forget` the
        name of who is dropped.
        """
        self._on_confirm = on_confirm
        self._on_forget = on_forget
        self._readers: dict[str, ReaderState] = {}
        self.changed = asyncio.Event()
        """Set at the next confirmation or when a reader goes; then another takes its place."""

    @classmethod
    def restored(
        cls,
        confirmed: Mapping[str, tuple[str, int]],
        on_confirm: Callable[[str, str, int], object],
        on_forget: Callable[[str], object],
    ) -> "Readers":
        """Those of an earlier process, all away: run and window that each confirmed last, by name."""
        readers = cls(on_confirm, on_forget)
        readers._readers = {name: ReaderState(run, window) for name, (run, window) in confirmed.items()}
        return readers

    def connect(self, name: str) -> None:
        """A stream of this reader is open; raises Exhausted for one name too many."""
        is_new = name not in self._readers
        self._claim(name).streams += 1
        if is_new:
            # From now on nothing is dropped that it has not confirmed.
            self._on_confirm(name, "", -1)

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
            self._on_confirm(name, run, window)
            self._wake()

    def forget(self, name: str) -> None:
        """Drop a reader; raises NotFound, or NotNow while it is connected."""
        state = self._readers.get(name)
        if state is None:
            raise NotFound(f"there is no reader {name[:40]!r}", reason="UNKNOWN_READER")
        if state.streams:
            raise NotNow(f"reader {name!r} is connected: stop it first", reason="READER_CONNECTED")
        del self._readers[name]
        self._on_forget(name)
        self._wake()

    def without(self, run: str, window: int) -> list[str]:
        """Names of those who have not confirmed that window, connected or away."""
        return [name for name, state in self._readers.items() if window >= 0 and (state.run != run or state.window < window)]

    def slowest(self, run: str) -> int | None:
        """The window up to which all of them have confirmed that run, -1 for none of it; None where there is no reader.

        What is behind it somebody may still come for.
        """
        return min((state.window if state.run == run else -1 for state in self._readers.values()), default=None)

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
