"""The newest encoded frames in one block of memory that never grows."""

import bisect
import sys
from collections.abc import Sequence
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

PAGE_BYTES: Final = 4_096
ENTRY_BYTES: Final = 1_024
"""One index row for each so many bytes of ring: frames smaller than that on average are bounded by rows instead."""


class Segment(IntEnum):
    """Parts of an encoded frame, in the order in which they are stored. Protobuf messages join by concatenation."""

    HEAD = 0
    TICK = 1
    TRADES = 2
    QUOTES = 3
    DEPTH = 4
    SNAPSHOT = 5
    EXECUTIONS = 6


class Entry(NamedTuple):
    """One stored frame: whose it is, and where its segments begin and end."""

    run: int
    window: int
    symbol: int
    wall_ms: int
    bounds: tuple[int, ...]


_BOUNDS: Final = 4
"""Column of the index in which the first segment begins."""
_COLUMNS: Final = _BOUNDS + len(Segment) + 1


class FrameRing:
    """A ring of encoded frames, ordered by (run, window) and numbered without end; entry n is there while tail <= n < head.

    The memory is allocated and touched at once, so that resident memory stays flat. What is older than `max_age_s` or in the
    way of something newer is dropped, whole windows at a time.
    """

    def __init__(self, size_bytes: int, max_age_s: float = 300.0) -> None:
        self.size_bytes = size_bytes
        self.capacity = max(size_bytes // ENTRY_BYTES, 1_024)
        self.head = 0
        self.tail = 0
        self.evicted: tuple[int, int] | None = None
        """(run, window) of the newest window that is no longer whole; window -1 where all runs before this one are gone."""
        self._max_age_ms = int(max_age_s * 1_000)
        self._bytes = bytearray(size_bytes)
        self._index = np.full((self.capacity, _COLUMNS), -1, np.int64)
        self._write_at = 0
        np.frombuffer(self._bytes, np.uint8)[::PAGE_BYTES] = 1

    @property
    def used_bytes(self) -> int:
        """Between the oldest and the newest frame, including what was left free at the end of the block."""
        if self.head == self.tail:
            return 0
        begin = self.entry(self.tail).bounds[0]
        return (self._write_at - begin) % self.size_bytes or self.size_bytes

    @property
    def fill(self) -> float:
        """Part of it that is in use, by bytes or by entries, whichever is nearer to its bound."""
        return max(self.used_bytes / self.size_bytes, (self.head - self.tail) / self.capacity)

    def entry(self, number: int) -> Entry:
        """The entry of that number, which must be in the ring."""
        run, window, symbol, wall_ms, *bounds = self._index[number % self.capacity].tolist()
        return Entry(run, window, symbol, wall_ms, tuple(bounds))

    def append(self, run: int, window: int, symbol: int, segments: Sequence[bytes], wall_ms: int) -> None:
        """Store a frame, given as one encoded piece per Segment, at the cost of the oldest."""
        size = sum(map(len, segments))
        self.expire(wall_ms)
        if size > self.size_bytes // 2:
            # Readers are told of the gap; keeping it would leave no room for anything else.
            while self.tail < self.head:
                self._evict()
            self.evicted = (run, window)
            return
        bounds = [at := self._make_room(size)]
        for segment in segments:
            self._bytes[at : (at := at + len(segment))] = segment
            bounds.append(at)
        self._index[self.head % self.capacity] = (run, window, symbol, wall_ms, *bounds)
        self._write_at = at
        self.head += 1

    def expire(self, wall_ms: int) -> None:
        """Drop what is too old."""
        oldest_ms = wall_ms - self._max_age_ms
        while self.tail < self.head and self._index[self.tail % self.capacity, 3] < oldest_ms:
            self._evict()

    def forget(self, run: int) -> None:
        """Drop all that is older than this run."""
        while self.tail < self.head and self._position(self.tail) < (run, -1):
            self._evict()
        self.evicted = max(self.evicted or (0, -1), (run, -1))

    def after(self, run: int, window: int) -> int:
        """Number of the first entry behind that window; `head` if there is none yet."""
        return bisect.bisect_right(range(self.tail, self.head), (run, window), key=self._position) + self.tail

    def end_of(self, run: int) -> int:
        """Number of the first entry behind that run; `head` where there is none yet."""
        if self.tail == self.head or self._position(self.head - 1)[0] <= run:
            return self.head
        return self.after(run, sys.maxsize)

    def whole(self, first: int, stop: int) -> int:
        """`stop`, or where that is within a window the number behind that window; `first` where nothing is between."""
        return stop if stop in (first, self.head) else self.after(*self._position(stop - 1))

    def of_symbols(self, first: int, stop: int, asked: NDArray[np.bool_]) -> Sequence[int]:
        """Numbers first <= n < stop of the entries of the symbols of which `asked`, of shape (symbols,), is true."""
        numbers = np.arange(first, stop)
        found: list[int] = numbers[asked[self._index[numbers % self.capacity, 2]]].tolist()
        return found

    def newest(
        self, first: int, stop: int, asked: NDArray[np.bool_], segments: Sequence[Segment]
    ) -> tuple[list[Entry], int]:
        """Of the entries first <= n < stop that hold any of these segments: the newest of each symbol of which `asked`, of
        shape (symbols,), is true, in their order; and how many more there are.
        """
        numbers = np.arange(first, stop)
        places = numbers % self.capacity
        symbols = self._index[places, 2]
        held = np.zeros(len(numbers), np.bool_)
        for segment in segments:
            begins = _BOUNDS + segment
            held |= self._index[places, begins] != self._index[places, begins + 1]
        found = np.flatnonzero(held & asked[symbols])[::-1]
        _, newest = np.unique(symbols[found], return_index=True)
        return [self.entry(number) for number in np.sort(numbers[found[newest]]).tolist()], len(found) - len(newest)

    def read(self, entry: Entry, segments: Sequence[Segment]) -> bytes:
        """The encoded frame with only these segments (and always its head)."""
        bounds = entry.bounds
        return b"".join(self._bytes[bounds[segment] : bounds[segment + 1]] for segment in (Segment.HEAD, *segments))

    def _position(self, number: int) -> tuple[int, int]:
        run, window = self._index[number % self.capacity, :2].tolist()
        return run, window

    def _make_room(self, size: int) -> int:
        """Where the next `size` bytes go, with nothing left there."""
        start = self._write_at
        if start + size > self.size_bytes:
            while self.tail < self.head and self._start(self.tail) >= self._write_at:
                self._evict()
            start = 0
        while self.tail < self.head and (
            start <= self._start(self.tail) < start + size or self.head - self.tail >= self.capacity
        ):
            self._evict()
        return start

    def _start(self, number: int) -> int:
        return int(self._index[number % self.capacity, _BOUNDS])

    def _evict(self) -> None:
        self.evicted = self._position(self.tail)
        while self.tail < self.head and self._position(self.tail) == self.evicted:
            self.tail += 1
